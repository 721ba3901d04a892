//! Symmetry: units that start equal stay equal.

use std::sync::Mutex;

use fanin_network::{HostTensor, Weights};
use fanin_plan::Recipe;

use super::stage::{Cast, Scene, Stage, accuracy, end, ends, figure, first_loss};
use super::{Figure, Kind, Page, Trial, words};
use crate::{Comparison, Rate, TrainError};

pub(super) const PAGE: Page = Page {
    title: "why a network cannot start at zero, or with all weights equal",
    why: "Two hidden units that have the same weights compute the same thing. They send the same \
          signal on, so the error that comes back to them is the same, so their gradients are the \
          same, so they take the same step: after it they are equal again, and after every step that \
          follows. However many units a layer has, it is worth one. With all weights at zero it is \
          worse: a hidden unit puts out 0 and is multiplied by 0, so no gradient passes through it in \
          either direction, and only the biases of the output can move.",
    mend: "Draw the weights at random. Any spread tells the units apart; the right spread keeps the \
           signal at its size, which is what the other lessons are about. Biases may all start at \
           zero, because the weights already differ. Zero is also right for a scale that switches a \
           whole residual branch off, where the units inside the branch differ.",
    source: "Rumelhart, Hinton & Williams 1986, \"Learning internal representations by error \
             propagation\", section on breaking symmetry",
};

const UNITS: usize = 32;
/// Units whose weights all agree to within this count as one.
const EQUAL: f32 = 1e-6;

const STARTS: [Cast; 3] = [
    Cast {
        name: "zeros",
        what: "every weight is 0",
        recipe: Recipe::Zeros,
        rules: "",
    },
    Cast {
        name: "equal",
        what: "every weight is 0.1",
        recipe: Recipe::Zeros,
        rules: "[[rule]]\nmatch = \"*weight\"\ninitializer = \"constant(value=0.1)\"",
    },
    Cast {
        name: "drawn",
        what: "every weight is drawn from N(0, 1 / fan_in)",
        recipe: Recipe::Lecun,
        rules: "",
    },
];

const ALONE: [Cast; 1] = [Cast {
    name: "one unit",
    what: "every weight is drawn from N(0, 1 / fan_in)",
    recipe: Recipe::Lecun,
    rules: "",
}];

pub(super) fn run(stage: &Stage<'_>) -> Result<Vec<Trial>, TrainError> {
    stage.expect(2);
    let alone = single(stage)?;
    let scene = Scene {
        title: "a hidden layer of 32 units that reads drawn digits",
        model: "mlp(64, 32, 10, tanh)",
        starts: &STARTS,
        rate: Rate::Fixed(0.05),
        steps: 400,
        seeds: 1,
    };
    let network = stage.network(scene.model)?;
    let dataset = stage.digits(&network)?;
    let spread = Mutex::new(vec![Spread::default(); STARTS.len()]);
    let probe = |start: usize, _step: usize, trainer: &fanin_run::train::Trainer<'_>| {
        if let Ok(mut spread) = spread.lock() {
            spread[start] = Spread::of(&trainer.weights());
        }
    };
    let alone_loss = alone.comparison.starts.first().map_or(f64::NAN, end);
    let trial = stage.trial(&scene, &network, &dataset, Some(&probe), |found| {
        let spread = spread.lock().map_or_else(|_| Vec::new(), |s| s.clone());
        tell(found, &spread, alone_loss)
    })?;
    Ok(vec![trial, alone])
}

/// What one unit can do.
fn single(stage: &Stage<'_>) -> Result<Trial, TrainError> {
    let scene = Scene {
        title: "the same with a single hidden unit",
        model: "mlp(64, 1, 10, tanh)",
        starts: &ALONE,
        rate: Rate::Fixed(0.05),
        steps: 400,
        seeds: 1,
    };
    stage.on_digits(&scene, |found| (ends(found).into(), Vec::new()))
}

/// How far the hidden units are apart.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    /// Units that differ from each other.
    kinds: usize,
    /// The largest difference between the weights of two units.
    most: f32,
}

impl Spread {
    /// Of the first layer's units: a row of incoming weights each.
    fn of(weights: &Weights) -> Self {
        let first = weights.tensors.values().find(|t| t.shape.len() == 2);
        let rows: Vec<Vec<f32>> = first.map_or_else(Vec::new, rows);
        let apart = |a: &[f32], b: &[f32]| {
            let pairs = a.iter().zip(b);
            pairs.fold(0.0f32, |most, (a, b)| most.max((a - b).abs()))
        };
        let mut kinds: Vec<&[f32]> = Vec::new();
        let mut most = 0.0f32;
        for (k, row) in rows.iter().enumerate() {
            for other in &rows[..k] {
                most = most.max(apart(row, other));
            }
            if kinds.iter().all(|kind| apart(kind, row) > EQUAL) {
                kinds.push(row);
            }
        }
        Self {
            kinds: kinds.len(),
            most,
        }
    }
}

fn rows(tensor: &HostTensor) -> Vec<Vec<f32>> {
    let width = tensor.shape[1].max(1);
    tensor.to_f32().chunks(width).map(<[f32]>::to_vec).collect()
}

fn tell(found: &Comparison, spread: &[Spread], alone: f64) -> (Vec<Figure>, Vec<String>) {
    let [zeros, equal, drawn] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    let each = |read: fn(&Spread) -> f64| spread.iter().map(|s| Some(read(s))).collect();
    let mut figures = vec![
        Figure {
            what: "hidden units that differ at the end".to_owned(),
            kind: Kind::Count,
            values: each(|s| s.kinds as f64),
        },
        Figure {
            what: "largest difference between two of them".to_owned(),
            kind: Kind::Size,
            values: each(|s| f64::from(s.most)),
        },
        figure("loss at the first step", Kind::Loss, found, |s| {
            Some(first_loss(s))
        }),
    ];
    figures.extend(ends(found));
    let kinds = |k: usize| spread.get(k).map_or(0, |s| s.kinds);
    let right = |start| words::share(accuracy(start).unwrap_or(f64::NAN));
    let seen = vec![
        format!(
            "From zeros the loss stays where it was: {} at the first step, {} after {} steps. \
             ln 10 = 2.303 is what it costs to call all ten digits equally likely, and that is all \
             this network can say.",
            words::loss(first_loss(zeros)),
            words::loss(end(zeros)),
            found.steps
        ),
        format!(
            "From equal weights it learns something, down to {}, and stops there: its {UNITS} hidden \
             units are still {} after {} steps, no two of them further apart than {}. A network \
             that has one hidden unit and a good start gets to {}.",
            words::loss(end(equal)),
            match kinds(1) {
                1 => "one and the same unit".to_owned(),
                n => format!("only {n} different ones"),
            },
            found.steps,
            words::size(f64::from(spread.get(1).map_or(0.0, |s| s.most))),
            words::loss(alone)
        ),
        format!(
            "Drawn at random, {} of {UNITS} units differ, each finds its own use, and the loss comes \
             to {}: {} of the digits it has never seen are told right, against {} and {}.",
            kinds(2),
            words::loss(end(drawn)),
            right(drawn),
            right(zeros),
            right(equal)
        ),
    ];
    (figures, seen)
}
