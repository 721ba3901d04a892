//! The comparison in a sentence, and text in lines.

use std::fmt::Write as _;

use fanin::wording::list;
use fanin_run::train::Optimizer;
use fanin_train::{Comparison, Outcome};

/// Which starts train, which are slow, which fail: `auto and he train; zeros fails.`
pub(super) fn outcome(comparison: &Comparison) -> String {
    let mut parts = Vec::new();
    for (outcome, one, many) in [
        (Outcome::Trains, "trains", "train"),
        (Outcome::Slow, "is slow", "are slow"),
        (Outcome::Fails, "fails", "fail"),
    ] {
        let names = names_of(comparison, outcome);
        match &names[..] {
            [] => {}
            [name] => parts.push(format!("{name} {one}")),
            names => parts.push(format!("{} {many}", list(names))),
        }
    }
    let early = names_of(comparison, Outcome::TooEarly);
    if !early.is_empty() {
        parts.push(format!(
            "it is too early to tell of {}: no start has learned anything within {} steps; give \
             more time (--budget) or a smaller --batch",
            list(&early),
            comparison.steps
        ));
    }
    if parts.is_empty() {
        "no start has been trained".to_owned()
    } else {
        parts.join("; ")
    }
}

fn names_of(comparison: &Comparison, outcome: Outcome) -> Vec<&str> {
    let starts = comparison.starts.iter();
    starts
        .filter(|s| s.verdict.is_some_and(|v| v.outcome == outcome))
        .map(|s| s.name.as_str())
        .collect()
}

/// What is to be seen in the curves: which starts train, or how soon, where all of them do.
pub(super) fn seen(comparison: &Comparison) -> String {
    let starts = &comparison.starts;
    if let [start] = &starts[..]
        && let Some(end) = start.final_loss
    {
        return format!("{} comes to {}", start.name, super::loss(end));
    }
    let first = starts.first().and_then(|s| s.verdict).map(|v| v.outcome);
    let alike = starts.iter().all(|s| s.verdict.map(|v| v.outcome) == first);
    let soon: Option<Vec<String>> = starts
        .iter()
        .map(|s| Some(format!("{} ({})", s.steps_to_target?, s.name)))
        .collect();
    match soon {
        Some(soon) if alike && soon.len() > 1 => {
            format!("half way down after {} steps", soon.join(", "))
        }
        _ => outcome(comparison),
    }
}

/// `SGD, momentum 0.9`.
pub(super) fn optimizer(optimizer: Optimizer) -> String {
    match optimizer {
        Optimizer::Sgd { momentum, .. } => format!("SGD, momentum {momentum}"),
        Optimizer::Adam { decay: 0.0, .. } => "Adam".to_owned(),
        Optimizer::Adam { decay, .. } => format!("AdamW, decay {decay}"),
    }
}

/// How it was done, in one sentence.
pub(super) fn setting(comparison: &Comparison) -> String {
    let seeds = comparison.starts.iter().map(|s| s.runs.len()).max();
    let runs = comparison.starts.iter().flat_map(|s| &s.runs);
    let made = runs.map(|run| run.losses.len()).max();
    let steps = match comparison.complete {
        true => comparison.steps,
        false => made.unwrap_or(0),
    };
    let mut text = format!(
        "{}: {} steps of {} samples ({}), {} each",
        comparison.task,
        steps,
        comparison.batch,
        optimizer(comparison.optimizer),
        match seeds.unwrap_or(0) {
            1 => "1 training".to_owned(),
            n => format!("{n} trainings"),
        }
    );
    // Writing into a String does not fail.
    let _ = write!(
        text,
        "; an answer that does not look at the input has loss {}",
        super::loss(comparison.chance)
    );
    text
}

/// Text in lines of at most `width` characters, each after `indent`.
pub(super) fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out.push_str(indent);
            column = indent.chars().count();
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_before_the_margin() {
        assert_eq!(wrapped("one two three", "  ", 9), "  one two\n  three\n");
        assert_eq!(wrapped("", "  ", 9), "\n");
        // A word that is longer than a line gets one of its own.
        assert_eq!(
            wrapped("a incomprehensible b", "", 5),
            "a\nincomprehensible\nb\n"
        );
    }
}
