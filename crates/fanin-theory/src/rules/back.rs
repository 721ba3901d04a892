//! How a rule hands a gradient back.

use std::rc::Rc;

use fanin_network::{Node, ValueId};

use super::Context;
use crate::band::layer_variance;
use crate::signal::{Profile, Signal};

/// A gradient at some value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    /// Mean square.
    pub(crate) second: f64,
    /// Mean product at two places of one sample (of scores: two queries, one key) over that.
    pub(crate) alike: Option<f64>,
    /// The same at places of two samples, in the mean over all pairs of places.
    pub(crate) across: f64,
    /// Along the sequence (of scores: of the queries).
    pub(crate) profile: Option<Profile>,
    /// What only scores have.
    pub(crate) scored: Option<Rc<Scored>>,
    /// Variance of the log of the mean square that this step leaves to luck.
    pub(crate) luck: f64,
    /// Mean products at two steps of a recurrent layer over the mean square.
    pub(crate) steps: Option<Rc<[Vec<f64>]>>,
}

impl Flow {
    /// Of places nothing is known.
    pub(crate) fn of(second: f64) -> Self {
        Self {
            second,
            ..Self::default()
        }
    }
}

/// What is known of a gradient at scores.
#[derive(Debug)]
pub(crate) struct Scored {
    /// Its profile along the keys.
    pub(crate) keys: Option<Profile>,
    /// (tr J)² over ‖J‖², in the mean over rows.
    pub(crate) trace: f64,
    /// Variance of the scores over d E q².
    pub(crate) tilt: f64,
}

/// What a gradient at a normalization's output has in common with the output y: mean products of
/// δ ŷ, ŷ the standardized y, over E[δ²].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Along {
    /// Of an element with itself.
    pub(crate) own: f64,
    /// Of two places of one sample.
    pub(crate) pairs: f64,
    /// Of places of two samples.
    pub(crate) across: f64,
}

/// A gradient that has arrived at an output of a node and is wanted at an input.
pub(crate) struct Arrival<'a> {
    /// What rules may look at.
    pub(crate) context: &'a Context<'a>,
    /// The node.
    pub(crate) node: &'a Node,
    /// The input.
    pub(crate) slot: usize,
    /// The signal at the input.
    pub(crate) signal: &'a Signal,
    /// The output.
    pub(crate) output: ValueId,
    /// The signal at the output.
    pub(crate) out: &'a Signal,
    /// The gradient at the output.
    pub(crate) flow: Flow,
    /// What it has in common with the output, where that is a batch norm's.
    pub(crate) along: Option<Along>,
    /// Elements of the output over those of the input, where both sizes are known.
    pub(crate) ratio: Option<f64>,
    /// Variance of the log second moment of the gradient at the output.
    pub(crate) variance: f64,
    /// Units at the input.
    pub(crate) width: f64,
    /// The gradient at another value that has been seen whole, and its variance.
    pub(crate) other: &'a dyn Fn(ValueId) -> Option<(Flow, f64)>,
}

/// The gradient at an input.
pub(crate) enum Back {
    /// That at the output.
    Same,
    /// That at the output, times a function of the value's base at its nodes.
    Times(Rc<[f64]>),
    /// A Gaussian gradient of its own, and what of its variance layers after this one have left.
    Gaussian(Flow, f64),
    /// One whose mean square goes by the value's base, at its nodes; the second number as before.
    Uneven(Vec<f64>, f64),
}

impl Arrival<'_> {
    /// A Gaussian gradient after no random weights.
    pub(crate) fn gaussian(&self, flow: Flow) -> Back {
        Back::Gaussian(flow, self.plain())
    }

    /// A Gaussian gradient after random weights.
    pub(crate) fn through_weights(&self, flow: Flow) -> Back {
        Back::Gaussian(flow, self.variance)
    }

    /// What is inherited where no random weights are in between.
    pub(crate) fn plain(&self) -> f64 {
        self.inherited(self.variance)
    }

    /// What is inherited of a variance where no random weights are in between.
    pub(crate) fn inherited(&self, variance: f64) -> f64 {
        variance - layer_variance(3.0, self.width)
    }

    /// The gradient at the output, its mean square times a factor.
    pub(crate) fn times(&self, factor: f64) -> Flow {
        Flow {
            second: self.flow.second * factor,
            ..self.flow.clone()
        }
    }

    /// The signal at another input.
    pub(crate) fn signal_at(&self, slot: usize) -> Option<&Signal> {
        self.context.signal(self.node, slot)
    }
}
