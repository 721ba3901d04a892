//! Rescaling from measurement and from prediction.

use fanin::Seed;
use fanin_check::{Basis, Verdict, redraw_broken, rescale};
use fanin_plan::Recipe;

use crate::support::{Case, brief};

/// The case after a rescale, and how many weights changed.
fn rescaled(case: &Case, basis: Basis) -> (Case, usize) {
    let mut weights = case.weights.clone();
    let seed = Seed::new(case.seed);
    redraw_broken(&case.network, &case.check(), seed, &mut weights).unwrap();
    let done = rescale(&case.network, &mut weights, basis, seed, None).unwrap();
    // Theory has no rule for what comes out of a pool and in all else knows every layer.
    let left: Vec<_> = done
        .left
        .iter()
        .filter(|name| *name != "head.weight")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let after = Case {
        network: case.network.clone(),
        plan: None,
        weights,
        seed: case.seed,
    };
    (after, done.factors.len())
}

#[test]
fn both_ways_mend_wrong_scales() {
    let cases = [
        Case::new("mlp(64, 128x30, 10, relu)", Recipe::Torch),
        Case::new("mlp(64, 96x20, 10, gelu)", Recipe::Torch),
        Case::auto("mlp(64, 128x20, 10, relu)").scale_weights(3.0),
        Case::auto("mlp(64, 128x12, 10, relu)").scale("layers.5.weight", 0.01),
        Case::auto("mlp(64, 128x12, 10, relu)").fill("layers.5.weight", 0.0),
        Case::auto("conv(3x12x12, 16x8, 10, relu)").scale_weights(0.2),
    ];
    for (index, case) in cases.iter().enumerate() {
        assert_ne!(case.check().verdict, Verdict::Healthy, "case {index}");
        for basis in [Basis::Measurement, Basis::Prediction] {
            let (after, changed) = rescaled(case, basis);
            let checkup = after.check();
            assert!(changed > 0);
            assert_eq!(
                checkup.verdict,
                Verdict::Healthy,
                "case {index} {basis:?}: {:#?}",
                brief(&checkup)
            );
        }
    }
}

/// Measured: every layer's output has rms one, within the tolerance.
#[test]
fn every_layer_puts_out_one() {
    let case = Case::new("mlp(64, 96x10, 10, tanh)", Recipe::Torch);
    let (after, _) = rescaled(&case, Basis::Measurement);
    let checkup = after.check();
    let layers = checkup.trace.values.iter();
    let layers: Vec<_> = layers.filter(|row| row.op == "Gemm").collect();
    assert_eq!(layers.len(), 11);
    // The head may be quieter.
    for row in &layers[..10] {
        assert!((row.forward.rms - 1.0).abs() < 0.03, "{row:?}");
    }
}

/// Predicted: the mean square over draws of a narrow deep network is that of a few loud ones, and
/// holding it at one leaves the usual draw to fade.
#[test]
fn prediction_does_not_drift_in_narrow_deep_networks() {
    const SEEDS: u64 = 20;
    let mut logs = Vec::new();
    for seed in 0..SEEDS {
        // Without biases, which hold a fading signal up.
        let case = Case::seeded("mlp(32, 16x30, 10, relu)", Recipe::Auto, seed);
        let case = case.scale_weights(0.5);
        let (after, _) = rescaled(&case, Basis::Prediction);
        let checkup = after.check();
        let mut layers = checkup.trace.values.iter().filter(|row| row.op == "Gemm");
        let last = layers.nth(29).unwrap();
        logs.push(last.forward.rms.ln());
    }
    let mean = logs.iter().sum::<f64>() / SEEDS as f64;
    // One draw has a deviation of ½ √(30 · 5/16); the drift would be ¼ · 30 · 5/16 = 2.3.
    let error = 0.5 * (30.0f64 * 5.0 / 16.0 / SEEDS as f64).sqrt();
    assert!(mean.abs() < 3.3 * error, "{mean}: {logs:?}");
}

#[test]
fn what_is_right_stays() {
    let case = Case::auto("mlp(64, 64x4, 10, relu, norm=batch)");
    let (after, _) = rescaled(&case, Basis::Prediction);
    // Behind a norm the scale is free: only the head may change.
    for name in case.matrices().iter().rev().skip(1) {
        assert_eq!(after.weights.get(name), case.weights.get(name), "{name}");
    }
}
