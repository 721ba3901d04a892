//! The HTML page: one file, no network, readable without scripts, in light and dark, on a phone
//! and on paper.

mod fixed;
mod phases;
mod seeds;

use std::fmt::Write as _;

use fanin_check::{Finding, Severity, Verdict};

use crate::Report;
use crate::bars::bars;
use crate::chart::{Point, WIDE, cosine_curve, depth_curve, scale_of, title};
use crate::layers::{Layer, layers};
use crate::number::{brief, count, percent, short};
use crate::terminal::{further, severity_name};

pub(crate) const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

pub(crate) fn render(report: &Report<'_>) -> String {
    let layers = layers(report);
    let checkup = report.checkup;
    let mut page = String::with_capacity(64 << 10);
    // Writing into a String does not fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{model}: {verdict}</title><style>{STYLE}</style></head><body>\
         <header><h1>{model}</h1><p class=\"verdict {verdict}\">{verdict}</p>\
         <p class=\"lead\">{lead}</p>{summary}</header>",
        model = escape(file_name(&checkup.model)),
        verdict = verdict_name(checkup.verdict),
        lead = lead(checkup.verdict),
        summary = summary(report),
    );
    let mut main = String::with_capacity(64 << 10);
    findings(&mut main, &checkup.findings, &layers);
    fixed::section(&mut main, report, &layers);
    seeds::section(&mut main, report);
    curves(&mut main, &layers);
    phases::section(&mut main, report, &layers);
    distributions(&mut main, &layers);
    table(&mut main, &layers);
    plan(&mut main, report);
    contents(&mut page, &main);
    let _ = write!(page, "<main>{main}");
    if !layers.is_empty() {
        // Names that the pointer would say; a screen reader has them from the dots.
        page.push_str("<p id=\"readout\" aria-hidden=\"true\"></p>");
    }
    let _ = writeln!(
        page,
        "</main><footer>fanin {}</footer><script>{SCRIPT}</script></body></html>",
        env!("CARGO_PKG_VERSION")
    );
    page
}

/// Links to the sections that are there.
fn contents(page: &mut String, main: &str) {
    page.push_str("<nav aria-label=\"Sections\">");
    for (id, name) in [
        ("findings", "Findings"),
        ("fix", "Before and after"),
        ("seeds", "Seeds"),
        ("forward", "Forward"),
        ("backward", "Backward"),
        ("correlation", "Correlation"),
        ("phases", "Order and chaos"),
        ("distributions", "Distributions"),
        ("layers", "Layers"),
        ("plan", "Plan"),
    ] {
        if main.contains(&format!("<section id=\"{id}\">")) {
            let _ = write!(page, "<a href=\"#{id}\">{name}</a>");
        }
    }
    page.push_str("</nav>");
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "healthy",
        Verdict::Doubtful => "doubtful",
        Verdict::Faulty => "faulty",
    }
}

/// The name of a model's file without its folders, which are nobody else's business; a one-line
/// architecture as it is.
pub(crate) fn file_name(model: &str) -> &str {
    match model.contains('(') {
        true => model,
        false => model.rsplit(['/', '\\']).next().unwrap_or(model),
    }
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

fn summary(report: &Report<'_>) -> String {
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
    let mut text = String::from("<dl class=\"facts\">");
    for (name, value) in items {
        let _ = write!(
            text,
            "<div><dt>{name}</dt><dd>{}</dd></div>",
            escape(&value)
        );
    }
    text.push_str("</dl>");
    text
}

fn findings(page: &mut String, findings: &[Finding], layers: &[Layer<'_>]) {
    let _ = write!(page, "<section id=\"findings\"><h2>Findings</h2>");
    if findings.is_empty() {
        page.push_str("<p>None: every rule kept silent.</p></section>");
        return;
    }
    page.push_str("<ol class=\"findings\">");
    for finding in findings {
        let severity = severity_name(finding.severity);
        let layer = layers.iter().position(|l| {
            l.row.node == finding.node || finding.parameter.as_deref() == Some(l.parameter)
        });
        let place = finding.parameter.as_deref().unwrap_or(&finding.node);
        let place = match layer {
            Some(index) => format!("<a href=\"#layer-{index}\">{}</a>", escape(place)),
            None => escape(place),
        };
        let [low, high] = finding.evidence.band;
        let _ = write!(
            page,
            "<li class=\"{severity}\"><h3><span class=\"code\">{} {}</span> {place}</h3><p>{}</p>\
             <p class=\"evidence\">measured <b>{}</b>, expected {} (band {} to {})</p>",
            finding.code,
            severity,
            prose(&finding.message),
            short(finding.evidence.measured),
            short(finding.evidence.expected),
            short(low),
            short(high),
        );
        if let Some(fix) = &finding.fix {
            let _ = write!(
                page,
                "<p class=\"fix\"><b>Fix</b> <code>{} = {}</code> {}</p>",
                escape(&fix.parameter),
                escape(&fix.initializer.to_string()),
                prose(&fix.why)
            );
            let more = further(finding);
            if !more.is_empty() {
                let _ = write!(page, "<p>{}</p>", escape(&more.join("; ")));
            }
        }
        page.push_str("</li>");
    }
    page.push_str("</ol></section>");
}

fn curves(page: &mut String, layers: &[Layer<'_>]) {
    if layers.is_empty() {
        return;
    }
    let blamed = |layer: &Layer<'_>| layer.blamed >= Some(Severity::Warning);
    let forward: Vec<Point> = layers
        .iter()
        .map(|layer| {
            let f = &layer.row.forward;
            Point {
                title: title(&layer.name, f.rms, f.predicted_rms, f.band),
                measured: f.rms,
                predicted: f.predicted_rms,
                band: f.band,
                blamed: blamed(layer),
            }
        })
        .collect();
    let backward: Vec<Point> = layers
        .iter()
        .map(|layer| match &layer.row.backward {
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
        })
        .collect();
    for (id, heading, text, points) in [
        (
            "forward",
            "Forward: root mean square of each layer's output",
            "From the input on the left to the output on the right. A healthy start keeps it level.",
            forward,
        ),
        (
            "backward",
            "Backward: root mean square of the gradient at each layer's output",
            "The gradient travels from right to left. A healthy start keeps it level here, too.",
            backward,
        ),
    ] {
        let _ = write!(
            page,
            "<section id=\"{id}\"><h2>{heading}</h2><p>{text}</p><figure class=\"curve\">{}\
             {}</figure></section>",
            depth_curve(heading, &points, scale_of(points.iter()), WIDE),
            key(&points)
        );
    }
    cosines(page, layers);
}

/// What the lines, the area and the dots of a curve are.
fn key(points: &[Point]) -> String {
    let mut text = String::from(
        "<figcaption><span class=\"key measured\">measured</span> \
         <span class=\"key predicted\">predicted for these weights</span> \
         <span class=\"key band\">band that luck leaves</span>",
    );
    if points.iter().any(|point| point.blamed) {
        text.push_str(" <span class=\"key blame\">blamed by a finding</span>");
    }
    text.push_str("</figcaption>");
    text
}

/// How alike different samples look, layer by layer; nothing for a batch of one.
fn cosines(page: &mut String, layers: &[Layer<'_>]) {
    let measured = |layer: &Layer<'_>| layer.row.forward.sample_cosine;
    if layers.iter().all(|layer| measured(layer).is_none()) {
        return;
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
                blamed: layer.blamed >= Some(Severity::Warning),
            }
        })
        .collect();
    let heading = "Correlation: cosine between different samples at each layer's output";
    let _ = write!(
        page,
        "<section id=\"correlation\"><h2>{heading}</h2><p>At 1 the network no longer tells its inputs \
         apart. It rises with depth in every plain network; what counts is how fast.</p>\
         <figure class=\"curve\">{}{}</figure></section>",
        cosine_curve(heading, &points),
        key(&points)
    );
}

/// Small multiples: the distribution of values and gradients of every layer, each on its own scale
/// of four root mean squares, so that shapes compare.
fn distributions(page: &mut String, layers: &[Layer<'_>]) {
    if layers.iter().all(|layer| layer.values.is_none()) {
        return;
    }
    page.push_str(
        "<section id=\"distributions\"><h2>Distributions</h2><p>Values behind each layer's activation, and \
         gradients at its output; the axis of each runs four root mean squares to either side of zero, \
         so shapes compare where scales do not.</p><div class=\"multiples\">",
    );
    for (index, layer) in layers.iter().enumerate() {
        let _ = write!(
            page,
            "<figure class=\"small\"><figcaption><a href=\"#layer-{index}\">{}</a></figcaption>",
            escape(&layer.name)
        );
        for (what, histogram) in [("values", layer.values), ("gradients", layer.gradients)] {
            if let Some(histogram) = histogram {
                let label = format!("{what} at {}", layer.name);
                page.push_str(&bars(&label, what, histogram));
            }
        }
        page.push_str("</figure>");
    }
    page.push_str(
        "</div><p><span class=\"key values\">values</span> &nbsp; <span class=\"key gradients\">gradients</span></p></section>",
    );
}

fn table(page: &mut String, layers: &[Layer<'_>]) {
    if layers.is_empty() {
        return;
    }
    page.push_str(
        "<section id=\"layers\"><h2>Layers</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Layers\"><table><thead><tr><th scope=\"col\">#</th><th scope=\"col\">layer</th><th scope=\"col\">op</th>\
         <th scope=\"col\">initializer</th><th scope=\"col\" class=\"n\">forward rms</th><th scope=\"col\" class=\"n\">predicted</th>\
         <th scope=\"col\" class=\"n\">backward rms</th><th scope=\"col\" class=\"n\">predicted</th>\
         <th scope=\"col\" class=\"n\">zeros</th><th scope=\"col\" class=\"n\">saturated</th><th scope=\"col\" class=\"n\">sample cosine</th>\
         </tr></thead><tbody>",
    );
    let optional =
        |value: Option<f64>, form: fn(f64) -> String| value.map_or_else(|| "–".to_owned(), form);
    for (index, layer) in layers.iter().enumerate() {
        let (f, b) = (&layer.row.forward, layer.row.backward.as_ref());
        let class = layer.blamed.map_or("", severity_name);
        let _ = write!(
            page,
            "<tr id=\"layer-{index}\" class=\"{class}\"><td>{}</td><th scope=\"row\">{}</th><td>{}</td>\
             <td><code>{}</code></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            index + 1,
            escape(&layer.name),
            escape(&layer.row.op),
            escape(&brief(layer.initializer.unwrap_or("–"))),
            short(f.rms),
            optional(f.predicted_rms, short),
            optional(b.map(|b| b.rms), short),
            optional(b.and_then(|b| b.predicted_rms), short),
            optional(layer.zero, percent),
            optional(layer.saturated, percent),
            optional(f.sample_cosine, |x| format!("{x:.3}")),
        );
    }
    page.push_str("</tbody></table></div></section>");
}

fn plan(page: &mut String, report: &Report<'_>) {
    let Some(plan) = report.plan else {
        return;
    };
    page.push_str(
        "<section id=\"plan\"><h2>Plan</h2><p>What each parameter got, and why.</p>\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Plan\"><table><thead><tr>\
         <th scope=\"col\">parameter</th><th scope=\"col\">shape</th><th scope=\"col\">role</th><th scope=\"col\">initializer</th><th scope=\"col\">why</th></tr></thead><tbody>",
    );
    for entry in &plan.entries {
        let shape: Vec<String> = entry.shape.iter().map(usize::to_string).collect();
        let _ = write!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td><code>{}</code></td><td class=\"why\">{}</td></tr>",
            escape(&entry.name),
            shape.join("×"),
            escape(&entry.role.to_string()),
            escape(&brief(&entry.initializer.to_string())),
            prose(&entry.reason)
        );
    }
    page.push_str("</tbody></table></div></section>");
}

/// Text with what stands between backquotes as code.
pub(crate) fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(k, part)| match k % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    });
    parts.collect()
}

/// Text as HTML text or attribute; names come from files that nobody vouches for.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_passed_on_keeps_folders_to_itself() {
        assert_eq!(file_name("/home/me/secret/net.onnx"), "net.onnx");
        assert_eq!(file_name("C:\\models\\net.onnx"), "net.onnx");
        assert_eq!(file_name("mlp(4, 8/2)"), "mlp(4, 8/2)");
    }

    #[test]
    fn hostile_names_stay_text() {
        assert_eq!(
            escape("<script>alert('x')</script>\u{0}"),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\u{fffd}"
        );
    }
}
