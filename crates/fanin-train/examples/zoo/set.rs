//! Which networks are in the zoo, from which starts each is trained, and which part each belongs to.

use std::fmt;
use std::str::FromStr;

use fanin_plan::Recipe;
use fanin_train::Task;

use crate::mutation::{Mutation, Reach};

const ACTIVATIONS: [&str; 12] = [
    "relu",
    "tanh",
    "sigmoid",
    "gelu",
    "silu",
    "elu",
    "selu",
    "leaky_relu(slope=0.2)",
    "softplus",
    "softsign",
    "mish",
    "hard_tanh",
];

/// Hidden layers of the plain MLPs: widths 5 to 512, depths 2 to 100.
const SHAPES: [&str; 24] = [
    "64x10", "128x4", "5x2", "32x20", "16x6", "64x20", "256x2", "32x5", "64x50", "24x8", "128x3",
    "64x10", "128x4", "5x2", "32x100", "16x6", "64x20", "256x2", "32x5", "64x12", "24x8", "128x3",
    "64x10", "128x4",
];

/// What an architecture is used for. Decided by its place in the list alone, before any training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Even places: looked at while the rules were tuned.
    Tuning,
    /// Odd places: only counted.
    HeldOut,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tuning => "tuning",
            Self::HeldOut => "held-out",
        })
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Tuning, Self::HeldOut]
            .into_iter()
            .find(|part| part.to_string() == text)
            .ok_or_else(|| format!("there is no part `{text}`; known are tuning and held-out"))
    }
}

/// One network of the zoo.
#[derive(Clone, Debug)]
pub(crate) struct Architecture {
    pub(crate) family: &'static str,
    pub(crate) line: String,
    pub(crate) part: Part,
    /// What it is trained on: a task that a healthy start learns within the steps there are.
    pub(crate) task: Task,
    /// Samples of each step.
    pub(crate) batch: usize,
    /// Its place in the list.
    place: usize,
}

/// All networks. Neighbours in the list are of one family, so both parts have all families.
pub(crate) fn architectures() -> Vec<Architecture> {
    let mut all: Vec<(&'static str, String)> = Vec::new();
    // Two shapes for each activation: one for each part.
    for (k, shape) in SHAPES.iter().enumerate() {
        let activation = ACTIVATIONS[k / 2];
        all.push(("mlp", format!("mlp(64, {shape}, 10, {activation})")));
    }
    for (shape, activation, norm) in [
        ("64x12", "relu", "layer"),
        ("64x12", "tanh", "batch"),
        ("32x20", "gelu", "layer"),
        ("32x20", "relu", "batch"),
        ("512x2", "sigmoid", "batch"),
        ("128x5", "silu", "layer"),
        ("64x12", "softplus", "layer"),
        ("64x12", "elu", "batch"),
    ] {
        let line = format!("mlp(64, {shape}, 10, {activation}, norm={norm})");
        all.push(("normalized mlp", line));
    }
    for (shape, activation, norm) in [
        ("64x12", "relu", "none"),
        ("64x12", "gelu", "layer"),
        ("32x20", "tanh", "none"),
        ("32x20", "silu", "batch"),
        ("32x50", "relu", "layer"),
        ("32x100", "elu", "none"),
        ("128x6", "mish", "none"),
        ("128x6", "selu", "none"),
    ] {
        let line = format!("mlp(64, {shape}, 10, {activation}, norm={norm}, residual=true)");
        all.push(("residual mlp", line));
    }
    for (shape, rest) in [
        ("8x3", "relu"),
        ("8x3", "tanh"),
        ("8x6", "gelu"),
        ("8x6", "leaky_relu(slope=0.2)"),
        ("8x2, 16x2", "selu, pool=max"),
        ("8x2, 16x2", "relu, pool=average"),
        ("12x4", "relu, norm=batch"),
        ("12x4", "silu, norm=group"),
    ] {
        all.push(("conv", format!("conv(1x8x8, {shape}, 4, {rest})")));
    }
    for (shape, rest) in [
        ("8x6", "relu, norm=batch"),
        ("8x6", "gelu, norm=group"),
        ("8x6", "tanh"),
        ("8x6", "relu"),
        ("8x8", "relu, norm=batch"),
        ("8x8", "elu"),
        ("8x2, 16x2", "mish, norm=group, pool=max"),
        ("8x2, 16x2", "selu, norm=batch, pool=average"),
    ] {
        let line = format!("conv(1x8x8, {shape}, 4, {rest}, residual=true)");
        all.push(("residual conv", line));
    }
    for (layers, rest) in [
        (1, "norm=pre"),
        (1, "norm=post"),
        (2, "norm=post"),
        (2, "norm=pre"),
        (1, "norm=pre, gated=true"),
        (1, "norm=pre, activation=relu"),
        (3, "norm=pre"),
        (3, "norm=pre, tied=false"),
    ] {
        let line =
            format!("transformer(layers={layers}, width=16, heads=2, vocab=28, context=8, {rest})");
        all.push(("attention", line));
    }
    for line in [
        "lstm(4, 16, 4, time=8)",
        "lstm(4, 24, 4, time=16)",
        "gru(4, 24, 4, time=12)",
        "gru(4, 16, 4, time=8)",
        "rnn(4, 24, 4, time=8)",
        "rnn(4, 32, 4, time=12)",
        "lstm(4, 16x2, 4, time=8)",
        "gru(4, 16x2, 4, time=8)",
    ] {
        all.push(("recurrent", line.to_owned()));
    }
    all.into_iter()
        .enumerate()
        .map(|(place, (family, line))| Architecture {
            family,
            line,
            part: [Part::Tuning, Part::HeldOut][place % 2],
            task: match family {
                "attention" => Task::Characters,
                "recurrent" => Task::Recall,
                "conv" | "residual conv" => Task::Digits,
                _ => Task::Blobs,
            },
            batch: if family == "mlp" { 32 } else { 16 },
            place,
        })
        .collect()
}

/// How a start is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// A recipe that people train from, though not for every network.
    Recipe(Recipe),
    /// Recipe `auto`, spoilt; in one layer, at this third of the network, or in all.
    Mutant(Mutation, Reach),
}

/// A start by name.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) origin: Origin,
}

const RECIPES: [Recipe; 7] = [
    Recipe::Torch,
    Recipe::Keras,
    Recipe::He,
    Recipe::Xavier,
    Recipe::Lecun,
    Recipe::Orthogonal,
    Recipe::Gpt2,
];

impl Architecture {
    /// Recipe `auto`, two more recipes, two mutants with one spoilt layer, one with all. They
    /// rotate with the place in the list, so that each meets many networks of each part.
    pub(crate) fn members(&self) -> Vec<Member> {
        // Pairs of neighbours are a tuning and a held-out network.
        let pair = self.place / 2;
        let odd = self.place % 2;
        let mut origins = vec![Origin::Recipe(Recipe::Auto)];
        for j in 0..2 {
            origins.push(Origin::Recipe(RECIPES[(2 * pair + 3 * odd + j) % 7]));
        }
        let one = Mutation::ONE;
        for j in 0..2 {
            let mutation = one[(2 * pair + 5 * odd + j) % one.len()];
            let third = (pair + odd + j) % 3;
            origins.push(Origin::Mutant(mutation, Reach::Layer(third)));
        }
        let all = Mutation::ALL;
        let mutation = all[(pair + 3 * odd) % all.len()];
        origins.push(Origin::Mutant(mutation, Reach::All));
        origins
            .into_iter()
            .map(|origin| Member {
                name: match origin {
                    Origin::Recipe(recipe) => recipe.name().to_owned(),
                    Origin::Mutant(mutation, Reach::All) => format!("{mutation} everywhere"),
                    Origin::Mutant(mutation, Reach::Layer(third)) => {
                        let place = ["first", "middle", "last hidden"][third];
                        format!("{mutation} in the {place} layer")
                    }
                },
                origin,
            })
            .collect()
    }
}
