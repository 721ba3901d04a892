//! Operations that move elements and change none.

use fanin_network::{Network, Node, ValueId};

use super::attribute::normalized;
use super::{Context, count};
use crate::band::of_sum;
use crate::cross::Cross;
use crate::signal::{Profile, Shape, Signal, kurtosis, union};

/// Whether the output is the input, element for element and place for place.
pub(crate) fn is_identity(node: &Node) -> bool {
    matches!(
        node.op.as_str(),
        "Identity" | "Dropout" | "Cast" | "CastLike"
    )
}

/// Which input the output is, element for element; `None` if it is none of them. A choice by
/// `IsNaN` of what it chooses passes all that is finite.
pub(crate) fn passes(network: &Network, node: &Node) -> Option<usize> {
    if is_identity(node) {
        return Some(0);
    }
    let input = |k: usize| node.inputs.get(k).copied().flatten();
    let test = network
        .value(input(0)?)
        .producer
        .map(|id| network.node(id))?;
    let guarded = node.op == "Where" && test.op == "IsNaN";
    (guarded && test.inputs.first().copied().flatten() == input(2)).then_some(2)
}

/// Whether the output has the input's elements in other places.
pub(crate) fn is_rearrangement(node: &Node) -> bool {
    matches!(
        node.op.as_str(),
        "Reshape"
            | "Flatten"
            | "Squeeze"
            | "Unsqueeze"
            | "Transpose"
            | "DepthToSpace"
            | "SpaceToDepth"
    )
}

/// Whether the output is made of copies of the input's elements.
pub(crate) fn is_copying(node: &Node) -> bool {
    match node.op.as_str() {
        "Expand" | "Tile" => true,
        "Resize" | "Upsample" => node.attributes.str("mode", "nearest") == "nearest",
        _ => false,
    }
}

/// Whether the outputs are parts of the first input.
pub(crate) fn is_selection(node: &Node) -> bool {
    matches!(node.op.as_str(), "Slice" | "Split" | "Gather")
}

/// The signal of one output of an operation that moves elements.
pub(crate) fn forward(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    if node.op == "Concat" {
        return concat(context, node, output);
    }
    if let Some(k) = passes(context.network, node) {
        return context.signal(node, k).cloned();
    }
    let x = context.signal(node, 0)?;
    let size = |id: ValueId| context.network.value(id).shape.as_deref().map(count);
    let ratio = size(output)? / count(context.shape(node, 0)?).max(1.0);
    let mut moved = if is_rearrangement(node) || is_copying(node) {
        x.clone()
    } else if is_selection(node) {
        // A place of a sequence has all its units.
        let place = picked_place(context, node);
        let mut part = x.relocated(if place.is_some() { 1.0 } else { ratio });
        // Parts of one layer's output are as independent as outputs of two layers.
        part.origins = [output.0].into();
        part
    } else if node.op == "Pad" {
        padded(context, node, x, ratio)?
    } else {
        return None;
    };
    if joins_places(context, node) {
        moved.cross = Cross::of_samples(moved.second, moved.cross.between);
    }
    match picked_place(context, node) {
        Some(place) => pick(x, place, &mut moved),
        None => {
            let line = x.profile.as_ref().filter(|profile| profile.len() == 1);
            let kept = |line: &&Profile| {
                let length = line.first().map_or(0, Vec::len);
                keeps_sequence(context, node, length)
            };
            moved.profile = line.filter(kept).cloned();
            moved.steps = moved.steps.and_then(|steps| steps.moved(context, node));
        }
    }
    // Elements no longer meet those of other functions of the same value.
    moved.shape = Shape::base(output);
    Some(moved)
}

/// Whether places of a sample become features of one: maps flattened for a dense layer.
pub(crate) fn joins_places(context: &Context<'_>, node: &Node) -> bool {
    let (Some(from), Some(to)) = (context.shape(node, 0), context.output_shape(node)) else {
        return false;
    };
    matches!(node.op.as_str(), "Reshape" | "Flatten")
        && from.len() > 2
        && to.len() == 2
        && from.first() == to.first()
}

/// One place of a sequence.
pub(crate) fn pick(x: &Signal, place: usize, moved: &mut Signal) {
    let line = x.profile.as_ref().filter(|profile| profile.len() == 1);
    let share = line.and_then(|profile| profile.first()?.get(place).copied());
    let share = share.unwrap_or(1.0);
    let between = match &x.steps {
        Some(steps) => steps.between.as_ref().and_then(|between| {
            let product = between.get(place)?.get(place)?;
            Some(product * x.second)
        }),
        // A class token is the same in all samples, patches are not: their mean stands for neither.
        None => None,
    };
    moved.second = x.second * share;
    // Means are not told apart by place.
    moved.mean = x.mean * share.max(0.0).sqrt();
    moved.cross = Cross::of_samples(moved.second, between);
    (moved.profile, moved.steps) = (None, None);
}

/// The place of a sequence that a node picks: along the steps of a recurrent layer, or along the
/// second axis of [sample, place, feature].
pub(crate) fn picked_place(context: &Context<'_>, node: &Node) -> Option<usize> {
    if node.op != "Gather" {
        return None;
    }
    let shape = context.shape(node, 0)?;
    let along = match &context.signal(node, 0)?.steps {
        Some(steps) => steps.axis,
        None if shape.len() == 3 => 1,
        None => return None,
    };
    if context.axis(node, "axis", 0, shape.len())? != along {
        return None;
    }
    let places = *shape.get(along)?;
    let index = context.network.constant(context.id(node, 1)?)?.to_i64()?;
    let &[index] = index.as_slice() else {
        return None;
    };
    let index = if index < 0 {
        index + i64::try_from(places).ok()?
    } else {
        index
    };
    usize::try_from(index).ok().filter(|&index| index < places)
}

/// Whether an operation leaves a sequence of this length what it is.
pub(crate) fn keeps_sequence(context: &Context<'_>, node: &Node, length: usize) -> bool {
    if is_rearrangement(node) {
        return !joins_places(context, node);
    }
    // What takes a part of another axis leaves as many axes of this length.
    let axes = |shape: &[usize]| shape.iter().filter(|&&size| size == length).count();
    let (Some(from), Some(to)) = (context.shape(node, 0), context.output_shape(node)) else {
        return false;
    };
    is_selection(node) && axes(from) == axes(to)
}

fn padded(context: &Context<'_>, node: &Node, x: &Signal, ratio: f64) -> Option<Signal> {
    let zeros = context.id(node, 2).is_none() || context.scalar(node, 2) == Some(0.0);
    match node.attributes.str("mode", "constant") {
        "constant" if zeros && ratio >= 1.0 => {
            let variance = x.variance();
            let mut padded = x.clone();
            padded.mean /= ratio;
            padded.second /= ratio;
            padded.kurtosis *= ratio;
            padded.cross = x.cross.map(|product| product / ratio);
            // Two places lie both in the frame less often than one does.
            let both = |product: f64| product / (ratio * ratio);
            padded.cross.within = x.cross.within.map(both);
            padded.cross.far = x.cross.far.map(both);
            Some(padded.with_variance(variance))
        }
        "reflect" | "edge" | "wrap" => Some(x.clone()),
        _ => None,
    }
}

fn concat(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let whole = count(context.output_shape(node)?);
    let (mut mean, mut second, mut fourth, mut units) = (0.0, 0.0, 0.0, 0.0);
    let mut parts = Vec::with_capacity(node.inputs.len());
    let (mut cross, mut inherited) = (Cross::even(0.0), 0.0);
    let mut origins = std::rc::Rc::from([]);
    let (mut since, mut gaussian, mut parameter) = (None, true, true);
    for k in 0..node.inputs.len() {
        let x = context.signal(node, k)?;
        let share = count(context.shape(node, k)?) / whole.max(1.0);
        mean += share * x.mean;
        second += share * x.second;
        fourth += share * x.kurtosis * x.second * x.second;
        units += x.units;
        parts.push((share * x.second, x.variance()));
        cross = cross.zip(x.cross, |sum, product| sum + share * product);
        inherited += share * x.second * x.cosine_inherited.max(0.0).sqrt();
        origins = union(&origins, &x.origins);
        since = since.max(x.since);
        gaussian &= x.gaussian;
        parameter &= x.parameter;
    }
    let mut signal = Signal::gaussian(output, mean, second);
    signal.kurtosis = if second > 0.0 {
        (fourth / (second * second)).max(1.0)
    } else {
        kurtosis(mean, second)
    };
    signal.units = units.max(1.0);
    let rank = context.output_shape(node)?.len();
    let axis = context.axis(node, "axis", 0, rank)?;
    let channels = if rank >= 4 { 1 } else { rank.saturating_sub(1) };
    // Only along channels do places stay what they are.
    signal.cross = match axis {
        _ if axis == channels => cross,
        1 if rank == 3 => {
            let joined = Sequence::of(context, node)?;
            signal.profile = joined.profile;
            Cross {
                between: cross.between,
                ..joined.cross
            }
        }
        0 => Cross::UNKNOWN,
        _ => Cross {
            between: cross.between,
            ..Cross::UNKNOWN
        },
    };
    if second > 0.0 {
        signal.cosine_inherited = (inherited / second).powi(2);
    }
    signal.since = since;
    signal.gaussian = gaussian;
    signal.parameter = parameter;
    signal.origins = origins;
    Some(signal.with_variance(of_sum(parts)))
}

/// Sequences laid end to end, [sample, place, feature].
struct Sequence {
    /// What different places have in common.
    cross: Cross,
    profile: Option<Profile>,
}

impl Sequence {
    fn of(context: &Context<'_>, node: &Node) -> Option<Self> {
        let mut line = Vec::new();
        // Sums of products over pairs of different places.
        let (mut within, mut far) = (Some(0.0), Some(0.0));
        let (mut sum, mut squares) = (0.0, 0.0);
        for k in 0..node.inputs.len() {
            let x = context.signal(node, k)?;
            let places = *context.shape(node, k)?.get(1)?;
            let n = places as f64;
            let own = x.profile.as_ref().and_then(|profile| profile.first());
            match own.filter(|own| own.len() == places) {
                Some(own) => line.extend(own.iter().map(|u| u * x.second)),
                None => line.extend(std::iter::repeat_n(x.second, places)),
            }
            let pairs = n * (n - 1.0);
            let add = |total: Option<f64>, product: Option<f64>| match product {
                _ if pairs == 0.0 => total,
                product => Some(total? + pairs * product?),
            };
            within = add(within, x.cross.within);
            far = add(far, x.cross.far);
            // Parts are drawn apart: they share their means.
            sum += n * x.mean;
            squares += (n * x.mean).powi(2);
        }
        let n = line.len() as f64;
        let mean = |total: f64| (total + sum * sum - squares) / (n * (n - 1.0)).max(1.0);
        Some(Self {
            cross: Cross {
                within: within.map(mean),
                between: None,
                far: far.map(mean),
            },
            profile: normalized(vec![line]).1,
        })
    }
}
