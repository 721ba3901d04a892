//! Normalizations, as operators and spelled out, and the scale and shift that follow them.

use std::collections::{BTreeMap, BTreeSet};

use super::activation::number;
use super::residual::Streams;
use super::uses::{Use, Verdict};
use super::view::View;
use super::{Role, layout, op};
use crate::{NodeId, ValueId};

/// A normalization spelled out in primitive operations.
#[derive(Clone, Debug)]
pub(super) struct Normalized {
    /// The normalized value, before or after a scale that the spelling contains.
    pub(super) output: ValueId,
    /// The nodes that spell it.
    pub(super) nodes: Vec<NodeId>,
    /// What to call it.
    pub(super) name: &'static str,
}

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
        node.op.starts_with("Reduce") || matches!(node.op.as_str(), "Pow" | "Mul")
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
            let shifts = matches!(node.op.as_str(), "Add" | "Sub")
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
    match (node.op.as_str(), part(0), part(1)) {
        (
            "Div" | "Mul",
            Some(Part::Element {
                centered,
                squared: false,
            }),
            Some(Part::Statistic { rooted: true }),
        )
        | (
            "Mul",
            Some(Part::Statistic { rooted: true }),
            Some(Part::Element {
                centered,
                squared: false,
            }),
        ) => Some(centered),
        _ => None,
    }
}

/// What a node makes of the parts it reads.
fn part_of(view: &View<'_>, id: NodeId, parts: &BTreeMap<ValueId, Part>) -> Option<Part> {
    let network = view.network;
    let node = network.node(id);
    let input = |slot: usize| node.inputs.get(slot).copied().flatten();
    let part = |slot: usize| input(slot).and_then(|id| parts.get(&id).copied());
    let constant = |slot: usize| input(slot).and_then(|id| number(network, id));
    let still = |slot: usize| input(slot).is_none_or(|id| view.is_weight(id));
    let name = node.op.as_str();
    match (name, part(0), part(1)) {
        ("ReduceMean" | "ReduceSum", Some(Part::Element { .. }), None) => {
            Some(Part::Statistic { rooted: false })
        }
        ("ReduceSumSquare", Some(Part::Element { .. }), None) => {
            Some(Part::Statistic { rooted: false })
        }
        ("ReduceL2", Some(Part::Element { .. }), None) => Some(Part::Statistic { rooted: true }),
        ("Identity" | "Cast" | "CastLike" | "Expand" | "Clip" | "Unsqueeze", Some(part), _) => {
            Some(part)
        }
        ("Sub", Some(Part::Element { squared, .. }), Some(Part::Statistic { .. })) => {
            Some(Part::Element {
                centered: true,
                squared,
            })
        }
        ("Mul", Some(Part::Element { centered, .. }), Some(Part::Element { .. }))
            if input(0) == input(1) =>
        {
            Some(Part::Element {
                centered,
                squared: true,
            })
        }
        ("Pow", Some(Part::Element { centered, .. }), None) if constant(1) == Some(2.0) => {
            Some(Part::Element {
                centered,
                squared: true,
            })
        }
        ("Sqrt", Some(Part::Statistic { .. }), _) => Some(Part::Statistic { rooted: true }),
        ("Pow", Some(Part::Statistic { .. }), None)
            if constant(1).is_some_and(|p| p.abs() == 0.5) =>
        {
            Some(Part::Statistic { rooted: true })
        }
        ("Reciprocal" | "Neg", Some(part @ Part::Statistic { .. }), _) => Some(part),
        (
            "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min",
            Some(Part::Statistic { rooted: a }),
            Some(Part::Statistic { rooted: b }),
        ) => Some(Part::Statistic { rooted: a && b }),
        ("Add" | "Sub" | "Mul" | "Div" | "Max", Some(part @ Part::Statistic { .. }), None)
            if still(1) =>
        {
            Some(part)
        }
        ("Add" | "Sub" | "Mul" | "Div" | "Max", None, Some(part @ Part::Statistic { .. }))
            if still(0) =>
        {
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
        let name = node.op.as_str();
        if op::normalizes(name) {
            return Some((scaled, producer));
        }
        let signals = view.signals(producer);
        if op::rearranges(name) {
            id = *signals.first()?;
        } else if name == "Mul" && signals.len() == 1 {
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
pub(super) fn affine(view: &View<'_>, streams: &Streams, found: &Use) -> Option<Verdict> {
    let node = view.network.node(found.node);
    let name = node.op.as_str();
    let vector = layout::vector(found.rank);
    if op::normalizes(name) && found.slot >= 1 {
        let (role, what) = match found.slot {
            1 => (Role::NormScale, "scale"),
            _ => (Role::NormShift, "shift"),
        };
        return Some(Verdict {
            residual_branches: streams
                .branches_at(found.node)
                .filter(|_| role == Role::NormScale),
            ..Verdict::new(
                role,
                vector,
                format!("{what} of {}", op::normalization_name(name)),
            )
        });
    }
    // Inside a spelling: γ on the reciprocal deviation, β minus the scaled mean.
    if view.is_spelling(found.node) {
        return match name {
            "Mul" => Some(Verdict::new(
                Role::NormScale,
                vector,
                String::from("scale of a spelled-out norm"),
            )),
            "Add" | "Sub" => Some(Verdict::new(
                Role::NormShift,
                vector,
                String::from("shift of a spelled-out norm"),
            )),
            _ => None,
        };
    }
    let other = view.signals(found.node).first().copied()?;
    match name {
        "Mul" => {
            let (scaled, norm) = behind_norm(view, other)?;
            // A second scale is one of the norm, too (Caffe's BatchNorm and Scale), but at the end of
            // a branch it is the branch's.
            let end = streams.branches_at(found.node).is_some();
            if scaled || end && has_own_scale(view, norm) {
                return None;
            }
            Some(Verdict {
                residual_branches: streams.branches_at(found.node),
                ..Verdict::new(
                    Role::NormScale,
                    vector,
                    String::from("scale after a normalization"),
                )
            })
        }
        "Add" | "Sub" => {
            behind_norm(view, other)?;
            // More than a number per channel is a table of positions.
            if view.shape(found.value).iter().filter(|&&d| d > 1).count() > 1 {
                return None;
            }
            Some(Verdict::new(
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
    op::normalizes(&view.network.node(norm).op)
        && view
            .network
            .input(norm, 1)
            .is_some_and(|scale| view.is_learned(scale))
}
