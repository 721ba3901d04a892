//! The weights themselves and numbers: F501 to F506, F601, F602, F701 to F703.

use fanin_check::Severity;
use fanin_plan::Recipe;

use crate::support::{Case, find, fires, healthy, silent};

const CHAIN: &str = "mlp(32, 64x4, 10, relu)";

#[test]
fn a_weight_that_is_one_number_is_found() {
    for (value, severity) in [(1.0, Severity::Error), (0.02, Severity::Warning)] {
        let case = Case::auto(CHAIN).fill("layers.2.weight", value);
        let checkup = case.check();
        fires(&checkup, "F501", severity, "layers.2.weight");
        let (changed, after) = case.fixed(&checkup);
        assert!(changed.contains(&"layers.2.weight".to_owned()));
        healthy(&after);
    }
    let zeros = Case::auto(CHAIN).fill("layers.4.weight", 0.0).check();
    silent(&zeros, "F501");
}

/// What a broken weight does to the layers around it is graver than the weight looks; the weight is
/// to blame all the same, and named first.
#[test]
fn a_broken_weight_is_blamed_for_what_follows_from_it() {
    for (network, weight) in [
        (
            "mlp(64, 64x12, 10, gelu, norm=layer, residual=true)",
            "layers.0.weight",
        ),
        ("mlp(64, 64x12, 10, tanh, norm=batch)", "layers.6.weight"),
    ] {
        let case = Case::auto(network).fill(weight, 1.0);
        let checkup = case.mended("F501", Severity::Error, weight);
        let first = &checkup.findings[0];
        assert_eq!(first.code.to_string(), "F501");
        assert!(first.message.contains("F202"), "{}", first.message);
    }
}

/// Units that are all one go into saturation together.
#[test]
fn a_broken_weight_that_is_loud_too_is_an_error() {
    let line = "mlp(64, 128x4, 10, hard_tanh)";
    let loud = Case::auto(line).fill("layers.3.weight", 1.0);
    loud.mended("F501", Severity::Error, "layers.3.weight");
    let quiet = Case::auto(line).fill("layers.3.weight", 0.02).check();
    fires(&quiet, "F501", Severity::Warning, "layers.3.weight");
}

#[test]
fn a_copied_weight_is_found() {
    let case = Case::auto(CHAIN);
    let copy = case.weights.get("layers.1.weight").unwrap().to_f32();
    let case = case.edit("layers.2.weight", |data| data.copy_from_slice(&copy));
    let checkup = case.check();
    let finding = fires(&checkup, "F502", Severity::Warning, "layers.2.weight");
    assert!(finding.message.contains("layers.1.weight"));
    let (changed, after) = case.fixed(&checkup);
    assert_eq!(changed, ["layers.2.weight"]);
    healthy(&after);
    // One bit of difference is an independent tensor.
    let near = case.edit("layers.2.weight", |data| data[0] += 1.0);
    silent(&near.check(), "F502");
}

#[test]
fn loud_logits_cost_more_than_a_guess() {
    let case = Case::auto(CHAIN).scale("layers.4.weight", 40.0);
    case.mended("F601", Severity::Warning, "layers.4.weight");
    let case = Case::auto(CHAIN).scale("layers.4.weight", 1000.0);
    case.mended("F601", Severity::Error, "layers.4.weight");
    silent(&Case::auto(CHAIN).check(), "F601");
}

#[test]
fn weights_that_are_no_numbers_are_found() {
    for bad in [f32::NAN, f32::INFINITY] {
        let case = Case::auto(CHAIN).edit("layers.1.weight", |data| data[7] = bad);
        let checkup = case.mended("F701", Severity::Error, "layers.1.weight");
        assert_eq!(find(&checkup, "F701").unwrap().evidence.measured, 1.0);
        assert!(find(&checkup, "F702").is_some());
    }
}

#[test]
fn values_that_overflow_are_found() {
    let case = Case::auto("mlp(32, 64x3, 10, relu)").scale_weights(1e12);
    let checkup = case.check();
    let finding = find(&checkup, "F702").unwrap();
    assert_eq!(finding.severity, Severity::Error);
    let (_, after) = case.fixed(&checkup);
    healthy(&after);
}

#[test]
fn gradients_that_overflow_are_found() {
    // The loud layer meets a faint signal forward, so that only the way back overflows.
    let case = Case::auto("mlp(32, 64x3, 10, relu)")
        .scale("layers.0.weight", 1e-25)
        .scale("layers.1.weight", 1e-12)
        .scale("layers.2.weight", 1e25)
        .scale("layers.3.weight", 1e15);
    let checkup = case.check();
    let finding = find(&checkup, "F703").unwrap();
    assert_eq!(finding.severity, Severity::Error);
    silent(&checkup, "F702");
    silent(&Case::auto(CHAIN).check(), "F703");
}

/// He against LeCun is a factor of 2, told apart by the sample variance alone.
#[test]
fn another_activations_scheme_is_told_apart() {
    let case = Case::new("mlp(64, 64x3, 10, relu)", Recipe::Keras);
    let checkup = case.check();
    // Square layers: Xavier and LeCun are one there.
    let finding = find(&checkup, "F504").unwrap();
    assert_eq!(finding.severity, Severity::Note);
    assert!(
        (finding.evidence.measured - 1.0).abs() < 0.15,
        "{finding:?}"
    );
    assert!(
        (finding.evidence.expected - 2.0).abs() < 1e-9,
        "{finding:?}"
    );
    let (changed, after) = case.fixed(&checkup);
    assert!(changed.len() >= 3, "{changed:?}");
    silent(&after, "F504");
    let tanh = Case::auto("mlp(64, 64x3, 10, tanh)")
        .scale_weights(2f32.sqrt())
        .check();
    let finding = find(&tanh, "F504").unwrap();
    assert!(finding.message.contains("He"), "{finding:?}");
    let torch = Case::new("mlp(64, 64x3, 10, relu)", Recipe::Torch).check();
    assert!(find(&torch, "F504").unwrap().message.contains("PyTorch"));
    for sound in ["relu", "leaky_relu", "tanh", "selu", "gelu"] {
        silent(
            &Case::auto(&format!("mlp(64, 64x3, 10, {sound})")).check(),
            "F504",
        );
    }
}

/// What a scheme made for another activation leads to, it is named as the reason of.
#[test]
fn the_wrong_scheme_is_the_reason_for_what_follows() {
    let checkup = Case::new("mlp(64, 64x30, 10, relu)", Recipe::Torch).check();
    let reason = &find(&checkup, "F504").unwrap().message;
    assert!(reason.contains("; F201"), "{reason}");
    assert!(reason.ends_with("F401 may follow from it"), "{reason}");
    for code in ["F201", "F401"] {
        let message = &find(&checkup, code).unwrap().message;
        assert!(message.ends_with("; F504 may be why"), "{message}");
    }
    let alone = Case::new("mlp(64, 64x3, 10, relu)", Recipe::Torch).check();
    let reason = &find(&alone, "F504").unwrap().message;
    assert!(!reason.contains("may follow"), "{reason}");
}

#[test]
fn slips_in_the_fans_are_named() {
    // fan_out for fan_in: [256, 32] filled by 2/256 is a choice (He by fan_out), by 1/256 before
    // SELU it is a slip.
    let wide = "mlp(32, 256x2, 10, selu)";
    let case = Case::auto(wide).scale("layers.0.weight", (32f32 / 256.0).sqrt());
    let checkup = case.check();
    let finding = fires(&checkup, "F503", Severity::Warning, "layers.0.weight");
    assert!(finding.message.contains("exchanged"), "{finding:?}");
    let (_, after) = case.fixed(&checkup);
    silent(&after, "F503");
    // The nine positions of a kernel forgotten: three times too loud.
    let conv = "conv(3x12x12, 32x4, 10, relu)";
    let case = Case::auto(conv).scale("layers.2.weight", 3.0);
    let checkup = case.check();
    let finding = fires(&checkup, "F503", Severity::Warning, "layers.2.weight");
    assert!(finding.message.contains("9 positions"), "{finding:?}");
    silent(&Case::auto(conv).check(), "F503");
    silent(&Case::auto(wide).check(), "F503");
}

#[test]
fn a_vocabulary_is_no_fan() {
    let line = "transformer(layers=1, width=32, heads=2, vocab=500, context=8, tied=false)";
    let case = Case::auto(line);
    silent(&case.check(), "F503");
    let table = case.network.parameters.iter();
    let table = table.filter(|p| p.purpose.role == fanin_network::Role::Embedding);
    let name = table.map(|p| p.name.clone()).next().unwrap();
    let std = f64::from(
        case.weights
            .get(&name)
            .unwrap()
            .to_f32()
            .iter()
            .map(|x| x * x)
            .sum::<f32>(),
    );
    let std = (std / (500.0 * 32.0)).sqrt();
    let case = case.scale(&name, (1.0 / 500f64.sqrt() / std) as f32);
    let checkup = case.check();
    let finding = fires(&checkup, "F503", Severity::Note, &name);
    assert!(finding.message.contains("500 rows"), "{finding:?}");
}

/// Bits of pointers, text and integers, read as floats.
#[test]
fn memory_that_nobody_wrote_is_found() {
    let pointers = |data: &mut [f32]| {
        for (k, x) in data.iter_mut().enumerate() {
            *x = f32::from_bits(if k % 2 == 0 {
                0x7f3a_0000 / 2 + k as u32
            } else {
                0x0000_7f3a
            });
        }
    };
    let case = Case::auto(CHAIN).edit("layers.1.weight", pointers);
    let checkup = case.check();
    let finding = find(&checkup, "F505").unwrap();
    assert_eq!(finding.parameter.as_deref(), Some("layers.1.weight"));
    let text = |data: &mut [f32]| {
        for (k, x) in data.iter_mut().enumerate() {
            *x = f32::from_bits(if k % 3 == 0 {
                0x6c6c_6548
            } else {
                0x2c6f_2000 + k as u32
            });
        }
    };
    let case = Case::auto(CHAIN).edit("layers.1.weight", text);
    case.mended("F505", Severity::Error, "layers.1.weight");
    silent(&Case::auto(CHAIN).check(), "F505");
    // Small on purpose is not left behind.
    silent(
        &Case::auto(CHAIN).scale("layers.1.weight", 1e-40).check(),
        "F505",
    );
}

#[test]
fn a_bias_before_a_batch_norm_is_a_note() {
    let with = Case::auto("conv(3x8x8, 8x3, 10, relu, norm=batch, bias=true)").check();
    let finding = find(&with, "F506").unwrap();
    assert_eq!(finding.severity, Severity::Note);
    assert_eq!(finding.evidence.measured, 3.0);
    silent(
        &Case::auto("conv(3x8x8, 8x3, 10, relu, norm=batch)").check(),
        "F506",
    );
    silent(
        &Case::auto("mlp(8, 16x3, 10, relu, norm=layer)").check(),
        "F506",
    );
}

#[test]
fn the_prior_of_the_labels_is_held_against_the_bias() {
    let case = Case::auto("mlp(32, 64x2, 4, relu)");
    let with = |counts: &[u64]| fanin_check::Options {
        class_counts: Some(counts.to_vec()),
        ..Default::default()
    };
    silent(&case.check_with(&with(&[240, 260, 255, 245])), "F602");
    let rare = case.check_with(&with(&[9700, 100, 100, 100]));
    let finding = fires(&rare, "F602", Severity::Warning, "layers.2.bias");
    let entropy = -0.97 * 0.97f64.ln() - 0.03 * 0.01f64.ln();
    assert!((finding.evidence.measured - (4f64.ln() - entropy)).abs() < 1e-6);
    let mild = case.check_with(&with(&[400, 200, 200, 200]));
    fires(&mild, "F602", Severity::Note, "layers.2.bias");
    // The proposed bias is the log of the frequencies, and then nothing is left to say.
    let mut weights = case.weights.clone();
    fanin_check::apply_fixes(&case.network, &rare, fanin::Seed::new(0), &mut weights).unwrap();
    let bias = weights.get("layers.2.bias").unwrap().to_f32();
    assert!((f64::from(bias[0]) - 0.97f64.ln()).abs() < 1e-6, "{bias:?}");
    let mended = Case {
        network: case.network.clone(),
        plan: None,
        weights,
        seed: 0,
    };
    silent(&mended.check_with(&with(&[9700, 100, 100, 100])), "F602");
}

/// Keras draws the four gates of an LSTM as one matrix, whose fan_out is then four times too large;
/// PyTorch's nn.MultiheadAttention does the same with q, k and v.
#[test]
fn fused_matrices_that_count_as_one_are_named() {
    let checkup = Case::new("lstm(24, 64x2, 10, time=16)", Recipe::Keras).check();
    let finding = find(&checkup, "F503").unwrap();
    assert_eq!(finding.severity, Severity::Note);
    assert!(finding.message.contains("4 fused matrices"), "{finding:?}");
    assert!(finding.message.contains("1 more"), "{finding:?}");
    // Its biases, ones and zeros in both layers, are neither copies nor equal units.
    silent(&checkup, "F301");
    silent(&checkup, "F502");
    healthy(&checkup);
}
