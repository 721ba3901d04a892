//! The tape: values that know how their gradient comes back.
//!
//! Every operation that a gradient passes is one step: a closure from the gradient at its output to the
//! gradients at its inputs, which keeps only what it captures. Steps are numbered as they are recorded and
//! run backward from the last to the first, each exactly once, with the sum of the gradients of all that
//! used its output; a step is freed as soon as it has run. Whoever runs the tape sees the gradients at the
//! places that were marked, each when it is complete. What the values that are still held do not
//! lead to is freed with them, so that nothing waits for a backward pass that never comes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::array::{Array, Layout, dims, full};
use crate::kernel::map::sum;

/// An f32 array on the tape.
#[derive(Clone, Debug)]
pub(crate) struct Var {
    array: Array,
    /// Where its gradient goes; `None` where none is wanted.
    node: Option<Arc<Node>>,
}

/// Gradients at the inputs, in their order; `None` where none flows.
pub(crate) type Cotangents = Vec<Option<Array>>;

type Pullback = dyn FnOnce(Array, &[bool]) -> Cotangents + Send;

/// A place whose gradient is looked at; whoever marks places numbers them.
pub(crate) type Place = usize;

/// A step of the tape.
struct Node {
    /// Later steps have larger numbers.
    number: u64,
    /// The step that made each input and the input's layout; `None` where no gradient is wanted.
    inputs: Vec<Option<(Arc<Node>, Arc<Layout>)>>,
    /// Until it has run; `None` where the gradient goes on as it is, or ends.
    pullback: Mutex<Option<Box<Pullback>>>,
    /// Where the gradient is looked at.
    place: Option<Place>,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Node {
    fn new(
        inputs: Vec<Option<(Arc<Self>, Arc<Layout>)>>,
        pullback: Option<Box<Pullback>>,
        place: Option<Place>,
    ) -> Arc<Self> {
        Arc::new(Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            inputs,
            pullback: Mutex::new(pullback),
            place,
        })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.number)
    }
}

impl Drop for Node {
    /// Frees what only this step leads to, one after the other: chains are as long as the network is deep.
    fn drop(&mut self) {
        let mut open = std::mem::take(&mut self.inputs);
        while let Some(input) = open.pop() {
            if let Some(mut node) = input.and_then(|(node, _)| Arc::into_inner(node)) {
                open.append(&mut node.inputs);
            }
        }
    }
}

impl Var {
    /// A value no gradient is wanted of.
    pub(crate) fn constant(array: Array) -> Self {
        Self { array, node: None }
    }

    /// A value whose gradient ends at this place.
    pub(crate) fn leaf(array: Array, place: Place) -> Self {
        Self {
            array,
            node: Some(Node::new(Vec::new(), None, Some(place))),
        }
    }

    /// The same value with its gradient looked at on its way back; as it is where none is wanted.
    pub(crate) fn watched(self, place: Place) -> Self {
        let Self { array, node } = self;
        let node = node.map(|node| {
            let input = Some((node, Arc::clone(array.layout())));
            Node::new(vec![input], None, Some(place))
        });
        Self { array, node }
    }

    /// The elements.
    pub(crate) fn array(&self) -> &Array {
        &self.array
    }

    /// Its elements, and a value of the same place on the tape that holds none: for an operation that is to
    /// write over them.
    pub(crate) fn take(self) -> (Self, Array) {
        let nothing = Array::like(&self.array);
        let place = Self {
            array: nothing,
            node: self.node,
        };
        (place, self.array)
    }

    /// The value at this place of the tape with these elements, as [`Self::take`] took them.
    pub(crate) fn with(self, array: Array) -> Self {
        Self { array, ..self }
    }

    /// Size of each axis.
    pub(crate) fn dims(&self) -> Vec<usize> {
        dims(&self.array)
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.array.len()
    }

    /// Whether a gradient can come back to it.
    pub(crate) fn tracked(&self) -> bool {
        self.node.is_some()
    }

    /// Runs the tape backward from this value, with this gradient at it; `see` gets the gradients at all
    /// places that it comes to.
    pub(crate) fn backward(self, gradient: Array, mut see: impl FnMut(Place, &Array)) {
        let Self { array, node } = self;
        drop(array);
        // The steps that a gradient has come to, and its sum so far. All that use a value were recorded
        // after it: when its number is the largest, its gradient is complete.
        let mut open: BTreeMap<u64, (Arc<Node>, Array)> = BTreeMap::new();
        open.extend(node.map(|node| (node.number, (node, gradient))));
        let mut wanted = Vec::new();
        while let Some((_, (node, gradient))) = open.pop_last() {
            if let Some(place) = node.place {
                see(place, &gradient);
            }
            let pullback = node.pullback.lock().ok().and_then(|mut p| p.take());
            let cotangents = match pullback {
                Some(pullback) => {
                    wanted.clear();
                    wanted.extend(node.inputs.iter().map(Option::is_some));
                    pullback(gradient, &wanted)
                }
                None => vec![Some(gradient)],
            };
            let mut cotangents = cotangents.into_iter();
            for input in &node.inputs {
                let cotangent = cotangents.next().flatten();
                let Some((from, layout)) = input else {
                    continue;
                };
                // What reaches an input is told of it, also where it is nothing.
                let cotangent = cotangent.unwrap_or_else(|| full(&layout.shape, 0.0));
                debug_assert_eq!(cotangent.shape(), layout.shape);
                match open.remove(&from.number) {
                    None => open.insert(from.number, (Arc::clone(from), cotangent)),
                    Some((node, so_far)) => {
                        open.insert(from.number, (node, sum(so_far, cotangent)))
                    }
                };
            }
        }
    }
}

/// The result of an operation.
///
/// `pullback` gets the gradient at the output and, per input, whether its gradient is wanted.
pub(crate) fn record(
    inputs: &[&Var],
    output: Array,
    pullback: impl FnOnce(Array, &[bool]) -> Cotangents + Send + 'static,
) -> Var {
    // Nothing comes back through a value without elements.
    if output.len() == 0 {
        return Var::constant(output);
    }
    relay(inputs, output, pullback)
}

/// The same for a place of the tape that has no elements and passes gradients on all the same, by other
/// ways: what several operations share that are one.
pub(crate) fn relay(
    inputs: &[&Var],
    output: Array,
    pullback: impl FnOnce(Array, &[bool]) -> Cotangents + Send + 'static,
) -> Var {
    if !inputs.iter().any(|v| v.tracked()) {
        return Var::constant(output);
    }
    let inputs = inputs
        .iter()
        .map(|v| Some((Arc::clone(v.node.as_ref()?), Arc::clone(v.array.layout()))))
        .collect();
    Var {
        array: output,
        node: Some(Node::new(inputs, Some(Box::new(pullback)), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Dense, array};

    fn leaf(value: f32, place: Place) -> Var {
        Var::leaf(array(&[1], vec![value]), place)
    }

    /// The gradients at all places that are come to, in the order they are come to.
    fn gradients(of: Var) -> Vec<(Place, f32)> {
        let mut seen = Vec::new();
        of.backward(one(), |place, g| seen.push((place, Dense::new(g)[0])));
        seen
    }

    /// `x + x`.
    fn twice(x: &Var) -> Var {
        let v = Dense::new(x.array())[0];
        record(&[x, x], array(&[1], vec![2.0 * v]), |g, _| {
            vec![Some(g.clone()), Some(g)]
        })
    }

    fn one() -> Array {
        array(&[1], vec![1.0])
    }

    #[test]
    fn a_step_runs_once_with_the_sum_of_its_gradients() {
        // 2^20 ways lead from here to the leaf.
        let y = (0..20).fold(leaf(1.0, 3), |x, _| twice(&x));
        assert_eq!(gradients(y), [(3, 1_048_576.0)]);
    }

    #[test]
    fn a_watched_value_shows_its_whole_gradient_before_what_it_comes_from() {
        let x = twice(&leaf(1.0, 0)).watched(1);
        let (y, z) = (twice(&x), twice(&twice(&x)));
        drop(x);
        let total = record(&[&y, &z], one(), |g, _| vec![Some(g.clone()), Some(g)]);
        drop((y, z));
        assert_eq!(gradients(total), [(1, 6.0), (0, 12.0)]);
        assert!(!Var::constant(one()).watched(2).tracked());
    }

    #[test]
    fn long_chains_need_no_deep_stack() {
        let chain = || {
            let next = |x: Var| record(&[&x], x.array().clone(), |g, _| vec![Some(g)]);
            (0..200_000).fold(leaf(0.0, 0), |x, _| next(x))
        };
        drop(chain());
        assert_eq!(gradients(chain()), [(0, 1.0)]);
    }

    #[test]
    fn what_leads_nowhere_is_freed_at_once() {
        let held = Arc::new(());
        let kept = Arc::clone(&held);
        let y = record(&[&leaf(0.0, 0)], one(), move |g, _| {
            let _ = &kept;
            vec![Some(g)]
        });
        assert_eq!(Arc::strong_count(&held), 2);
        drop(y);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn where_nothing_flows_the_gradient_is_zero() {
        let (x, z) = (leaf(1.0, 0), leaf(2.0, 1));
        let y = record(&[&x, &z, &Var::constant(one())], one(), |g, wanted| {
            assert_eq!(wanted, [true, true, false]);
            vec![Some(g)]
        });
        assert_eq!(gradients(y), [(1, 0.0), (0, 1.0)]);
    }
}
