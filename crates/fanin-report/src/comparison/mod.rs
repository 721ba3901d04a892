//! A comparison of starts, and a lesson, three ways to read each: terminal, JSON, HTML.

mod curve;
mod html;
mod json;
mod layers;
mod lesson;
mod sentence;
mod terminal;

use fanin_check::Verdict;
use fanin_train::lesson::{Demonstration, Trial};
use fanin_train::{Comparison, Outcome};

pub use lesson::LessonReport;

/// Everything that the report of a comparison shows.
#[derive(Clone, Copy, Debug)]
pub struct ComparisonReport<'a> {
    /// The model as the user named it.
    pub model: &'a str,
    /// The first seed.
    pub seed: u64,
    /// What the trainings came to.
    pub comparison: &'a Comparison,
    /// What a check said of each start before it was trained, in their order; empty where nobody
    /// checked.
    pub checks: &'a [Verdict],
}

impl<'a> ComparisonReport<'a> {
    /// The report of one trial of a lesson.
    fn of(shown: &'a Demonstration, trial: &'a Trial) -> Self {
        Self {
            model: &trial.model,
            seed: shown.seed,
            comparison: &trial.comparison,
            checks: &[],
        }
    }

    /// A table with a curve per start, and what the layers did, at most 100 columns wide.
    pub fn terminal(&self) -> String {
        terminal::render(self)
    }

    /// The comparison as JSON, with a final newline.
    pub fn json(&self) -> String {
        let mut text = json::document(self).to_string();
        text.push('\n');
        text
    }

    /// One HTML page that needs no other file and no network.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// The verdict of the check of one start.
    fn check(&self, start: usize) -> Option<Verdict> {
        self.checks.get(start).copied()
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Trains => "trains",
        Outcome::Slow => "slow",
        Outcome::Fails => "fails",
        Outcome::TooEarly => "too early",
    }
}

/// A loss as people read it: `0.424`, `2.1e8`, `∞` where numbers ran away.
fn loss(x: f64) -> String {
    if x.is_infinite() || x.is_nan() {
        "∞".to_owned()
    } else if x.abs() < 1000.0 {
        format!("{x:.3}")
    } else {
        format!("{x:.1e}")
    }
}

/// The upper end of loss curves: a little above an answer that does not look at the input.
fn top(comparison: &Comparison) -> f64 {
    1.2 * comparison.chance
}
