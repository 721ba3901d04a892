//! The page of a checkup: readable without scripts, in light and dark, on a phone and on paper.

mod fixed;
mod phases;
mod seeds;

use fanin_check::{Finding, Severity, Verdict};

use crate::Report;
use crate::chart::{Point, WIDE, bars, cosine_curve, depth_curve, scale_of, title};
use crate::layers::{Layer, layers};
use crate::markup::{Html, prose, template};
use crate::number::{brief, count, percent, short};
use crate::page::{Column, Page, curve, facts, file_name, table};
use crate::terminal::further;

/// A part of the page with its heading and its place in the list of contents.
struct Section {
    id: &'static str,
    /// In the list of contents.
    name: &'static str,
    heading: String,
    body: Html,
}

pub(crate) fn render(report: &Report<'_>) -> String {
    let layers = layers(report);
    let checkup = report.checkup;
    let sections: Vec<Section> = [
        Some(findings(&checkup.findings, &layers)),
        fixed::section(report, &layers),
        seeds::section(report),
        forward(&layers),
        backward(&layers),
        correlation(&layers),
        phases::section(report, &layers),
        distributions(&layers),
        layer_table(&layers),
        plan(report),
    ]
    .into_iter()
    .flatten()
    .collect();
    let model = file_name(&checkup.model);
    let verdict = checkup.verdict.name();
    let links = sections
        .iter()
        .map(|section| template!("checkup/link.html", id = section.id, name = section.name));
    let header = template!(
        "checkup/header.html",
        model = model,
        verdict = verdict,
        lead = lead(checkup.verdict),
        facts = summary(report),
        links = links.collect::<Html>(),
    );
    let shown = sections
        .into_iter()
        .map(|s| crate::page::section(s.id, &s.heading, s.body));
    // Names that the pointer would say; a screen reader has them from the dots.
    let readout = match layers.is_empty() {
        true => Html::EMPTY,
        false => template!("checkup/readout.html"),
    };
    Page {
        title: model,
        subtitle: verdict,
        class: "checkup",
        style: "",
        script: include_str!("../../templates/checkup/script.js"),
        header,
        main: shown.collect::<Html>().then(&readout),
    }
    .render()
}

fn lead(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => {
            "Signals reach the output and gradients reach the input; nothing stands in the way of training."
        }
        Verdict::Doubtful => "Training may start, but something slows it down.",
        Verdict::Faulty => {
            "Training is at risk: see what is at fault, and the change that mends it."
        }
    }
}

fn summary(report: &Report<'_>) -> Html {
    let network = report.network;
    let parameters: u64 = network.parameters.iter().map(|p| p.len() as u64).sum();
    let mut items = vec![
        ("parameters", count(parameters)),
        ("tensors", network.parameters.len().to_string()),
        ("nodes", network.nodes.len().to_string()),
        ("seed", report.checkup.seed.to_string()),
        ("batch", report.checkup.trace.batch.to_string()),
        ("output rms", short(report.checkup.trace.output.rms)),
    ];
    if let Some(loss) = report.checkup.trace.output.initial_loss {
        items.push(("initial loss", short(loss)));
    }
    if let Some(plan) = report.plan {
        items.insert(0, ("recipe", plan.recipe.to_string()));
    }
    facts(&items)
}

fn findings(findings: &[Finding], layers: &[Layer<'_>]) -> Section {
    let shown: Html = findings
        .iter()
        .map(|found| finding(found, layers))
        .collect();
    Section {
        id: "findings",
        name: "Findings",
        heading: "Findings".to_owned(),
        body: match findings.is_empty() {
            true => template!("paragraph.html", text = "None: every rule kept silent."),
            false => template!("checkup/findings.html", findings = shown),
        },
    }
}

fn finding(finding: &Finding, layers: &[Layer<'_>]) -> Html {
    let layer = layers.iter().position(|l| {
        l.row.node == finding.node || finding.parameter.as_deref() == Some(l.parameter)
    });
    let place = finding.parameter.as_deref().unwrap_or(&finding.node);
    let fix = finding.fix.as_ref().map(|fix| {
        let more = further(finding);
        let more = (!more.is_empty()).then(|| template!("paragraph.html", text = more.join("; ")));
        template!(
            "checkup/fix.html",
            parameter = fix.parameter,
            initializer = fix.initializer.to_string(),
            why = prose(&fix.why),
            further = more,
        )
    });
    let [low, high] = finding.evidence.band;
    template!(
        "checkup/finding.html",
        severity = finding.severity.name(),
        code = finding.code.to_string(),
        place = match layer {
            Some(index) => template!("checkup/layer_link.html", index = index, name = place),
            None => template!("text.html", text = place),
        },
        message = prose(&finding.message),
        measured = short(finding.evidence.measured),
        expected = short(finding.evidence.expected),
        low = short(low),
        high = short(high),
        fix = fix,
    )
}

/// Whether a finding that is more than a note blames a layer.
fn blamed(layer: &Layer<'_>) -> bool {
    layer.blamed >= Some(Severity::Warning)
}

fn forward(layers: &[Layer<'_>]) -> Option<Section> {
    let points = layers.iter().map(|layer| {
        let f = &layer.row.forward;
        Point {
            title: title(&layer.name, f.rms, f.predicted_rms, f.band),
            measured: f.rms,
            predicted: f.predicted_rms,
            band: f.band,
            blamed: blamed(layer),
        }
    });
    sizes(
        "forward",
        "Forward",
        "Forward: root mean square of each layer's output",
        "From the input on the left to the output on the right. A healthy start keeps it level.",
        &points.collect::<Vec<_>>(),
    )
}

fn backward(layers: &[Layer<'_>]) -> Option<Section> {
    let points = layers.iter().map(|layer| match &layer.row.backward {
        Some(b) => Point {
            title: title(&layer.name, b.rms, b.predicted_rms, b.band),
            measured: b.rms,
            predicted: b.predicted_rms,
            band: b.band,
            blamed: blamed(layer),
        },
        None => Point {
            title: format!("{}: no gradient reaches", layer.name),
            measured: 0.0,
            predicted: None,
            band: None,
            blamed: blamed(layer),
        },
    });
    sizes(
        "backward",
        "Backward",
        "Backward: root mean square of the gradient at each layer's output",
        "The gradient travels from right to left. A healthy start keeps it level here, too.",
        &points.collect::<Vec<_>>(),
    )
}

/// A curve of sizes; nothing for a network without layers.
fn sizes(
    id: &'static str,
    name: &'static str,
    heading: &str,
    text: &str,
    points: &[Point],
) -> Option<Section> {
    let picture = depth_curve(heading, points, scale_of(points.iter()), WIDE);
    (!points.is_empty()).then(|| Section {
        id,
        name,
        heading: heading.to_owned(),
        body: template!("paragraph.html", text = text).then(&curve(picture, key(points))),
    })
}

/// What the lines, the area and the dots of a curve are.
fn key(points: &[Point]) -> Html {
    let blame = points.iter().any(|point| point.blamed);
    let blame = blame.then(|| template!("checkup/key_blame.html"));
    template!("checkup/key.html", blame = blame)
}

/// How alike different samples look, layer by layer; nothing for a batch of one.
fn correlation(layers: &[Layer<'_>]) -> Option<Section> {
    let measured = |layer: &Layer<'_>| layer.row.forward.sample_cosine;
    if layers.iter().all(|layer| measured(layer).is_none()) {
        return None;
    }
    let points: Vec<Point> = layers
        .iter()
        .map(|layer| {
            let cosine = measured(layer);
            let predicted = layer.cosine.map(|band| band.cosine);
            let band = layer.cosine.map(|band| [band.low, band.high]);
            Point {
                title: title(&layer.name, cosine.unwrap_or(f64::NAN), predicted, band),
                measured: cosine.unwrap_or(f64::NAN),
                predicted,
                band,
                blamed: blamed(layer),
            }
        })
        .collect();
    let heading = "Correlation: cosine between different samples at each layer's output";
    let text = "At 1 the network no longer tells its inputs apart. It rises with depth in every plain network; what \
                counts is how fast.";
    Some(Section {
        id: "correlation",
        name: "Correlation",
        heading: heading.to_owned(),
        body: template!("paragraph.html", text = text)
            .then(&curve(cosine_curve(heading, &points), key(&points))),
    })
}

/// Small multiples: the distribution of values and gradients of every layer, each on its own scale
/// of four root mean squares, so that shapes compare.
fn distributions(layers: &[Layer<'_>]) -> Option<Section> {
    if layers.iter().all(|layer| layer.values.is_none()) {
        return None;
    }
    let shown = layers.iter().enumerate().map(|(index, layer)| {
        let pictures = [("values", layer.values), ("gradients", layer.gradients)].into_iter();
        let pictures: Html = pictures
            .filter_map(|(what, histogram)| {
                let label = format!("{what} at {}", layer.name);
                Some(bars(&label, what, histogram?))
            })
            .collect();
        template!(
            "checkup/distribution.html",
            name = template!("checkup/layer_link.html", index = index, name = layer.name),
            pictures = pictures,
        )
    });
    Some(Section {
        id: "distributions",
        name: "Distributions",
        heading: "Distributions".to_owned(),
        body: template!(
            "checkup/distributions.html",
            layers = shown.collect::<Html>()
        ),
    })
}

fn layer_table(layers: &[Layer<'_>]) -> Option<Section> {
    use Column::{Numbers, Text};
    if layers.is_empty() {
        return None;
    }
    let optional =
        |value: Option<f64>, form: fn(f64) -> String| value.map_or_else(|| "–".to_owned(), form);
    let rows = layers.iter().enumerate().map(|(index, layer)| {
        let (f, b) = (&layer.row.forward, layer.row.backward.as_ref());
        template!(
            "checkup/layer_row.html",
            index = index,
            class = layer.blamed.map(Severity::name),
            number = index + 1,
            name = layer.name,
            op = layer.row.op,
            initializer = brief(layer.initializer.unwrap_or("–")),
            forward = short(f.rms),
            forward_predicted = optional(f.predicted_rms, short),
            backward = optional(b.map(|b| b.rms), short),
            backward_predicted = optional(b.and_then(|b| b.predicted_rms), short),
            zeros = optional(layer.zero, percent),
            saturated = optional(layer.saturated, percent),
            cosine = optional(f.sample_cosine, |x| format!("{x:.3}")),
        )
    });
    let columns = [
        Text("#"),
        Text("layer"),
        Text("op"),
        Text("initializer"),
        Numbers("forward rms"),
        Numbers("predicted"),
        Numbers("backward rms"),
        Numbers("predicted"),
        Numbers("zeros"),
        Numbers("saturated"),
        Numbers("sample cosine"),
    ];
    Some(Section {
        id: "layers",
        name: "Layers",
        heading: "Layers".to_owned(),
        body: table("Layers", &columns, rows.collect()),
    })
}

fn plan(report: &Report<'_>) -> Option<Section> {
    let rows = report.plan?.entries.iter().map(|entry| {
        let shape: Vec<String> = entry.shape.iter().map(usize::to_string).collect();
        template!(
            "checkup/plan_row.html",
            name = entry.name,
            shape = shape.join("×"),
            role = entry.role.to_string(),
            initializer = brief(&entry.initializer.to_string()),
            why = prose(&entry.reason),
        )
    });
    let columns = ["parameter", "shape", "role", "initializer", "why"].map(Column::Text);
    Some(Section {
        id: "plan",
        name: "Plan",
        heading: "Plan".to_owned(),
        body: template!("paragraph.html", text = "What each parameter got, and why.").then(&table(
            "Plan",
            &columns,
            rows.collect(),
        )),
    })
}
