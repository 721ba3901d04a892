//! Against what torch, timm, Keras, JAX and SciPy draw; `tools/fanin_peers.py` made the golden file.
//!
//! Random values are compared by their standard deviation, bounds and zeros, with the slack of two samples of their size;
//! values without chance are compared one by one.

#![allow(clippy::unwrap_used, reason = "helpers of tests count as tests")]

use fanin::{Initializer, Layout, Seed};

const GOLDEN: &str = include_str!("golden/peers.txt");

fn layout(name: &str) -> Layout {
    match name {
        "linear" => Layout::linear_out_in(),
        "dense" => Layout::linear_in_out(),
        "conv" => Layout::conv(2, 1),
        "grouped" => Layout::conv(2, 2),
        "channels_last" => Layout::conv_channels_last(2, 1),
        "experts" => Layout::linear_in_out().stack(1),
        "embedding" => Layout::embedding(),
        other => panic!("no layout {other}"),
    }
}

#[test]
fn the_same_calls_mean_the_same() {
    let mut compared = 0;
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [peer, call, shape, name, numbers] = fields[..] else {
            panic!("{line}");
        };
        let shape: Vec<usize> = shape.split(' ').map(|n| n.parse().unwrap()).collect();
        let numbers: Vec<f64> = numbers.split(' ').map(|n| n.parse().unwrap()).collect();
        let mut out = vec![0f64; shape.iter().product()];
        call.parse::<Initializer>()
            .unwrap_or_else(|error| panic!("{call}: {error}"))
            .fill(Seed::new(1), "w", &shape, &layout(name), &mut out)
            .unwrap_or_else(|error| panic!("{error}"));
        compared += 1;
        if peer.starts_with("exact") {
            for (i, (got, expected)) in out.iter().zip(&numbers).enumerate() {
                assert!(
                    (got - expected).abs() < 1e-7,
                    "{peer}, {call}, element {i}: {got} {expected}"
                );
            }
            continue;
        }
        let n = out.len() as f64;
        let mean = out.iter().sum::<f64>() / n;
        let std = (out.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        let zeros = out.iter().filter(|x| **x == 0.0).count() as f64 / n;
        let (low, high) = out.iter().fold((f64::MAX, f64::MIN), |(low, high), x| {
            (low.min(*x), high.max(*x))
        });
        // Five standard errors of the difference of two samples, of the values that are not 0.
        let slack = 5.0 / (n * (1.0 - zeros)).sqrt();
        assert!(
            (std / numbers[0] - 1.0).abs() < slack,
            "{peer}, {call}: std {std} for {}",
            numbers[0]
        );
        assert!(
            (zeros - numbers[3]).abs() < 1e-5,
            "{peer}, {call}: zeros {zeros} for {}",
            numbers[3]
        );
        // Where there are bounds, both come as near them as their number of values says.
        let bounded = ["uniform", "truncated", "lora_a"]
            .iter()
            .any(|word| call.contains(word));
        if bounded {
            for (got, expected) in [(low, numbers[1]), (high, numbers[2])] {
                assert!(
                    (got - expected).abs() < 0.01 * std,
                    "{peer}, {call}: bound {got} for {expected}"
                );
            }
        }
    }
    assert!(compared > 60, "{compared}");
}
