//! `fanin compare MODEL`: what is each start worth?

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, bail};
use fanin::Seed;
use fanin_check::{Options, Verdict};
use fanin_network::Network;
use fanin_plan::{Recipe, Request};
use fanin_run::Data;
use fanin_run::train::Optimizer;
use fanin_train::{
    Comparison, Dataset, Form, Outcome, Rate, Settings, Start, StartResult, Task, compare,
};
use signal_hook::consts::SIGINT;

use crate::args::{CompareArgs, OptimizerName};
use crate::commands::{check, open};
use crate::output::{Printer, Status};

/// The exit status of a process that Ctrl-C ends, as shells have it.
const INTERRUPTED: i32 = 130;
/// Samples of a step where the user says nothing.
const BATCH: usize = 32;
/// Characters of a loss curve.
const WIDTH: usize = 32;

pub(crate) fn run(args: &CompareArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let recipes = recipes(&args.recipes)?;
    let (network, _) = open(&with_batch(args), None)?;
    let form = Form::of(&network)?;
    let dataset = dataset(args, &form)?;
    let before = verdicts(args, &network, &recipes, printer)?;
    let starts: Vec<Start<'_>> = recipes
        .iter()
        .map(|&r| Start::recipe(&network, r))
        .collect();
    let settings = Settings {
        optimizer: match args.optimizer {
            OptimizerName::Sgd => Optimizer::SGD,
            OptimizerName::Adam => Optimizer::ADAM,
            OptimizerName::Adamw => Optimizer::ADAM_W,
        },
        rate: args.rate.map_or(Rate::Sweep(None), Rate::Fixed),
        steps: args.steps,
        seeds: args.seeds,
        seed: args.seed,
        budget: Some(args.budget),
        ..Settings::default()
    };
    let stop = Arc::new(AtomicBool::new(false));
    // The first Ctrl-C asks for what there is, the second ends the process: the shutdown is
    // registered first, so that it sees the flag as the signal before left it.
    signal_hook::flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&stop))
        .and_then(|_| signal_hook::flag::register(SIGINT, Arc::clone(&stop)))
        .context("cannot listen for Ctrl-C")?;
    let progress = printer.progress("training");
    let bar = progress.clone();
    let tell = move |done: usize, all: usize| bar.set(done as u64, all as u64);
    let comparison = compare(&network, &starts, &dataset, &settings, &tell, &stop);
    progress.finish();
    let comparison = comparison?;
    if printer.json() {
        let mut json = serde_json::to_value(&comparison)?;
        json["model"] = args.model.model.as_str().into();
        json["check"] = before.iter().map(|v| verdict_name(*v)).collect();
        printer.print(&format!("{json}\n"))?;
    } else {
        printer.print(&text(&comparison, &before))?;
    }
    Ok(Status::Fine)
}

fn with_batch(args: &CompareArgs) -> crate::args::ModelArgs {
    crate::args::ModelArgs {
        model: args.model.model.clone(),
        batch: args.model.batch.or(Some(BATCH)),
        dims: args.model.dims.clone(),
    }
}

fn recipes(names: &[String]) -> anyhow::Result<Vec<Recipe>> {
    let mut recipes: Vec<Recipe> = Vec::new();
    for name in names {
        let recipe = name.trim().parse()?;
        if recipes.contains(&recipe) {
            bail!("--recipes names `{recipe}` twice");
        }
        recipes.push(recipe);
    }
    Ok(recipes)
}

/// The user's data, or samples of a task.
fn dataset(args: &CompareArgs, form: &Form) -> anyhow::Result<Dataset> {
    let Some(path) = &args.data else {
        let task = match &args.task {
            Some(name) => name.parse()?,
            None => Task::fitting(form),
        };
        return Ok(task.generate(form, Seed::new(args.seed))?);
    };
    let data = Data::read(path)?;
    let get = |names: [&str; 2]| names.into_iter().find_map(|name| data.get(name));
    match (get(["x", form.input_name.as_str()]), get(["y", "target"])) {
        (Some(x), Some(y)) => Ok(Dataset::from_tensors(file_name(path), form, x, y)?),
        _ => bail!(
            "{}: needs arrays `x` and `y`; write them with numpy.savez(FILE, x=..., y=...)",
            path.display()
        ),
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// What `fanin check` says of each start beforehand.
fn verdicts(
    args: &CompareArgs,
    network: &Network,
    recipes: &[Recipe],
    printer: &Printer,
) -> anyhow::Result<Vec<Verdict>> {
    let verdict = |&recipe: &Recipe| {
        let request = Request {
            recipe,
            ..Request::new(Seed::new(args.seed))
        };
        let plan = fanin_plan::plan(network, &request)?.plan;
        let weights = plan.fill_weights()?;
        let options = Options {
            model: args.model.model.clone(),
            seed: args.seed,
            ..Options::default()
        };
        let checkup = check(network, Some(&plan), &weights, None, &options, printer)?;
        Ok(checkup.verdict)
    };
    recipes.iter().map(verdict).collect()
}

const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "healthy",
        Verdict::Doubtful => "doubtful",
        Verdict::Faulty => "faulty",
    }
}

const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Trains => "trains",
        Outcome::Slow => "slow",
        Outcome::Fails => "fails",
    }
}

/// The comparison as a table with a curve per start.
fn text(comparison: &Comparison, before: &[Verdict]) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = writeln!(
        out,
        "{}: {} steps of {} samples; an answer that does not look at the input has loss {:.3}\n",
        comparison.task, comparison.steps, comparison.batch, comparison.chance
    );
    let _ = writeln!(
        out,
        "{:<11} {:>7} {:>7}  {:<17} {:>8}  {:<8} {:<6}  loss from {:.3} (top) to 0",
        "start",
        "rate",
        "loss",
        "lowest, highest",
        "accuracy",
        "check",
        "result",
        top(comparison)
    );
    for (start, verdict) in comparison.starts.iter().zip(before) {
        let spread = start.spread.map_or_else(String::new, |(low, high)| {
            format!("{}, {}", number(Some(low)), number(Some(high)))
        });
        let outcome = start.verdict.map_or("", |v| outcome_name(v.outcome));
        let _ = writeln!(
            out,
            "{:<11} {:>7} {:>7}  {:<17} {:>8}  {:<8} {:<6}  {}",
            start.name,
            start.rate.map_or_else(String::new, |r| format!("{r:.1e}")),
            number(start.final_loss),
            spread,
            accuracy(start),
            verdict_name(*verdict),
            outcome,
            curve(start, top(comparison)),
        );
    }
    if !comparison.complete {
        let _ = writeln!(
            out,
            "\nended before all trainings were done: by the budget (--budget) or by Ctrl-C"
        );
    }
    out
}

fn number(loss: Option<f64>) -> String {
    match loss {
        Some(loss) if loss.is_finite() => format!("{loss:.3}"),
        Some(_) => "∞".to_owned(),
        None => String::new(),
    }
}

/// Median over the seeds of the accuracy on held-out samples.
fn accuracy(start: &StartResult) -> String {
    let runs = start.runs.iter();
    let mut all: Vec<f64> = runs.filter_map(|run| run.held_out_accuracy).collect();
    all.sort_by(f64::total_cmp);
    let median = all.get(all.len() / 2);
    median.map_or_else(String::new, |a| format!("{:.0} %", 100.0 * a))
}

/// The upper end of the curves: a little above chance.
fn top(comparison: &Comparison) -> f64 {
    1.2 * comparison.chance
}

/// The first training's loss in eighths of a line; a cross where numbers ran away.
fn curve(start: &StartResult, top: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(run) = start.runs.first() else {
        return String::new();
    };
    let count = run.losses.len();
    let columns = WIDTH.min(count);
    let mut line: String = (0..columns)
        .map(|k| {
            let part = &run.losses[k * count / columns..(k + 1) * count / columns];
            let mean = part.iter().map(|&l| f64::from(l)).sum::<f64>() / part.len() as f64;
            if mean.is_finite() {
                let eighth = (8.0 * mean / top).clamp(0.0, 7.0);
                BARS[eighth as usize]
            } else {
                '×'
            }
        })
        .collect();
    if run.diverged_at.is_some() && !line.ends_with('×') {
        line.push('×');
    }
    line
}
