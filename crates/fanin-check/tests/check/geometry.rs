//! Samples and steps that become alike or fly apart: F401 to F405.

use fanin_check::Severity;

use crate::support::{Case, find, silent};

#[test]
fn samples_that_become_alike_are_found() {
    // The ordered phase: weights far below criticality, biases of variance one.
    let mut case = Case::auto("mlp(64, 128x12, 10, tanh)").scale_weights(0.4);
    for layer in 0..12 {
        case = case.edit(&format!("layers.{layer}.bias"), |data| {
            let values = data.iter_mut().enumerate();
            values.for_each(|(k, x)| *x = if k % 2 == 0 { 1.0 } else { -1.0 });
        });
    }
    let checkup = case.check();
    let finding = find(&checkup, "F401").unwrap();
    assert!(finding.severity >= Severity::Warning, "{finding:?}");
    assert!(finding.parameter.as_deref().unwrap().ends_with("bias"));
    let total: f64 = finding.evidence.shares.iter().map(|s| s.log_change).sum();
    assert!(total < -6.0, "{finding:?}");
    let (_, after) = case.fixed(&checkup);
    silent(&after, "F401");
}

/// Critical ReLU chains bring samples together too, and train.
#[test]
fn critical_chains_keep_samples_apart() {
    for line in [
        "mlp(64, 128x50, 10, relu)",
        "mlp(64, 128x30, 10, tanh)",
        "mlp(64, 128x20, 10, gelu)",
        "conv(3x12x12, 16x12, 10, relu)",
        // Narrow, so that few directions are left: the lengths still differ.
        "mlp(1, 4x6, 1, relu)",
    ] {
        silent(&Case::auto(line).check(), "F401");
    }
}

#[test]
fn chaos_is_found_from_six_depth_scales_on() {
    // Three times Xavier on tanh: χ = 1.9 or so, ξ = 1.6 layers.
    let case = Case::auto("mlp(64, 256x30, 10, tanh)").scale_weights(3.0);
    let checkup = case.check();
    let finding = find(&checkup, "F402").unwrap();
    assert!(finding.severity >= Severity::Warning, "{finding:?}");
    let shares = &finding.evidence.shares;
    assert_eq!(shares.len(), 29);
    let total: f64 = shares.iter().map(|s| s.log_change).sum();
    assert!((total - finding.evidence.measured).abs() < 1e-9);
    let (_, after) = case.fixed(&checkup);
    silent(&after, "F402");
    // Few layers of the same weights are no matter, nor are many critical ones.
    let few = Case::auto("mlp(64, 256x4, 10, tanh)")
        .scale_weights(3.0)
        .check();
    silent(&few, "F402");
    silent(&Case::auto("mlp(64, 256x30, 10, tanh)").check(), "F402");
}

/// Gain 5/3 on tanh: at the fixed point χ = 1.209831 per layer.
#[test]
fn chi_is_that_of_mean_field() {
    let case = Case::auto("mlp(512, 512x48, 10, tanh)").scale_weights(5.0 / 3.0);
    let checkup = case.check();
    let finding = find(&checkup, "F402").unwrap();
    let deep = &finding.evidence.shares[10..];
    let mean = deep.iter().map(|s| s.log_change).sum::<f64>() / deep.len() as f64;
    assert!((mean.exp() - 1.209_831).abs() < 0.01, "{}", mean.exp());
}

/// Attention that outweighs its stream makes the tokens one.
#[test]
fn attention_that_outweighs_the_stream_collapses_rank() {
    let line = "transformer(layers=8, width=32, heads=2, vocab=50, context=16, causal=false)";
    let sound = Case::auto(line);
    silent(&sound.check(), "F403");
    let ends: Vec<(String, bool)> = sound
        .network
        .parameters
        .iter()
        .filter(|p| p.shape.len() == 2 && p.purpose.residual_branches.is_some())
        .map(|p| {
            (
                p.name.clone(),
                p.purpose.role == fanin_network::Role::AttentionOutput,
            )
        })
        .collect();
    assert_eq!(ends.len(), 16, "{ends:?}");
    let mut case = sound;
    // Each branch louder than all before it, so that it replaces the stream.
    let mut louder = 1000.0;
    for (name, attends) in &ends {
        case = case.scale(name, if *attends { louder } else { 0.0 });
        louder *= if *attends { 30.0 } else { 1.0 };
    }
    let checkup = case.check();
    let finding = find(&checkup, "F403").unwrap();
    assert!(finding.severity >= Severity::Warning);
    let blamed = finding.parameter.as_deref();
    assert!(
        ends.iter()
            .any(|(name, attends)| *attends && Some(name.as_str()) == blamed)
    );
    let total: f64 = finding.evidence.shares.iter().map(|s| s.log_change).sum();
    assert!((total - finding.evidence.measured.ln()).abs() < 1e-6 * total.abs());
}

/// A plain recurrent layer is a chain of as many layers as there are steps.
#[test]
fn a_state_that_fades_is_found() {
    let line = "rnn(8, 64, 5, time=24)";
    silent(&Case::auto(line).check(), "F404");
    let recurrent = |line: &str| {
        let case = Case::auto(line);
        let mut parameters = case.network.parameters.iter();
        let hidden = fanin_network::Role::RecurrentHidden;
        let found = parameters.find(|p| p.purpose.role == hidden);
        found.unwrap().name.clone()
    };
    let name = recurrent(line);
    for factor in [0.75, 0.5, 0.1] {
        Case::auto(line)
            .scale(&name, factor)
            .mended("F404", Severity::Warning, &name);
    }
    // Over few steps the same weight forgets nothing, and gates carry the state past it.
    for line in ["rnn(8, 64, 5, time=4)", "gru(8, 64, 5, time=24)"] {
        let case = Case::auto(line).scale(&recurrent(line), 0.5);
        silent(&case.check(), "F404");
    }
}

/// Queries and keys ten times too large: scores a hundred times.
#[test]
fn attention_of_loud_scores_is_found() {
    for rest in ["causal=true", "causal=false"] {
        let line =
            format!("transformer(layers=2, width=32, heads=2, vocab=50, context=16, {rest})");
        let sound = Case::auto(&line);
        silent(&sound.check(), "F405");
        let names = ["query", "key"].map(|end| {
            let names = sound.matrices();
            let mut found = names.into_iter().filter(|name| name.contains("blocks.1"));
            found.find(|name| name.contains(end)).unwrap()
        });
        let loud = sound.scale(&names[0], 10.0).scale(&names[1], 10.0);
        let checkup = loud.check();
        let finding = find(&checkup, "F405").unwrap();
        assert_eq!(finding.severity, Severity::Warning);
        let blamed = finding.parameter.clone().unwrap();
        assert!(names.contains(&blamed), "{blamed}");
        let (changed, after) = loud.fixed(&checkup);
        assert!(
            names.iter().all(|name| changed.contains(name)),
            "{changed:?}"
        );
        silent(&after, "F405");
    }
}
