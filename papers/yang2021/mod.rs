//! Yang, Hu, Babuschkin, Sidor, Liu, Farhi, Ryder, Pachocki, Chen & Gao 2021; see the README beside.

use std::collections::BTreeMap;

use fanin_network::{HostTensor, Network, Weights};
use fanin_run::evaluate;
use fanin_run::train::Optimizer;

use crate::measure::{fill, open, over_seeds, table};
use crate::training::{Schedule, course, digits, side_by_side};
use crate::{Claim, Fault, Found, Paper, Sample, claim::short, sample::slope};

pub(crate) const PAPER: Paper = Paper {
    name: "yang2021",
    citation: "Yang et al. 2021, Tensor programs V: tuning large neural networks via zero-shot hyperparameter transfer",
    at_start: Some(coordinate_check),
    by_training: Some(transfer),
};

/// The width at which both parametrizations are the same.
const BASE: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parametrization {
    /// He's weights, one rate.
    Standard,
    /// The paper's table 3 for Adam: the rate of hidden and output weights by base over width; the
    /// output starts at zero, as the paper recommends.
    MaximalUpdate,
}

use Parametrization::{MaximalUpdate, Standard};

/// The network of a width, its weights and the factors on its rates.
fn start(
    parametrization: Parametrization,
    width: usize,
    seed: u64,
) -> Result<(Network, Weights, BTreeMap<String, f64>), Fault> {
    let network = open(&format!("mlp(64, {width}x3, 10, relu)"), 32)?;
    let hidden = format!("mup(role=hidden, std={}, base=1)", 2f64.sqrt());
    let rules = match parametrization {
        Standard => vec![("layers.3.weight", "lecun_normal")],
        MaximalUpdate => vec![
            (
                "layers.0.weight",
                "mup(role=input, std=0.176776695, base=1)",
            ),
            ("layers.[12].weight", hidden.as_str()),
            ("layers.3.weight", "zeros"),
        ],
    };
    let weights = fill(&network, &rules, seed)?;
    let mut factors = BTreeMap::new();
    if parametrization == MaximalUpdate {
        let factor = BASE as f64 / width as f64;
        for layer in 1..4 {
            factors.insert(format!("layers.{layer}.weight"), factor);
        }
    }
    Ok((network, weights, factors))
}

/// The rms of what three steps of Adam change at the three hidden pre-activations and the output.
fn changes(parametrization: Parametrization, width: usize, seed: u64) -> Result<Vec<f64>, Fault> {
    let (network, weights, factors) = start(parametrization, width, seed)?;
    let dataset = digits(&network)?;
    let schedule = Schedule {
        factors,
        seed,
        ..Schedule::new(Optimizer::ADAM, 1e-3, 3)
    };
    let trained = course(&network, &weights, &dataset, &schedule)?;
    let mut watched = network.clone();
    for k in 0..3 {
        let name = format!("layers.{k}");
        let node = network.nodes.iter().find(|n| n.name == name);
        let value = node.and_then(|n| n.outputs.first().copied().flatten());
        watched.outputs.push(value.ok_or("a layer of the network")?);
    }
    let batch = dataset.held_out(32, 0)?;
    let input = batch.inputs.get("input").ok_or("an input")?;
    let inputs = BTreeMap::from([("input".to_owned(), input.clone())]);
    let values = |weights| evaluate(&watched, weights, &inputs);
    let (before, after) = (values(&weights)?, values(&trained.weights)?);
    let change = |a: &HostTensor, b: &HostTensor| {
        let (a, b) = (a.to_f32(), b.to_f32());
        let square: f64 = a
            .iter()
            .zip(&b)
            .map(|(&a, &b)| f64::from(a - b).powi(2))
            .sum();
        (square / a.len() as f64).sqrt()
    };
    Ok([1, 2, 3, 0]
        .into_iter()
        .map(|k| change(&before[k], &after[k]))
        .collect())
}

fn coordinate_check() -> Result<Found, Fault> {
    let mut found = Found::default();
    let widths = [64, 128, 256, 512, 1024];
    let mut rows = Vec::new();
    for (parametrization, name) in [(MaximalUpdate, "μP"), (Standard, "standard")] {
        let by_width: Vec<Vec<Sample>> = widths
            .iter()
            .map(|&width| {
                let seeds = over_seeds(3, |seed| changes(parametrization, width, seed))?;
                Ok(Sample::columns(&seeds))
            })
            .collect::<Result<_, Fault>>()?;
        let slopes: Vec<f64> = (0..4)
            .map(|layer| {
                let points: Vec<(f64, f64)> = widths
                    .iter()
                    .zip(&by_width)
                    .map(|(&w, samples)| ((w as f64).ln(), samples[layer].mean().ln()))
                    .collect();
                slope(&points)
            })
            .collect();
        let seen = slopes
            .iter()
            .map(|&s| short(s))
            .collect::<Vec<_>>()
            .join(", ");
        found.claims.push(match parametrization {
            MaximalUpdate => Claim::holds(
                "μP: change of the 3 hidden pre-activations and the output in 3 steps of Adam, slope of ln against ln width",
                "0",
                seen,
                "± 0.15: the jitter of mup's coordinate checks at these widths",
                slopes.iter().all(|s| s.abs() <= 0.15),
            ),
            Standard => Claim::holds(
                "standard: the same grows with width behind the first layer",
                "> 0; 1 in the limit for the output",
                seen,
                "above 0.3 at hidden layers 2 and 3 and at the output",
                slopes[1..].iter().all(|&s| s > 0.3),
            ),
        });
        for (width, samples) in widths.iter().zip(&by_width) {
            let cells = samples.iter().map(|s| short(s.mean()));
            rows.push(
                [format!("{name}, width {width}")]
                    .into_iter()
                    .chain(cells)
                    .collect(),
            );
        }
    }
    found.figures = table(
        &["rms of the change at", "layer 1", "2", "3", "output"],
        &rows,
    );
    Ok(found)
}

/// The loss after a short training, by width and rate.
fn transfer() -> Result<Found, Fault> {
    const STEPS: usize = 100;
    let widths = [64, 256, 1024];
    let rates: Vec<f64> = (-12..=-3).map(|k| 2f64.powi(k)).collect();
    let mut found = Found::default();
    let mut rows = Vec::new();
    for (parametrization, name) in [(MaximalUpdate, "μP"), (Standard, "standard")] {
        let mut best = Vec::new();
        for width in widths {
            let losses = side_by_side(&rates, |&rate| {
                let (network, weights, factors) = start(parametrization, width, 0)?;
                let schedule = Schedule {
                    factors,
                    ..Schedule::new(Optimizer::ADAM, rate, STEPS)
                };
                let dataset = digits(&network)?;
                Ok(course(&network, &weights, &dataset, &schedule)?.last_loss())
            })?;
            let least = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
            best.push(least.map_or(0, |(k, _)| k));
            let cells = losses.iter().map(|&l| short(l));
            rows.push(
                [format!("{name}, width {width}")]
                    .into_iter()
                    .chain(cells)
                    .collect(),
            );
        }
        let shift = best[2] as i64 - best[0] as i64;
        let log = best
            .iter()
            .map(|&k| format!("2^{}", k as i64 - 12))
            .collect::<Vec<_>>()
            .join(", ");
        found.claims.push(match parametrization {
            MaximalUpdate => Claim::holds(
                "μP: the best rate of Adam at widths 64, 256, 1024 stays where it is",
                "the same",
                log,
                "within a factor of 2, one step of the grid",
                shift.abs() <= 1,
            ),
            Standard => Claim::holds(
                "standard: the best rate falls with width",
                "falls, by up to the ratio of widths",
                log,
                "at least a factor of 4 from width 64 to 1024",
                shift <= -2,
            ),
        });
    }
    let head: Vec<String> = ["loss at rate".to_owned()]
        .into_iter()
        .chain((-12..=-3).map(|k| format!("2^{k}")))
        .collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    found.figures = table(&head, &rows);
    Ok(found)
}
