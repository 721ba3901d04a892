//! What each parameter is for, read off the graph around it.
//!
//! One matcher per idea, each in a file of its own: linear layers and biases, convolutions,
//! embeddings, recurrent layers, normalizations, attention, gates, residual branches, the output
//! head, activations. Before them the graph is prepared once: which values depend on the input,
//! which operations spell out an activation or a norm, which sums add to a residual stream.
//! [`assign`] asks them all; each answer says why.

pub mod activation;
mod assign;
mod attention;
mod embedding;
mod forget;
mod gate;
mod head;
pub(crate) mod layout;
mod linear;
mod normalization;
pub(crate) mod op;
pub(crate) mod reading;
mod recurrent;
mod residual;
mod slope;
mod spelled;
pub(crate) mod study;
mod survey;
mod uses;
pub(crate) mod view;
pub(crate) mod walk;

pub use assign::assign;
pub use fanin_graph::{Feeds, Purpose, RecurrentKind, Role};

#[cfg(test)]
mod tests;
