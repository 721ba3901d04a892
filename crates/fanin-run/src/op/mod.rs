//! The operators, one family per file.
//!
//! Each family has a function from the operator's name to what computes it. An operator gets a
//! [`Call`], checks what it is given, and returns its outputs or one sentence; the caller adds the
//! node's name and the shapes of its inputs.

mod activation;
mod attention;
mod contract;
mod convolution;
mod elementwise;
#[cfg(test)]
mod gradient_tests;
mod host;
mod movement;
mod normalize;
mod pick;
mod pool;
mod recurrent;
mod reduce;
mod resize;
mod sequence;
mod softmax;

use std::sync::Arc;

use fanin_network::{Attributes, HostTensor, Network, Node};

use crate::statistics::Flat;
use crate::tape::Var;
use crate::value::Item;

/// Whether to run as in training or as the model is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Batch normalization by the batch's statistics.
    Training,
    /// Batch normalization as the node says.
    AsWritten,
}

/// What an operator is asked to do.
pub(crate) struct Call<'a> {
    /// The node.
    pub(crate) node: &'a Node,
    /// Its inputs; `None` for optional ones left out.
    pub(crate) inputs: Vec<Option<Item>>,
    /// How to run.
    pub(crate) mode: Mode,
}

/// What an operator answers: its outputs, or one sentence.
pub(crate) type Answer = Result<Vec<Item>, String>;

/// What computes an operator.
pub(crate) type Operator = fn(&Call<'_>) -> Answer;

impl Call<'_> {
    /// The node's attributes.
    pub(crate) fn attributes(&self) -> &Attributes {
        &self.node.attributes
    }

    /// The version of the operator set.
    pub(crate) fn opset(&self) -> i64 {
        self.node.opset
    }

    /// Number of outputs the node lists.
    pub(crate) fn outputs(&self) -> usize {
        self.node.outputs.len()
    }

    /// Whether the k-th output is wanted.
    pub(crate) fn wants(&self, k: usize) -> bool {
        self.node.outputs.get(k).is_some_and(Option::is_some)
    }

    /// The k-th input, if it is there.
    pub(crate) fn item(&self, k: usize) -> Option<&Item> {
        self.inputs.get(k)?.as_ref()
    }

    /// The k-th input, which must be there.
    pub(crate) fn required(&self, k: usize) -> Result<&Item, String> {
        self.item(k).ok_or_else(|| format!("input {k} is missing"))
    }

    /// The k-th input as a float.
    pub(crate) fn var(&self, k: usize) -> Result<Var, String> {
        self.required(k)?.var()
    }

    /// The k-th input as a float, if it is there.
    pub(crate) fn optional(&self, k: usize) -> Result<Option<Var>, String> {
        self.item(k).map(Item::var).transpose()
    }

    /// The k-th input in plain memory.
    pub(crate) fn tensor(&self, k: usize) -> Result<Arc<HostTensor>, String> {
        self.required(k)?.tensor()
    }

    /// The k-th input as integers, if it is there.
    pub(crate) fn integers(&self, k: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(item) = self.item(k) else {
            return Ok(None);
        };
        let integers = item.tensor()?.to_i64();
        integers
            .map(Some)
            .ok_or_else(|| format!("input {k} must be integers"))
    }

    /// Integers that are an attribute in older operator sets and the k-th input in newer ones.
    pub(crate) fn integers_or(
        &self,
        k: usize,
        attribute: &str,
    ) -> Result<Option<Vec<i64>>, String> {
        match self.integers(k)? {
            Some(v) => Ok(Some(v)),
            None => Ok(self.attributes().ints(attribute).map(<[i64]>::to_vec)),
        }
    }

    /// One number that is an attribute in older operator sets and the k-th input in newer ones.
    pub(crate) fn number_or(&self, k: usize, attribute: &str) -> Result<Option<f32>, String> {
        if let Some(item) = self.item(k) {
            return Ok(item.tensor()?.to_f32().first().copied());
        }
        Ok(match self.attributes().get(attribute) {
            Some(fanin_network::Attribute::Float(v)) => Some(*v),
            _ => None,
        })
    }

    /// An axis attribute within a rank.
    pub(crate) fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize, String> {
        axis(self.attributes().int(name, default), rank)
    }
}

/// One output on the tape.
pub(crate) fn one(v: Var) -> Answer {
    Ok(vec![Item::Float(v)])
}

/// An axis counted from the end where negative.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let at = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(at)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("axis {axis} is outside the {rank} axes"))
}

/// Which axes of a rank are listed.
pub(crate) fn axes(list: &[i64], rank: usize) -> Result<Vec<bool>, String> {
    let mut marked = vec![false; rank];
    for &a in list {
        marked[axis(a, rank)?] = true;
    }
    Ok(marked)
}

/// Sizes that must not be negative.
pub(crate) fn sizes(list: &[i64], what: &str) -> Result<Vec<usize>, String> {
    list.iter()
        .map(|&v| {
            usize::try_from(v).map_err(|_| format!("{what} must not be negative, but is {list:?}"))
        })
        .collect()
}

/// What computes a node; `None` where its operator is not known.
pub(crate) fn lookup(node: &Node) -> Option<Operator> {
    find(&node.domain, &node.op)
}

fn find(domain: &str, op: &str) -> Option<Operator> {
    match domain {
        "" | "ai.onnx" => FAMILIES.iter().find_map(|family| family(op)),
        "com.microsoft" => match op {
            "Gelu" | "FastGelu" | "QuickGelu" | "BiasGelu" => activation::microsoft(op),
            "SkipLayerNormalization"
            | "SkipSimplifiedLayerNormalization"
            | "SimplifiedLayerNormalization" => normalize::microsoft(op),
            _ => None,
        },
        _ => None,
    }
}

const FAMILIES: [fn(&str) -> Option<Operator>; 15] = [
    activation::find,
    attention::find,
    contract::find,
    convolution::find,
    elementwise::find,
    movement::find,
    normalize::find,
    pick::find,
    pool::find,
    recurrent::find,
    reduce::find,
    resize::find,
    sequence::find,
    softmax::find,
    host::find,
];

/// Whether an operator of a domain can be run.
pub fn supports(domain: &str, op: &str) -> bool {
    find(domain, op).is_some()
}

/// The operators of ONNX's own domain that can be run, in alphabetical order.
pub fn operators() -> Vec<&'static str> {
    let mut all: Vec<&str> = NAMES
        .iter()
        .copied()
        .filter(|op| supports("", op))
        .collect();
    all.sort_unstable();
    all
}

/// Computes a node.
///
/// A node that no tracked value reaches is computed in plain memory, by the same evaluator that
/// folds constants; so integers, masks and shape arithmetic have one meaning everywhere.
pub(crate) fn execute(call: &Call<'_>) -> Answer {
    let operator = lookup(call.node).ok_or("the operator is not known")?;
    call.inputs.iter().flatten().try_for_each(countable)?;
    let plain = call
        .inputs
        .iter()
        .flatten()
        .all(|i| matches!(i, Item::Host(_)));
    if plain && let Some(outputs) = host::evaluate(call)? {
        return Ok(outputs);
    }
    operator(call)
}

/// Refuses shapes whose sizes, zeros left out, multiply to more than memory has places: an empty value
/// can have one, and whoever multiplies its sizes in another order would overflow.
fn countable(item: &Item) -> Result<(), String> {
    let shape = item.shape();
    let mut sizes = shape.iter().filter(|&&size| size > 0);
    let places = sizes.try_fold(1usize, |n, &size| n.checked_mul(size));
    if places.is_none_or(|n| isize::try_from(n).is_err()) {
        return Err(format!("the shape {shape:?} is larger than memory"));
    }
    Ok(())
}

/// The flat part of a node's operator, judged by its output.
///
/// Where the derivative is under 5.91 % of its largest: |tanh| > 0.97, a sigmoid within 0.015 of its
/// ends, |softsign| > 0.757; the ends themselves of hard variants. The zero end of a clip at zero
/// is left to the share of zeros.
pub(crate) fn flat(network: &Network, node: &Node) -> Option<Flat> {
    match node.op.as_str() {
        "Tanh" => Some(Flat {
            low: -0.97,
            high: 0.97,
        }),
        "Sigmoid" => Some(Flat {
            low: 0.015,
            high: 0.985,
        }),
        "Softsign" => Some(Flat {
            low: -0.757,
            high: 0.757,
        }),
        "HardSigmoid" => Some(Flat {
            low: 0.0,
            high: 1.0,
        }),
        "Clip" => {
            let (low, high) = clip_bounds(network, node);
            let low = if low == 0.0 { f32::NEG_INFINITY } else { low };
            (low.is_finite() || high.is_finite()).then_some(Flat { low, high })
        }
        _ => None,
    }
}

fn clip_bounds(network: &Network, node: &Node) -> (f32, f32) {
    let bound = |k: usize, name: &str, default: f32| {
        let stated = node.attributes.float(name, default);
        let input = node.inputs.get(k).copied().flatten();
        let constant = input
            .and_then(|v| network.constant(v))
            .map(HostTensor::to_f32);
        constant.and_then(|c| c.first().copied()).unwrap_or(stated)
    };
    let low = bound(1, "min", f32::NEG_INFINITY);
    let high = bound(2, "max", f32::INFINITY);
    // The largest f32 is how older models say "no bound".
    (
        if low == f32::MIN {
            f32::NEG_INFINITY
        } else {
            low
        },
        if high == f32::MAX {
            f32::INFINITY
        } else {
            high
        },
    )
}

/// Whether a node's operator makes exact zeros of whole ranges, so that a unit can be dead.
pub(crate) fn makes_zeros(network: &Network, node: &Node) -> bool {
    match node.op.as_str() {
        "Relu" | "ThresholdedRelu" => true,
        "Clip" => clip_bounds(network, node).0 == 0.0,
        _ => false,
    }
}

/// All names of ONNX's own domain that a family may know.
const NAMES: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "AffineGrid",
    "And",
    "ArgMax",
    "ArgMin",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Attention",
    "AveragePool",
    "BatchNormalization",
    "BitShift",
    "BitwiseAnd",
    "BitwiseNot",
    "BitwiseOr",
    "BitwiseXor",
    "Cast",
    "CastLike",
    "Ceil",
    "Celu",
    "CenterCropPad",
    "Clip",
    "Compress",
    "Concat",
    "ConcatFromSequence",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "Cos",
    "Cosh",
    "CumSum",
    "DepthToSpace",
    "Det",
    "Div",
    "Dropout",
    "Einsum",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "EyeLike",
    "Flatten",
    "Floor",
    "GRU",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GridSample",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Hardmax",
    "Identity",
    "InstanceNormalization",
    "IsInf",
    "IsNaN",
    "LRN",
    "LSTM",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "LpPool",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "MeanVarianceNormalization",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "NonZero",
    "Not",
    "OneHot",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "RMSNormalization",
    "RNN",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "ReverseSequence",
    "RotaryEmbedding",
    "Round",
    "Scatter",
    "ScatterElements",
    "ScatterND",
    "Selu",
    "SequenceAt",
    "SequenceConstruct",
    "SequenceEmpty",
    "SequenceLength",
    "Shape",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "SplitToSequence",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Tile",
    "TopK",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Upsample",
    "Where",
    "Xor",
];
