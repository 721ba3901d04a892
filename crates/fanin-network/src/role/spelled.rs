//! Activations and norms that were found in the graph, as operators or spelled out of several.

use fanin::Activation;

use crate::{NodeId, ValueId};

/// An activation found in the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognized {
    /// Which one.
    pub activation: Activation,
    /// The value that comes out of it.
    pub output: ValueId,
    /// The nodes that spell it, in the order in which they run.
    pub nodes: Vec<NodeId>,
}

/// A normalization spelled out in primitive operations.
#[derive(Clone, Debug)]
pub(crate) struct Normalized {
    /// The normalized value, before or after a scale that the spelling contains.
    pub(crate) output: ValueId,
    /// The nodes that spell it.
    pub(crate) nodes: Vec<NodeId>,
    /// What to call it.
    pub(crate) name: &'static str,
}
