//! Scale and shift of normalizations.

use super::{Choice, Place};
use crate::build;

pub(super) fn scale(place: &Place<'_>) -> Choice {
    let because = place.because();
    if place.is_offset_from_one() {
        return Choice::new(
            build::zeros(),
            format!("{because}: zero, because it is stored as its distance from one"),
        );
    }
    match place.branches() {
        Some(n) if n > 1 => Choice::new(
            build::constant(1.0 / (n as f64).sqrt()),
            format!(
                "{because}: it ends one of {n} residual branches, and 1/√{n} keeps the stream near its scale (De & Smith 2020), where zero (Goyal et al. 2017) would give the branch's weights no first gradient"
            ),
        ),
        _ => Choice::new(
            build::ones(),
            format!("{because}: one, the norm alone sets the scale (Ioffe & Szegedy 2015)"),
        ),
    }
}

pub(super) fn shift(place: &Place<'_>) -> Choice {
    Choice::new(
        build::zeros(),
        format!(
            "{}: zero, the norm alone sets the mean (Ioffe & Szegedy 2015)",
            place.because()
        ),
    )
}
