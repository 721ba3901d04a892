//! Samples and their targets, in memory.

use std::collections::BTreeMap;

use fanin::Seed;
use fanin_network::HostTensor;
use fanin_run::Data;
use fanin_run::train::{Batch, Objective};

use crate::random::Draw;
use crate::{Form, Output, TrainError};

/// Elements of many samples, one sample after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Numbers.
    Floats(Vec<f32>),
    /// Token ids or classes; a negative class is passed over.
    Integers(Vec<i64>),
}

impl Samples {
    fn len(&self) -> usize {
        match self {
            Self::Floats(v) => v.len(),
            Self::Integers(v) => v.len(),
        }
    }

    /// The samples of these places as one tensor.
    fn gather(&self, shape: &[usize], places: &[usize]) -> Option<HostTensor> {
        let width: usize = shape.iter().product();
        let all = [&[places.len()], shape].concat();
        match self {
            Self::Floats(v) => HostTensor::f32(all, rows(v, width, places)),
            Self::Integers(v) => HostTensor::i64(all, rows(v, width, places)),
        }
    }
}

fn rows<T: Copy>(all: &[T], width: usize, places: &[usize]) -> Vec<T> {
    let mut out = Vec::with_capacity(width * places.len());
    for &k in places {
        out.extend_from_slice(&all[k * width..(k + 1) * width]);
    }
    out
}

/// Samples and their targets; the last eighth is held out of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// What it is, for people.
    pub name: String,
    /// What the targets are.
    pub objective: Objective,
    /// The loss of the best answer that does not look at the input: the entropy of the classes, or
    /// the variance of the values.
    pub chance: f64,
    /// The share of targets that the best such answer hits; `None` where targets are values.
    pub chance_accuracy: Option<f64>,
    input: String,
    input_shape: Vec<usize>,
    inputs: Samples,
    target_shape: Vec<usize>,
    targets: Samples,
    count: usize,
}

impl Dataset {
    /// A dataset for a network of this form; integer targets are classes, floats are values.
    ///
    /// `target_shape` is that of one sample. The inputs have the form's own shape.
    ///
    /// # Errors
    ///
    /// One sentence where there are no samples, sizes do not fit each other or the network, a class
    /// is beyond the network's classes, or all targets are the same.
    pub fn new(
        name: impl Into<String>,
        form: &Form,
        inputs: Samples,
        targets: Samples,
        target_shape: &[usize],
    ) -> Result<Self, TrainError> {
        let name = name.into();
        let fail = |message: String| Err(TrainError::Request(format!("{name}: {message}")));
        let width = form.input_len();
        let count = inputs.len().checked_div(width).unwrap_or(0);
        if count == 0 {
            return fail("there is not one sample".to_owned());
        }
        let wide: usize = target_shape.iter().product();
        if inputs.len() != count * width || targets.len() != count * wide {
            return fail(format!(
                "{} elements of samples of {width} each and {} of targets of {wide} each do not make the same number of samples",
                inputs.len(),
                targets.len()
            ));
        }
        if let Samples::Integers(ids) = &targets {
            let classes = match form.output {
                crate::Output::Classes(n) | crate::Output::StepClasses { classes: n, .. } => n,
                _ => 2,
            };
            if let Some(wrong) = ids.iter().find(|&&t| t >= classes as i64) {
                return fail(format!(
                    "class {wrong} is out of range: the network tells {classes} classes, numbered from 0"
                ));
            }
        }
        let (objective, chance, chance_accuracy) = match &targets {
            Samples::Integers(ids) => {
                let (entropy, most) = entropy(ids);
                (Objective::Classes, entropy, Some(most))
            }
            Samples::Floats(values) => (Objective::Values, variance(values, wide), None),
        };
        // Written so that NaN is refused too.
        if !(chance > 0.0 && chance.is_finite()) {
            return fail("all targets are the same, or not all are finite numbers; there is nothing to learn".to_owned());
        }
        Ok(Self {
            objective,
            chance,
            chance_accuracy,
            input: form.input_name.clone(),
            input_shape: form.input_shape[1..].to_vec(),
            inputs,
            target_shape: target_shape.to_vec(),
            targets,
            count,
            name,
        })
    }

    /// A dataset of two arrays, the first axis of each counting the samples: integer targets are
    /// classes, floats are values.
    ///
    /// # Errors
    ///
    /// As [`Dataset::new`]; inputs whose samples have another shape than the network's.
    pub fn from_tensors(
        name: impl Into<String>,
        form: &Form,
        inputs: &HostTensor,
        targets: &HostTensor,
    ) -> Result<Self, TrainError> {
        let name = name.into();
        let (sample, wanted) = (inputs.shape.get(1..), form.input_shape.get(1..));
        if sample != wanted || sample.is_none() || targets.shape.is_empty() {
            return Err(TrainError::Request(format!(
                "{name}: the inputs have shape {:?} and the targets {:?}, but the network takes samples of shape {:?}, the first axis counting them",
                inputs.shape,
                targets.shape,
                wanted.unwrap_or_default()
            )));
        }
        if inputs.shape[0] != targets.shape[0] {
            return Err(TrainError::Request(format!(
                "{name}: there are {} inputs but {} targets",
                inputs.shape[0], targets.shape[0]
            )));
        }
        let ids = |tensor: &HostTensor| tensor.to_i64().map(Samples::Integers);
        let floats = |tensor: &HostTensor| Samples::Floats(tensor.to_f32());
        let taken = match form.input {
            crate::Input::Tokens { vocabulary, .. } => {
                let ids = inputs.to_i64().unwrap_or_default();
                if ids.is_empty() || ids.iter().any(|&t| t < 0 || t >= vocabulary as i64) {
                    return Err(TrainError::Request(format!(
                        "{name}: the inputs must be integers from 0 to {}, the network's vocabulary",
                        vocabulary - 1
                    )));
                }
                Samples::Integers(ids)
            }
            _ => floats(inputs),
        };
        let targets_taken = ids(targets).unwrap_or_else(|| floats(targets));
        Self::new(name, form, taken, targets_taken, &targets.shape[1..])
    }

    /// The same samples in another order, always the same one: the last eighth, which is held out,
    /// is then like the rest.
    pub(crate) fn shuffled(mut self) -> Self {
        let order = Draw::new(Seed::new(0), "dataset:order").order(self.count);
        let shuffle = |samples: &Samples, shape: &[usize]| {
            let width = shape.iter().product();
            match samples {
                Samples::Floats(v) => Samples::Floats(rows(v, width, &order)),
                Samples::Integers(v) => Samples::Integers(rows(v, width, &order)),
            }
        };
        self.inputs = shuffle(&self.inputs, &self.input_shape);
        self.targets = shuffle(&self.targets, &self.target_shape);
        self
    }

    /// Samples, those held out among them.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Samples to train on.
    pub fn training(&self) -> usize {
        (self.count - self.count / 8).max(1)
    }

    /// How many targets name each class; `None` where they are no classes. A negative target is none.
    pub fn class_counts(&self, form: &Form) -> Option<Vec<u64>> {
        let (Output::Classes(classes) | Output::StepClasses { classes, .. }) = form.output else {
            return None;
        };
        let Samples::Integers(targets) = &self.targets else {
            return None;
        };
        let mut counts = vec![0u64; classes];
        for &target in targets {
            let slot = usize::try_from(target).ok();
            if let Some(count) = slot.and_then(|k| counts.get_mut(k)) {
                *count += 1;
            }
        }
        Some(counts)
    }

    /// The samples of these places, repeated from the first as often as a place is asked for.
    pub fn at(&self, places: &[usize]) -> Result<Batch, TrainError> {
        if let Some(wrong) = places.iter().find(|&&k| k >= self.count) {
            return Err(TrainError::Request(format!(
                "{}: there is no sample {wrong}, there are {}",
                self.name, self.count
            )));
        }
        let inputs = self.inputs.gather(&self.input_shape, places);
        let target = self.targets.gather(&self.target_shape, places);
        match (inputs, target) {
            (Some(inputs), Some(target)) => Ok(Batch {
                inputs: Data::new(BTreeMap::from([(self.input.clone(), inputs)])),
                target,
            }),
            _ => Err(TrainError::Request(format!(
                "{}: the batch has more elements than can be counted",
                self.name
            ))),
        }
    }

    /// A batch of held-out samples, number `k`; samples are taken round and round.
    pub fn held_out(&self, size: usize, k: usize) -> Result<Batch, TrainError> {
        let first = if self.count / 8 == 0 {
            0
        } else {
            self.training()
        };
        let n = self.count - first;
        let places: Vec<usize> = (0..size).map(|i| first + (k * size + i) % n).collect();
        self.at(&places)
    }

    /// Batches of training samples without end, in an order that the seed decides: each sample
    /// once in every round.
    pub fn batches(&self, size: usize, seed: Seed) -> Batches<'_> {
        Batches {
            dataset: self,
            size,
            seed,
            round: 0,
            order: Vec::new(),
            next: 0,
        }
    }
}

/// See [`Dataset::batches`].
#[derive(Debug)]
pub struct Batches<'a> {
    dataset: &'a Dataset,
    size: usize,
    seed: Seed,
    round: u64,
    order: Vec<usize>,
    next: usize,
}

impl Batches<'_> {
    /// The next batch.
    ///
    /// # Errors
    ///
    /// As [`Dataset::at`].
    pub fn batch(&mut self) -> Result<Batch, TrainError> {
        let mut places = Vec::with_capacity(self.size);
        while places.len() < self.size {
            if self.next == self.order.len() {
                let mut draw = Draw::new(self.seed, &format!("batches:{}", self.round));
                self.order = draw.order(self.dataset.training());
                self.round += 1;
                self.next = 0;
            }
            places.push(self.order[self.next]);
            self.next += 1;
        }
        self.dataset.at(&places)
    }
}

/// Entropy of the classes in nats, and the share of the most frequent one.
fn entropy(ids: &[i64]) -> (f64, f64) {
    let mut counts: BTreeMap<i64, f64> = BTreeMap::new();
    for &id in ids.iter().filter(|&&id| id >= 0) {
        *counts.entry(id).or_default() += 1.0;
    }
    let n: f64 = counts.values().sum();
    let entropy = counts.values().map(|c| -(c / n) * (c / n).ln()).sum();
    let most = counts.values().fold(0.0, |most: f64, c| most.max(c / n));
    (entropy, most)
}

/// Mean over the `width` elements of their variance over the samples.
fn variance(values: &[f32], width: usize) -> f64 {
    let n = (values.len() / width.max(1)) as f64;
    let mut mean = vec![0.0f64; width];
    let mut square = vec![0.0f64; width];
    for row in values.chunks(width.max(1)) {
        for ((m, s), &v) in mean.iter_mut().zip(&mut square).zip(row) {
            *m += f64::from(v) / n;
            *s += f64::from(v) * f64::from(v) / n;
        }
    }
    let each = mean.iter().zip(&square).map(|(m, s)| (s - m * m).max(0.0));
    each.sum::<f64>() / width.max(1) as f64
}
