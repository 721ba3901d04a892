//! The first floating output: where the gradient is given, and what the loss would be there.

use fanin_network::operator::{Class, Operator, Parity, Softmax, SoftmaxKind};
use fanin_network::{Network, ValueId};

use crate::array::{Array, Dense, dims};
use crate::error::RunError;
use crate::kernel::rows::map_rows;
use crate::statistics::{self, Look};
use crate::trace::{Forward, OutputObservation};

/// The first output that is floating, or whose type is not known: where the loss is taken.
///
/// # Errors
///
/// If all outputs are known not to be floating.
pub fn first_floating(network: &Network) -> Result<ValueId, RunError> {
    network
        .outputs
        .iter()
        .copied()
        .find(|&id| network.value(id).element.is_none_or(|e| e.is_float()))
        .ok_or_else(|| {
            RunError::Network("the network has no floating output to run backward from".to_owned())
        })
}

/// What is seen at the output, whose statistics may have been taken already.
pub(crate) fn observe(
    network: &Network,
    id: ValueId,
    a: &Array,
    seen: Option<&Forward>,
) -> OutputObservation {
    let own = seen
        .is_none()
        .then(|| statistics::forward(a, Look::default()));
    let (rms, non_finite) = seen
        .or(own.as_ref())
        .map_or((0.0, 0), |f| (f.rms, f.non_finite));
    let value = network.value(id);
    OutputObservation {
        value: value.name.clone(),
        shape: dims(a),
        rms,
        initial_loss: (non_finite == 0 && may_be_logits(network, id))
            .then(|| initial_loss(a))
            .flatten(),
    }
}

/// Whether the output comes out of something that leaves its range open: no squashing, no norm.
fn may_be_logits(network: &Network, id: ValueId) -> bool {
    let mut producer = network.value(id).producer;
    while let Some(node) = producer.map(|p| network.node(p)) {
        let facts = network.facts(node);
        match facts.class {
            Class::Arranges => {
                producer = node.input(0).and_then(|v| network.value(v).producer);
            }
            Class::Linear | Class::Sums | Class::Multiplies | Class::Picks => {
                return !facts.bounded();
            }
            // Means are; the largest of several is not.
            Class::Pools | Class::Reduces => {
                return facts.degree == Some(1.0) && facts.parity == Parity::Odd;
            }
            _ => {
                return matches!(
                    node.operator,
                    Operator::Softmax(Softmax {
                        kind: SoftmaxKind::Log,
                        ..
                    })
                );
            }
        }
    }
    false
}

/// Mean cross entropy against uniformly drawn classes: the mean of `log sum exp - mean` over the
/// vectors of logits along the last axis, or axis 1 of maps.
fn initial_loss(a: &Array) -> Option<f64> {
    let shape = dims(a);
    let axis = match shape.len() {
        0 | 1 => return None,
        2 | 3 => shape.len() - 1,
        _ => 1,
    };
    let classes = shape[axis];
    if classes < 2 {
        return None;
    }
    let rows = if axis + 1 == shape.len() {
        a.clone()
    } else {
        a.transpose(axis, shape.len() - 1)
    };
    let losses = map_rows(&Dense::new(&rows), classes, 1, |x, out| {
        let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = x.iter().map(|&v| f64::from(v - max).exp()).sum();
        let mean: f64 = x.iter().map(|&v| f64::from(v - max)).sum::<f64>() / x.len() as f64;
        out[0] = (total.ln() - mean) as f32;
    });
    let n = losses.len() as f64;
    (n > 0.0).then(|| losses.iter().map(|&l| f64::from(l)).sum::<f64>() / n)
}
