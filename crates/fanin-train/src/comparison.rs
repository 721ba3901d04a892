//! What a comparison came to.

use fanin_run::train::{Look, Optimizer};
use serde::{Serialize, Serializer};

use crate::Judgement;

/// One training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// The seed of its weights and of the order of its samples.
    pub seed: u64,
    /// The learning rate.
    pub rate: f64,
    /// Loss of each step's batch, in order. JSON has no infinity: one is written as null.
    pub losses: Vec<f32>,
    /// Accuracy likewise; empty where targets are values.
    pub accuracies: Vec<f32>,
    /// What was seen at the steps that were asked for, and at the last.
    #[serde(serialize_with = "with_steps")]
    pub looks: Vec<(usize, Look)>,
    /// Loss on samples that were held out, at the end.
    pub held_out_loss: Option<f64>,
    /// Accuracy likewise.
    pub held_out_accuracy: Option<f64>,
    /// The step at which a number was no longer finite.
    pub diverged_at: Option<usize>,
    /// Steps until the smoothed loss was at [`Comparison::target`]; `None` if it never was.
    pub steps_to_target: Option<usize>,
    /// Whether it came to its end: all steps, or numbers that ran away.
    pub complete: bool,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl Run {
    /// Mean loss of the last tenth of the steps (five at least); infinite where it diverged.
    pub fn final_loss(&self) -> f64 {
        self.loss_after(self.losses.len())
    }

    /// The same, had the training had only so many steps.
    pub(crate) fn loss_after(&self, steps: usize) -> f64 {
        let losses = &self.losses[..steps.min(self.losses.len())];
        if self.diverged_at.is_some() || losses.is_empty() {
            return f64::INFINITY;
        }
        let last = (losses.len() / 10).max(5).min(losses.len());
        let sum: f64 = losses.iter().rev().take(last).map(|&l| f64::from(l)).sum();
        sum / last as f64
    }
}

/// Looks as objects that name their step, because JSON has no pairs.
fn with_steps<S: Serializer>(looks: &[(usize, Look)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct At<'a> {
        step: usize,
        #[serde(flatten)]
        look: &'a Look,
    }
    serializer.collect_seq(looks.iter().map(|(step, look)| At { step: *step, look }))
}

/// One rate tried in the tournament.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The rate.
    pub rate: f64,
    /// Steps it was given.
    pub steps: usize,
    /// The loss at their end; infinite (null in JSON) where it diverged.
    pub loss: f64,
}

/// What one start came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StartResult {
    /// Its name.
    pub name: String,
    /// The rate it was trained at; `None` if the comparison ended before one was chosen.
    pub rate: Option<f64>,
    /// The rates tried for it.
    pub tried: Vec<Tried>,
    /// One training per seed.
    pub runs: Vec<Run>,
    /// Median over the seeds of the final loss; infinite (null in JSON) where most diverged.
    pub final_loss: Option<f64>,
    /// Lowest and highest of them.
    pub spread: Option<(f64, f64)>,
    /// Median over the seeds of the steps until the target; `None` where most never came there.
    pub steps_to_target: Option<usize>,
    /// The outcome by the median over the seeds; `None` without a run.
    pub verdict: Option<Judgement>,
}

/// What all starts came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The task or the user's data.
    pub task: String,
    /// The loss of an answer that does not look at the input.
    pub chance: f64,
    /// The share of targets that the best such answer hits.
    pub chance_accuracy: Option<f64>,
    /// The loss that all are timed to: half of the way from chance to the best start's final loss;
    /// `None` where no start has learned anything.
    pub target: Option<f64>,
    /// What changed the weights.
    pub optimizer: Optimizer,
    /// Steps of each training.
    pub steps: usize,
    /// Samples of each step.
    pub batch: usize,
    /// The parameters that multiply a signal (two axes or more), in the network's order: what
    /// gradients by layer are shown of.
    pub weights: Vec<String>,
    /// The starts, in the order they were given.
    pub starts: Vec<StartResult>,
    /// Whether everything ran to its end; otherwise the budget or the user ended it.
    pub complete: bool,
    /// Wall-clock seconds.
    pub seconds: f64,
}
