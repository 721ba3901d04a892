//! Whether the bands hold what they say, over many random networks.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod common;

use common::study::draw;
use common::{Builder, Normal};

/// Activations with the gain of a usual recipe, and one that is off.
const ACTIVATIONS: [(&str, f64); 7] = [
    ("Relu", 1.414),
    ("Tanh", 1.5),
    ("Gelu", 1.5),
    ("Selu", 1.0),
    ("Sigmoid", 1.5),
    ("LeakyRelu", 1.2),
    ("Elu", 1.3),
];

/// Log-uniform whole numbers.
fn between(normal: &mut Normal, low: f64, high: f64) -> usize {
    let (a, b) = (low.ln(), high.ln());
    (a + (b - a) * normal.uniform()).exp().round() as usize
}

/// A plain or residual chain of random widths, depth, activation, gain and biases.
fn network(seed: u64) -> (Builder, usize) {
    let mut normal = Normal(seed * 77_003 + 5);
    let depth = between(&mut normal, 2.0, 50.0);
    let widest = if seed.is_multiple_of(10) {
        512.0
    } else {
        160.0
    };
    let (op, gain) = ACTIVATIONS[(normal.uniform() * ACTIVATIONS.len() as f64) as usize];
    let gain = gain * (0.3 * (normal.uniform() - 0.5)).exp();
    let bias = if normal.uniform() < 0.5 { 0.0 } else { 0.1 };
    let residual = normal.uniform() < 0.3;
    let mut builder = Builder::new();
    let mut width = between(&mut normal, 16.0, widest);
    let mut x = builder.input("x", &[8, width], 1.0);
    for layer in 0..depth {
        let units = if residual {
            width
        } else {
            between(&mut normal, 16.0, widest)
        };
        let scale = if residual {
            gain / (depth as f64).sqrt()
        } else {
            gain
        };
        let before = if residual {
            builder.like(&format!("act{layer}"), op, &[x])
        } else {
            x
        };
        let rms = scale / (width as f64).sqrt();
        let y = builder.dense(&format!("dense{layer}"), before, units, rms, bias * scale);
        x = if residual {
            builder.like(&format!("out{layer}"), "Add", &[x, y])
        } else {
            builder.like(&format!("out{layer}"), op, &[y])
        };
        width = units;
    }
    builder.end(x, 1.0);
    (builder, depth)
}

#[test]
fn all_but_one_in_a_hundred_lie_in_the_band_at_every_depth() {
    const DEPTHS: [usize; 5] = [4, 10, 20, 35, 51];
    let kinds = ["forward", "backward", "cosine"];
    // Inside and all, by kind and depth.
    let mut counts = [[(0usize, 0usize); 5]; 3];
    for seed in 0..200 {
        let (builder, depth) = network(seed);
        let (trace, prediction) = draw(&builder, seed);
        for layer in 0..depth {
            let name = format!("out{layer}");
            let seen = trace.values.iter().find(|v| v.value == name).unwrap();
            let expected = common::expected(&prediction, &name);
            let from_end = depth - 1 - layer;
            let mut count = |kind: usize, depth: usize, low: f64, x: f64, high: f64| {
                let bin = DEPTHS.iter().position(|&end| depth < end).unwrap();
                counts[kind][bin].0 += usize::from(low <= x && x <= high);
                counts[kind][bin].1 += 1;
            };
            if let Some(band) = expected.forward {
                count(0, layer, band.low, seen.forward.rms, band.high);
            }
            if let Some((band, back)) = expected.backward.zip(seen.backward.as_ref()) {
                count(1, from_end, band.low, back.rms, band.high);
            }
            if let Some((band, cosine)) = expected.cosine.zip(seen.forward.sample_cosine) {
                count(2, layer, band.low, cosine, band.high);
            }
        }
    }
    for (kind, bins) in kinds.iter().zip(&counts) {
        for ((inside, all), end) in bins.iter().zip(DEPTHS) {
            assert!(*all > 200, "{kind}: {all} cases under depth {end}");
            let share = *inside as f64 / *all as f64;
            assert!(
                share >= 0.99,
                "{kind}: {inside} of {all} inside the band under depth {end}\n{counts:?}"
            );
        }
    }
}
