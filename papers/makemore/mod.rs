//! Karpathy's lecture makemore, part 3; see the README beside.

use crate::measure::{at, fill, observe, open, over_seeds, table};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "makemore",
    citation: "Karpathy 2022, makemore part 3: activations & gradients, BatchNorm (lecture and notebook)",
    at_start: Some(at_start),
    by_training: None,
};

/// Deviations and saturated shares of the tanh outputs, layer by layer.
fn layers(options: &str, gain: &str) -> Result<[Vec<Sample>; 2], Fault> {
    // Three embeddings of ten numbers from N(0, 1) are thirty such numbers.
    let network = open(&format!("mlp(30, 100x5, 27, tanh{options})"), 32)?;
    let networks = over_seeds(50, |seed| {
        let rule = format!("lecun_normal(gain={gain})");
        let weights = fill(&network, &[("layers.*.weight", &rule)], seed)?;
        let trace = observe(&network, &weights, seed)?;
        let tanh = at(&trace, "Tanh");
        let deviations: Vec<f64> = tanh.iter().map(|o| o.forward.rms).collect();
        let saturated: Vec<f64> = tanh
            .iter()
            .map(|o| 100.0 * o.forward.saturated_fraction.unwrap_or(f64::NAN))
            .collect();
        Ok((deviations, saturated))
    })?;
    let (deviations, saturated): (Vec<_>, Vec<_>) = networks.into_iter().unzip();
    Ok([Sample::columns(&deviations), Sample::columns(&saturated)])
}

/// Whether figures of the lecture's one network are such as one network of ours shows: within 3.3
/// deviations of the networks here, and half the last printed digit.
fn like_ours(what: &str, published: &[f64], digit: f64, seen: &[Sample]) -> Claim {
    let list =
        |values: &mut dyn Iterator<Item = f64>| values.map(short).collect::<Vec<_>>().join(", ");
    let inside = published
        .iter()
        .zip(seen)
        .all(|(p, s)| (p - s.mean()).abs() <= 3.3 * s.variance().sqrt() + 0.5 * digit);
    Claim::holds(
        what,
        list(&mut published.iter().copied()),
        list(&mut seen.iter().map(Sample::mean)),
        "3.3 deviations of single networks, of which the lecture shows one, and half its last digit",
        inside && published.len() == seen.len(),
    )
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let [deviations, saturated] = layers("", "1.66666667")?;
    found.claims.push(like_ours(
        "gain 5/3: deviation of tanh, layers 1 to 5",
        &[0.75, 0.69, 0.67, 0.66, 0.66],
        0.01,
        &deviations,
    ));
    found.claims.push(like_ours(
        "gain 5/3: per cent saturated (|t| > 0.97), layers 1 to 5",
        &[20.25, 8.38, 6.62, 5.47, 6.12],
        0.01,
        &saturated,
    ));
    // The chain of tools/papers_reference.py, width 100 leaves of it what is of first order in 1/n.
    found.claims.push(Claim::series(
        "gain 5/3: deviation of tanh at infinite width",
        &[0.7594, 0.693, 0.6685, 0.6586, 0.6544],
        &deviations,
        Tolerance::Sampling(0.01),
    ));
    let [normed, normed_saturated] = layers(", norm=batch, bias=false", "1")?;
    for (what, published, seen) in [
        ("deviation of tanh", [0.63, 0.64, 0.65, 0.65, 0.65], &normed),
        (
            "per cent saturated",
            [2.78, 2.56, 2.25, 1.69, 1.88],
            &normed_saturated,
        ),
    ] {
        let what = format!("batch norm, gain 1: {what}, layers 1 to 5");
        found.claims.push(like_ours(&what, &published, 0.01, seen).but(
            "the notebook prints these after 1,000 steps of training (its loop ends at `i >= 1000`), ours are of the start",
        ));
    }
    let row = |name: &str, samples: &[Sample]| {
        let cells = samples
            .iter()
            .map(|s| format!("{} ± {}", short(s.mean()), short(s.variance().sqrt())));
        [name.to_owned()].into_iter().chain(cells).collect()
    };
    found.figures = table(
        &["50 networks, mean ± deviation", "1", "2", "3", "4", "5"],
        &[
            row("gain 5/3, tanh", &deviations),
            row("gain 5/3, per cent saturated", &saturated),
            row("batch norm, tanh", &normed),
            row("batch norm, per cent saturated", &normed_saturated),
        ],
    );
    Ok(found)
}
