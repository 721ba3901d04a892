//! Saxe, McClelland & Ganguli 2014; see the README beside.

use std::collections::BTreeMap;

use fanin_network::{HostTensor, Weights};
use fanin_run::Data;
use fanin_run::train::{Batch, Objective, TrainOptions, train};

use crate::measure::{fill, open, table};
use crate::training::{Enough, PLAIN, Schedule, course, digits, side_by_side};
use crate::{Claim, Fault, Found, Paper, claim::short};

pub(crate) const PAPER: Paper = Paper {
    name: "saxe2014",
    citation: "Saxe, McClelland & Ganguli 2014, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    at_start: None,
    by_training: Some(by_training),
};

fn by_training() -> Result<Found, Fault> {
    let mut found = Found::default();
    closed_form(&mut found)?;
    depth(&mut found)?;
    Ok(found)
}

/// Strengths of the modes to be learned.
const STRENGTHS: [f64; 4] = [4.0, 3.0, 2.0, 1.0];
/// Strength that each mode starts with.
const FIRST: f64 = 1e-3;
const N: usize = 4;

/// Each mode of a network with one hidden layer follows u(t) = s / (1 + (s/u₀ − 1) e^(−2 s t/τ)).
fn closed_form(found: &mut Found) -> Result<(), Fault> {
    let network = open(&format!("mlp({N}, {N}, {N}, identity, bias=false)"), N)?;
    // W₁ = √u₀ R and W₂ = √u₀ Rᵀ with R orthogonal: the modes are the axes, each of strength u₀.
    let mut weights = fill(&network, &[("*.weight", "orthogonal")], 0)?;
    let r = weights
        .get("layers.0.weight")
        .ok_or("a first layer")?
        .to_f32();
    let root = (FIRST as f32).sqrt();
    let first = r.iter().map(|x| x * root).collect();
    let second = (0..N * N).map(|k| r[k % N * N + k / N] * root).collect();
    let square = |v| HostTensor::f32(vec![N, N], v).ok_or("a square");
    weights
        .tensors
        .insert("layers.0.weight".to_owned(), square(first)?);
    weights
        .tensors
        .insert("layers.1.weight".to_owned(), square(second)?);
    // Inputs √n e_k have the covariance 1; targets are s_k times as long.
    let diagonal = |value: &dyn Fn(usize) -> f64| {
        square(
            (0..N * N)
                .map(|k| {
                    if k % (N + 1) == 0 {
                        value(k / N) as f32
                    } else {
                        0.0
                    }
                })
                .collect(),
        )
    };
    let long = (N as f64).sqrt();
    let batch = Batch {
        inputs: Data::new(BTreeMap::from([("input".to_owned(), diagonal(&|_| long)?)])),
        target: diagonal(&|k| long * STRENGTHS[k])?,
    };
    // The loss is the mean over all n² elements: its gradient at W₂ W₁ is 2/n of that of half the sum.
    let step = 0.002;
    let rate = step * N as f64 / 2.0;
    let options = TrainOptions {
        threads: Some(1),
        ..TrainOptions::new(Objective::Values, PLAIN)
    };
    const EVERY: usize = 100;
    let seen = train(&network, &weights, &options, |trainer| {
        let mut seen = vec![trainer.weights()];
        for k in 1..=3000 {
            trainer.step(&batch, rate, false)?;
            if k % EVERY == 0 {
                seen.push(trainer.weights());
            }
        }
        Ok(seen)
    })?;
    let exact = |s: f64, t: f64| s / (1.0 + (s / FIRST - 1.0) * (-2.0 * s * t).exp());
    let mut worst: f64 = 0.0;
    let mut rows = Vec::new();
    for (k, weights) in seen.iter().enumerate() {
        let t = step * (k * EVERY) as f64;
        let modes = modes(weights)?;
        for (&s, &u) in STRENGTHS.iter().zip(&modes) {
            worst = worst.max((u - exact(s, t)).abs() / s);
        }
        if k % 5 == 0 {
            let cells = STRENGTHS.iter().zip(&modes);
            let cells = cells.map(|(&s, &u)| format!("{} ({})", short(u), short(exact(s, t))));
            rows.push([short(t)].into_iter().chain(cells).collect());
        }
    }
    found.claims.push(Claim::holds(
        "one hidden layer: four modes follow the sigmoid of equation 9, largest departure over 3,000 steps",
        "0",
        short(worst),
        "≤ 0.02 of the mode's strength: steps of 0.002 τ take the time 0.4 % wrong, times the steepest slope s²/2",
        worst <= 0.02,
    ));
    found.figures += &table(
        &["t/τ", "s = 4: seen (exact)", "s = 3", "s = 2", "s = 1"],
        &rows,
    );
    Ok(())
}

/// The diagonal of W₂ W₁.
fn modes(weights: &Weights) -> Result<Vec<f64>, Fault> {
    let get = |name: &str| Ok::<_, Fault>(weights.get(name).ok_or("a layer")?.to_f32());
    let (first, second) = (get("layers.0.weight")?, get("layers.1.weight")?);
    let entry = |i: usize| -> f64 {
        (0..N)
            .map(|j| f64::from(second[i * N + j]) * f64::from(first[j * N + i]))
            .sum()
    };
    Ok((0..N).map(entry).collect())
}

/// Steps until the loss, taken over twenty, is under 1.2, at the best of the rates.
fn depth(found: &mut Found) -> Result<(), Fault> {
    const STEPS: usize = 600;
    let depths = [4, 8, 16, 32, 64, 100];
    let mut times = Vec::new();
    let mut rows = Vec::new();
    for (name, initializer) in [("orthogonal", "orthogonal"), ("Gaussian", "lecun_normal")] {
        let mut row = Vec::new();
        for layers in depths {
            let network = open(
                &format!("mlp(64, 64x{layers}, 10, identity, bias=false)"),
                64,
            )?;
            let weights = fill(&network, &[("*.weight", initializer)], 0)?;
            let dataset = digits(&network)?;
            let rates: Vec<f64> = (-12..=0).map(|k| 2f64.powi(k)).collect();
            let reached = side_by_side(&rates, |&rate| {
                let schedule = Schedule {
                    enough: Some(Enough::Loss(1.2)),
                    ..Schedule::new(PLAIN, rate, STEPS)
                };
                let done = course(&network, &weights, &dataset, &schedule)?;
                Ok((done.last_loss() < 1.2).then_some(done.losses.len()))
            })?;
            row.push(reached.into_iter().flatten().min());
        }
        let cells = row
            .iter()
            .map(|t| t.map_or(format!("> {STEPS}"), |t| t.to_string()));
        rows.push([name.to_owned()].into_iter().chain(cells).collect());
        times.push(row);
    }
    let time = |k: usize, d: usize| times[k][d].unwrap_or(STEPS) as f64;
    let (orthogonal, gaussian) = (time(0, 5) / time(0, 0), time(1, 5) / time(1, 0));
    found.claims.push(Claim::holds(
        "orthogonal: steps to a loss of 1.2 at the best rate, 100 layers over 4 (figure 6: independent of depth)",
        "1",
        short(orthogonal),
        "within a factor of 2: rates are a factor of 2 apart",
        (0.5..=2.0).contains(&orthogonal) && times[0].iter().all(Option::is_some),
    ));
    found.claims.push(Claim::holds(
        "Gaussian: the same grows with depth",
        "grows",
        short(gaussian),
        "at least twice as much as orthogonal",
        gaussian >= 2.0 * orthogonal,
    ));
    found.figures += "\n";
    found.figures += &table(
        &[
            "steps to a loss of 1.2, layers",
            "4",
            "8",
            "16",
            "32",
            "64",
            "100",
        ],
        &rows,
    );
    Ok(())
}
