//! The arguments as the user writes them. What they mean together is decided in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

const EXAMPLES: &str = "\
Examples:
  fanin init model.onnx                        plan, fill and check; writes model.fanin/
  fanin check \"mlp(784, 256x20, 10, tanh)\"     would this start train? nothing is written
  fanin check model.onnx --data batch.npz      check the weights in the file, on your own data
  fanin plan model.onnx --recipe torch         what would PyTorch's defaults give each parameter?
  fanin compare model.onnx --recipes torch,auto   which start trains better?
  fanin explain kaiming_normal                 formula, source, when to use

A PyTorch module becomes a file by
  torch.onnx.export(model, (example,), \"model.onnx\", dynamo=True, optimize=False)
whose own optimizer would fold batch norms away, of a fresh model too, and rename weights.

Exit status: 0 fine, 1 the check found an error-level fault, 2 the arguments or the input are bad.";

/// Decides how a neural network starts: plans, fills and checks its initial weights.
///
/// MODEL is an ONNX file or a one-line architecture such as `mlp(784, 256x20, 10, tanh)`,
/// `conv(3x32x32, 64x8, 10, relu)` or `transformer(layers=4, width=128, heads=4, vocab=1000)`.
#[derive(Debug, Parser)]
#[command(name = "fanin", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    pub format: Format,
    /// Print nothing but the result asked for: no progress, no summary
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For annotations in code review (SARIF 2.1.0); of `check` alone
    Sarif,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Plan, fill, check and report: everything a new network needs
    Init(InitArgs),
    /// Print or write what each parameter gets, and why
    Plan(PlanArgs),
    /// Write the weights that a plan describes
    Fill(FillArgs),
    /// Run the network once forward and backward and say whether training will start
    Check(CheckArgs),
    /// Train the network for a short while from several starts and show what each is worth
    Compare(CompareArgs),
    /// Explain an initializer, an activation's gain, a finding's code, a recipe, an architecture
    Explain(ExplainArgs),
    /// Write a copy of a model without its weights: architecture only, small enough for git
    Strip(StripArgs),
    /// Print a completion script for your shell
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// An ONNX file, or a one-line architecture in quotes
    #[arg(value_hint = ValueHint::FilePath)]
    pub model: String,
    /// Size of the batch axis where the model leaves it open
    #[arg(long, value_name = "N", value_parser = size)]
    pub batch: Option<usize>,
    /// Size of a dimension that the model leaves open, by its name in the model; repeatable
    #[arg(long = "dim", value_name = "NAME=N", value_parser = dimension)]
    pub dims: Vec<(String, usize)>,
}

#[derive(Debug, Args)]
pub(crate) struct RecipeArgs {
    /// The policy that gives every role an initializer: auto, torch, keras, ...
    #[arg(long, value_name = "NAME")]
    pub recipe: Option<String>,
    /// Your own rules (TOML), matched by name or role; they win over the recipe
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub rules: Option<PathBuf>,
    /// The seed of everything random: the same seed gives the same bits on any machine
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Element type of the weights: f32, f16, bf16, f64
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<String>,
    /// Your own inputs, as check takes them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data: Option<PathBuf>,
    /// Folder for plan.toml, weights.safetensors, report.html [default: NAME.fanin]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// Also write model.onnx: the model with the new weights inside
    #[arg(long)]
    pub onnx: bool,
    /// Replace weights in the folder that another plan made
    #[arg(long)]
    pub force: bool,
    /// List every layer instead of a selection
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Element type of the weights: f32, f16, bf16, f64
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<String>,
    /// Write the plan to this file instead of printing it
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

const FILL_EXAMPLES: &str = "\
Examples:
  fanin fill plan.toml -o model.safetensors                         one file
  fanin fill plan.toml -o model.safetensors --max-shard-size 5GB    shards and their index
  fanin fill plan.toml -o rank3.safetensors --slice \"*.c_fc.weight=3/8\" --slice \"*.c_proj.weight=:, 3/8\"
  fanin fill plan.toml --verify model.safetensors                   is every bit as planned?

A run that is killed is taken up by the same command. A file that is complete is left alone.

Exit status: 0 fine, 1 a file differs from the plan, 2 the arguments, the plan or the disk are at fault.";

#[derive(Debug, Args)]
#[command(after_help = FILL_EXAMPLES)]
pub(crate) struct FillArgs {
    /// A plan written by `fanin plan` or `fanin init`
    #[arg(value_hint = ValueHint::FilePath)]
    pub plan: PathBuf,
    /// The safetensors file to write
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "verify")]
    pub output: Option<PathBuf>,
    /// Write only shard I of N (I from 1); whoever completes the set writes the index
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<(usize, usize)>,
    /// Write shards of at most this size, such as 5GB or 800MiB, and an index, as Hugging Face does
    #[arg(long, value_name = "SIZE", value_parser = bytes, conflicts_with = "shard")]
    pub max_shard_size: Option<u64>,
    /// Write only this part of the tensors whose name matches; ranges as in Python ("0:512, :"), or I/N for shard I of N
    /// of an axis, or several joined by +; repeatable, the last match wins
    #[arg(long = "slice", value_name = "NAME=RANGES", value_parser = slice)]
    pub slices: Vec<(String, String)>,
    /// Write nothing: compare a file, an index or a folder with the plan, bit by bit
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, conflicts_with_all = ["output", "shard", "max_shard_size", "force"])]
    pub verify: Option<PathBuf>,
    /// Replace files that hold something else
    #[arg(long)]
    pub force: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  fanin check model.onnx                                     the file's weights, or auto's
  fanin check \"mlp(784, 256x30, 10, relu)\" --recipe torch   would PyTorch's defaults train?
  fanin check model.onnx --html report.html                  the same as a page with pictures
  fanin check model.onnx --fix -o fixed.safetensors          change, check again, write
  fanin check model.onnx --recipe he --seeds 20              how often would luck spoil it?

`fanin explain F101` explains a finding. Exit status: 0 fine, 1 faulty, 2 bad input.";

#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Weights to check (safetensors); default: those in the model, or the recipe's if it has none
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["plan", "recipe", "rules"])]
    pub weights: Option<PathBuf>,
    /// Check the weights that this plan describes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["recipe", "rules"])]
    pub plan: Option<PathBuf>,
    /// Your own inputs (.npz or .npy), arrays named like the model's inputs; an array `labels` of
    /// classes is held against the output's bias. Or samples, as compare takes them (CSV, IDX, text, a
    /// folder of PNG pictures by class), of which --batch are taken
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data: Option<PathBuf>,
    /// Write the report as one HTML page to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
    /// Change the weights, check again, and write them to --output: anew as the findings propose, or
    /// rescaled layer by layer, by measurement or by prediction alone
    #[arg(long, value_name = "HOW", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "initializer", requires = "output")]
    pub fix: Option<FixMode>,
    /// With --fix: the safetensors file for the changed weights
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "fix")]
    pub output: Option<PathBuf>,
    /// Repeat with K seeds and say how probable each finding is
    #[arg(long, value_name = "K", value_parser = size)]
    pub seeds: Option<usize>,
    /// The format training will compute in: judge its range (f16, bf16, f32)
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<String>,
    /// The optimizer: judge its first step at the rate of --lr
    #[arg(long, value_enum, requires = "lr")]
    pub optimizer: Option<OptimizerName>,
    /// With --optimizer: the learning rate
    #[arg(long, value_name = "X", value_parser = rate, requires = "optimizer")]
    pub lr: Option<f64>,
    /// List every layer instead of a selection
    #[arg(long)]
    pub all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FixMode {
    /// Fill what is at fault with the initializer that each finding proposes
    Initializer,
    /// Scale layer by layer until each puts out a signal of size one, as measured (LSUV)
    Rescale,
    /// The same from theory alone, without data
    Predict,
}

const COMPARE_EXAMPLES: &str = "\
Examples:
  fanin compare model.onnx --recipes torch,auto            which start trains better?
  fanin compare \"mlp(64, 64x8, 10, tanh)\" --html out.html  all starts, as a page with curves
  fanin compare model.onnx --data train.npz --budget 5m    on your own data
  fanin compare --lesson vanishing                         see what too small a start does, and why

Lessons: symmetry, vanishing, exploding, slow, saturation, dead, plateau, bias.

Ctrl-C ends the trainings and shows what there is; a second one ends the command.";

#[derive(Debug, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub(crate) struct CompareArgs {
    /// An ONNX file, or a one-line architecture in quotes
    #[arg(value_hint = ValueHint::FilePath, required_unless_present = "lesson")]
    pub model: Option<String>,
    /// Show what a bad start does, on a network that is made for it, with the numbers of this run
    #[arg(long, value_name = "NAME", conflicts_with_all = ["model", "batch", "dims", "recipes", "task", "data", "optimizer", "rate", "steps", "seeds"])]
    pub lesson: Option<String>,
    /// Samples of a step where the model leaves it open [default: 32]
    #[arg(long, value_name = "N", value_parser = size)]
    pub batch: Option<usize>,
    /// Size of a dimension that the model leaves open, by its name in the model; repeatable
    #[arg(long = "dim", value_name = "NAME=N", value_parser = dimension)]
    pub dims: Vec<(String, usize)>,
    /// The starts to compare, separated by commas: auto, torch, keras, gpt2, zeros, random, xavier, ...
    #[arg(
        long,
        value_name = "A,B,C",
        value_delimiter = ',',
        default_value = "zeros,random,xavier,he,lecun,orthogonal,auto"
    )]
    pub recipes: Vec<String>,
    /// The task: digits, spirals, blobs, teacher, recall, copy, adding, characters [default: one of
    /// the network's kind]
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// Your own data instead: a .npz with `x` and `y`, a .npy with --labels, MNIST's IDX files, a CSV,
    /// a text for a network of tokens, or a folder with one folder of PNG pictures per class
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, conflicts_with = "task")]
    pub data: Option<PathBuf>,
    /// With --data: the file of labels (.npy, IDX), or the column of labels in a CSV [default: the last]
    #[arg(long, value_name = "FILE|COLUMN", requires = "data")]
    pub labels: Option<String>,
    /// What changes the weights [default: adam for a network of tokens, else sgd]
    #[arg(long, value_enum)]
    pub optimizer: Option<OptimizerName>,
    /// The learning rate; without it each start gets its own by a short sweep
    #[arg(long, value_name = "RATE")]
    pub rate: Option<f64>,
    /// Steps of each training; fewer where the budget asks for it
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = size)]
    pub steps: usize,
    /// Trainings of each start, with seeds that follow --seed
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = size)]
    pub seeds: usize,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Time that all of it may take, such as 60s or 5m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub budget: std::time::Duration,
    /// Write curves, gradients and units as one HTML page to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptimizerName {
    /// Gradient descent with momentum 0.9
    Sgd,
    /// Adam
    Adam,
    /// Adam with decoupled weight decay 0.01
    Adamw,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60.0),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    number
        .parse::<f64>()
        .ok()
        .map(|n| n * unit)
        // A year is more than anybody waits, and within what a clock can add.
        .filter(|seconds| *seconds > 0.0 && *seconds < 3e7)
        .map(std::time::Duration::from_secs_f64)
        .ok_or_else(|| "a time is a positive number with s or m, such as 60s or 5m".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// An initializer (orthogonal), an activation (gelu), a code (F101), a recipe (auto), a lesson or an
    /// architecture (mlp); without it: the list
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StripArgs {
    /// An ONNX file
    #[arg(value_hint = ValueHint::FilePath)]
    pub model: PathBuf,
    /// The ONNX file to write
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

fn size(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("a size is a whole number from 1".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x.is_finite() => Ok(x),
        _ => Err("a learning rate is a positive number, as in --lr 1e-3".to_owned()),
    }
}

fn dimension(text: &str) -> Result<(String, usize), String> {
    let (name, n) = text
        .split_once('=')
        .ok_or("write NAME=N, as in --dim sequence=128")?;
    Ok((name.to_owned(), size(n)?))
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let (i, n) = text.split_once('/').ok_or("write I/N, as in --shard 1/8")?;
    let (i, n) = (size(i)?, size(n)?);
    if i > n {
        return Err(format!("shard {i} of {n}: shards count from 1 to {n}"));
    }
    Ok((i, n))
}

fn slice(text: &str) -> Result<(String, String), String> {
    // Names may have an equals sign, ranges have none.
    let (name, ranges) = text
        .rsplit_once('=')
        .ok_or("write NAME=RANGES, as in --slice \"fc.weight=0:512, :\"")?;
    Ok((name.to_owned(), ranges.to_owned()))
}

/// A number of bytes: `5GB` as Hugging Face counts, `5GiB`, or bare bytes.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write 5GB, 800MiB or a number of bytes");
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1000_u64.pow(2),
        "gb" => 1000_u64.pow(3),
        "tb" => 1000_u64.pow(4),
        "kib" => 1024,
        "mib" => 1024_u64.pow(2),
        "gib" => 1024_u64.pow(3),
        "tib" => 1024_u64.pow(4),
        _ => return Err(wrong()),
    };
    match number.checked_mul(factor) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_and_shards_are_checked() {
        assert_eq!(dimension("seq=128"), Ok(("seq".to_owned(), 128)));
        assert!(dimension("seq").is_err());
        assert!(dimension("seq=0").is_err());
        assert_eq!(shard("2/8"), Ok((2, 8)));
        assert!(shard("9/8").is_err());
        assert!(shard("0/8").is_err());
        assert_eq!(bytes("5GB"), Ok(5_000_000_000));
        assert_eq!(bytes("800 MiB"), Ok(800 << 20));
        assert_eq!(bytes("17"), Ok(17));
        for wrong in ["", "GB", "0", "-1GB", "1.5GB", "5XB", "99999999999999TB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            slice("a=b.weight=0:2, :"),
            Ok(("a=b.weight".to_owned(), "0:2, :".to_owned()))
        );
        assert!(slice("weight").is_err());
    }
}
