//! One file per subcommand, and what several of them share.

pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod fill;
pub(crate) mod init;
pub(crate) mod lesson;
pub(crate) mod plan;
pub(crate) mod strip;

use std::path::Path;

use anyhow::{Context as _, bail};
use fanin::{DType, Seed};
use fanin_check::{Checkup, Options};
use fanin_network::{Dims, Network, Weights};
use fanin_plan::{Plan, Recipe, Request, Rules};
use fanin_run::{Data, RunOptions};

use crate::args::{ModelArgs, RecipeArgs};
use crate::output::Printer;

/// Reads the model with the sizes the user gave, and the user's data, whose shapes win.
pub(crate) fn open(
    args: &ModelArgs,
    data: Option<&Path>,
) -> anyhow::Result<(Network, Option<Data>)> {
    let data = data.map(Data::read).transpose()?;
    let mut dims = Dims {
        batch: args.batch,
        ..Dims::default()
    };
    for (name, size) in &args.dims {
        if dims
            .named
            .insert(name.clone(), *size)
            .is_some_and(|old| old != *size)
        {
            bail!("--dim {name} is given twice with different sizes");
        }
    }
    if let Some(data) = &data {
        dims.inputs = data.shapes();
    }
    let network = fanin_network::open(&args.model, &dims)?;
    Ok((network, data))
}

/// The plan that recipe and rules make for a network; remarks on rules that match nothing.
pub(crate) fn make_plan(
    network: &Network,
    args: &RecipeArgs,
    dtype: Option<&str>,
    printer: &Printer,
) -> anyhow::Result<Plan> {
    let recipe: Recipe = args.recipe.as_deref().unwrap_or("auto").parse()?;
    let rules = match &args.rules {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the rules {}", path.display()))?;
            Rules::parse(&text).with_context(|| path.display().to_string())?
        }
        None => Rules::default(),
    };
    let dtype = match dtype {
        Some(text) => Some(text.parse::<DType>()?),
        None => None,
    };
    let outcome = fanin_plan::plan(
        network,
        &Request {
            recipe,
            rules,
            seed: Seed::new(args.seed),
            dtype,
        },
    )?;
    for warning in &outcome.warnings {
        printer.remark(&format!("note: {warning}"));
    }
    Ok(outcome.plan)
}

/// Reads a plan file.
pub(crate) fn read_plan(path: &Path) -> anyhow::Result<Plan> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the plan {}", path.display()))?;
    text.parse().with_context(|| path.display().to_string())
}

/// Runs the network once forward and backward and judges what was seen.
pub(crate) fn check(
    network: &Network,
    plan: Option<&Plan>,
    weights: &Weights,
    data: Option<&Data>,
    options: &Options,
    printer: &Printer,
) -> anyhow::Result<Checkup> {
    let progress = printer.progress("running");
    let bar = progress.clone();
    let trace = fanin_run::run(
        network,
        weights,
        &RunOptions {
            seed: Seed::new(options.seed),
            data: data.cloned(),
            backward: true,
            progress: Some(Box::new(move |done, total| {
                bar.set(done as u64, total as u64)
            })),
        },
    );
    progress.finish();
    let options = Options {
        drawn: data.is_none(),
        ..options.clone()
    };
    Ok(fanin_check::check(network, plan, weights, trace?, &options))
}

/// Refuses a file to write whose folder is not there, before anything is computed for it.
pub(crate) fn has_folder(path: Option<&Path>) -> anyhow::Result<()> {
    let folder = path.and_then(Path::parent);
    match (path, folder.filter(|f| !f.as_os_str().is_empty())) {
        (Some(path), Some(folder)) if !folder.is_dir() => bail!(
            "cannot write {}: there is no folder {}",
            path.display(),
            folder.display()
        ),
        _ => Ok(()),
    }
}

/// Writes a small text file, which nobody ever finds half written.
pub(crate) fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    Ok(fanin_network::replace_file(path, |file| {
        file.write_all(text.as_bytes())
    })?)
}
