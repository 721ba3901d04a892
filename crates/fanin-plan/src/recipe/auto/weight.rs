//! Weights of linear layers and convolutions.

use fanin::Activation;
use fanin_network::{Feeds, Reads};

use super::scale::{Family, Scale, halves};
use super::{Choice, Place};
use crate::kind::{self, Kind};

/// Layers with nothing between them from which on an orthogonal weight is worth it: the squared
/// singular values of a product of L Gaussian matrices vary by L times their mean squared, those of
/// orthogonal ones not at all.
const DEEP: usize = 8;

pub(super) fn choose(place: &Place<'_>) -> Choice {
    scale(place, place.feeds()).choice(place)
}

/// The scale for a weight that feeds this.
pub(super) fn scale(place: &Place<'_>, feeds: Feeds) -> Scale {
    match feeds {
        Feeds::Activation(activation) => before_activation(place, activation),
        Feeds::Softmax => {
            let (gain, cause) = after_activation(place);
            Scale::fan_in(
                gain,
                format!(
                    "softmax wants logits of unit variance, and 1/fan_in gives them{cause} (LeCun et al. 1998)"
                ),
            )
        }
        Feeds::Mixed => Scale::fan_in(
            1.0,
            "several different operations read it, and 1/fan_in keeps the variance (LeCun et al. 1998)",
        ),
        Feeds::Linear => {
            let (gain, cause) = after_activation(place);
            Scale::fan_in(
                gain,
                format!("1/fan_in keeps the variance of a linear layer{cause} (LeCun et al. 1998)"),
            )
        }
    }
}

fn before_activation(place: &Place<'_>, activation: Activation) -> Scale {
    match kind::of(activation) {
        Kind::Identity => scale(place, Feeds::Linear),
        Kind::Homogeneous => {
            let (before, cause) = after_activation(place);
            Scale::fan_in(
                kind::gain(activation) * before,
                format!("He keeps the second moment through {activation}{cause} (He et al. 2015)"),
            )
        }
        Kind::SelfNormalizing => Scale::fan_in(
            1.0,
            "1/fan_in, for which selu maps mean zero and variance one to themselves (LeCun et al. 1998; Klambauer et al. 2017)",
        ),
        Kind::Odd if place.is_square() && place.layers_in_a_row() >= DEEP => Scale {
            family: Family::Orthogonal,
            gain: 1.0,
            cause: format!(
                "orthogonal, because {} layers follow each other with {activation} alone between them: at the edge of chaos it keeps the length of every gradient, and not only their mean (Saxe et al. 2014; Pennington et al. 2017)",
                place.layers_in_a_row()
            ),
        },
        Kind::Odd => Scale::average(
            1.0,
            format!(
                "Xavier keeps {activation} at unit slope, the edge of chaos for zero biases, in both directions (Glorot & Bengio 2010; Schoenholz et al. 2017)"
            ),
        ),
        Kind::Sigmoid { .. } if place.gates_a_signal() => Scale::average(
            1.0,
            format!(
                "Xavier, so that the {} that multiplies the signal starts between its ends (Glorot & Bengio 2010; Hu et al. 2018)",
                activation.name()
            ),
        ),
        Kind::Sigmoid { slope } => Scale::average(
            1.0 / slope,
            format!(
                "Xavier times {:.4}, because the slope of {} at zero is {slope:.4} (Glorot & Bengio 2010)",
                1.0 / slope,
                activation.name()
            ),
        ),
        Kind::Gated => halves(activation),
        Kind::Smooth => smooth(place, activation),
    }
}

/// An activation without an exact rule: the gain is found by quadrature.
fn smooth(place: &Place<'_>, activation: Activation) -> Scale {
    let own = kind::gain(activation);
    if place.parameter.purpose.norm_follows {
        return Scale::fan_in(
            1.0,
            format!(
                "1/fan_in, and the norm that follows lets {activation} meet unit variance whatever the weight's scale (LeCun et al. 1998)"
            ),
        );
    }
    match place.reads() {
        Reads::Unknown => Scale::fan_in(
            own,
            format!(
                "1/√E[φ²] = {own:.4} by quadrature keeps the second moment through {activation} (He et al. 2015, for any activation)"
            ),
        ),
        Reads::Activation(before) if kind::of(before) == Kind::Smooth => {
            let gain = kind::gain(before);
            Scale::fan_in(
                gain,
                format!(
                    "1/√E[φ²] = {gain:.4} by quadrature makes up for the {before} it reads, so that {activation} meets unit variance (He et al. 2015, for any activation)"
                ),
            )
        }
        Reads::Activation(before)
            if matches!(kind::of(before), Kind::Odd | Kind::Sigmoid { .. }) =>
        {
            Scale::fan_in(
                1.0,
                format!(
                    "1/fan_in lets {activation} meet at most unit variance, because the {before} it reads is bounded by one (LeCun et al. 1998)"
                ),
            )
        }
        Reads::Activation(_) | Reads::Unit => Scale::fan_in(
            1.0,
            format!(
                "1/fan_in lets {activation} meet unit variance, because what this weight reads has second moment one (LeCun et al. 1998)"
            ),
        ),
    }
}

/// The factor that makes up for the activation a weight reads, where the weight before could not.
pub(super) fn after_activation(place: &Place<'_>) -> (f64, String) {
    match place.reads() {
        Reads::Activation(before) if kind::of(before) == Kind::Smooth => {
            let gain = kind::gain(before);
            (
                gain,
                format!(", times 1/√E[φ²] = {gain:.4} for the {before} it reads"),
            )
        }
        _ => (1.0, String::new()),
    }
}
