//! What was changed, and the layers before and after it, forward and backward.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fanin_check::{Change, Fixed, ValueRow, Verdict};

use super::{NAME, NUMBER, shorten, spread};
use crate::layers::Layer;
use crate::number::short;

/// Parameters that a line names.
const NAMED: usize = 2;

pub(super) fn render(fixed: &Fixed, after: Verdict, layers: &[Layer<'_>], rows: usize) -> String {
    let mut text = told(&fixed.changes);
    let before: BTreeMap<&str, &ValueRow> = fixed
        .values_before
        .iter()
        .map(|row| (row.value.as_str(), row))
        .collect();
    let mut line = |name: &str, [ahead, ahead_after, back, back_after]: [&str; 4]| {
        // Writing into a String does not fail.
        let _ = writeln!(
            text,
            "{:<NAME$} {ahead:>11} {ahead_after:>NUMBER$}   {back:>11} {back_after:>NUMBER$}",
            shorten(name, NAME)
        );
    };
    line("layer", ["rms before", "after", "grad before", "after"]);
    for (index, layer) in layers.iter().enumerate() {
        let Some(old) = before.get(layer.row.value.as_str()) else {
            continue;
        };
        if !spread(index, layers.len(), rows) {
            continue;
        }
        let gradient = |row: &ValueRow| {
            let gradient = row.backward.as_ref();
            gradient.map_or_else(|| "-".to_owned(), |gradient| short(gradient.rms))
        };
        line(
            &layer.name,
            [
                &short(old.forward.rms),
                &short(layer.row.forward.rms),
                &gradient(old),
                &gradient(layer.row),
            ],
        );
    }
    let verdicts = [fixed.verdict_before.to_string(), after.to_string()];
    line("verdict", [&verdicts[0], &verdicts[1], "", ""]);
    let lines = text.lines().map(str::trim_end);
    lines.fold(String::new(), |all, line| all + line + "\n")
}

/// The changes, a line for each initializer, and those by a factor; the page and JSON have every one.
fn told(changes: &[Change]) -> String {
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
    let mut text: String = lines.collect();
    text.push('\n');
    text
}
