//! Learned factors on residual branches.

use super::{Choice, Place};
use crate::build;

pub(super) fn choose(place: &Place<'_>) -> Choice {
    let because = place.because();
    let branches = place.branches().or(place.facts.branches).unwrap_or(1);
    if place.parameter.len() == 1 {
        let value = 1.0 / (branches as f64).sqrt();
        return Choice::new(
            build::constant(value),
            format!(
                "{because}: 1/√{branches} keeps the stream near its scale (De & Smith 2020), where zero (Bachlechner et al. 2021) would give the branch's weights no first gradient"
            ),
        );
    }
    // CaiT counts layers of two branches each.
    let value = match branches {
        0..=36 => 0.1,
        37..=48 => 1e-5,
        _ => 1e-6,
    };
    Choice::new(
        build::constant(value),
        format!(
            "{because}: {value:?} for {branches} branches lets the stream pass first (Touvron et al. 2021)"
        ),
    )
}
