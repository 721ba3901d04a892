//! Where a stored tensor meets the signal, and as what.

use std::collections::BTreeSet;

use super::flow::is_float_only_by_type;
use crate::operator::{Binary, Class, Holds, Norm, Unary, Variadic};
use crate::{Network, NodeId, Operator, ValueId, ValueKind};

/// A use of a stored tensor: the first node on the way at which it meets the signal.
#[derive(Clone, Debug)]
pub(super) struct Meeting {
    pub(super) node: NodeId,
    pub(super) slot: usize,
    pub(super) way: Way,
}

/// What lay on the way from a stored tensor to where it meets the signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    /// A sine or cosine: the tensor was angles.
    pub(super) trigonometry: bool,
    /// A product with another stored tensor.
    contracted: bool,
    /// An odd number of divisions by it.
    below: bool,
    /// Arithmetic with other stored tensors.
    pub(super) met_others: bool,
}

impl Way {
    fn below(self, divides: bool) -> Self {
        Self {
            below: self.below != divides,
            ..self
        }
    }

    /// Whether the tensor comes in only as a part of a number that a weight is divided by: the
    /// singular vectors of a spectral norm, which the forward pass keeps and no gradient reaches.
    pub(super) fn divides(self) -> bool {
        self.contracted && self.below
    }
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
    let mut open = vec![(id, Way::default())];
    while let Some((id, way)) = open.pop() {
        if !seen.insert((id, way)) {
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
                if *input != Some(id) || is_float_only_by_type(&node.operator, slot) {
                    continue;
                }
                if meets {
                    found.push(Meeting {
                        node: consumer,
                        slot,
                        way,
                    });
                    continue;
                }
                let Some(way) = carried(&node.operator, slot, way) else {
                    continue;
                };
                open.extend(node.outputs.iter().flatten().map(|&o| (o, way)));
            }
        }
    }
    found
}

/// Where a tensor goes when a node that sees no signal carries it on: `None` if its elements do not
/// pass.
fn carried(operator: &Operator, slot: usize, way: Way) -> Option<Way> {
    match operator {
        Operator::Unary(Unary::Sin | Unary::Cos) => Some(Way {
            trigonometry: true,
            ..way
        }),
        Operator::Unary(Unary::Floor | Unary::Ceil | Unary::Round)
        | Operator::Binary(Binary::Mod { .. })
        | Operator::ConstantOfShape { .. }
        | Operator::Range => None,
        Operator::Unary(Unary::Reciprocal) => Some(way.below(true)),
        Operator::Binary(Binary::Div) => Some(Way {
            met_others: true,
            ..way.below(slot == 1)
        }),
        Operator::Binary(Binary::Pow) | Operator::Clip(_) => (slot == 0).then_some(way),
        Operator::MatMul(_) | Operator::Gemm(_) | Operator::Einsum(_) => Some(Way {
            contracted: true,
            met_others: true,
            ..way
        }),
        Operator::Binary(_) | Operator::Variadic(_) => Some(Way {
            met_others: true,
            ..way
        }),
        _ => {
            let class = operator.facts().class;
            let first = class.moves() || matches!(operator, Operator::CastLike);
            (class != Class::Looks && (slot == 0 || !first)).then_some(way)
        }
    }
}

/// What the tensor is to the node of this meeting.
pub(super) fn slot(network: &Network, meeting: &Meeting) -> Slot {
    let node = network.node(meeting.node);
    let at = meeting.slot;
    match (&node.operator, at) {
        (Operator::BiasGelu { .. }, _) => return Slot::Add,
        (Operator::Norm(Norm::Skip { .. }), 2..=4) => return Slot::Affine,
        (Operator::QuantizeLinear(_) | Operator::DequantizeLinear(_) | Operator::Rotary(_), _) => {
            return if at == 0 {
                Slot::Never
            } else {
                Slot::Statistic
            };
        }
        (Operator::GatherND { .. } | Operator::GatherElements { .. }, 0) => return Slot::Table,
        (Operator::Attention(_), 3) | (Operator::MultiHeadAttention(_), 4 | 5) => {
            return Slot::Add;
        }
        (Operator::Attention(_) | Operator::MultiHeadAttention(_), 0..=2) => return Slot::Join,
        (Operator::Where, 1 | 2) => return Slot::Choose,
        (Operator::Concat { .. }, _) => return Slot::Join,
        (Operator::Binary(Binary::Mul), _) => return Slot::Multiply,
        // `1 - x` has a number on the left; a learned shift minus the mean has a vector.
        (Operator::Binary(Binary::Add | Binary::Sub) | Operator::Variadic(Variadic::Sum), _) => {
            return Slot::Add;
        }
        _ => {}
    }
    let facts = node.operator.facts();
    match facts.at(at).map(|weight| weight.holds) {
        Some(
            Holds::Weight
            | Holds::InputWeight
            | Holds::StateWeight
            | Holds::Bias
            | Holds::GateBias
            | Holds::Peephole
            | Holds::Slope,
        ) => Slot::Weight,
        Some(Holds::Scale | Holds::Shift) => Slot::Affine,
        Some(Holds::RunningMean | Holds::RunningVariance) => Slot::Statistic,
        Some(Holds::Table) => Slot::Table,
        Some(Holds::InitialState) => Slot::State,
        None if facts.class == Class::Linear => Slot::Weight,
        None => Slot::Never,
    }
}

/// Walks back through changes of shape and type.
fn root(network: &Network, mut id: ValueId) -> ValueId {
    while let Some(producer) = network.value(id).producer {
        let node = network.node(producer);
        let plain = node.operator.facts().class == Class::Arranges;
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
            network.node(meeting.node).operator,
            Operator::Binary(Binary::Sub | Binary::Mul | Binary::Add)
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
        if !matches!(
            producer.operator,
            Operator::Binary(Binary::Sub | Binary::Div | Binary::Mul | Binary::Add)
        ) {
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
                network.node(consumer).operator,
                Operator::Unary(Unary::Sqrt | Unary::Reciprocal) | Operator::Binary(Binary::Pow)
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
                matches!(node.operator, Operator::Concat { .. })
                    && node.inputs.iter().flatten().any(|&input| {
                        let input = root(network, input);
                        network.value(input).producer.is_some_and(|p| {
                            network.node(p).operator == Operator::Unary(Unary::Neg)
                        })
                    })
            })
    };
    let signal_of = |node: NodeId| {
        let node = network.node(node);
        if node.operator != Operator::Binary(Binary::Mul) {
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
        sum.operator == Operator::Binary(Binary::Add)
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
