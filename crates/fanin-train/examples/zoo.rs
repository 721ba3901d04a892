//! Labels of what training came to, for many networks and starts: `zoo OUT.jsonl [STEPS] [WORD]`.
//!
//! Each network is trained from healthy starts (recipes that people use) and from mutants of recipe
//! `auto` in which one weight is spoilt, with SGD with momentum, a rate of its own per start and
//! three seeds, on the task of its kind. One JSON line per network and start goes to the file:
//!
//! ```text
//! {"network": "mlp(64, 32x10, 10, relu)", "family": "mlp", "start": "tenfold", "mutated": "layers.4.weight",
//!  "outcome": "slow", "progress": 0.61, "steps_to_half": 120, "rate": 0.01, "final_loss": 0.93, "chance": 2.3, "steps": 300}
//! ```
//!
//! Networks that are in the file already are passed over, so a run that was ended goes on where it
//! was. WORD picks the networks that contain it. Trainings run side by side, one per processor.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::HashSet;
use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use fanin::{Initializer, Seed, Stream};
use fanin_network::{Dims, HostData, HostTensor, Network, Role, Weights};
use fanin_plan::Recipe;
use fanin_train::{Form, Settings, Start, Task, TrainError, compare};

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

/// Families and architectures: depths 2 to 100, widths 5 to 512.
fn networks() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let shapes = ["5x2", "32x5", "64x10", "128x20", "64x50", "32x100", "512x3"];
    for (k, activation) in ACTIVATIONS.iter().enumerate() {
        for j in 0..3 {
            let shape = shapes[(k + 3 * j) % shapes.len()];
            all.push(("mlp", format!("mlp(64, {shape}, 10, {activation})")));
        }
        let norm = ["batch", "layer"][k % 2];
        all.push((
            "normalized mlp",
            format!("mlp(64, 64x12, 10, {activation}, norm={norm})"),
        ));
        all.push((
            "residual mlp",
            format!("mlp(64, 64x12, 10, {activation}, residual=true)"),
        ));
    }
    for activation in ["relu", "tanh", "gelu", "selu"] {
        for shape in ["8x2", "8x8", "8x3, 16x3"] {
            let network = format!("conv(1x12x12, {shape}, 10, {activation})");
            all.push(("conv", network));
        }
        for option in ["norm=batch", "norm=group, residual=true", "residual=true"] {
            let network = format!("conv(1x12x12, 8x6, 10, {activation}, {option})");
            all.push(("residual conv", network));
        }
    }
    for layers in [1, 2, 4, 8] {
        for norm in ["pre", "post"] {
            let network = format!(
                "transformer(layers={layers}, width=32, heads=2, vocab=28, context=16, norm={norm})"
            );
            all.push(("attention", network));
        }
    }
    for kind in ["lstm", "gru", "rnn"] {
        for time in [6, 12, 24] {
            all.push(("recurrent", format!("{kind}(4, 24, 4, time={time})")));
        }
    }
    all
}

/// What a mutant does to one weight.
#[derive(Clone, Copy)]
enum Mutation {
    Zeros,
    Ones,
    Constant,
    Tenth,
    Tenfold,
    /// U(±0.05), whatever the fans.
    Uniform,
}

const MUTATIONS: [(&str, Mutation); 6] = [
    ("zero-layer", Mutation::Zeros),
    ("ones-layer", Mutation::Ones),
    ("constant-layer", Mutation::Constant),
    ("tenth", Mutation::Tenth),
    ("tenfold", Mutation::Tenfold),
    ("uniform-0.05", Mutation::Uniform),
];

impl Mutation {
    fn apply(self, tensor: &mut HostTensor, stream: &Stream) -> Result<(), TrainError> {
        let shape = tensor.shape.clone();
        let HostData::F32(values) = &mut tensor.data else {
            return Ok(());
        };
        match self {
            Self::Zeros => values.fill(0.0),
            Self::Ones => values.fill(1.0),
            Self::Constant => values.fill(0.1),
            Self::Tenth => values.iter_mut().for_each(|v| *v *= 0.1),
            Self::Tenfold => values.iter_mut().for_each(|v| *v *= 10.0),
            Self::Uniform => {
                let uniform = Initializer::Uniform {
                    low: -0.05,
                    high: 0.05,
                };
                let layout = fanin::Layout::vector();
                let length = shape.iter().product();
                let filler = uniform
                    .resolve(&[length], &layout)
                    .map_err(|e| TrainError::Request(e.to_string()))?;
                filler
                    .fill(stream, 0, values)
                    .map_err(|e| TrainError::Request(e.to_string()))?;
            }
        }
        Ok(())
    }
}

/// The weight in the middle of the network.
fn victim(network: &Network) -> Option<String> {
    let weights: Vec<&str> = network
        .parameters
        .iter()
        .filter(|p| p.shape.len() >= 2)
        .filter(|p| {
            let bias = matches!(p.purpose.role, Role::RecurrentBias | Role::AttentionBias);
            let table = matches!(p.purpose.role, Role::Embedding | Role::PositionEmbedding);
            !bias && !table
        })
        .map(|p| p.name.as_str())
        .collect();
    weights.get(weights.len() / 2).map(|&name| name.to_owned())
}

fn starts<'a>(network: &'a Network, victim: &'a str) -> Vec<Start<'a>> {
    let healthy = [
        Recipe::Auto,
        Recipe::Torch,
        Recipe::Keras,
        Recipe::He,
        Recipe::Xavier,
        Recipe::Orthogonal,
    ];
    let plain = healthy.map(|recipe| Start::recipe(network, recipe));
    let mutants = MUTATIONS.map(|(name, mutation)| {
        Start::new(name, move |seed: Seed| {
            let mut weights: Weights = Start::recipe(network, Recipe::Auto).weights(seed)?;
            if let Some(tensor) = weights.tensors.get_mut(victim) {
                mutation.apply(tensor, &Stream::new(seed, &format!("mutant:{victim}")))?;
            }
            Ok(weights)
        })
    });
    plain.into_iter().chain(mutants).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: zoo OUT.jsonl [STEPS] [WORD]";
    let path = PathBuf::from(arguments.next().ok_or(usage)?);
    let steps: usize = arguments.next().map_or(Ok(300), |text| text.parse())?;
    let word = arguments.next().unwrap_or_default();
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    // All lines of a network are written at once; only a whole line counts, should the last not be.
    let mut done = HashSet::new();
    for line in text.lines() {
        if let Ok(line) = serde_json::from_str::<serde_json::Value>(line) {
            done.extend(line["network"].as_str().map(str::to_owned));
        }
    }
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)?;
    file.set_len(whole as u64)?;
    let all = networks();
    for (k, (family, architecture)) in all.iter().enumerate() {
        if done.contains(architecture) || !architecture.contains(&word) {
            continue;
        }
        println!("{} of {}: {architecture}", k + 1, all.len());
        let dims = Dims {
            batch: Some(32),
            ..Dims::default()
        };
        let network = Network::open(architecture, &dims)?;
        let form = Form::of(&network)?;
        let dataset = Task::fitting(&form).generate(&form, Seed::new(0))?;
        let victim = victim(&network).ok_or("a network without weights")?;
        let starts = starts(&network, &victim);
        let settings = Settings {
            steps,
            looks: Vec::new(),
            ..Settings::default()
        };
        let stop = AtomicBool::new(false);
        let found = compare(&network, &starts, &dataset, &settings, &|_, _| (), &stop)?;
        let mut lines = String::new();
        for start in &found.starts {
            let mutated = MUTATIONS.iter().any(|(name, _)| *name == start.name);
            let line = serde_json::json!({
                "network": architecture, "family": family, "start": start.name,
                "mutated": mutated.then_some(&victim),
                "outcome": start.verdict.map(|v| v.outcome),
                "progress": start.verdict.and_then(|v| v.progress),
                "steps_to_half": start.verdict.and_then(|v| v.steps_to_half),
                "rate": start.rate, "final_loss": start.final_loss,
                "chance": found.chance, "steps": found.steps,
            });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        file.write_all(lines.as_bytes())?;
    }
    Ok(())
}
