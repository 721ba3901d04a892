//! Which axis of a weight or of a value counts units.

use fanin::Axis;
use fanin_network::operator::UnitAxis;
use fanin_network::{Network, NodeId, Parameter};

/// The output units of a weight with at least two: how many, and the elements of one unit that lie
/// together.
pub(crate) fn unit_axis(parameter: &Parameter) -> Option<(usize, usize)> {
    let axis = parameter
        .layout
        .axes
        .iter()
        .position(|&a| a == Axis::Output)?;
    let count = *parameter.shape.get(axis)?;
    let real = parameter.shape.len() >= 2 && count >= 2;
    real.then(|| (count, parameter.shape[axis + 1..].iter().product()))
}

/// The axis of a node's output that counts units: the last, or axis 1 of what comes from a
/// convolution or has four axes and more.
pub(crate) fn value_axis(network: &Network, id: NodeId, shape: &[usize]) -> Option<usize> {
    match shape.len() {
        0 | 1 => None,
        2 => Some(1),
        rank => Some(weighted_axis(network, id).unwrap_or(if rank > 3 { 1 } else { rank - 1 })),
    }
    .filter(|&axis| axis < shape.len())
}

/// Looks back along signals for the operator that made the units.
fn weighted_axis(network: &Network, mut id: NodeId) -> Option<usize> {
    loop {
        let node = network.node(id);
        let facts = network.facts(node);
        let rank = || {
            let output = network.output(id)?;
            Some(network.value(output).shape.as_ref()?.len())
        };
        match facts.units {
            UnitAxis::Channel => return Some(1),
            UnitAxis::Last => return rank()?.checked_sub(1),
            UnitAxis::BeforeLast => return rank()?.checked_sub(2),
            UnitAxis::Kept => {}
            UnitAxis::Unknown => return None,
        }
        id = facts
            .signal
            .of(node.inputs.len())
            .filter_map(|slot| node.input(slot))
            .find_map(|v| network.value(v).producer)?;
    }
}
