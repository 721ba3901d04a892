//! `fanin check MODEL`: will training start?

use anyhow::{Context as _, bail};
use fanin::DType;
use fanin_check::{Checkup, Manner, Optimizer, Options, Origin, Verdict};
use fanin_network::Network;
use fanin_plan::Plan;
use fanin_report::Report;

use crate::args::{CheckArgs, FixMode, Format, OptimizerName};
use crate::commands::{has_folder, open, request, session, write_text};
use crate::output::{Printer, Status};

/// Layers that the terminal table lists.
pub(crate) fn rows(all: bool) -> usize {
    if all { usize::MAX } else { 30 }
}

pub(crate) fn run(args: &CheckArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    has_folder(args.html.as_deref())?;
    has_folder(args.output.as_deref())?;
    let opened = open(&args.model, args.data.as_deref())?;
    let origin = origin(args, &opened.network)?;
    let session = session(opened, options(args)?, origin, printer)?;
    let session = session.with_repeats(args.seeds);
    let shown = |plan: Option<&Plan>, checkup: &Checkup| {
        let report = Report {
            network: session.network(),
            plan,
            checkup,
        };
        show(args, &report, printer)
    };
    let checkup = session.check()?;
    let Some(mode) = args.fix else {
        return shown(session.plan(), &checkup);
    };
    let rows = rows(args.all);
    if printer.format == Format::Text {
        let before = Report {
            network: session.network(),
            plan: session.plan(),
            checkup: &checkup,
        };
        printer.print(&before.terminal(rows))?;
    }
    let Some(output) = &args.output else {
        bail!("--fix needs --output FILE for the changed weights");
    };
    let Some(mended) = session.fix(manner(mode), &checkup)? else {
        printer.remark("nothing to change: no finding proposes one; no file was written");
        return match printer.format {
            Format::Text => Ok(status(&checkup)),
            _ => shown(session.plan(), &checkup),
        };
    };
    if !mended.left.is_empty() {
        printer.remark(&format!(
            "left as they are, because the size of their layer's output is not known: {}",
            mended.left.join(", ")
        ));
    }
    mended
        .weights
        .write_safetensors(output, None, &Default::default())?;
    let mut written = output.display().to_string();
    if let Some(plan) = &mended.plan {
        let path = output.with_extension("plan.toml");
        write_text(&path, &plan.to_string())?;
        written = format!("{written} and {}", path.display());
    }
    if printer.format == Format::Text {
        let after = Report {
            network: session.network(),
            plan: mended.plan.as_ref(),
            checkup: &mended.checkup,
        };
        printer.print(&format!(
            "\nchanged, written to {written}, and checked again:\n{}\n",
            after.changes(rows)
        ))?;
    }
    shown(mended.plan.as_ref(), &mended.checkup)
}

fn manner(mode: FixMode) -> Manner {
    match mode {
        FixMode::Initializer => Manner::Initializer,
        FixMode::Rescale => Manner::Rescale,
        FixMode::Predict => Manner::Predict,
    }
}

/// Which weights to check.
fn origin(args: &CheckArgs, network: &Network) -> anyhow::Result<Origin> {
    if let Some(path) = &args.weights {
        return Ok(Origin::File(path.clone()));
    }
    if let Some(path) = &args.plan {
        let plan = Plan::read(path)?;
        plan.matches(network)
            .with_context(|| path.display().to_string())?;
        return Ok(Origin::Plan(plan));
    }
    let asked = args.recipe.recipe.is_some() || args.recipe.rules.is_some();
    Ok(match asked {
        true => Origin::Recipe(request(&args.recipe, None)?),
        false => Origin::Model,
    })
}

/// What the check is to know of the training to come.
fn options(args: &CheckArgs) -> anyhow::Result<Options> {
    let optimizer = match (args.optimizer, args.lr) {
        (Some(OptimizerName::Sgd), Some(rate)) => Some(Optimizer::Sgd { rate }),
        (Some(OptimizerName::Adam | OptimizerName::Adamw), Some(rate)) => {
            Some(Optimizer::Adam { rate })
        }
        _ => None,
    };
    Ok(Options {
        model: args.model.model.clone(),
        seed: args.recipe.seed,
        dtype: args.dtype.as_deref().map(str::parse::<DType>).transpose()?,
        optimizer,
        ..Options::default()
    })
}

/// Prints the report and writes the page, if one was asked for.
fn show(args: &CheckArgs, report: &Report<'_>, printer: &Printer) -> anyhow::Result<Status> {
    if let Some(path) = &args.html {
        write_text(path, &report.html())?;
    }
    printer.print(&match printer.format {
        Format::Json => report.json(),
        Format::Sarif => report.sarif(),
        Format::Text => report.terminal(rows(args.all)),
    })?;
    Ok(status(report.checkup))
}

pub(crate) fn status(checkup: &Checkup) -> Status {
    match checkup.verdict {
        Verdict::Faulty => Status::Faulty,
        Verdict::Healthy | Verdict::Doubtful => Status::Fine,
    }
}
