//! What is always the same of a lesson.

use serde::Serialize;

/// The part of a lesson that does not depend on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// What it is about, in one line.
    pub title: &'static str,
    /// Why it happens.
    pub why: &'static str,
    /// What to do about it.
    pub mend: &'static str,
    /// Where to read more.
    pub source: &'static str,
}
