//! The page of a lesson.

use fanin_train::lesson::{Demonstration, Figure, Kind, Trial};

use super::super::{ComparisonReport, sentence};
use super::cells::{head, head_of_numbers, number, row, row_name};
use super::{curves, inside, render, results};
use crate::chart::HUES;
use crate::markup::{Html, prose, template};
use crate::page::{details, section, subheading};

pub(crate) fn page(shown: &Demonstration) -> String {
    let title = format!("{}: {}", shown.lesson, shown.page.title);
    let header = template!(
        "comparison/header.html",
        title = title,
        lead = template!(
            "comparison/lesson_lead.html",
            lesson = shown.lesson.name(),
            seed = shown.seed.to_string(),
        ),
        facts = Html::EMPTY,
    );
    let trials = shown.trials.iter().enumerate();
    let trials = trials.map(|(k, one)| trial(shown, one, k));
    let ended = (!shown.complete).then(|| template!("comparison/ended.html"));
    let texts = [
        ("why", "Why", shown.page.why),
        ("mend", "What to do", shown.page.mend),
        ("source", "Source", shown.page.source),
    ];
    let texts = texts.into_iter().map(|(id, heading, text)| {
        section(id, heading, template!("paragraph.html", text = prose(text)))
    });
    let main = trials.chain(ended).chain(texts).collect();
    render(&title, "a lesson", header, main)
}

/// One network of a lesson.
fn trial(shown: &Demonstration, trial: &Trial, k: usize) -> Html {
    let comparison = &trial.comparison;
    let starts = comparison.starts.iter().zip(&trial.starts).enumerate();
    let starts = starts.map(|(place, (start, what))| {
        template!(
            "comparison/trial_start.html",
            hue = place % HUES,
            name = start.name,
            what = what,
        )
    });
    // One step is no curve.
    let trained = comparison.steps > 1;
    let mut body = Vec::new();
    if trained {
        body.extend((!comparison.complete).then(|| template!("comparison/ended.html")));
        body.push(pictures(trial));
    }
    let seen = trial.seen.iter();
    body.extend(seen.map(|text| template!("comparison/seen.html", text = prose(text))));
    body.extend(figures(trial));
    if trained {
        let id = format!("c{k}");
        let all = [
            results::section(&ComparisonReport::of(shown, trial), &id),
            curves::further(comparison, &id),
            inside::section(comparison, &id, false).unwrap_or_default(),
        ];
        body.push(details(
            "All that was measured: results, accuracy, layer by layer",
            all.into_iter().collect(),
        ));
    }
    template!(
        "comparison/trial.html",
        id = format!("trial-{k}"),
        title = capital(&trial.title),
        model = trial.model,
        starts = starts.collect::<Html>(),
        body = body.into_iter().collect::<Html>(),
    )
}

/// What a lesson is about: the curves, and where the gradients differ.
fn pictures(trial: &Trial) -> Html {
    let comparison = &trial.comparison;
    let text = format!(
        "Of the batches trained on; lower is better. Above the dotted line an answer is worse than not looking at the \
         input at all.{}",
        curves::beyond(comparison)
    );
    [
        subheading(&format!("Loss: {}", sentence::seen(comparison))),
        template!("note.html", text = text),
        curves::loss_figure(comparison),
        inside::first_gradients(
            comparison,
            "What each layer is told: the gradient of its weights at the first step",
        )
        .unwrap_or_default(),
    ]
    .into_iter()
    .collect()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().collect::<String>() + chars.as_str(),
        None => String::new(),
    }
}

fn figures(trial: &Trial) -> Option<Html> {
    let names = trial.comparison.starts.iter();
    let names = names.map(|start| head_of_numbers(&start.name));
    let rows = trial.figures.iter().map(|figure| {
        let cells = (0..figure.values.len()).map(|k| match bar(figure, k) {
            Some(share) => template!(
                "comparison/number_with_bar.html",
                hue = k % HUES,
                share = format!("{:.0}", 100.0 * share),
                text = figure.print(k),
            ),
            None => number(&figure.print(k)),
        });
        row(std::iter::once(row_name(&figure.what)).chain(cells))
    });
    (!trial.figures.is_empty()).then(|| {
        template!(
            "table.html",
            label = "Measured",
            head = std::iter::once(head("measured"))
                .chain(names)
                .collect::<Html>(),
            rows = rows.collect::<Html>(),
        )
    })
}

/// How long the bar behind a figure is: a share of one, or of the row's largest.
fn bar(figure: &Figure, start: usize) -> Option<f64> {
    let value = figure.values.get(start).copied().flatten()?;
    let most = match figure.kind {
        // Over many decades a bar says nothing.
        Kind::Size => return None,
        Kind::Share => 1.0,
        Kind::Loss | Kind::Count => {
            let finite = figure.values.iter().flatten().filter(|v| v.is_finite());
            finite.copied().fold(0.0, f64::max)
        }
    };
    (most > 0.0 && most < 1e4 && value.is_finite()).then(|| (value / most).clamp(0.0, 1.0))
}
