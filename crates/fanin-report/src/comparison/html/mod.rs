//! The comparison, and a lesson, as one HTML page each: readable without scripts, in light and dark, on a phone and on
//! paper.

mod cells;
mod curves;
mod inside;
mod lesson;
mod results;

use super::{ComparisonReport, loss, sentence};
use crate::markup::{Html, template};
use crate::page::{Page, facts, file_name};

pub(super) use lesson::page as lesson;

pub(super) fn page(report: &ComparisonReport<'_>) -> String {
    let lead = sentence::outcome(report.comparison);
    let model = file_name(report.model);
    let header = template!(
        "comparison/header.html",
        title = model,
        lead = format!("{lead}."),
        facts = setting(report),
    );
    let ended = (!report.comparison.complete).then(|| template!("comparison/ended.html"));
    let main = [
        ended.unwrap_or_default(),
        results::section(report, "c"),
        curves::section(report.comparison, "c"),
        inside::section(report.comparison, "c", true).unwrap_or_default(),
    ];
    render(model, &lead, header, main.into_iter().collect())
}

fn render(title: &str, subtitle: &str, header: Html, main: Html) -> String {
    Page {
        title,
        subtitle,
        class: "comparison",
        style: include_str!("../../../templates/comparison/style.css"),
        script: include_str!("../../../templates/comparison/script.js"),
        header,
        main: main.then(&template!("comparison/readout.html")),
    }
    .render()
}

fn setting(report: &ComparisonReport<'_>) -> Html {
    let comparison = report.comparison;
    let seeds = comparison.starts.iter().map(|s| s.runs.len()).max();
    facts(&[
        ("task", comparison.task.clone()),
        ("optimizer", sentence::optimizer(comparison.optimizer)),
        ("steps", comparison.steps.to_string()),
        ("batch", comparison.batch.to_string()),
        ("trainings per start", seeds.unwrap_or(0).to_string()),
        ("first seed", report.seed.to_string()),
        ("loss of knowing nothing", loss(comparison.chance)),
    ])
}
