//! A lesson, three ways to read it.

use std::fmt::Write as _;

use fanin_train::lesson::{Demonstration, Figure, Trial};
use serde_json::{Value, json};

use super::sentence::wrapped;
use super::{ComparisonReport, html, json, terminal};

/// Columns of running text.
const WIDTH: usize = 92;

/// Everything that the report of a lesson shows.
#[derive(Clone, Copy, Debug)]
pub struct LessonReport<'a> {
    /// What the lesson showed.
    pub demonstration: &'a Demonstration,
}

impl LessonReport<'_> {
    /// The lesson as an article of at most 100 columns, with ANSI colours (strip them where the
    /// terminal has none).
    pub fn terminal(&self) -> String {
        use owo_colors::OwoColorize as _;
        let shown = self.demonstration;
        let mut out = wrapped(
            &format!("{}: {}", shown.lesson, shown.page.title),
            "",
            WIDTH,
        )
        .bold()
        .to_string();
        for trial in &shown.trials {
            out.push('\n');
            let title = format!("{} — {}", trial.model, trial.title);
            let _ = write!(out, "{}", wrapped(&title, "", WIDTH).bold());
            out.push_str(&starts(trial));
            out.push('\n');
            if trial.comparison.steps > 1 {
                out.push_str(&terminal::table(&ComparisonReport::of(shown, trial)));
                out.push('\n');
                out.push_str(&terminal::layers(&trial.comparison));
                out.push('\n');
            }
            out.push_str(&figures(trial));
            for paragraph in &trial.seen {
                out.push('\n');
                out.push_str(&wrapped(paragraph, "", WIDTH));
            }
        }
        if !shown.complete {
            out.push_str(
                "\nThe lesson was ended before all trainings were done: by the budget (--budget) or by Ctrl-C.\n",
            );
        }
        for (heading, text) in [
            ("Why", shown.page.why),
            ("What to do", shown.page.mend),
            ("Source", shown.page.source),
        ] {
            let _ = write!(out, "\n{}\n{}", heading.bold(), wrapped(text, "", WIDTH));
        }
        out
    }

    /// The lesson as JSON, with a final newline.
    pub fn json(&self) -> String {
        let shown = self.demonstration;
        let trials: Vec<Value> = shown
            .trials
            .iter()
            .map(|trial| {
                let mut document = json::document(&ComparisonReport::of(shown, trial));
                document["title"] = trial.title.as_str().into();
                for (k, what) in trial.starts.iter().enumerate() {
                    document["starts"][k]["what"] = (*what).into();
                }
                document["figures"] = trial
                    .figures
                    .iter()
                    .map(|f| json!({ "what": f.what, "kind": f.kind, "values": f.values }))
                    .collect();
                document["seen"] = trial.seen.clone().into();
                document
            })
            .collect();
        let document = json!({
            "fanin": env!("CARGO_PKG_VERSION"),
            "lesson": shown.lesson.name(),
            "seed": shown.seed,
            "title": shown.page.title,
            "why": shown.page.why,
            "mend": shown.page.mend,
            "source": shown.page.source,
            "trials": trials,
            "complete": shown.complete,
            "seconds": shown.seconds,
        });
        format!("{document}\n")
    }

    /// One HTML page that needs no other file and no network.
    pub fn html(&self) -> String {
        html::lesson(self.demonstration)
    }
}

fn starts(trial: &Trial) -> String {
    let mut out = String::new();
    let all = trial.comparison.starts.iter().zip(&trial.starts);
    for (start, what) in all {
        // Writing into a String does not fail.
        let _ = writeln!(out, "  {:<10} {what}", start.name);
    }
    out
}

/// A row per figure, a column per start.
fn figures(trial: &Trial) -> String {
    let mut out = String::new();
    if trial.figures.is_empty() {
        return out;
    }
    let label = |figure: &Figure| figure.what.chars().count();
    let width = trial.figures.iter().map(label).max().unwrap_or(0).max(20);
    let _ = write!(out, "{:<width$}", "measured");
    for start in &trial.comparison.starts {
        let _ = write!(out, " {:>11}", start.name);
    }
    out.push('\n');
    for figure in &trial.figures {
        let _ = write!(out, "{:<width$}", figure.what);
        for k in 0..figure.values.len() {
            let _ = write!(out, " {:>11}", figure.print(k));
        }
        out.push('\n');
    }
    out
}
