//! What a rule is.

use fanin_network::{Node, ValueId};

use super::Context;
use super::back::{Arrival, Back};
use super::map::Map;
use crate::signal::Signal;

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
    fn map(&self, _context: &Context<'_>, _node: &Node) -> Option<Map> {
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
