//! Sussillo & Abbott 2014; see the README beside.

use crate::measure::{at, fill, observe, open, over_seeds, table};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "sussillo2014",
    citation: "Sussillo & Abbott 2014, Random walk initialization for training very deep feedforward networks",
    at_start: Some(at_start),
    by_training: None,
};

const DEPTH: usize = 100;
const WIDTH: usize = 64;
const NETWORKS: u64 = 100;

/// ln |δ₀|²/|δ_D|², the paper's ln Z: the gradient at the first hidden layer over that at the last,
/// one sample per network.
fn walks(activation: &str, initializer: &str, depth: usize) -> Result<Sample, Fault> {
    let line = format!("mlp({WIDTH}, {WIDTH}x{depth}, {WIDTH}, {activation}, bias=false)");
    let network = open(&line, 1)?;
    let logs = over_seeds(NETWORKS, |seed| {
        let weights = fill(&network, &[("*.weight", initializer)], seed)?;
        let trace = observe(&network, &weights, seed)?;
        let linear = at(&trace, "Gemm");
        let rms = |k: usize| linear[k].backward.as_ref().map_or(f64::NAN, |b| b.rms);
        Ok(2.0 * (rms(0) / rms(depth - 1)).ln())
    })?;
    // A network of which no gradient is left has no logarithm; ReLU of this width has none such.
    Ok(Sample::of(logs))
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let mut rows = Vec::new();
    let steps = (DEPTH - 1) as f64;
    for (activation, plain, random_walk) in [
        ("identity", "lecun_normal", "random_walk(units=linear)"),
        ("relu", "he_normal", "random_walk(units=relu)"),
    ] {
        let (with, without) = (
            walks(activation, random_walk, DEPTH)?,
            walks(activation, plain, DEPTH)?,
        );
        found.claims.push(Claim::near(
            format!("{activation}: ln Z with the paper's g, {DEPTH} layers of {WIDTH}"),
            0.0,
            &with,
            Tolerance::Sampling(0.0),
        ));
        // ln g² per step is what the paper's g takes back.
        let n = WIDTH as f64;
        let drift = if activation == "relu" {
            -2.4 / (n - 2.4)
        } else {
            -1.0 / n
        };
        found.claims.push(Claim::near(
            format!(
                "{activation}: ln Z with {plain}, whose g is {}",
                if activation == "relu" { "√2" } else { "1" }
            ),
            drift * steps,
            &without,
            Tolerance::Sampling(0.0),
        ));
        rows.push(vec![
            activation.to_owned(),
            short(without.mean()),
            short(drift * steps),
            short(with.mean()),
            short(with.error()),
            short(with.variance()),
        ]);
        if activation == "identity" {
            // Each step multiplies by χ²_n/n, whose logarithm has variance 2/n + 2/n² + …
            found.claims.push(Claim::near(
                "identity: variance of ln Z, a random walk of 99 steps",
                (2.0 / n + 2.0 / (n * n)) * steps,
                &Sample::one(with.variance()),
                Tolerance::Relative(0.47, "3.3 standard errors of a variance of 100 networks"),
            ));
        }
    }
    let quarter = walks("relu", "random_walk(units=relu)", 1 + (DEPTH - 1) / 4)?;
    let whole = walks("relu", "random_walk(units=relu)", DEPTH)?;
    let ratio = whole.variance() / quarter.variance();
    found.claims.push(Claim::holds(
        "relu: the variance of ln Z grows in proportion to the depth, from a quarter to all layers",
        "4",
        short(ratio),
        "× or ÷ 1.94: 3.3 standard errors of a ratio of two variances of 100 networks",
        (ratio / 4.0).ln().abs() < 0.66,
    ));
    found.figures = table(
        &[
            "units",
            "ln Z, plain",
            "expected",
            "ln Z, random walk",
            "standard error",
            "variance",
        ],
        &rows,
    );
    Ok(found)
}
