//! What each operation does to the moments of its inputs, one file per kind of operation.
//!
//! [`of`] gives each operator its rule. A rule takes the signals of a node's inputs to those of its
//! outputs, and the gradient at an output back to each input, or says that it knows none by returning
//! `None`: the prediction then starts again from the measurement.

pub(crate) mod activation;
pub(crate) mod arithmetic;
pub(crate) mod attention;
pub(crate) mod back;
pub(crate) mod columns;
mod context;
pub(crate) mod cumulative;
pub(crate) mod deform;
pub(crate) mod einsum;
pub(crate) mod equation;
pub(crate) mod fused_attention;
pub(crate) mod linear;
pub(crate) mod log_softmax;
pub(crate) mod map;
pub(crate) mod norm;
pub(crate) mod passing;
pub(crate) mod pool;
pub(crate) mod quantize;
pub(crate) mod recurrent;
pub(crate) mod reduce;
pub(crate) mod resize;
pub(crate) mod rotary;
mod rule;
pub(crate) mod shape;
pub(crate) mod window;

use fanin_network::Operator;

pub(crate) use context::{Context, axis, batch, constant_moments, count, uniform};
pub(crate) use rule::Rule;
pub use rule::Support;

/// Whether theory has a rule for an operator.
pub fn supports(operator: &Operator) -> Support {
    of(operator).map_or(Support::default(), Rule::support)
}

/// The rule of an operator.
pub(crate) fn of(operator: &Operator) -> Option<&dyn Rule> {
    Some(match operator {
        Operator::Unary(rule) => rule,
        Operator::Clip(rule) => rule,
        Operator::PRelu => &activation::PRelu,
        Operator::BiasGelu { .. } => &arithmetic::BiasGelu,
        Operator::Binary(rule) => rule,
        Operator::Variadic(rule) => rule,
        Operator::Where => &shape::Guard,
        Operator::Identity | Operator::Cast { .. } | Operator::CastLike | Operator::Dropout(_) => {
            &shape::Same
        }
        Operator::Softmax(rule) => rule,
        Operator::Norm(rule) => rule,
        Operator::MatMul(rule) => rule,
        Operator::Gemm(rule) => rule,
        Operator::Einsum(rule) => rule,
        Operator::Conv(rule) => rule,
        Operator::DeformConv(rule) => rule,
        Operator::Col2Im(_) => &columns::Columns,
        Operator::Pool(rule) => rule,
        Operator::GlobalPool(rule) => rule,
        Operator::Recurrent(rule) => rule,
        Operator::Attention(rule) => rule,
        Operator::MultiHeadAttention(rule) => rule,
        Operator::GroupQueryAttention(rule) => rule,
        Operator::ProjectedAttention(rule) => rule,
        Operator::Rotary(rule) => rule,
        Operator::Resize(rule) => rule,
        Operator::Reshape(_)
        | Operator::Flatten { .. }
        | Operator::Squeeze { .. }
        | Operator::Unsqueeze { .. }
        | Operator::Transpose { .. }
        | Operator::DepthSpace(_)
        | Operator::ReverseSequence { .. } => &shape::Rearranged,
        Operator::Slice(_)
        | Operator::GatherElements { .. }
        | Operator::GatherND { .. }
        | Operator::Compress { .. } => &shape::Part,
        Operator::Split(_) => &shape::Parts,
        Operator::Gather { .. } => &shape::Picked,
        Operator::Concat { .. } => &shape::Joined,
        Operator::Expand | Operator::Tile => &shape::Copied,
        Operator::Pad(rule) => rule,
        Operator::Reduce(rule) => rule,
        Operator::CumSum { .. } => &cumulative::Cumulative,
        Operator::QuantizeLinear(_) | Operator::DequantizeLinear(_) => &quantize::Rounding,
        // No rule: the value starts again from its measurement.
        Operator::Compare(_)
        | Operator::Logic(_)
        | Operator::Bitwise(_)
        | Operator::Loss(_)
        | Operator::MatMulInteger
        | Operator::Det
        | Operator::ConvInteger(_)
        | Operator::MaxUnpool(_)
        | Operator::RoiAlign(_)
        | Operator::MaxRoiPool(_)
        | Operator::GridSample(_)
        | Operator::AffineGrid { .. }
        | Operator::TopK(_)
        | Operator::Trilu { .. }
        | Operator::CenterCropPad { .. }
        | Operator::ScatterElements(_)
        | Operator::ScatterND { .. }
        | Operator::TensorScatter(_)
        | Operator::Shape { .. }
        | Operator::Size
        | Operator::Arg(_)
        | Operator::NonZero
        | Operator::OneHot { .. }
        | Operator::Unique { .. }
        | Operator::NonMaxSuppression { .. }
        | Operator::Constant { .. }
        | Operator::ConstantOfShape { .. }
        | Operator::Range
        | Operator::EyeLike { .. }
        | Operator::Random(_)
        | Operator::Multinomial { .. }
        | Operator::Taper(_)
        | Operator::Sequence(_)
        | Operator::Opaque { .. } => return None,
    })
}
