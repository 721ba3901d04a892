//! What a rule says of a run.

use fanin::Initializer;
use serde::{Serialize, Serializer};

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
