//! Saturation: units pushed to the flat ends of their activation.

use fanin_plan::Recipe;

use super::stage::{Cast, Scene, Stage, accuracy, end, ends, figure, first, last, mean_share};
use super::{Figure, Kind, Page, Trial, words};
use crate::{Comparison, Rate, StartResult, TrainError};
use fanin_run::train::Look;

pub(super) const PAGE: Page = Page {
    title: "weights that are too large push tanh and sigmoid to their flat ends",
    why: "tanh and sigmoid are flat away from zero. A unit whose input is far out puts out ±1 whatever \
          the details of its input are, and its slope there, 1 - y², is next to nothing: it can \
          hardly be taught, and what it passes on is a sign instead of a number. Layer upon layer of \
          signs turns inputs that are alike into outputs that have nothing in common, so what is \
          learned of one sample says nothing about the next.",
    mend: "Keep the sums in front of the activation at a size of about one, where tanh bends but is not \
           flat: a variance of 1 / fan_in for tanh, sixteen times as much for sigmoid, whose slope is a \
           quarter. Inputs must be of size one too: a feature of size 100 saturates the first layer of \
           any start.",
    source: "LeCun, Bottou, Orr & Müller 1998, \"Efficient BackProp\", sections 4.4 and 4.6; Glorot & \
             Bengio 2010; Poole et al. 2016, \"Exponential expressivity in deep neural networks through \
             transient chaos\"",
};

const STARTS: [Cast; 2] = [
    Cast {
        name: "random",
        what: "every weight is drawn from N(0, 1), whatever the width",
        recipe: Recipe::Random,
        rules: "",
    },
    Cast {
        name: "lecun",
        what: "every weight is drawn from N(0, 1 / fan_in)",
        recipe: Recipe::Lecun,
        rules: "",
    },
];

pub(super) fn run(stage: &Stage<'_>) -> Result<Vec<Trial>, TrainError> {
    let scene = Scene {
        title: "4 layers of tanh",
        model: "mlp(64, 64x4, 10, tanh)",
        starts: &STARTS,
        rate: Rate::Sweep(None),
        steps: 400,
        seeds: 1,
    };
    let trial = stage.on_digits(&scene, tell)?;
    Ok(vec![trial])
}

/// Mean over the layers of the share of outputs in the flat part.
fn flat(look: Option<&Look>) -> Option<f64> {
    mean_share(look, |u| u.saturated)
}

fn tell(found: &Comparison) -> (Vec<Figure>, Vec<String>) {
    let [random, lecun] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    let mut figures = vec![
        figure("saturated outputs at the start", Kind::Share, found, |s| {
            flat(first(s))
        }),
        figure("saturated outputs at the end", Kind::Share, found, |s| {
            flat(last(s))
        }),
        figure(
            "digits of its own lessons told right",
            Kind::Share,
            found,
            trained,
        ),
        figure(
            "learning rate, the best of 8 tried",
            Kind::Size,
            found,
            |s| s.rate,
        ),
    ];
    figures.extend(ends(found));
    let share = |look| words::share(flat(look).unwrap_or(f64::NAN));
    let right = |start| words::share(accuracy(start).unwrap_or(f64::NAN));
    let seen = vec![
        format!(
            "A unit adds up 64 inputs with weights of size 1, so the sum has a size of about √64 = 8, \
             far out where tanh is flat. At the start {} of all outputs of `random` are saturated, \
             and {} of those of `lecun`.",
            share(first(random)),
            share(first(lecun))
        ),
        format!(
            "Training does not undo it: after {} steps it is still {}. `random` stands at a loss of {}, \
             `lecun` at {}, each at the best of eight learning rates for it; of digits that they have \
             never seen they tell {} and {} right, and one in ten is what guessing gives.",
            found.steps,
            share(last(random)),
            words::loss(end(random)),
            words::loss(end(lecun)),
            right(random),
            right(lecun)
        ),
    ];
    (figures, seen)
}

/// Mean accuracy over the last tenth of the training's own batches.
fn trained(start: &StartResult) -> Option<f64> {
    let all = &start.runs.first()?.accuracies;
    let tail = &all[all.len() - (all.len() / 10).max(1).min(all.len())..];
    let sum: f64 = tail.iter().map(|&a| f64::from(a)).sum();
    (!tail.is_empty()).then(|| sum / tail.len() as f64)
}
