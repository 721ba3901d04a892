//! Vanishing: a signal that every layer makes smaller.

use fanin_plan::Recipe;

use super::stage::{
    Cast, Scene, Stage, accuracy, end, ends, ends_of, factor, figure, first, gradients, signals,
};
use super::{Figure, Kind, Page, Trial, words};
use crate::{Comparison, Rate, TrainError};

pub(super) const PAGE: Page = Page {
    title: "a deep network whose weights are too small hears nothing",
    why: "Each layer multiplies the size of the signal by the same number: the standard deviation of \
          its weights, times the root of the number of inputs that a unit adds up, times what the \
          activation leaves. If that number is below one, the signal shrinks like a power of the \
          depth, and so does the gradient on its way back, which passes the same weights. The output \
          no longer depends on the input, and the layers at the bottom are told nothing. A larger \
          learning rate does not help: it would have to be millions of times larger for one layer \
          than for the next.",
    mend: "Choose the spread of the weights so that the number is one. For tanh that is a variance of \
           1 / fan_in (LeCun, Xavier), for ReLU, which drops half of the signal, 2 / fan_in (He). For \
           sigmoid the slope at zero is 1/4, so the weights must be four times as large. \
           `fanin explain ACTIVATION` gives the factor for any activation, and `fanin init` applies it.",
    source: "Hochreiter 1991; Glorot & Bengio 2010, \"Understanding the difficulty of training deep \
             feedforward neural networks\"; He et al. 2015, \"Delving deep into rectifiers\"",
};

const TANH: [Cast; 2] = [
    Cast {
        name: "small",
        what: "every weight is drawn from N(0, 0.02²), as if width did not matter",
        recipe: Recipe::Lecun,
        rules: "[[rule]]\nmatch = \"*weight\"\ninitializer = \"normal(std=0.02)\"",
    },
    Cast {
        name: "lecun",
        what: "every weight is drawn from N(0, 1 / fan_in)",
        recipe: Recipe::Lecun,
        rules: "",
    },
];

const SIGMOID: [Cast; 2] = [
    Cast {
        name: "xavier",
        what: "every weight by Xavier's rule, which is made for tanh",
        recipe: Recipe::Xavier,
        rules: "",
    },
    Cast {
        name: "auto",
        what: "the same times 4, because the slope of sigmoid at zero is 1/4",
        recipe: Recipe::Auto,
        rules: "",
    },
];

const RELU: [Cast; 2] = [
    Cast {
        name: "xavier",
        what: "every weight by Xavier's rule, which does not know that ReLU drops half",
        recipe: Recipe::Xavier,
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
    stage.expect(3);
    type Tell = fn(&Comparison) -> (Vec<Figure>, Vec<String>);
    let trial = |title, model, starts, tell: Tell| {
        let scene = Scene {
            title,
            model,
            starts,
            rate: Rate::Sweep(None),
            steps: 400,
            seeds: 1,
        };
        let network = stage.network(model)?;
        let dataset = stage.digits(&network)?;
        stage.trial(&scene, &network, &dataset, None, tell)
    };
    Ok(vec![
        trial(
            "8 layers of tanh, weights that are simply small",
            "mlp(64, 64x8, 10, tanh)",
            &TANH,
            tanh,
        )?,
        trial(
            "4 layers of sigmoid, under the rule for tanh",
            "mlp(64, 64x4, 10, sigmoid)",
            &SIGMOID,
            sigmoid,
        )?,
        trial(
            "16 layers of ReLU, under the rule for tanh",
            "mlp(64, 64x16, 10, relu)",
            &RELU,
            relu,
        )?,
    ])
}

/// Size of the signal behind the first and the last hidden layer.
fn sizes(found: &Comparison) -> [Figure; 2] {
    let signal = |what, end: fn((f64, f64)) -> f64| {
        figure(what, Kind::Size, found, |s| {
            Some(end(ends_of(&signals(first(s)))))
        })
    };
    [
        signal("signal behind the first layer, rms", |(first, _)| first),
        signal("signal behind the last hidden layer", |(_, last)| last),
    ]
}

/// What every trial measures besides: gradients, rate, outcome.
fn rest(found: &Comparison) -> [Figure; 5] {
    let gradient = |what, end: fn((f64, f64)) -> f64| {
        figure(what, Kind::Size, found, |s| {
            Some(end(ends_of(&gradients(first(s)))))
        })
    };
    let [loss, right] = ends(found);
    [
        gradient("gradient of the last layer's weights, rms", |(_, last)| {
            last
        }),
        gradient("gradient of the first layer's weights", |(first, _)| first),
        figure(
            "learning rate, the best of 8 tried",
            Kind::Size,
            found,
            |s| s.rate,
        ),
        loss,
        right,
    ]
}

/// The outcome of bad and good start, as every trial ends.
fn outcome(found: &Comparison) -> String {
    let [bad, good] = &found.starts[..] else {
        return String::new();
    };
    let right = |start| words::share(accuracy(start).unwrap_or(f64::NAN));
    format!(
        "Each start was given the best of eight learning rates for it. After {} steps `{}` is at a \
         loss of {}, where {} is what knowing nothing costs, and `{}` at {}; of the digits that \
         they have never seen they tell {} and {} right.",
        found.steps,
        bad.name,
        words::loss(end(bad)),
        words::loss(found.chance),
        good.name,
        words::loss(end(good)),
        right(bad),
        right(good)
    )
}

fn tanh(found: &Comparison) -> (Vec<Figure>, Vec<String>) {
    let [small, lecun] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    let signal = factor(&signals(first(small)));
    let figures = sizes(found).into_iter().chain(rest(found)).collect();
    let (low, high) = (
        ends_of(&gradients(first(small))).0,
        ends_of(&gradients(first(lecun))).0,
    );
    let seen = vec![
        format!(
            "With weights of standard deviation 0.02 and 64 inputs to a unit, theory says that a layer \
             multiplies the signal by 0.02 · √64 = 0.16. Measured: {} per layer. Behind the last hidden \
             layer the signal is {} times smaller than that of `lecun`, and the gradient that reaches \
             the first layer has size {} against {}.",
            words::size(signal),
            words::times(ends_of(&signals(first(lecun))).1 / ends_of(&signals(first(small))).1),
            words::size(low),
            words::size(high)
        ),
        outcome(found),
    ];
    (figures, seen)
}

fn sigmoid(found: &Comparison) -> (Vec<Figure>, Vec<String>) {
    let [xavier, auto] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    // The last layer's gradient has another formula: it meets no activation on its way.
    let inner = |start| {
        let all = gradients(first(start));
        factor(&all[..all.len().saturating_sub(1)]).recip()
    };
    let seen = vec![
        format!(
            "The outputs of a sigmoid lie around 1/2, so the size of the signal does not tell; the \
             gradient does. From one layer to the one before it is multiplied by {} under Xavier's \
             rule, close to the slope of sigmoid at zero, 1/4. With weights four times as large it \
             is {}.",
            words::size(inner(xavier)),
            words::size(inner(auto))
        ),
        outcome(found),
    ];
    (rest(found).into(), seen)
}

fn relu(found: &Comparison) -> (Vec<Figure>, Vec<String>) {
    let [xavier, he] = &found.starts[..] else {
        return (Vec::new(), Vec::new());
    };
    let signal = |start| factor(&signals(first(start)));
    let figures = sizes(found).into_iter().chain(rest(found)).collect();
    let seen = vec![
        format!(
            "ReLU sets half of its inputs to zero, so half of the mean square is lost at every layer: \
             a factor of 1/√2 = 0.707 in size. Measured: {} per layer under Xavier's rule and {} under \
             He's, which doubles the variance. Over 16 layers the two are a factor of {} apart.",
            words::size(signal(xavier)),
            words::size(signal(he)),
            words::times(ends_of(&signals(first(he))).1 / ends_of(&signals(first(xavier))).1)
        ),
        outcome(found),
    ];
    (figures, seen)
}
