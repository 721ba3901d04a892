//! Values on burn's tape, and how an operation of fanin's own gets onto it.
//!
//! burn-autodiff runs the backward step of each operation exactly once, after those of everything
//! that used its result, with the sum of their gradients. One custom step, [`Step`], serves every
//! operation here: it holds a closure from the gradient at the output to the gradients at the
//! inputs, which keeps only what that closure captures.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn_backend::AutodiffBackend;
use burn_backend::tensor::FloatTensor;
use burn_flex::Flex;

use crate::array::{Array, dims, full};

/// An f32 array on the tape.
#[derive(Clone, Debug)]
pub(crate) struct Var(FloatTensor<Autodiff<Flex>>);

/// Gradients at the inputs, in their order; `None` where none flows.
pub(crate) type Cotangents = Vec<Option<Array>>;

type Pullback = dyn Fn(Array, &[bool]) -> Cotangents + Send + Sync;

/// A pullback until it has run or the run has ended.
type Slot = Mutex<Option<Box<Pullback>>>;

thread_local! {
    /// The slots of the run on this thread.
    static SLOTS: RefCell<Vec<Weak<Slot>>> = const { RefCell::new(Vec::new()) };
}

/// Frees what the operations recorded on this thread still hold.
///
/// Burn keeps the steps that no backward pass has consumed (branches that do not reach the loss,
/// all of them after an error) in a table of its own for as long as the process lives; without this
/// it would keep their arrays too.
pub(crate) fn release() {
    let slots = SLOTS.with(|slots| std::mem::take(&mut *slots.borrow_mut()));
    for slot in slots.iter().filter_map(Weak::upgrade) {
        if let Ok(mut pullback) = slot.lock() {
            *pullback = None;
        }
    }
}

impl Var {
    /// A value no gradient is wanted of.
    pub(crate) fn constant(a: Array) -> Self {
        Self(<Autodiff<Flex> as AutodiffBackend>::from_inner(a))
    }

    /// A leaf whose gradient is wanted.
    pub(crate) fn leaf(a: Array) -> Self {
        Self(Self::constant(a).0.require_grad())
    }

    /// The elements.
    pub(crate) fn array(&self) -> &Array {
        self.0.primitive()
    }

    /// Size of each axis.
    pub(crate) fn dims(&self) -> Vec<usize> {
        dims(self.array())
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.array().layout().num_elements()
    }

    /// Whether a gradient can come back to it.
    pub(crate) fn tracked(&self) -> bool {
        self.0.is_tracked()
    }

    /// Runs the tape backward from this value with a gradient of ones.
    pub(crate) fn backward(self) {
        drop(self.0.backward());
    }
}

/// The result of an operation of fanin's own.
///
/// `pullback` gets the gradient at the output and, per input, whether its gradient is wanted.
pub(crate) fn record(
    inputs: &[&Var],
    output: Array,
    pullback: impl Fn(Array, &[bool]) -> Cotangents + Send + Sync + 'static,
) -> Var {
    // Nothing comes back through a value without elements.
    if output.layout().num_elements() == 0 {
        return Var::constant(output);
    }
    relay(inputs, output, pullback)
}

/// The same for a place of the tape that has no elements and passes gradients on all the same, by other
/// ways: what several operations share that are one.
pub(crate) fn relay(
    inputs: &[&Var],
    output: Array,
    pullback: impl Fn(Array, &[bool]) -> Cotangents + Send + Sync + 'static,
) -> Var {
    let wanted: Vec<bool> = inputs.iter().map(|v| v.tracked()).collect();
    let guards: Vec<NodeGuard> = inputs
        .iter()
        .filter(|v| v.tracked())
        .map(|v| v.0.node())
        .collect();
    if guards.is_empty() {
        return Var::constant(output);
    }
    let state = State {
        wanted,
        shapes: inputs.iter().map(|v| v.dims()).collect(),
        pullback: Arc::new(Mutex::new(Some(Box::new(pullback)))),
    };
    SLOTS.with(|slots| slots.borrow_mut().push(Arc::downgrade(&state.pullback)));
    // The number of parents is part of the step's type; spare places take untracked dummies.
    match guards.len() {
        1 => step::<1>(guards, state, output),
        2 => step::<2>(guards, state, output),
        3 => step::<3>(guards, state, output),
        4..=8 => step::<8>(guards, state, output),
        9..=64 => step::<64>(guards, state, output),
        _ => step::<{ MAX_INPUTS }>(guards, state, output),
    }
}

/// The most tracked inputs one operation can have; [`crate::kernel::shape::concat`] splits above it.
pub(crate) const MAX_INPUTS: usize = 512;

fn step<const N: usize>(guards: Vec<NodeGuard>, state: State, output: Array) -> Var {
    let mut guards = guards.into_iter();
    let nodes: [NodeGuard; N] = std::array::from_fn(|_| {
        guards.next().unwrap_or_else(|| {
            Var::constant(crate::array::array(&[0], Vec::new()))
                .0
                .node()
        })
    });
    match Step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => Var(prepared.finish(state, output)),
        OpsKind::UnTracked(prepared) => Var(prepared.finish(output)),
    }
}

#[derive(Debug)]
struct Step;

#[derive(Clone)]
struct State {
    wanted: Vec<bool>,
    shapes: Vec<Vec<usize>>,
    pullback: Arc<Slot>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl<const N: usize> Backward<Flex, N> for Step {
    type State = State;

    fn backward(self, ops: Ops<State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        // Taken out, so that what it holds is freed as soon as it has run.
        let pullback = ops.state.pullback.lock().ok().and_then(|mut p| p.take());
        let mut cotangents = pullback
            .map(|p| p(gradient, &ops.state.wanted))
            .unwrap_or_default();
        cotangents.resize(ops.state.wanted.len(), None);
        // Only tracked inputs have a parent, in the inputs' order.
        let tracked = cotangents
            .into_iter()
            .zip(&ops.state.shapes)
            .zip(&ops.state.wanted)
            .filter(|&(_, &wanted)| wanted);
        for (parent, ((cotangent, shape), _)) in ops.parents.into_iter().flatten().zip(tracked) {
            // A parent's own step runs in any case and asks for its gradient: none is zero.
            let cotangent = cotangent.unwrap_or_else(|| full(shape, 0.0));
            debug_assert_eq!(&dims(&cotangent), shape);
            grads.register::<Flex>(parent.id, cotangent);
        }
    }
}
