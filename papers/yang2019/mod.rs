//! Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019; see the README beside.

use crate::measure::{backward, fill, observe, open, over_seeds, table};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short, sample::slope};

pub(crate) const PAPER: Paper = Paper {
    name: "yang2019",
    citation: "Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019, A mean field theory of batch normalization",
    at_start: Some(at_start),
    by_training: None,
};

const DEPTH: usize = 25;

/// The factor per layer on the gradient's rms on its way back, from the slope of its logarithm over
/// layers 3 to 23.
fn growth(activation: &str, batch: usize, seeds: u64) -> Result<(Sample, Vec<f64>), Fault> {
    let line = format!("mlp(256, 256x{DEPTH}, 10, {activation}, norm=batch, bias=false)");
    let network = open(&line, batch)?;
    let mut curve = Vec::new();
    let factors = over_seeds(seeds, |seed| {
        let weights = fill(&network, &[], seed)?;
        let trace = observe(&network, &weights, seed)?;
        Ok(backward(&trace, "Gemm"))
    })?
    .into_iter()
    .map(|rms| {
        let points: Vec<(f64, f64)> = (2..DEPTH - 2).map(|l| (l as f64, rms[l].ln())).collect();
        curve = rms;
        (-slope(&points)).exp()
    })
    .collect();
    Ok((Sample::of(factors), curve))
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let pi = std::f64::consts::PI;
    let (relu, curve) = growth("relu", 256, 4)?;
    found.claims.push(Claim::near(
        "relu: factor per layer on the gradient, batch 256 (√(π/(π − 1)))",
        (pi / (pi - 1.0)).sqrt(),
        &relu,
        Tolerance::Sampling(0.01),
    ));
    let (linear, _) = growth("identity", 16, 8)?;
    found.claims.push(Claim::near(
        "linear: factor per layer at batch 16 (√((B − 2)/(B − 3)))",
        (14.0f64 / 13.0).sqrt(),
        &linear,
        Tolerance::Sampling(0.005),
    ));
    let (tanh, _) = growth("tanh", 256, 4)?;
    found.claims.push(Claim::near(
        "tanh: factor per layer, batch 256 (√(E φ′²/Var φ))",
        1.085_268_28,
        &tanh,
        Tolerance::Sampling(0.01),
    ));
    let rows: Vec<Vec<String>> = [0, 4, 8, 12, 16, 20, 24]
        .iter()
        .map(|&l| vec![(l + 1).to_string(), short(curve[l] / curve[DEPTH - 1])])
        .collect();
    found.figures = table(&["layer", "relu: gradient over that at layer 25"], &rows);
    Ok(found)
}
