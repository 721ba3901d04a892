//! Which networks are in the zoo, from which starts each is trained, and which part each belongs to.

use std::fmt;
use std::str::FromStr;

use fanin_plan::Recipe;
use fanin_train::Task;

use super::mutation::{Mutation, Reach};

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

/// What an architecture is used for. Decided by the list it stands in alone, before any training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The first list: looked at while the rules were tuned.
    Tuning,
    /// The second list: held out until the rules stood, then looked at to amend them.
    Validation,
    /// The third list: only counted.
    HeldOut,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tuning => "tuning",
            Self::Validation => "validation",
            Self::HeldOut => "held-out",
        })
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Tuning, Self::Validation, Self::HeldOut]
            .into_iter()
            .find(|part| part.to_string() == text)
            .ok_or_else(|| {
                format!("there is no part `{text}`; known are tuning, validation and held-out")
            })
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

/// All networks, list by list.
pub(crate) fn architectures() -> Vec<Architecture> {
    let first = first_list().into_iter().map(|one| (Part::Tuning, one));
    let second = second_list().into_iter();
    let second = second.map(|one| (Part::Validation, one));
    let third = third_list().into_iter().map(|one| (Part::HeldOut, one));
    first
        .chain(second)
        .chain(third)
        .enumerate()
        .map(|(place, (part, (family, line)))| Architecture {
            family,
            line,
            part,
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

type List = Vec<(&'static str, String)>;

/// The networks that the rules were tuned on.
fn first_list() -> List {
    let mut all = List::new();
    // Two shapes for each activation.
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
    all
}

/// The networks that the rules were amended on: none is in the first list, all families are.
fn second_list() -> List {
    let mut all = List::new();
    for (shape, activation) in [
        ("48x6", "relu"),
        ("16x3", "relu"),
        ("40x16", "tanh"),
        ("32x40", "tanh"),
        ("12x4", "sigmoid"),
        ("112x3", "sigmoid"),
        ("36x12", "gelu"),
        ("56x5", "gelu"),
        ("8x3", "silu"),
        ("160x2", "silu"),
        ("72x8", "elu"),
        ("28x20", "elu"),
        ("24x24", "selu"),
        ("90x6", "selu"),
        ("80x10", "leaky_relu(slope=0.1)"),
        ("20x5", "leaky_relu(slope=0.1)"),
        ("300x2", "softplus"),
        ("10x5", "softplus"),
        ("44x7", "softsign"),
        ("64x3", "softsign"),
        ("200x2", "mish"),
        ("50x9", "mish"),
        ("96x3", "hard_tanh"),
        ("150x4", "hard_tanh"),
    ] {
        all.push(("mlp", format!("mlp(64, {shape}, 10, {activation})")));
    }
    for (shape, activation, norm) in [
        ("48x6", "relu", "layer"),
        ("40x10", "tanh", "layer"),
        ("96x4", "gelu", "batch"),
        ("24x16", "silu", "batch"),
        ("256x2", "mish", "batch"),
        ("80x8", "selu", "batch"),
        ("32x12", "hard_tanh", "layer"),
        ("64x5", "softsign", "layer"),
        ("128x3", "sigmoid", "batch"),
        ("20x6", "leaky_relu(slope=0.1)", "batch"),
    ] {
        let line = format!("mlp(64, {shape}, 10, {activation}, norm={norm})");
        all.push(("normalized mlp", line));
    }
    for (shape, activation, norm) in [
        ("48x8", "relu", "none"),
        ("40x24", "gelu", "none"),
        ("24x40", "tanh", "layer"),
        ("96x5", "silu", "layer"),
        ("32x64", "selu", "none"),
        ("64x10", "leaky_relu(slope=0.1)", "batch"),
        ("20x30", "relu", "batch"),
        ("128x4", "hard_tanh", "none"),
        ("56x16", "elu", "layer"),
        ("36x12", "mish", "layer"),
    ] {
        let line = format!("mlp(64, {shape}, 10, {activation}, norm={norm}, residual=true)");
        all.push(("residual mlp", line));
    }
    for (shape, rest) in [
        ("8x4", "silu"),
        ("12x3", "gelu"),
        ("8x5", "elu"),
        ("16x2", "softsign"),
        ("8x2, 12x2", "tanh, pool=average"),
        ("6x2, 16x3", "leaky_relu(slope=0.1), pool=max"),
        ("8x5", "mish, norm=batch"),
        ("12x3", "tanh, norm=group"),
        ("10x8", "selu"),
        ("8x3, 16x2", "relu, norm=batch, pool=max"),
    ] {
        all.push(("conv", format!("conv(1x8x8, {shape}, 4, {rest})")));
    }
    for (shape, rest) in [
        ("8x5", "silu, norm=batch"),
        ("12x4", "relu, norm=group"),
        ("8x7", "selu"),
        ("8x4", "leaky_relu(slope=0.1)"),
        ("8x10", "gelu, norm=batch"),
        ("12x6", "mish"),
        ("8x3, 16x2", "relu, norm=batch, pool=max"),
        ("8x2, 12x3", "tanh, norm=group, pool=average"),
        ("6x12", "elu, norm=batch"),
        ("8x2, 16x3", "gelu, pool=average"),
    ] {
        let line = format!("conv(1x8x8, {shape}, 4, {rest}, residual=true)");
        all.push(("residual conv", line));
    }
    for rest in [
        "layers=1, width=24, heads=3, vocab=28, context=8, norm=pre",
        "layers=2, width=24, heads=2, vocab=28, context=12, norm=pre, activation=relu",
        "layers=1, width=32, heads=4, vocab=28, context=8, norm=post",
        "layers=2, width=24, heads=4, vocab=28, context=8, norm=pre, gated=true",
        "layers=4, width=16, heads=2, vocab=28, context=8, norm=pre",
        "layers=3, width=24, heads=3, vocab=28, context=8, norm=post",
        "layers=2, width=32, heads=2, vocab=28, context=12, norm=pre, tied=false",
        "layers=1, width=16, heads=1, vocab=28, context=12, norm=pre, tied=false, activation=silu",
    ] {
        all.push(("attention", format!("transformer({rest})")));
    }
    for line in [
        "lstm(4, 20, 4, time=10)",
        "lstm(6, 32, 6, time=6)",
        "gru(4, 32, 4, time=10)",
        "gru(6, 20, 6, time=6)",
        "rnn(4, 16, 4, time=6)",
        "rnn(6, 40, 6, time=10)",
        "lstm(4, 12x2, 4, time=6)",
        "gru(4, 24x2, 4, time=10)",
        "rnn(4, 24x2, 4, time=5)",
        "gru(8, 12, 8, time=8)",
    ] {
        all.push(("recurrent", line.to_owned()));
    }
    all
}

/// The networks that are only counted.
fn third_list() -> List {
    let mut all = List::new();
    for (shape, activation) in [
        ("40x9", "relu"),
        ("96x5", "relu"),
        ("56x12", "tanh"),
        ("20x4", "tanh"),
        ("64x3", "sigmoid"),
        ("128x6", "gelu"),
        ("48x10", "silu"),
        ("32x14", "elu"),
        ("72x5", "selu"),
        ("60x8", "leaky_relu(slope=0.05)"),
        ("100x3", "softplus"),
        ("24x10", "softsign"),
        ("36x4", "mish"),
        ("48x8", "hard_tanh"),
    ] {
        all.push(("mlp", format!("mlp(64, {shape}, 10, {activation})")));
    }
    for (shape, activation, norm) in [
        ("56x8", "gelu", "layer"),
        ("32x6", "tanh", "batch"),
        ("72x4", "elu", "layer"),
        ("96x6", "relu", "batch"),
        ("40x5", "mish", "layer"),
        ("64x3", "softplus", "batch"),
    ] {
        let line = format!("mlp(64, {shape}, 10, {activation}, norm={norm})");
        all.push(("normalized mlp", line));
    }
    for (shape, activation, norm) in [
        ("40x14", "relu", "none"),
        ("32x30", "gelu", "layer"),
        ("64x8", "tanh", "none"),
        ("48x12", "silu", "batch"),
        ("24x48", "elu", "layer"),
        ("80x6", "leaky_relu(slope=0.05)", "none"),
    ] {
        let line = format!("mlp(64, {shape}, 10, {activation}, norm={norm}, residual=true)");
        all.push(("residual mlp", line));
    }
    for (shape, rest) in [
        ("10x4", "relu"),
        ("8x7", "selu"),
        ("12x2, 16x2", "gelu, pool=max"),
        ("10x5", "leaky_relu(slope=0.05), norm=batch"),
        ("8x4", "hard_tanh"),
        ("12x4", "elu, norm=group"),
    ] {
        all.push(("conv", format!("conv(1x8x8, {shape}, 4, {rest})")));
    }
    for (shape, rest) in [
        ("10x6", "relu, norm=batch"),
        ("8x9", "silu, norm=group"),
        ("12x5", "tanh"),
        ("10x8", "gelu"),
        ("8x2, 12x2", "selu, norm=batch, pool=max"),
        ("12x3", "leaky_relu(slope=0.05), norm=group"),
    ] {
        let line = format!("conv(1x8x8, {shape}, 4, {rest}, residual=true)");
        all.push(("residual conv", line));
    }
    for rest in [
        "layers=2, width=20, heads=2, vocab=28, context=10, norm=pre",
        "layers=1, width=24, heads=4, vocab=28, context=12, norm=post, activation=relu",
        "layers=3, width=24, heads=2, vocab=28, context=8, norm=pre, gated=true",
        "layers=2, width=16, heads=4, vocab=28, context=10, norm=post",
        "layers=1, width=40, heads=5, vocab=28, context=8, norm=pre, tied=false",
    ] {
        all.push(("attention", format!("transformer({rest})")));
    }
    for line in [
        "lstm(5, 28, 5, time=8)",
        "gru(5, 28, 5, time=10)",
        "rnn(5, 28, 5, time=8)",
        "lstm(4, 20x2, 4, time=7)",
        "gru(6, 16x2, 6, time=6)",
    ] {
        all.push(("recurrent", line.to_owned()));
    }
    all
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
    /// Recipe `auto`, two more recipes, three mutants with one spoilt layer, four with all. They
    /// rotate with the place in the list, so that each meets many networks of each part.
    pub(crate) fn members(&self) -> Vec<Member> {
        let pair = self.place / 2;
        let odd = self.place % 2;
        let mut origins = vec![Origin::Recipe(Recipe::Auto)];
        for j in 0..2 {
            origins.push(Origin::Recipe(RECIPES[(2 * pair + 3 * odd + j) % 7]));
        }
        let one = Mutation::ONE;
        for j in 0..3 {
            let mutation = one[(2 * pair + 5 * odd + j) % one.len()];
            let third = (pair + odd + j) % 3;
            origins.push(Origin::Mutant(mutation, Reach::Layer(third)));
        }
        let all = Mutation::ALL;
        for j in [0, 1, 3, 6] {
            let mutation = all[(pair + 3 * odd + j) % all.len()];
            origins.push(Origin::Mutant(mutation, Reach::All));
        }
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
