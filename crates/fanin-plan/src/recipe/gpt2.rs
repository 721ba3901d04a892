//! `gpt2`: how GPT-2 starts (Radford et al. 2019), for any network.

use fanin_network::Role;

use super::{Choice, Place};
use crate::build;

const STD: f64 = 0.02;

pub(super) fn choose(place: &Place<'_>) -> Choice {
    let because = place.because();
    match place.role() {
        Role::Bias | Role::NormShift | Role::RecurrentBias => Choice::new(
            build::zeros(),
            format!("{because}: GPT-2 starts biases at zero"),
        ),
        Role::NormScale if place.is_offset_from_one() => Choice::new(
            build::zeros(),
            format!(
                "{because}: GPT-2 starts norms at one, and this is stored as its distance from one"
            ),
        ),
        Role::NormScale | Role::BranchScale => Choice::new(
            build::ones(),
            format!("{because}: GPT-2 starts norms at one"),
        ),
        Role::ActivationSlope => Choice::new(
            build::constant(0.25),
            format!("{because}: GPT-2 has no such parameter; 1/4 (He et al. 2015)"),
        ),
        _ => weight(place),
    }
}

fn weight(place: &Place<'_>) -> Choice {
    let because = place.because();
    match place.branches() {
        Some(n) if n > 1 => Choice::new(
            build::normal(STD / (n as f64).sqrt()),
            format!(
                "{because}: GPT-2's N(0, 0.02), divided by √{n} because {n} branches add into the stream"
            ),
        ),
        _ => Choice::new(build::normal(STD), format!("{because}: GPT-2's N(0, 0.02)")),
    }
}
