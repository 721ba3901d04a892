//! Glorot & Bengio 2010; see the README beside.

use crate::matrix::singular_values;
use crate::measure::{
    backward, fill, forward, jacobian, observe, open, over_seeds, standard_normal, table,
};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "glorot2010",
    citation: "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
    at_start: Some(at_start),
    by_training: None,
};

/// U(±1/√n), the paper's "standard" initialization, has variance 1/(3 n).
const STANDARD: &str = "variance_scaling(scale=0.333333333333, mode=fan_in, distribution=uniform)";
const NORMALIZED: &str = "xavier_uniform";

/// Units of a layer whose singular values are taken.
const NARROW: usize = 128;

/// From `tools/papers_reference.py`, layers 1 to 5.
const ACTIVATIONS: [[f64; 5]; 2] = [
    [0.4603, 0.2495, 0.1412, 0.08099, 0.04666],
    [0.62793, 0.48626, 0.40824, 0.35764, 0.32162],
];
/// The gradient at the pre-activation of layers 1 to 4 over that of layer 5.
const GRADIENTS: [[f64; 4]; 2] = [
    [0.08319, 0.1764, 0.32468, 0.57359],
    [0.40983, 0.60139, 0.75377, 0.88421],
];
/// The gradient of the weights of layer 1 over that of layer 5.
const WEIGHT_GRADIENTS: [f64; 2] = [1.02716, 1.14593];

/// What one network shows: activations, gradients over the last layer's, weight gradients likewise.
fn network(initializer: &str, seed: u64) -> Result<[Vec<f64>; 3], Fault> {
    let network = open("mlp(1000, 1000x5, 10, tanh)", 64)?;
    let weights = fill(&network, &[("*.weight", initializer)], seed)?;
    let trace = observe(&network, &weights, seed)?;
    let before: Vec<f64> = backward(&trace, "Gemm").into_iter().take(5).collect();
    let weight = trace.parameters.iter().filter(|p| p.shape.len() == 2);
    let weight: Vec<f64> = weight
        .take(5)
        .map(|p| p.gradient_rms.unwrap_or(f64::NAN))
        .collect();
    let over_last = |v: &[f64]| v.iter().map(|x| x / v[4]).collect::<Vec<f64>>();
    Ok([
        forward(&trace, "Tanh"),
        over_last(&before),
        over_last(&weight),
    ])
}

/// The mean singular value of the Jacobian from one layer's pre-activations to the next, for
/// pre-activations of this deviation: W diag(tanh′), by a network whose first weight is the identity.
fn mean_singular_value(initializer: &str, deviation: f64) -> Result<Sample, Fault> {
    let network = open(&format!("mlp({NARROW}, {NARROW}, {NARROW}, tanh)"), NARROW)?;
    let rules = [
        ("layers.1.weight", initializer),
        ("layers.0.weight", "identity"),
    ];
    let means = over_seeds(4, |seed| {
        let weights = fill(&network, &rules, seed)?;
        let mut sample = standard_normal(NARROW, seed);
        sample.iter_mut().for_each(|x| *x *= deviation as f32);
        let values = singular_values(&jacobian(&network, &weights, &sample)?, NARROW);
        Ok(Sample::of(values).mean())
    })?;
    Ok(Sample::of(means))
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    for (name, initializer, published, exact) in [
        ("standard", STANDARD, 0.5, 0.490_07),
        ("normalized", NORMALIZED, 0.8, 0.848_83),
    ] {
        // Near zero tanh is linear: 8/(3π) times the deviation √n σ of the weights.
        let small = mean_singular_value(initializer, 0.01)?;
        let what = format!("{name}: mean singular value of a layer's Jacobian, small signals");
        found.claims.push(Claim::near(
            format!("{what} (section 4.2.1)"),
            published,
            &small,
            Tolerance::Absolute(0.05, "the paper gives one digit"),
        ));
        found.claims.push(Claim::near(
            format!("{what}, exactly"),
            exact,
            &small,
            Tolerance::Sampling(0.005),
        ));
    }
    let mut rows = Vec::new();
    for (k, (name, initializer)) in [("standard", STANDARD), ("normalized", NORMALIZED)]
        .into_iter()
        .enumerate()
    {
        let networks = over_seeds(4, |seed| network(initializer, seed))?;
        let series = |part: usize| {
            let rows: Vec<Vec<f64>> = networks.iter().map(|n| n[part].clone()).collect();
            Sample::columns(&rows)
        };
        let (activations, gradients, weights) = (series(0), series(1), series(2));
        let tolerance = Tolerance::Sampling(0.01);
        found.claims.push(Claim::series(
            format!("{name}: deviation of the activations, layers 1 to 5 (figure 6)"),
            &ACTIVATIONS[k],
            &activations,
            tolerance,
        ));
        found.claims.push(Claim::series(
            format!("{name}: gradient at layers 1 to 4 over that at layer 5 (figure 7)"),
            &GRADIENTS[k],
            &gradients[..4],
            tolerance,
        ));
        found.claims.push(Claim::near(
            format!("{name}: gradient of the weights, layer 1 over layer 5 (section 4.2.1)"),
            WEIGHT_GRADIENTS[k],
            &weights[0],
            tolerance,
        ));
        let row = |what: &str, samples: &[Sample]| {
            let cells = samples.iter().map(|s| short(s.mean()));
            [format!("{name}, {what}")]
                .into_iter()
                .chain(cells)
                .collect()
        };
        rows.push(row("activations", &activations));
        rows.push(row("gradient, over layer 5's", &gradients));
        rows.push(row("weight gradient, over layer 5's", &weights));
    }
    found.figures = table(&["layer", "1", "2", "3", "4", "5"], &rows);
    Ok(found)
}
