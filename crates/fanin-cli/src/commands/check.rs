//! `fanin check MODEL`: will training start?

use anyhow::{Context as _, bail};
use fanin_check::{Checkup, Verdict};
use fanin_network::{Network, Payload, Weights};
use fanin_plan::Plan;
use fanin_report::Report;

use crate::args::CheckArgs;
use crate::commands::{check, make_plan, open, read_plan, write_text};
use crate::output::{Printer, Status};

/// Layers that the terminal table lists.
pub(crate) fn rows(all: bool) -> usize {
    if all { usize::MAX } else { 30 }
}

pub(crate) fn run(args: &CheckArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    let (network, data) = open(&args.model, args.data.as_deref())?;
    let (plan, weights) = weights(args, &network, printer)?;
    let model = &args.model.model;
    let judge = |plan: Option<&Plan>, weights: &Weights| {
        check(
            model,
            &network,
            plan,
            weights,
            data.as_ref(),
            args.recipe.seed,
            printer,
        )
    };
    let checkup = judge(plan.as_ref(), &weights)?;
    let rows = rows(args.all);
    if !args.fix {
        return show(args, &network, plan.as_ref(), &checkup, rows, printer);
    }
    if !printer.json() {
        let before = Report {
            network: &network,
            plan: plan.as_ref(),
            checkup: &checkup,
        };
        printer.print(&before.terminal(rows))?;
    }
    let Some(output) = &args.output else {
        bail!("--fix needs --output FILE for the changed weights");
    };
    let mut fixed = weights;
    let changed = fanin_check::apply_fixes(
        &network,
        &checkup,
        fanin::Seed::new(args.recipe.seed),
        &mut fixed,
    )?;
    if changed.is_empty() {
        printer.remark("nothing to change: no finding proposes one; no file was written");
        return if printer.json() {
            show(args, &network, plan.as_ref(), &checkup, rows, printer)
        } else {
            Ok(status(&checkup))
        };
    }
    let plan = plan.map(|plan| fanin_check::fix(&plan, &checkup).unwrap_or(plan));
    let after = judge(plan.as_ref(), &fixed)?;
    fixed.write_safetensors(output, None, &Default::default())?;
    if let Some(plan) = &plan {
        write_text(&output.with_extension("plan.toml"), &plan.to_string())?;
    }
    if !printer.json() {
        printer.print(&format!(
            "\nchanged {}, checked again:\n\n",
            changed.join(", ")
        ))?;
    }
    show(args, &network, plan.as_ref(), &after, rows, printer)
}

/// Prints the report and writes the page, if one was asked for.
fn show(
    args: &CheckArgs,
    network: &Network,
    plan: Option<&Plan>,
    checkup: &Checkup,
    rows: usize,
    printer: &Printer,
) -> anyhow::Result<Status> {
    let report = Report {
        network,
        plan,
        checkup,
    };
    if let Some(path) = &args.html {
        write_text(path, &report.html())?;
    }
    if printer.json() {
        printer.print(&report.json())?;
    } else {
        printer.print(&report.terminal(rows))?;
    }
    Ok(status(checkup))
}

pub(crate) fn status(checkup: &Checkup) -> Status {
    if checkup.verdict == Verdict::Faulty {
        Status::Faulty
    } else {
        Status::Fine
    }
}

/// The weights to check, and the plan they come from if they come from one.
fn weights(
    args: &CheckArgs,
    network: &Network,
    printer: &Printer,
) -> anyhow::Result<(Option<Plan>, Weights)> {
    if let Some(path) = &args.weights {
        return Ok((None, Weights::read_safetensors(path, network)?));
    }
    if let Some(path) = &args.plan {
        let plan = read_plan(path)?;
        plan.matches(network)
            .with_context(|| path.display().to_string())?;
        let weights = plan.fill_weights()?;
        return Ok((Some(plan), weights));
    }
    let asked = args.recipe.recipe.is_some() || args.recipe.rules.is_some();
    if !asked && has_weights(network) {
        return Ok((None, Weights::from_model(network)?));
    }
    if !asked {
        printer.remark("the model holds no weights: checking those of recipe auto");
    }
    let plan = make_plan(network, &args.recipe, None, printer)?;
    let weights = plan.fill_weights()?;
    Ok((Some(plan), weights))
}

/// Whether the model stores any weight that is more than one number repeated.
fn has_weights(network: &Network) -> bool {
    network
        .parameters
        .iter()
        .any(|p| !matches!(p.payload, Payload::Absent | Payload::Filled(_)))
}
