//! The result of a check.

use fanin::Initializer;
use fanin_network::Network;
use fanin_run::Trace;
use fanin_theory::Prediction;
use fanin_theory::criticality::{PhaseDiagram, phase_diagram};
use serde::{Serialize, Serializer};

use crate::repeat::Repeats;

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
        phase_diagram(network, &crate::check::measured(&self.trace, false))
    }
}

impl Verdict {
    /// What follows from findings.
    pub(crate) fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Error) => Self::Faulty,
            Some(Severity::Warning) => Self::Doubtful,
            Some(Severity::Note) | None => Self::Healthy,
        }
    }
}

/// Whether training will start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing stands in the way.
    Healthy,
    /// It may train, slowly (a warning).
    Doubtful,
    /// It is at risk not to train (an error).
    Faulty,
}

impl Verdict {
    /// The word for it, as JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Doubtful => "doubtful",
            Self::Faulty => "faulty",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Training is slowed.
    Warning,
    /// Training is at risk.
    Error,
}

impl Severity {
    /// The word for it, as JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The stable code of a rule, printed as `F101`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "F{}", self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A rule's verdict on the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which rule.
    pub code: Code,
    /// How grave.
    pub severity: Severity,
    /// The node it blames.
    pub node: String,
    /// The parameter it blames, if one is to blame.
    pub parameter: Option<String>,
    /// One sentence: what departs from what, and why.
    pub message: String,
    /// The numbers.
    pub evidence: Evidence,
    /// The change that mends it, where one does.
    pub fix: Option<Fix>,
    /// The same change at other parameters, where the fault is spread over several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_fixes: Vec<Fix>,
}

/// The numbers behind a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// What was measured.
    pub measured: f64,
    /// What was expected.
    pub expected: f64,
    /// What luck alone would leave.
    pub band: [f64; 2],
    /// How the change splits over the layers: the logs add up to that of the whole change, exactly.
    /// Empty where nothing is split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
}

impl Evidence {
    /// A measurement, its expectation and the band that luck alone would leave; no shares.
    pub fn new(measured: f64, expected: f64, band: [f64; 2]) -> Self {
        Self {
            measured,
            expected,
            band,
            shares: Vec::new(),
        }
    }

    /// A measurement of what is known exactly.
    pub fn exact(measured: f64, expected: f64) -> Self {
        Self::new(measured, expected, [expected, expected])
    }
}

/// What one layer contributes to a change of scale.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The node at which the layer begins.
    pub node: String,
    /// Its weight, if it has one.
    pub parameter: Option<String>,
    /// Natural log of the factor by which the layer changes the root mean square.
    pub log_change: f64,
}

/// A change of one parameter's initializer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fix {
    /// The parameter.
    pub parameter: String,
    /// What it should get.
    #[serde(serialize_with = "as_text")]
    pub initializer: Initializer,
    /// Why this mends it.
    pub why: String,
}

fn as_text<S: Serializer>(initializer: &Initializer, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(initializer)
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
