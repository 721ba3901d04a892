//! Which axis of a weight or of a value counts units.

use fanin::Axis;
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

/// Looks back along first inputs for the operator that made the units.
fn weighted_axis(network: &Network, mut id: NodeId) -> Option<usize> {
    // A few steps: bias, norm, reshape; further back the units are no longer the same.
    for _ in 0..8 {
        let node = network.node(id);
        match node.op.as_str() {
            "Conv" | "ConvTranspose" | "BatchNormalization" => return Some(1),
            "MatMul" | "Gemm" | "LayerNormalization" => {
                let output = network.output(id)?;
                return network.value(output).shape.as_ref()?.len().checked_sub(1);
            }
            "Transpose" => return None,
            _ => {}
        }
        id = node
            .inputs
            .iter()
            .flatten()
            .find_map(|&v| network.value(v).producer)?;
    }
    None
}
