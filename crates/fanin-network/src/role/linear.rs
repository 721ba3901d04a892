//! Linear layers whichever way their weight lies, and the biases of all layers.

use std::collections::BTreeSet;

use fanin::{Axis, Fans, Layout, LayoutError};

use super::attention::Attentions;
use super::reading::{Reading, Use};
use super::residual::Streams;
use super::view::View;
use super::walk::{Encounter, What, trace};
use super::{Feeds, Role, gate, head, layout, op};
use crate::operator::{Binary, Holds, UnitAxis, WeightAxes, WeightSlot};
use crate::{NodeId, Operator, ValueId};

/// What the operator says of the weight in its slot, where it contracts the signal with one.
fn slot(view: &View<'_>, found: &Use) -> Option<WeightSlot> {
    let facts = view.network.node(found.node).operator.facts();
    let contracts = view.is_layer(found.node) && facts.contracts(found.slot);
    facts.at(found.slot).filter(|_| contracts).cloned()
}

/// The meaning of the axes of a weight where it enters a product.
pub(super) fn meaning(view: &View<'_>, found: &Use) -> Option<Vec<Axis>> {
    let rank = view.shape(found.value).len();
    slot(view, found)?.axes.meaning(rank)
}

/// What is no weight of its own but a part of one: the lengths of a weight norm, a factor, one of a
/// low-rank pair.
pub(super) fn part(view: &View<'_>, found: &Use) -> Option<Reading> {
    slot(view, found)?;
    if found.part.is_carrier() {
        return None;
    }
    let parts = view.chains.at(found.value);
    let main = parts.iter().find(|part| part.is_carrier())?;
    let weight = &view.network.value(main.tensor).name;
    if found.part.summed.is_empty() {
        let because = if main.degree == Some(0.0) {
            format!("length of the rows of `{weight}`, which gives their direction")
        } else {
            format!("factor on `{weight}`")
        };
        let layout = layout::vector(found.rank);
        return Some(Reading::new(Role::WeightScale, layout, because));
    }
    let meaning = meaning(view, found)?;
    let axes = found.carry(&meaning);
    let free = meaning.iter().zip(found.part.axes.origins());
    let up = free
        .filter(|(_, origin)| !origin.is_empty())
        .any(|(axis, _)| *axis == Axis::Output);
    let (role, side) = if up {
        (Role::LowRankUp, "output")
    } else {
        (Role::LowRankDown, "input")
    };
    let because = format!("the {side} side of a low-rank pair that is added to `{weight}`");
    Some(Reading::new(role, layout::plain(axes), because))
}

/// The weight of a linear layer or a convolution.
pub(super) fn weight(
    view: &View<'_>,
    streams: &Streams,
    attentions: &Attentions,
    found: &Use,
) -> Option<Reading> {
    let slot = slot(view, found)?;
    let shape = view.shape(found.value);
    let meaning = slot.axes.meaning(shape.len())?;
    let mut at_product = layout::plain(meaning.clone());
    let mut layout = layout::plain(found.carry(&meaning));
    if let WeightAxes::Kernel {
        groups,
        transposed,
        strides,
    } = slot.axes
    {
        for layout in [&mut at_product, &mut layout] {
            layout.groups = groups.max(1);
            layout.transposed = transposed;
            let fields = layout.axes.iter().filter(|a| **a == Axis::Field).count();
            layout.stride = if strides.len() == fields {
                strides.clone()
            } else if strides.is_empty() {
                vec![1; fields]
            } else {
                Vec::new()
            };
        }
    }
    let own = view.shape(found.parameter);
    layout.fused = pieces(view, found, &layout);
    let sliced = !layout.fused.is_empty();
    if unfit(&layout, own) {
        layout.fused = Vec::new();
    }
    if unfit(&layout, own) {
        // Stored in a shape of which groups and strides cannot be told.
        layout.groups = 1;
        layout.stride = Vec::new();
    }
    let mut reading = layer(view, streams, attentions, found, layout);
    let parts = reading.layout.fused.len().max(1) as f64;
    if unfit(&reading.layout, own) {
        // One of several tensors that are joined to a fused weight.
        reading.layout.fused = Vec::new();
    }
    if let Ok(mut fans) = at_product.fans(shape) {
        if !sliced {
            fans.fan_out /= parts;
        }
        state_sides(&mut reading.layout, own, fans);
    }
    Some(reading)
}

/// Says in a layout what the inputs and outputs of the weight are, where the tensor's shape gives other
/// fans.
pub(super) fn state_sides(layout: &mut Layout, shape: &[usize], right: Fans) {
    let Ok(own) = layout.fans(shape) else { return };
    if own == right || !layout.fused.is_empty() {
        return;
    }
    let size = |axis: Axis| -> f64 {
        let pairs = layout.axes.iter().zip(shape);
        let sizes = pairs.filter(|(a, _)| **a == axis);
        sizes.map(|(_, &size)| size as f64).product()
    };
    // Fans are these sizes times what kernel, stride and groups make of them.
    let sides = [
        right.fan_in * size(Axis::Input) / own.fan_in,
        right.fan_out * size(Axis::Output) / own.fan_out,
    ];
    if sides
        .iter()
        .all(|side| *side >= 1.0 && side.fract() == 0.0 && *side < 1e15)
    {
        layout.sides = Some(sides.map(|side| side as usize));
    }
}

/// Whether a layout's groups, strides or parts do not suit a shape.
fn unfit(layout: &Layout, shape: &[usize]) -> bool {
    !matches!(
        layout.fans(shape),
        Ok(_) | Err(LayoutError::NoFans { .. } | LayoutError::TooLarge { .. })
    )
}

/// The sizes of the parts into which a tensor is cut along its output axis for layers of their own.
pub(super) fn pieces(view: &View<'_>, found: &Use, layout: &Layout) -> Vec<usize> {
    let whole = view.shape(found.parameter);
    let Some(axis) = layout.axes.iter().position(|axis| *axis == Axis::Output) else {
        return Vec::new();
    };
    let region = found.part.axes.region();
    let (Some(part), Some(&size)) = (region.get(axis), whole.get(axis)) else {
        return Vec::new();
    };
    let piece = part.len();
    let even = piece > 0 && size % piece == 0 && part.start % piece == 0;
    if piece < size && even {
        vec![piece; size / piece]
    } else {
        Vec::new()
    }
}

/// The reading of the weight of a layer whose axes are known.
pub(super) fn layer(
    view: &View<'_>,
    streams: &Streams,
    attentions: &Attentions,
    found: &Use,
    mut layout: Layout,
) -> Reading {
    let Some(output) = view.network.output(found.node) else {
        return Reading::new(Role::Weight, layout, String::from("its output is not used"));
    };
    let met = trace(view, &streams.sums, output);
    let (feeds, because) = feeds(view, &met);
    let norm_follows = follows_norm(&met);
    let residual_branches = streams.branches_at(found.node);
    let reading = Reading {
        feeds,
        norm_follows,
        residual_branches,
        ..Reading::new(Role::Weight, layout.clone(), because)
    };
    let reading = if let Some(part) = attentions.part(found.node) {
        let role = part.role();
        if role == Role::AttentionQkv {
            layout.fused = parts(view, output, part.projections());
        }
        Reading {
            role,
            layout,
            feeds: if role == Role::AttentionOutput {
                feeds
            } else {
                Feeds::Linear
            },
            because: part.because(),
            ..reading
        }
    } else if let Some(gated) = gate::gated(view, streams, found.node, &met) {
        if gated.fused {
            layout.fused = parts(view, output, 2);
        }
        Reading {
            role: gated.role,
            layout,
            feeds: gated.feeds,
            because: gated.because,
            ..reading
        }
    } else if let Some(feeds) = head::head(view, &met) {
        Reading {
            role: Role::OutputHead,
            feeds,
            because: match feeds {
                Feeds::Softmax => String::from("makes the output, through softmax"),
                Feeds::Activation(_) => String::from("makes the output, through sigmoid"),
                _ => String::from("makes the output"),
            },
            ..reading
        }
    } else {
        reading
    };
    match reading.residual_branches {
        Some(branches) => Reading {
            because: format!(
                "{}; ends one of {branches} {} of a residual stream",
                reading.because,
                if branches == 1 { "branch" } else { "branches" }
            ),
            ..reading
        },
        None => reading,
    }
}

/// Whether everything that a layer's output meets, it meets through a norm.
fn follows_norm(met: &[Encounter]) -> bool {
    !met.is_empty() && met.iter().all(|e| e.norm.is_some())
}

/// What a layer's output meets, and that in words.
pub(super) fn feeds(view: &View<'_>, met: &[Encounter]) -> (Feeds, String) {
    let mut activations = Vec::new();
    let mut softmax = false;
    let mut norm = None;
    let mut pooled = false;
    for encounter in met {
        match encounter.what {
            What::Activation(activation, _) => {
                if !activations.contains(&activation) {
                    activations.push(activation);
                }
                norm = norm.or(encounter.norm);
                pooled = pooled || encounter.pooled;
            }
            What::Softmax(_) => softmax = true,
            _ => {}
        }
    }
    let through = match (norm, pooled) {
        (Some(norm), true) => format!(" through {norm} and pooling"),
        (Some(norm), false) => format!(" through {norm}"),
        (None, true) => String::from(" through pooling"),
        (None, false) => String::new(),
    };
    match (&activations[..], softmax) {
        ([activation], false) => (
            Feeds::Activation(*activation),
            format!("feeds {activation}{through}"),
        ),
        ([], true) => (Feeds::Softmax, String::from("feeds softmax")),
        ([], false) => {
            let norm = met.iter().find_map(|e| e.norm);
            let unknown = met.iter().find_map(|e| match e.what {
                What::Unknown(node) => Some(node),
                _ => None,
            });
            let because = match (norm, unknown) {
                (Some(norm), _) => format!("meets no activation, only {norm}"),
                (None, Some(node)) => format!(
                    "meets {}, which is no activation fanin knows",
                    view.network.node(node).op
                ),
                (None, None) => String::from("meets no activation"),
            };
            (Feeds::Linear, because)
        }
        _ => {
            let mut names: Vec<String> = activations.iter().map(ToString::to_string).collect();
            names.extend(softmax.then(|| String::from("softmax")));
            (Feeds::Mixed, format!("feeds {}", names.join(" and ")))
        }
    }
}

/// Sizes of the parts into which a fused output is cut along its own axis; equal ones where the
/// cut is along an axis made for it (`[.., 3, heads, d]`).
pub(super) fn parts(view: &View<'_>, output: ValueId, count: usize) -> Vec<usize> {
    let network = view.network;
    let Some(&width) = channel(view, output) else {
        return Vec::new();
    };
    let mut open = vec![output];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let mut slices: Vec<usize> = Vec::new();
        for &consumer in &network.value(id).consumers {
            let node = network.node(consumer);
            let pieces = node.outputs.iter().copied().flatten();
            match &node.operator {
                Operator::Split(_) | Operator::Slice(_) => {
                    for piece in pieces {
                        let cut = view
                            .shape(id)
                            .iter()
                            .zip(view.shape(piece))
                            .find(|(whole, part)| whole != part)
                            .map(|(_, &part)| part);
                        slices.extend(cut);
                    }
                }
                _ if op::adds(node) || op::is_mul(node) || op::rearranges(node) => {
                    open.extend(pieces);
                }
                _ => {}
            }
        }
        if slices.len() > 1 && slices.iter().sum::<usize>() == width {
            return slices;
        }
    }
    if count > 1 && width % count == 0 {
        vec![width / count; count]
    } else {
        Vec::new()
    }
}

/// The size of a layer output's channel axis.
fn channel<'a>(view: &View<'a>, output: ValueId) -> Option<&'a usize> {
    let shape = view.shape(output);
    let units = view.producer(output)?.operator.facts().units;
    match units {
        UnitAxis::Channel => shape.get(1),
        _ => shape.last(),
    }
}

/// The layer that a use adds to.
pub(super) fn biased(view: &View<'_>, found: &Use) -> Option<NodeId> {
    let node = view.network.node(found.node);
    let facts = node.operator.facts();
    let own = facts.at(found.slot).map(|slot| slot.holds) == Some(Holds::Bias);
    match node.operator {
        Operator::BiasGelu { .. } => added_to(view, found),
        _ if own => Some(found.node),
        _ if op::adds(node) || op::shifts(node) => added_to(view, found),
        _ => None,
    }
}

/// A bias: added to what a layer puts out.
pub(super) fn bias(view: &View<'_>, streams: &Streams, found: &Use) -> Option<Reading> {
    let layer = biased(view, found)?;
    let output = view.network.output(found.node)?;
    let met = trace(view, &streams.sums, output);
    let (feeds, _) = feeds(view, &met);
    Some(Reading {
        feeds,
        norm_follows: follows_norm(&met),
        ..Reading::new(
            Role::Bias,
            layout::vector(found.rank),
            format!("added to the output of `{}`", view.network.node(layer).name),
        )
    })
}

/// The layer to whose output a vector is added.
fn added_to(view: &View<'_>, found: &Use) -> Option<NodeId> {
    let wide = view.shape(found.value).iter().filter(|&&d| d > 1).count();
    if wide > 1 {
        return None;
    }
    let mut open = view.signals(found.node);
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let producer = view.network.value(id).producer?;
        if view.is_layer(producer) {
            return Some(producer);
        }
        let node = view.network.node(producer);
        let signals = view.signals(producer);
        if op::moves(node) || op::shifts(node) || node.operator == Operator::Binary(Binary::Mul) {
            open.extend(signals);
        }
    }
    None
}
