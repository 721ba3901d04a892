//! The main path: the values that every way from the input to the output passes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ElementType, Network, Operator, ValueId, ValueKind};

/// Of the values in `tracked`, those that every way from them to `end` passes, in the order of the run.
///
/// What happens inside a residual branch reaches the output only together with the stream; what
/// happens on this path is unavoidable. In a plain chain every value is on it, in a residual network the
/// sums.
pub fn main_path(
    network: &Network,
    tracked: impl Fn(ValueId) -> bool,
    end: ValueId,
) -> Vec<ValueId> {
    let order = on_the_way(network, &tracked, end);
    // A value is passed by all ways if no edge from before it leads past it.
    let position: BTreeMap<ValueId, usize> =
        order.iter().enumerate().map(|(at, &id)| (id, at)).collect();
    let mut path = Vec::new();
    let mut furthest = 0;
    for (at, &id) in order.iter().enumerate() {
        if furthest <= at {
            path.push(id);
        }
        for consumer in &network.value(id).consumers {
            for output in network.node(*consumer).outputs.iter().flatten() {
                furthest = furthest.max(position.get(output).copied().unwrap_or(0));
            }
        }
    }
    path
}

/// The tracked values from which the end can be reached, in the order of execution.
fn on_the_way(network: &Network, tracked: &impl Fn(ValueId) -> bool, end: ValueId) -> Vec<ValueId> {
    let mut reaching: BTreeSet<ValueId> = BTreeSet::new();
    if tracked(end) {
        reaching.insert(end);
    }
    for node in network.nodes.iter().rev() {
        let leads = |id: &ValueId| reaching.contains(id);
        if node.outputs.iter().flatten().any(leads) {
            let inputs = node.inputs.iter().flatten().copied();
            reaching.extend(inputs.filter(|&id| tracked(id)));
        }
    }
    let computed: Vec<ValueId> = network
        .nodes
        .iter()
        .flat_map(|node| node.outputs.iter().flatten().copied())
        .filter(|id| reaching.contains(id))
        .collect();
    let given = reaching
        .iter()
        .copied()
        .filter(|id| network.value(*id).producer.is_none());
    given.chain(computed).collect()
}

/// The value where signals start: the first floating input that is used, or what ids pick first from a
/// table.
pub(crate) fn start(network: &Network) -> Option<ValueId> {
    let floating = |id: &ValueId| {
        let value = network.value(*id);
        value.element.is_none_or(ElementType::is_float) && !value.consumers.is_empty()
    };
    network.inputs.iter().copied().find(floating).or_else(|| {
        let picks = |node: &&crate::Node| {
            let table = node.input(0);
            matches!(node.operator, Operator::Gather { .. })
                && table.is_some_and(|id| matches!(network.value(id).kind, ValueKind::Parameter(_)))
        };
        network.nodes.iter().find(picks)?.output(0)
    })
}

/// The main path from where signals start to the first floating output.
pub(super) fn of_network(network: &Network) -> BTreeSet<ValueId> {
    let end = network
        .outputs
        .iter()
        .copied()
        .find(|&id| network.value(id).element.is_none_or(ElementType::is_float));
    let (Some(start), Some(end)) = (start(network), end) else {
        return BTreeSet::new();
    };
    let mut reached = BTreeSet::from([start]);
    for node in &network.nodes {
        if node.inputs.iter().flatten().any(|id| reached.contains(id)) {
            reached.extend(node.outputs.iter().flatten());
        }
    }
    main_path(network, |id| reached.contains(&id), end)
        .into_iter()
        .collect()
}
