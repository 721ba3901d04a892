//! The comparison for a terminal.

use std::fmt::Write as _;

use fanin_train::{Comparison, StartResult};

use super::layers::{Gradients, Share, Sizes, Units, brief, mean, units};
use super::{ComparisonReport, curve, loss, outcome_name, sentence, top};
use crate::number::percent;

/// Characters of a loss curve.
const CURVE: usize = 24;
/// Characters of gradients over the depth.
const DEPTH: usize = 12;

pub(super) fn render(report: &ComparisonReport<'_>) -> String {
    let comparison = report.comparison;
    let mut out = sentence::wrapped(&sentence::setting(comparison), "", 100);
    out.push('\n');
    out.push_str(&table(report));
    out.push('\n');
    let layers = layers(comparison);
    if !layers.is_empty() {
        out.push_str(&layers);
        out.push('\n');
    }
    out.push_str(&sentence::wrapped(&sentence::outcome(comparison), "", 100));
    if !comparison.complete {
        out.push_str(
            "ended before all trainings were done: by the budget (--budget) or by Ctrl-C\n",
        );
    }
    out
}

/// One line per start: what it came to.
pub(super) fn table(report: &ComparisonReport<'_>) -> String {
    let comparison = report.comparison;
    let checked = !report.checks.is_empty();
    let name = names(comparison);
    let results = comparison.starts.iter().filter_map(|s| s.verdict);
    let results = results.map(|v| outcome_name(v.outcome).len());
    let result = results.fold("result".len(), usize::max);
    let mut out = String::new();
    let check = if checked { "check     " } else { "" };
    // Writing into a String does not fail.
    let _ = writeln!(
        out,
        "{:<name$} {:>7} {:>7}  {:<11} {:>8} {:>6}  {check}{:<result$}  loss, {} down to 0",
        "start",
        "rate",
        "loss",
        "seeds",
        "accuracy",
        "half",
        "result",
        loss(top(comparison)),
    );
    for (k, start) in comparison.starts.iter().enumerate() {
        let check = match report.check(k) {
            Some(verdict) => format!("{verdict:<8}  "),
            None => String::new(),
        };
        let _ = writeln!(
            out,
            "{:<name$} {:>7} {:>7}  {:<11} {:>8} {:>6}  {check}{:<result$}  {}",
            start.name,
            start.rate.map_or_else(String::new, |r| format!("{r:.1e}")),
            start.final_loss.map_or_else(String::new, loss),
            spread(start, "–"),
            accuracy(start).map_or_else(String::new, |a| format!("{:.0} %", 100.0 * a)),
            half(comparison, start),
            start.verdict.map_or("", |v| outcome_name(v.outcome)),
            curve::bars(start, top(comparison), CURVE),
        );
    }
    if let Some(target) = comparison.target {
        let _ = writeln!(
            out,
            "half: steps until the loss is {}, half of the way from {} to the best start",
            loss(target),
            loss(comparison.chance)
        );
    }
    out.push_str(&legend(comparison));
    out
}

/// What the columns mean that do not say it themselves.
fn legend(comparison: &Comparison) -> String {
    let mut text = String::new();
    if comparison.starts.iter().any(|start| start.tried.len() > 1) {
        text.push_str("rate: the best for each start of those tried; ");
    }
    text.push_str("loss: mean over the last tenth of the steps");
    if comparison.starts.iter().any(|start| start.runs.len() > 1) {
        text.push_str(", median over the seeds, lowest to highest beside it");
    }
    if comparison
        .starts
        .iter()
        .any(|start| accuracy(start).is_some())
    {
        text.push_str("; accuracy: on samples held out");
    }
    sentence::wrapped(&text, "", 100)
}

/// One line per start: gradients over the depth, units that no longer answer.
pub(super) fn layers(comparison: &Comparison) -> String {
    let all: Vec<(Gradients, Vec<Units>)> = comparison
        .starts
        .iter()
        .map(|start| (Gradients::of(comparison, start), units(start)))
        .collect();
    let steps = shown(&all);
    if steps.is_empty() {
        return String::new();
    }
    let sizes = Sizes::shared(comparison, all.iter().map(|(gradients, _)| gradients));
    let name = names(comparison);
    let has = |read: Share| all.iter().any(|(_, units)| mean(units, 0, read).is_some());
    let dead: (&str, Share) = ("dead units", |u| u.dead);
    let saturated: (&str, Share) = ("saturated", |u| u.saturated);
    let shares: Vec<(&str, Share)> = [dead, saturated]
        .into_iter()
        .filter(|(_, read)| has(*read))
        .collect();
    let mut out = format!("{:<name$} ", "");
    // Writing into a String does not fail.
    out.push_str(match steps.len() {
        1 => " weights' gradient by layer",
        _ => " rms of the weights' gradient, first layer to last",
    });
    for (label, _) in &shares {
        let at = name + 2 + 26 * steps.len();
        while out.lines().last().map_or(0, |l| l.chars().count()) < at {
            out.push(' ');
        }
        let _ = write!(out, "{label:<17}");
    }
    out = out.trim_end().to_owned();
    let _ = write!(out, "\n{:<name$} ", "start");
    for step in &steps {
        let _ = write!(out, " {:<25}", format!("at step {step}"));
    }
    for _ in &shares {
        let _ = write!(out, "{:<17}", "start → end");
    }
    out = out.trim_end().to_owned();
    out.push('\n');
    for (start, (gradients, units)) in comparison.starts.iter().zip(&all) {
        let mut line = format!("{:<name$} ", start.name);
        for &step in &steps {
            let values = gradients.at(step);
            let cell = match (values.first(), values.last()) {
                (Some(&first), Some(&last)) => format!(
                    "{:>5} {} {}",
                    brief(first),
                    sizes.bars(&values, DEPTH),
                    brief(last)
                ),
                _ => String::new(),
            };
            let _ = write!(line, " {cell:<25}");
        }
        for (_, read) in &shares {
            let share = |end| mean(units, end, *read).map_or_else(|| "–".to_owned(), percent);
            let _ = write!(line, "{:<17}", format!("{} → {}", share(0), share(1)));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The first step, and the last that most starts have seen.
fn shown(all: &[(Gradients, Vec<Units>)]) -> Vec<usize> {
    let longest = all.iter().map(|(gradients, _)| &gradients.steps);
    let longest = longest.max_by_key(|steps| steps.len());
    match longest.map(Vec::as_slice) {
        Some([first, .., last]) => vec![*first, *last],
        Some([only]) => vec![*only],
        _ => Vec::new(),
    }
}

fn names(comparison: &Comparison) -> usize {
    let lengths = comparison.starts.iter().map(|s| s.name.chars().count());
    lengths.max().unwrap_or(0).clamp(9, 24)
}

/// Lowest and highest final loss over the seeds; nothing for a single training.
pub(super) fn spread(start: &StartResult, to: &str) -> String {
    match start.spread {
        Some((low, _)) if start.runs.len() > 1 && low.is_infinite() => loss(low),
        Some((low, high)) if start.runs.len() > 1 => format!("{}{to}{}", loss(low), loss(high)),
        _ => String::new(),
    }
}

fn half(comparison: &Comparison, start: &StartResult) -> String {
    match (comparison.target, start.steps_to_target) {
        (_, Some(steps)) => steps.to_string(),
        (Some(_), None) if !start.runs.is_empty() => "never".to_owned(),
        _ => String::new(),
    }
}

/// Median over the seeds of the accuracy on held-out samples.
pub(super) fn accuracy(start: &StartResult) -> Option<f64> {
    let runs = start.runs.iter();
    let mut all: Vec<f64> = runs.filter_map(|run| run.held_out_accuracy).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}
