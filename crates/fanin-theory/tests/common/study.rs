//! Networks drawn many times, run by fanin-run, and held against their predictions.

use std::collections::BTreeMap;

use fanin::Seed;
use fanin_network::{HostTensor, Weights};
use fanin_run::{Observation, RunOptions, Trace, run};
use fanin_theory::{Measured, Moments, Prediction, predict};

use super::{Builder, Normal};

/// Measured against predicted at one value, over all draws.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Measured over predicted mean square, forward.
    pub forward: Vec<f64>,
    /// The same backward.
    pub backward: Vec<f64>,
    /// Measured less predicted cosine between samples.
    pub cosine: Vec<f64>,
    /// Measurements in the band and all, forward, backward, cosine.
    pub inside: [(usize, usize); 3],
}

/// All values by name.
pub struct Study(pub BTreeMap<String, Samples>);

/// Weights drawn as the builder states their moments; constant ones where they have no spread.
pub fn draw_weights(builder: &Builder, seed: u64) -> Weights {
    let mut normal = Normal(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x5DEE_CE66);
    let tensors = builder.network.parameters.iter().map(|parameter| {
        let moments = builder.measured.parameters[&parameter.name];
        let spread = (moments.rms * moments.rms - moments.mean * moments.mean)
            .max(0.0)
            .sqrt();
        let elements = (0..parameter.len())
            .map(|_| (moments.mean + spread * normal.next()) as f32)
            .collect();
        let tensor = HostTensor::f32(parameter.shape.clone(), elements).unwrap();
        (parameter.name.clone(), tensor)
    });
    Weights {
        tensors: tensors.collect(),
    }
}

/// What a prediction may know of a run on drawn inputs.
pub fn measured(trace: &Trace) -> Measured {
    let observations = || trace.inputs.iter().chain(&trace.values);
    let moments = |observation: &Observation| Moments {
        mean: observation.forward.mean,
        rms: observation.forward.rms,
        sample_cosine: observation.forward.sample_cosine,
    };
    Measured {
        values: observations()
            .map(|seen| (seen.value.clone(), moments(seen)))
            .collect(),
        gradients: observations()
            .filter_map(|seen| Some((seen.value.clone(), seen.backward.as_ref()?.rms)))
            .collect(),
        parameters: trace
            .parameters
            .iter()
            .map(|seen| (seen.name.clone(), Moments::new(seen.mean, seen.rms)))
            .collect(),
        output: Some(trace.output.value.clone()),
        drawn: true,
    }
}

/// One draw: what was seen and what was expected.
pub fn draw(builder: &Builder, seed: u64) -> (Trace, Prediction) {
    let weights = draw_weights(builder, seed);
    let trace = run(
        &builder.network,
        &weights,
        &RunOptions::new(Seed::new(seed)),
    )
    .unwrap();
    let prediction = predict(&builder.network, &measured(&trace));
    (trace, prediction)
}

/// Runs a network `draws` times.
pub fn study(builder: &Builder, draws: u64) -> Study {
    let mut all: BTreeMap<String, Samples> = BTreeMap::new();
    for seed in 0..draws {
        let (trace, prediction) = draw(builder, seed);
        for seen in &trace.values {
            let found = prediction.values.iter().find(|e| e.value == seen.value);
            let Some(expected) = found else { continue };
            let samples = all.entry(seen.value.clone()).or_default();
            let mut count = |k: usize, low: f64, x: f64, high: f64| {
                samples.inside[k].0 += usize::from(low <= x && x <= high);
                samples.inside[k].1 += 1;
            };
            if let Some(band) = expected.forward {
                count(0, band.low, seen.forward.rms, band.high);
            }
            if let Some((band, back)) = expected.backward.zip(seen.backward.as_ref()) {
                count(1, band.low, back.rms, band.high);
            }
            if let Some((band, cosine)) = expected.cosine.zip(seen.forward.sample_cosine) {
                count(2, band.low, cosine, band.high);
                samples.cosine.push(cosine - band.cosine);
            }
            if let Some(band) = expected.forward {
                samples.forward.push((seen.forward.rms / band.rms).powi(2));
            }
            if let Some((band, back)) = expected.backward.zip(seen.backward.as_ref()) {
                samples.backward.push((back.rms / band.rms).powi(2));
            }
        }
    }
    Study(all)
}

/// Mean and its standard error.
pub fn mean(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}

impl Study {
    /// Whether the mean over the draws is what was predicted, to `tolerance` and four standard
    /// errors, forward at a value.
    #[track_caller]
    pub fn forward(&self, value: &str, tolerance: f64) {
        let samples = &self.0[value].forward;
        assert!(!samples.is_empty(), "no forward prediction of `{value}`");
        near(value, "forward", samples, 1.0, tolerance);
    }

    /// The same backward.
    #[track_caller]
    pub fn backward(&self, value: &str, tolerance: f64) {
        let samples = &self.0[value].backward;
        assert!(!samples.is_empty(), "no backward prediction of `{value}`");
        near(value, "backward", samples, 1.0, tolerance);
    }

    /// The same of the cosine between samples.
    #[track_caller]
    pub fn cosine(&self, value: &str, tolerance: f64) {
        let samples = &self.0[value].cosine;
        assert!(!samples.is_empty(), "no predicted cosine of `{value}`");
        near(value, "cosine", samples, 0.0, tolerance);
    }

    /// Prints every value, for a look at what is off.
    pub fn show(&self) -> String {
        let line = |x: &[f64]| match x {
            [] => "-".to_owned(),
            x => {
                let (mean, error) = mean(x);
                format!("{mean:.4}±{error:.4}")
            }
        };
        let rows = self.0.iter().map(|(name, s)| {
            format!(
                "{name}: forward {} backward {} cosine {} in {:?}\n",
                line(&s.forward),
                line(&s.backward),
                line(&s.cosine),
                s.inside
            )
        });
        rows.collect()
    }
}

#[track_caller]
fn near(value: &str, what: &str, samples: &[f64], wanted: f64, tolerance: f64) {
    let (mean, error) = mean(samples);
    assert!(
        (mean - wanted).abs() <= tolerance + 4.0 * error,
        "`{value}` {what}: {mean} ± {error} over {} draws, not {wanted} ± {tolerance}",
        samples.len()
    );
}
