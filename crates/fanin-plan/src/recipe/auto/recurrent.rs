//! Recurrent layers, whose gates lie one after the other in one tensor.

use fanin_network::RecurrentKind;

use super::{Choice, Place};
use crate::build;
use crate::gates::{self, Gates};

pub(super) fn input(place: &Place<'_>) -> Choice {
    let because = place.because();
    let Some(gates) = Gates::of(place).filter(|gates| gates.count > 1) else {
        return Choice::new(
            build::xavier_normal(1.0),
            format!(
                "{because}: Xavier keeps the variance in both directions (Glorot & Bengio 2010)"
            ),
        );
    };
    Choice::new(
        gates.xavier(place),
        format!(
            "{because}: Xavier for each gate alone, its fan out the hidden size {} (Glorot & Bengio 2010)",
            gates.hidden
        ),
    )
}

pub(super) fn hidden(place: &Place<'_>) -> Choice {
    let gates = if Gates::of(place).is_some_and(|gates| gates.count > 1) {
        " for each gate"
    } else {
        ""
    };
    Choice::new(
        gates::orthogonal_per_gate(place),
        format!(
            "{}: orthogonal{gates}, so that the state neither grows nor fades over time (Saxe et al. 2014)",
            place.because()
        ),
    )
}

pub(super) fn bias(place: &Place<'_>) -> Choice {
    let because = place.because();
    match (place.recurrent(), gates::forget_at_one(place)) {
        (Some((RecurrentKind::Lstm, _)), Some(initializer)) => Choice::new(
            initializer,
            format!(
                "{because}: zero, and one for the forget gate, so that the cell remembers (Gers et al. 2000; Jozefowicz et al. 2015)"
            ),
        ),
        (Some((RecurrentKind::Lstm, _)), None) => Choice::new(
            build::zeros(),
            format!(
                "{because}: zero, because it is added to a bias that has the forget gate at one"
            ),
        ),
        (Some((RecurrentKind::Rnn, _)), _) => Choice::new(
            build::zeros(),
            format!(
                "{because}: zero, so that only the weights set the scale (Glorot & Bengio 2010)"
            ),
        ),
        _ => Choice::new(
            build::zeros(),
            format!("{because}: zero, so that gates start half open (Cho et al. 2014)"),
        ),
    }
}
