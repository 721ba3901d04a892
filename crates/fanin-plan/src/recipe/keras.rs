//! `keras`: what the layers of Keras 3 do by default, read in release 3.15.
//!
//! One departure: Keras takes the last two axes for input and output whatever the layer, which gives
//! depthwise kernels a standard deviation many times too small. Here the fans are the layer's own.

use fanin::Axis;
use fanin_network::{RecurrentKind, Role};

use super::{Choice, Place};
use crate::build;
use crate::gates;

pub(super) fn choose(place: &Place<'_>) -> Choice {
    let because = place.because();
    match place.role() {
        Role::Weight
        | Role::AttentionQuery
        | Role::AttentionKey
        | Role::AttentionValue
        | Role::AttentionQkv
        | Role::AttentionOutput
        | Role::Gate
        | Role::GateValue
        | Role::OutputHead => kernel(place),
        Role::Other if place.is_matrix() => kernel(place),
        Role::RecurrentInput => recurrent_input(place),
        // The gates, orthogonal each, have orthonormal columns together once divided by the root of
        // their number.
        Role::RecurrentHidden => Choice::new(
            build::orthogonal(1.0 / (place.parameter.layout.fused.len().max(1) as f64).sqrt()),
            format!(
                "{because}: Keras draws the recurrent kernel orthogonal, all gates as one matrix"
            ),
        ),
        Role::RecurrentBias => recurrent_bias(place),
        Role::NormScale if place.is_offset_from_one() => Choice::new(
            build::zeros(),
            format!("{because}: one, as every norm of Keras, but stored as its distance from one"),
        ),
        Role::NormScale => Choice::new(
            build::ones(),
            format!("{because}: one, as every norm of Keras"),
        ),
        Role::Embedding => Choice::new(
            build::symmetric_uniform(0.05),
            format!("{because}: the Embedding layer of Keras draws from U(±0.05)"),
        ),
        Role::PositionEmbedding if place.parameter.shape.len() >= 2 => {
            let rows: usize = place.parameter.len() / place.width().max(1);
            let sum = rows.saturating_add(place.width()).max(1) as f64;
            Choice::new(
                build::symmetric_uniform((6.0 / sum).sqrt()),
                format!(
                    "{because}: PositionEmbedding of KerasHub draws by glorot_uniform over rows and width"
                ),
            )
        }
        Role::BranchScale => Choice::new(
            build::constant(1e-6),
            format!("{because}: LayerScale of Keras's ConvNeXt starts at 1e-6"),
        ),
        Role::Bias
        | Role::NormShift
        | Role::PositionEmbedding
        | Role::AttentionBias
        | Role::ActivationSlope
        | Role::WeightScale
        | Role::LowRankDown
        | Role::LowRankUp
        | Role::Other => Choice::new(
            build::zeros(),
            format!("{because}: zero, as Keras starts biases, shifts and slopes"),
        ),
    }
}

fn kernel(place: &Place<'_>) -> Choice {
    Choice::new(
        build::xavier_uniform(1.0),
        format!(
            "{}: Dense, Conv and attention layers of Keras draw by glorot_uniform",
            place.because()
        ),
    )
}

/// Keras takes all gates for one matrix.
fn recurrent_input(place: &Place<'_>) -> Choice {
    let sum = place
        .size_of(Axis::Input)
        .saturating_add(place.size_of(Axis::Output))
        .max(1) as f64;
    Choice::new(
        build::symmetric_uniform((6.0 / sum).sqrt()),
        format!(
            "{}: Keras draws by glorot_uniform, all gates as one matrix",
            place.because()
        ),
    )
}

fn recurrent_bias(place: &Place<'_>) -> Choice {
    let because = place.because();
    match (place.recurrent(), gates::forget_at_one(place)) {
        (Some((RecurrentKind::Lstm, _)), Some(initializer)) => Choice::new(
            initializer,
            format!("{because}: zero, and one for the forget gate (unit_forget_bias of Keras)"),
        ),
        _ => Choice::new(
            build::zeros(),
            format!("{because}: zero, as Keras starts biases"),
        ),
    }
}
