//! `fanin compare MODEL`: what is each start worth?

use std::time::Instant;

use anyhow::bail;
use fanin::Seed;
use fanin_check::{Options, Origin, Verdict};
use fanin_network::Network;
use fanin_plan::{Recipe, Request};
use fanin_report::ComparisonReport;
use fanin_run::train::Optimizer;
use fanin_train::{Dataset, Form, Input, Rate, Settings, Start, Task, compare};

use crate::args::{CompareArgs, ModelArgs, OptimizerName};
use crate::commands::{Opened, has_folder, lesson, open, session, write_text};
use crate::interrupt::stop_on_interrupt;
use crate::output::{Printer, Status};

/// Samples of a step where the user says nothing.
const BATCH: usize = 32;

pub(crate) fn run(args: &CompareArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    has_folder(args.html.as_deref())?;
    if let Some(name) = &args.lesson {
        return lesson::run(name, args, printer);
    }
    let Some(model) = args.model.as_deref() else {
        bail!("give a model, or a lesson with --lesson");
    };
    let begun = Instant::now();
    let recipes = recipes(&args.recipes)?;
    let network = open(&with_batch(args, model), None)?.network;
    let form = Form::of(&network)?;
    let dataset = dataset(args, &form)?;
    let before = verdicts(args, model, &network, &recipes, printer)?;
    let starts: Vec<Start<'_>> = recipes
        .iter()
        .map(|&r| Start::recipe(&network, r))
        .collect();
    let settings = Settings {
        optimizer: optimizer(args, &form),
        rate: args.rate.map_or(Rate::Sweep(None), Rate::Fixed),
        steps: args.steps,
        seeds: args.seeds,
        seed: args.seed,
        // What the checks took is spent.
        budget: Some(args.budget.saturating_sub(begun.elapsed())),
        ..Settings::default()
    };
    let stop = stop_on_interrupt()?;
    let progress = printer.progress("training");
    let bar = progress.clone();
    let tell = move |done: usize, all: usize| bar.set(done as u64, all as u64);
    let comparison = compare(&network, &starts, &dataset, &settings, &tell, &stop);
    progress.finish();
    let comparison = comparison?;
    let report = ComparisonReport {
        model,
        seed: args.seed,
        comparison: &comparison,
        checks: &before,
    };
    if let Some(path) = &args.html {
        write_text(path, &report.html())?;
    }
    if printer.json() {
        printer.print(&report.json())?;
    } else {
        printer.print(&report.terminal())?;
    }
    Ok(Status::Fine)
}

/// The user's choice, or what such networks are trained with: of rare tokens few gradients come, and
/// to SGD they count the less.
fn optimizer(args: &CompareArgs, form: &Form) -> Optimizer {
    match (args.optimizer, form.input) {
        (Some(OptimizerName::Sgd), _) => Optimizer::SGD,
        (Some(OptimizerName::Adam), _) | (None, Input::Tokens { .. }) => Optimizer::ADAM,
        (Some(OptimizerName::Adamw), _) => Optimizer::ADAM_W,
        (None, _) => Optimizer::SGD,
    }
}

fn with_batch(args: &CompareArgs, model: &str) -> ModelArgs {
    ModelArgs {
        model: model.to_owned(),
        batch: args.batch.or(Some(BATCH)),
        dims: args.dims.clone(),
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
    Ok(Dataset::read(path, args.labels.as_deref(), form)?)
}

/// What `fanin check` says of each start beforehand.
fn verdicts(
    args: &CompareArgs,
    model: &str,
    network: &Network,
    recipes: &[Recipe],
    printer: &Printer,
) -> anyhow::Result<Vec<Verdict>> {
    let seed = Seed::new(args.seed);
    let origin = |&recipe: &Recipe| {
        Origin::Recipe(Request {
            recipe,
            ..Request::new(seed)
        })
    };
    let options = Options {
        model: model.to_owned(),
        seed: args.seed,
        ..Options::default()
    };
    let mut origins = recipes.iter().map(origin);
    let Some(first) = origins.next() else {
        return Ok(Vec::new());
    };
    let opened = Opened {
        network: network.clone(),
        data: None,
        class_counts: None,
    };
    let mut session = session(opened, options, first, printer)?;
    let mut verdicts = vec![session.check()?.verdict];
    for origin in origins {
        session.restart(origin)?;
        verdicts.push(session.check()?.verdict);
    }
    Ok(verdicts)
}
