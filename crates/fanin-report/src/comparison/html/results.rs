//! What each start came to, a row each.

use fanin_check::Verdict;

use super::super::terminal::{accuracy, spread};
use super::super::{ComparisonReport, loss, outcome_name};
use super::cells::{head, head_of_numbers, name, number, row};
use crate::markup::{Html, template};
use crate::number::percent;

/// The section; `id` keeps its elements apart from those of another comparison on the page.
pub(super) fn section(report: &ComparisonReport<'_>, id: &str) -> Html {
    let comparison = report.comparison;
    let checked = !report.checks.is_empty();
    let classes = comparison.chance_accuracy.is_some();
    let several = comparison.starts.iter().any(|s| s.runs.len() > 1);
    let half = comparison.target.map_or_else(
        || "half way".to_owned(),
        |target| format!("steps to {}", loss(target)),
    );
    let columns = [
        Some(head("start")),
        checked.then(|| head("check said")),
        Some(head("result")),
        Some(head_of_numbers("loss")),
        several.then(|| head_of_numbers("lowest to highest")),
        classes.then(|| head_of_numbers("accuracy, held out")),
        Some(head_of_numbers(&half)),
        Some(head_of_numbers("learning rate")),
    ];
    let rows = comparison.starts.iter().enumerate().map(|(k, start)| {
        let dash = || "–".to_owned();
        let outcome = start.verdict.map_or("", |v| outcome_name(v.outcome));
        let steps = match (start.steps_to_target, comparison.target) {
            (Some(steps), _) => steps.to_string(),
            (None, Some(_)) => "never".to_owned(),
            (None, None) => dash(),
        };
        let rate = start.rate.map_or_else(dash, |rate| format!("{rate:.1e}"));
        let cells = [
            Some(name(k, start)),
            checked.then(|| word(report.check(k).map_or("–", Verdict::name))),
            Some(word(outcome)),
            Some(number(&start.final_loss.map_or_else(dash, loss))),
            several.then(|| number(&spread(start, " to "))),
            classes.then(|| number(&accuracy(start).map_or_else(dash, percent))),
            Some(number(&steps)),
            Some(number(&rate)),
        ];
        row(cells.into_iter().flatten())
    });
    let table = template!(
        "table.html",
        label = "Starts",
        head = columns.into_iter().flatten().collect::<Html>(),
        rows = rows.collect::<Html>(),
    );
    let note = comparison.target.map(|target| {
        let text = format!(
            "A loss of {} is half of the way from knowing nothing ({}) to the best start.",
            loss(target),
            loss(comparison.chance)
        );
        template!("note.html", text = text)
    });
    crate::page::section(
        &format!("{id}-table"),
        "What each start came to",
        table.then(&note.unwrap_or_default()),
    )
}

/// A verdict or an outcome in its colour.
fn word(word: &str) -> Html {
    template!("comparison/word.html", class = word, word = word)
}
