//! Predictions against dense networks drawn and run many times.

mod common;

use common::{Builder, Normal, backward, forward, rms, times, times_transposed};

/// One draw of a chain: rms of each activation, and of the gradient at each, first to last.
fn draw(
    seed: u64,
    widths: &[usize],
    gain: f64,
    function: fn(f64) -> f64,
    slope: fn(f64) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    let mut normal = Normal(seed);
    let mut x = normal.matrix(12, widths[0], 1.0);
    let (mut weights, mut pre, mut forward) = (Vec::new(), Vec::new(), Vec::new());
    for pair in widths.windows(2) {
        let w = normal.matrix(pair[1], pair[0], gain / (pair[0] as f64).sqrt());
        let h = times_transposed(&x, &w);
        x = h
            .iter()
            .map(|row| row.iter().map(|&v| function(v)).collect())
            .collect();
        forward.push(rms(&x));
        weights.push(w);
        pre.push(h);
    }
    let mut delta = normal.matrix(12, widths[widths.len() - 1], 1.0);
    let mut gradients = vec![rms(&delta)];
    for (w, h) in weights.iter().zip(&pre).rev() {
        for (row, h) in delta.iter_mut().zip(h) {
            for (d, &v) in row.iter_mut().zip(h) {
                *d *= slope(v);
            }
        }
        delta = times(&delta, w);
        gradients.push(rms(&delta));
    }
    gradients.pop();
    gradients.reverse();
    (forward, gradients)
}

struct Study {
    outside: usize,
    cases: usize,
    /// Log of the last measured over the predicted rms, squared mean.
    last_forward: f64,
    first_backward: f64,
}

fn study(widths: &[usize], gain: f64, op: &str, f: fn(f64) -> f64, df: fn(f64) -> f64) -> Study {
    let draws = 60;
    let mut study = Study {
        outside: 0,
        cases: 0,
        last_forward: 0.0,
        first_backward: 0.0,
    };
    for seed in 0..draws {
        let (forwards, backwards) = draw(seed * 7919 + 1, widths, gain, f, df);
        let mut builder = Builder::new();
        let mut x = builder.input("x", &[12, widths[0]], 1.0);
        for (layer, pair) in widths.windows(2).enumerate() {
            let std = gain / (pair[0] as f64).sqrt();
            x = builder.dense(&format!("dense{layer}"), x, pair[1], std, 0.0);
            x = builder.like(&format!("act{layer}"), op, &[x]);
        }
        builder.end(x, backwards[backwards.len() - 1]);
        let prediction = builder.predict();
        for layer in 0..forwards.len() {
            let band = forward(&prediction, &format!("act{layer}"));
            let measured = forwards[layer];
            study.cases += 1;
            study.outside += usize::from(measured < band.low || measured > band.high);
            if layer + 1 == forwards.len() {
                study.last_forward += (measured / band.rms).powi(2) / draws as f64;
            } else {
                let band = backward(&prediction, &format!("act{layer}"));
                let measured = backwards[layer];
                study.cases += 1;
                study.outside += usize::from(measured < band.low || measured > band.high);
            }
            if layer == 0 {
                let band = backward(&prediction, "act0");
                study.first_backward += (backwards[0] / band.rms).powi(2) / draws as f64;
            }
        }
    }
    study
}

#[track_caller]
fn holds(study: &Study, mean_tolerance: f64) {
    let share = study.outside as f64 / study.cases as f64;
    assert!(share < 0.01, "{} of {} outside", study.outside, study.cases);
    assert!(
        (study.last_forward - 1.0).abs() < mean_tolerance,
        "{}",
        study.last_forward
    );
    assert!(
        (study.first_backward - 1.0).abs() < mean_tolerance,
        "{}",
        study.first_backward
    );
}

#[test]
fn relu_chain_of_he() {
    let widths = [40, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64];
    let relu: fn(f64) -> f64 = |x| x.max(0.0);
    let slope: fn(f64) -> f64 = |x| f64::from(u8::from(x > 0.0));
    holds(&study(&widths, 2f64.sqrt(), "Relu", relu, slope), 0.35);
}

#[test]
fn relu_chain_of_changing_widths_and_wrong_gain() {
    let widths = [100, 30, 90, 50, 120, 40];
    let relu: fn(f64) -> f64 = |x| x.max(0.0);
    let slope: fn(f64) -> f64 = |x| f64::from(u8::from(x > 0.0));
    holds(&study(&widths, 0.8, "Relu", relu, slope), 0.3);
}

#[test]
fn tanh_chain_at_gain_five_thirds() {
    let widths = [60, 80, 80, 80, 80, 80, 80, 80];
    let slope: fn(f64) -> f64 = |x| 1.0 - x.tanh().powi(2);
    holds(&study(&widths, 5.0 / 3.0, "Tanh", f64::tanh, slope), 0.2);
}
