//! Plateau: units that are nearly equal part company only after a long wait.

use fanin_plan::Recipe;

use super::stage::{Cast, Scene, Stage, end, ends, figure};
use super::{Figure, Kind, Page, Trial, words};
use crate::outcome::smooth;
use crate::{Comparison, Rate, StartResult, TrainError};

pub(super) const PAGE: Page = Page {
    title: "a start next to a saddle sits on a plateau, and looks as if it had finished",
    why: "A network whose units are all equal is a saddle: the gradient keeps them equal and is zero in \
          every direction that would tell them apart. A start close to it first learns what one unit \
          can do and then stops, with gradients next to nothing, although it is nowhere near its best. \
          The small differences between the units do grow, but each step only multiplies them: halving \
          them at the start costs the same extra wait each time. On the curve it looks like the end of \
          training. Then, with no warning, the loss falls again.",
    mend: "Draw the weights with their full spread, so that the units differ from the first step; do \
           not start at a common value with a little noise on it. If a curve lies flat far above where \
           others end, suspect a plateau before you stop the run: look whether units are nearly equal.",
    source: "Saad & Solla 1995, \"On-line learning in soft committee machines\"; Fukumizu & Amari 2000, \
             \"Local minima and plateaus in hierarchical structures of multilayer perceptrons\"",
};

const STARTS: [Cast; 4] = [
    Cast {
        name: "noise1e-6",
        what: "every weight is 0.1 and a noise of 0.000001",
        recipe: Recipe::Zeros,
        rules: "[[rule]]\nmatch = \"*weight\"\ninitializer = \"normal(mean=0.1, std=1e-6)\"",
    },
    Cast {
        name: "noise1e-4",
        what: "every weight is 0.1 and a noise of 0.0001",
        recipe: Recipe::Zeros,
        rules: "[[rule]]\nmatch = \"*weight\"\ninitializer = \"normal(mean=0.1, std=1e-4)\"",
    },
    Cast {
        name: "noise1e-2",
        what: "every weight is 0.1 and a noise of 0.01",
        recipe: Recipe::Zeros,
        rules: "[[rule]]\nmatch = \"*weight\"\ninitializer = \"normal(mean=0.1, std=1e-2)\"",
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
        title: "a hidden layer of 32 units that start nearly equal",
        model: "mlp(64, 32, 10, tanh)",
        starts: &STARTS,
        rate: Rate::Fixed(0.05),
        steps: 800,
        seeds: 1,
    };
    let trial = stage.on_digits(&scene, tell)?;
    Ok(vec![trial])
}

/// The step at which the wait is shown.
const EARLY: usize = 100;

/// Mean loss of the 20 steps around one.
fn level(start: &StartResult, step: usize) -> Option<f64> {
    let run = start.runs.first()?;
    let part = run.losses.get(step.saturating_sub(10)..step + 10)?;
    let sum: f64 = part.iter().map(|&l| f64::from(l)).sum();
    Some(sum / part.len() as f64)
}

/// Steps until the smoothed loss is at a level.
fn reaches(start: &StartResult, level: f64) -> Option<usize> {
    let run = start.runs.first()?;
    smooth(&run.losses, 20.0).iter().position(|&l| l <= level)
}

fn tell(found: &Comparison) -> (Vec<Figure>, Vec<String>) {
    let [tiny, small, some, lecun] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    let target = found.target.unwrap_or(f64::NAN);
    let mut figures = vec![figure(
        format!(
            "steps until the loss is {}, half way down",
            words::loss(target)
        ),
        Kind::Count,
        found,
        |s| reaches(s, target).map(|n| n as f64),
    )];
    figures.push(figure(
        format!("loss around step {EARLY}"),
        Kind::Loss,
        found,
        |s| level(s, EARLY),
    ));
    figures.extend(ends(found));
    let early = |start| words::loss(level(start, EARLY).unwrap_or(f64::NAN));
    let mut seen = vec![
        format!(
            "Half way down ({}) is reached {} from `lecun`, {} from a noise of 0.01, {} from 0.0001 and \
             {} from 0.000001.",
            words::loss(target),
            words::after(reaches(lecun, target), found.steps),
            words::after(reaches(some, target), found.steps),
            words::after(reaches(small, target), found.steps),
            words::after(reaches(tiny, target), found.steps)
        ),
        format!(
            "Around step {EARLY} the loss from a noise of 0.000001 is {}, next to the 2.0 at which a \
             network of one hidden unit ends (lesson `symmetry`), while `lecun` is at {}. Nothing in \
             the curve tells that after {} steps it will stand at {}.",
            early(tiny),
            early(lecun),
            found.steps,
            words::loss(end(tiny))
        ),
    ];
    let times = [tiny, some].map(|start| reaches(start, target));
    if let [Some(last), Some(first)] = times
        && last > first
    {
        seen.push(format!(
            "Ten thousand times less noise cost {} steps more: about {:.0} for every factor of ten, \
             which is what growth by a constant factor per step looks like.",
            last - first,
            (last - first) as f64 / 4.0
        ));
    }
    (figures, seen)
}
