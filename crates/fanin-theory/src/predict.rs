//! From a network and what was measured at its ends to what should be seen in between.

use fanin_network::{Network, ValueId};

use crate::backward::gradient_map;
use crate::band::{around, around_cosine, cosine_variance};
use crate::length_map::length_map;
use crate::rules::{batch, count};
use crate::signal::Signal;
use crate::{CosineBand, Expected, Measured, Prediction};

/// What theory expects of every value of a network and of the gradient at each.
///
/// Builds on the measured moments of inputs and parameters, and on the gradient measured at the
/// output. Where an operation has no rule, the expectation is `None` there and those after it build
/// on the measurement, which [`Expected::since`] names.
///
/// The moments are those of infinitely wide layers with independent weights of the measured mean
/// and rms (Poole et al. 2016, Schoenholz et al. 2017); the bands add what a finite width leaves to
/// luck (Hanin & Nica 2019): the log of a second moment varies by Σ (κ − 1)/n over the layers, κ the
/// kurtosis of a unit, 6 for ReLU.
pub fn predict(network: &Network, measured: &Measured) -> Prediction {
    let forward = length_map(network, measured);
    let backward = gradient_map(network, measured, &forward);
    let batch = batch(network);
    let mut values = Vec::new();
    for node in &network.nodes {
        for output in node.outputs.iter().flatten() {
            let index = output.index();
            let value = network.value(*output);
            let samples = value.shape.as_deref().map_or(1.0, count);
            let Some(Some(signal)) = forward.signals.get(index) else {
                continue;
            };
            let name = |id: ValueId| network.value(id).name.clone();
            let gradient = backward.gradients.get(index).copied().flatten();
            values.push(Expected {
                value: value.name.clone(),
                // What is made of parameters alone is as they are, not as theory expects.
                forward: (!forward.restarted[index] && !signal.parameter)
                    .then(|| around(signal.second, signal.variance(), samples)),
                backward: gradient
                    .filter(|_| !backward.restarted[index])
                    .map(|(second, variance)| around(second, variance, samples)),
                cosine: batch
                    .filter(|&n| counts_samples(value.shape.as_deref(), n))
                    .and_then(|n| cosine(signal, n as f64))
                    .filter(|_| !forward.restarted[index]),
                since: signal.since.map(name),
            });
        }
    }
    Prediction { values }
}

/// Whether a run sees samples along the first axis of a value.
fn counts_samples(shape: Option<&[usize]>, batch: usize) -> bool {
    batch > 1 && shape.is_some_and(|shape| shape.len() > 1 && shape.first() == Some(&batch))
}

/// The band of the cosine between samples of a signal.
fn cosine(signal: &Signal, samples: f64) -> Option<CosineBand> {
    let cosine = signal.cosine()?;
    let own = cosine_variance(cosine, samples, signal.kurtosis, signal.units);
    Some(around_cosine(
        cosine,
        signal.cosine_inherited + own,
        samples,
    ))
}
