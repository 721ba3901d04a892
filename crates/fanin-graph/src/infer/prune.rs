//! Drops nodes and values that nothing needs, and numbers the rest anew.

use crate::{Network, NodeId, ValueId, ValueKind};

/// Drops the nodes marked in `gone` (none where the list is short), every node that no output of
/// the network depends on, and the values that only they used. Inputs, outputs and parameters
/// stay. Producers and consumers are worked out from what is left.
pub(super) fn prune(network: &mut Network, gone: &[bool]) {
    let gone = |k: usize| gone.get(k).copied().unwrap_or(false);

    let mut wanted = vec![false; network.values.len()];
    for output in &network.outputs {
        wanted[output.index()] = true;
    }
    let mut kept = vec![false; network.nodes.len()];
    // Nodes stand after those they depend on, so one pass from the end reaches everything.
    for (k, node) in network.nodes.iter().enumerate().rev() {
        kept[k] = !gone(k) && node.outputs.iter().flatten().any(|id| wanted[id.index()]);
        if kept[k] {
            for id in node.inputs.iter().flatten() {
                wanted[id.index()] = true;
            }
            // A kept node needs a place for each of its outputs.
            for id in node.outputs.iter().flatten() {
                wanted[id.index()] = true;
            }
        }
    }
    for (k, value) in network.values.iter().enumerate() {
        wanted[k] |= matches!(value.kind, ValueKind::Input | ValueKind::Parameter(_));
    }

    let mut place = Vec::with_capacity(wanted.len());
    let mut count = 0usize;
    for &stays in &wanted {
        place.push(ValueId::from(count));
        count += usize::from(stays);
    }
    let moved = |id: &mut ValueId| *id = place[id.index()];

    let mut stays = kept.iter();
    network.nodes.retain(|_| stays.next() == Some(&true));
    let mut stays = wanted.iter();
    network.values.retain(|_| stays.next() == Some(&true));
    network.inputs.iter_mut().for_each(moved);
    network.outputs.iter_mut().for_each(moved);
    for parameter in &mut network.parameters {
        moved(&mut parameter.value);
    }
    for value in &mut network.values {
        value.producer = None;
        value.consumers.clear();
    }
    for (k, node) in network.nodes.iter_mut().enumerate() {
        let id = NodeId::from(k);
        for input in node.inputs.iter_mut().flatten() {
            moved(input);
            network.values[input.index()].consumers.push(id);
        }
        for output in node.outputs.iter_mut().flatten() {
            moved(output);
            network.values[output.index()].producer = Some(id);
        }
    }
}
