//! What all lessons share: a network, its data, its starts, a comparison, and readings of it.

use std::cell::Cell;
use std::sync::atomic::AtomicBool;

use fanin::Seed;
use fanin_network::{Dims, Network};
use fanin_plan::{Recipe, Rules};
use fanin_run::train::{Look, Optimizer, UnitLook};

use super::trial::{Figure, Kind, Trial};
use crate::compare::{Probe, compare_probed};
use crate::{Comparison, Dataset, Form, Rate, Settings, Start, StartResult, Task, TrainError};

/// Samples of a step.
pub(super) const BATCH: usize = 32;
/// Progress of one trial is told in this many parts.
const PARTS: usize = 1000;

/// A start in a lesson.
pub(super) struct Cast {
    /// Its name, one word.
    pub(super) name: &'static str,
    /// What it does, for people.
    pub(super) what: &'static str,
    pub(super) recipe: Recipe,
    /// Rules that win over the recipe, as TOML; empty for none.
    pub(super) rules: &'static str,
}

/// One network and how it is trained.
pub(super) struct Scene<'a> {
    pub(super) title: &'a str,
    pub(super) model: &'a str,
    pub(super) starts: &'a [Cast],
    pub(super) rate: Rate,
    pub(super) steps: usize,
    pub(super) seeds: usize,
}

/// Where the lessons are run.
pub(super) struct Stage<'a> {
    pub(super) seed: u64,
    progress: &'a (dyn Fn(usize, usize) + Sync),
    stop: &'a AtomicBool,
    /// Trials done, and trials of the lesson.
    done: Cell<usize>,
    all: Cell<usize>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        seed: u64,
        progress: &'a (dyn Fn(usize, usize) + Sync),
        stop: &'a AtomicBool,
    ) -> Self {
        Self {
            seed,
            progress,
            stop,
            done: Cell::new(0),
            all: Cell::new(1),
        }
    }

    /// Says how many trials the lesson has.
    pub(super) fn expect(&self, trials: usize) {
        self.all.set(trials.max(1));
    }

    /// The network of a line.
    pub(super) fn network(&self, model: &str) -> Result<Network, TrainError> {
        let dims = Dims {
            batch: Some(BATCH),
            ..Dims::default()
        };
        Ok(fanin_network::open(model, &dims)?)
    }

    /// The drawn digits.
    pub(super) fn digits(&self, network: &Network) -> Result<Dataset, TrainError> {
        Task::Digits.generate(&Form::of(network)?, Seed::new(self.seed))
    }

    /// A trial on drawn digits, without a probe.
    pub(super) fn on_digits(
        &self,
        scene: &Scene<'_>,
        tell: impl FnOnce(&Comparison) -> (Vec<Figure>, Vec<String>),
    ) -> Result<Trial, TrainError> {
        let network = self.network(scene.model)?;
        let dataset = self.digits(&network)?;
        self.trial(scene, &network, &dataset, None, tell)
    }

    /// Trains and tells: `tell` is given the comparison once all of it is there.
    pub(super) fn trial(
        &self,
        scene: &Scene<'_>,
        network: &Network,
        dataset: &Dataset,
        probe: Option<&Probe<'_>>,
        tell: impl FnOnce(&Comparison) -> (Vec<Figure>, Vec<String>),
    ) -> Result<Trial, TrainError> {
        let starts = scene
            .starts
            .iter()
            .map(|cast| {
                let rules = Rules::parse(cast.rules)?;
                Ok(Start::ruled(cast.name, network, cast.recipe, rules))
            })
            .collect::<Result<Vec<_>, TrainError>>()?;
        let settings = Settings {
            optimizer: Optimizer::SGD,
            rate: scene.rate.clone(),
            steps: scene.steps,
            seeds: scene.seeds,
            seed: self.seed,
            ..Settings::default()
        };
        let (before, all) = (self.done.get(), self.all.get());
        let progress = |done: usize, of: usize| {
            (self.progress)(before * PARTS + done * PARTS / of.max(1), all * PARTS);
        };
        let comparison = compare_probed(
            network, &starts, dataset, &settings, &progress, self.stop, probe,
        )?;
        self.done.set(before + 1);
        let (figures, seen) = if comparison.complete {
            tell(&comparison)
        } else {
            (Vec::new(), Vec::new())
        };
        Ok(Trial {
            title: scene.title.to_owned(),
            model: scene.model.to_owned(),
            starts: scene.starts.iter().map(|cast| cast.what).collect(),
            comparison,
            figures,
            seen,
        })
    }
}

/// A row of figures, one reading per start.
pub(super) fn figure(
    what: impl Into<String>,
    kind: Kind,
    comparison: &Comparison,
    read: impl Fn(&StartResult) -> Option<f64>,
) -> Figure {
    Figure {
        what: what.into(),
        kind,
        values: comparison.starts.iter().map(read).collect(),
    }
}

/// Loss at the end, accuracy on samples that were held out: the last rows of every table.
pub(super) fn ends(comparison: &Comparison) -> [Figure; 2] {
    [
        figure("loss at the end", Kind::Loss, comparison, |s| s.final_loss),
        figure(
            "digits it has never seen told right",
            Kind::Share,
            comparison,
            accuracy,
        ),
    ]
}

/// What was seen of the first seed's training at its first step.
pub(super) fn first(start: &StartResult) -> Option<&Look> {
    start.runs.first()?.looks.first().map(|(_, look)| look)
}

/// What was seen of the first seed's training at its last step.
pub(super) fn last(start: &StartResult) -> Option<&Look> {
    start.runs.first()?.looks.last().map(|(_, look)| look)
}

/// Mean over the layers of a share of their units; `None` where no layer has it.
pub(super) fn mean_share(
    look: Option<&Look>,
    share: impl Fn(&UnitLook) -> Option<f64>,
) -> Option<f64> {
    let shares: Vec<f64> = look?.units.iter().filter_map(share).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

/// Loss of the first batch of the first seed's training.
pub(super) fn first_loss(start: &StartResult) -> f64 {
    let run = start.runs.first();
    let loss = run.and_then(|run| run.losses.first());
    loss.map_or(f64::NAN, |&loss| f64::from(loss))
}

/// Loss at the end, infinite where numbers ran away.
pub(super) fn end(start: &StartResult) -> f64 {
    start.final_loss.unwrap_or(f64::NAN)
}

/// Share of held-out samples told right; the median over the seeds.
pub(super) fn accuracy(start: &StartResult) -> Option<f64> {
    let runs = start.runs.iter();
    let mut all: Vec<f64> = runs.filter_map(|run| run.held_out_accuracy).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}

/// Rms of the outputs of each hidden layer, from the input on.
pub(super) fn signals(look: Option<&Look>) -> Vec<f64> {
    look.map_or_else(Vec::new, |look| look.units.iter().map(|u| u.rms).collect())
}

/// Rms of the gradient of each layer's weights, from the input on; 0 where none reaches.
pub(super) fn gradients(look: Option<&Look>) -> Vec<f64> {
    let weights = |name: &str| name.ends_with("weight");
    look.map_or_else(Vec::new, |look| {
        let parameters = look.parameters.iter();
        parameters
            .filter(|p| weights(&p.parameter))
            .map(|p| p.gradient_rms.unwrap_or(0.0))
            .collect()
    })
}

/// What one layer multiplies a size by: the geometric mean from the first to the last.
pub(super) fn factor(sizes: &[f64]) -> f64 {
    match (sizes.first(), sizes.last()) {
        (Some(first), Some(last)) if sizes.len() > 1 => {
            (last / first).powf(1.0 / (sizes.len() - 1) as f64)
        }
        _ => f64::NAN,
    }
}

/// The first and the last of some sizes; NaN where there is none.
pub(super) fn ends_of(sizes: &[f64]) -> (f64, f64) {
    let get = |size: Option<&f64>| size.copied().unwrap_or(f64::NAN);
    (get(sizes.first()), get(sizes.last()))
}
