//! Regression on a random network.

use fanin::Seed;

use super::made::{Made, standardize};
use crate::random::Draw;
use crate::{Form, Samples};

/// Tanh units of the teacher.
const UNITS: usize = 16;

/// Standard normal inputs; targets are the teacher's outputs, standardized over all samples, or
/// brought into the range that the network's last operator allows.
pub(super) fn make(form: &Form, count: usize, seed: Seed) -> Made {
    let (width, outputs) = (form.input_len(), form.output_len());
    let mut draw = Draw::new(seed, "teacher");
    // Pre-activations of deviation 1.5: bent, but not saturated.
    let first = draw.normals(UNITS * width, 1.5 / (width.max(1) as f64).sqrt());
    let second = draw.normals(outputs * UNITS, 1.0 / (UNITS as f64).sqrt());
    let mut inputs = Vec::with_capacity(count * width);
    let mut targets = Vec::with_capacity(count * outputs);
    for _ in 0..count {
        let x: Vec<f64> = draw.normals(width, 1.0);
        let units: Vec<f64> = first
            .chunks(width.max(1))
            .map(|row| libm::tanh(dot(row, &x)))
            .collect();
        inputs.extend(x.into_iter().map(|v| v as f32));
        targets.extend(second.chunks(UNITS).map(|row| dot(row, &units) as f32));
    }
    standardize(&mut targets);
    if let Some((low, high)) = form.range {
        // Two deviations reach four fifths of the way to the ends.
        let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0);
        for t in &mut targets {
            *t = (middle + half * (0.4 * f64::from(*t)).clamp(-0.9, 0.9)) as f32;
        }
    }
    Made {
        inputs: Samples::Floats(inputs),
        targets: Samples::Floats(targets),
        target_shape: form.output_shape[1..].to_vec(),
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
