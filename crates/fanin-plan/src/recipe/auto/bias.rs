//! Biases.

use super::{Choice, Place};
use crate::build;

pub(super) fn choose(place: &Place<'_>) -> Choice {
    let why = if place.parameter.purpose.norm_follows {
        "zero, the norm that follows would remove anything else (Ioffe & Szegedy 2015)"
    } else {
        "zero, so that only the weights set the scale (Glorot & Bengio 2010)"
    };
    Choice::new(build::zeros(), format!("{}: {why}", place.because()))
}
