//! Exploding: a signal that every layer makes larger.

use fanin_plan::Recipe;

use super::stage::{
    Cast, Scene, Stage, accuracy, end, ends, ends_of, factor, figure, first, first_loss, gradients,
    signals,
};
use super::{Figure, Kind, Page, Trial, words};
use crate::{Comparison, Rate, TrainError};

pub(super) const PAGE: Page = Page {
    title: "a deep network whose weights are too large runs away",
    why: "A unit adds up as many terms as it has inputs. If the weights have standard deviation one, \
          the sum is about √(number of inputs) times as large as one input, and every layer repeats \
          this: the signal grows like a power of the depth, and the gradient with it. The first \
          outputs are absurdly sure and absurdly wrong, the first step throws the weights far away, \
          and soon a number is no longer finite. A learning rate so small that this does not happen \
          is too small to learn with.",
    mend: "Divide the variance of the weights by the number of inputs: 1 / fan_in, and 2 / fan_in for \
           ReLU, which drops half of the signal. Clipping the gradient or warming up the learning rate \
           treats the symptom at the first steps; a start of the right size does not need it.",
    source: "LeCun, Bottou, Orr & Müller 1998, \"Efficient BackProp\"; He et al. 2015, \"Delving deep \
             into rectifiers\"; Hanin & Rolnick 2018, \"How to start training\"",
};

const STARTS: [Cast; 2] = [
    Cast {
        name: "random",
        what: "every weight is drawn from N(0, 1), whatever the width",
        recipe: Recipe::Random,
        rules: "",
    },
    Cast {
        name: "he",
        what: "every weight is drawn from N(0, 2 / fan_in)",
        recipe: Recipe::He,
        rules: "",
    },
];

pub(super) fn run(stage: &Stage<'_>) -> Result<Vec<Trial>, TrainError> {
    let scene = Scene {
        title: "10 layers of ReLU",
        model: "mlp(64, 64x10, 10, relu)",
        starts: &STARTS,
        rate: Rate::Sweep(None),
        steps: 300,
        seeds: 1,
    };
    let trial = stage.on_digits(&scene, tell)?;
    Ok(vec![trial])
}

fn tell(found: &Comparison) -> (Vec<Figure>, Vec<String>) {
    let [random, he] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    let signal = |start| signals(first(start));
    let mut figures = vec![
        figure(
            "signal behind the first layer, rms",
            Kind::Size,
            found,
            |s| Some(ends_of(&signals(first(s))).0),
        ),
        figure(
            "signal behind the last hidden layer",
            Kind::Size,
            found,
            |s| Some(ends_of(&signals(first(s))).1),
        ),
        figure(
            "gradient of the first layer's weights, rms",
            Kind::Size,
            found,
            |s| Some(ends_of(&gradients(first(s))).0),
        ),
        figure("loss at the first step", Kind::Loss, found, |s| {
            Some(first_loss(s))
        }),
        figure(
            "learning rate, the best of 8 tried",
            Kind::Size,
            found,
            |s| s.rate,
        ),
    ];
    figures.extend(ends(found));
    let right = |start| words::share(accuracy(start).unwrap_or(f64::NAN));
    let diverged = random.runs.first().and_then(|run| run.diverged_at);
    let seen = vec![
        format!(
            "A unit adds up 64 inputs, and ReLU drops half of the sum's mean square: theory says that \
             a layer multiplies the signal by √(64 / 2) = 5.66. Measured: {} per layer from `random`, \
             {} from `he`. Behind ten layers the signal has size {}, where `he` has {}.",
            words::size(factor(&signal(random))),
            words::size(factor(&signal(he))),
            words::size(ends_of(&signal(random)).1),
            words::size(ends_of(&signal(he)).1),
        ),
        format!(
            "So the first loss is {}, where an answer that knows nothing has {}. {}",
            words::loss(first_loss(random)),
            words::loss(found.chance),
            match diverged {
                Some(step) => format!(
                    "Of eight learning rates from 0.001 to 3 not one keeps its numbers finite; at the \
                     smallest they run away at step {}.",
                    step + 1
                ),
                None => format!(
                    "The best of eight learning rates for it leaves a loss of {}.",
                    words::loss(end(random))
                ),
            }
        ),
        format!(
            "From `he` the same network comes to {} in {} steps and tells {} of the digits that it has \
             never seen right.",
            words::loss(end(he)),
            found.steps,
            right(he)
        ),
    ];
    (figures, seen)
}
