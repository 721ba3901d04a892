//! Which values depend on what the user feeds.

use crate::operator::{Class, Unary};
use crate::{Network, NodeId, Operator, ValueId, ValueKind};

/// Whether an operator's output takes only the type of this input, not its elements.
pub(crate) fn is_float_only_by_type(operator: &Operator, slot: usize) -> bool {
    matches!(operator, Operator::CastLike) && slot == 1
}

/// For every value, whether its elements depend on a graph input. Shapes do not count: they are
/// known before the run.
pub(crate) fn depends_on_input(network: &Network) -> Vec<bool> {
    let mut depends: Vec<bool> = network
        .values
        .iter()
        .map(|value| matches!(value.kind, ValueKind::Input))
        .collect();
    for node in &network.nodes {
        if matches!(
            node.operator,
            Operator::Shape { .. } | Operator::Size | Operator::EyeLike { .. }
        ) {
            continue;
        }
        let moved = node.inputs.iter().enumerate().any(|(slot, input)| {
            input.is_some_and(|id| depends.get(id.index()).copied().unwrap_or(false))
                && !is_float_only_by_type(&node.operator, slot)
        });
        if moved {
            for output in node.outputs.iter().flatten() {
                if let Some(entry) = depends.get_mut(output.index()) {
                    *entry = true;
                }
            }
        }
    }
    depends
}

/// Whether what a node puts out meets both a sine and a cosine, and nothing else, after changes of
/// shape: the angles of rotary and sinusoidal embeddings.
pub(super) fn feeds_sine_and_cosine(network: &Network, node: NodeId) -> bool {
    let mut sine = false;
    let mut cosine = false;
    let mut open: Vec<ValueId> = network
        .node(node)
        .outputs
        .iter()
        .copied()
        .flatten()
        .collect();
    let mut steps = 0usize;
    while let Some(id) = open.pop() {
        steps += 1;
        if steps > 256 || network.outputs.contains(&id) {
            return false;
        }
        for &consumer in &network.value(id).consumers {
            let consumer = network.node(consumer);
            match &consumer.operator {
                Operator::Unary(Unary::Sin) => sine = true,
                Operator::Unary(Unary::Cos) => cosine = true,
                Operator::Shape { .. } => {}
                Operator::Concat { .. } | Operator::Slice(_) => {
                    open.extend(consumer.outputs.iter().copied().flatten());
                }
                operator if matches!(operator.facts().class, Class::Arranges | Class::Repeats) => {
                    open.extend(consumer.outputs.iter().copied().flatten());
                }
                _ => return false,
            }
        }
    }
    sine && cosine
}
