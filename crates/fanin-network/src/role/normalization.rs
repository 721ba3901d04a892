//! Normalizations, as operators and spelled out, and the scale and shift that follow them.

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Reading, Use};
use super::residual::Streams;
use super::spelled::Normalized;
use super::view::View;
use super::{Role, layout, op};
use crate::number::number;
use crate::operator::{Binary, Holds, ReduceKind, Unary, Variadic};
use crate::{NodeId, Operator, ValueId};

/// What a value is inside a spelling.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// The entering value, shifted or squared elementwise.
    Element { centered: bool, squared: bool },
    /// A statistic of it; `rooted` once it has the unit of the entering value.
    Statistic { rooted: bool },
}

/// Recognizes `x / √(mean(x²) + ε)` and its relatives: layer norm, RMS norm, batch norm, division by
/// the L2 norm, with `Div` or with `Mul` by the reciprocal, with the scale before or after.
pub(super) fn recognize(view: &View<'_>, entry: ValueId) -> Option<Normalized> {
    let network = view.network;
    let starts = network.value(entry).consumers.iter().any(|&consumer| {
        let node = network.node(consumer);
        matches!(
            node.operator,
            Operator::Reduce(_) | Operator::Binary(Binary::Pow | Binary::Mul)
        )
    });
    if !starts {
        return None;
    }
    let mut parts: BTreeMap<ValueId, Part> = BTreeMap::from([(
        entry,
        Part::Element {
            centered: false,
            squared: false,
        },
    )]);
    let mut nodes = BTreeSet::new();
    let mut open: BTreeSet<NodeId> = network.value(entry).consumers.iter().copied().collect();
    // The normalized value, and whether it was centered.
    let mut result: Option<(ValueId, bool)> = None;
    while let Some(id) = open.pop_first() {
        if nodes.len() >= 24 {
            break;
        }
        let node = network.node(id);
        let Some(output) = network.output(id) else {
            continue;
        };
        if let Some((normalized, _)) = result {
            // A shift by a statistic after the division: x·r + (β − mean·r).
            let other = node.inputs.iter().flatten().find(|&&i| i != normalized);
            let shifts = op::shifts(node)
                && node.inputs.contains(&Some(normalized))
                && other.is_some_and(|o| matches!(parts.get(o), Some(Part::Statistic { .. })));
            if shifts {
                nodes.insert(id);
                result = Some((output, true));
                continue;
            }
            if let Some(part @ Part::Statistic { .. }) = part_of(view, id, &parts) {
                nodes.insert(id);
                parts.insert(output, part);
                open.extend(&network.value(output).consumers);
            }
            continue;
        }
        if let Some(centered) = divides(view, id, &parts) {
            nodes.insert(id);
            result = Some((output, centered));
            open.extend(&network.value(output).consumers);
            continue;
        }
        let Some(part) = part_of(view, id, &parts) else {
            continue;
        };
        nodes.insert(id);
        parts.insert(output, part);
        open.extend(&network.value(output).consumers);
    }
    let (output, centered) = result?;
    Some(Normalized {
        output,
        nodes: nodes.into_iter().collect(),
        name: if centered {
            "spelled-out layer norm"
        } else {
            "spelled-out RMS norm"
        },
    })
}

/// Whether a node divides the value by a rooted statistic of it; then whether it was centered.
fn divides(view: &View<'_>, id: NodeId, parts: &BTreeMap<ValueId, Part>) -> Option<bool> {
    let node = view.network.node(id);
    let part = |slot: usize| {
        let input = node.inputs.get(slot).copied().flatten()?;
        parts.get(&input).copied()
    };
    match (&node.operator, part(0), part(1)) {
        (
            Operator::Binary(Binary::Div | Binary::Mul),
            Some(Part::Element {
                centered,
                squared: false,
            }),
            Some(Part::Statistic { rooted: true }),
        )
        | (
            Operator::Binary(Binary::Mul),
            Some(Part::Statistic { rooted: true }),
            Some(Part::Element {
                centered,
                squared: false,
            }),
        ) => Some(centered),
        _ => None,
    }
}

/// Arithmetic with a statistic: an epsilon, a scale, the square of a mean.
fn meets(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div)
            | Operator::Variadic(Variadic::Max | Variadic::Min)
    )
}

/// What a node makes of the parts it reads.
fn part_of(view: &View<'_>, id: NodeId, parts: &BTreeMap<ValueId, Part>) -> Option<Part> {
    let network = view.network;
    let node = network.node(id);
    let input = |slot: usize| node.inputs.get(slot).copied().flatten();
    let part = |slot: usize| input(slot).and_then(|id| parts.get(&id).copied());
    let constant = |slot: usize| input(slot).and_then(|id| number(network, id));
    let still = |slot: usize| input(slot).is_none_or(|id| view.is_weight(id));
    match (&node.operator, part(0), part(1)) {
        (Operator::Reduce(reduce), Some(Part::Element { .. }), None) => match reduce.kind {
            ReduceKind::Mean | ReduceKind::Sum | ReduceKind::SumSquare => {
                Some(Part::Statistic { rooted: false })
            }
            ReduceKind::L2 => Some(Part::Statistic { rooted: true }),
            _ => None,
        },
        (
            Operator::Identity
            | Operator::Cast { .. }
            | Operator::CastLike
            | Operator::Expand
            | Operator::Clip(_)
            | Operator::Unsqueeze { .. },
            Some(part),
            _,
        ) => Some(part),
        (
            Operator::Binary(Binary::Sub),
            Some(Part::Element { squared, .. }),
            Some(Part::Statistic { .. }),
        ) => Some(Part::Element {
            centered: true,
            squared,
        }),
        (
            Operator::Binary(Binary::Mul),
            Some(Part::Element { centered, .. }),
            Some(Part::Element { .. }),
        ) if input(0) == input(1) => Some(Part::Element {
            centered,
            squared: true,
        }),
        (Operator::Binary(Binary::Pow), Some(Part::Element { centered, .. }), None)
            if constant(1) == Some(2.0) =>
        {
            Some(Part::Element {
                centered,
                squared: true,
            })
        }
        (Operator::Unary(Unary::Sqrt), Some(Part::Statistic { .. }), _) => {
            Some(Part::Statistic { rooted: true })
        }
        (Operator::Binary(Binary::Pow), Some(Part::Statistic { .. }), None)
            if constant(1).is_some_and(|p| p.abs() == 0.5) =>
        {
            Some(Part::Statistic { rooted: true })
        }
        (
            Operator::Unary(Unary::Reciprocal | Unary::Neg),
            Some(part @ Part::Statistic { .. }),
            _,
        ) => Some(part),
        (operator, Some(Part::Statistic { rooted: a }), Some(Part::Statistic { rooted: b }))
            if meets(operator) =>
        {
            Some(Part::Statistic { rooted: a && b })
        }
        (operator, Some(part @ Part::Statistic { .. }), None) if meets(operator) && still(1) => {
            Some(part)
        }
        (operator, None, Some(part @ Part::Statistic { .. })) if meets(operator) && still(0) => {
            Some(part)
        }
        _ => None,
    }
}

/// Walks back through changes of shape to a normalization, and through a learned scale: `Some(true)`
/// if a scale lies between.
fn behind_norm(view: &View<'_>, mut id: ValueId) -> Option<(bool, NodeId)> {
    let mut scaled = false;
    for _ in 0..16 {
        if view.normalized_from(id).is_some() {
            return Some((scaled, view.network.value(id).producer?));
        }
        let producer = view.network.value(id).producer?;
        let node = view.network.node(producer);
        if op::normalizes(node) {
            return Some((scaled, producer));
        }
        let signals = view.signals(producer);
        if op::rearranges(node) {
            id = *signals.first()?;
        } else if op::is_mul(node) && signals.len() == 1 {
            scaled = scaled
                || node
                    .inputs
                    .iter()
                    .flatten()
                    .any(|&input| view.is_learned(input));
            id = *signals.first()?;
        } else {
            return None;
        }
    }
    None
}

/// Scale and shift of a normalization.
pub(super) fn affine(view: &View<'_>, streams: &Streams, found: &Use) -> Option<Reading> {
    let node = view.network.node(found.node);
    let vector = layout::vector(found.rank);
    if op::normalizes(node) && found.slot >= 1 {
        let (role, what) = match node.operator.facts().at(found.slot).map(|slot| slot.holds) {
            Some(Holds::Scale) => (Role::NormScale, "scale"),
            _ => (Role::NormShift, "shift"),
        };
        return Some(Reading {
            residual_branches: streams
                .branches_at(found.node)
                .filter(|_| role == Role::NormScale),
            ..Reading::new(
                role,
                vector,
                format!("{what} of {}", op::normalization_name(node)),
            )
        });
    }
    // Inside a spelling: γ on the reciprocal deviation, β minus the scaled mean.
    if view.is_spelling(found.node) {
        return match node.operator {
            Operator::Binary(Binary::Mul) => Some(Reading::new(
                Role::NormScale,
                vector,
                String::from("scale of a spelled-out norm"),
            )),
            Operator::Binary(Binary::Add | Binary::Sub) => Some(Reading::new(
                Role::NormShift,
                vector,
                String::from("shift of a spelled-out norm"),
            )),
            _ => None,
        };
    }
    let other = view.signals(found.node).first().copied()?;
    match node.operator {
        Operator::Binary(Binary::Mul) => {
            let (scaled, norm) = behind_norm(view, other)?;
            // A second scale is one of the norm, too (Caffe's BatchNorm and Scale), but at the end of
            // a branch it is the branch's.
            let end = streams.branches_at(found.node).is_some();
            if scaled || end && has_own_scale(view, norm) {
                return None;
            }
            Some(Reading {
                residual_branches: streams.branches_at(found.node),
                ..Reading::new(
                    Role::NormScale,
                    vector,
                    String::from("scale after a normalization"),
                )
            })
        }
        Operator::Binary(Binary::Add | Binary::Sub) => {
            behind_norm(view, other)?;
            // More than a number per channel is a table of positions.
            if view.shape(found.value).iter().filter(|&&d| d > 1).count() > 1 {
                return None;
            }
            Some(Reading::new(
                Role::NormShift,
                vector,
                String::from("shift after a normalization"),
            ))
        }
        _ => None,
    }
}

/// Whether a norm operator brings a learned scale of its own.
fn has_own_scale(view: &View<'_>, norm: NodeId) -> bool {
    op::normalizes(view.network.node(norm))
        && view
            .network
            .input(norm, 1)
            .is_some_and(|scale| view.is_learned(scale))
}
