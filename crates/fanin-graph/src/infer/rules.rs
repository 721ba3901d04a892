//! The rule of each operator.

use super::operands::{Found, Inferred, Operands, countable, same};
use crate::Operator;
use crate::operator::{
    Binary, Bitwise, Logic, arrange, attention, binary, cast, conv, generate, join, look, norm,
    pick, pool, product, recurrent, reduce, resample, softmax, unary,
};

/// The element types and shapes of an operator's outputs, one per output that the node lists.
///
/// Outputs are unknown where the operator has no rule, or where the rule needs elements that are
/// not known.
///
/// # Errors
///
/// One sentence without the node's name, where the inputs contradict the operator: inner sizes of a
/// product that differ, shapes that do not broadcast, a weight that does not fit its input.
pub fn output_shapes(
    operator: &Operator,
    operands: &Operands<'_>,
) -> Result<Vec<Inferred>, String> {
    let mut outputs = match rule(operator, operands) {
        Some(found) => found?,
        None => Vec::new(),
    };
    outputs.resize(operands.outputs, Inferred::default());
    countable(&outputs)?;
    Ok(outputs)
}

/// Whether there is a rule for the shapes of an operator's outputs.
pub fn has_rule(operator: &Operator) -> bool {
    let nothing = Operands {
        inputs: &[],
        outputs: 0,
    };
    rule(operator, &nothing).is_some()
}

fn rule(operator: &Operator, operands: &Operands<'_>) -> Option<Found> {
    Some(match operator {
        Operator::Unary(_)
        | Operator::Identity
        | Operator::ReverseSequence { .. }
        | Operator::Trilu { .. }
        | Operator::CumSum { .. }
        | Operator::TensorScatter(_) => same(operands),
        Operator::Clip(_) => unary::shape::clip(operands),
        Operator::PRelu => unary::shape::prelu(operands),
        Operator::BiasGelu { .. } => unary::shape::bias_gelu(operands),

        Operator::Binary(Binary::Pow) | Operator::Bitwise(Bitwise::Shift { .. }) => {
            binary::shape::by_amount(operands)
        }
        Operator::Binary(
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Mod { .. },
        )
        | Operator::Bitwise(Bitwise::And | Bitwise::Or | Bitwise::Xor) => {
            binary::shape::binary(operands)
        }
        Operator::Bitwise(Bitwise::Not) => same(operands),
        Operator::Variadic(_) => binary::shape::variadic(operands),
        Operator::Where => binary::shape::select(operands),
        Operator::Compare(_) | Operator::Logic(Logic::And | Logic::Or | Logic::Xor) => {
            binary::shape::comparison(operands)
        }
        Operator::Logic(Logic::Not | Logic::IsNaN | Logic::IsInf { .. }) => {
            binary::shape::same_boolean(operands)
        }

        Operator::Cast { to } => cast::shape::cast(*to, operands),
        Operator::CastLike => cast::shape::cast_like(operands),
        Operator::Dropout(dropout) => cast::shape::dropout(dropout, operands),
        Operator::QuantizeLinear(quantize) => cast::shape::quantize(quantize, operands),
        Operator::DequantizeLinear(quantize) => cast::shape::dequantize(quantize, operands),
        Operator::Loss(loss) => cast::shape::loss(loss, operands),

        Operator::Softmax(softmax) => {
            softmax::shape::along(softmax.axis, softmax.flattened, operands)
        }
        Operator::Norm(norm) => norm::shape::norm(norm, operands),

        Operator::MatMul(product) => product::shape::matmul(product, operands),
        Operator::MatMulInteger => product::shape::integer(operands),
        Operator::Gemm(gemm) => product::shape::gemm(gemm, operands),
        Operator::Einsum(einsum) => product::shape::einsum(einsum, operands),
        Operator::Det => product::shape::determinant(operands),
        Operator::Conv(conv) => conv::shape::conv(conv, operands),
        Operator::ConvInteger(conv) => conv::shape::integer(conv, operands),
        Operator::DeformConv(conv) => conv::shape::deformed(conv, operands),
        Operator::Col2Im(_) => conv::shape::col2im(operands),
        Operator::Pool(pool) => pool::shape::pool(pool, operands),
        Operator::GlobalPool(_) => pool::shape::global(operands),
        Operator::MaxUnpool(window) => pool::shape::unpool(window, operands),
        Operator::RoiAlign(align) => pool::shape::align(align, operands),
        Operator::MaxRoiPool(pool) => pool::shape::max_regions(pool, operands),
        Operator::Recurrent(layer) => recurrent::shape::recurrent(layer, operands),
        Operator::Attention(attention) => attention::shape::attention(attention, operands),
        Operator::MultiHeadAttention(_) => attention::shape::multi_head(operands),
        Operator::GroupQueryAttention(attention) => {
            attention::shape::group_query(attention, operands)
        }
        Operator::ProjectedAttention(attention) => attention::shape::projected(attention, operands),
        Operator::Rotary(_) => attention::shape::rotary(operands),

        Operator::Resize(resize) => resample::shape::resize(resize, operands),
        Operator::GridSample(_) => resample::shape::grid_sample(operands),
        Operator::AffineGrid { .. } => resample::shape::affine_grid(operands),

        Operator::Reshape(reshape) => arrange::shape::reshape(reshape, operands),
        Operator::Flatten { axis } => arrange::shape::flatten(*axis, operands),
        Operator::Squeeze { axes } => arrange::shape::squeeze(axes, operands),
        Operator::Unsqueeze { axes } => arrange::shape::unsqueeze(axes, operands),
        Operator::Transpose { perm } => arrange::shape::transpose(perm.as_deref(), operands),
        Operator::DepthSpace(depth) => arrange::shape::depth_space(depth, operands),

        Operator::Slice(slice) => pick::shape::slice(slice, operands),
        Operator::Split(split) => pick::shape::split(split, operands),
        Operator::Gather { axis } => pick::shape::gather(*axis, operands),
        Operator::GatherElements { axis } => pick::shape::gather_elements(*axis, operands),
        Operator::GatherND { batch_dims } => pick::shape::gather_nd(*batch_dims, operands),
        Operator::Compress { axis } => pick::shape::compress(*axis, operands),
        Operator::TopK(top) => pick::shape::top_k(top, operands),

        Operator::Concat { axis } => join::shape::concat(*axis, operands),
        Operator::Expand => join::shape::expand(operands),
        Operator::Tile => join::shape::tile(operands),
        Operator::Pad(pad) => join::shape::pad(pad, operands),
        Operator::CenterCropPad { axes } => join::shape::center_crop_pad(axes.as_deref(), operands),
        Operator::ScatterElements(scatter) => join::shape::scatter(Some(scatter.axis), operands),
        Operator::ScatterND { .. } => join::shape::scatter(None, operands),

        Operator::Reduce(reduce) => reduce::shape::reduce(reduce, operands),

        Operator::Shape { start, end } => look::shape::shape(*start, *end, operands),
        Operator::Size => look::shape::size(operands),
        Operator::Arg(arg) => look::shape::arg(arg, operands),
        Operator::NonZero | Operator::NonMaxSuppression { .. } => look::shape::non_zero(operands),
        Operator::OneHot { axis } => look::shape::one_hot(*axis, operands),
        Operator::Unique { .. } => look::shape::unique(operands),

        Operator::Constant { value } => generate::shape::constant(value.as_deref()),
        Operator::ConstantOfShape { value } => {
            generate::shape::constant_of_shape(value.as_deref(), operands)
        }
        Operator::Range => generate::shape::range(operands),
        Operator::EyeLike { to, .. } => generate::shape::eye_like(*to, operands),
        Operator::Random(random) => generate::shape::random(random, operands),
        Operator::Multinomial { draws, to } => generate::shape::multinomial(*draws, *to, operands),
        Operator::Taper(taper) => generate::shape::window(taper, operands),

        // A sequence has no one shape; those that are taken apart at known places become `Split`
        // and `Gather` on the way.
        Operator::Sequence(_) | Operator::Opaque { .. } => return None,
    })
}
