//! One checkup, three ways to read it: a terminal table, JSON, and one self-contained HTML page.
//!
//! A [`Report`] borrows what a check produced; [`Report::terminal`], [`Report::json`] and
//! [`Report::html`] each render it. A [`ComparisonReport`] and a [`LessonReport`] do the same for
//! trainings. Nothing here measures or judges.

mod chart;
mod comparison;
mod html;
mod json;
mod layers;
mod markup;
mod number;
mod page;
mod sarif;
mod stages;
mod terminal;

pub use comparison::{ComparisonReport, LessonReport};

use fanin_check::Checkup;
use fanin_network::Network;
use fanin_plan::Plan;

/// Everything a report shows.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The network that was checked.
    pub network: &'a Network,
    /// The plan it was filled from; `None` for weights that came from elsewhere.
    pub plan: Option<&'a Plan>,
    /// What was measured and what follows.
    pub checkup: &'a Checkup,
}

impl Report<'_> {
    /// A summary, a line per stage, one row per layer, and the findings, at most 100 columns wide, with ANSI colours
    /// (strip them where the terminal has none). At most `rows` layers are listed; those that a
    /// finding blames always are. What other seeds say comes last, where they were asked.
    pub fn terminal(&self, rows: usize) -> String {
        terminal::render(self, rows)
    }

    /// What was changed before this check, and at most `rows` layers before and after it: what the
    /// terminal shows of a fix. Empty where nothing was changed.
    pub fn changes(&self, rows: usize) -> String {
        terminal::changes(self, rows)
    }

    /// The checkup as JSON, pretty-printed, with a final newline.
    pub fn json(&self) -> String {
        json::render(self)
    }

    /// The findings as SARIF 2.1.0, for annotations in code review.
    pub fn sarif(&self) -> String {
        sarif::render(self)
    }

    /// One HTML page that needs no other file and no network.
    pub fn html(&self) -> String {
        html::render(self)
    }
}
