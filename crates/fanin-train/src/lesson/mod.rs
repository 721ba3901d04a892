//! Lessons: what a bad start does to a network, shown by training it, and the start that mends it.
//!
//! Each lesson trains one or two small networks from bad starts and a good one, measures the thing
//! that goes wrong, and tells it with the numbers of that very run. One lesson is one file: its
//! networks, its starts, what is measured, and the text.

mod bias;
mod dead;
mod exploding;
mod page;
mod plateau;
mod saturation;
mod slow;
mod stage;
mod symmetry;
mod trial;
mod vanishing;
mod words;

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::Serialize;

use crate::TrainError;
use stage::Stage;

pub use page::Page;
pub use trial::{Figure, Kind, Trial};

/// Something that a bad start does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the variants are their own names; each one's page tells what it is about"
)]
pub enum Lesson {
    Symmetry,
    Vanishing,
    Exploding,
    Slow,
    Saturation,
    Dead,
    Plateau,
    Bias,
}

/// What a lesson showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Demonstration {
    /// Which lesson.
    pub lesson: Lesson,
    /// The first seed of its trainings.
    pub seed: u64,
    /// Its text.
    pub page: Page,
    /// One per network.
    pub trials: Vec<Trial>,
    /// Whether all trainings ran to their end; otherwise figures and text are missing.
    pub complete: bool,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl Lesson {
    /// All lessons, in the order in which to read them.
    pub const ALL: [Self; 8] = [
        Self::Symmetry,
        Self::Vanishing,
        Self::Exploding,
        Self::Slow,
        Self::Saturation,
        Self::Dead,
        Self::Plateau,
        Self::Bias,
    ];

    /// The name by which it is asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Symmetry => "symmetry",
            Self::Vanishing => "vanishing",
            Self::Exploding => "exploding",
            Self::Slow => "slow",
            Self::Saturation => "saturation",
            Self::Dead => "dead",
            Self::Plateau => "plateau",
            Self::Bias => "bias",
        }
    }

    /// Its text, without the numbers that only a run gives.
    pub const fn page(self) -> Page {
        match self {
            Self::Symmetry => symmetry::PAGE,
            Self::Vanishing => vanishing::PAGE,
            Self::Exploding => exploding::PAGE,
            Self::Slow => slow::PAGE,
            Self::Saturation => saturation::PAGE,
            Self::Dead => dead::PAGE,
            Self::Plateau => plateau::PAGE,
            Self::Bias => bias::PAGE,
        }
    }

    /// Runs the experiment: a few seconds on two processors.
    ///
    /// Weights, data and the order of samples follow from `seed`. `progress` is told work done and
    /// all work, from any thread; once `stop` is set, the lesson ends with what there is.
    ///
    /// # Errors
    ///
    /// What [`crate::compare()`] returns; none is known for these networks.
    pub fn run(
        self,
        seed: u64,
        progress: &(dyn Fn(usize, usize) + Sync),
        stop: &AtomicBool,
    ) -> Result<Demonstration, TrainError> {
        let begun = Instant::now();
        let stage = Stage::new(seed, progress, stop);
        let trials = match self {
            Self::Symmetry => symmetry::run(&stage),
            Self::Vanishing => vanishing::run(&stage),
            Self::Exploding => exploding::run(&stage),
            Self::Slow => slow::run(&stage),
            Self::Saturation => saturation::run(&stage),
            Self::Dead => dead::run(&stage),
            Self::Plateau => plateau::run(&stage),
            Self::Bias => bias::run(&stage),
        }?;
        Ok(Demonstration {
            lesson: self,
            seed,
            page: self.page(),
            complete: trials.iter().all(|trial| trial.comparison.complete),
            trials,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }
}

impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Lesson {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|lesson| lesson.name() == text)
            .ok_or_else(|| {
                TrainError::Request(format!(
                    "there is no lesson `{text}`; known are {}",
                    Self::ALL.map(Self::name).join(", ")
                ))
            })
    }
}
