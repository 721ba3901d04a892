//! What rules read of a network and of the prediction so far.

use fanin_network::{HostTensor, Network, Node, Payload, ValueId, ValueKind};

use crate::signal::Signal;
use crate::{Measured, Moments};

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
        batch(self.network).unwrap_or(1) as f64
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

/// The number of samples: the first axis of the first input that has axes.
pub(crate) fn batch(network: &Network) -> Option<usize> {
    let mut shapes = network
        .inputs
        .iter()
        .filter_map(|&id| network.value(id).shape.as_deref());
    shapes.find_map(|shape| shape.first().copied())
}
