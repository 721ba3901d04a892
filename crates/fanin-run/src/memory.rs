//! What a run or a training takes of memory at its worst moment, by the order of the graph, and the
//! refusal of what does not fit.

use fanin_network::memory::{Bytes, FreeMemory};
use fanin_network::operator::Class;
use fanin_network::{ElementType, Network, NodeId, Value, ValueId, ValueKind};

use crate::error::RunError;
use crate::train::Optimizer;

/// What the program itself, its threads and what the allocator keeps at hand come to, beside the
/// tensors: measured on networks of a few megabytes.
const PROGRAM: u64 = 60 << 20;

/// Bytes that work takes at its peak, each counted up to the largest `u64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// The weights, as often as they are held.
    pub weights: u64,
    /// Values that the backward pass still needs, or later nodes do.
    pub values: u64,
    /// Gradients on their way back, and what an optimizer keeps of them.
    pub gradients: u64,
}

impl Need {
    /// One run forward, and backward where that is asked for, of weights that are there already: the run
    /// reads them where they lie.
    pub fn run(network: &Network, backward: bool) -> Self {
        let (values, gradients) = match backward {
            true => forward_and_backward(network),
            false => (forward(network, |_| false), 0),
        };
        Self {
            weights: 0,
            values,
            gradients,
        }
    }

    /// A run and the weights that it is of.
    pub fn check(network: &Network) -> Self {
        Self {
            weights: parameters(network),
            ..Self::run(network, true)
        }
    }

    /// One training: every parameter as it started and as it is, its gradient and what the optimizer
    /// keeps of it, beside a run forward and backward.
    pub fn training(network: &Network, optimizer: Optimizer) -> Self {
        let (values, gradients) = forward_and_backward(network);
        let parameters = parameters(network);
        Self {
            weights: parameters.saturating_mul(2),
            values,
            gradients: parameters
                .saturating_mul(1 + optimizer.memory() as u64)
                .saturating_add(gradients),
        }
    }

    /// All of it, and the program's own; `None` for more than can be counted.
    pub fn bytes(&self) -> Option<u64> {
        let parts = [PROGRAM, self.weights, self.values, self.gradients];
        parts
            .into_iter()
            .try_fold(0u64, u64::checked_add)
            .filter(|&bytes| bytes < u64::MAX)
    }

    /// Refuses what is not free.
    ///
    /// # Errors
    ///
    /// A sentence that names what is needed and what for, what is free, and the way out.
    pub fn fits(&self, free: FreeMemory) -> Result<(), RunError> {
        let what = format!(
            "the network does not fit into memory: weights ({}), values ({}) and gradients ({}) need",
            Bytes(self.weights),
            Bytes(self.values),
            Bytes(self.gradients)
        );
        let way_out = "run it with a smaller batch (--batch) or smaller free dimensions (--dim), or where \
                       more is free";
        free.holds(&what, self.bytes(), way_out)
            .map_err(RunError::Network)
    }
}

/// Bytes of all parameters in f32, as the engine holds them.
fn parameters(network: &Network) -> u64 {
    let sizes = network.parameters.iter();
    sizes.fold(0, |sum: u64, parameter| {
        sum.saturating_add(bytes(&parameter.shape, size_of::<f32>()))
    })
}

fn bytes(shape: &[usize], element: usize) -> u64 {
    let sizes = shape.iter().map(|&d| d as u64);
    sizes.fold(element as u64, u64::saturating_mul)
}

/// What a value takes while it is there. Nothing is known of one without a shape; parameters are
/// counted for themselves, and constants are held by the network.
fn size(value: &Value) -> u64 {
    let element = match (&value.kind, value.element) {
        (ValueKind::Parameter(_) | ValueKind::Constant(_), _) => return 0,
        (_, Some(ElementType::Bool)) => 1,
        (_, Some(element)) if !element.is_float() => size_of::<i64>(),
        _ => size_of::<f32>(),
    };
    value
        .shape
        .as_deref()
        .map_or(0, |shape| bytes(shape, element))
}

/// The last node, by its place, that reads each value.
fn last_uses(network: &Network) -> Vec<Option<usize>> {
    let last = |value: &Value| value.consumers.iter().map(|id| id.index()).max();
    network.values.iter().map(last).collect()
}

fn outputs(network: &Network, node: usize) -> impl Iterator<Item = ValueId> + '_ {
    network.nodes[node].outputs.iter().flatten().copied()
}

/// Inputs of a node, each once.
fn inputs(network: &Network, node: usize) -> Vec<ValueId> {
    let mut inputs: Vec<ValueId> = network.nodes[node]
        .inputs
        .iter()
        .flatten()
        .copied()
        .collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

/// What is fed and stored is there from the beginning, or from its first use to the end.
fn given(network: &Network) -> u64 {
    let fed = network.values.iter().filter(|value| {
        value.producer.is_none() && matches!(value.kind, ValueKind::Input | ValueKind::Buffer(_))
    });
    fed.fold(0, |sum: u64, value| sum.saturating_add(size(value)))
}

/// The most that is there at once on the way forward, where a value lives until its last use or, if it
/// `stays`, to the end.
fn forward(network: &Network, stays: impl Fn(&Value) -> bool) -> u64 {
    let last = last_uses(network);
    let mut there = given(network);
    let mut most = there;
    for node in 0..network.nodes.len() {
        let made = outputs(network, node);
        there = made.fold(there, |sum, id| sum.saturating_add(size(network.value(id))));
        most = most.max(there);
        for id in inputs(network, node) {
            let value = network.value(id);
            if value.producer.is_some() && last[id.index()] == Some(node) && !stays(value) {
                there = there.saturating_sub(size(value));
            }
        }
    }
    most
}

/// Whether the backward pass needs a value, or something of its size: what an activation, a softmax or a
/// norm puts out, and what is multiplied. Sums and what moves elements about need nothing of them, and a
/// view of a value is that value.
fn needed_backward(network: &Network, value: &Value) -> bool {
    let class = |id: &NodeId| network.node(*id).operator.facts().class;
    let makes = |class| matches!(class, Class::Activation | Class::Softmax | Class::Norm);
    let passes = |class| {
        makes(class)
            || matches!(
                class,
                Class::Sums
                    | Class::Arranges
                    | Class::Repeats
                    | Class::Picks
                    | Class::Pads
                    | Class::Joins
                    | Class::Reduces
            )
    };
    value.producer.as_ref().map(class).is_some_and(makes)
        || value
            .consumers
            .iter()
            .map(class)
            .any(|class| !passes(class))
}

/// Values and gradients at the moment when they take the most together. Forward, what gradients need on
/// their way back is kept; backward, a node's outputs go when it is done, and a gradient is there from the
/// last node that reads its value, the first to be passed, to the node that made it.
fn forward_and_backward(network: &Network) -> (u64, u64) {
    let last = last_uses(network);
    let floats = |id: ValueId| {
        let value = network.value(id);
        match value.element.is_none_or(ElementType::is_float) {
            true => size(value),
            false => 0,
        }
    };
    let stays = |id: ValueId| match needed_backward(network, network.value(id)) {
        true => floats(id),
        false => 0,
    };
    let mut kept = (0..network.nodes.len())
        .flat_map(|node| outputs(network, node))
        .fold(given(network), |sum, id| sum.saturating_add(stays(id)));
    let mut gradients = network
        .outputs
        .iter()
        .fold(0u64, |sum, &id| sum.saturating_add(floats(id)));
    let mut most = (forward(network, |value| needed_backward(network, value)), 0);
    for node in (0..network.nodes.len()).rev() {
        // Beside the gradients that stay: one for each input, to begin with or to be added.
        let mut made = 0u64;
        let mut staying = 0u64;
        for id in inputs(network, node) {
            let value = network.value(id);
            match &value.kind {
                ValueKind::Parameter(_) => {
                    let shape = value.shape.as_deref().unwrap_or_default();
                    made = made.saturating_add(bytes(shape, size_of::<f32>()));
                }
                _ if value.producer.is_some() => {
                    made = made.saturating_add(floats(id));
                    if last[id.index()] == Some(node) {
                        staying = staying.saturating_add(floats(id));
                    }
                }
                _ => {}
            }
        }
        let now = gradients.saturating_add(made);
        if kept.saturating_add(now) > most.0.saturating_add(most.1) {
            most = (kept, now);
        }
        let done = outputs(network, node).fold(0u64, |sum, id| sum.saturating_add(floats(id)));
        let freed = outputs(network, node).fold(0u64, |sum, id| sum.saturating_add(stays(id)));
        kept = kept.saturating_sub(freed);
        gradients = gradients.saturating_sub(done).saturating_add(staying);
    }
    most
}

#[cfg(test)]
mod tests {
    use fanin_network::Dims;

    use super::*;

    fn open(text: &str) -> Network {
        fanin_network::open(text, &Dims::default()).unwrap()
    }

    #[test]
    fn a_chain_is_counted_by_hand() {
        // 16 samples: 3 in; 4 before and after ReLU, of which the latter stay; 2 out.
        let network = open("mlp(3, 4, 2, relu)");
        let floats = |n: u64| 4 * 16 * n;
        // Forward both sides of ReLU are there at once; backward their gradients.
        let forward = Need::run(&network, false);
        assert_eq!((forward.weights, forward.values), (0, floats(3 + 4 + 4)));
        let both = Need::run(&network, true);
        assert_eq!(
            (both.values, both.gradients),
            (floats(3 + 4), floats(4 + 4))
        );
        assert_eq!(Need::check(&network).weights, 4 * (3 * 4 + 4 + 4 * 2 + 2));
        let sgd = Need::training(&network, Optimizer::SGD);
        assert!(Need::training(&network, Optimizer::ADAM).gradients > sgd.gradients);
    }

    #[test]
    fn what_is_kept_grows_with_depth_backward_and_not_forward() {
        let values = |depth: usize, backward: bool| {
            let network = open(&format!("mlp(64, 64x{depth}, 10, relu)"));
            Need::run(&network, backward).values
        };
        assert_eq!(values(8, false), values(32, false));
        assert!(values(32, true) > 3 * values(8, true));
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_runs() {
        let mut network = open("mlp(3, 4, 2, relu)");
        let need = Need::check(&network);
        let bytes = need.bytes().unwrap();
        assert!(need.fits(FreeMemory::of(Some(bytes))).is_ok());
        assert!(need.fits(FreeMemory::of(None)).is_ok());
        let error = need.fits(FreeMemory::of(Some(bytes - 1)));
        let error = error.unwrap_err().to_string();
        for words in ["does not fit into memory", "are free", "--batch"] {
            assert!(error.contains(words), "{error}");
        }
        for shape in [vec![1 << 40, 1 << 40], vec![usize::MAX, 2]] {
            network.values[0].shape = Some(shape);
            let error = Need::run(&network, true).fits(FreeMemory::of(None));
            let error = error.unwrap_err().to_string();
            assert!(
                error.contains("more memory than any machine has"),
                "{error}"
            );
        }
    }
}
