//! Formats and first steps: F704, F705.

use fanin::DType;
use fanin_check::{Optimizer, Options, Severity};

use crate::support::{Case, find, fires, silent};

const CHAIN: &str = "mlp(64, 128x20, 10, relu)";

fn in_format(dtype: DType) -> Options {
    Options {
        dtype: Some(dtype),
        ..Options::default()
    }
}

fn with(optimizer: Optimizer) -> Options {
    Options {
        optimizer: Some(optimizer),
        ..Options::default()
    }
}

#[test]
fn what_overflows_in_half_precision_is_found() {
    let loud = Case::auto(CHAIN).scale_weights(2.0);
    // 2^20 at the end: beyond f16's 65504, far within bf16's range.
    let finding = find(&loud.check_with(&in_format(DType::F16)), "F704").cloned();
    let finding = finding.unwrap();
    assert_eq!(finding.severity, Severity::Error);
    assert!(finding.message.contains("65504") || finding.message.contains("6.55e4"));
    silent(&loud.check_with(&in_format(DType::BF16)), "F704");
    silent(&loud.check(), "F704");
    let sound = Case::auto(CHAIN);
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        silent(&sound.check_with(&in_format(dtype)), "F704");
    }
}

#[test]
fn what_underflows_in_half_precision_is_found() {
    // Xavier-like fading: 2^-18 is below f16's smallest normal number, above its subnormals.
    let faint = Case::auto(CHAIN).scale_weights(0.5);
    let checkup = faint.check_with(&in_format(DType::F16));
    assert_eq!(find(&checkup, "F704").unwrap().severity, Severity::Warning);
    let fainter = Case::auto(CHAIN).scale_weights(0.2);
    let checkup = fainter.check_with(&in_format(DType::F16));
    assert_eq!(find(&checkup, "F704").unwrap().severity, Severity::Error);
    silent(&fainter.check_with(&in_format(DType::BF16)), "F704");
}

#[test]
fn steps_are_held_against_the_weights() {
    let case = Case::auto("mlp(64, 256x3, 10, relu)");
    silent(
        &case.check_with(&with(Optimizer::Adam { rate: 1e-3 })),
        "F705",
    );
    silent(
        &case.check_with(&with(Optimizer::Sgd { rate: 0.03 })),
        "F705",
    );
    let wild = case.check_with(&with(Optimizer::Adam { rate: 0.1 }));
    let finding = find(&wild, "F705").unwrap();
    assert_eq!(finding.severity, Severity::Error);
    // rate / std · √fan_in, std = √(2/256).
    let expected = 0.1 / (2.0f64 / 256.0).sqrt() * 16.0;
    assert!(
        (finding.evidence.measured / expected - 1.0).abs() < 0.5,
        "{finding:?}"
    );
    let still = case.check_with(&with(Optimizer::Sgd { rate: 1e-7 }));
    assert!(find(&still, "F705").unwrap().severity >= Severity::Note);
    silent(&case.check(), "F705");
}

/// The optimizer is judged on the weights: one faint layer is what the step overwrites.
#[test]
fn the_layer_that_a_step_overwrites_is_blamed() {
    let case = Case::auto("mlp(64, 256x3, 10, relu)").scale("layers.1.weight", 0.003);
    let checkup = case.check_with(&with(Optimizer::Adam { rate: 1e-3 }));
    let finding = fires(&checkup, "F705", Severity::Error, "layers.1.weight");
    assert!(finding.fix.is_some());
}
