//! Operations that move elements and change none.

use fanin_network::{Node, ValueId};

use super::{Context, count};
use crate::band::of_sum;
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
    // Elements no longer meet those of other functions of the same value.
    moved.shape = Shape::base(output);
    Some(moved)
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
    signal.since = since;
    signal.gaussian = gaussian;
    signal.parameter = parameter;
    signal.origins = origins;
    Some(signal.with_variance(of_sum(parts)))
}
