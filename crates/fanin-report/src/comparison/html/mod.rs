//! The comparison as one HTML page, in the checker's style: no network, readable without scripts,
//! in light and dark, on a phone and on paper.

use std::fmt::Write as _;

use fanin_train::lesson::{Demonstration, Figure, Kind, Trial};
use fanin_train::{Comparison, StartResult};

use super::curve::{Spot, accuracies, losses};
use super::layers::{Gradients, Sizes, Units, brief, chosen, units};
use super::lines::{Line, Picture, plain, round_numbers};
use super::terminal::{accuracy, spread};
use super::{ComparisonReport, HUES, check_name, lesson, loss, outcome_name, sentence, top};
use crate::chart::LogScale;
use crate::html::{STYLE, escape, file_name, prose};
use crate::number::{percent, short};

const OWN_STYLE: &str = include_str!("comparison.css");
const SCRIPT: &str = include_str!("comparison.js");

/// Stretches of a curve.
const STRETCHES: usize = 50;
/// Rows of a table of gradients.
const ROWS: usize = 24;

pub(super) fn page(report: &ComparisonReport<'_>) -> String {
    let lead = sentence::outcome(report.comparison);
    let model = file_name(report.model);
    let mut page = head(model, &lead);
    // Writing into a String does not fail.
    let _ = write!(
        page,
        "<header><h1>{}</h1><p class=\"lead\">{}.</p>{}</header><main>",
        escape(model),
        escape(&lead),
        facts(report)
    );
    comparison(&mut page, report, "c");
    foot(&mut page);
    page
}

pub(super) fn lesson(shown: &Demonstration) -> String {
    let title = format!("{}: {}", shown.lesson, shown.page.title);
    let mut page = head(&title, "a lesson");
    let _ = write!(
        page,
        "<header><h1>{}</h1><p class=\"lead\">A lesson of <code>fanin compare --lesson {}</code>. Every \
         number on this page was measured when the page was made, with seed {}.</p></header><main>",
        escape(&title),
        shown.lesson,
        shown.seed
    );
    for (k, trial) in shown.trials.iter().enumerate() {
        told(&mut page, shown, trial, k);
    }
    if !shown.complete {
        page.push_str(ENDED);
    }
    for (id, heading, text) in [
        ("why", "Why", shown.page.why),
        ("mend", "What to do", shown.page.mend),
        ("source", "Source", shown.page.source),
    ] {
        let _ = write!(
            page,
            "<section id=\"{id}\"><h2>{heading}</h2><p>{}</p></section>",
            prose(text)
        );
    }
    foot(&mut page);
    page
}

const ENDED: &str = "<p class=\"ended\">Ended before all trainings were done: by the budget or by \
                     Ctrl-C. What is shown is what there was.</p>";

fn head(title: &str, rest: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{}: {}</title><style>{STYLE}{OWN_STYLE}</style></head><body class=\"comparison\">",
        escape(title),
        escape(rest)
    )
}

fn foot(page: &mut String) {
    let _ = writeln!(
        page,
        "<p id=\"readout\" role=\"status\" aria-live=\"polite\"></p></main><footer>fanin {}</footer>\
         <script>{SCRIPT}</script></body></html>",
        env!("CARGO_PKG_VERSION")
    );
}

fn facts(report: &ComparisonReport<'_>) -> String {
    let comparison = report.comparison;
    let seeds = comparison.starts.iter().map(|s| s.runs.len()).max();
    let mut text = String::from("<dl class=\"facts\">");
    for (name, value) in [
        ("task", comparison.task.clone()),
        ("optimizer", sentence::optimizer(comparison.optimizer)),
        ("steps", comparison.steps.to_string()),
        ("batch", comparison.batch.to_string()),
        ("trainings per start", seeds.unwrap_or(0).to_string()),
        ("first seed", report.seed.to_string()),
        ("loss of knowing nothing", loss(comparison.chance)),
    ] {
        let _ = write!(
            text,
            "<div><dt>{name}</dt><dd>{}</dd></div>",
            escape(&value)
        );
    }
    text.push_str("</dl>");
    text
}

/// One network of a lesson.
fn told(page: &mut String, shown: &Demonstration, trial: &Trial, k: usize) {
    let report = lesson::report(shown, trial);
    let _ = write!(
        page,
        "<section class=\"trial\" id=\"trial-{k}\"><h2>{}</h2><p><code>{}</code></p><dl class=\"starts\">",
        escape(&capital(&trial.title)),
        escape(&trial.model)
    );
    for (place, (start, what)) in trial
        .comparison
        .starts
        .iter()
        .zip(&trial.starts)
        .enumerate()
    {
        let _ = write!(
            page,
            "<dt><span class=\"swatch s{}\"></span>{}</dt><dd>{}</dd>",
            place % HUES,
            escape(&start.name),
            escape(what)
        );
    }
    page.push_str("</dl>");
    // One step is no curve.
    let trained = trial.comparison.steps > 1;
    if trained {
        if !trial.comparison.complete {
            page.push_str(ENDED);
        }
        pictures(page, &trial.comparison);
    }
    for paragraph in &trial.seen {
        let _ = write!(page, "<p class=\"seen\">{}</p>", prose(paragraph));
    }
    figures(page, trial);
    if trained {
        page.push_str(
            "<details><summary>All that was measured: results, accuracy, layer by layer</summary>",
        );
        table(page, &report, &format!("c{k}"));
        let _ = write!(page, "<section id=\"c{k}-curves\" class=\"curves\">");
        accuracy_curves(page, &trial.comparison);
        numbers(page, &trial.comparison);
        page.push_str("</section>");
        layers(page, &trial.comparison, &format!("c{k}"), false);
        page.push_str("</details>");
    }
    page.push_str("</section>");
}

/// That a line leaves the picture, where one does.
fn beyond(comparison: &Comparison) -> &'static str {
    let above = |s: &Spot| s.middle.is_finite() && s.middle > top(comparison);
    let starts = comparison.starts.iter();
    match starts.flat_map(|s| losses(s, STRETCHES)).any(|s| above(&s)) {
        true => " Where a line runs along the upper edge the loss is higher still.",
        false => "",
    }
}

/// What a lesson is about: the curves, and where the gradients differ.
fn pictures(page: &mut String, comparison: &Comparison) {
    let _ = write!(
        page,
        "<h3 class=\"sub\">Loss: {}</h3><p class=\"note\">Of the batches trained on; lower is better. \
         Above the dotted line an answer is worse than not looking at the input at all.{}</p>",
        escape(&sentence::seen(comparison)),
        beyond(comparison)
    );
    loss_figure(page, comparison);
    let all: Vec<Gradients> = comparison
        .starts
        .iter()
        .map(|start| Gradients::of(comparison, start))
        .collect();
    if let Some(picture) = gradients_by_layer(comparison, &all) {
        let _ = write!(
            page,
            "<h3 class=\"sub\">What each layer is told: the gradient of its weights at the first step</h3>\
             <p class=\"note\">{GRADIENTS}</p>{picture}"
        );
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().collect::<String>() + chars.as_str(),
        None => String::new(),
    }
}

fn figures(page: &mut String, trial: &Trial) {
    if trial.figures.is_empty() {
        return;
    }
    page.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Measured\"><table><thead><tr>\
         <th>measured</th>",
    );
    for start in &trial.comparison.starts {
        let _ = write!(page, "<th class=\"n\">{}</th>", escape(&start.name));
    }
    page.push_str("</tr></thead><tbody>");
    for figure in &trial.figures {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escape(&figure.what));
        for k in 0..figure.values.len() {
            let bar = match bar(figure, k) {
                Some(share) => format!(
                    " class=\"n bar s{}\" style=\"--w:{:.0}%\"",
                    k % HUES,
                    100.0 * share
                ),
                None => " class=\"n\"".to_owned(),
            };
            let _ = write!(page, "<td{bar}>{}</td>", escape(&figure.print(k)));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div>");
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

/// Table, curves and layers of one comparison; `id` keeps its elements apart from another's.
fn comparison(page: &mut String, report: &ComparisonReport<'_>, id: &str) {
    let comparison = report.comparison;
    if !comparison.complete {
        page.push_str(ENDED);
    }
    table(page, report, id);
    curves(page, comparison, id);
    layers(page, comparison, id, true);
}

fn table(page: &mut String, report: &ComparisonReport<'_>, id: &str) {
    let comparison = report.comparison;
    let checked = !report.checks.is_empty();
    let classes = comparison.chance_accuracy.is_some();
    let several = comparison.starts.iter().any(|s| s.runs.len() > 1);
    let half = comparison.target.map_or_else(
        || "half way".to_owned(),
        |target| format!("steps to {}", loss(target)),
    );
    let _ = write!(
        page,
        "<section id=\"{id}-table\"><h2>What each start came to</h2><div class=\"scroll\" tabindex=\"0\" \
         role=\"region\" aria-label=\"Starts\"><table><thead><tr><th>start</th>{}<th>result</th>\
         <th class=\"n\">loss</th>{}{}<th class=\"n\">{half}</th>\
         <th class=\"n\">learning rate</th></tr></thead><tbody>",
        if checked { "<th>check said</th>" } else { "" },
        if several {
            "<th class=\"n\">lowest to highest</th>"
        } else {
            ""
        },
        if classes {
            "<th class=\"n\">accuracy, held out</th>"
        } else {
            ""
        },
    );
    for (k, start) in comparison.starts.iter().enumerate() {
        let dash = || "–".to_owned();
        let outcome = start.verdict.map_or("", |v| outcome_name(v.outcome));
        let _ = write!(
            page,
            "<tr><th scope=\"row\"><span class=\"swatch s{}\"></span>{}</th>",
            k % HUES,
            escape(&start.name)
        );
        if checked {
            let check = report.check(k).map_or("–", check_name);
            let _ = write!(page, "<td><span class=\"word {check}\">{check}</span></td>");
        }
        let _ = write!(
            page,
            "<td><span class=\"word {outcome}\">{outcome}</span></td><td class=\"n\">{}</td>",
            start.final_loss.map_or_else(dash, loss),
        );
        if several {
            let _ = write!(page, "<td class=\"n\">{}</td>", spread(start, " to "));
        }
        if classes {
            let _ = write!(
                page,
                "<td class=\"n\">{}</td>",
                accuracy(start).map_or_else(dash, percent)
            );
        }
        let steps = match (start.steps_to_target, comparison.target) {
            (Some(steps), _) => steps.to_string(),
            (None, Some(_)) => "never".to_owned(),
            (None, None) => dash(),
        };
        let _ = write!(
            page,
            "<td class=\"n\">{steps}</td><td class=\"n\">{}</td></tr>",
            start.rate.map_or_else(dash, |rate| format!("{rate:.1e}")),
        );
    }
    page.push_str("</tbody></table></div>");
    if let Some(target) = comparison.target {
        let _ = write!(
            page,
            "<p class=\"note\">A loss of {} is half of the way from knowing nothing ({}) to the best start.</p>",
            loss(target),
            loss(comparison.chance)
        );
    }
    page.push_str("</section>");
}

/// A chart over the steps.
struct Chart<'a> {
    label: &'a str,
    steps: usize,
    /// The upper end of the axis; the lower is 0.
    top: f64,
    /// A level that is drawn across, and its name.
    level: Option<(f64, &'a str)>,
    percent: bool,
}

impl Chart<'_> {
    /// How far up a value lies, at most at the upper end.
    fn height(&self, value: f64) -> f64 {
        if value.is_finite() {
            (value / self.top).clamp(0.0, 1.0)
        } else {
            1.0
        }
    }

    fn draw(&self, curves: &[(&StartResult, Vec<Spot>)]) -> String {
        let steps = self.steps.max(1) as f64;
        let heights = round_numbers(self.top).into_iter().map(|value| {
            let label = match self.percent {
                true => format!("{:.0} %", 100.0 * value),
                false => plain(value),
            };
            (value / self.top, label)
        });
        let ticks = round_numbers(steps).into_iter();
        let lines = curves.iter().map(|(start, spots)| {
            let finite = || spots.iter().take_while(|s| s.middle.is_finite());
            let away = spots.iter().find(|s| !s.middle.is_finite());
            Line {
                name: &start.name,
                points: finite()
                    .map(|s| [s.step / steps, self.height(s.middle)])
                    .collect(),
                spread: match start.runs.len() {
                    0 | 1 => Vec::new(),
                    _ => finite()
                        .map(|s| [self.height(s.low), self.height(s.high)])
                        .collect(),
                },
                titles: Vec::new(),
                away: away.map(|s| [s.step / steps, 1.0]),
            }
        });
        Picture {
            label: self.label,
            lines: lines.collect(),
            heights: heights.collect(),
            ticks: ticks.map(|step| (step / steps, plain(step))).collect(),
            along: "step",
            level: self.level.map(|(value, name)| (self.height(value), name)),
            stops: true,
        }
        .draw()
    }
}

/// Below the picture of [`gradients_by_layer`].
const GRADIENTS: &str = "Root mean square, from the first layer on the left to the last on the right; every \
                         line of the axis is a factor. A good start is about level; where a line lies far \
                         below the others the layer is told next to nothing, at 0 nothing at all.";

/// The gradient of each layer's weights at the first step, a line per start; nothing for fewer than
/// three layers, which are no curve.
fn gradients_by_layer(comparison: &Comparison, all: &[Gradients]) -> Option<String> {
    /// About how many layers get a number below them.
    const NUMBERS: usize = 10;
    let first = all.iter().flat_map(|g| g.steps.first().copied()).min()?;
    let layers = comparison.weights.len();
    let curves: Vec<Vec<f64>> = all.iter().map(|g| g.at(first)).collect();
    if layers < 3 || curves.iter().all(|curve| curve.len() < layers) {
        return None;
    }
    let scale = LogScale::over(curves.iter().flatten().copied());
    // Zero has a line of its own below the axis.
    let none = curves.iter().flatten().any(|value| *value == 0.0);
    let lift = if none { 0.15 } else { 0.0 };
    let height = |value: f64| match value == 0.0 {
        true => 0.0,
        false => lift + (1.0 - lift) * scale.position(value),
    };
    let x = |layer: usize| (layer as f64 + 0.5) / layers as f64;
    let lines = comparison.starts.iter().zip(&curves).map(|(start, curve)| {
        let titles = curve.iter().zip(&comparison.weights);
        Line {
            name: &start.name,
            points: (0..)
                .zip(curve)
                .map(|(k, value)| [x(k), height(*value)])
                .collect(),
            titles: titles
                .map(|(value, name)| format!("{}, {name}: {}", start.name, short(*value)))
                .collect(),
            ..Line::default()
        }
    });
    let ticks = (0..layers).step_by(layers.div_ceil(NUMBERS).max(1));
    let picture = Picture {
        label: "Gradient of each layer's weights at the first step, a line per start; a table below holds the numbers",
        lines: lines.collect(),
        heights: none
            .then(|| (0.0, "0".to_owned()))
            .into_iter()
            .chain(scale.ticks())
            .map(|(value, label)| (height(value), label))
            .collect(),
        ticks: ticks.map(|k| (x(k), (k + 1).to_string())).collect(),
        along: "layer",
        level: None,
        stops: false,
    };
    Some(format!(
        "<figure class=\"curve\">{}</figure>",
        picture.draw()
    ))
}

/// All starts with a curve each.
fn all(
    comparison: &Comparison,
    read: fn(&StartResult, usize) -> Vec<Spot>,
) -> Vec<(&StartResult, Vec<Spot>)> {
    let starts = comparison.starts.iter();
    starts
        .map(|start| (start, read(start, STRETCHES)))
        .collect()
}

fn loss_figure(page: &mut String, comparison: &Comparison) {
    let chart = Chart {
        label: "Loss over the steps, a line per start; a table below holds the numbers",
        steps: comparison.steps,
        top: top(comparison),
        level: Some((comparison.chance, "knowing nothing")),
        percent: false,
    };
    figure(page, &chart, &all(comparison, losses));
}

fn accuracy_curves(page: &mut String, comparison: &Comparison) {
    let Some(chance) = comparison.chance_accuracy else {
        return;
    };
    page.push_str("<h2>Accuracy</h2><p>Share of the batches told right; higher is better.</p>");
    let chart = Chart {
        label: "Accuracy over the steps, a line per start",
        steps: comparison.steps,
        top: 1.0,
        level: Some((chance, "knowing nothing")),
        percent: true,
    };
    figure(page, &chart, &all(comparison, accuracies));
}

fn curves(page: &mut String, comparison: &Comparison, id: &str) {
    let several = comparison.starts.iter().any(|s| s.runs.len() > 1);
    let spread = if several {
        " The line is the median of the trainings, the shade reaches from the lowest to the highest."
    } else {
        ""
    };
    let _ = write!(
        page,
        "<section id=\"{id}-curves\" class=\"curves\"><h2>Loss</h2><p>Of the batches trained on, from the \
         first step to the last; lower is better.{spread}{}</p>",
        beyond(comparison)
    );
    legend(page, comparison, id);
    loss_figure(page, comparison);
    accuracy_curves(page, comparison);
    numbers(page, comparison);
    page.push_str("</section>");
}

/// Boxes that take lines out of the picture and put them back; they work without a script.
fn legend(page: &mut String, comparison: &Comparison, id: &str) {
    if comparison.starts.len() < 2 {
        return;
    }
    page.push_str("<fieldset class=\"legend\"><legend>Lines shown</legend>");
    for (k, start) in comparison.starts.iter().enumerate() {
        let _ = write!(
            page,
            "<label><input type=\"checkbox\" checked class=\"show{k}\" id=\"{id}-show-{k}\"><span class=\"swatch s{}\"></span>{}</label>",
            k % HUES,
            escape(&start.name)
        );
    }
    page.push_str("</fieldset>");
}

fn figure(page: &mut String, chart: &Chart<'_>, curves: &[(&StartResult, Vec<Spot>)]) {
    let data: Vec<serde_json::Value> = curves
        .iter()
        .map(|(start, spots)| {
            let values: Vec<Option<f64>> = spots
                .iter()
                .map(|s| s.middle.is_finite().then(|| (s.middle * 1e4).round() / 1e4))
                .collect();
            serde_json::json!({ "name": start.name, "values": values })
        })
        .collect();
    let steps: Vec<f64> = curves
        .iter()
        .map(|(_, spots)| spots)
        .max_by_key(|spots| spots.len())
        .map(|spots| spots.iter().map(|s| s.step).collect())
        .unwrap_or_default();
    let data = serde_json::json!({
        "steps": steps,
        "starts": data,
        "last": chart.steps,
        "percent": chart.percent,
    });
    let _ = write!(
        page,
        "<figure class=\"curve\" data-curve=\"{}\">{}</figure>",
        escape(&data.to_string()),
        chart.draw(curves)
    );
}

/// The curves in numbers, for those who do not see them.
fn numbers(page: &mut String, comparison: &Comparison) {
    const COLUMNS: usize = 10;
    let all: Vec<Vec<Spot>> = comparison
        .starts
        .iter()
        .map(|s| losses(s, COLUMNS))
        .collect();
    let Some(longest) = all.iter().max_by_key(|spots| spots.len()) else {
        return;
    };
    page.push_str(
        "<details><summary>The losses in numbers</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Losses\"><table><thead><tr><th>around step</th>",
    );
    for spot in longest {
        let _ = write!(page, "<th class=\"n\">{:.0}</th>", spot.step);
    }
    page.push_str("</tr></thead><tbody>");
    for (start, spots) in comparison.starts.iter().zip(&all) {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escape(&start.name));
        for k in 0..longest.len() {
            let value = spots.get(k).map_or_else(String::new, |s| loss(s.middle));
            let _ = write!(page, "<td class=\"n\">{value}</td>");
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div></details>");
}

/// The first gradients as a picture, if asked for; a card per start: gradients by layer over the first steps, units that no longer answer.
fn layers(page: &mut String, comparison: &Comparison, id: &str, picture: bool) {
    let all: Vec<(Gradients, Vec<Units>)> = comparison
        .starts
        .iter()
        .map(|start| (Gradients::of(comparison, start), units(start)))
        .collect();
    if all.iter().all(|(gradients, _)| gradients.steps.is_empty()) {
        return;
    }
    let sizes = Sizes::shared(comparison, all.iter().map(|(gradients, _)| gradients));
    let _ = write!(
        page,
        "<section id=\"{id}-layers\"><h2>Inside: layer by layer</h2>"
    );
    if picture {
        let gradients: Vec<Gradients> = all.iter().map(|(g, _)| g.clone()).collect();
        if let Some(picture) = gradients_by_layer(comparison, &gradients) {
            let _ = write!(
                page,
                "<h3 class=\"sub\">The gradient of each layer's weights at the first step</h3>\
                 <p class=\"note\">{GRADIENTS}</p>{picture}"
            );
        }
    }
    page.push_str(
        "<p>The root mean square of the gradient \
         of each layer's weights, from the first layer down to the last, at the steps that were looked \
         at; the deeper the colour, the larger, on one scale for all starts. A good start has rows of \
         like colour. Below, the units that no longer answer: dead ones put out zero for every sample \
         of the batch, saturated outputs lie where the activation is flat.</p><div class=\"cards\">",
    );
    for (k, (start, (gradients, units))) in comparison.starts.iter().zip(&all).enumerate() {
        let _ = write!(
            page,
            "<div class=\"card\"><h3><span class=\"swatch s{}\"></span>{}</h3>",
            k % HUES,
            escape(&start.name)
        );
        heat(page, gradients, sizes, &start.name);
        unit_table(page, units, &start.name);
        page.push_str("</div>");
    }
    page.push_str("</div></section>");
}

fn heat(page: &mut String, gradients: &Gradients, sizes: Sizes, name: &str) {
    let _ = write!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Gradients of {0}\"><table class=\"heat\">\
         <caption>gradient rms</caption><thead><tr><th>step</th>",
        escape(name)
    );
    for step in &gradients.steps {
        let _ = write!(page, "<th class=\"n\">{step}</th>");
    }
    page.push_str("</tr></thead><tbody>");
    for k in chosen(gradients.rows.len(), ROWS) {
        let (parameter, values) = &gradients.rows[k];
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", tail(parameter));
        for value in values {
            match value {
                None => page.push_str("<td></td>"),
                Some(value) => {
                    let depth = sizes.place(*value).map_or(0.0, |place| 45.0 * place);
                    let _ = write!(
                        page,
                        "<td class=\"n\" style=\"--h:{depth:.0}%\">{}</td>",
                        brief(*value)
                    );
                }
            }
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div>");
    if gradients.rows.len() > ROWS {
        let _ = write!(
            page,
            "<p class=\"note\">{ROWS} of {} layers; the JSON has all.</p>",
            gradients.rows.len()
        );
    }
}

fn unit_table(page: &mut String, units: &[Units], name: &str) {
    let dead = units.iter().any(|u| u.dead[0].is_some());
    let saturated = units.iter().any(|u| u.saturated[0].is_some());
    if !dead && !saturated {
        return;
    }
    let _ = write!(
        page,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Units of {0}\"><table class=\"heat\">\
         <caption>units, at the start and at the end</caption><thead><tr><th>activation</th>",
        escape(name)
    );
    for (there, label) in [(dead, "dead"), (saturated, "saturated")] {
        if there {
            let _ = write!(
                page,
                "<th class=\"n\">{label}, start</th><th class=\"n\">end</th>"
            );
        }
    }
    page.push_str("</tr></thead><tbody>");
    for k in chosen(units.len(), ROWS) {
        let unit = &units[k];
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", tail(&unit.node));
        for (there, pair) in [(dead, unit.dead), (saturated, unit.saturated)] {
            if !there {
                continue;
            }
            for share in pair {
                match share {
                    None => page.push_str("<td class=\"n\">–</td>"),
                    Some(share) => {
                        let _ = write!(
                            page,
                            "<td class=\"n bad\" style=\"--h:{:.0}%\">{}</td>",
                            45.0 * share,
                            percent(share)
                        );
                    }
                }
            }
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div>");
}

/// The end of a long name, which is what tells layers apart; the whole of it on hover.
fn tail(name: &str) -> String {
    const ROOM: usize = 26;
    let length = name.chars().count();
    if length <= ROOM {
        return escape(name);
    }
    let end: String = name.chars().skip(length - ROOM + 1).collect();
    format!("<span title=\"{}\">…{}</span>", escape(name), escape(&end))
}
