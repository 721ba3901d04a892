//! Training for the papers whose claims need it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use fanin::Seed;
use fanin_network::{Network, Weights};
use fanin_run::train::{Optimizer, TrainOptions, train};
use fanin_train::{Dataset, Form, Task};

use crate::Fault;

/// Gradient descent without momentum.
pub const PLAIN: Optimizer = Optimizer::Sgd {
    momentum: 0.0,
    decay: 0.0,
};

/// Steps over which loss and accuracy are taken.
pub const WINDOW: usize = 20;

/// What is enough to end a training.
#[derive(Clone, Copy, Debug)]
pub enum Enough {
    /// Accuracy above this.
    Accuracy(f64),
    /// Loss below this.
    Loss(f64),
}

/// How to train.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What changes the weights.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub rate: f64,
    /// Factors on it by parameter.
    pub factors: BTreeMap<String, f64>,
    /// Steps.
    pub steps: usize,
    /// Decides the order of the samples.
    pub seed: u64,
    /// Ends as soon as the mean over the last [`WINDOW`] steps has come this far.
    pub enough: Option<Enough>,
}

impl Schedule {
    /// One rate for all parameters, samples in the order of seed 0, all steps.
    pub fn new(optimizer: Optimizer, rate: f64, steps: usize) -> Self {
        Self {
            optimizer,
            rate,
            factors: BTreeMap::new(),
            steps,
            seed: 0,
            enough: None,
        }
    }
}

/// What a training came to.
#[derive(Clone, Debug)]
pub struct Course {
    /// The loss of each step's batch.
    pub losses: Vec<f64>,
    /// Accuracy likewise, where targets are classes.
    pub accuracies: Vec<f64>,
    /// Whether numbers ran away.
    pub diverged: bool,
    /// The weights at the end.
    pub weights: Weights,
}

impl Course {
    /// Mean loss of the last [`WINDOW`] steps; infinite where it diverged.
    pub fn last_loss(&self) -> f64 {
        if self.diverged {
            return f64::INFINITY;
        }
        mean_of_last(&self.losses)
    }

    /// Mean accuracy of the last [`WINDOW`] steps; 0 where it diverged.
    pub fn last_accuracy(&self) -> f64 {
        if self.diverged {
            return 0.0;
        }
        mean_of_last(&self.accuracies)
    }
}

fn mean_of_last(values: &[f64]) -> f64 {
    let last = &values[values.len().saturating_sub(WINDOW)..];
    last.iter().sum::<f64>() / last.len().max(1) as f64
}

/// Drawn digits, fanin's own task, for a network of this form: what stands in for MNIST here.
pub fn digits(network: &Network) -> Result<Dataset, Fault> {
    Ok(Task::Digits.generate(&Form::of(network)?, Seed::new(0))?)
}

/// Trains on one thread.
pub fn course(
    network: &Network,
    weights: &Weights,
    dataset: &Dataset,
    schedule: &Schedule,
) -> Result<Course, Fault> {
    let options = TrainOptions {
        threads: Some(1),
        rate_factors: schedule.factors.clone(),
        ..TrainOptions::new(dataset.objective, schedule.optimizer)
    };
    let batch = Form::of(network)?.batch();
    let mut order = dataset.batches(batch, Seed::new(schedule.seed));
    let batches = (0..schedule.steps)
        .map(|_| order.batch())
        .collect::<Result<Vec<_>, _>>()?;
    let course = train(network, weights, &options, |trainer| {
        let mut course = Course {
            losses: Vec::with_capacity(schedule.steps),
            accuracies: Vec::new(),
            diverged: false,
            weights: Weights::default(),
        };
        for batch in &batches {
            let step = trainer.step(batch, schedule.rate, false)?;
            course.losses.push(step.loss);
            course.accuracies.extend(step.accuracy);
            course.diverged = step.diverged;
            let enough = match schedule.enough {
                _ if course.losses.len() < WINDOW => false,
                Some(Enough::Accuracy(a)) => course.last_accuracy() > a,
                Some(Enough::Loss(l)) => course.last_loss() < l,
                None => false,
            };
            if step.diverged || enough {
                break;
            }
        }
        course.weights = trainer.weights();
        Ok(course)
    })?;
    Ok(course)
}

/// Does jobs side by side, one per processor; results in the order of the jobs.
pub fn side_by_side<T: Sync, R: Send>(
    jobs: &[T],
    work: impl Fn(&T) -> Result<R, Fault> + Sync,
) -> Result<Vec<R>, Fault> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..jobs.len()).collect());
    let results: Mutex<Vec<(usize, Result<R, Fault>)>> = Mutex::new(Vec::new());
    let next = || queue.lock().ok()?.pop_front();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers.min(jobs.len()) {
            scope.spawn(|| {
                while let Some(k) = next() {
                    let result = work(&jobs[k]);
                    if let Ok(mut results) = results.lock() {
                        results.push((k, result));
                    }
                }
            });
        }
    });
    // A lock is poisoned only by a panic, which the scope has passed on already.
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(k, _)| *k);
    results.into_iter().map(|(_, result)| result).collect()
}
