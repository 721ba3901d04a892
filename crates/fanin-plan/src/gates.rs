//! The gates of a recurrent layer, which ONNX keeps one after the other in one tensor.
//!
//! W is `[directions, gates·hidden, input]`, R `[directions, gates·hidden, hidden]`, and B
//! `[directions, 2·gates·hidden]`, the biases of W and then those of R. An LSTM's gates come in the
//! order input, output, forget, cell.

use fanin::{Axis, Initializer};
use fanin_network::RecurrentKind;

use crate::build;
use crate::recipe::Place;

/// The gates along one axis of a weight.
pub(crate) struct Gates {
    pub(crate) hidden: usize,
    pub(crate) count: usize,
    axis: usize,
}

impl Gates {
    /// The gates of a recurrent weight, if its axes say what its operator says.
    pub(crate) fn of(place: &Place<'_>) -> Option<Self> {
        let (kind, hidden) = place.recurrent().filter(|(_, hidden)| *hidden > 0)?;
        let count = match kind {
            RecurrentKind::Lstm => 4,
            RecurrentKind::Gru => 3,
            RecurrentKind::Rnn => 1,
        };
        let parameter = place.parameter;
        let axis = parameter
            .layout
            .axes
            .iter()
            .zip(&parameter.shape)
            .position(|(axis, &size)| {
                *axis == Axis::Output && Some(size) == hidden.checked_mul(count)
            })?;
        Some(Self {
            hidden,
            count,
            axis,
        })
    }

    /// Xavier's rule for one gate.
    pub(crate) fn xavier(&self, place: &Place<'_>) -> Initializer {
        if place
            .fans
            .as_ref()
            .is_some_and(|fans| fans.fan_out == self.hidden as f64)
        {
            return build::xavier_normal(1.0);
        }
        let sum = place.size_of(Axis::Input).saturating_add(self.hidden) as f64;
        build::normal((2.0 / sum).sqrt())
    }
}

/// An orthogonal matrix for each gate.
pub(crate) fn orthogonal_per_gate(place: &Place<'_>) -> Initializer {
    match Gates::of(place) {
        Some(gates) if gates.count > 1 => build::concat(
            gates.axis,
            vec![(gates.hidden, build::orthogonal(1.0)); gates.count],
        ),
        _ => build::orthogonal(1.0),
    }
}

/// Zero, and one for the forget gate in the bias that an LSTM adds to W's products; `None` for any
/// other bias.
pub(crate) fn forget_at_one(place: &Place<'_>) -> Option<Initializer> {
    let forget = place.parameter.purpose.forget_gate.clone()?;
    let (axis, size) = place.parameter.shape.iter().enumerate().next_back()?;
    let after = size.checked_sub(forget.end)?;
    let parts = [
        (forget.start, build::zeros()),
        (forget.len(), build::ones()),
        (after, build::zeros()),
    ];
    let parts = parts.into_iter().filter(|(size, _)| *size > 0).collect();
    Some(build::concat(axis, parts))
}
