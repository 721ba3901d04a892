//! `torch`: what the layers of PyTorch do in `reset_parameters`, read in release 2.15.
//!
//! PyTorch reads its "fan in" off the shape: the second axis times the receptive field. For a
//! transposed convolution that is the number of outputs, and this recipe follows it there.

use fanin::Axis;
use fanin_network::{RecurrentKind, Role};

use super::{Choice, Place};
use crate::build;

pub(super) fn choose(place: &Place<'_>) -> Choice {
    let because = place.because();
    match place.role() {
        Role::RecurrentInput | Role::RecurrentHidden | Role::RecurrentBias => recurrent(place),
        Role::AttentionQkv => fused_attention(place),
        Role::Bias => bias(place),
        Role::Weight
        | Role::AttentionQuery
        | Role::AttentionKey
        | Role::AttentionValue
        | Role::AttentionOutput
        | Role::Gate
        | Role::GateValue
        | Role::OutputHead => layer(place),
        Role::Other if place.is_matrix() => layer(place),
        Role::NormScale if place.is_offset_from_one() => Choice::new(
            build::zeros(),
            format!(
                "{because}: one, as every norm of PyTorch, but stored as its distance from one"
            ),
        ),
        Role::NormScale => Choice::new(
            build::ones(),
            format!("{because}: one, as every norm of PyTorch"),
        ),
        Role::NormShift => Choice::new(
            build::zeros(),
            format!("{because}: zero, as every norm of PyTorch"),
        ),
        Role::Embedding | Role::PositionEmbedding => Choice::new(
            build::normal(1.0),
            format!("{because}: nn.Embedding draws from N(0, 1)"),
        ),
        Role::ActivationSlope => Choice::new(
            build::constant(0.25),
            format!("{because}: nn.PReLU starts at 1/4"),
        ),
        Role::BranchScale => Choice::new(
            build::ones(),
            format!("{because}: PyTorch has no such layer, and one changes nothing"),
        ),
        Role::AttentionBias
        | Role::WeightScale
        | Role::LowRankDown
        | Role::LowRankUp
        | Role::Other => Choice::new(
            build::zeros(),
            format!("{because}: PyTorch has no such layer, and zero is the usual start"),
        ),
    }
}

/// `nn.Linear` and the convolutions: kaiming_uniform(a=√5), which is U(±1/√fan_in).
fn layer(place: &Place<'_>) -> Choice {
    let fan = fan(place);
    let what = if place.parameter.layout.transposed {
        "nn.ConvTranspose draws from U(±1/√n), where n counts output channels times kernel"
    } else {
        "nn.Linear and nn.Conv draw from U(±1/√fan_in), which is kaiming_uniform(a=√5)"
    };
    Choice::new(
        build::symmetric_uniform(1.0 / fan.sqrt()),
        format!("{}: {what}, {fan}", place.because()),
    )
}

/// PyTorch's own fan in.
fn fan(place: &Place<'_>) -> f64 {
    let layout = &place.parameter.layout;
    let channels = match place.fans {
        _ if layout.transposed => place.size_of(Axis::Output),
        Some(fans) if layout.axes.contains(&Axis::Input) => return fans.fan_in.max(1.0),
        _ => place.size_of(Axis::Input),
    };
    (channels as f64 * place.size_of(Axis::Field) as f64).max(1.0)
}

fn bias(place: &Place<'_>) -> Choice {
    let because = place.because();
    match place.weight() {
        Some(weight) if weight.role() == Role::AttentionQkv => Choice::new(
            build::zeros(),
            format!("{because}: nn.MultiheadAttention starts its biases at zero"),
        ),
        Some(weight) => {
            let fan = fan(&weight);
            Choice::new(
                build::symmetric_uniform(1.0 / fan.sqrt()),
                format!(
                    "{because}: nn.Linear and nn.Conv draw the bias from U(±1/√fan_in) of `{}`, {fan}",
                    weight.parameter.name
                ),
            )
        }
        None => Choice::new(
            build::zeros(),
            format!(
                "{because}: its weight is not found, so the range of PyTorch's bias is unknown and zero stands in"
            ),
        ),
    }
}

/// `nn.MultiheadAttention` takes its packed projection for one matrix of 3·E outputs.
fn fused_attention(place: &Place<'_>) -> Choice {
    let inputs = place.size_of(Axis::Input) as f64;
    let outputs = place.size_of(Axis::Output) as f64;
    Choice::new(
        build::symmetric_uniform((6.0 / (inputs + outputs).max(1.0)).sqrt()),
        format!(
            "{}: nn.MultiheadAttention draws the packed projection by xavier_uniform with all {outputs} outputs as fan out",
            place.because()
        ),
    )
}

fn recurrent(place: &Place<'_>) -> Choice {
    let because = place.because();
    let (layer, hidden) = match place.recurrent() {
        Some((RecurrentKind::Lstm, hidden)) => ("nn.LSTM", hidden),
        Some((RecurrentKind::Gru, hidden)) => ("nn.GRU", hidden),
        Some((RecurrentKind::Rnn, hidden)) => ("nn.RNN", hidden),
        None => ("nn.RNN", place.width()),
    };
    Choice::new(
        build::symmetric_uniform(1.0 / (hidden.max(1) as f64).sqrt()),
        format!("{because}: {layer} draws weights and biases from U(±1/√{hidden})"),
    )
}
