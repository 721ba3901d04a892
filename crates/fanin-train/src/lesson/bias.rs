//! Bias: an output that does not know how rare a class is.

use fanin::Seed;
use fanin_plan::Recipe;

use super::stage::{Cast, Scene, Stage, end, figure, first_loss};
use super::{Figure, Kind, Page, Trial, words};
use crate::outcome::smooth;
use crate::random::Draw;
use crate::{Comparison, Dataset, Form, Rate, Samples, StartResult, TrainError};

pub(super) const PAGE: Page = Page {
    title: "an output bias of zero says that a rare class is as frequent as a common one",
    why: "Before it has learned anything a network can at least say how frequent each class is: that is \
          what its output biases are for. With biases at zero it says that all classes are alike, and \
          where they are not, the first loss is far above what mere counting would give. The first \
          steps are then spent on the biases. They pull all weights along in the same direction, the \
          curve drops steeply and looks like success, and nothing has been learned but the counts.",
    mend: "Set the output's biases to the logarithm of each class's share, `log_prior` (for a single \
           sigmoid, `prior_bias`, the logarithm of p / (1 - p)). Then the first loss is the entropy of \
           the classes, and every step from the first is about the inputs. `fanin check --data` with \
           an array `labels` tells whether it is worth it and proposes the numbers.",
    source: "Lin et al. 2017, \"Focal loss for dense object detection\", section 4.1",
};

const STARTS: [Cast; 2] = [
    Cast {
        name: "zero",
        what: "hidden weights by He's rule, output weights from N(0, 0.01²), every bias is 0",
        recipe: Recipe::He,
        rules: "[[rule]]\nmatch = \"layers.1.weight\"\ninitializer = \"normal(std=0.01)\"",
    },
    Cast {
        name: "prior",
        what: "the same, but the output's biases are the logarithm of each class's share",
        recipe: Recipe::He,
        rules: "[[rule]]\nmatch = \"layers.1.weight\"\ninitializer = \"normal(std=0.01)\"\n\
                [[rule]]\nmatch = \"layers.1.bias\"\ninitializer = \"log_prior(0.98, 0.02)\"",
    },
];

/// Share of the rare class.
const RARE: f64 = 0.02;
const SAMPLES: usize = 4096;
const WIDTH: usize = 16;

pub(super) fn run(stage: &Stage<'_>) -> Result<Vec<Trial>, TrainError> {
    let scene = Scene {
        title: "two classes, one of them 2 % of the samples",
        model: "mlp(16, 32, 2, relu)",
        starts: &STARTS,
        rate: Rate::Fixed(0.01),
        steps: 300,
        seeds: 3,
    };
    let network = stage.network(scene.model)?;
    let dataset = rare(&Form::of(&network)?, Seed::new(stage.seed))?;
    let trial = stage.trial(&scene, &network, &dataset, None, tell)?;
    Ok(vec![trial])
}

/// Two normal clouds, one of them seldom seen.
fn rare(form: &Form, seed: Seed) -> Result<Dataset, TrainError> {
    let mut draw = Draw::new(seed, "lesson:bias");
    let centre = draw.normals(WIDTH, 1.0);
    let mut inputs = Vec::with_capacity(SAMPLES * WIDTH);
    let mut classes = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let hit = draw.unit() < RARE;
        classes.push(i64::from(hit));
        let side = if hit { 1.0 } else { 0.0 };
        inputs.extend(centre.iter().map(|c| (side * c + draw.normal()) as f32));
    }
    Dataset::new(
        "two clouds",
        form,
        Samples::Floats(inputs),
        Samples::Integers(classes),
        &[],
    )
}

/// Steps until the smoothed loss is as low as counting the classes makes it.
fn counted(start: &StartResult, chance: f64) -> Option<usize> {
    let run = start.runs.first()?;
    smooth(&run.losses, 10.0).iter().position(|&l| l <= chance)
}

fn tell(found: &Comparison) -> (Vec<Figure>, Vec<String>) {
    let [zero, prior] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    let figures = vec![
        figure("loss at the first step", Kind::Loss, found, |s| {
            Some(first_loss(s))
        }),
        figure(
            format!(
                "steps until it is {}, what counting gives",
                words::loss(found.chance)
            ),
            Kind::Count,
            found,
            |s| counted(s, found.chance).map(|n| n as f64),
        ),
        figure("loss at the end", Kind::Loss, found, |s| s.final_loss),
    ];
    let seen = vec![
        format!(
            "Calling both classes equally likely costs ln 2 = 0.693; knowing only that the rare class is \
             2 % of the samples costs {}, the entropy of the classes. From biases of zero the first loss \
             is {}, from the logarithm of the shares {}.",
            words::loss(found.chance),
            words::loss(first_loss(zero)),
            words::loss(first_loss(prior))
        ),
        format!(
            "`zero` is as good as counting {}, `prior` {}. After {} steps they stand at {} and {}.",
            words::after(counted(zero, found.chance), found.steps),
            words::after(counted(prior, found.chance), found.steps),
            found.steps,
            words::loss(end(zero)),
            words::loss(end(prior))
        ),
    ];
    (figures, seen)
}
