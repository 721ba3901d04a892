//! Gives every value its element type and shape, and folds what is known before the run.
//!
//! [`output_shapes`] is the rules alone: one operation, what is known about its inputs, and out
//! come the types and shapes of its outputs. [`infer_and_fold`] goes over a whole network with
//! them, evaluates with [`crate::fold`] what has known inputs, and drops the nodes that this makes
//! needless.
//!
//! Free dimensions have their sizes before inference, so a shape is known as a whole or depends on
//! elements (`NonZero`) or on an operator without a rule.

mod attention;
mod conv;
mod elementwise;
mod generate;
mod indexing;
mod matmul;
mod network;
mod normalization;
mod operation;
mod pool;
mod prune;
mod recurrent;
mod reduce;
mod resize;
mod sequence;
mod shape_ops;
#[cfg(test)]
pub(crate) mod testing;
mod vision;
mod window;

pub use network::infer_and_fold;
pub use operation::{Inferred, Operand, Operation};

use operation::Found;

/// Domains whose operators have rules here.
const ONNX: [&str; 2] = ["", "ai.onnx"];
const MICROSOFT: &str = "com.microsoft";

/// The element types and shapes of an operation's outputs, one per output that the node lists.
///
/// Outputs are unknown where the operator has no rule, or where the rule needs elements that are
/// not known.
///
/// # Errors
///
/// One sentence without the node's name, where the inputs contradict the operator: inner sizes of a
/// product that differ, shapes that do not broadcast, a weight that does not fit its input.
pub fn output_shapes(operation: &Operation<'_>) -> Result<Vec<Inferred>, String> {
    let mut outputs = if ONNX.contains(&operation.domain) {
        onnx(operation)?
    } else if operation.domain == MICROSOFT {
        microsoft(operation)?
    } else {
        Vec::new()
    };
    outputs.resize(operation.outputs, Inferred::default());
    operation::countable(&outputs)?;
    Ok(outputs)
}

fn onnx(operation: &Operation<'_>) -> Found {
    match operation.op {
        "Abs"
        | "Acos"
        | "Acosh"
        | "Asin"
        | "Asinh"
        | "Atan"
        | "Atanh"
        | "BitwiseNot"
        | "Ceil"
        | "Celu"
        | "Cos"
        | "Cosh"
        | "Elu"
        | "Erf"
        | "Exp"
        | "Floor"
        | "Gelu"
        | "HardSigmoid"
        | "HardSwish"
        | "Identity"
        | "LRN"
        | "LeakyRelu"
        | "Log"
        | "MeanVarianceNormalization"
        | "Mish"
        | "Neg"
        | "Reciprocal"
        | "Relu"
        | "ReverseSequence"
        | "Round"
        | "Selu"
        | "Shrink"
        | "Sigmoid"
        | "Sign"
        | "Sin"
        | "Sinh"
        | "Softplus"
        | "Softsign"
        | "Sqrt"
        | "Swish"
        | "Tan"
        | "Tanh"
        | "ThresholdedRelu"
        | "Trilu"
        | "CumSum"
        | "TensorScatter" => elementwise::same(operation),
        "IsNaN" | "IsInf" | "Not" => elementwise::same_boolean(operation),
        "Softmax" | "LogSoftmax" | "Hardmax" | "LpNormalization" => {
            elementwise::same_with_axis(operation)
        }
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "BitShift" | "BitwiseAnd" | "BitwiseOr"
        | "BitwiseXor" => elementwise::binary(operation),
        "And" | "Or" | "Xor" | "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" => {
            elementwise::comparison(operation)
        }
        "Min" | "Max" | "Sum" | "Mean" => elementwise::variadic(operation),
        "Where" => elementwise::select(operation),
        "PRelu" => elementwise::prelu(operation),
        "Clip" => elementwise::clip(operation),
        "Dropout" => elementwise::dropout(operation),
        "Cast" => elementwise::cast(operation),
        "CastLike" => elementwise::cast_like(operation),
        "QuantizeLinear" => elementwise::quantize(operation),
        "DequantizeLinear" => elementwise::dequantize(operation),
        "SoftmaxCrossEntropyLoss" | "NegativeLogLikelihoodLoss" => elementwise::loss(operation),

        "BatchNormalization" => normalization::batch(operation),
        "InstanceNormalization" => normalization::instance(operation),
        "GroupNormalization" => normalization::group(operation),
        "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization" => {
            normalization::layer(operation)
        }

        "MatMul" | "MatMulInteger" => matmul::matmul(operation),
        "Gemm" => matmul::gemm(operation),
        "Einsum" => matmul::einsum(operation),
        "Det" => matmul::determinant(operation),

        "Conv" | "ConvInteger" | "DeformConv" => conv::conv(operation),
        "ConvTranspose" => conv::conv_transpose(operation),
        "Col2Im" => conv::col2im(operation),

        "MaxPool" | "AveragePool" | "LpPool" => pool::pool(operation),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => pool::global(operation),
        "MaxUnpool" => pool::unpool(operation),
        "RoiAlign" | "MaxRoiPool" => pool::regions(operation),

        "LSTM" | "GRU" | "RNN" => recurrent::recurrent(operation),
        "Attention" => attention::attention(operation),
        "RotaryEmbedding" => attention::rotary(operation),
        "Resize" | "Upsample" => resize::resize(operation),
        "GridSample" => vision::grid_sample(operation),
        "AffineGrid" => vision::affine_grid(operation),

        "Shape" | "Size" => shape_ops::shape(operation),
        "Reshape" => shape_ops::reshape(operation),
        "Flatten" => shape_ops::flatten(operation),
        "Squeeze" => shape_ops::squeeze(operation),
        "Unsqueeze" => shape_ops::unsqueeze(operation),
        "Transpose" => shape_ops::transpose(operation),
        "Expand" => shape_ops::expand(operation),
        "Concat" => shape_ops::concat(operation),
        "Split" => shape_ops::split(operation),
        "Slice" => shape_ops::slice(operation),
        "Tile" => shape_ops::tile(operation),
        "Pad" => shape_ops::pad(operation),
        "CenterCropPad" => shape_ops::center_crop_pad(operation),
        "DepthToSpace" | "SpaceToDepth" => shape_ops::depth_space(operation),

        "Gather" => indexing::gather(operation),
        "GatherElements" => indexing::gather_elements(operation),
        "GatherND" => indexing::gather_nd(operation),
        "Scatter" | "ScatterElements" | "ScatterND" => indexing::scatter(operation),
        "OneHot" => indexing::one_hot(operation),
        "ArgMax" | "ArgMin" => indexing::arg(operation),
        "TopK" => indexing::top_k(operation),
        "NonZero" => indexing::non_zero(operation),
        "Compress" => indexing::compress(operation),
        "Unique" | "NonMaxSuppression" => indexing::unknown_integers(operation),

        "ReduceSum" | "ReduceProd" | "ReduceMin" | "ReduceMax" | "ReduceMean" | "ReduceL1"
        | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => {
            reduce::reduce(operation)
        }

        "Constant" => generate::constant(operation),
        "ConstantOfShape" => generate::constant_of_shape(operation),
        "Range" => generate::range(operation),
        "EyeLike" | "RandomNormalLike" | "RandomUniformLike" | "Bernoulli" => {
            generate::like(operation)
        }
        "RandomNormal" | "RandomUniform" => generate::random(operation),
        "Multinomial" => generate::multinomial(operation),
        "HannWindow" | "HammingWindow" | "BlackmanWindow" => generate::window(operation),
        _ => Ok(Vec::new()),
    }
}

fn microsoft(operation: &Operation<'_>) -> Found {
    match operation.op {
        "Gelu" | "QuickGelu" => elementwise::same(operation),
        "BiasGelu" | "FastGelu" => elementwise::bias_gelu(operation),
        "SkipLayerNormalization" | "SkipSimplifiedLayerNormalization" => {
            normalization::skip_layer(operation)
        }
        "LayerNormalization" | "SimplifiedLayerNormalization" => normalization::layer(operation),
        "FusedMatMul" | "TransposeMatMul" => matmul::fused_matmul(operation),
        "FusedConv" => conv::conv(operation),
        "RotaryEmbedding" => attention::rotary(operation),
        "MultiHeadAttention" => attention::multi_head(operation),
        _ => Ok(Vec::new()),
    }
}
