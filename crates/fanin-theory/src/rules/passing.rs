//! Operators that hand elements on as they are.

use fanin_network::operator::{Class, Logic};
use fanin_network::{Network, Node, Operator};

/// Whether the output is the input, element for element and place for place.
pub(crate) fn is_identity(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::Identity | Operator::Cast { .. } | Operator::CastLike | Operator::Dropout(_)
    )
}

/// Which input the output is, element for element; `None` if it is none of them. A choice by
/// `IsNaN` of what it chooses passes all that is finite.
pub(crate) fn passes(network: &Network, node: &Node) -> Option<usize> {
    if is_identity(&node.operator) {
        return Some(0);
    }
    let test = network
        .value(node.input(0)?)
        .producer
        .map(|id| network.node(id))?;
    let guarded = matches!(node.operator, Operator::Where)
        && matches!(test.operator, Operator::Logic(Logic::IsNaN));
    (guarded && test.input(0) == node.input(2)).then_some(2)
}

/// Whether the output has the input's elements in other places.
pub(crate) fn is_rearrangement(operator: &Operator) -> bool {
    operator.class() == Class::Arranges && !is_identity(operator)
}
