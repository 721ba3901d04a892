//! Signals and gradients that grow or fade: F101 to F104, F201 to F203.

use fanin_check::{Severity, Verdict};
use fanin_plan::Recipe;

use crate::support::{Case, find, fires, healthy, silent};

const CHAIN: &str = "mlp(64, 128x20, 10, relu)";

/// One faint layer slows training, but its own gradient is not faint, so that it grows back; two
/// faint ones stop each other.
#[test]
fn one_faint_layer_is_named() {
    for layer in [1, 7, 15] {
        let name = format!("layers.{layer}.weight");
        let case = Case::auto(CHAIN).scale(&name, 0.01);
        case.mended("F101", Severity::Warning, &name);
    }
    let conv = Case::auto("conv(3x12x12, 16x6, 10, relu)").scale("layers.2.weight", 0.01);
    conv.mended("F101", Severity::Warning, "layers.2.weight");
    let two = Case::auto(CHAIN)
        .scale("layers.3.weight", 1e-4)
        .scale("layers.9.weight", 1e-5);
    let checkup = two.check();
    fires(&checkup, "F101", Severity::Error, "layers.9.weight");
}

#[test]
fn one_loud_layer_is_named() {
    for (factor, severity) in [(100.0, Severity::Warning), (3000.0, Severity::Error)] {
        for layer in [0, 9] {
            let name = format!("layers.{layer}.weight");
            let case = Case::auto(CHAIN).scale(&name, factor);
            case.mended("F102", severity, &name);
        }
    }
}

#[test]
fn a_layer_off_by_ten_slows() {
    let faint = Case::auto(CHAIN).scale("layers.5.weight", 0.05);
    faint.mended("F101", Severity::Warning, "layers.5.weight");
    let loud = Case::auto(CHAIN).scale("layers.5.weight", 20.0);
    loud.mended("F102", Severity::Warning, "layers.5.weight");
}

#[test]
fn defaults_that_fade_over_depth_are_blamed_on_all_layers() {
    let case = Case::new("mlp(64, 128x30, 10, relu)", Recipe::Torch);
    let checkup = case.check();
    // PyTorch's biases keep the signal up, but nothing of it depends on the input.
    let finding = fires(&checkup, "F201", Severity::Error, "layers.29.weight");
    assert!(finding.further_fixes.len() > 20, "{finding:?}");
    let (_, after) = case.fixed(&checkup);
    healthy(&after);
    // Xavier on ReLU halves the second moment per layer: 2^-15 over 30 layers.
    let xavier = Case::new("mlp(128, 128x30, 10, relu)", Recipe::Keras).check();
    let finding = find(&xavier, "F101").unwrap();
    assert_eq!(finding.severity, Severity::Error);
    let ratio = finding.evidence.measured / finding.evidence.expected;
    assert!((ratio.log2() + 14.5).abs() < 2.0, "{ratio}");
}

#[test]
fn the_same_defaults_on_few_layers_pass() {
    let checkup = Case::new("mlp(64, 128x3, 10, relu)", Recipe::Torch).check();
    silent(&checkup, "F101");
    assert_ne!(checkup.verdict, Verdict::Faulty);
}

#[test]
fn gradients_that_fade_behind_saturation_are_found() {
    // The forward signal looks sound: bounded activations keep it up.
    let case = Case::auto("mlp(64, 128x20, 10, sigmoid)");
    let checkup = case.scale_weights(0.3).check();
    silent(&checkup, "F101");
    let finding = find(&checkup, "F201").unwrap();
    assert_eq!(finding.severity, Severity::Error);
}

#[test]
fn gradients_that_grow_are_found() {
    // tanh far in the chaotic phase.
    let checkup = Case::auto("mlp(64, 128x30, 10, tanh)")
        .scale_weights(3.0)
        .check();
    let finding = find(&checkup, "F202").unwrap();
    assert!(finding.severity >= Severity::Warning);
    silent(&checkup, "F102");
    silent(&Case::auto("mlp(64, 128x30, 10, tanh)").check(), "F202");
}

/// Weights whose mean and size look like a draw, but each row has one sign: the terms of its sums
/// add up instead of averaging out.
#[test]
fn dependent_weights_are_no_theory() {
    let case = Case::auto("mlp(64, 256x4, 10, relu)");
    silent(&case.check(), "F103");
    let case = case.edit("layers.2.weight", |data| {
        for (k, row) in data.chunks_mut(256).enumerate() {
            let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
            row.iter_mut().for_each(|x| *x = sign * x.abs());
        }
    });
    let checkup = case.check();
    let finding = find(&checkup, "F103").unwrap();
    assert_eq!(finding.severity, Severity::Note);
    let evidence = &finding.evidence;
    assert!(evidence.measured > 2.0 * evidence.band[1], "{evidence:?}");
}

/// Blame is exact: the shares add up to the whole change, and the mutated layer has most of it.
#[test]
fn the_shares_add_up() {
    let cases = [
        Case::new("mlp(64, 128x30, 10, relu)", Recipe::Torch),
        Case::auto(CHAIN).scale("layers.7.weight", 0.01),
        Case::auto(CHAIN).scale("layers.7.weight", 100.0),
        Case::auto("mlp(64, 64x12, 10, sigmoid)").scale_weights(0.3),
        Case::auto("conv(3x12x12, 16x8, 10, relu)").scale_weights(0.3),
    ];
    let mut judged = 0;
    for case in cases {
        let checkup = case.check();
        for code in ["F101", "F102", "F201", "F202"] {
            let Some(finding) = find(&checkup, code) else {
                continue;
            };
            let evidence = &finding.evidence;
            let total: f64 = evidence.shares.iter().map(|share| share.log_change).sum();
            let whole = (evidence.measured / evidence.expected).ln();
            assert!((total - whole).abs() < 1e-9 * whole.abs(), "{finding:?}");
            judged += 1;
        }
    }
    assert!(judged >= 5, "{judged}");
    let one = Case::auto(CHAIN).scale("layers.7.weight", 0.01).check();
    let shares = &find(&one, "F101").unwrap().evidence.shares;
    let blamed = shares
        .iter()
        .min_by(|a, b| a.log_change.total_cmp(&b.log_change));
    let blamed = blamed.unwrap();
    assert_eq!(blamed.parameter.as_deref(), Some("layers.7.weight"));
    assert!((blamed.log_change - 0.01f64.ln()).abs() < 0.3, "{blamed:?}");
}

/// A residual network whose branches keep their scale: the division by √(number of branches) undone.
fn unscaled(blocks: usize) -> (Case, usize) {
    let mut case = Case::auto(&format!("mlp(256, 256x{blocks}, 10, relu, residual=true)"));
    let branches: Vec<(String, usize)> = case
        .network
        .parameters
        .iter()
        .filter(|p| p.shape.len() == 2)
        .filter_map(|p| Some((p.name.clone(), p.purpose.residual_branches?)))
        .collect();
    for (name, count) in &branches {
        // Times √2, because a branch reads what ReLU leaves.
        case = case.scale(name, (2.0 * *count as f32).sqrt());
    }
    (case, branches.len())
}

/// Branches of unit gain double the second moment at each sum: 2^L.
#[test]
fn a_residual_stream_that_doubles_is_found() {
    silent(
        &Case::auto("mlp(256, 256x16, 10, relu, residual=true)").check(),
        "F104",
    );
    let (case, branches) = unscaled(16);
    assert!(branches > 10, "{branches}");
    let checkup = case.check();
    let finding = find(&checkup, "F104").unwrap();
    assert!(finding.severity >= Severity::Warning, "{finding:?}");
    silent(&checkup, "F102");
    let growth = finding.evidence.measured / finding.evidence.expected;
    let expected = 2f64.powf(0.5 * branches as f64);
    assert!(
        (growth / expected).ln().abs() < 1.5,
        "{growth} against {expected}"
    );
    let (_, after) = case.fixed(&checkup);
    silent(&after, "F104");
    healthy(&after);
    // A few blocks are a note.
    let checkup = unscaled(7).0.check();
    let severity = find(&checkup, "F104").map(|finding| finding.severity);
    assert_eq!(severity, Some(Severity::Note));
}

/// 1.21 per layer of batch norm and ReLU, at any scale of the weights.
#[test]
fn batch_norm_makes_gradients_grow() {
    for scale in [0.3, 1.0, 3.0] {
        let case = Case::auto("mlp(64, 256x36, 10, relu, norm=batch)").scale_weights(scale);
        let checkup = case.check();
        let finding = find(&checkup, "F203").unwrap();
        silent(&checkup, "F202");
        let layers = finding.evidence.shares.len() as f64;
        let growth = (finding.evidence.measured / finding.evidence.expected).ln() / layers;
        // 1.211 for a large batch, 1.26 for one of 16.
        assert!((growth.exp() - 1.235).abs() < 0.06, "{}", growth.exp());
    }
    for sound in [
        "mlp(64, 64x8, 10, relu, norm=batch)",
        "mlp(64, 256x36, 10, relu, norm=batch, residual=true)",
        "mlp(64, 256x36, 10, relu, norm=layer)",
    ] {
        silent(&Case::auto(sound).check(), "F203");
    }
}
