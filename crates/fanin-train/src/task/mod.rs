//! Tasks that are made from a seed, for a network of any form.
//!
//! | task | what it asks | for |
//! |---|---|---|
//! | `digits` | which of up to ten drawn digits this is: strokes with random shift, rotation, scale, slant, thickness and noise | images, vectors of 16 numbers and more, sequences of 8 rows and more |
//! | `spirals` | which of up to five interleaved spiral arms a point lies on, two coordinates turned into the input's space | vectors, images |
//! | `blobs` | which of up to ten normal clouds a point comes from | any floats |
//! | `teacher` | the outputs of a random network with 16 tanh units | any floats, numbers out |
//! | `recall` | what stood at the first step, after noise | sequences, tokens |
//! | `copy` | at every step, what stood there some steps before | sequences, tokens; a class out per step |
//! | `adding` | the sum of the two marked numbers among many (Hochreiter & Schmidhuber 1997) | sequences, one number out |
//! | `characters` | the next character of a language: a random lexicon, sentences by a grammar | tokens; a class out per step |

mod characters;
mod digits;
mod made;
mod points;
mod sequence;
mod teacher;

use std::fmt;
use std::str::FromStr;

use fanin::Seed;

use crate::{Dataset, Form, Input, Output, TrainError};

/// Samples of a task unless they are so large that memory bounds them.
const SAMPLES: usize = 2048;
/// Most elements of all inputs, and of all targets, together: 64 MiB each.
const ELEMENTS: usize = 1 << 24;

/// A task that is made from a seed; the module's table says what each asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the variants are their own names, told in the table above"
)]
pub enum Task {
    Digits,
    Spirals,
    Blobs,
    Teacher,
    Recall,
    Copy,
    Adding,
    Characters,
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 8] = [
        Self::Digits,
        Self::Spirals,
        Self::Blobs,
        Self::Teacher,
        Self::Recall,
        Self::Copy,
        Self::Adding,
        Self::Characters,
    ];

    /// The name by which it is asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Spirals => "spirals",
            Self::Blobs => "blobs",
            Self::Teacher => "teacher",
            Self::Recall => "recall",
            Self::Copy => "copy",
            Self::Adding => "adding",
            Self::Characters => "characters",
        }
    }

    /// The task of a network's own kind.
    pub fn fitting(form: &Form) -> Self {
        Self::ALL
            .into_iter()
            .min_by_key(|task| {
                let preference = match (task, &form.input) {
                    // The plainest only where nothing else fits; chosen tasks in the order above.
                    (Self::Blobs | Self::Copy, _) => 2,
                    // Several outputs may be numbers, but are classes more often.
                    (Self::Teacher, _) if form.output != Output::Values => 3,
                    (Self::Teacher, Input::Sequence { .. }) => 1,
                    _ => 0,
                };
                (!task.fits(form), preference)
            })
            .unwrap_or(Self::Blobs)
    }

    /// Why this task cannot be put to a network of this form; `None` where it can.
    pub fn misfit(self, form: &Form) -> Option<String> {
        (!self.fits(form)).then(|| {
            format!(
                "the task `{self}` does not suit a network that takes {:?} and gives {:?}; {}",
                form.input_shape,
                form.output_shape,
                suitable(form)
            )
        })
    }

    /// Whether it can be put to a network of this form.
    pub fn fits(self, form: &Form) -> bool {
        use Input::{Image, Other, Sequence, Tokens, Vector};
        let output = matches!(
            (self, form.output),
            (
                Self::Digits | Self::Spirals | Self::Blobs | Self::Recall,
                Output::Classes(_) | Output::Binary
            ) | (Self::Teacher, Output::Values | Output::Classes(_))
                | (Self::Adding, Output::Values)
                | (Self::Copy | Self::Characters, Output::StepClasses { .. })
        );
        let input = match (self, form.input) {
            (Self::Digits, Image { height, width, .. }) => height >= 8 && width >= 8,
            (Self::Digits, Vector { width }) => width >= 16,
            (Self::Digits, Sequence { time, width }) => time >= 8 && width >= 8,
            (Self::Spirals, Vector { .. } | Image { .. }) => form.input_len() >= 2,
            (
                Self::Blobs | Self::Teacher,
                Vector { .. } | Image { .. } | Sequence { .. } | Other,
            ) => true,
            (Self::Recall | Self::Copy, Sequence { time, .. }) => time >= 2,
            (Self::Recall | Self::Copy, Tokens { time, vocabulary }) => {
                time >= 2 && vocabulary >= 4
            }
            (Self::Adding, Sequence { time, width }) => time >= 2 && width >= 2,
            (Self::Characters, Tokens { time, vocabulary }) => time >= 2 && vocabulary >= 4,
            _ => false,
        };
        let size = match (self, form.output) {
            (Self::Adding, _) => form.output_len() == 1,
            (Self::Characters, Output::StepClasses { classes, .. }) => classes >= 4,
            _ => true,
        };
        output && input && size
    }

    /// The samples of this task for a network of this form.
    ///
    /// # Errors
    ///
    /// The sentence of [`Task::misfit`]; a sample that is too large to hold.
    pub fn generate(self, form: &Form, seed: Seed) -> Result<Dataset, TrainError> {
        if let Some(message) = self.misfit(form) {
            return Err(TrainError::Request(message));
        }
        let largest = form.input_len().max(form.output_len()).max(1);
        let count = (ELEMENTS / largest).min(SAMPLES).max(form.batch());
        if count.checked_mul(largest).is_none_or(|n| n > 16 * ELEMENTS) {
            return Err(TrainError::Request(format!(
                "a batch of inputs of shape {:?} is too large for a task; ask for fewer samples with --batch",
                form.input_shape
            )));
        }
        let made = match self {
            Self::Digits => digits::make(form, count, seed),
            Self::Spirals => points::spirals(form, count, seed),
            Self::Blobs => points::blobs(form, count, seed),
            Self::Teacher => teacher::make(form, count, seed),
            Self::Recall => sequence::recall(form, count, seed),
            Self::Copy => sequence::copy(form, count, seed),
            Self::Adding => sequence::adding(form, count, seed),
            Self::Characters => characters::make(form, count, seed),
        };
        Dataset::new(
            self.name(),
            form,
            made.inputs,
            made.targets,
            &made.target_shape,
        )
    }
}

/// The way out of a misfit.
fn suitable(form: &Form) -> String {
    let names: Vec<String> = Task::ALL
        .into_iter()
        .filter(|t| t.fits(form))
        .map(|t| format!("`{t}`"))
        .collect();
    if names.is_empty() {
        "give your own data instead".to_owned()
    } else {
        format!("suitable are {}", names.join(", "))
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Task {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|t| t.name() == text)
            .ok_or_else(|| {
                TrainError::Request(format!(
                    "there is no task `{text}`; known are {}",
                    Self::ALL.map(Self::name).join(", ")
                ))
            })
    }
}
