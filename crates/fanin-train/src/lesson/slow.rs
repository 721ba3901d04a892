//! Slow: small weights must grow before they can learn.

use fanin_plan::Recipe;

use super::stage::{Cast, Scene, Stage, end, ends, figure, gradients};
use super::{Figure, Kind, Page, Trial, words};
use crate::{Comparison, Rate, StartResult, TrainError};

pub(super) const PAGE: Page = Page {
    title: "weights that are somewhat too small learn in the end, but crawl at first",
    why: "The gradient of a layer is multiplied by the weights of all the other layers. If all of them \
          are small, each waits for the others: the loss hardly moves, the weights grow by a little, \
          the gradients grow with them, and only once the product of all layers has reached a useful \
          size does the loss fall, all at once. The wait grows with the depth, and it is paid again \
          in every training. In the curve it is the flat piece at the beginning.",
    mend: "Start at the size at which signals pass unchanged, so that the first step is already a \
           useful one: variance 1 / fan_in for tanh, 2 / fan_in for ReLU, or orthogonal weights, from \
           which a deep linear network learns in a time that does not depend on its depth.",
    source: "Saxe, McClelland & Ganguli 2013, \"Exact solutions to the nonlinear dynamics of learning \
             in deep linear neural networks\"",
};

const STARTS: [Cast; 2] = [
    Cast {
        name: "small",
        what: "every weight is drawn from N(0, 0.04²), a third of what 64 inputs ask for",
        recipe: Recipe::Lecun,
        rules: "[[rule]]\nmatch = \"*weight\"\ninitializer = \"normal(std=0.04)\"",
    },
    Cast {
        name: "lecun",
        what: "every weight is drawn from N(0, 1 / fan_in), here 0.125²",
        recipe: Recipe::Lecun,
        rules: "",
    },
];

pub(super) fn run(stage: &Stage<'_>) -> Result<Vec<Trial>, TrainError> {
    let scene = Scene {
        title: "4 layers of tanh, each start at the learning rate that is best for it",
        model: "mlp(64, 64x4, 10, tanh)",
        starts: &STARTS,
        rate: Rate::Sweep(None),
        steps: 600,
        seeds: 3,
    };
    let trial = stage.on_digits(&scene, tell)?;
    Ok(vec![trial])
}

/// Rms of the gradient of the first layer's weights at a step that was looked at.
fn gradient(start: &StartResult, step: usize) -> Option<f64> {
    let looks = &start.runs.first()?.looks;
    let (_, look) = looks.iter().find(|(at, _)| *at == step)?;
    gradients(Some(look)).first().copied()
}

fn tell(found: &Comparison) -> (Vec<Figure>, Vec<String>) {
    let [small, lecun] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    let mut figures: Vec<Figure> = [0, 10, 30, 100]
        .into_iter()
        .map(|step| {
            let what = format!("gradient of the first layer at step {step}, rms");
            figure(what, Kind::Size, found, |s| gradient(s, step))
        })
        .collect();
    let target = found.target.unwrap_or(f64::NAN);
    figures.push(figure(
        format!(
            "steps until the loss is {}, half way down",
            words::loss(target)
        ),
        Kind::Count,
        found,
        |s| s.steps_to_target.map(|n| n as f64),
    ));
    figures.push(figure(
        "learning rate, the best of 8 tried",
        Kind::Size,
        found,
        |s| s.rate,
    ));
    figures.extend(ends(found));
    let at = |start, step| words::size(gradient(start, step).unwrap_or(f64::NAN));
    let mut seen = vec![format!(
        "At the first step the gradient of the first layer is {} from `small` and {} from `lecun`. \
         That of `small` then grows by itself: {} at step 10, {} at step 30, {} at step 100.",
        at(small, 0),
        at(lecun, 0),
        at(small, 10),
        at(small, 30),
        at(small, 100)
    )];
    let (slow, fast) = (small.steps_to_target, lecun.steps_to_target);
    let mut waits = format!(
        "`lecun` is half way down {}, `small` {}",
        words::after(fast, found.steps),
        words::after(slow, found.steps)
    );
    if let (Some(slow), Some(fast)) = (slow, fast)
        && slow > fast
    {
        let ratio = slow as f64 / fast.max(1) as f64;
        waits += &format!(", {} times as late", words::times(ratio));
    }
    seen.push(format!(
        "{waits} (median of {} trainings, each start at the best of eight learning rates for it). In \
         the end they stand at {} and {}: what the poor start cost is time.",
        found.starts[0].runs.len(),
        words::loss(end(lecun)),
        words::loss(end(small))
    ));
    (figures, seen)
}
