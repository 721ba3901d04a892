//! All places where parameters meet the signal.

use super::op;
use super::reading::Use;
use super::view::View;
use crate::NodeId;
use crate::parameter::is_float_only_by_type;

/// Every use of every parameter, each parameter's in the order of execution.
pub(super) fn uses(view: &View<'_>) -> Vec<Vec<Use>> {
    let network = view.network;
    let mut found: Vec<Vec<Use>> = vec![Vec::new(); network.parameters.len()];
    for (index, node) in network.nodes.iter().enumerate() {
        let meets = node.outputs.iter().flatten().any(|&o| view.is_signal(o));
        if !meets || op::only_looks(node) {
            continue;
        }
        for (slot, input) in node.inputs.iter().enumerate() {
            let Some(value) = *input else { continue };
            if view.is_signal(value) || is_float_only_by_type(&node.operator, slot) {
                continue;
            }
            for part in view.chains.at(value) {
                let crate::ValueKind::Parameter(parameter) = network.value(part.tensor).kind else {
                    continue;
                };
                let Some(own) = found.get_mut(parameter.index()) else {
                    continue;
                };
                let node = NodeId::from(index);
                // Parts of one tensor that are joined again are one use.
                let known = own.iter_mut().find(|u| (u.node, u.slot) == (node, slot));
                match known {
                    Some(known) if !known.part.is_carrier() && part.is_carrier() => {
                        known.part = part.clone();
                    }
                    Some(_) => {}
                    None => own.push(Use {
                        parameter: part.tensor,
                        node,
                        slot,
                        value,
                        part: part.clone(),
                        rank: part.axes.tensor_rank(),
                    }),
                }
            }
        }
    }
    found
}
