//! What follows from the findings.

use serde::Serialize;

use crate::{Finding, Severity};

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
    /// What follows from findings.
    pub(crate) fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Error) => Self::Faulty,
            Some(Severity::Warning) => Self::Doubtful,
            Some(Severity::Note) | None => Self::Healthy,
        }
    }

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
