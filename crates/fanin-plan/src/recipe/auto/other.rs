//! Parameters of which the graph does not tell what they are for.

use fanin_network::Enters;

use super::{Choice, Place, weight};
use crate::build;

pub(super) fn choose(place: &Place<'_>) -> Choice {
    let because = place.because();
    match place.enters() {
        _ if place.is_offset_from_one() => Choice::new(
            build::zeros(),
            format!("{because}: it is added to one before it is used, so zero changes nothing"),
        ),
        Enters::Multiplied => Choice::new(
            build::ones(),
            format!("{because}: it multiplies, and one changes nothing"),
        ),
        Enters::Added => Choice::new(
            build::zeros(),
            format!("{because}: it is added, and zero changes nothing"),
        ),
        Enters::Otherwise if place.is_matrix() => weight::choose(place),
        Enters::Otherwise => Choice::new(
            build::normal(0.02),
            format!(
                "{because}: small and different in every element, because nothing tells its scale (Devlin et al. 2019)"
            ),
        ),
    }
}
