//! Operations that move elements and change none.

use std::rc::Rc;

use fanin_network::operator::{Class, Pad, PadMode, Setting};
use fanin_network::{Node, Operator, ValueId};

use super::back::{Arrival, Back, Flow};
use super::passing::{is_rearrangement, passes};
use super::{Context, Rule, axis, count, linear};
use crate::band::of_sum;
use crate::cross::Cross;
use crate::signal::{Profile, Shape, Signal, kurtosis, normalized, union};

/// The output is the input, element for element and place for place.
pub(crate) struct Same;

/// A choice by `IsNaN` of what it chooses, which passes all that is finite.
pub(crate) struct Guard;

/// The output has the input's elements in other places.
pub(crate) struct Rearranged;

/// The output is made of copies of the input's elements.
pub(crate) struct Copied;

/// The output is a part of the input.
pub(crate) struct Part;

/// The outputs are parts of the input.
pub(crate) struct Parts;

/// Indices pick parts of the input: rows of a table, places of a sequence.
pub(crate) struct Picked;

/// Inputs beside one another.
pub(crate) struct Joined;

impl Rule for Same {
    fn forward(&self, context: &Context<'_>, node: &Node, _: ValueId) -> Option<Signal> {
        context.signal(node, 0).cloned()
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        (arrival.slot == 0).then_some(Back::Same)
    }
}

impl Rule for Guard {
    fn forward(&self, context: &Context<'_>, node: &Node, _: ValueId) -> Option<Signal> {
        let passed = passes(context.network, node)?;
        context.signal(node, passed).cloned()
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        let passed = passes(arrival.context.network, arrival.node)?;
        (passed == arrival.slot).then_some(Back::Same)
    }
}

impl Rule for Rearranged {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        moved(context, node, output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        arrival.ratio?;
        let mut flow = arrival.flow.clone();
        flow.profile = flow.profile.filter(|profile| profile.len() == 1);
        if joins_places(arrival.context, arrival.node) {
            // Each place through weights of its own.
            (flow.profile, flow.alike, flow.steps) = (None, Some(0.0), None);
        }
        Some(arrival.gaussian(flow))
    }
}

impl Rule for Copied {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        moved(context, node, output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        from_copies(arrival)
    }
}

macro_rules! parts {
    ($($rule:ty: $all:expr),*) => {$(
        impl Rule for $rule {
            fn speaks_of(&self, output: usize) -> bool {
                $all || output == 0
            }

            fn forward(
                &self,
                context: &Context<'_>,
                node: &Node,
                output: ValueId,
            ) -> Option<Signal> {
                moved(context, node, output)
            }

            fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
                from_part(arrival)
            }
        }
    )*};
}

parts!(Part: false, Parts: true, Pad: false);

impl Rule for Picked {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        linear::embedding(context, node, output).or_else(|| moved(context, node, output))
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        from_part(arrival)
    }
}

impl Rule for Joined {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        concat(context, node, output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        arrival.ratio?;
        let flow = sequence_part(arrival).unwrap_or_else(|| arrival.flow.clone());
        Some(arrival.gaussian(flow))
    }
}

/// The gradient at what copies were made of.
pub(crate) fn from_copies(arrival: &Arrival<'_>) -> Option<Back> {
    let flow = Flow::of(arrival.flow.second * arrival.ratio?);
    Some(arrival.gaussian(flow))
}

/// The gradient at what a part was taken of, or a frame put around.
fn from_part(arrival: &Arrival<'_>) -> Option<Back> {
    let Arrival { context, node, .. } = *arrival;
    if arrival.slot != 0 {
        return None;
    }
    // Every element of the smaller one meets one of the larger.
    let mut flow = arrival.times(arrival.ratio?.min(1.0));
    if let Some(place) = picked_place(context, node) {
        let along = match &arrival.signal.steps {
            Some(steps) => steps.axis,
            None => 1,
        };
        let count = *context.shape(node, 0)?.get(along)?;
        let line = (0..count).map(|at| f64::from(u8::from(at == place)));
        flow.profile = normalized(vec![line.collect()]).1;
        flow.alike = Some(0.0);
    } else {
        let kept = |profile: &Profile| {
            let line = profile.first().filter(|_| profile.len() == 1);
            line.is_some_and(|line| keeps_sequence(context, node, line.len()))
        };
        flow.profile = flow.profile.filter(kept);
        let shapes = (context.shape(node, 0), context.output_shape(node));
        if let (Some([_, from, _]), Some([_, to, _])) = shapes
            && from != to
        {
            flow.alike = None;
        }
    }
    (flow.scored, flow.steps) = (None, None);
    Some(arrival.gaussian(flow))
}

/// The gradient at one of sequences laid end to end, [sample, place, feature].
fn sequence_part(arrival: &Arrival<'_>) -> Option<Flow> {
    let Arrival {
        context,
        node,
        slot,
        ..
    } = *arrival;
    let &[_, whole, _] = context.output_shape(node)? else {
        return None;
    };
    let places = |k: usize| match context.shape(node, k) {
        Some(&[_, places, _]) => Some(places),
        _ => None,
    };
    if joined_axis(node, 3)? != 1 {
        return None;
    }
    let [line] = &**arrival.flow.profile.as_ref()? else {
        return None;
    };
    let from: usize = (0..slot).map(places).sum::<Option<usize>>()?;
    let own = line
        .get(from..from + places(slot)?)
        .filter(|_| line.len() == whole)?;
    let (share, profile) = normalized(vec![own.to_vec()]);
    Some(Flow {
        second: arrival.flow.second * share,
        alike: arrival.flow.alike,
        profile,
        ..Flow::default()
    })
}

/// The axis along which a node puts inputs beside one another.
fn joined_axis(node: &Node, rank: usize) -> Option<usize> {
    match node.operator {
        Operator::Concat { axis: stated } => axis(stated, rank),
        _ => None,
    }
}

/// The signal of one output of an operation that moves elements.
pub(crate) fn moved(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let x = context.signal(node, 0)?;
    let size = |id: ValueId| context.network.value(id).shape.as_deref().map(count);
    let ratio = size(output)? / count(context.shape(node, 0)?).max(1.0);
    let mut moved = match &node.operator {
        Operator::Pad(pad) => padded(context, node, pad, x, ratio)?,
        operator if operator.class() == Class::Picks => {
            // A place of a sequence has all its units.
            let place = picked_place(context, node);
            let mut part = x.relocated(if place.is_some() { 1.0 } else { ratio });
            // Parts of one layer's output are as independent as outputs of two layers.
            part.origins = [output.0].into();
            part
        }
        _ => x.clone(),
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
fn joins_places(context: &Context<'_>, node: &Node) -> bool {
    let (Some(from), Some(to)) = (context.shape(node, 0), context.output_shape(node)) else {
        return false;
    };
    matches!(
        node.operator,
        Operator::Reshape(_) | Operator::Flatten { .. }
    ) && from.len() > 2
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
fn picked_place(context: &Context<'_>, node: &Node) -> Option<usize> {
    let Operator::Gather { axis: stated } = node.operator else {
        return None;
    };
    let shape = context.shape(node, 0)?;
    let along = match &context.signal(node, 0)?.steps {
        Some(steps) => steps.axis,
        None if shape.len() == 3 => 1,
        None => return None,
    };
    if axis(stated, shape.len())? != along {
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
fn keeps_sequence(context: &Context<'_>, node: &Node, length: usize) -> bool {
    if is_rearrangement(&node.operator) {
        return !joins_places(context, node);
    }
    // What takes a part of another axis leaves as many axes of this length.
    let axes = |shape: &[usize]| shape.iter().filter(|&&size| size == length).count();
    let (Some(from), Some(to)) = (context.shape(node, 0), context.output_shape(node)) else {
        return false;
    };
    node.operator.class() == Class::Picks && axes(from) == axes(to)
}

fn padded(context: &Context<'_>, node: &Node, pad: &Pad, x: &Signal, ratio: f64) -> Option<Signal> {
    let zeros = match &pad.value {
        Setting::Given(value) => *value == 0.0,
        Setting::Input(slot) => {
            context.id(node, *slot).is_none() || context.scalar(node, *slot) == Some(0.0)
        }
        Setting::Absent => true,
    };
    match pad.mode {
        PadMode::Constant if zeros && ratio >= 1.0 => {
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
        PadMode::Constant => None,
        PadMode::Reflect | PadMode::Edge | PadMode::Wrap => Some(x.clone()),
    }
}

fn concat(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let whole = count(context.output_shape(node)?);
    let (mut mean, mut second, mut fourth, mut units) = (0.0, 0.0, 0.0, 0.0);
    let mut parts = Vec::with_capacity(node.inputs.len());
    let (mut cross, mut inherited) = (Cross::even(0.0), 0.0);
    let mut origins = Rc::from([]);
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
    let axis = joined_axis(node, rank)?;
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
