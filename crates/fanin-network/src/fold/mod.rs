//! Evaluates operators on small tensors in plain memory, with ONNX's meaning.
//!
//! Two use it. [`crate::infer`] folds what is known before the run: shape arithmetic, masks,
//! position ids, rotary tables. The runner computes every integer and boolean tensor with it while
//! the network runs. So there is one meaning of `Slice`, and one place to test it.
//!
//! Integers are computed as `i64` with wrap-around and narrowed to the declared type afterwards;
//! f16 and bf16 are computed in f32 and rounded once per operator.

mod call;
mod cast;
mod contract;
mod elementwise;
mod generate;
pub(crate) mod geometry;
mod index;
mod kind;
mod movement;
mod rank;
mod reduce;
mod scatter;
mod shape;
mod special;
#[cfg(test)]
mod testing;
mod walk;

pub(crate) use generate::{eye, shape_window};
pub use shape::{broadcast_shape, broadcast_strides, normalize_axis, strides};

use call::{Call, Outcome, Stop, extent};

use crate::{Attributes, HostTensor};

/// Results of more elements than this are not computed by [`evaluate`].
pub const LARGEST_RESULT: usize = 1 << 24;

/// Evaluates one operator of ONNX's own domain.
///
/// `outputs` is the number of outputs the node lists: `Split` needs it, and the result has at most
/// that many tensors for operators whose later outputs are optional. `Ok(None)` where this
/// evaluator does not know the operator, the types, or where a result would have more than
/// [`LARGEST_RESULT`] elements (axes of size 0 counted as 1).
///
/// # Errors
///
/// One sentence without the node's name, where the inputs contradict the operator: shapes that do
/// not broadcast, an index out of range, an integer division by zero.
pub fn evaluate(
    op: &str,
    opset: i64,
    attributes: &Attributes,
    inputs: &[Option<&HostTensor>],
    outputs: usize,
) -> Result<Option<Vec<HostTensor>>, String> {
    evaluate_within(LARGEST_RESULT, op, opset, attributes, inputs, outputs)
}

/// [`evaluate`] with another bound on the elements of each result.
///
/// # Errors
///
/// As [`evaluate`].
pub fn evaluate_within(
    limit: usize,
    op: &str,
    opset: i64,
    attributes: &Attributes,
    inputs: &[Option<&HostTensor>],
    outputs: usize,
) -> Result<Option<Vec<HostTensor>>, String> {
    let call = Call {
        op,
        opset,
        attributes,
        inputs,
        outputs,
        limit,
    };
    match dispatch(&call) {
        Ok(results) => Ok(Some(results)),
        Err(Stop::Unknown) => Ok(None),
        Err(Stop::Wrong(message)) => Err(message),
    }
}

fn dispatch(call: &Call<'_>) -> Outcome {
    let endless = |tensor: &&HostTensor| {
        tensor.is_empty() && extent(&tensor.shape).is_none_or(|n| n > LARGEST_RESULT)
    };
    if call.inputs.iter().flatten().any(endless) {
        return Err(Stop::Unknown);
    }
    match call.op {
        "Shape" => generate::shape(call),
        "Size" => generate::size(call),
        "Constant" => generate::constant(call),
        "ConstantOfShape" => generate::constant_of_shape(call),
        "Range" => generate::range(call),
        "EyeLike" => generate::eye_like(call),
        "OneHot" => generate::one_hot(call),

        "Cast" => cast::cast(call),
        "CastLike" => cast::cast_like(call),

        "Identity" => movement::identity(call),
        "Reshape" => movement::reshape(call),
        "Flatten" => movement::flatten(call),
        "Squeeze" => movement::squeeze(call),
        "Unsqueeze" => movement::unsqueeze(call),
        "Transpose" => movement::transpose(call),
        "Slice" => movement::slice(call),
        "Split" => movement::split(call),
        "Concat" => movement::concat(call),
        "Expand" => movement::expand(call),
        "Tile" => movement::tile(call),
        "Pad" => movement::pad(call),
        "Trilu" => movement::trilu(call),

        "Gather" => index::gather(call),
        "GatherElements" => index::gather_elements(call),
        "GatherND" => index::gather_nd(call),
        "NonZero" => index::non_zero(call),
        "Compress" => index::compress(call),
        "Scatter" | "ScatterElements" => scatter::scatter_elements(call),
        "ScatterND" => scatter::scatter_nd(call),

        "ArgMax" | "ArgMin" => rank::arg(call),
        "TopK" => rank::top_k(call),

        "CumSum" => reduce::cum_sum(call),
        "ReduceSum" | "ReduceProd" | "ReduceMin" | "ReduceMax" | "ReduceMean" | "ReduceL1"
        | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => {
            reduce::reduce(call)
        }

        "MatMul" => contract::matmul(call),
        "Einsum" => contract::einsum(call),

        "Where" => elementwise::select(call),
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" => {
            elementwise::compare(call)
        }
        "And" | "Or" | "Xor" => elementwise::logical(call),
        "Not" => elementwise::not(call),
        "IsNaN" | "IsInf" => elementwise::classify(call),
        "Add" | "Sub" | "Mul" | "Div" | "Mod" => elementwise::arithmetic(call),
        "Pow" => elementwise::pow(call),
        "Min" | "Max" | "Sum" | "Mean" => elementwise::variadic(call),
        "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "BitwiseNot" => {
            elementwise::bitwise(call)
        }
        "Clip" => elementwise::clip(call),
        "Abs" | "Neg" | "Sign" | "Floor" | "Ceil" | "Round" | "Sqrt" | "Reciprocal" | "Exp"
        | "Log" | "Sin" | "Cos" | "Tan" | "Asin" | "Acos" | "Atan" | "Sinh" | "Cosh" | "Asinh"
        | "Acosh" | "Atanh" | "Tanh" | "Sigmoid" | "Erf" | "Relu" | "Softplus" | "Softsign" => {
            elementwise::unary(call)
        }
        _ => Err(Stop::Unknown),
    }
}
