//! Hanin & Rolnick 2018; see the README beside.

use crate::measure::{at, fill, observe, open, over_seeds, table};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "hanin2018",
    citation: "Hanin & Rolnick 2018, How to start training: the effect of initialization and architecture",
    at_start: Some(at_start),
    by_training: None,
};

/// Networks per architecture.
const NETWORKS: u64 = 300;

/// ln(mean square of the last hidden activations over that of the input), for one sample per network.
fn log_lengths(hidden: &[usize], initializer: &str) -> Result<Sample, Fault> {
    let widths: Vec<String> = hidden.iter().map(usize::to_string).collect();
    let line = format!("mlp(16, {}, 2, relu, bias=false)", widths.join(", "));
    let network = open(&line, 1)?;
    let logs = over_seeds(NETWORKS, |seed| {
        let weights = fill(&network, &[("*.weight", initializer)], seed)?;
        let trace = observe(&network, &weights, seed)?;
        let last = at(&trace, "Relu")
            .last()
            .map_or(f64::NAN, |o| o.forward.rms);
        Ok((last / trace.inputs[0].forward.rms).powi(2).ln())
    })?;
    Ok(Sample::of(logs))
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    first_mode(&mut found)?;
    second_mode(&mut found)?;
    Ok(found)
}

/// The mean length changes by (variance · fan-in / 2) per layer: wide networks, so that a network is
/// near its mean.
fn first_mode(found: &mut Found) -> Result<(), Fault> {
    let hidden = [100; 20];
    for (name, scale, log) in [
        ("1/fan_in", 1.0, -std::f64::consts::LN_2),
        ("2/fan_in", 2.0, 0.0),
        ("3/fan_in", 3.0, 1.5f64.ln()),
    ] {
        let rule = format!("variance_scaling(scale={scale}, mode=fan_in, distribution=normal)");
        // The log of a length of mean one lies half its variance below zero.
        let logs = log_lengths(&hidden, &rule)?;
        let mean = logs.map(|log| (log + 0.5 * logs.variance()) / 20.0);
        found.claims.push(Claim::near(
            format!("variance {name}: ln of the mean length's factor per layer, 20 layers of 100"),
            log,
            &mean,
            Tolerance::Sampling(0.0),
        ));
    }
    Ok(())
}

/// The length varies from network to network with β = Σ 1/n, whatever the depth.
fn second_mode(found: &mut Found) -> Result<(), Fault> {
    let shapes: [(&str, Vec<usize>); 5] = [
        ("5 layers of 25", vec![25; 5]),
        ("10 layers of 50", vec![50; 10]),
        ("20 layers of 100", vec![100; 20]),
        ("20 layers of 25", vec![25; 20]),
        ("20 and 80 in turn, 10 layers", [20, 80].repeat(5)),
    ];
    let mut rows = Vec::new();
    let mut variances = Vec::new();
    for (name, hidden) in &shapes {
        let beta: f64 = hidden.iter().map(|&n| 1.0 / n as f64).sum();
        let logs = log_lengths(hidden, "he_normal")?;
        let expected: f64 = hidden.iter().map(|&n| step_variance(n)).sum();
        // The relative standard error of a variance of n near-normal figures is √(2/n) = 8 %.
        let seen = logs.variance();
        found.claims.push(Claim::near(
            format!(
                "2/fan_in, {name} (Σ 1/n = {}): variance of ln length",
                short(beta)
            ),
            expected,
            &Sample::one(seen),
            Tolerance::Relative(0.27, "3.3 standard errors of a variance of 300 networks"),
        ));
        variances.push(seen);
        rows.push(vec![
            (*name).to_owned(),
            short(beta),
            short(expected),
            short(seen),
        ]);
    }
    found.claims.push(Claim::holds(
        "the same Σ 1/n gives the same spread at 5, 10 and 20 layers; four times Σ 1/n about four times it",
        "equal; 4",
        format!(
            "{}, {}, {}; {}",
            short(variances[0]),
            short(variances[1]),
            short(variances[2]),
            short(variances[3] / variances[2])
        ),
        "3.3 standard errors of a ratio of two variances of 300 networks: 38 %",
        variances[1..3]
            .iter()
            .map(|v| v / variances[0])
            .chain([variances[3] / (4.0 * variances[2])])
            .all(|ratio| (ratio.ln()).abs() < 0.38),
    ));
    found.figures = table(
        &[
            "hidden layers",
            "Σ 1/n",
            "variance of ln length, expected",
            "seen",
        ],
        &rows,
    );
    Ok(())
}

/// The variance that one layer of n ReLU units adds to ln length: that of ln (2/n) Σ relu(z)², by the
/// moments of the sum (5/n is its first order).
fn step_variance(n: usize) -> f64 {
    fanin_theory::band::layer_variance(6.0, n as f64)
}
