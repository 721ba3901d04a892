//! The verdicts on a part of the zoo are those that are written down.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use fanin_validation::zoo::verdicts;

const KEPT: &str = include_str!("../verdicts.txt");

/// Of each family the networks with this in their line; all of them take minutes.
const SOME: &[&str] = &[
    "mlp(64, 64x10, 10, relu)",
    "mlp(64, 32x12, 10, hard_tanh, norm=layer)",
    "mlp(64, 128x4, 10, hard_tanh, norm=none, residual=true)",
    "conv(1x8x8, 16x2, 4, softsign)",
    "conv(1x8x8, 6x12, 4, elu, norm=batch, residual=true)",
    "transformer(layers=3, width=24, heads=3, vocab=28, context=8, norm=post)",
    "gru(4, 24x2, 4, time=10)",
];

/// If this fails, either a rule was changed by accident, or on purpose: then look at every line that differs and write
/// down the new ones, `zoo verdicts > validation/verdicts.txt`.
#[test]
fn verdicts_are_those_written_down() {
    assert_eq!(KEPT.lines().count(), 2020);
    for line in SOME {
        let kept: Vec<&str> = KEPT.lines().filter(|kept| kept.starts_with(line)).collect();
        let found = verdicts(line).unwrap();
        assert_eq!(found.lines().collect::<Vec<_>>(), kept, "{line}");
        assert!(found.lines().count() >= 10, "{line} is not in the zoo");
    }
}
