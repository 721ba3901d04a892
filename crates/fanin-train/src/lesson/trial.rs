//! What a lesson shows of one network: the trainings, the numbers measured, what they say.

use serde::Serialize;

use super::words;
use crate::Comparison;

/// One network trained from several starts, and what that shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// What is tried, in one line.
    pub title: String,
    /// The network, as `fanin` takes it on the command line.
    pub model: String,
    /// What each start is, in the order of the comparison.
    pub starts: Vec<&'static str>,
    /// The trainings.
    pub comparison: Comparison,
    /// The numbers that were measured, a row each.
    pub figures: Vec<Figure>,
    /// What they show, a paragraph each.
    pub seen: Vec<String>,
}

/// A quantity measured for each start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// How to print it.
    pub kind: Kind,
    /// One per start, in their order; `None` where there is none, or none yet.
    pub values: Vec<Option<f64>>,
}

/// How a figure is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A size, over many decades.
    Size,
    /// A loss.
    Loss,
    /// A share of one, printed in percent.
    Share,
    /// A whole number.
    Count,
}

impl Figure {
    /// The value of one start as people read it; a dash where there is none.
    pub fn print(&self, start: usize) -> String {
        let Some(value) = self.values.get(start).copied().flatten() else {
            return "–".to_owned();
        };
        match self.kind {
            Kind::Size => words::size(value),
            Kind::Loss => words::loss(value),
            Kind::Share => words::share(value),
            Kind::Count => format!("{value:.0}"),
        }
    }
}
