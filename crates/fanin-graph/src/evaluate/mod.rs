//! Evaluates operators on small tensors in plain memory, with ONNX's meaning.
//!
//! Two use it. [`crate::infer`] folds what is known before the run: shape arithmetic, masks,
//! position ids, rotary tables. The runner computes every integer and boolean tensor with it while
//! the network runs. So there is one meaning of `Slice`, and one place to test it.
//!
//! Integers are computed as `i64` with wrap-around and narrowed to the declared type afterwards;
//! f16 and bf16 are computed in f32 and rounded once per operator.

mod broadcast;
mod call;
pub(crate) mod kind;
mod special;
mod strided;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod walk;

pub(crate) use broadcast::{joint, on_numbers, zip};
pub(crate) use call::{
    Call, Outcome, Stop, extent, integers, mixed, not_defined, one_integer, tensor,
};
pub(crate) use special::erf;
pub(crate) use strided::{orderable, restride};

use crate::operator::{
    MatMul, arrange, binary, cast, generate, join, look, pick, product, reduce, unary,
};
use crate::{HostTensor, Operator};

/// Results of more elements than this are not computed by [`evaluate`].
pub const LARGEST_RESULT: usize = 1 << 24;

/// Evaluates one operator.
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
    operator: &Operator,
    inputs: &[Option<&HostTensor>],
    outputs: usize,
) -> Result<Option<Vec<HostTensor>>, String> {
    evaluate_within(LARGEST_RESULT, operator, inputs, outputs)
}

/// [`evaluate`] with another bound on the elements of each result.
///
/// # Errors
///
/// As [`evaluate`].
pub fn evaluate_within(
    limit: usize,
    operator: &Operator,
    inputs: &[Option<&HostTensor>],
    outputs: usize,
) -> Result<Option<Vec<HostTensor>>, String> {
    let call = Call {
        inputs,
        outputs,
        limit,
    };
    let endless = |tensor: &&HostTensor| {
        tensor.is_empty() && extent(&tensor.shape).is_none_or(|n| n > LARGEST_RESULT)
    };
    if inputs.iter().flatten().any(endless) {
        return Ok(None);
    }
    match compute(operator, &call) {
        None | Some(Err(Stop::Unknown)) => Ok(None),
        Some(Ok(results)) => Ok(Some(results)),
        Some(Err(Stop::Wrong(message))) => Err(message),
    }
}

/// Whether the evaluator knows an operator, for elements of some types.
pub fn folds(operator: &Operator) -> bool {
    // A function of each element is known where it is known at one place.
    if let Operator::Unary(_) = operator {
        let x = HostTensor::f32(Vec::new(), vec![0.5]);
        return matches!(evaluate(operator, &[x.as_ref()], 1), Ok(Some(_)));
    }
    let nothing = Call {
        inputs: &[],
        outputs: 0,
        limit: 0,
    };
    compute(operator, &nothing).is_some()
}

/// The results; `None` for an operator that is left to the run.
fn compute(operator: &Operator, call: &Call<'_>) -> Option<Outcome> {
    Some(match operator {
        Operator::Unary(unary) => unary::fold::unary(*unary, call),
        Operator::Clip(clip) => unary::fold::clip(clip, call),
        Operator::Binary(binary) => binary::fold::binary(*binary, call),
        Operator::Variadic(variadic) => binary::fold::variadic(*variadic, call),
        Operator::Where => binary::fold::select(call),
        Operator::Compare(compare) => binary::fold::compare(*compare, call),
        Operator::Logic(logic) => binary::fold::logic(*logic, call),
        Operator::Bitwise(bitwise) => binary::fold::bitwise(*bitwise, call),
        Operator::Cast { to } => cast::fold::cast(*to, call),
        Operator::CastLike => cast::fold::cast_like(call),

        Operator::MatMul(product) if *product == MatMul::PLAIN => product::fold::matmul(call),
        Operator::Einsum(einsum) => product::fold::einsum(einsum, call),

        Operator::Identity => arrange::fold::identity(call),
        Operator::Reshape(reshape) => arrange::fold::reshape(reshape, call),
        Operator::Flatten { axis } => arrange::fold::flatten(*axis, call),
        Operator::Squeeze { axes } => arrange::fold::squeeze(axes, call),
        Operator::Unsqueeze { axes } => arrange::fold::unsqueeze(axes, call),
        Operator::Transpose { perm } => arrange::fold::transpose(perm.as_deref(), call),
        Operator::Slice(slice) => pick::fold::slice(slice, call),
        Operator::Split(split) => pick::fold::split(split, call),
        Operator::Gather { axis } => pick::fold::gather(*axis, call),
        Operator::GatherElements { axis } => pick::fold::gather_elements(*axis, call),
        Operator::GatherND { batch_dims } => pick::fold::gather_nd(*batch_dims, call),
        Operator::Compress { axis } => pick::fold::compress(*axis, call),
        Operator::TopK(top) => pick::fold::top_k(top, call),
        Operator::Trilu { upper } => pick::fold::trilu(*upper, call),
        Operator::Concat { axis } => join::fold::concat(*axis, call),
        Operator::Expand => join::fold::expand(call),
        Operator::Tile => join::fold::tile(call),
        Operator::Pad(pad) => join::fold::pad(pad, call),
        Operator::ScatterElements(scatter) => join::fold::scatter_elements(scatter, call),
        Operator::ScatterND { reduction } => join::fold::scatter_nd(*reduction, call),

        Operator::Reduce(reduce) => reduce::fold::reduce(reduce, call),
        Operator::CumSum { exclusive, reverse } => {
            reduce::fold::cum_sum(*exclusive, *reverse, call)
        }

        Operator::Shape { start, end } => look::fold::shape(*start, *end, call),
        Operator::Size => look::fold::size(call),
        Operator::Arg(arg) => look::fold::arg(arg, call),
        Operator::NonZero => look::fold::non_zero(call),
        Operator::OneHot { axis } => look::fold::one_hot(*axis, call),
        Operator::Constant { value } => generate::fold::constant(value.as_deref()),
        Operator::ConstantOfShape { value } => {
            generate::fold::constant_of_shape(value.as_deref(), call)
        }
        Operator::Range => generate::fold::range(call),
        Operator::EyeLike { to, shift } => generate::fold::eye_like(*to, *shift, call),

        // Networks have these on signals, or on weights, which are not folded.
        Operator::PRelu
        | Operator::BiasGelu { .. }
        | Operator::Dropout(_)
        | Operator::QuantizeLinear(_)
        | Operator::DequantizeLinear(_)
        | Operator::Loss(_)
        | Operator::Softmax(_)
        | Operator::Norm(_)
        | Operator::MatMul(_)
        | Operator::MatMulInteger
        | Operator::Gemm(_)
        | Operator::Det
        | Operator::Conv(_)
        | Operator::ConvInteger(_)
        | Operator::DeformConv(_)
        | Operator::Col2Im(_)
        | Operator::Pool(_)
        | Operator::GlobalPool(_)
        | Operator::MaxUnpool(_)
        | Operator::RoiAlign(_)
        | Operator::MaxRoiPool(_)
        | Operator::Recurrent(_)
        | Operator::Attention(_)
        | Operator::MultiHeadAttention(_)
        | Operator::GroupQueryAttention(_)
        | Operator::ProjectedAttention(_)
        | Operator::Rotary(_)
        | Operator::Resize(_)
        | Operator::GridSample(_)
        | Operator::AffineGrid { .. }
        | Operator::DepthSpace(_)
        | Operator::ReverseSequence { .. }
        | Operator::CenterCropPad { .. }
        | Operator::TensorScatter(_)
        | Operator::Unique { .. }
        | Operator::NonMaxSuppression { .. }
        | Operator::Taper(_)
        | Operator::Sequence(_)
        | Operator::Opaque { .. } => return None,
        // Another draw at each run.
        Operator::Random(_) | Operator::Multinomial { .. } => return None,
    })
}
