//! What each operator computes, one family per file: forward and backward of one rule together.
//!
//! [`rule`] is the one place that says which operators can be run. An operator gets a [`Call`], checks
//! what it is given, and returns its outputs or one sentence; the caller adds the node's name and the
//! shapes of its inputs.

mod attention;
mod call;
mod contract;
mod convolution;
mod deform;
mod elementwise;
#[cfg(test)]
mod gradient_tests;
mod host;
mod movement;
mod normalize;
mod pick;
mod pool;
mod quantize;
mod recurrent;
mod reduce;
mod region;
mod resize;
mod sequence;
mod softmax;
#[cfg(test)]
mod truth_tests;
mod unary;

use fanin_network::operator::{self, Operator};
use fanin_network::{Attribute, Attributes};

pub(crate) use call::{Answer, Call, Mode, axes, axis, one, sizes};

use crate::value::Item;

/// What computes an operator.
pub(crate) type Rule<'o> = Box<dyn Fn(&Call<'_>) -> Answer + 'o>;

/// What computes an operator; `None` where it cannot be run.
pub(crate) fn rule(operator: &Operator) -> Option<Rule<'_>> {
    Some(match operator {
        Operator::Unary(unary) => Box::new(move |call| one(unary::apply(*unary, &call.var(0)?))),
        Operator::Clip(clip) => Box::new(move |call| unary::clip(clip, call)),
        Operator::PRelu => Box::new(unary::prelu),
        Operator::BiasGelu { tanh } => Box::new(move |call| unary::bias_gelu(*tanh, call)),
        Operator::Binary(binary) => Box::new(move |call| elementwise::binary_op(*binary, call)),
        Operator::Variadic(variadic) => {
            Box::new(move |call| elementwise::variadic(*variadic, call))
        }
        Operator::Where => Box::new(elementwise::choose),
        Operator::Identity => Box::new(move |call| Ok(vec![call.required(0)?.clone()])),
        // A cast that does not say its type is one to f32.
        Operator::Cast { to } => {
            let float = to.is_none_or(|to| to.is_float());
            Box::new(move |call| elementwise::cast(float, call))
        }
        Operator::CastLike => Box::new(elementwise::cast_like),
        Operator::Dropout(_) => Box::new(elementwise::dropout),
        Operator::QuantizeLinear(grid) => Box::new(move |call| quantize::quantize(grid, call)),
        Operator::DequantizeLinear(grid) => Box::new(move |call| quantize::dequantize(grid, call)),
        Operator::Softmax(softmax) => Box::new(move |call| softmax::softmax_op(softmax, call)),
        Operator::Norm(norm) => Box::new(move |call| normalize::norm(norm, call)),
        Operator::MatMul(product) => Box::new(move |call| contract::matmul_op(*product, call)),
        Operator::Gemm(gemm) => Box::new(move |call| contract::gemm(gemm, call)),
        Operator::Einsum(einsum) => Box::new(move |call| contract::einsum(&einsum.equation, call)),
        Operator::Det => Box::new(contract::determinant),
        Operator::Conv(conv) => Box::new(move |call| convolution::conv(conv, call)),
        Operator::DeformConv(conv) => Box::new(move |call| deform::deform_conv(conv, call)),
        Operator::Col2Im(window) => Box::new(move |call| deform::col2im(window, call)),
        Operator::Pool(pool) => Box::new(move |call| pool::pool(pool, call)),
        Operator::GlobalPool(pool) => Box::new(move |call| pool::global(*pool, call)),
        Operator::RoiAlign(align) => Box::new(move |call| region::roi_align(align, call)),
        Operator::Recurrent(layer) => Box::new(move |call| recurrent::recurrent(layer, call)),
        Operator::Attention(attention) => {
            Box::new(move |call| attention::attention(attention, call))
        }
        Operator::MultiHeadAttention(attention) => {
            Box::new(move |call| attention::multi_head(attention, call))
        }
        Operator::GroupQueryAttention(attention) => {
            Box::new(move |call| attention::group_query(attention, call))
        }
        Operator::Rotary(rotary) => Box::new(move |call| attention::rotary(rotary, call)),
        Operator::Resize(resize) => Box::new(move |call| resize::resize(resize, call)),
        Operator::GridSample(grid) => Box::new(move |call| resize::grid_sample(grid, call)),
        Operator::AffineGrid { align_corners } => {
            Box::new(move |call| region::affine_grid(*align_corners, call))
        }
        Operator::Reshape(reshape) => Box::new(move |call| movement::reshape_op(reshape, call)),
        Operator::Flatten { axis } => Box::new(move |call| movement::flatten(*axis, call)),
        Operator::Squeeze { axes } => Box::new(move |call| movement::squeeze(axes, call)),
        Operator::Unsqueeze { axes } => Box::new(move |call| movement::unsqueeze(axes, call)),
        Operator::Transpose { perm } => {
            Box::new(move |call| movement::transpose(perm.as_deref(), call))
        }
        Operator::DepthSpace(blocks) => Box::new(move |call| movement::depth_space(*blocks, call)),
        Operator::ReverseSequence {
            batch_axis,
            time_axis,
        } => Box::new(move |call| movement::reverse_sequence(*batch_axis, *time_axis, call)),
        Operator::Slice(slice) => Box::new(move |call| movement::slice_op(slice, call)),
        Operator::Split(split) => Box::new(move |call| movement::split_op(split, call)),
        Operator::Gather { axis } => Box::new(move |call| pick::gather(*axis, call)),
        Operator::GatherElements { .. } | Operator::GatherND { .. } | Operator::Compress { .. } => {
            Box::new(movement::by_positions)
        }
        Operator::TopK(top) => Box::new(move |call| pick::top_k(top, call)),
        Operator::Trilu { upper } => Box::new(move |call| movement::trilu(*upper, call)),
        Operator::Concat { axis } => Box::new(move |call| movement::concat_op(*axis, call)),
        Operator::Expand => Box::new(movement::expand),
        Operator::Tile => Box::new(movement::tile),
        Operator::Pad(pad) => Box::new(move |call| movement::pad_op(pad, call)),
        Operator::CenterCropPad { axes } => {
            Box::new(move |call| movement::center_crop_pad(axes.as_deref(), call))
        }
        Operator::ScatterElements(scatter) => {
            Box::new(move |call| pick::scatter_elements(scatter, call))
        }
        Operator::ScatterND { reduction } => {
            Box::new(move |call| pick::scatter_nd(*reduction, call))
        }
        Operator::Reduce(reduce) => Box::new(move |call| reduce::reduce(reduce, call)),
        Operator::CumSum { exclusive, reverse } => {
            Box::new(move |call| reduce::cum_sum(*exclusive, *reverse, call))
        }
        Operator::Shape { start, end } => Box::new(move |call| host::shape(*start, *end, call)),
        Operator::Size => Box::new(host::size),
        Operator::Sequence(sequence) => Box::new(move |call| sequence::sequence(*sequence, call)),
        // Integers, booleans and constants: the evaluator of constants computes them.
        Operator::Compare(_)
        | Operator::Logic(_)
        | Operator::Bitwise(_)
        | Operator::Arg(_)
        | Operator::NonZero
        | Operator::OneHot { .. }
        | Operator::Constant { .. }
        | Operator::ConstantOfShape { .. }
        | Operator::Range
        | Operator::EyeLike { .. } => Box::new(host::plain),
        // Read, but not run.
        Operator::Loss(_)
        | Operator::MatMulInteger
        | Operator::ConvInteger(_)
        | Operator::MaxUnpool(_)
        | Operator::MaxRoiPool(_)
        | Operator::ProjectedAttention(_)
        | Operator::TensorScatter(_)
        | Operator::Unique { .. }
        | Operator::NonMaxSuppression { .. }
        | Operator::Random(_)
        | Operator::Multinomial { .. }
        | Operator::Taper(_)
        | Operator::Opaque { .. } => return None,
    })
}

/// Whether an operator can be run.
pub fn supports(operator: &Operator) -> bool {
    rule(operator).is_some()
}

/// The operators of ONNX's own domain that can be run, in alphabetical order.
pub fn operators() -> Vec<&'static str> {
    let mut all: Vec<&str> = operator::names()
        .filter(|(domain, name)| domain.is_empty() && example(name).is_some_and(|o| supports(&o)))
        .map(|(_, name)| name)
        .collect();
    all.sort_unstable();
    all
}

/// An operator of ONNX's own domain by its name alone, with what it must state.
fn example(name: &str) -> Option<Operator> {
    let one = || Attribute::Int(1);
    let attributes = Attributes::default()
        .set("to", one())
        .set("blocksize", one())
        .set("size", one())
        .set("kernel_shape", Attribute::Ints(vec![1]))
        .set("shape", Attribute::Ints(vec![1]))
        .set("pooled_shape", Attribute::Ints(vec![1, 1]));
    Operator::parse("", name, 21, &attributes, 1, 1).ok()
}

/// Computes a node.
///
/// A node that no tracked value reaches is computed in plain memory, by the same evaluator that
/// folds constants; so integers, masks and shape arithmetic have one meaning everywhere.
pub(crate) fn execute(call: &Call<'_>) -> Answer {
    let rule = rule(&call.node.operator).ok_or("the operator cannot be run")?;
    call.inputs.iter().flatten().try_for_each(countable)?;
    let plain = call
        .inputs
        .iter()
        .flatten()
        .all(|i| matches!(i, Item::Host(_)));
    if plain && let Some(outputs) = host::evaluate(call)? {
        return Ok(outputs);
    }
    rule(call)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_of_onnx_has_an_example() {
        let all = operator::names().filter(|(domain, _)| domain.is_empty());
        let unread: Vec<&str> = all
            .map(|(_, name)| name)
            .filter(|n| example(n).is_none())
            .collect();
        assert!(unread.is_empty(), "{unread:?}");
        let run = operators();
        assert!(run.contains(&"Gemm") && run.contains(&"RoiAlign") && !run.contains(&"Unique"));
    }
}
