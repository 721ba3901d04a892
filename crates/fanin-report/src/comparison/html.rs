//! The comparison as one HTML page, in the checker's style: no network, readable without scripts,
//! in light and dark, on a phone and on paper.

use std::fmt::Write as _;

use fanin_train::lesson::{Demonstration, Trial};
use fanin_train::{Comparison, StartResult};

use super::curve::{Spot, accuracies, losses};
use super::layers::{Gradients, Sizes, Units, brief, chosen, units};
use super::terminal::{accuracy, spread};
use super::{ComparisonReport, check_name, lesson, loss, outcome_name, sentence, top};
use crate::html::{STYLE, escape};
use crate::number::percent;

const OWN_STYLE: &str = include_str!("comparison.css");
const SCRIPT: &str = include_str!("comparison.js");

/// Colours and dashes there are for lines; further starts take them round again.
const HUES: usize = 8;
/// Stretches of a curve.
const STRETCHES: usize = 50;
/// Rows of a table of gradients.
const ROWS: usize = 24;

pub(super) fn page(report: &ComparisonReport<'_>) -> String {
    let lead = sentence::outcome(report.comparison);
    let mut page = head(report.model, &lead);
    // Writing into a String does not fail.
    let _ = write!(
        page,
        "<header><h1>{}</h1><p class=\"lead\">{}.</p>{}</header><main>",
        escape(report.model),
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
    let optimizer = match comparison.optimizer {
        fanin_run::train::Optimizer::Sgd { momentum, .. } => format!("SGD, momentum {momentum}"),
        fanin_run::train::Optimizer::Adam { decay: 0.0, .. } => "Adam".to_owned(),
        fanin_run::train::Optimizer::Adam { decay, .. } => format!("AdamW, decay {decay}"),
    };
    let mut text = String::from("<dl class=\"facts\">");
    for (name, value) in [
        ("task", comparison.task.clone()),
        ("optimizer", optimizer),
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
    for paragraph in &trial.seen {
        let _ = write!(page, "<p class=\"seen\">{}</p>", prose(paragraph));
    }
    figures(page, trial);
    page.push_str("</section>");
    // One step is no curve.
    if trial.comparison.steps > 1 {
        comparison(page, &report, &format!("c{k}"));
    }
}

/// Text with what stands between backquotes as code.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(k, part)| match k % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    });
    parts.collect()
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
            let _ = write!(page, "<td class=\"n\">{}</td>", escape(&figure.print(k)));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div>");
}

/// Table, curves and layers of one comparison; `id` keeps its elements apart from another's.
fn comparison(page: &mut String, report: &ComparisonReport<'_>, id: &str) {
    let comparison = report.comparison;
    if !comparison.complete {
        page.push_str(ENDED);
    }
    table(page, report, id);
    curves(page, comparison, id);
    layers(page, comparison, id);
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

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;

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
    fn x(&self, step: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * step / self.steps.max(1) as f64
    }

    fn y(&self, value: f64) -> f64 {
        let share = if value.is_finite() {
            value / self.top
        } else {
            1.0
        };
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share.clamp(0.0, 1.0))
    }

    fn draw(&self, curves: &[(&StartResult, Vec<Spot>)]) -> String {
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" tabindex=\"0\" aria-label=\"{}\">",
            escape(self.label)
        );
        self.axes(&mut svg);
        for (k, (start, spots)) in curves.iter().enumerate() {
            self.line(&mut svg, k, start, spots);
        }
        self.names(&mut svg, curves);
        svg.push_str("<line class=\"cursor\" y1=\"14\" y2=\"300\" x1=\"0\" x2=\"0\"/></svg>");
        svg
    }

    fn axes(&self, svg: &mut String) {
        for k in 0..=4 {
            let value = self.top * f64::from(k) / 4.0;
            let label = if self.percent {
                format!("{:.0} %", 100.0 * value)
            } else {
                format!("{value:.2}")
            };
            let y = self.y(value);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0
            );
        }
        for k in 0..=4 {
            let step = self.steps * k / 4;
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{step}</text>",
                self.x(step as f64),
                HEIGHT - BOTTOM + 18.0
            );
        }
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">step →</text>",
            WIDTH - RIGHT,
            HEIGHT - 5.0
        );
        if let Some((value, name)) = self.level {
            let y = self.y(value);
            let _ = write!(
                svg,
                "<line class=\"level\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                WIDTH - RIGHT,
                WIDTH - RIGHT - 6.0,
                y - 6.0
            );
        }
    }

    /// The band over the seeds and the line of their middle.
    fn line(&self, svg: &mut String, k: usize, start: &StartResult, spots: &[Spot]) {
        let _ = write!(svg, "<g class=\"series s{}\" data-start=\"{k}\">", k % HUES);
        let point =
            |spot: &Spot, value: f64| format!("{:.1} {:.1}", self.x(spot.step), self.y(value));
        if spots.len() > 1 && start.runs.len() > 1 {
            let upper: Vec<String> = spots.iter().map(|s| point(s, s.high)).collect();
            let lower: Vec<String> = spots.iter().rev().map(|s| point(s, s.low)).collect();
            let _ = write!(
                svg,
                "<path class=\"spread\" d=\"M{}L{}Z\"/>",
                upper.join("L"),
                lower.join("L")
            );
        }
        let finite = spots.iter().take_while(|s| s.middle.is_finite());
        let points: Vec<String> = finite
            .map(|s| point(s, s.middle).replace(' ', ","))
            .collect();
        let _ = write!(svg, "<polyline points=\"{}\"/>", points.join(" "));
        if let Some(away) = spots.iter().find(|s| !s.middle.is_finite()) {
            let (x, y) = (self.x(away.step), self.y(f64::INFINITY));
            let _ = write!(
                svg,
                "<path class=\"away\" d=\"M{:.1} {:.1}l10 10m0 -10l-10 10\"><title>{}: numbers ran away</title></path>",
                x - 5.0,
                y - 5.0,
                escape(&start.name)
            );
        }
        svg.push_str("</g>");
    }

    /// Names at the right ends of the lines, pushed apart where they would lie on each other.
    fn names(&self, svg: &mut String, curves: &[(&StartResult, Vec<Spot>)]) {
        const LINE: f64 = 15.0;
        let lasts = curves.iter().enumerate();
        let lasts = lasts.filter_map(|(k, (_, spots))| Some((k, *spots.last()?)));
        // A line that ends early has its name there.
        type Last = (usize, Spot);
        let (early, late): (Vec<Last>, Vec<Last>) =
            lasts.partition(|(_, last)| last.step < 0.8 * self.steps as f64);
        let mut ends: Vec<(f64, f64, usize)> = late
            .into_iter()
            .map(|(k, last)| (self.y(last.middle), self.y(last.middle), k))
            .collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut below = f64::NEG_INFINITY;
        for end in &mut ends {
            end.1 = end.1.max(below + LINE);
            below = end.1;
        }
        // Those that were pushed below the axis come up again.
        let mut above = HEIGHT - BOTTOM + LINE;
        for end in ends.iter_mut().rev() {
            end.1 = end.1.min(above - LINE);
            above = end.1;
        }
        let x = WIDTH - RIGHT;
        for (k, end) in early {
            let _ = write!(
                svg,
                "<g class=\"series s{}\" data-start=\"{k}\"><text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
                k % HUES,
                self.x(end.step) + 12.0,
                self.y(end.middle) + 4.0,
                escape(&clipped(&curves[k].0.name))
            );
        }
        for (y, label, k) in ends {
            let _ = write!(
                svg,
                "<g class=\"series s{}\" data-start=\"{k}\"><path class=\"lead-line\" d=\"M{:.1} {y:.1}L{:.1} {label:.1}\"/>\
                 <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
                k % HUES,
                x + 1.0,
                x + 11.0,
                x + 14.0,
                label + 4.0,
                escape(&clipped(&curves[k].0.name))
            );
        }
    }
}

fn clipped(name: &str) -> String {
    const ROOM: usize = 13;
    if name.chars().count() <= ROOM {
        return name.to_owned();
    }
    let start: String = name.chars().take(ROOM - 1).collect();
    format!("{start}…")
}

fn curves(page: &mut String, comparison: &Comparison, id: &str) {
    let several = comparison.starts.iter().any(|s| s.runs.len() > 1);
    let spread = if several {
        " The line is the median of the trainings, the shade reaches from the lowest to the highest."
    } else {
        ""
    };
    let all = |read: fn(&StartResult, usize) -> Vec<Spot>| -> Vec<(&StartResult, Vec<Spot>)> {
        let starts = comparison.starts.iter();
        starts
            .map(|start| (start, read(start, STRETCHES)))
            .collect()
    };
    let loss_curves = all(losses);
    let _ = write!(
        page,
        "<section id=\"{id}-curves\" class=\"curves\"><h2>Loss</h2><p>Of the batches trained on, from the \
         first step to the last; lower is better.{spread}</p>"
    );
    legend(page, comparison, id);
    let chart = Chart {
        label: "Loss over the steps, a line per start; the table below holds the numbers",
        steps: comparison.steps,
        top: top(comparison),
        level: Some((comparison.chance, "knowing nothing")),
        percent: false,
    };
    figure(page, &chart, &loss_curves);
    let accuracy_curves = all(accuracies);
    if let Some(chance) = comparison.chance_accuracy {
        page.push_str("<h2>Accuracy</h2><p>Share of the batches told right; higher is better.</p>");
        let chart = Chart {
            label: "Accuracy over the steps, a line per start; the table below holds the numbers",
            steps: comparison.steps,
            top: 1.0,
            level: Some((chance, "knowing nothing")),
            percent: true,
        };
        figure(page, &chart, &accuracy_curves);
    }
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
        "left": LEFT,
        "right": WIDTH - RIGHT,
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

/// A card per start: gradients by layer over the first steps, units that no longer answer.
fn layers(page: &mut String, comparison: &Comparison, id: &str) {
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
        "<section id=\"{id}-layers\"><h2>Inside: layer by layer</h2><p>The root mean square of the gradient \
         of each layer's weights, from the first layer down to the last, at the steps that were looked \
         at; the deeper the colour, the larger, on one scale for all starts. A good start has rows of \
         like colour. Below, the units that no longer answer: dead ones put out zero for every sample \
         of the batch, saturated outputs lie where the activation is flat.</p><div class=\"cards\">"
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
