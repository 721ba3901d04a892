//! Walks forward from a layer's output to what it meets, and back from a value to the layers it
//! comes from.

use std::collections::{BTreeMap, BTreeSet};

use fanin::Activation;

use super::op;
use super::view::View;
use crate::operator::{Binary, Unary};
use crate::{NodeId, Operator, ValueId};

/// What a value meets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// An activation and what comes out of it.
    Activation(Activation, ValueId),
    /// A softmax.
    Softmax(NodeId),
    /// A layer with a weight of its own.
    Layer,
    /// The sum of a residual stream.
    ResidualSum(NodeId),
    /// A product with another signal.
    Product { other: ValueId, output: ValueId },
    /// A contraction with another signal.
    Contraction,
    /// An output of the network.
    Output,
    /// An operation that fanin knows no meaning of.
    Unknown(NodeId),
}

/// Something met, and what lay on the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Encounter {
    pub(crate) what: What,
    /// The normalization passed on the way, in words.
    pub(super) norm: Option<&'static str>,
    /// Whether a pooling lay on the way.
    pub(super) pooled: bool,
}

/// Everything that a value meets first.
pub(crate) fn trace(
    view: &View<'_>,
    residual_sums: &BTreeSet<NodeId>,
    start: ValueId,
) -> Vec<Encounter> {
    let network = view.network;
    let mut met = Vec::new();
    let mut seen: BTreeMap<ValueId, bool> = BTreeMap::new();
    let mut open = vec![(start, None, false)];
    while let Some((id, norm, pooled)) = open.pop() {
        if seen.contains_key(&id) {
            continue;
        }
        seen.insert(id, true);
        let mut meet = |what| met.push(Encounter { what, norm, pooled });
        if view.is_output(id) {
            meet(What::Output);
        }
        let mut done: BTreeSet<NodeId> = BTreeSet::new();
        if let Some(spelled) = view.norm_of(id) {
            done.extend(&spelled.nodes);
            open.push((spelled.output, norm.or(Some(spelled.name)), pooled));
        }
        for recognized in view.activations_of(id) {
            done.extend(&recognized.nodes);
            meet(What::Activation(recognized.activation, recognized.output));
        }
        let mut consumers = network.value(id).consumers.clone();
        consumers.dedup();
        for consumer in consumers {
            if done.contains(&consumer) {
                continue;
            }
            let node = network.node(consumer);
            let outputs = node.outputs.iter().copied().flatten();
            let first = node.inputs.first().copied().flatten() == Some(id);
            if op::only_looks(node) {
                continue;
            }
            if view.is_layer(consumer) {
                // The C of a Gemm is a sum, the states of a recurrent layer are its own.
                let sums = matches!(node.operator, Operator::Gemm(_));
                if sums && network.input(consumer, 2) == Some(id) && !first {
                    open.extend(outputs.map(|o| (o, norm, pooled)));
                } else {
                    meet(What::Layer);
                }
            } else if op::normalizes(node) && first {
                let norm = norm.or(Some(op::normalization_name(node)));
                open.extend(
                    node.outputs
                        .first()
                        .copied()
                        .flatten()
                        .map(|o| (o, norm, pooled)),
                );
            } else if node.operator == Operator::PRelu && first {
                if let Some(output) = network.output(consumer) {
                    meet(What::Activation(Activation::PRelu, output));
                }
            } else if (op::moves(node) && first) || matches!(node.operator, Operator::Concat { .. })
            {
                open.extend(outputs.map(|o| (o, norm, pooled)));
            } else if op::pools(node) && first {
                open.extend(
                    node.outputs
                        .first()
                        .copied()
                        .flatten()
                        .map(|o| (o, norm, true)),
                );
            } else if op::is_softmax(node) {
                meet(What::Softmax(consumer));
            } else if matches!(
                node.operator,
                Operator::Where
                    | Operator::Unary(Unary::Neg)
                    | Operator::Clip(_)
                    | Operator::ScatterND { .. }
                    | Operator::ScatterElements(_)
                    | Operator::Rotary(_)
            ) {
                open.extend(outputs.map(|o| (o, norm, pooled)));
            } else if residual_sums.contains(&consumer) {
                meet(What::ResidualSum(consumer));
            } else if op::sums(node) {
                open.extend(outputs.map(|o| (o, norm, pooled)));
            } else if op::scales(node) {
                let other = view
                    .signals(consumer)
                    .into_iter()
                    .find(|&other| other != id);
                match (other, network.output(consumer)) {
                    (Some(other), Some(output)) => meet(What::Product { other, output }),
                    (None, Some(output)) if view.signals(consumer).len() == 1 => {
                        open.push((output, norm, pooled));
                    }
                    _ => meet(What::Unknown(consumer)),
                }
            } else if op::multiplies_matrices(node) || op::attends(node) {
                meet(What::Contraction);
            } else if !view.is_spelling(consumer) {
                meet(What::Unknown(consumer));
            }
        }
    }
    met
}

/// Where a value comes from.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    /// The layers whose outputs it is made of.
    pub(super) layers: Vec<NodeId>,
    /// Norms and products with weights passed on the way.
    pub(super) passed: Vec<NodeId>,
    /// Activations whose outputs it is made of, by the value that entered them.
    pub(super) activated: Vec<ValueId>,
    /// Everything else it is made of: inputs, streams, contractions, lookups.
    pub(super) others: Vec<ValueId>,
}

/// The layers that a value comes from, looking back through changes of shape, norms, sums, scalings
/// and rotations, but not through activations or residual sums.
pub(super) fn sources(
    view: &View<'_>,
    residual_sums: &BTreeSet<NodeId>,
    start: ValueId,
) -> Sources {
    let network = view.network;
    let mut found = Sources::default();
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        if !seen.insert(id) || !view.is_signal(id) {
            continue;
        }
        if let Some(entry) = view.normalized_from(id) {
            found.passed.extend(network.value(id).producer);
            open.push(entry);
            continue;
        }
        if let Some((_, entry)) = view.activated_by(id) {
            found.activated.push(entry);
            continue;
        }
        let Some(producer) = network.value(id).producer else {
            found.others.push(id);
            continue;
        };
        let node = network.node(producer);
        let first = node.inputs.first().copied().flatten();
        if view.is_layer(producer) {
            found.layers.push(producer);
        } else if residual_sums.contains(&producer) || view.is_lookup(producer) {
            found.others.push(id);
        } else if op::normalizes(node) {
            found.passed.push(producer);
            open.extend(first);
        } else if op::moves(node)
            || op::pools(node)
            || matches!(
                node.operator,
                Operator::Rotary(_) | Operator::Binary(Binary::Div)
            )
        {
            open.extend(first);
        } else if op::sums(node)
            || matches!(
                node.operator,
                Operator::Binary(Binary::Mul)
                    | Operator::Concat { .. }
                    | Operator::Where
                    | Operator::Unary(Unary::Neg)
            )
        {
            if op::is_mul(node) && view.signals(producer).len() == 1 {
                found.passed.push(producer);
            }
            let skip = usize::from(node.operator == Operator::Where);
            open.extend(node.inputs.iter().skip(skip).copied().flatten());
        } else {
            found.others.push(id);
        }
    }
    found.layers.sort();
    found.layers.dedup();
    found
}
