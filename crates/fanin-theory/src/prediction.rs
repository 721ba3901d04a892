//! What theory expects at each value.

use serde::Serialize;

/// What theory expects of a whole network: one entry per node output, by the value's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Prediction {
    /// Entries in the order of execution.
    pub values: Vec<Expected>,
}

/// What theory expects at one value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// Name of the value.
    pub value: String,
    /// Root of the mean square, with its band; `None` where theory has no rule.
    pub forward: Option<Band>,
    /// The same of the gradient.
    pub backward: Option<Band>,
    /// Mean over pairs of samples of the cosine between them, with its band; `None` where theory has
    /// no rule for it, where the value does not count samples along its first axis, and for a batch
    /// of one.
    pub cosine: Option<CosineBand>,
    /// Where the forward prediction starts: the value whose *measurement* it builds on, the input
    /// for a network of which every operation has a rule.
    pub since: Option<String>,
}

/// An expected cosine between samples and the interval that luck alone leaves in all but about 1
/// of 1,000 draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CosineBand {
    /// Expected cosine.
    pub cosine: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// An expected root mean square and the interval that luck alone leaves in all but about 1 of
/// 1,000 draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Band {
    /// Expected root mean square.
    pub rms: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Band {
    /// The root mean square of a usual draw: the middle of the band, as a log.
    ///
    /// It is under [`Band::rms`], the root of the *mean* square over draws, where luck is large: with
    /// β the variance of the log second moment, by the factor e^(−β/4).
    pub fn typical(&self) -> f64 {
        (self.low * self.high).max(0.0).sqrt()
    }
}
