//! Starts that people train from every day: none may be called faulty.

use fanin_check::Verdict;
use fanin_plan::Recipe;

use crate::support::{Case, brief};

/// Architecture by recipe, all sizes that run in a moment.
fn controls() -> Vec<(String, Recipe)> {
    let mut all = Vec::new();
    for activation in [
        "relu",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "tanh",
        "softsign",
        "hard_tanh",
    ] {
        for (width, depth) in [(32, 2), (128, 6), (64, 20), (512, 3)] {
            all.push((
                format!("mlp(32, {width}x{depth}, 10, {activation})"),
                Recipe::Auto,
            ));
        }
    }
    // Shallow enough for the frameworks' defaults, which fade by a factor per layer.
    for recipe in [Recipe::Torch, Recipe::Keras] {
        for activation in ["relu", "gelu", "tanh", "elu", "sigmoid"] {
            all.push((format!("mlp(32, 64x2, 10, {activation})"), recipe));
        }
    }
    for recipe in [Recipe::Auto, Recipe::Torch, Recipe::Keras] {
        for line in [
            "mlp(32, 64x10, 10, relu, norm=batch)",
            "mlp(32, 64x10, 10, relu, norm=layer)",
            "mlp(32, 64x12, 10, relu, norm=layer, residual=true)",
            "conv(3x16x16, 16x4, 10, relu, norm=batch)",
            "conv(3x16x16, 16x3, 32x3, 10, relu, norm=batch, pool=max, residual=true)",
            "conv(3x12x12, 16x3, 10, relu)",
            "lstm(8, 24x2, 5, time=12)",
            "gru(8, 24, 5, time=12)",
            "rnn(8, 24, 5, time=12)",
            "transformer(layers=2, width=32, heads=2, vocab=50, context=16)",
            "transformer(layers=3, width=32, heads=4, vocab=50, context=16, norm=post)",
            "transformer(layers=2, width=32, heads=2, vocab=50, context=16, gated=true)",
        ] {
            all.push((line.to_owned(), recipe));
        }
    }
    for layers in [2, 6, 12] {
        all.push((
            format!("transformer(layers={layers}, width=64, heads=4, vocab=100, context=16)"),
            Recipe::Gpt2,
        ));
    }
    all
}

#[test]
fn no_start_that_people_train_from_is_faulty() {
    let mut wrong = Vec::new();
    for (line, recipe) in controls() {
        let checkup = Case::new(&line, recipe).check();
        if checkup.verdict == Verdict::Faulty {
            wrong.push(format!("{line} {recipe}: {:#?}", brief(&checkup)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Recipe auto leaves nothing to say against it, whatever the seed.
#[test]
fn auto_is_healthy() {
    for line in [
        "mlp(64, 128x12, 10, relu)",
        "mlp(64, 128x12, 10, tanh)",
        "mlp(64, 128x12, 10, gelu)",
        "mlp(64, 128x12, 10, selu)",
        "conv(3x12x12, 24x6, 10, relu)",
        "mlp(32, 64x12, 10, relu, norm=layer, residual=true)",
        "transformer(layers=3, width=32, heads=4, vocab=50, context=16)",
    ] {
        for seed in 0..4 {
            let checkup = Case::seeded(line, Recipe::Auto, seed).check();
            crate::support::healthy(&checkup);
        }
    }
}

/// Not a test of pass or fail: prints what is said of every control.
#[test]
#[ignore = "a list to read"]
fn list() {
    for (line, recipe) in controls() {
        let checkup = Case::new(&line, recipe).check();
        println!(
            "{:?} {line} {recipe}: {:#?}",
            checkup.verdict,
            brief(&checkup)
        );
    }
}
