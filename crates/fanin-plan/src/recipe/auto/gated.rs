//! Gated units: φ(x W) · (x V).

use fanin_network::Feeds;

use super::scale::{Scale, halves};
use super::{Choice, Place};
use crate::kind;

/// The half that meets the activation, or both halves in one weight.
pub(super) fn gate(place: &Place<'_>) -> Choice {
    let Feeds::Activation(activation) = place.feeds() else {
        return plain(place);
    };
    if place.parameter.layout.fused.len() > 1 {
        return halves(activation).choice(place);
    }
    Scale::fan_in(
        1.0,
        format!("variance 1/fan_in lets {activation} meet unit variance, and the value half carries the gain (Shazeer 2020)"),
    )
    .choice(place)
}

/// The half that the gate multiplies.
pub(super) fn value(place: &Place<'_>) -> Choice {
    let activation = match (place.gate(), place.feeds()) {
        (Some(activation), _) | (None, Feeds::Activation(activation)) => activation,
        _ => return plain(place),
    };
    let gain = kind::gain(activation);
    Scale::fan_in(
        gain,
        format!("1/√E[φ²] = {gain:.4} for the {activation} of the gate keeps the second moment of the product (Shazeer 2020; He et al. 2015)"),
    )
    .choice(place)
}

fn plain(place: &Place<'_>) -> Choice {
    Scale::fan_in(
        1.0,
        "variance 1/fan_in keeps the variance of either half (LeCun et al. 1998)",
    )
    .choice(place)
}
