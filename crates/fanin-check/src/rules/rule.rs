//! What a rule is.

use crate::context::Context;
use crate::{Finding, Page};

/// A rule: its page, what it looks for, and how what it finds stands to what other rules find.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) page: &'static Page,
    pub(crate) run: fn(&Context<'_>) -> Vec<Finding>,
    /// Its weights are broken in themselves, whatever becomes of them: numbers that no scheme draws. They
    /// are the cause of what is found before and behind them.
    pub(crate) broken: bool,
    /// It says why a scale is what it is, and may so be the cause of graver findings about these weights.
    pub(crate) explains: bool,
    /// It shows the fault of a broken weight once more, and is no second fault beside it.
    pub(crate) echoes: bool,
    /// It judges each parameter for itself, and what it finds of many is one slip.
    pub(crate) folds: bool,
    /// No factor mends its weights: they are drawn anew before anything is rescaled.
    pub(crate) redrawn: bool,
}

impl Rule {
    /// A rule that stands for itself.
    pub(super) const fn new(page: &'static Page, run: fn(&Context<'_>) -> Vec<Finding>) -> Self {
        Self {
            page,
            run,
            broken: false,
            explains: false,
            echoes: false,
            folds: false,
            redrawn: false,
        }
    }

    pub(super) const fn broken(self) -> Self {
        Self {
            broken: true,
            ..self
        }
    }

    pub(super) const fn explains(self) -> Self {
        Self {
            explains: true,
            ..self
        }
    }

    pub(super) const fn echoes(self) -> Self {
        Self {
            echoes: true,
            ..self
        }
    }

    pub(super) const fn folds(self) -> Self {
        Self {
            folds: true,
            ..self
        }
    }

    pub(super) const fn redrawn(self) -> Self {
        Self {
            redrawn: true,
            ..self
        }
    }
}
