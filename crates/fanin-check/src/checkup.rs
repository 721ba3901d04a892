//! The result of a check.

use fanin_network::Network;
use fanin_run::Trace;
use fanin_theory::Prediction;
use fanin_theory::criticality::{PhaseDiagram, phase_diagram};
use serde::Serialize;

use crate::measured::measured;
use crate::{Finding, Repeats, Verdict};

/// All of it: what was predicted, what was measured, what follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkup {
    /// The model as the user named it.
    pub model: String,
    /// The seed of weights and inputs.
    pub seed: u64,
    /// What follows from the findings.
    pub verdict: Verdict,
    /// Departures from what is expected, gravest first.
    pub findings: Vec<Finding>,
    /// What was measured.
    pub trace: Trace,
    /// What was expected.
    pub prediction: Prediction,
    /// One row per observed value: measurement and expectation side by side.
    pub values: Vec<ValueRow>,
    /// One row per parameter.
    pub parameters: Vec<ParameterRow>,
    /// What other seeds say, if they were asked.
    pub repeats: Option<Repeats>,
    /// What was changed before this check, and what the check before said, if it was a second one.
    pub fixed: Option<Fixed>,
}

/// Changes that were made to the weights before they were checked again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fixed {
    /// In what way.
    pub how: String,
    /// The changes, one per parameter.
    pub changes: Vec<Change>,
    /// The verdict before.
    pub verdict_before: Verdict,
    /// The findings before.
    pub findings_before: Vec<Finding>,
    /// The values before, in the order of [`Checkup::values`].
    pub values_before: Vec<ValueRow>,
    /// What other seeds said before, if they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats_before: Option<Repeats>,
}

/// One change that was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The parameter.
    pub parameter: String,
    /// What it was filled with anew.
    pub initializer: Option<String>,
    /// What it was multiplied by.
    pub factor: Option<f64>,
}

impl Checkup {
    /// The exit status a command should end with: 1 if there is an error-level finding, else 0.
    pub fn exit_status(&self) -> i32 {
        i32::from(self.verdict == Verdict::Faulty)
    }

    /// Where the network's chains of layers lie between order and chaos, with the weights that were
    /// checked; worked out anew at every call.
    pub fn phase_diagram(&self, network: &Network) -> PhaseDiagram {
        phase_diagram(network, &measured(&self.trace, false))
    }
}

/// A value's measurement and expectation side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueRow {
    /// The node that put it out.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// The value's name.
    pub value: String,
    /// Forward.
    pub forward: ForwardRow,
    /// Backward, where a gradient reaches.
    pub backward: Option<BackwardRow>,
}

/// The forward half of a [`ValueRow`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForwardRow {
    /// Mean over all elements.
    pub mean: f64,
    /// Root of the mean square.
    pub rms: f64,
    /// Share of exact zeros.
    pub zero_fraction: f64,
    /// Share in the flat part of the operator.
    pub saturated_fraction: Option<f64>,
    /// Mean cosine between samples.
    pub sample_cosine: Option<f64>,
    /// Expected root of the mean square.
    pub predicted_rms: Option<f64>,
    /// What luck alone would leave.
    pub band: Option<[f64; 2]>,
}

/// The backward half of a [`ValueRow`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackwardRow {
    /// Root of the mean square of the gradient.
    pub rms: f64,
    /// The expected one.
    pub predicted_rms: Option<f64>,
    /// What luck alone would leave.
    pub band: Option<[f64; 2]>,
}

/// A parameter's initializer and what was measured of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterRow {
    /// Its name.
    pub name: String,
    /// Size of each axis.
    pub shape: Vec<usize>,
    /// What it was filled with; `None` for weights that came from elsewhere.
    pub initializer: Option<String>,
    /// Root of the mean square of the weights.
    pub rms: f64,
    /// Root of the mean square of the gradient.
    pub gradient_rms: Option<f64>,
}
