//! What a prediction may know of a run.

use std::collections::BTreeMap;

/// What a prediction may know of a run: where signals start, and how large the parameters are.
///
/// A [`predict`](crate::predict)ion builds on the moments of the graph's inputs and of the
/// parameters. Moments of other values are used only where theory has no rule, to start again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Moments of every floating value, inputs included, by the value's name.
    pub values: BTreeMap<String, Moments>,
    /// Root mean square of the gradient at every value that one reaches, by the value's name.
    pub gradients: BTreeMap<String, f64>,
    /// Moments of every parameter, by its name.
    pub parameters: BTreeMap<String, Moments>,
    /// Name of the value at which the gradient was given.
    pub output: Option<String>,
    /// Whether the inputs were drawn as a run without data draws them: every element of floats
    /// independent, ids uniform. Then places of one sample are known to have nothing in common at
    /// the start; of a user's data that is not known, and rules that need it (pooling, attention)
    /// start from the measurement.
    pub drawn: bool,
}

/// The moments of one tensor over all of its elements.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: f64,
    /// Root of the mean square.
    pub rms: f64,
    /// Mean over pairs of samples of the cosine between them, where there are at least two.
    pub sample_cosine: Option<f64>,
}

impl Moments {
    /// Moments of a tensor of which only mean and root mean square are known.
    pub fn new(mean: f64, rms: f64) -> Self {
        Self {
            mean,
            rms,
            sample_cosine: None,
        }
    }
}
