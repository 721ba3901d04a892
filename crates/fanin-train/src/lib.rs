//! What a start is worth: the same network trained for a short while from several starts.
//!
//! [`Form::of`] says what a network takes and gives; a [`Task`] that suits it makes a [`Dataset`], from
//! a seed and without files; [`compare()`] trains from each [`Start`] at a learning rate of its own
//! choosing and tells the outcome.
//!
//! This is a crate beside `fanin-run` and not a part of it: a step of training needs the tape and
//! the operators, so it lives there (`fanin_run::train`); tasks, sweeps and verdicts need neither,
//! and they know plans, which `fanin-run` does not.

mod compare;
mod comparison;
mod data;
mod dataset;
mod error;
mod form;
pub mod lesson;
mod outcome;
mod random;
mod start;
mod sweep;
mod task;

pub use compare::{Rate, Settings, compare};
pub use comparison::{Comparison, Run, StartResult, Tried};
pub use data::Sample;
pub use dataset::{Batches, Dataset, Samples};
pub use error::TrainError;
pub use form::{Form, Input, Output};
pub use lesson::Lesson;
pub use outcome::{Course, Judgement, Outcome, judge};
pub use start::Start;
pub use task::Task;
