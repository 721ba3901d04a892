//! Operators, each parsed once.
//!
//! One file per family holds all that the graph knows of it. [`Operator::parse`] is where ONNX's
//! versions end: a setting that moved from an attribute to an input is one [`Setting`], a default that
//! changed is filled in, and a fused operator is the plain one with a field more, where that is what
//! it computes. What others ask of an operator they ask of its [`Facts`]; who must do something
//! different for each, matches on [`Operator`], without a last arm for the rest, so that a new
//! operator is not forgotten.

pub(crate) mod arrange;
pub(crate) mod attention;
pub(crate) mod binary;
pub(crate) mod cast;
mod catalogue;
pub(crate) mod conv;
mod facts;
pub(crate) mod generate;
pub(crate) mod join;
pub(crate) mod look;
pub(crate) mod norm;
pub(crate) mod pick;
pub(crate) mod pool;
pub(crate) mod product;
mod read;
pub(crate) mod recurrent;
pub(crate) mod reduce;
pub(crate) mod resample;
mod sequence;
mod setting;
pub(crate) mod softmax;
pub(crate) mod unary;
pub(crate) mod window;

#[cfg(test)]
mod tests;

pub use arrange::{DepthSpace, Reshape};
pub use attention::{
    Attention, GroupQueryAttention, MultiHeadAttention, ProjectedAttention, Rotary, ScoresOutput,
};
pub use binary::{Binary, Bitwise, Compare, Logic, Variadic};
pub use cast::{Dropout, Loss, LossReduction, Quantize};
pub use catalogue::{Entry, catalogue};
pub use conv::{Conv, DeformConv};
pub use facts::{Class, Facts, Flat, Holds, Parity, Slots, UnitAxis, WeightAxes, WeightSlot};
pub use generate::{Draw, Random, RandomShape, Taper, TaperKind};
pub use join::{Pad, PadMode, Reduction, Scatter, TensorScatter};
pub use look::Arg;
pub use norm::{LayerNorm, Norm};
pub use pick::{Slice, Split, TopK};
pub use pool::{GlobalPool, MaxRoiPool, Pool, PoolKind, RoiAlign};
pub use product::{Einsum, Gemm, MatMul};
pub use recurrent::{Cell, CellActivation, Direction, Recurrent};
pub use reduce::{Reduce, ReduceKind};
pub use resample::{
    Aspect, Coordinates, GridMode, GridPadding, GridSample, Interpolation, Nearest, Resize,
};
pub use sequence::Sequence;
pub use setting::{Axes, Known, Setting};
pub use softmax::{Softmax, SoftmaxKind};
pub use unary::{Clip, Fused, Unary};
pub use window::{Pads, Sliding, Spread, Window};

use read::{Given, ONNX, Row};

use crate::{Attributes, ElementType, HostTensor};

/// What a node does.
///
/// Inputs are named by their place. Axes are as the model gives them: negative ones count from the
/// end.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// A function of each element.
    Unary(Unary),
    /// Each element cut to a range.
    Clip(Clip),
    /// Negative elements times the slope in input 1.
    PRelu,
    /// onnxruntime's `BiasGelu` and `FastGelu`: GELU of the sum of input 0 and a vector in input 1.
    BiasGelu {
        /// Whether GELU is the one by tanh.
        tanh: bool,
    },
    /// Two inputs that broadcast.
    Binary(Binary),
    /// Any number of inputs that broadcast.
    Variadic(Variadic),
    /// Input 1 where input 0 is true, input 2 elsewhere.
    Where,
    /// Booleans from two numbers.
    Compare(Compare),
    /// Booleans from booleans, or tests of each element.
    Logic(Logic),
    /// Bits of integers.
    Bitwise(Bitwise),

    /// The input.
    Identity,
    /// The input in another element type.
    Cast {
        /// Which; `None` where the model does not say.
        to: Option<ElementType>,
    },
    /// The input in the element type of input 1.
    CastLike,
    /// The input, or with random zeros while training.
    Dropout(Dropout),
    /// Rounded to a grid with the scale in input 1 and the zero point in input 2.
    QuantizeLinear(Quantize),
    /// Back from a grid with the scale in input 1 and the zero point in input 2.
    DequantizeLinear(Quantize),
    /// A loss over classes.
    Loss(Loss),

    /// Softmax and its kin.
    Softmax(Softmax),
    /// Normalizations.
    Norm(Norm),

    /// A product of matrices.
    MatMul(MatMul),
    /// A product of integer matrices.
    MatMulInteger,
    /// A product of matrices and a sum.
    Gemm(Gemm),
    /// A product by equation.
    Einsum(Einsum),
    /// The determinant of each matrix.
    Det,
    /// A convolution: input, weight, bias.
    Conv(Conv),
    /// A convolution of integers.
    ConvInteger(Conv),
    /// A convolution at places that input 2 says: input, weight, offsets, bias, mask.
    DeformConv(DeformConv),
    /// Columns put back into an image: columns, sizes of the image, sizes of a block.
    Col2Im(Window),
    /// One number for every place of a window.
    Pool(Pool),
    /// One number for all places.
    GlobalPool(GlobalPool),
    /// Elements put back to where a pool took them: elements, places, sizes.
    MaxUnpool(Window),
    /// Regions of maps, by interpolation: maps, regions, index of each region's map.
    RoiAlign(RoiAlign),
    /// Regions of maps, by their largest: maps, regions.
    MaxRoiPool(MaxRoiPool),
    /// A layer that steps through time: input, input weight, state weight, bias, lengths, states.
    Recurrent(Recurrent),
    /// ONNX's attention.
    Attention(Attention),
    /// onnxruntime's attention on projected inputs.
    MultiHeadAttention(MultiHeadAttention),
    /// onnxruntime's attention with fewer key heads, and a cache.
    GroupQueryAttention(GroupQueryAttention),
    /// onnxruntime's attention with the projection in it.
    ProjectedAttention(ProjectedAttention),
    /// Rotary embedding.
    Rotary(Rotary),

    /// Another number of places: `Resize` and `Upsample`.
    Resize(Resize),
    /// Places that a grid in input 1 gives.
    GridSample(GridSample),
    /// A grid turned by matrices; input 1 is the size of the image.
    AffineGrid {
        /// Whether -1 and 1 are the middles of the outer elements, not their edges.
        align_corners: bool,
    },

    /// Other sizes.
    Reshape(Reshape),
    /// A matrix: all axes before one, and all from it on.
    Flatten {
        /// The first axis of the second.
        axis: i64,
    },
    /// Without axes of size one.
    Squeeze {
        /// Which; all of size one where absent.
        axes: Axes,
    },
    /// With new axes of size one.
    Unsqueeze {
        /// Where they are in the output.
        axes: Axes,
    },
    /// Axes in another order.
    Transpose {
        /// The input's axis at each place; turned round where absent.
        perm: Option<Vec<i64>>,
    },
    /// Blocks of places to channels or back.
    DepthSpace(DepthSpace),
    /// The first elements of each sample turned round; input 1 says how many.
    ReverseSequence {
        /// The axis of the samples.
        batch_axis: i64,
        /// The axis that is turned round.
        time_axis: i64,
    },
    /// A part along axes.
    Slice(Slice),
    /// Parts along an axis.
    Split(Split),
    /// Indices in input 1 pick along an axis.
    Gather {
        /// Which.
        axis: i64,
    },
    /// An index per element.
    GatherElements {
        /// The axis of the indices.
        axis: i64,
    },
    /// Indices of several axes.
    GatherND {
        /// How many first axes are samples.
        batch_dims: usize,
    },
    /// Where input 1 is true.
    Compress {
        /// Along which axis; of all elements in a row where absent.
        axis: Option<i64>,
    },
    /// The largest or smallest along an axis, and where they are.
    TopK(TopK),
    /// One triangle of each matrix; input 1 shifts the diagonal.
    Trilu {
        /// The upper one.
        upper: bool,
    },
    /// Inputs beside one another.
    Concat {
        /// Along which axis.
        axis: i64,
    },
    /// Broadcast to the sizes in input 1.
    Expand,
    /// Repeated as often as input 1 says.
    Tile,
    /// A border.
    Pad(Pad),
    /// Cut or padded to the sizes in input 1.
    CenterCropPad {
        /// Of these axes; all where absent.
        axes: Option<Vec<i64>>,
    },
    /// Updates in input 2 put where input 1 says along an axis.
    ScatterElements(Scatter),
    /// Updates in input 2 put where input 1 says.
    ScatterND {
        /// How an update meets what is there.
        reduction: Reduction,
    },
    /// Updates in input 1 put into a cache where input 2 says.
    TensorScatter(TensorScatter),

    /// One number for whole axes.
    Reduce(Reduce),
    /// Sums of all before along the axis in input 1.
    CumSum {
        /// Whether the element itself does not count.
        exclusive: bool,
        /// Whether it counts from the end.
        reverse: bool,
    },

    /// The sizes of the axes.
    Shape {
        /// The first axis.
        start: i64,
        /// Behind the last axis; all where absent.
        end: Option<i64>,
    },
    /// How many elements.
    Size,
    /// Where the largest or smallest is.
    Arg(Arg),
    /// Where elements are not zero.
    NonZero,
    /// Ids as vectors: ids, number of classes, values for off and on.
    OneHot {
        /// The new axis.
        axis: i64,
    },
    /// Each element once.
    Unique {
        /// Slices along this axis; elements where absent.
        axis: Option<i64>,
        /// Whether they come out in order.
        sorted: bool,
    },
    /// Boxes that do not overlap better ones.
    NonMaxSuppression {
        /// Whether boxes are given by center and size, not by corners.
        center_box: bool,
    },

    /// A stated tensor; `None` where it is of a kind that is not held.
    Constant {
        /// Which.
        value: Option<Box<HostTensor>>,
    },
    /// One value in the sizes of input 0.
    ConstantOfShape {
        /// The value, of one element; the float 0 where absent.
        value: Option<Box<HostTensor>>,
    },
    /// Numbers from input 0 to input 1 in steps of input 2.
    Range,
    /// Ones on a diagonal, in the sizes of input 0.
    EyeLike {
        /// The element type; the input's where absent.
        to: Option<ElementType>,
        /// How far right of the main diagonal.
        shift: i64,
    },
    /// Random numbers.
    Random(Random),
    /// Random classes from scores.
    Multinomial {
        /// How many per row.
        draws: usize,
        /// The element type.
        to: ElementType,
    },
    /// A window of signal processing of the length in input 0.
    Taper(Taper),

    /// What is done with a sequence of tensors.
    Sequence(Sequence),

    /// An operator that nothing is known of.
    Opaque {
        /// Its domain; empty for ONNX's own.
        domain: String,
        /// Its name.
        name: String,
    },
}

/// All that is known, family by family.
const FAMILIES: [&[Row]; 19] = [
    &unary::PLAIN,
    unary::ROWS,
    binary::ROWS,
    cast::ROWS,
    softmax::ROWS,
    norm::ROWS,
    product::ROWS,
    conv::ROWS,
    pool::ROWS,
    recurrent::ROWS,
    attention::ROWS,
    resample::ROWS,
    arrange::ROWS,
    pick::ROWS,
    join::ROWS,
    reduce::ROWS,
    look::ROWS,
    generate::ROWS,
    sequence::ROWS,
];

/// The domain and name of every operator that [`Operator::parse`] knows, family by family. The empty
/// domain is ONNX's own.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    FAMILIES
        .into_iter()
        .flatten()
        .map(|row| (row.domain, row.name))
}

impl Operator {
    /// Reads what a model states about a node: its domain (`ai.onnx` is ONNX's own too), name, version
    /// of the operator set, attributes, and how many inputs and outputs it lists. A name that is not
    /// known gives [`Operator::Opaque`].
    ///
    /// # Errors
    ///
    /// One sentence without the node's name, where an attribute means nothing for the operator.
    pub fn parse(
        domain: &str,
        name: &str,
        opset: i64,
        attributes: &Attributes,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, String> {
        let own = if domain == "ai.onnx" { ONNX } else { domain };
        let row = FAMILIES
            .into_iter()
            .flatten()
            .find(|row| row.name == name && row.domain == own);
        match row {
            Some(row) => (row.parse)(&Given {
                opset,
                attributes,
                inputs,
                outputs,
            }),
            None => Ok(Self::Opaque {
                domain: own.to_owned(),
                name: name.to_owned(),
            }),
        }
    }

    /// The name of what it does: ONNX's, or onnxruntime's where ONNX has none. A model may spell it
    /// otherwise (`QuickGelu` is `Swish`); for messages about a node take the node's own spelling.
    pub fn name(&self) -> &str {
        match self {
            Self::Unary(unary) => unary.name(),
            Self::Clip(_) => "Clip",
            Self::PRelu => "PRelu",
            Self::BiasGelu { tanh: false } => "BiasGelu",
            Self::BiasGelu { tanh: true } => "FastGelu",
            Self::Binary(binary) => binary.name(),
            Self::Variadic(variadic) => variadic.name(),
            Self::Where => "Where",
            Self::Compare(compare) => compare.name(),
            Self::Logic(logic) => logic.name(),
            Self::Bitwise(bitwise) => bitwise.name(),
            Self::Identity => "Identity",
            Self::Cast { .. } => "Cast",
            Self::CastLike => "CastLike",
            Self::Dropout(_) => "Dropout",
            Self::QuantizeLinear(_) => "QuantizeLinear",
            Self::DequantizeLinear(_) => "DequantizeLinear",
            Self::Loss(loss) => loss.name(),
            Self::Softmax(softmax) => softmax.name(),
            Self::Norm(norm) => norm.name(),
            Self::MatMul(product) => product.name(),
            Self::MatMulInteger => "MatMulInteger",
            Self::Gemm(gemm) => gemm.name(),
            Self::Einsum(_) => "Einsum",
            Self::Det => "Det",
            Self::Conv(conv) => conv.name(),
            Self::ConvInteger(_) => "ConvInteger",
            Self::DeformConv(_) => "DeformConv",
            Self::Col2Im(_) => "Col2Im",
            Self::Pool(pool) => pool.name(),
            Self::GlobalPool(pool) => pool.name(),
            Self::MaxUnpool(_) => "MaxUnpool",
            Self::RoiAlign(_) => "RoiAlign",
            Self::MaxRoiPool(_) => "MaxRoiPool",
            Self::Recurrent(recurrent) => recurrent.cell.name(),
            Self::Attention(_) | Self::ProjectedAttention(_) => "Attention",
            Self::MultiHeadAttention(_) => "MultiHeadAttention",
            Self::GroupQueryAttention(_) => "GroupQueryAttention",
            Self::Rotary(_) => "RotaryEmbedding",
            Self::Resize(_) => "Resize",
            Self::GridSample(_) => "GridSample",
            Self::AffineGrid { .. } => "AffineGrid",
            Self::Reshape(_) => "Reshape",
            Self::Flatten { .. } => "Flatten",
            Self::Squeeze { .. } => "Squeeze",
            Self::Unsqueeze { .. } => "Unsqueeze",
            Self::Transpose { .. } => "Transpose",
            Self::DepthSpace(depth) => depth.name(),
            Self::ReverseSequence { .. } => "ReverseSequence",
            Self::Slice(_) => "Slice",
            Self::Split(_) => "Split",
            Self::Gather { .. } => "Gather",
            Self::GatherElements { .. } => "GatherElements",
            Self::GatherND { .. } => "GatherND",
            Self::Compress { .. } => "Compress",
            Self::TopK(_) => "TopK",
            Self::Trilu { .. } => "Trilu",
            Self::Concat { .. } => "Concat",
            Self::Expand => "Expand",
            Self::Tile => "Tile",
            Self::Pad(_) => "Pad",
            Self::CenterCropPad { .. } => "CenterCropPad",
            Self::ScatterElements(_) => "ScatterElements",
            Self::ScatterND { .. } => "ScatterND",
            Self::TensorScatter(_) => "TensorScatter",
            Self::Reduce(reduce) => reduce.name(),
            Self::CumSum { .. } => "CumSum",
            Self::Shape { .. } => "Shape",
            Self::Size => "Size",
            Self::Arg(arg) => arg.name(),
            Self::NonZero => "NonZero",
            Self::OneHot { .. } => "OneHot",
            Self::Unique { .. } => "Unique",
            Self::NonMaxSuppression { .. } => "NonMaxSuppression",
            Self::Constant { .. } => "Constant",
            Self::ConstantOfShape { .. } => "ConstantOfShape",
            Self::Range => "Range",
            Self::EyeLike { .. } => "EyeLike",
            Self::Random(random) => random.name(),
            Self::Multinomial { .. } => "Multinomial",
            Self::Taper(taper) => taper.name(),
            Self::Sequence(sequence) => sequence.name(),
            Self::Opaque { name, .. } => name,
        }
    }

    /// What is known of it, as data. Bounds of a `Clip` that come in through inputs are not: ask
    /// [`Network::facts`](crate::Network::facts), which looks at constants.
    pub fn facts(&self) -> Facts {
        match self {
            Self::Unary(unary) => unary.facts(),
            Self::Clip(clip) => clip.facts(|_| None),
            Self::PRelu => unary::prelu_facts(),
            Self::BiasGelu { .. } => unary::bias_gelu_facts(),
            Self::Binary(binary) => binary.facts(),
            Self::Variadic(variadic) => variadic.facts(),
            Self::Where => binary::choice_facts(),
            Self::Compare(_) | Self::Logic(_) | Self::Bitwise(_) => binary::looks(),
            Self::Identity | Self::Cast { .. } | Self::CastLike | Self::Dropout(_) => {
                cast::identity_facts()
            }
            Self::QuantizeLinear(_) | Self::DequantizeLinear(_) => cast::quantize_facts(),
            Self::Loss(_) => cast::loss_facts(),
            Self::Softmax(softmax) => softmax.facts(),
            Self::Norm(norm) => norm.facts(),
            Self::MatMul(product) => product.facts(),
            Self::MatMulInteger => product::integer_facts(),
            Self::Gemm(gemm) => gemm.facts(),
            Self::Einsum(einsum) => product::einsum_facts(einsum),
            Self::Det => product::determinant_facts(),
            Self::Conv(conv) => conv.facts(),
            Self::ConvInteger(conv) => conv::integer_facts(conv),
            Self::DeformConv(conv) => conv.facts(),
            Self::Col2Im(_) => conv::col2im_facts(),
            Self::Pool(pool) => pool.facts(),
            Self::GlobalPool(pool) => pool.facts(),
            Self::MaxUnpool(_) => pool::unpool_facts(),
            Self::RoiAlign(align) => align.facts(),
            Self::MaxRoiPool(_) => pool::max_roi_facts(),
            Self::Recurrent(recurrent) => recurrent.facts(),
            Self::Attention(_) => attention::attention_facts(),
            Self::MultiHeadAttention(_) => attention::multi_head_facts(),
            Self::GroupQueryAttention(_) => attention::group_query_facts(),
            Self::ProjectedAttention(_) => attention::projected_facts(),
            Self::Rotary(_) => attention::rotary_facts(),
            Self::Resize(_) | Self::GridSample(_) => resample::resample_facts(),
            Self::AffineGrid { .. } => resample::affine_facts(),
            Self::Reshape(_)
            | Self::Flatten { .. }
            | Self::Squeeze { .. }
            | Self::Unsqueeze { .. }
            | Self::Transpose { .. }
            | Self::DepthSpace(_) => arrange::arranges(),
            Self::ReverseSequence { .. } => arrange::arranges_in_place(),
            Self::Slice(_)
            | Self::Split(_)
            | Self::GatherElements { .. }
            | Self::Compress { .. }
            | Self::Trilu { .. } => pick::picks_in_place(),
            Self::Gather { axis } => pick::gather_facts(*axis),
            Self::GatherND { .. } => pick::picks(),
            Self::TopK(_) => pick::top_facts(),
            Self::Concat { .. } => join::concat_facts(),
            Self::Expand | Self::Tile => join::repeats(),
            Self::Pad(pad) => pad.facts(),
            Self::CenterCropPad { .. } => join::pads(),
            Self::ScatterElements(_) | Self::ScatterND { .. } => join::scatter_facts(),
            Self::TensorScatter(_) => join::cache_facts(),
            Self::Reduce(reduce) => reduce.facts(),
            Self::CumSum { .. } => reduce::cumulative_facts(),
            Self::Shape { .. }
            | Self::Size
            | Self::Arg(_)
            | Self::NonZero
            | Self::OneHot { .. }
            | Self::Unique { .. }
            | Self::NonMaxSuppression { .. } => look::looks(),
            Self::Constant { .. }
            | Self::ConstantOfShape { .. }
            | Self::Range
            | Self::EyeLike { .. }
            | Self::Random(_)
            | Self::Multinomial { .. }
            | Self::Taper(_) => generate::generates(),
            Self::Sequence(sequence) => sequence.facts(),
            Self::Opaque { .. } => Facts::new(Class::Other, Slots::All),
        }
    }

    /// What kind of thing it does.
    pub fn class(&self) -> Class {
        self.facts().class
    }

    /// Whether anything is known of it.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Opaque { .. })
    }
}
