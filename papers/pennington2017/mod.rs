//! Pennington, Schoenholz & Ganguli 2017; see the README beside.

use fanin_theory::units::{jacobian_spread, largest_squared_singular_value};

use fanin::Activation;

use crate::matrix::singular_values;
use crate::measure::{fill, jacobian, open, over_seeds, standard_normal, table};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "pennington2017",
    citation: "Pennington, Schoenholz & Ganguli 2017, Resurrecting the sigmoid in deep learning through dynamical isometry",
    at_start: Some(at_start),
    by_training: None,
};

const WIDTH: usize = 128;
const LAYERS: usize = 8;
const NETWORKS: u64 = 6;

/// The critical tanh network of q* = 1/64 (`tools/papers_reference.py`): σw², σb².
const CRITICAL: (f64, f64) = (1.030_557_51, 4.6513e-6);

/// What one Jacobian's squared singular values show.
#[derive(Clone, Debug)]
struct Spectrum {
    mean: Sample,
    /// Variance over squared mean.
    spread: Sample,
    largest: Sample,
}

/// The squared singular values of the Jacobian of `LAYERS` layers D W at an input of mean square
/// `square`; the network's last weight is the identity.
fn spectrum(activation: &str, weight: &str, bias: f64, square: f64) -> Result<Spectrum, Fault> {
    let line = format!("mlp({WIDTH}, {WIDTH}x{LAYERS}, {WIDTH}, {activation})");
    let network = open(&line, WIDTH)?;
    let bias = if bias > 0.0 {
        format!("normal(mean=0, std={})", bias.sqrt())
    } else {
        "zeros".to_owned()
    };
    let last = format!("layers.{LAYERS}");
    let rules = [
        ("*.weight".to_owned(), weight.to_owned()),
        ("*.bias".to_owned(), bias),
        (format!("{last}.weight"), "identity".to_owned()),
        (format!("{last}.bias"), "zeros".to_owned()),
    ];
    let rules: Vec<(&str, &str)> = rules
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let rows = over_seeds(NETWORKS, |seed| {
        let weights = fill(&network, &rules, seed)?;
        let mut sample = standard_normal(WIDTH, seed);
        let size = sample.iter().map(|x| x * x).sum::<f32>() / WIDTH as f32;
        sample
            .iter_mut()
            .for_each(|x| *x *= (square as f32 / size).sqrt());
        let jacobian = jacobian(&network, &weights, &sample)?;
        let squares: Vec<f64> = singular_values(&jacobian, WIDTH)
            .into_iter()
            .map(|s| s * s)
            .collect();
        let all = Sample::of(squares);
        let second = all.values().iter().map(|s| s * s).sum::<f64>() / WIDTH as f64;
        let mean = all.mean();
        Ok(vec![mean, second / (mean * mean) - 1.0, all.values()[0]])
    })?;
    let [mean, spread, largest] = <[Sample; 3]>::try_from(Sample::columns(&rows))
        .map_err(|_| "a spectrum has three figures")?;
    Ok(Spectrum {
        mean,
        spread,
        largest,
    })
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let (weight, bias) = CRITICAL;
    let q = 1.0 / 64.0;
    let gain = weight.sqrt();
    let input = (q - bias) / weight;
    let tanh = |orthogonal| jacobian_spread(Activation::Tanh, q, LAYERS, orthogonal);
    let cases = [
        (
            "linear, Gaussian",
            "identity",
            "lecun_normal".to_owned(),
            0.0,
            1.0,
            LAYERS as f64,
        ),
        (
            "linear, orthogonal",
            "identity",
            "orthogonal".to_owned(),
            0.0,
            1.0,
            0.0,
        ),
        (
            "ReLU, Gaussian",
            "relu",
            "he_normal".to_owned(),
            0.0,
            1.0,
            2.0 * LAYERS as f64,
        ),
        (
            "ReLU, orthogonal",
            "relu",
            format!("orthogonal(gain={})", 2f64.sqrt()),
            0.0,
            1.0,
            LAYERS as f64,
        ),
        (
            "tanh on the critical line at q* = 1/64, Gaussian",
            "tanh",
            format!("lecun_normal(gain={gain})"),
            bias,
            input,
            tanh(false),
        ),
        (
            "tanh on the critical line at q* = 1/64, orthogonal",
            "tanh",
            format!("orthogonal(gain={gain})"),
            bias,
            input,
            tanh(true),
        ),
    ];
    let mut rows = Vec::new();
    for (name, activation, weight, bias, square, expected) in cases {
        let seen = spectrum(activation, &weight, bias, square)?;
        found.claims.push(Claim::near(
            format!("{name}: variance of the squared singular values over their squared mean"),
            expected,
            &seen.spread,
            // Exactly 0 for orthogonal weights without an activation, up to rounding.
            if expected == 0.0 {
                Tolerance::Absolute(1e-9, "rounding of f32")
            } else {
                Tolerance::Sampling(0.06)
            },
        ));
        if name == "linear, Gaussian" {
            found.claims.push(Claim::near(
                "linear, Gaussian: largest squared singular value, (L + 1)^(L + 1)/L^L",
                largest_squared_singular_value(LAYERS),
                &seen.largest,
                Tolerance::Sampling(0.06),
            ).but(
                "the edge is reached as n^(−2/3): at 128 units NumPy finds 19.8 ± 0.6 (`tools/papers_reference.py`)",
            ));
        }
        rows.push(vec![
            name.to_owned(),
            short(seen.mean.mean()),
            short(expected),
            short(seen.spread.mean()),
            short(seen.largest.mean()),
        ]);
    }
    found.figures = table(
        &[
            "8 layers of 128",
            "mean s²",
            "variance/mean², expected",
            "seen",
            "largest s²",
        ],
        &rows,
    );
    Ok(found)
}
