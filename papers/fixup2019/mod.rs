//! Zhang, Dauphin & Ma 2019; see the README beside.

use fanin_network::{Network, Weights};
use fanin_run::train::Optimizer;
use fanin_run::{Observation, Trace};
use fanin_train::{Form, Task};

use crate::measure::{at, fill, observe, open, over_seeds, table};
use crate::training::{Enough, Schedule, course, side_by_side};
use crate::{Claim, Fault, Found, Paper, Sample, Tolerance, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "fixup2019",
    citation: "Zhang, Dauphin & Ma 2019, Fixup initialization: residual learning without normalization",
    at_start: Some(at_start),
    by_training: Some(by_training),
};

/// How the weights of a branch and the head start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// He's, by what each weight feeds: a branch keeps the variance of what it reads.
    Standard,
    /// As `Standard`, but branches and head closed: Fixup without its factor.
    Closed,
    /// As `Closed`, the first weight of each branch times 1/√L.
    Fixup,
}

use Start::{Closed, Fixup, Standard};

/// Residual branches of two weights with ReLU between, no norms: the multilayer perceptrons of a
/// transformer whose attention is closed by zeros.
fn network(blocks: usize, width: usize, bias: bool) -> Result<Network, Fault> {
    let line = format!(
        "transformer(layers={blocks}, width={width}, heads=1, vocab={VOCABULARY}, context=8, \
         mlp=1x, activation=relu, norm=none, tied=false, bias={bias})"
    );
    open(&line, 8)
}

const VOCABULARY: usize = 30;

fn weights(
    network: &Network,
    start: Start,
    blocks: usize,
    head: &str,
    seed: u64,
) -> Result<Weights, Fault> {
    let scaled = format!("fixup(branches={blocks}, layers=2)");
    let (first, last) = match start {
        Standard => ("he_normal", "lecun_normal"),
        Closed => ("he_normal", "zeros"),
        Fixup => (scaled.as_str(), "zeros"),
    };
    let rules = [
        ("token_embedding.weight", "normal(std=1)"),
        ("position_embedding.weight", "zeros"),
        ("blocks.*.attention.*", "zeros"),
        ("blocks.*.mlp.up.weight", first),
        ("blocks.*.mlp.down.weight", last),
        ("head.weight", head),
    ];
    fill(network, &rules, seed)
}

/// What is seen of the stream before the first block and after each.
fn stream(trace: &Trace) -> Vec<&Observation> {
    let sums = at(trace, "Add").into_iter();
    sums.filter(|o| o.node == "embedding" || o.node.ends_with("mlp/residual"))
        .collect()
}

const BLOCKS: usize = 8;

/// After 0, 1, … blocks: the variance of the stream over that before them, and of its gradient over that
/// after the last.
fn moments(start: Start) -> Result<[Vec<Sample>; 2], Fault> {
    let network = network(BLOCKS, 256, false)?;
    let networks = over_seeds(10, |seed| {
        let weights = weights(&network, start, BLOCKS, "lecun_normal", seed)?;
        let trace = observe(&network, &weights, seed)?;
        let stream = stream(&trace);
        let square = |o: &&Observation| o.backward.as_ref().map_or(f64::NAN, |b| b.rms.powi(2));
        let first = stream.first().map_or(f64::NAN, |o| o.forward.rms.powi(2));
        let last = stream.last().map_or(f64::NAN, square);
        let forward = stream.iter().map(|o| o.forward.rms.powi(2) / first);
        let forward = forward.collect();
        let backward = stream.iter().map(|o| square(o) / last).collect();
        Ok([forward, backward] as [Vec<f64>; 2])
    })?;
    let (forward, backward): (Vec<_>, Vec<_>) = networks.into_iter().map(|[f, b]| (f, b)).unzip();
    Ok([Sample::columns(&forward), Sample::columns(&backward)])
}

/// Square of the norm of the gradient at the last weights of all branches, over that with 4 blocks: by
/// so much times the rate the branches change the loss in the first step that they take.
fn reach(start: Start, depths: &[usize]) -> Result<Vec<Sample>, Fault> {
    let networks = over_seeds(10, |seed| {
        let squares = depths.iter().map(|&blocks| {
            let network = network(blocks, 64, false)?;
            let weights = weights(&network, start, blocks, "lecun_normal", seed)?;
            let trace = observe(&network, &weights, seed)?;
            let last = trace.parameters.iter();
            let last = last.filter(|p| p.name.ends_with("mlp.down.weight"));
            Ok(last.filter_map(|p| p.gradient_rms).map(|g| g * g).sum())
        });
        let squares = squares.collect::<Result<Vec<f64>, Fault>>()?;
        Ok(squares.iter().map(|s| s / squares[0]).collect::<Vec<f64>>())
    })?;
    Ok(Sample::columns(&networks))
}

fn at_start() -> Result<Found, Fault> {
    let mut found = Found::default();
    let exact = Tolerance::Absolute(1e-6, "single precision");
    let sampling = Tolerance::Sampling(0.02);
    let places = [0, 1, 2, 4, 8];
    let doubled = places.map(|l| 2f64.powi(l as i32));
    let back = places.map(|l| 2f64.powi((BLOCKS - l) as i32));
    let mut rows = Vec::new();
    let chosen = |samples: &[Sample]| places.map(|k| samples.get(k).cloned().unwrap_or_default());
    for (start, name) in [(Standard, "standard"), (Fixup, "Fixup")] {
        let [forward, backward] = moments(start)?.map(|samples| chosen(&samples));
        for (what, samples) in [("variance", &forward), ("gradient's", &backward)] {
            let cells = samples.iter().map(|s| short(s.mean()));
            rows.push(
                [format!("{name}, {what}")]
                    .into_iter()
                    .chain(cells)
                    .collect(),
            );
        }
        found.claims.extend(match start {
            Standard => [
                Claim::series(
                    "standard: variance after 0, 1, 2, 4, 8 blocks, over that before them, is 2^l (section 2)",
                    &doubled,
                    &forward,
                    sampling,
                ),
                Claim::series(
                    "standard: variance of the gradient there, over that after block 8, is 2^(8 − l)",
                    &back,
                    &backward,
                    sampling,
                ),
            ],
            _ => [
                Claim::series(
                    "Fixup: the variance is the same everywhere",
                    &[1.0; 5],
                    &forward,
                    exact,
                ),
                Claim::series("Fixup: the gradient is the same everywhere", &[1.0; 5], &backward, exact),
            ],
        });
    }
    let depths = [4, 16, 64];
    let closed = reach(Closed, &depths)?;
    found.claims.push(Claim::series(
        "closed branches alone: 4, 16, 64 blocks change the loss by 1, 4, 16 times as much in a step",
        &[1.0, 4.0, 16.0],
        &closed,
        sampling,
    ));
    let fixup = reach(Fixup, &depths)?;
    found.claims.push(Claim::series(
        "Fixup, with L^(−1/2) on the first weight of a branch: by an amount that depth does not change (section 3)",
        &[1.0; 3],
        &fixup,
        sampling,
    ));
    found.figures = table(&["over the blocks", "0", "1", "2", "4", "8"], &rows);
    Ok(found)
}

/// Share of chance under which the loss counts as trained.
const TRAINED: f64 = 0.75;
/// Share of chance above which it counts as failed.
const FAILED: f64 = 0.9;

/// The loss after 150 steps, or as soon as it counts as trained, at each rate.
fn losses(blocks: usize, start: Start, rates: &[f64]) -> Result<Vec<f64>, Fault> {
    let network = network(blocks, 32, true)?;
    let dataset = Task::Characters.generate(&Form::of(&network)?, fanin::Seed::new(0))?;
    let head = if start == Standard {
        "lecun_normal"
    } else {
        "zeros"
    };
    let weights = weights(&network, start, blocks, head, 0)?;
    // Attention stays closed, so that the branches are those of the paper.
    let attention = network
        .parameters
        .iter()
        .filter(|p| p.name.contains(".attention."));
    let factors = attention.map(|p| (p.name.clone(), 0.0)).collect();
    let schedule = Schedule {
        factors,
        enough: Some(Enough::Loss(TRAINED * (VOCABULARY as f64).ln())),
        ..Schedule::new(Optimizer::SGD, 0.0, 150)
    };
    side_by_side(rates, |&rate| {
        let schedule = Schedule {
            rate,
            ..schedule.clone()
        };
        Ok(course(&network, &weights, &dataset, &schedule)?.last_loss())
    })
}

fn by_training() -> Result<Found, Fault> {
    let chance = (VOCABULARY as f64).ln();
    let rates: Vec<f64> = [1e-4, 1e-3, 1e-2, 1e-1].to_vec();
    let mut found = Found::default();
    let mut rows = Vec::new();
    for (start, name, blocks, trains) in [
        (Standard, "standard", 4, true),
        (Standard, "standard", 64, false),
        (Fixup, "Fixup", 4, true),
        (Fixup, "Fixup", 64, true),
    ] {
        let losses = losses(blocks, start, &rates)?;
        let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let verb = if trains { "trains" } else { "does not train" };
        found.claims.push(Claim::holds(
            format!("{name}, {blocks} blocks: {verb} (section 4.1)"),
            if trains { "trains" } else { "fails" },
            format!("loss {} of chance {}", short(best), short(chance)),
            "trains: under three quarters of chance within 150 steps at the best of 4 rates; fails: above nine tenths",
            if trains { best < TRAINED * chance } else { best > FAILED * chance },
        ));
        let cells = losses.iter().map(|&l| short(l));
        rows.push(
            [format!("{name}, {blocks} blocks")]
                .into_iter()
                .chain(cells)
                .collect(),
        );
    }
    found.figures = table(&["loss at rate", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹"], &rows);
    Ok(found)
}
