//! Where a stored tensor meets the signal, and as what.

use std::collections::BTreeSet;

use super::flow::is_float_only_by_type;
use crate::{Network, NodeId, ValueId, ValueKind};

/// A use of a stored tensor: the first node on the way at which it meets the signal.
#[derive(Clone, Debug)]
pub(super) struct Meeting {
    pub(super) node: NodeId,
    pub(super) slot: usize,
    /// Whether a sine or cosine was taken on the way: the tensor was angles.
    pub(super) through_trigonometry: bool,
}

/// What a tensor is to the node at which it meets the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Contracted or convolved with the signal, its bias, a learned slope: always trained.
    Weight,
    /// Scale or shift of a normalization.
    Affine,
    /// Rows picked by the signal.
    Table,
    /// The state a recurrent layer starts from.
    State,
    /// Added to or subtracted from the signal.
    Add,
    /// Multiplies the signal.
    Multiply,
    /// Put in the place of the signal where a condition says so.
    Choose,
    /// Laid beside the signal.
    Join,
    /// Running statistics, scales of quantization, rotary tables.
    Statistic,
    /// A number of the formula: bounds, axes, exponents, divisors.
    Never,
}

/// Every use of a stored tensor, in no particular order.
pub(super) fn meetings(network: &Network, depends: &[bool], id: ValueId) -> Vec<Meeting> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![(id, false)];
    while let Some((id, trigonometry)) = open.pop() {
        if !seen.insert((id, trigonometry)) {
            continue;
        }
        let mut consumers = network.value(id).consumers.clone();
        consumers.dedup();
        for consumer in consumers {
            let node = network.node(consumer);
            let meets = node
                .outputs
                .iter()
                .flatten()
                .any(|output| depends.get(output.index()).copied().unwrap_or(false));
            for (slot, input) in node.inputs.iter().enumerate() {
                if *input != Some(id) || is_float_only_by_type(&node.op, slot) {
                    continue;
                }
                if meets {
                    found.push(Meeting {
                        node: consumer,
                        slot,
                        through_trigonometry: trigonometry,
                    });
                    continue;
                }
                let Some(trigonometry) = carried(&node.op, slot).map(|t| t || trigonometry) else {
                    continue;
                };
                open.extend(node.outputs.iter().flatten().map(|&o| (o, trigonometry)));
            }
        }
    }
    found
}

/// Whether a node that sees no signal carries a tensor on: `None` if its elements do not pass,
/// `Some(true)` if they pass as angles.
fn carried(op: &str, slot: usize) -> Option<bool> {
    match op {
        "Sin" | "Cos" => Some(true),
        "Shape" | "Size" | "ConstantOfShape" | "Range" | "Equal" | "Less" | "LessOrEqual"
        | "Greater" | "GreaterOrEqual" | "IsNaN" | "IsInf" | "NonZero" | "ArgMax" | "ArgMin"
        | "Floor" | "Ceil" | "Round" | "Mod" => None,
        "Resize" | "Upsample" | "Reshape" | "Expand" | "Tile" | "Pad" | "Slice" | "Gather"
        | "GatherElements" | "GatherND" | "Clip" | "Unsqueeze" | "Squeeze" | "CastLike" | "Pow" => {
            (slot == 0).then_some(false)
        }
        _ => Some(false),
    }
}

/// What the tensor is to the node of this meeting.
pub(super) fn slot(network: &Network, meeting: &Meeting) -> Slot {
    let node = network.node(meeting.node);
    match (node.op.as_str(), meeting.slot) {
        ("Conv" | "ConvTranspose" | "ConvInteger", 1 | 2)
        | ("MatMul" | "Gemm" | "Einsum" | "FusedMatMul" | "FusedGemm", _)
        | ("PRelu", 1) => Slot::Weight,
        ("LSTM" | "GRU" | "RNN", 1..=3) | ("LSTM", 7) => Slot::Weight,
        ("LSTM", 5 | 6) | ("GRU" | "RNN", 5) => Slot::State,
        ("BatchNormalization", 1 | 2)
        | ("InstanceNormalization" | "LayerNormalization" | "GroupNormalization", 1 | 2)
        | ("RMSNormalization" | "SimplifiedLayerNormalization", 1)
        | ("SkipLayerNormalization" | "SkipSimplifiedLayerNormalization", 2..=4) => Slot::Affine,
        ("BatchNormalization", 3 | 4)
        | ("QuantizeLinear" | "DequantizeLinear" | "DynamicQuantizeLinear", _)
        | ("RotaryEmbedding", 1..=3) => Slot::Statistic,
        ("Gather" | "GatherND" | "GatherElements", 0) => Slot::Table,
        ("Attention" | "MultiHeadAttention", 0..=2) => Slot::Join,
        ("Attention", 3) | ("MultiHeadAttention", 4 | 5) => Slot::Add,
        ("Add" | "Sum" | "BiasGelu" | "FastGelu", _) | ("Sub", 1) => Slot::Add,
        // `1 - x` has a number on the left; a learned shift minus the mean has a vector.
        ("Sub", 0) => Slot::Add,
        ("Mul", _) => Slot::Multiply,
        ("Where", 1 | 2) => Slot::Choose,
        ("Concat", _) => Slot::Join,
        _ => Slot::Never,
    }
}

/// Walks back through changes of shape and type.
fn root(network: &Network, mut id: ValueId) -> ValueId {
    while let Some(producer) = network.value(id).producer {
        let node = network.node(producer);
        let plain = matches!(
            node.op.as_str(),
            "Identity" | "Cast" | "CastLike" | "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze"
        );
        match node.inputs.first().copied().flatten() {
            Some(input) if plain => id = input,
            _ => break,
        }
    }
    id
}

fn partner(network: &Network, meeting: &Meeting) -> Option<ValueId> {
    let node = network.node(meeting.node);
    node.inputs
        .iter()
        .enumerate()
        .find(|&(slot, _)| slot != meeting.slot)
        .and_then(|(_, input)| *input)
}

/// Whether the node brings the network's input to mean zero and deviation one: up to four numbers,
/// one per channel, on the input itself.
pub(super) fn normalizes_input(network: &Network, meeting: &Meeting, size: usize) -> bool {
    if size > 4
        || !matches!(
            network.node(meeting.node).op.as_str(),
            "Sub" | "Mul" | "Add"
        )
    {
        return false;
    }
    let mut value = partner(network, meeting);
    // Division by the deviation follows subtraction of the mean.
    for _ in 0..4 {
        let Some(id) = value.map(|id| root(network, id)) else {
            return false;
        };
        if matches!(network.value(id).kind, ValueKind::Input) {
            return true;
        }
        let Some(producer) = network.value(id).producer.map(|p| network.node(p)) else {
            return false;
        };
        if !matches!(producer.op.as_str(), "Sub" | "Div" | "Mul" | "Add") {
            return false;
        }
        value = producer.inputs.iter().copied().flatten().find(|&input| {
            network.value(input).producer.is_some()
                || matches!(network.value(input).kind, ValueKind::Input)
        });
    }
    false
}

/// Whether an added number keeps a square root or a quotient finite.
pub(super) fn is_epsilon(network: &Network, meeting: &Meeting) -> bool {
    network
        .node(meeting.node)
        .outputs
        .iter()
        .flatten()
        .flat_map(|&output| &network.value(output).consumers)
        .any(|&consumer| {
            matches!(
                network.node(consumer).op.as_str(),
                "Sqrt" | "Reciprocal" | "Pow"
            )
        })
}

/// Whether the node is one of the two products of a rotation: x·cos + rotate(x)·sin, where rotate
/// negates one half of x and swaps the halves.
pub(super) fn is_rotation(network: &Network, depends: &[bool], meeting: &Meeting) -> bool {
    let is_rotated = |id: ValueId| {
        let id = root(network, id);
        network
            .value(id)
            .producer
            .map(|p| network.node(p))
            .is_some_and(|node| {
                node.op == "Concat"
                    && node.inputs.iter().flatten().any(|&input| {
                        let input = root(network, input);
                        network
                            .value(input)
                            .producer
                            .is_some_and(|p| network.node(p).op == "Neg")
                    })
            })
    };
    let signal_of = |node: NodeId| {
        let node = network.node(node);
        if node.op != "Mul" {
            return None;
        }
        let mut signals = node
            .inputs
            .iter()
            .copied()
            .flatten()
            .filter(|id| depends.get(id.index()).copied().unwrap_or(false));
        match (signals.next(), signals.next()) {
            (Some(signal), None) => Some(signal),
            _ => None,
        }
    };
    if signal_of(meeting.node).is_some_and(is_rotated) {
        return true;
    }
    let Some(output) = network.output(meeting.node) else {
        return false;
    };
    network.value(output).consumers.iter().any(|&consumer| {
        let sum = network.node(consumer);
        sum.op == "Add"
            && sum.inputs.iter().flatten().any(|&input| {
                input != output
                    && network
                        .value(input)
                        .producer
                        .and_then(signal_of)
                        .is_some_and(is_rotated)
            })
    })
}
