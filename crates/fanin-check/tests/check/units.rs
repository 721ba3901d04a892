//! Units that are equal, dead or flat: F301 to F306.

use fanin_check::Severity;

use crate::support::{Case, find, fires, healthy, silent};

const CHAIN: &str = "mlp(32, 64x4, 10, relu)";

#[test]
fn equal_units_stay_equal() {
    // Constant everywhere: all units of a layer are one.
    let mut case = Case::auto(CHAIN);
    for layer in 0..5 {
        case = case.fill(&format!("layers.{layer}.weight"), 0.05);
    }
    let checkup = case.check();
    let finding = find(&checkup, "F301").unwrap();
    assert_eq!(finding.severity, Severity::Error);
    let (_, after) = case.fixed(&checkup);
    healthy(&after);
}

#[test]
fn zeros_in_two_layers_are_found() {
    let case = Case::auto(CHAIN)
        .fill("layers.1.weight", 0.0)
        .fill("layers.2.weight", 0.0);
    case.mended("F302", Severity::Error, "layers.1.weight");
}

#[test]
fn a_hidden_layer_of_zeros_stops_everything() {
    for layer in [1, 3] {
        let name = format!("layers.{layer}.weight");
        let case = Case::auto(CHAIN).fill(&name, 0.0);
        case.mended("F302", Severity::Error, &name);
    }
}

/// Where the activation has a slope at zero, one zero layer gets a gradient and moves; two do not.
#[test]
fn a_zero_layer_that_gets_a_gradient_moves() {
    let tanh = || Case::auto("mlp(32, 64x4, 10, tanh)").fill("layers.1.weight", 0.0);
    tanh().mended("F302", Severity::Warning, "layers.1.weight");
    let two = tanh().fill("layers.3.weight", 0.0);
    two.mended("F302", Severity::Error, "layers.1.weight");
}

/// All weights of a recurrent layer are named and drawn anew.
#[test]
fn a_recurrent_layer_of_zeros_is_mended() {
    let mut case = Case::auto("gru(8, 16, 5, time=6)");
    let names = case.matrices();
    let recurrent = names.iter().filter(|name| !name.contains("bias"));
    let zero: Vec<&String> = recurrent.take(2).collect();
    for name in &zero {
        case = case.fill(name, 0.0);
    }
    let checkup = case.check();
    // Its units are all equal (F301); zero alone, they would still get a gradient.
    fires(&checkup, "F302", Severity::Warning, zero[0]);
    let (changed, after) = case.fixed(&checkup);
    assert!(
        zero.iter().all(|name| changed.contains(name)),
        "{changed:?}"
    );
    healthy(&after);
}

/// Residual streams carry the input past zero branches, whose weights cut each other off.
#[test]
fn branches_of_zeros_are_mended() {
    let mut case =
        Case::auto("transformer(layers=2, width=32, heads=2, vocab=50, context=8, norm=pre)");
    let names = case.matrices();
    let inside: Vec<&String> = names.iter().filter(|n| n.contains("blocks")).collect();
    for name in &inside {
        case = case.fill(name, 0.0);
    }
    case.mended("F302", Severity::Error, inside[0]);
}

#[test]
fn a_head_of_zeros_is_sound() {
    let checkup = Case::auto(CHAIN).fill("layers.4.weight", 0.0).check();
    fires(&checkup, "F302", Severity::Note, "layers.4.weight");
    healthy(&checkup);
    silent(&checkup, "F301");
}

#[test]
fn the_zero_end_of_a_residual_branch_is_sound() {
    let case = Case::auto("mlp(32, 64x6, 10, relu, residual=true)");
    let checkup = case.fill("layers.3.weight", 0.0).check();
    silent(&checkup, "F301");
    healthy(&checkup);
}

#[test]
fn dead_units_of_a_deep_chain_are_expected() {
    // About a quarter of the units of the 20th layer are dead, as they should be.
    let checkup = Case::auto("mlp(64, 256x22, 10, relu)").check();
    silent(&checkup, "F303");
    let dead = |row: &fanin_run::Observation| row.forward.dead_units.unwrap_or(0.0);
    let most = checkup.trace.values.iter().map(dead).fold(0.0, f64::max);
    assert!(most > 0.2, "{most}");
}

#[test]
fn biases_that_hold_units_below_zero_are_found() {
    let case = Case::auto("mlp(64, 256x4, 10, relu)").fill("layers.1.bias", -6.0);
    let checkup = case.mended("F303", Severity::Error, "layers.1.bias");
    let evidence = &find(&checkup, "F303").unwrap().evidence;
    assert!(
        evidence.measured > 0.9 && evidence.expected < 0.2,
        "{evidence:?}"
    );
    // A batch of one leaves half of them, by expectation.
    let slight = Case::auto("mlp(64, 256x4, 10, relu)").fill("layers.1.bias", -0.1);
    silent(&slight.check(), "F303");
}

#[test]
fn saturated_units_are_found() {
    let name = "layers.2.weight";
    for factor in [10.0, 60.0] {
        let case = Case::auto("mlp(64, 128x5, 10, tanh)").scale(name, factor);
        case.mended("F304", Severity::Warning, name);
    }
    // The piecewise linear relative, and layer upon layer.
    for line in ["mlp(64, 128x5, 10, tanh)", "mlp(64, 128x5, 10, hard_tanh)"] {
        let case = Case::auto(line).scale_weights(10.0);
        let checkup = case.check();
        let finding = find(&checkup, "F304").unwrap();
        assert_eq!(finding.severity, Severity::Error, "{finding:?}");
        assert!(finding.message.contains("all 5 such layers"), "{finding:?}");
        let (_, after) = case.fixed(&checkup);
        healthy(&after);
        silent(&Case::auto(line).check(), "F304");
    }
    let sigmoid = Case::auto("mlp(64, 128x3, 10, sigmoid)").scale("layers.1.weight", 30.0);
    assert!(find(&sigmoid.check(), "F304").is_some());
}

/// A gain of 5/3 saturates 5.4 % of tanh units, which is expected.
#[test]
fn the_saturation_of_gain_five_thirds_is_expected() {
    let case = Case::auto("mlp(128, 128x6, 10, tanh)").scale_weights(5.0 / 3.0);
    let checkup = case.check();
    silent(&checkup, "F304");
    let deep = checkup.trace.values.iter().rfind(|row| row.op == "Tanh");
    let share = deep.unwrap().forward.saturated_fraction.unwrap();
    assert!((share - 0.054).abs() < 0.03, "{share}");
}

#[test]
fn copies_of_units_are_a_note() {
    let copied = Case::auto(CHAIN).edit("layers.1.weight", |data| {
        let (first, rest) = data.split_at_mut(64);
        rest[..64].copy_from_slice(first);
    });
    let checkup = copied.check();
    let finding = fires(&checkup, "F305", Severity::Note, "layers.1.weight");
    assert_eq!(
        (finding.evidence.measured, finding.evidence.expected),
        (63.0, 64.0)
    );
    healthy(&checkup);
    // The same along the other axis: two units that are read alike.
    let alike = Case::auto(CHAIN).edit("layers.1.weight", |data| {
        data.chunks_mut(64).for_each(|row| row[1] = row[0]);
    });
    let checkup = alike.check();
    let finding = fires(&checkup, "F305", Severity::Note, "layers.1.weight");
    assert!(finding.message.contains("read alike"), "{finding:?}");
    silent(&Case::auto(CHAIN).check(), "F305");
    // Zeros are another rule's matter.
    silent(
        &Case::auto(CHAIN).fill("layers.4.weight", 0.0).check(),
        "F305",
    );
}

/// Weights from the state a hundred times too large: the gates of a recurrent layer are stuck.
#[test]
fn stuck_gates_are_found() {
    for line in [
        "lstm(8, 32, 5, time=12)",
        "gru(8, 32, 5, time=12)",
        "rnn(8, 32, 5, time=12)",
    ] {
        let sound = Case::auto(line);
        silent(&sound.check(), "F306");
        let loud = sound.scale("layers.0.weight_hh", 100.0);
        loud.mended("F306", Severity::Error, "layers.0.weight_hh");
        let input = Case::auto(line).scale("layers.0.weight_ih", 300.0);
        input.mended("F306", Severity::Error, "layers.0.weight_ih");
    }
}

/// A second layer that reads nothing yet: its cell gets a gradient, its gates none so far.
#[test]
fn a_recurrent_layer_that_reads_nothing_yet_moves() {
    let case = Case::auto("lstm(4, 16x2, 4, time=8)").fill("layers.1.weight_ih", 0.0);
    let checkup = case.check();
    silent(&checkup, "F301");
    fires(&checkup, "F302", Severity::Warning, "layers.1.weight_ih");
}
