//! What was observed in one forward and backward run.

use serde::Serialize;

use crate::Histogram;

/// What was observed at every value and parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// Every floating value that a node put out, in the order of execution.
    pub values: Vec<Observation>,
    /// Every parameter, in the network's order.
    pub parameters: Vec<ParameterObservation>,
    /// The graph's floating inputs.
    pub inputs: Vec<Observation>,
    /// The first floating output, the one the cotangent was given at.
    pub output: OutputObservation,
    /// Samples: the size of the batch axis of the first input.
    pub batch: usize,
}

/// What was observed at one value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Observation {
    /// Name of the node that put it out (of the input itself for inputs).
    pub node: String,
    /// Operator of that node; `Input` for inputs.
    pub op: String,
    /// Name of the value.
    pub value: String,
    /// Size of each axis.
    pub shape: Vec<usize>,
    /// Going forward.
    pub forward: Forward,
    /// Coming back; `None` where no gradient reaches.
    pub backward: Option<Backward>,
}

/// Statistics of a value. Sums are taken in f64; NaN and infinities are counted and left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forward {
    /// Mean over all elements.
    pub mean: f64,
    /// Root of the mean square over all elements.
    pub rms: f64,
    /// Largest magnitude.
    pub max_abs: f64,
    /// Share of elements that are exactly zero.
    pub zero_fraction: f64,
    /// Share of elements in the flat part of the operator, for those that have one (tanh, sigmoid,
    /// hard variants, clip): where the derivative is under 5.91 % of its largest (|tanh| > 0.97).
    pub saturated_fraction: Option<f64>,
    /// Mean over pairs of samples of the cosine between them; `None` for a batch of one.
    pub sample_cosine: Option<f64>,
    /// Share of units (last axis, or axis 1 of maps) that are zero in every sample and place, for
    /// operators that make exact zeros.
    pub dead_units: Option<f64>,
    /// Elements that are NaN or infinite.
    pub non_finite: u64,
    /// How the elements are distributed; `None` where all are zero.
    pub histogram: Option<Histogram>,
}

/// Statistics of the gradient at a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Backward {
    /// Root of the mean square over all elements.
    pub rms: f64,
    /// Elements that are NaN or infinite.
    pub non_finite: u64,
    /// How the elements are distributed; `None` where all are zero.
    pub histogram: Option<Histogram>,
}

/// What was observed at one parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterObservation {
    /// Its name.
    pub name: String,
    /// Size of each axis.
    pub shape: Vec<usize>,
    /// Mean of the weights.
    pub mean: f64,
    /// Root of their mean square.
    pub rms: f64,
    /// Smallest and largest weight.
    pub range: (f64, f64),
    /// Weights that are NaN or infinite.
    pub non_finite: u64,
    /// Root of the mean square of the gradient; `None` where no gradient reaches.
    pub gradient_rms: Option<f64>,
    /// Elements of the gradient that are NaN or infinite.
    pub gradient_non_finite: u64,
    /// Output units of a weight with at least two of them; `None` for vectors and scalars.
    pub units: Option<Units>,
}

/// How many of a weight's output units differ from each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Units {
    /// Output units.
    pub count: usize,
    /// Units whose incoming weights differ in at least one bit from every earlier unit's.
    pub distinct_weights: usize,
    /// The same of the gradient's rows; `None` where no gradient reaches.
    pub distinct_gradients: Option<usize>,
    /// Units whose row of the gradient is zero everywhere; `None` where no gradient reaches.
    pub still_gradients: Option<usize>,
}

/// What was observed at the output.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OutputObservation {
    /// Name of the value.
    pub value: String,
    /// Size of each axis.
    pub shape: Vec<usize>,
    /// Root of the mean square.
    pub rms: f64,
    /// Mean cross entropy of the output read as logits along its last axis (axis 1 of maps) against
    /// uniformly drawn classes; `None` where the output is no plausible vector of logits.
    pub initial_loss: Option<f64>,
}
