//! What the walks of the roles ask of an operator.

use crate::Node;
use crate::operator::{Binary, Class, Operator, PoolKind, ReduceKind, SoftmaxKind, Variadic};

/// What kind of thing a node does.
pub(crate) fn class(node: &Node) -> Class {
    node.operator.facts().class
}

/// Passes elements on, in another shape, order or number: what comes out is made of what goes in.
pub(crate) fn moves(node: &Node) -> bool {
    class(node).moves() || matches!(node.operator, Operator::Col2Im(_))
}

/// Changes only how elements are arranged: a shortcut through it is still the identity.
pub(crate) fn rearranges(node: &Node) -> bool {
    match &node.operator {
        Operator::Slice(_) | Operator::Pad(_) => true,
        Operator::Pool(pool) => !matches!(pool.kind, PoolKind::Lp { .. }),
        _ => class(node) == Class::Arranges,
    }
}

/// Takes one number for many: pooling and means.
pub(crate) fn pools(node: &Node) -> bool {
    match &node.operator {
        Operator::Reduce(reduce) => matches!(
            reduce.kind,
            ReduceKind::Sum | ReduceKind::Mean | ReduceKind::Max | ReduceKind::Min
        ),
        _ => class(node).averages(),
    }
}

/// Normalizes its first input.
pub(crate) fn normalizes(node: &Node) -> bool {
    matches!(node.operator, Operator::Norm(_))
}

/// What a reader of the plan calls the normalization.
pub(crate) fn normalization_name(node: &Node) -> &'static str {
    match &node.operator {
        Operator::Norm(norm) => norm.words(),
        _ => "a norm",
    }
}

/// Looks at a value without passing its elements on.
pub(crate) fn only_looks(node: &Node) -> bool {
    class(node) == Class::Looks
}

/// A product of two operands, either of which may be a signal.
pub(crate) fn multiplies_matrices(node: &Node) -> bool {
    matches!(
        node.operator,
        Operator::MatMul(_) | Operator::Gemm(_) | Operator::Einsum(_)
    )
}

/// Attention in one node, with query, key and value as its first inputs.
pub(crate) fn attends(node: &Node) -> bool {
    matches!(
        node.operator,
        Operator::Attention(_) | Operator::MultiHeadAttention(_) | Operator::GroupQueryAttention(_)
    )
}

/// Softmax or its logarithm.
pub(crate) fn is_softmax(node: &Node) -> bool {
    matches!(&node.operator, Operator::Softmax(softmax) if softmax.kind != SoftmaxKind::Hard)
}

/// A sum of signals, perhaps with a sign.
pub(crate) fn sums(node: &Node) -> bool {
    class(node) == Class::Sums
}

/// `Add`, or `Sum` of any number.
pub(crate) fn adds(node: &Node) -> bool {
    matches!(
        node.operator,
        Operator::Binary(Binary::Add) | Operator::Variadic(Variadic::Sum)
    )
}

/// `Add` or `Sub`.
pub(crate) fn shifts(node: &Node) -> bool {
    matches!(node.operator, Operator::Binary(Binary::Add | Binary::Sub))
}

/// `Mul`.
pub(crate) fn is_mul(node: &Node) -> bool {
    matches!(node.operator, Operator::Binary(Binary::Mul))
}

/// `Mul` or `Div`.
pub(crate) fn scales(node: &Node) -> bool {
    matches!(node.operator, Operator::Binary(Binary::Mul | Binary::Div))
}
