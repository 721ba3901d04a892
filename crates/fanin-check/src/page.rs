//! A page that explains a rule.

use std::fmt;

use crate::Code;

/// What a rule looks for and what to do about it: the page of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// A short name.
    pub title: &'static str,
    /// What the rule found when it fires.
    pub what: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// What is measured, and against which expectation.
    pub judged: &'static str,
    /// What to change.
    pub fix: &'static str,
    /// Where the theory comes from.
    pub reference: &'static str,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.title)?;
        for (heading, text) in [
            ("What it found", self.what),
            ("Why it matters", self.why),
            ("How it is judged", self.judged),
            ("How to mend it", self.fix),
            ("Reference", self.reference),
        ] {
            write!(f, "\n\n{heading}\n{text}")?;
        }
        Ok(())
    }
}
