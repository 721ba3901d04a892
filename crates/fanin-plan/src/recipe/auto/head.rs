//! The layer that makes the output.

use fanin::Axis;
use fanin_network::Feeds;

use super::scale::Scale;
use super::weight;
use super::{Choice, Place};
use crate::build;
use crate::kind::{self, Kind};

/// The first loss may exceed ln C by this share.
const EXCESS: f64 = 0.01;

pub(super) fn choose(place: &Place<'_>) -> Choice {
    match place.feeds() {
        // Images and other signals, not logits.
        Feeds::Activation(activation)
            if !matches!(kind::of(activation), Kind::Sigmoid { .. } | Kind::Identity) =>
        {
            weight::choose(place)
        }
        _ if place.parameter.purpose.tied => tied(place),
        _ => logits(place),
    }
}

/// Logits of std σ cost ln C + σ²/2 on average, so σ = √(2 · excess · ln C).
fn logits(place: &Place<'_>) -> Choice {
    let classes = place.size_of(Axis::Output).max(2);
    let std = (2.0 * EXCESS * (classes as f64).ln()).sqrt();
    let (before, cause) = weight::after_activation(place);
    Scale::fan_in(
        std * before,
        format!(
            "logits of std {std:.3}{cause} start the loss within 1 % of ln {classes} and still pass a gradient back, which a zero head (Zhang et al. 2019) does not"
        ),
    )
    .choice(place)
}

fn tied(place: &Place<'_>) -> Choice {
    let width = place.fans.as_ref().map_or(1.0, |fans| fans.fan_in.max(1.0));
    let std = 0.02f64.min(1.0 / width.sqrt());
    Choice::new(
        build::normal(std),
        format!(
            "{}: it is also the embedding, and std {std:.4} keeps the logits small (Radford et al. 2019)",
            place.because()
        ),
    )
}
