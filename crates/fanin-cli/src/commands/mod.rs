//! One file per subcommand, and what several of them share.

pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod fill;
pub(crate) mod init;
pub(crate) mod lesson;
pub(crate) mod operators;
pub(crate) mod plan;
pub(crate) mod strip;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use fanin::{DType, Seed};
use fanin_check::{Options, Origin, Session};
use fanin_network::{Dims, Network};
use fanin_plan::{Plan, Request, Rules};
use fanin_run::Data;
use fanin_train::Sample;

use crate::args::{ModelArgs, RecipeArgs};
use crate::output::Printer;

/// A network, and what of the user's data it is fed.
pub(crate) struct Opened {
    pub(crate) network: Network,
    pub(crate) data: Option<Data>,
    /// How many of the user's samples have each class, where the data say so.
    pub(crate) class_counts: Option<Vec<u64>>,
}

/// Reads the model with the sizes the user gave, and the user's data: arrays, whose shapes win, or samples,
/// of which the network gets as many as it takes.
pub(crate) fn open(args: &ModelArgs, data: Option<&Path>) -> anyhow::Result<Opened> {
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
    let arrays = match data {
        Some(path) if Sample::is_arrays(path)? => Some(Data::read(path)?),
        _ => None,
    };
    if let Some(arrays) = &arrays {
        dims.inputs = arrays.shapes();
    }
    let network = fanin_network::open(&args.model, &dims)?;
    let sample = match (&arrays, data) {
        (None, Some(path)) => Some(Sample::read(path, None, &network)?),
        _ => None,
    };
    let (data, class_counts) = match sample {
        Some(sample) => (Some(sample.data), sample.class_counts),
        None => (arrays, None),
    };
    Ok(Opened {
        network,
        data,
        class_counts,
    })
}

/// What the user asks a plan to be made of.
pub(crate) fn request(args: &RecipeArgs, dtype: Option<&str>) -> anyhow::Result<Request> {
    let rules = match &args.rules {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the rules {}", path.display()))?;
            Rules::parse(&text).with_context(|| path.display().to_string())?
        }
        None => Rules::default(),
    };
    Ok(Request {
        recipe: args.recipe.as_deref().unwrap_or("auto").parse()?,
        rules,
        seed: Seed::new(args.seed),
        dtype: dtype.map(str::parse::<DType>).transpose()?,
    })
}

/// The plan that recipe and rules make for a network; remarks on rules that match nothing.
pub(crate) fn make_plan(
    network: &Network,
    args: &RecipeArgs,
    dtype: Option<&str>,
    printer: &Printer,
) -> anyhow::Result<Plan> {
    let outcome = fanin_plan::plan(network, &request(args, dtype)?)?;
    for warning in &outcome.warnings {
        printer.remark(&format!("note: {warning}"));
    }
    Ok(outcome.plan)
}

/// A session that shows how far its runs are; remarks on how its weights came about.
pub(crate) fn session(
    opened: Opened,
    options: Options,
    origin: Origin,
    printer: &Printer,
) -> anyhow::Result<Session> {
    let options = Options {
        class_counts: opened.class_counts,
        ..options
    };
    let session = Session::new(opened.network, opened.data, options, origin)?;
    for remark in session.remarks() {
        printer.remark(remark);
    }
    let bar = printer.progress("running");
    Ok(session.with_progress(Arc::new(move |done, total| {
        bar.set(done as u64, total as u64);
    })))
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
