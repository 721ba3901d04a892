//! How parameters enter, and what becomes of what a layer makes.

use std::collections::BTreeSet;

use crate::operator::{Binary, Unary, Variadic};
use crate::role::op;
use crate::role::view::View;
use crate::{Network, Node, NodeId, Operator, Parameter, Role, ValueId, ValueKind};

/// How a parameter enters the computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enters {
    /// Added or subtracted.
    Added,
    /// Multiplied or divided by.
    Multiplied,
    /// Any other way.
    Otherwise,
}

/// The nodes that use a value, seen through operations that only arrange it, nearest first.
fn users(network: &Network, id: ValueId) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([id]);
    let mut open = std::collections::VecDeque::from([id]);
    while let Some(id) = open.pop_front() {
        for &consumer in &network.value(id).consumers {
            let node = network.node(consumer);
            if super::arranges(node) {
                let outputs = node.outputs.iter().copied().flatten();
                open.extend(outputs.filter(|&output| seen.insert(output)));
            } else {
                found.push(consumer);
            }
        }
    }
    found
}

/// How a parameter enters the computation.
pub fn enters(network: &Network, parameter: &Parameter) -> Enters {
    let users = users(network, parameter.value);
    match users.first().map(|&id| network.node(id)) {
        Some(node) if op::adds(node) || op::shifts(node) => Enters::Added,
        Some(node) if op::scales(node) => Enters::Multiplied,
        _ => Enters::Otherwise,
    }
}

/// Whether a scale is stored as its distance from one: `x * (1 + weight)`.
pub fn is_offset_from_one(network: &Network, parameter: &Parameter) -> bool {
    let users = users(network, parameter.value);
    let [user] = users[..] else { return false };
    let node = network.node(user);
    node.operator == Operator::Binary(Binary::Add)
        && node.inputs.iter().flatten().any(|&id| {
            matches!(&network.value(id).kind,
                ValueKind::Constant(c) if c.len() == 1 && c.to_f32() == [1.0])
        })
}

/// The one node that uses what a node puts out, through arrangement.
fn next(view: &View<'_>, id: NodeId) -> Option<NodeId> {
    let users = users(view.network, view.network.output(id)?);
    let [next] = users[..] else { return None };
    Some(next)
}

/// Whether what a layer makes, once squashed, multiplies another signal: squeeze and excitation.
pub(super) fn gates_a_signal(view: &View<'_>, layer: NodeId) -> bool {
    let mut at = layer;
    while let Some(next) = next(view, at) {
        let node = view.network.node(next);
        match view.signals(next).len() {
            2 => return op::is_mul(node),
            1 if squashes(node) => at = next,
            _ => return false,
        }
    }
    false
}

/// Bias, the function, and what spells it out: clip(x + 3, 0, 6) / 6.
fn squashes(node: &Node) -> bool {
    op::scales(node)
        || matches!(
            node.operator,
            Operator::Binary(Binary::Add)
                | Operator::Clip(_)
                | Operator::Variadic(Variadic::Min | Variadic::Max)
                | Operator::Unary(Unary::Relu | Unary::Sigmoid | Unary::HardSigmoid { .. })
        )
}

/// Whether what a layer makes is multiplied by a learned branch scale before it joins the stream.
pub(super) fn meets_branch_scale(view: &View<'_>, layer: NodeId) -> bool {
    let mut at = layer;
    while let Some(next) = next(view, at) {
        let network = view.network;
        let roles: Vec<Role> = view
            .read_at(next)
            .filter_map(|found| Some(network.as_parameter(found.parameter)?.purpose.role))
            .collect();
        if roles.contains(&Role::BranchScale) {
            return true;
        }
        // Only what belongs to the same layer: its bias, its norm.
        let own = |role: &Role| matches!(role, Role::Bias | Role::NormScale | Role::NormShift);
        if !roles.iter().all(own) || view.signals(next).len() != 1 {
            return false;
        }
        at = next;
    }
    false
}
