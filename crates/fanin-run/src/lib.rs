//! What does happen: runs a network forward and backward once and observes every value.
//!
//! [`run`] feeds a [`fanin_network::Network`] with weights and inputs and returns a [`Trace`]:
//! statistics of every floating value and of the gradient that comes back at it, and of every
//! parameter and its gradient. Nothing else is kept: a value lives until its last use, a gradient
//! until it has been measured and handed on.
//!
//! Arithmetic is f32. A tape carries operations, each with its own gradient, so that ONNX's meaning is met
//! exactly and hot loops make one pass. Results are the same bits for any number of threads, and none is
//! needed: where there are no threads all runs on the caller's. Weights are read where they lie
//! ([`WeightSource`]), and arrays take the memory of those that are done with.

mod array;
mod error;
mod feed;
mod guard;
mod histogram;
mod input;
mod interpreter;
mod kernel;
mod lend;
mod memory;
mod observe;
mod op;
mod output;
mod pool;
mod run;
mod source;
mod statistics;
mod stored;
mod tape;
mod trace;
pub mod train;
mod units;
mod value;

pub use error::{RunError, UnknownNode};
pub use fanin_data::Data;
pub use histogram::Histogram;
pub use input::{Use, use_of};
pub use memory::Need;
pub use op::{operators, supports};
pub use output::first_floating;
pub use run::{Progress, RunOptions, evaluate, input_gradients, run};
pub use source::WeightSource;
pub use trace::{
    Backward, Forward, Observation, OutputObservation, ParameterObservation, Trace, Units,
};
