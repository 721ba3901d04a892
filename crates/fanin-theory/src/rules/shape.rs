//! Operations that move elements and change none.

use fanin_network::{Node, ValueId};

use super::{Context, count};
use crate::band::of_sum;
use crate::cross::Cross;
use crate::signal::{Shape, Signal, kurtosis, union};

/// Whether the output is the input, element for element and place for place.
pub(crate) fn is_identity(node: &Node) -> bool {
    matches!(
        node.op.as_str(),
        "Identity" | "Dropout" | "Cast" | "CastLike"
    )
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
    let x = context.signal(node, 0)?;
    if is_identity(node) {
        return Some(x.clone());
    }
    let size = |id: ValueId| context.network.value(id).shape.as_deref().map(count);
    let ratio = size(output)? / count(context.shape(node, 0)?).max(1.0);
    let mut moved = if is_rearrangement(node) || is_copying(node) {
        x.clone()
    } else if is_selection(node) {
        let mut part = x.relocated(ratio);
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
    moved.profile = None;
    super::recurrent::picked(context, node, &mut moved);
    // Elements no longer meet those of other functions of the same value.
    moved.shape = Shape::base(output);
    Some(moved)
}

/// Whether places of a sample become features of one: maps flattened for a dense layer.
fn joins_places(context: &Context<'_>, node: &Node) -> bool {
    let (Some(from), Some(to)) = (context.shape(node, 0), context.output_shape(node)) else {
        return false;
    };
    matches!(node.op.as_str(), "Reshape" | "Flatten")
        && from.len() > 2
        && to.len() == 2
        && from.first() == to.first()
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
