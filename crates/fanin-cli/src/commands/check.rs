//! `fanin check MODEL`: will training start?

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use fanin::{DType, Seed};
use fanin_check::{Basis, Change, Checkup, Fixed, Optimizer, Options, Repeats, SeedShare, Verdict};
use fanin_network::memory::FreeMemory;
use fanin_network::{HostTensor, Network, Payload, Weights};
use fanin_plan::Plan;
use fanin_report::Report;
use fanin_run::{Data, Need};

use crate::args::{CheckArgs, FixMode, Format, OptimizerName};
use crate::commands::{check, has_folder, make_plan, open, read_plan, write_text};
use crate::output::{Printer, Status};

/// Layers that the terminal table lists.
pub(crate) fn rows(all: bool) -> usize {
    if all { usize::MAX } else { 30 }
}

pub(crate) fn run(args: &CheckArgs, printer: &mut Printer) -> anyhow::Result<Status> {
    has_folder(args.html.as_deref())?;
    has_folder(args.output.as_deref())?;
    let (network, data) = open(&args.model, args.data.as_deref())?;
    let (data, labels) = match data {
        Some(data) => fanin_check::split_labels(&network, data),
        None => (None, None),
    };
    Need::check(&network).fits(FreeMemory::now())?;
    let (plan, weights) = weights(args, &network, printer)?;
    let options = options(args, &network, labels.as_ref(), data.as_ref())?;
    let judge = |plan: Option<&Plan>, weights: &Weights, seed: u64| {
        let options = Options {
            seed,
            ..options.clone()
        };
        check(&network, plan, weights, data.as_ref(), &options, printer)
    };
    let seed = args.recipe.seed;
    let seeds = |count: usize| seed..seed.saturating_add(count as u64);
    let mut checkup = judge(plan.as_ref(), &weights, seed)?;
    if let Some(count) = args.seeds {
        checkup.repeats = Some(fanin_check::repeat(seeds(count), |seed| match &plan {
            Some(plan) => {
                let plan = with_seed(plan, seed);
                judge(Some(&plan), &plan.fill_weights()?, seed)
            }
            // Weights that come from no plan stay; the inputs are drawn anew.
            None => judge(None, &weights, seed),
        })?);
    }
    let rows = rows(args.all);
    let Some(how) = args.fix else {
        return show(args, &network, plan.as_ref(), &checkup, rows, printer);
    };
    if printer.format == Format::Text {
        let before = Report {
            network: &network,
            plan: plan.as_ref(),
            checkup: &checkup,
        };
        printer.print(&before.terminal(rows))?;
        if let Some(repeats) = &checkup.repeats {
            printer.print(&probabilities(repeats))?;
        }
    }
    let Some(output) = &args.output else {
        bail!("--fix needs --output FILE for the changed weights");
    };
    let mut fixed = weights;
    let begun = plan.clone();
    let basis = match how {
        FixMode::Initializer => None,
        FixMode::Rescale => Some(Basis::Measurement),
        FixMode::Predict => Some(Basis::Prediction),
    };
    let mended = match basis {
        None => {
            let judge = |plan: Option<&Plan>, weights: &Weights| judge(plan, weights, seed);
            fanin_check::mend(&network, begun.as_ref(), &checkup, &mut fixed, judge)?.map(|done| {
                let changes: Vec<Change> = done.changes.iter().map(drawn_anew).collect();
                (changes, done.plan, done.checkup)
            })
        }
        // A rescaled weight is no draw of any initializer: no plan describes it.
        Some(basis) => {
            let changes = change(
                basis,
                &network,
                &checkup,
                &mut fixed,
                data.as_ref(),
                printer,
            )?;
            let after = (!changes.is_empty()).then(|| judge(None, &fixed, seed));
            after.transpose()?.map(|after| (changes, None, after))
        }
    };
    let Some((changes, plan, mut after)) = mended else {
        printer.remark("nothing to change: no finding proposes one; no file was written");
        return match printer.format {
            Format::Text => Ok(status(&checkup)),
            _ => show(args, &network, plan.as_ref(), &checkup, rows, printer),
        };
    };
    if let Some(count) = args.seeds {
        after.repeats = Some(fanin_check::repeat(seeds(count), |seed| match &plan {
            Some(plan) => {
                let plan = with_seed(plan, seed);
                judge(Some(&plan), &plan.fill_weights()?, seed)
            }
            // What each seed draws is judged and rescaled for itself.
            None => match (&begun, basis) {
                (Some(begun), Some(basis)) => {
                    let begun = with_seed(begun, seed);
                    let mut drawn = begun.fill_weights()?;
                    let before = judge(Some(&begun), &drawn, seed)?;
                    change(basis, &network, &before, &mut drawn, data.as_ref(), printer)?;
                    judge(None, &drawn, seed)
                }
                _ => judge(None, &fixed, seed),
            },
        })?);
    }
    fixed.write_safetensors(output, None, &Default::default())?;
    let mut written = output.display().to_string();
    if let Some(plan) = &plan {
        let path = output.with_extension("plan.toml");
        write_text(&path, &plan.to_string())?;
        written = format!("{written} and {}", path.display());
    }
    if printer.format == Format::Text {
        printer.print(&format!(
            "\nchanged, written to {written}, and checked again:\n{}\n{}\n",
            told(&changes),
            side_by_side(&checkup, &after, rows)
        ))?;
    }
    after.fixed = Some(Fixed {
        how: match how {
            FixMode::Initializer => "initializer",
            FixMode::Rescale => "rescale",
            FixMode::Predict => "predict",
        }
        .to_owned(),
        changes,
        verdict_before: checkup.verdict,
        findings_before: checkup.findings,
        values_before: checkup.values,
        repeats_before: checkup.repeats,
    });
    show(args, &network, plan.as_ref(), &after, rows, printer)
}

/// A parameter that was filled with what a finding proposed.
fn drawn_anew(fix: &fanin_check::Fix) -> Change {
    Change {
        parameter: fix.parameter.clone(),
        initializer: Some(fix.initializer.to_string()),
        factor: None,
    }
}

/// Rescales, in place, after what no factor mends was drawn anew.
fn change(
    basis: Basis,
    network: &Network,
    checkup: &Checkup,
    weights: &mut Weights,
    data: Option<&Data>,
    printer: &Printer,
) -> anyhow::Result<Vec<Change>> {
    let seed = Seed::new(checkup.seed);
    let refilled = fanin_check::redraw_broken(network, checkup, seed, weights)?;
    let proposed = |name: &str| {
        let findings = checkup.findings.iter();
        let mut fixes = findings.flat_map(|f| f.fix.iter().chain(&f.further_fixes));
        fixes.find(|fix| fix.parameter == name)
    };
    let mut changes: Vec<Change> = refilled
        .into_iter()
        .map(|parameter| Change {
            initializer: proposed(&parameter).map(|fix| fix.initializer.to_string()),
            factor: None,
            parameter,
        })
        .collect();
    let rescaled = fanin_check::rescale(network, weights, basis, seed, data)?;
    if !rescaled.left.is_empty() {
        printer.remark(&format!(
            "left as they are, because the size of their layer's output is not known: {}",
            rescaled.left.join(", ")
        ));
    }
    for (parameter, factor) in rescaled.factors {
        match changes.iter_mut().find(|c| c.parameter == parameter) {
            Some(change) => change.factor = Some(factor),
            None => changes.push(Change {
                parameter,
                initializer: None,
                factor: Some(factor),
            }),
        }
    }
    Ok(changes)
}

/// The changes, a line for each initializer, and those by a factor; the page and JSON have every one.
fn told(changes: &[Change]) -> String {
    const NAMED: usize = 2;
    let mut groups: Vec<(Option<&str>, Vec<String>)> = Vec::new();
    for change in changes {
        let initializer = change.initializer.as_deref();
        let name = match change.factor {
            Some(factor) => format!("{} (x{factor:.4})", change.parameter),
            None => change.parameter.clone(),
        };
        match groups.iter_mut().find(|(known, _)| *known == initializer) {
            Some((_, names)) => names.push(name),
            None => groups.push((initializer, vec![name])),
        }
    }
    let lines = groups.into_iter().map(|(initializer, names)| {
        let more = names.len().saturating_sub(NAMED);
        let named = names[..names.len() - more].join(", ");
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match initializer {
            Some(initializer) => format!("  {initializer}: {named}{more}\n"),
            None => format!("  by a factor: {named}{more}\n"),
        }
    });
    lines.collect()
}

/// The plan with another seed.
fn with_seed(plan: &Plan, seed: u64) -> Plan {
    Plan {
        seed: Seed::new(seed),
        ..plan.clone()
    }
}

/// The layers with their sizes before and after, forward and backward.
fn side_by_side(before: &Checkup, after: &Checkup, rows: usize) -> String {
    let layer = |op: &str| {
        matches!(
            op,
            "Gemm" | "MatMul" | "Conv" | "ConvTranspose" | "LSTM" | "GRU" | "RNN" | "Add"
        )
    };
    let pairs: Vec<_> = before
        .values
        .iter()
        .zip(&after.values)
        .filter(|(b, _)| layer(&b.op))
        .collect();
    let mut text = format!(
        "{:<28} {:>11} {:>11}   {:>11} {:>11}\n",
        "layer", "rms before", "after", "grad before", "after"
    );
    let step = pairs.len().div_ceil(rows.max(1)).max(1);
    for (b, a) in pairs.iter().step_by(step) {
        let gradient = |row: &fanin_check::ValueRow| match &row.backward {
            Some(gradient) => format!("{:.3e}", gradient.rms),
            None => "-".to_owned(),
        };
        let name: String = b.node.chars().take(28).collect();
        // Writing into a String does not fail.
        let _ = writeln!(
            text,
            "{name:<28} {:>11.3e} {:>11.3e}   {:>11} {:>11}",
            b.forward.rms,
            a.forward.rms,
            gradient(b),
            gradient(a)
        );
    }
    let _ = writeln!(
        text,
        "{:<28} {:>11} {:>11}",
        "verdict",
        verdict(before.verdict),
        verdict(after.verdict)
    );
    text
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "healthy",
        Verdict::Doubtful => "doubtful",
        Verdict::Faulty => "faulty",
    }
}

/// What the check is to know of the training to come.
fn options(
    args: &CheckArgs,
    network: &Network,
    labels: Option<&HostTensor>,
    data: Option<&Data>,
) -> anyhow::Result<Options> {
    let dtype = args.dtype.as_deref().map(str::parse::<DType>).transpose()?;
    let optimizer = match (args.optimizer, args.lr) {
        (Some(OptimizerName::Sgd), Some(rate)) => Some(Optimizer::Sgd { rate }),
        (Some(OptimizerName::Adam | OptimizerName::Adamw), Some(rate)) => {
            Some(Optimizer::Adam { rate })
        }
        _ => None,
    };
    let class_counts = labels
        .map(|labels| fanin_check::class_counts(network, labels, data))
        .transpose()?;
    Ok(Options {
        model: args.model.model.clone(),
        seed: args.recipe.seed,
        dtype,
        optimizer,
        class_counts,
        ..Options::default()
    })
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
    match printer.format {
        Format::Json => printer.print(&report.json())?,
        Format::Sarif => printer.print(&report.sarif())?,
        Format::Text => {
            printer.print(&report.terminal(rows))?;
            if let Some(repeats) = &checkup.repeats {
                printer.print(&probabilities(repeats))?;
            }
        }
    }
    Ok(status(checkup))
}

/// What the seeds say, one line per rule.
fn probabilities(repeats: &Repeats) -> String {
    let percent = |share: &SeedShare| {
        let [low, high] = share.interval;
        format!(
            "{:>5.1} % ({:.1} to {:.1} %)",
            100.0 * share.share,
            100.0 * low,
            100.0 * high
        )
    };
    let mut text = format!("\nover {} seeds\n", repeats.seeds.len());
    for (name, share) in [
        ("faulty", &repeats.faulty),
        ("doubtful", &repeats.doubtful),
        ("healthy", &repeats.healthy),
    ] {
        // Writing into a String does not fail.
        let _ = writeln!(text, "  {name:<16} {}", percent(share));
    }
    for found in &repeats.findings {
        let severity = match found.severity {
            fanin_check::Severity::Error => "error",
            fanin_check::Severity::Warning => "warning",
            fanin_check::Severity::Note => "note",
        };
        let head = format!("{severity}[{}]", found.code);
        let blamed = match &found.blamed {
            Some((name, _)) => format!("  mostly {name}"),
            None => String::new(),
        };
        let _ = writeln!(text, "  {head:<16} {}{blamed}", percent(&found.share));
    }
    text
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
