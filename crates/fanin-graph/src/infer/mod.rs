//! Gives every value its element type and shape, and folds what is known before the run.
//!
//! [`output_shapes`] is the rules alone: one operator, what is known about its inputs, and out come
//! the types and shapes of its outputs. [`infer_and_fold`] goes over a whole network with them,
//! evaluates with [`crate::evaluate`] what has known inputs, and drops the nodes that this makes
//! needless.
//!
//! Free dimensions have their sizes before inference, so a shape is known as a whole or depends on
//! elements (`NonZero`) or on an operator without a rule.

mod network;
mod operands;
mod prune;
mod rules;
mod sequence;
#[cfg(test)]
pub(crate) mod testing;

pub use network::infer_and_fold;
pub use operands::{Inferred, Operand, Operands};
pub use rules::{has_rule, output_shapes};

pub(crate) use operands::{Found, known, same};
