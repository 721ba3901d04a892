//! What the graph around a parameter says beyond its purpose: what a weight reads, which weight a
//! bias belongs to, how a vector enters the computation.
//!
//! Every walk has a budget, so that a hostile graph costs no more than a large one.

use std::collections::{HashSet, VecDeque};

use fanin::Activation;
use fanin_network::{Feeds, Network, Node, NodeId, Parameter, Role, ValueId, ValueKind};

/// Nodes a walk may visit. A spelled-out GELU or LayerNorm takes about ten.
const BUDGET: usize = 64;

/// What a weight multiplies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reads {
    /// The output of an activation.
    Activation(Activation),
    /// The network's input, a normalized value, a residual stream, a gated product: something whose
    /// second moment is one as far as the plan can arrange it.
    Unit,
    /// The graph does not tell.
    Unknown,
}

/// How a parameter enters the computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enters {
    /// Added or subtracted.
    Added,
    /// Multiplied or divided by.
    Multiplied,
    /// Any other way.
    Otherwise,
}

fn node(network: &Network, id: NodeId) -> Option<&Node> {
    network.nodes.get(id.index())
}

fn producer(network: &Network, id: ValueId) -> Option<&Node> {
    node(network, network.values.get(id.index())?.producer?)
}

fn parameter_at(network: &Network, id: ValueId) -> Option<&Parameter> {
    match network.values.get(id.index())?.kind {
        ValueKind::Parameter(parameter) => network.parameters.get(parameter.index()),
        _ => None,
    }
}

/// Operations that only arrange elements.
fn arranges(op: &str) -> bool {
    matches!(
        op,
        "Transpose"
            | "Reshape"
            | "Squeeze"
            | "Unsqueeze"
            | "Flatten"
            | "Cast"
            | "CastLike"
            | "Identity"
            | "Expand"
            | "Tile"
            | "Slice"
            | "Split"
    )
}

/// The parameter that a value is, seen through operations that only arrange it.
fn stored(network: &Network, mut id: ValueId) -> Option<&Parameter> {
    for _ in 0..BUDGET {
        if let Some(parameter) = parameter_at(network, id) {
            return Some(parameter);
        }
        let node = producer(network, id)?;
        if !arranges(&node.op) {
            return None;
        }
        id = node.inputs.first().copied().flatten()?;
    }
    None
}

/// The nodes that use a value, seen through operations that only arrange it.
fn users(network: &Network, id: ValueId) -> Vec<&Node> {
    let mut found = Vec::new();
    let mut queue = VecDeque::from([id]);
    for _ in 0..BUDGET {
        let Some(value) = queue
            .pop_front()
            .and_then(|id| network.values.get(id.index()))
        else {
            break;
        };
        for consumer in value.consumers.iter().take(BUDGET) {
            match node(network, *consumer) {
                Some(node) if arranges(&node.op) => queue.extend(node.outputs.iter().flatten()),
                Some(node) => found.push(node),
                None => {}
            }
        }
    }
    found
}

/// The nearest things that a value is computed from.
#[derive(Default)]
struct Upstream<'a> {
    /// Weights, norm scales, embeddings: the nearest on each path.
    parameters: Vec<&'a Parameter>,
    /// Whether a path ends at an input of the network.
    input: bool,
}

fn upstream<'a>(network: &'a Network, from: impl IntoIterator<Item = ValueId>) -> Upstream<'a> {
    let mut found = Upstream::default();
    let mut queue: VecDeque<ValueId> = from.into_iter().take(BUDGET).collect();
    let mut seen: HashSet<ValueId> = queue.iter().copied().collect();
    for _ in 0..BUDGET {
        let Some(id) = queue.pop_front() else { break };
        match network.values.get(id.index()).map(|value| &value.kind) {
            Some(ValueKind::Input) => found.input = true,
            Some(ValueKind::Parameter(_)) => found
                .parameters
                .extend(parameter_at(network, id).filter(|p| !passes(p))),
            Some(ValueKind::Computed) => {
                let Some(node) = producer(network, id) else {
                    continue;
                };
                let inputs = || node.inputs.iter().flatten().copied().take(BUDGET);
                let before = found.parameters.len();
                found.parameters.extend(
                    inputs()
                        .filter_map(|input| stored(network, input))
                        .filter(|p| !passes(p)),
                );
                if found.parameters.len() == before {
                    queue.extend(inputs().filter(|input| seen.insert(*input)));
                }
            }
            Some(ValueKind::Buffer(_) | ValueKind::Constant(_)) | None => {}
        }
    }
    found
}

/// Parameters that a walk upstream passes by: they shift what a layer made, they do not make it.
fn passes(parameter: &Parameter) -> bool {
    matches!(
        parameter.purpose.role,
        Role::Bias
            | Role::NormShift
            | Role::ActivationSlope
            | Role::AttentionBias
            | Role::PositionEmbedding
    )
}

/// What a weight multiplies.
pub(crate) fn reads(network: &Network, weight: &Parameter) -> Reads {
    let Some(node) = users(network, weight.value).into_iter().next() else {
        return Reads::Unknown;
    };
    let data = node
        .inputs
        .iter()
        .flatten()
        .copied()
        .filter(|&id| stored(network, id).is_none());
    let found = upstream(network, data);
    let mut activations = found.parameters.iter().map(|p| match p.purpose.feeds {
        // A gated product is arranged to have unit second moment.
        _ if matches!(p.purpose.role, Role::Gate | Role::GateValue) => None,
        Feeds::Activation(activation) => Some(activation),
        _ => None,
    });
    match activations.next() {
        None if found.input => Reads::Unit,
        None => Reads::Unknown,
        Some(Some(first)) if !found.input && activations.all(|other| other == Some(first)) => {
            Reads::Activation(first)
        }
        Some(_) => Reads::Unit,
    }
}

/// The weight whose output a bias is added to.
pub(crate) fn weight_of<'a>(network: &'a Network, bias: &Parameter) -> Option<&'a Parameter> {
    let node = users(network, bias.value).into_iter().next()?;
    let inputs = || node.inputs.iter().flatten().copied();
    inputs()
        .filter_map(|id| stored(network, id))
        .find(|other| other.value != bias.value && !passes(other))
        .or_else(|| {
            let others = inputs().filter(|&id| stored(network, id).is_none());
            upstream(network, others).parameters.into_iter().next()
        })
}

/// Whether what a weight makes, once squashed, multiplies another signal: squeeze and excitation.
///
/// To be asked only of weights that feed a sigmoid or its piecewise linear relative.
pub(crate) fn gates_a_signal(network: &Network, weight: &Parameter) -> bool {
    let Some(mut at) = users(network, weight.value).into_iter().next() else {
        return false;
    };
    for _ in 0..BUDGET {
        let Some(output) = at.outputs.first().copied().flatten() else {
            return false;
        };
        let users = users(network, output);
        let [next] = users.as_slice() else {
            return false;
        };
        let signals = next
            .inputs
            .iter()
            .flatten()
            .filter(|&&id| {
                stored(network, id).is_none()
                    && network.values.get(id.index()).is_some_and(|value| {
                        matches!(value.kind, ValueKind::Computed | ValueKind::Input)
                    })
            })
            .count();
        match (next.op.as_str(), signals) {
            ("Mul", 2) => return true,
            // Bias, the function, and what spells it out: clip(x + 3, 0, 6) / 6.
            (
                "Add" | "Div" | "Mul" | "Clip" | "Relu" | "Min" | "Max" | "Sigmoid" | "HardSigmoid",
                1,
            ) => {
                at = next;
            }
            _ => return false,
        }
    }
    false
}

/// How many layers a signal passes one after another around this weight, itself counted, with nothing
/// between them that sets a scale anew or adds another signal: no norm, no sum, no fork.
pub(crate) fn plain_depth(network: &Network, weight: &Parameter) -> usize {
    let Some(own) = users(network, weight.value).into_iter().next() else {
        return 0;
    };
    let mut depth = 1;
    let (mut at, mut steps) = (own, 0);
    while let Some((before, layer)) = alone(network, at).and_then(|id| plain(network, id)) {
        depth += usize::from(layer);
        at = before;
        steps += 1;
        if steps == BUDGET {
            break;
        }
    }
    at = own;
    for _ in 0..BUDGET {
        let output = at.outputs.first().copied().flatten();
        let users = output.map_or(Vec::new(), |output| users(network, output));
        let [next] = users.as_slice() else { break };
        let next = alone(network, next).and(next.outputs.first().copied().flatten());
        let Some((next, layer)) = next.and_then(|id| plain(network, id)) else {
            break;
        };
        depth += usize::from(layer);
        at = next;
    }
    depth
}

/// The one signal that a node reads beside what is stored, if nobody else reads it.
fn alone(network: &Network, node: &Node) -> Option<ValueId> {
    let mut signals = node.inputs.iter().flatten().copied().filter(|&id| {
        let value = network.values.get(id.index());
        let computed = value.is_some_and(|value| matches!(value.kind, ValueKind::Computed));
        computed && stored(network, id).is_none()
    });
    let one = signals.next().filter(|_| signals.next().is_none())?;
    (network.values.get(one.index())?.consumers.len() == 1).then_some(one)
}

/// The node that put a value out, if it is a plain layer (true) or a bias or activation behind one.
fn plain(network: &Network, id: ValueId) -> Option<(&Node, bool)> {
    let node = producer(network, id)?;
    let operands = node.inputs.iter().flatten();
    let operands: Vec<&Parameter> = operands.filter_map(|&id| stored(network, id)).collect();
    let layer = operands
        .iter()
        .any(|p| matches!(p.purpose.role, Role::Weight | Role::OutputHead));
    let own = operands
        .iter()
        .all(|p| matches!(p.purpose.role, Role::Weight | Role::OutputHead | Role::Bias));
    let plain = own && !node.op.ends_with("Normalization") && node.op != "Softmax";
    plain.then_some((node, layer))
}

/// The position of a parameter in the network's list.
pub(crate) fn position(network: &Network, parameter: &Parameter) -> Option<usize> {
    match network.values.get(parameter.value.index())?.kind {
        ValueKind::Parameter(id) => Some(id.index()),
        _ => None,
    }
}

/// How a parameter enters the computation.
pub(crate) fn enters(network: &Network, parameter: &Parameter) -> Enters {
    match users(network, parameter.value)
        .first()
        .map(|n| n.op.as_str())
    {
        Some("Add" | "Sub" | "Sum") => Enters::Added,
        Some("Mul" | "Div") => Enters::Multiplied,
        _ => Enters::Otherwise,
    }
}

/// Whether a scale is stored as its distance from one: `x * (1 + weight)`.
pub(crate) fn offset_from_one(network: &Network, parameter: &Parameter) -> bool {
    let users = users(network, parameter.value);
    let [node] = users.as_slice() else {
        return false;
    };
    node.op == "Add"
        && node.inputs.iter().flatten().any(|&id| {
            network.values.get(id.index()).is_some_and(|value| {
                matches!(&value.kind, ValueKind::Constant(c) if c.len() == 1 && c.to_f32() == [1.0])
            })
        })
}

/// Whether what a weight makes is multiplied by a learned branch scale before it joins the stream.
pub(crate) fn meets_branch_scale(network: &Network, weight: &Parameter) -> bool {
    let Some(mut at) = users(network, weight.value).into_iter().next() else {
        return false;
    };
    for _ in 0..BUDGET {
        let Some(output) = at.outputs.first().copied().flatten() else {
            return false;
        };
        let users = users(network, output);
        let [next] = users.as_slice() else {
            return false;
        };
        let operands: Vec<&Parameter> = next
            .inputs
            .iter()
            .flatten()
            .filter_map(|&id| stored(network, id))
            .collect();
        if operands.iter().any(|p| p.purpose.role == Role::BranchScale) {
            return true;
        }
        // Only what belongs to the same layer: its bias, its norm.
        let same_layer = operands.iter().all(|p| {
            matches!(
                p.purpose.role,
                Role::Bias | Role::NormScale | Role::NormShift
            )
        });
        let computed = next
            .inputs
            .iter()
            .flatten()
            .filter(|&&id| producer(network, id).is_some() && stored(network, id).is_none())
            .count();
        if !same_layer || computed != 1 {
            return false;
        }
        at = next;
    }
    false
}
