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
pub(crate) mod cumulative;
pub(crate) mod deform;
pub(crate) mod einsum;
pub(crate) mod fused_attention;
pub(crate) mod linear;
pub(crate) mod log_softmax;
pub(crate) mod norm;
pub(crate) mod pool;
pub(crate) mod quantize;
pub(crate) mod recurrent;
pub(crate) mod reduce;
pub(crate) mod resize;
pub(crate) mod rotary;
pub(crate) mod shape;
pub(crate) mod window;

use fanin_network::{HostTensor, Network, Node, Operator, Payload, ValueId, ValueKind};

use crate::signal::Signal;
use crate::{Measured, Moments};
use back::{Arrival, Back};

/// What theory knows of one operator.
pub(crate) trait Rule {
    /// Which directions it answers at all.
    fn support(&self) -> Support {
        Support {
            forward: true,
            backward: true,
        }
    }

    /// Whether it speaks of the k-th output. Gradients of several outputs it speaks of add up as if
    /// they were independent.
    fn speaks_of(&self, output: usize) -> bool {
        output == 0
    }

    /// The signal of an output.
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal>;

    /// What the gradient at an output is at an input.
    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back>;

    /// The linear map it applies, if it is one.
    fn map(&self, _context: &Context<'_>, _node: &Node) -> Option<linear::Map> {
        None
    }
}

/// In which directions theory has a rule for an operator. What a rule needs to know of its inputs may
/// still be missing in a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Support {
    /// From the moments of the inputs to those of the outputs.
    pub forward: bool,
    /// From the gradient at the outputs to that at the inputs.
    pub backward: bool,
}

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

/// What a rule may look at.
pub(crate) struct Context<'a> {
    /// The network.
    pub(crate) network: &'a Network,
    /// What the prediction starts from.
    pub(crate) measured: &'a Measured,
    /// Signals of the values so far, by the value's position.
    pub(crate) signals: &'a [Option<Signal>],
}

impl<'a> Context<'a> {
    /// The k-th input of a node.
    pub(crate) fn id(&self, node: &Node, k: usize) -> Option<ValueId> {
        node.inputs.get(k).copied().flatten()
    }

    /// The signal at the k-th input of a node.
    pub(crate) fn signal(&self, node: &Node, k: usize) -> Option<&'a Signal> {
        self.signals.get(self.id(node, k)?.index())?.as_ref()
    }

    /// The signal of a value.
    pub(crate) fn at(&self, id: ValueId) -> Option<&'a Signal> {
        self.signals.get(id.index())?.as_ref()
    }

    /// The sizes of the k-th input's axes.
    pub(crate) fn shape(&self, node: &Node, k: usize) -> Option<&'a [usize]> {
        self.network.value(self.id(node, k)?).shape.as_deref()
    }

    /// The sizes of the first output's axes.
    pub(crate) fn output_shape(&self, node: &Node) -> Option<&'a [usize]> {
        let output = node.outputs.first().copied().flatten()?;
        self.network.value(output).shape.as_deref()
    }

    /// The one number that every element of the k-th input equals, if it is known before the run.
    pub(crate) fn scalar(&self, node: &Node, k: usize) -> Option<f64> {
        uniform(self.network, self.id(node, k)?)
    }

    /// The measured cosine between samples of a value.
    pub(crate) fn cosine(&self, id: ValueId) -> Option<f64> {
        let name = &self.network.value(id).name;
        self.measured.values.get(name)?.sample_cosine
    }

    /// The number of samples.
    pub(crate) fn batch(&self) -> f64 {
        crate::predict::batch(self.network).unwrap_or(1) as f64
    }
}

/// An axis of a value of this rank that may be counted from the end.
pub(crate) fn axis(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 {
        axis.checked_add(rank)?
    } else {
        axis
    };
    usize::try_from(axis).ok().filter(|_| axis < rank)
}

/// Product of the axes as a float, which cannot overflow.
pub(crate) fn count(shape: &[usize]) -> f64 {
    shape.iter().map(|&size| size as f64).product()
}

/// The constant or buffer a value is, where its elements are in memory.
fn held(network: &Network, id: ValueId) -> Option<&HostTensor> {
    match &network.value(id).kind {
        ValueKind::Constant(tensor) | ValueKind::Buffer(Payload::Held(tensor)) => Some(tensor),
        _ => None,
    }
}

/// The one number that every element of a constant equals.
pub(crate) fn uniform(network: &Network, id: ValueId) -> Option<f64> {
    if let ValueKind::Buffer(Payload::Filled(value)) = network.value(id).kind {
        return Some(value);
    }
    let elements = held(network, id)?.to_f32();
    let first = *elements.first()?;
    let same = elements.iter().all(|&x| x == first);
    (same && first.is_finite()).then_some(f64::from(first))
}

/// Moments of a constant; `None` where its elements are not in memory or not all finite, or where
/// it is a mask, whose large negative entries make a second moment meaningless.
pub(crate) fn constant_moments(network: &Network, id: ValueId) -> Option<Moments> {
    const MASK: f32 = 1e4;
    if let Some(value) = uniform(network, id) {
        return Some(Moments::new(value, value.abs()));
    }
    let elements = held(network, id)?.to_f32();
    if elements.iter().any(|x| x.is_nan() || x.abs() >= MASK) {
        return None;
    }
    let n = elements.len() as f64;
    let (sum, squares) = elements.iter().fold((0.0, 0.0), |(s, q), &x| {
        let x = f64::from(x);
        (s + x, q + x * x)
    });
    Some(Moments::new(sum / n, (squares / n).sqrt()))
}
