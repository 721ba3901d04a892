//! Linear maps: dense layers, convolutions, transposed convolutions, embeddings.
//!
//! A product of independent x and w of mean zero has E[y²] = n E[w²] E[x²], where n is the number
//! of terms in one sum. Counted over the whole tensor that is edges / outputs, edges being the
//! pairs of an input and an output element that a weight joins; taps that fall into zero padding
//! join none, so n is smaller where there is padding. Backward the same edges lead from outputs to
//! inputs: E[δx²] = (edges / inputs) E[w²] E[δy²].

use std::rc::Rc;

use fanin_network::{Node, ValueId};

use super::attribute::Window;
use super::{Context, count};
use crate::band::layer_variance;
use crate::signal::{Signal, disjoint};

/// A linear map from one value to another through a weight.
pub(crate) struct Map {
    /// Which of the node's inputs is mapped.
    pub(crate) data: usize,
    /// Which of the node's inputs is the weight.
    pub(crate) weight: usize,
    /// Pairs of an input and an output element that a weight joins.
    pub(crate) edges: f64,
    /// Elements of the output.
    pub(crate) outputs: f64,
    /// Elements of the input.
    pub(crate) inputs: f64,
    /// Output units.
    pub(crate) units: f64,
    /// A constant factor (`alpha` of `Gemm`).
    pub(crate) factor: f64,
}

/// Reads the map that a node applies; `None` if it applies none or its sizes are unknown.
pub(crate) fn map(context: &Context<'_>, node: &Node) -> Option<Map> {
    if !node.domain.is_empty() {
        return None;
    }
    match node.op.as_str() {
        "Gemm" => gemm(context, node),
        "MatMul" => matmul(context, node),
        "Conv" => convolution(context, node, false),
        "ConvTranspose" => convolution(context, node, true),
        _ => None,
    }
}

/// Which of the first two inputs is the weight: the parameter, or failing that the second.
fn weight_side(context: &Context<'_>, node: &Node) -> Option<(usize, usize)> {
    let (a, b) = (context.signal(node, 0)?, context.signal(node, 1)?);
    Some(if a.parameter && !b.parameter {
        (1, 0)
    } else {
        (0, 1)
    })
}

fn gemm(context: &Context<'_>, node: &Node) -> Option<Map> {
    let (data, weight) = weight_side(context, node)?;
    let &[rows, columns] = context.shape(node, 0)? else {
        return None;
    };
    let terms = if node.attributes.int("transA", 0) == 0 {
        columns
    } else {
        rows
    };
    let output = context.output_shape(node)?;
    let units = output.get(if weight == 1 { 1 } else { 0 })?;
    Some(Map {
        data,
        weight,
        edges: count(output) * terms as f64,
        outputs: count(output),
        inputs: count(context.shape(node, data)?),
        units: *units as f64,
        factor: f64::from(node.attributes.float("alpha", 1.0)),
    })
}

fn matmul(context: &Context<'_>, node: &Node) -> Option<Map> {
    let (data, weight) = weight_side(context, node)?;
    let (a, b) = (context.signal(node, data)?, context.signal(node, weight)?);
    let output = context.output_shape(node)?;
    let terms = *context.shape(node, 0)?.last()?;
    let sides = context.shape(node, weight)?;
    let units = if b.parameter {
        let free = if weight == 1 {
            sides.last()?
        } else {
            sides.iter().rev().nth(1).unwrap_or(&1)
        };
        *free as f64
    } else {
        // Two computed values, such as attention's queries and keys: independent only if each is
        // near Gaussian of mean zero through weights of its own; one draw per head.
        let centred = |s: &Signal| s.gaussian && s.mean * s.mean <= 0.01 * s.second;
        if !centred(a) || !centred(b) || !disjoint(&a.origins, &b.origins) {
            return None;
        }
        let heads = if output.len() >= 4 {
            output.get(1)
        } else {
            None
        };
        heads.copied().unwrap_or(1) as f64
    };
    Some(Map {
        data,
        weight,
        edges: count(output) * terms as f64,
        outputs: count(output),
        inputs: count(context.shape(node, data)?),
        units,
        factor: 1.0,
    })
}

fn convolution(context: &Context<'_>, node: &Node, transposed: bool) -> Option<Map> {
    let input = context.shape(node, 0)?;
    let weight = context.shape(node, 1)?;
    let output = context.output_shape(node)?;
    let kernel = weight.get(2..)?;
    let (from, to) = (input.get(2..)?, output.get(2..)?);
    if kernel.len() != from.len() || kernel.len() != to.len() {
        return None;
    }
    let groups = usize::try_from(node.attributes.int("group", 1))
        .ok()?
        .max(1);
    let batch = *input.first()? as f64;
    // [out, in / groups, ...] for a convolution, [in, out / groups, ...] for a transposed one:
    // either way the product of the first two axes is the number of channel pairs.
    let pairs = *weight.first()? as f64 * *weight.get(1)? as f64;
    let window = if transposed {
        Window::of(node, kernel, to, from)
    } else {
        Window::of(node, kernel, from, to)
    };
    let spatial = if transposed {
        window.edges(to, from)
    } else {
        window.edges(from, to)
    };
    let units = if transposed {
        groups as f64 * *weight.get(1)? as f64
    } else {
        *weight.first()? as f64
    };
    Some(Map {
        data: 0,
        weight: 1,
        edges: batch * pairs * spatial,
        outputs: count(output),
        inputs: count(input),
        units,
        factor: 1.0,
    })
}

/// The output of a linear map, bias included.
pub(crate) fn forward(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let map = map(context, node)?;
    let (x, w) = (
        context.signal(node, map.data)?,
        context.signal(node, map.weight)?,
    );
    let terms = map.edges / map.outputs.max(1.0);
    // Weights of mean zero leave n E[w²] E[x²]; what mean they have adds up coherently.
    let square = w.mean * w.mean;
    let coherent = terms * x.spread() + (terms * x.mean).powi(2);
    let second = (w.second - square).max(0.0) * terms * x.second + square * coherent;
    let mean = map.factor * terms * w.mean * x.mean;
    let mut signal = Signal::gaussian(output, mean, map.factor * map.factor * second);
    signal.units = map.units;
    signal.since = x.since.max(w.since);
    signal.inherited = if w.parameter {
        x.variance()
    } else {
        (x.variance().sqrt() + w.variance().sqrt()).powi(2)
    };
    match context.signal(node, 2) {
        Some(bias) if bias.second > 0.0 => {
            let beta = match node.op.as_str() {
                "Gemm" => f64::from(node.attributes.float("beta", 1.0)),
                _ => 1.0,
            };
            let mean = signal.mean + beta * bias.mean;
            let cross = 2.0 * signal.mean * beta * bias.mean;
            let second = signal.second + cross + beta * beta * bias.second;
            let mut sum = Signal::gaussian(output, mean, second);
            sum.units = signal.units;
            sum.since = signal.since;
            let parts = [
                (signal.second, signal.variance()),
                (beta * beta * bias.second, layer_variance(3.0, map.units)),
            ];
            Some(sum.with_variance(crate::band::of_sum(parts)))
        }
        _ => Some(signal),
    }
}

/// Rows of a table picked by ids.
pub(crate) fn embedding(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let table = context.signal(node, 0).filter(|table| table.parameter)?;
    let width = *context.shape(node, 0)?.last()? as f64;
    let mut signal = Signal::gaussian(output, table.mean, table.second);
    signal.units = width;
    signal.kurtosis = table.kurtosis;
    signal.origins = Rc::from([output.0]);
    Some(signal)
}
