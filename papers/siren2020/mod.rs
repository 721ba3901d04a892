//! Sitzmann, Martel, Bergman, Lindell & Wetzstein 2020; see the README beside.

use std::collections::BTreeMap;

use fanin::Activation;
use fanin_network::HostTensor;
use fanin_run::evaluate;

use crate::measure::{at, fill, forward, observe_on, open, over_seeds, table};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "siren2020",
    citation: "Sitzmann, Martel, Bergman, Lindell & Wetzstein 2020, Implicit neural representations with periodic activation functions",
    at_start: Some(at_start),
    by_training: None,
};

const LINE: &str = "mlp(1, 512x6, 1, sin)";
const POINTS: usize = 256;

/// ω₀ = 30 is taken into the weights: sin(30 W x) with W ~ U(±1/n) in the first layer, U(±√(6/n)/30)
/// after it.
const RULES: [(&str, &str); 3] = [
    ("layers.*.weight", "siren(omega=1)"),
    ("layers.0.weight", "uniform(low=-30, high=30)"),
    ("*.bias", "zeros"),
];

/// Inputs spread evenly over [−1, 1].
fn points() -> Result<HostTensor, Fault> {
    let x = (0..POINTS).map(|k| (2.0 * k as f32 + 1.0) / POINTS as f32 - 1.0);
    Ok(HostTensor::f32(vec![POINTS, 1], x.collect()).ok_or("a column of points")?)
}

/// The largest distance between the distribution of these numbers and a cumulative one (Kolmogorov).
fn distance(mut values: Vec<f64>, cumulative: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let steps = values.iter().enumerate();
    steps
        .map(|(k, &x)| {
            let c = cumulative(x);
            (c - k as f64 / n).abs().max(((k + 1) as f64 / n - c).abs())
        })
        .fold(0.0, f64::max)
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let network = open(LINE, POINTS)?;
    let networks = over_seeds(12, |seed| {
        let weights = fill(&network, &RULES, seed)?;
        let trace = observe_on(&network, &weights, points()?, seed)?;
        let squares = |rms: Vec<f64>| rms.into_iter().map(|r| r * r).collect::<Vec<f64>>();
        let before = squares(forward(&trace, "Gemm"));
        let after = squares(forward(&trace, "Sin"));
        Ok((before[1..6].to_vec(), after))
    })?;
    let (before, after): (Vec<_>, Vec<_>) = networks.into_iter().unzip();
    let (before, after) = (Sample::columns(&before), Sample::columns(&after));

    found.claims.push(Claim::near(
        "variance of the sine's argument in layer 2, whose inputs are arcsine (theorem 1.8)",
        1.0,
        &before[0],
        Tolerance::Sampling(0.01),
    ));
    found.claims.push(
        Claim::series(
            "the same in layers 3 to 6",
            &[1.0; 4],
            &before[1..],
            Tolerance::Sampling(0.05),
        )
        .but("the paper takes the sine of a standard normal number for arcsine, of variance 1/2; it is (1 − e⁻²)/2 = 0.432"),
    );
    // q' = 1 − exp(−2 q): twice the variance of the sine of N(0, q).
    let mut chain = vec![1.0f64];
    while chain.len() < 5 {
        chain.push(1.0 - (-2.0 * chain[chain.len() - 1]).exp());
    }
    found.claims.push(Claim::series(
        "the exact chain q' = 1 − e^(−2q), layers 2 to 6, which settles at 0.797",
        &chain,
        &before,
        Tolerance::Sampling(0.01),
    ));
    found.claims.push(Claim::holds(
        "the activations keep their distribution from layer to layer: variance, layer 6 over layer 3",
        "1",
        short(after[5].mean() / after[2].mean()),
        "± 0.05, what a figure of histograms shows",
        (after[5].mean() / after[2].mean() - 1.0).abs() <= 0.05,
    ));
    shapes(&mut found)?;
    let row = |name: &str, samples: &[Sample]| {
        let cells = samples.iter().map(|s| match s.is_empty() {
            true => String::new(),
            false => short(s.mean()),
        });
        [name.to_owned()].into_iter().chain(cells).collect()
    };
    let mut first = vec![Sample::default()];
    first.extend(before);
    found.figures = table(
        &["variance at layer", "1", "2", "3", "4", "5", "6"],
        &[
            row("argument of the sine", &first),
            row("activation", &after),
        ],
    );
    Ok(found)
}

/// Arguments are normal, first activations arcsine.
fn shapes(found: &mut Found) -> Result<(), Fault> {
    let mut network = open(LINE, POINTS)?;
    let weights = fill(&network, &RULES, 0)?;
    let trace = observe_on(&network, &weights, points()?, 0)?;
    let watched = [&at(&trace, "Sin")[0].value, &at(&trace, "Gemm")[4].value];
    for name in watched {
        let id = network.values.iter().position(|v| v.name == *name);
        network
            .outputs
            .push(id.ok_or("a value of the trace is in the network")?.into());
    }
    let inputs = BTreeMap::from([("input".to_owned(), points()?)]);
    let values = evaluate(&network, &weights, &inputs)?;
    let numbers =
        |k: usize| -> Vec<f64> { values[k].to_f32().into_iter().map(f64::from).collect() };
    let arcsine = distance(numbers(1), |x| {
        0.5 + x.clamp(-1.0, 1.0).asin() / std::f64::consts::PI
    });
    let argument = numbers(2);
    let deviation = (argument.iter().map(|x| x * x).sum::<f64>() / argument.len() as f64).sqrt();
    let normal = distance(argument, |x| {
        0.5 * (1.0 + Activation::Erf.eval(x / deviation / std::f64::consts::SQRT_2))
    });
    // 512 units of a smooth function each: some hundred independent numbers at least.
    let why = "≤ 0.05: Kolmogorov's distance at 1 in 1,000 for the 512 units (0.086) and more for the points of each";
    found.claims.push(Claim::holds(
        "first activations are arcsine: largest distance of the cumulative shares",
        "0",
        short(arcsine),
        why,
        arcsine <= 0.05,
    ));
    found.claims.push(Claim::holds(
        "arguments of the sine in layer 5 are normal: largest distance of the cumulative shares",
        "0",
        short(normal),
        why,
        normal <= 0.05,
    ));
    Ok(())
}
