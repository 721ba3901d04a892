//! The projections of attention.

use super::scale::Scale;
use super::weight;
use super::{Choice, Place};
use crate::build;

pub(super) fn query_key(place: &Place<'_>) -> Choice {
    Scale::fan_in(
        1.0,
        "variance 1/fan_in, so that q·k/√d has unit variance and attention starts neither uniform nor saturated (Vaswani et al. 2017)",
    )
    .choice(place)
}

pub(super) fn value(place: &Place<'_>) -> Choice {
    Scale::fan_in(
        1.0,
        "variance 1/fan_in hands each token on at its own scale (LeCun et al. 1998)",
    )
    .choice(place)
}

pub(super) fn fused(place: &Place<'_>) -> Choice {
    Scale::fan_in(
        1.0,
        "variance 1/fan_in for each of query, key and value, as if they were apart, so that q·k/√d has unit variance (Vaswani et al. 2017)",
    )
    .choice(place)
}

pub(super) fn output(place: &Place<'_>) -> Choice {
    weight::scale(place, place.feeds()).choice(place)
}

pub(super) fn bias(place: &Place<'_>) -> Choice {
    Choice::new(
        build::truncated_normal(0.02),
        format!(
            "{}: small beside scores of unit variance (Liu et al. 2021)",
            place.because()
        ),
    )
}
