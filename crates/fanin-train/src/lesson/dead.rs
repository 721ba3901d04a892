//! Dead units: a ReLU that is off for every sample never comes back.

use fanin_plan::Recipe;
use fanin_run::train::Look;

use super::stage::{
    Cast, Scene, Stage, accuracy, end, ends, figure, first, gradients, last, mean_share,
};
use super::{Figure, Kind, Page, Trial, words};
use crate::{Comparison, Rate, StartResult, TrainError};

pub(super) const PAGE: Page = Page {
    title: "a ReLU that is off for every sample does not learn",
    why: "Where the input of a ReLU is below zero its output is 0 and its slope is 0. That is harmless \
          as long as some samples switch it on. A unit that is off for all of them passes no signal on \
          and gets no gradient, so its weights do not move: it is dead, and only a change of the layers \
          before it, or a sample unlike all others, can wake it. Biases that start negative do it, \
          and so does one step that is far too large. Once a whole layer is dead the network says the \
          same to every input, and only the biases behind that layer can learn. In a narrow and deep \
          network it happens by bad luck alone: a layer of n units is off for an input with \
          probability 2⁻ⁿ, and every layer tries its luck anew.",
    mend: "Start biases at zero and weights by He's rule, which leaves each unit on for half of the \
           samples. Make layers wide rather than very narrow. Where units still die, leaky ReLU, ELU \
           or GELU let a little gradient through when they are off.",
    source: "Lu, Shin, Su & Karniadakis 2019, \"Dying ReLU and initialization: theory and numerical \
             examples\"; He et al. 2015",
};

const BIASES: [Cast; 2] = [
    Cast {
        name: "negative",
        what: "weights by He's rule, every bias is -2",
        recipe: Recipe::He,
        rules: "[[rule]]\nmatch = \"*bias\"\ninitializer = \"constant(value=-2)\"",
    },
    Cast {
        name: "he",
        what: "weights by He's rule, every bias is 0",
        recipe: Recipe::He,
        rules: "",
    },
];

const LUCK: [Cast; 1] = [Cast {
    name: "he",
    what: "weights by He's rule, every bias is 0",
    recipe: Recipe::He,
    rules: "",
}];

/// Networks drawn to see how many are born dead.
const DRAWN: usize = 100;

pub(super) fn run(stage: &Stage<'_>) -> Result<Vec<Trial>, TrainError> {
    stage.expect(3);
    let scene = Scene {
        title: "4 layers of ReLU whose biases start negative",
        model: "mlp(64, 64x4, 10, relu)",
        starts: &BIASES,
        rate: Rate::Sweep(None),
        steps: 300,
        seeds: 1,
    };
    let biases = stage.on_digits(&scene, tell)?;
    let narrow = born(stage, "mlp(16, 3x12, 10, relu)", 3)?;
    let wide = born(stage, "mlp(16, 32x12, 10, relu)", 32)?;
    Ok(vec![biases, narrow, wide])
}

/// Share of the units that are off for every sample of the batch, over all layers.
fn dead(look: Option<&Look>) -> Option<f64> {
    mean_share(look, |u| u.dead)
}

/// Layers all of whose units are dead.
fn dead_layers(look: Option<&Look>) -> usize {
    let units = look.map_or(&[][..], |look| &look.units);
    units.iter().filter(|u| u.dead == Some(1.0)).count()
}

fn tell(found: &Comparison) -> (Vec<Figure>, Vec<String>) {
    let [negative, he] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    let mut figures = vec![
        figure("dead units at the start", Kind::Share, found, |s| {
            dead(first(s))
        }),
        figure("dead units at the end", Kind::Share, found, |s| {
            dead(last(s))
        }),
        figure(
            "layers that are dead altogether, at the start",
            Kind::Count,
            found,
            |s| Some(dead_layers(first(s)) as f64),
        ),
        figure(
            "gradient of the first layer's weights, rms",
            Kind::Size,
            found,
            |s| gradients(first(s)).first().copied(),
        ),
        figure(
            "learning rate, the best of 8 tried",
            Kind::Size,
            found,
            |s| s.rate,
        ),
    ];
    figures.extend(ends(found));
    let share = |look| words::share(dead(look).unwrap_or(f64::NAN));
    let right = |start| words::share(accuracy(start).unwrap_or(f64::NAN));
    let gradient = gradients(first(negative)).first().copied();
    let seen = vec![
        format!(
            "With every bias at -2, {} of the units put out 0 for all {} samples of the first batch, and \
             {} of the 4 layers {} dead altogether. The gradient that reaches the first layer is {}. From \
             `he` {} of the units are dead.",
            share(first(negative)),
            found.batch,
            dead_layers(first(negative)),
            if dead_layers(first(negative)) == 1 {
                "is"
            } else {
                "are"
            },
            words::size(gradient.unwrap_or(f64::NAN)),
            share(first(he))
        ),
        format!(
            "After {} steps {} are still dead and the loss is {}, where knowing nothing costs {}. `he` \
             comes to {}, and tells {} of the digits that it has never seen right against {}.",
            found.steps,
            share(last(negative)),
            words::loss(end(negative)),
            words::loss(found.chance),
            words::loss(end(he)),
            right(he),
            right(negative)
        ),
    ];
    (figures, seen)
}

/// How many of many networks are dead before the first step.
fn born(stage: &Stage<'_>, model: &str, width: i32) -> Result<Trial, TrainError> {
    let title =
        format!("{DRAWN} networks of 12 layers that are {width} units wide, before any training");
    let scene = Scene {
        title: &title,
        model,
        starts: &LUCK,
        rate: Rate::Fixed(1e-6),
        steps: 1,
        seeds: DRAWN,
    };
    stage.on_digits(&scene, |found| {
        let share = found.starts.first().map_or(f64::NAN, born_dead);
        let figures = vec![figure("networks born dead", Kind::Share, found, |s| {
            Some(born_dead(s))
        })];
        // Dead for one input: some layer's units are all off. By symmetry each is off with 1/2.
        let theory = 1.0 - (1.0 - 0.5f64.powi(width)).powi(12);
        let seen = vec![format!(
            "Of {DRAWN} networks that are {width} units wide and 12 layers deep, all by He's rule, {:.0} \
             are born dead, with some layer off for all {} samples of the batch. The probability that some \
             layer out of 12 has all its {width} units off for one given sample is {}; that one layer is off \
             for all samples of a batch is rarer.",
            share * DRAWN as f64,
            found.batch,
            words::share(theory)
        )];
        (figures, seen)
    })
}

/// Share of the trainings that began with a dead layer.
fn born_dead(start: &StartResult) -> f64 {
    let looks = start
        .runs
        .iter()
        .map(|run| run.looks.first().map(|(_, look)| look));
    let dead = looks.filter(|look| dead_layers(*look) > 0).count();
    dead as f64 / start.runs.len().max(1) as f64
}
