//! Before and after `--fix`, side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fanin_check::{Finding, Fixed, ValueRow};

use super::{escape, prose, verdict_name};
use crate::Report;
use crate::chart::{HALF, Point, depth_curve, scale_of, title};
use crate::layers::Layer;
use crate::number::{brief, short};
use crate::terminal::severity_name;

/// The section; nothing if nothing was changed.
pub(crate) fn section(page: &mut String, report: &Report<'_>, layers: &[Layer<'_>]) {
    let Some(fixed) = &report.checkup.fixed else {
        return;
    };
    let (before, after) = (fixed.verdict_before, report.checkup.verdict);
    let made = match fixed.changes.len() {
        1 => "one change".to_owned(),
        n => format!("{n} changes"),
    };
    // Writing into a String does not fail.
    let _ = write!(
        page,
        "<section id=\"fix\"><h2>Before and after the fix</h2><p>{made}, by <code>--fix {}</code>: \
         <b class=\"{b}\">{b}</b> before, <b class=\"{a}\">{a}</b> after.</p>",
        escape(&fixed.how),
        b = verdict_name(before),
        a = verdict_name(after),
    );
    curves(page, fixed, layers);
    findings(page, &fixed.findings_before, &report.checkup.findings);
    changes(page, fixed);
    page.push_str("</section>");
}

/// The rms of one direction at one value.
type Pick = fn(&ValueRow) -> (f64, Option<f64>, Option<[f64; 2]>);

fn forward(row: &ValueRow) -> (f64, Option<f64>, Option<[f64; 2]>) {
    let f = &row.forward;
    (f.rms, f.predicted_rms, f.band)
}

fn backward(row: &ValueRow) -> (f64, Option<f64>, Option<[f64; 2]>) {
    match &row.backward {
        Some(b) => (b.rms, b.predicted_rms, b.band),
        None => (0.0, None, None),
    }
}

fn curves(page: &mut String, fixed: &Fixed, layers: &[Layer<'_>]) {
    let before: BTreeMap<&str, &ValueRow> = fixed
        .values_before
        .iter()
        .map(|row| (row.value.as_str(), row))
        .collect();
    // A layer whose row before is missing has nothing to stand beside.
    let pairs: Option<Vec<(&Layer<'_>, &ValueRow)>> = layers
        .iter()
        .map(|layer| Some((layer, *before.get(layer.row.value.as_str())?)))
        .collect();
    let Some(pairs) = pairs.filter(|pairs| !pairs.is_empty()) else {
        return;
    };
    page.push_str("<div class=\"pair\">");
    for (direction, pick) in [("Forward", forward as Pick), ("Backward", backward as Pick)] {
        let points = |rows: &mut dyn Iterator<Item = (&str, &ValueRow)>| -> Vec<Point> {
            rows.map(|(name, row)| {
                let (measured, predicted, band) = pick(row);
                Point {
                    title: title(name, measured, predicted, band),
                    measured,
                    predicted,
                    band,
                    blamed: false,
                }
            })
            .collect()
        };
        let old = points(&mut pairs.iter().map(|(l, row)| (l.name.as_str(), *row)));
        let new = points(&mut pairs.iter().map(|(l, _)| (l.name.as_str(), l.row)));
        // One axis for both, so that heights compare.
        let scale = scale_of(old.iter().chain(&new));
        for (when, points) in [("before", &old), ("after", &new)] {
            let label = format!("{direction}, {when} the fix");
            let _ = write!(
                page,
                "<figure class=\"curve\">{}<figcaption><b>{direction} {when}</b></figcaption></figure>",
                depth_curve(&label, points, scale, HALF)
            );
        }
    }
    page.push_str("</div>");
}

/// What the check found before, and whether it still does.
fn findings(page: &mut String, before: &[Finding], after: &[Finding]) {
    if before.is_empty() {
        return;
    }
    let still = |finding: &Finding| {
        after
            .iter()
            .any(|f| f.code == finding.code && f.severity == finding.severity)
    };
    page.push_str("<h3 class=\"sub\">What was found before</h3><ul class=\"before\">");
    for finding in before {
        let severity = severity_name(finding.severity);
        let _ = write!(
            page,
            "<li class=\"{severity}\"><span class=\"code\">{} {severity}</span> <b>{}</b> {} <span class=\"{}</span></li>",
            finding.code,
            escape(finding.parameter.as_deref().unwrap_or(&finding.node)),
            prose(&finding.message),
            match still(finding) {
                true => "doubtful\">still found",
                false => "healthy\">gone",
            }
        );
    }
    page.push_str("</ul>");
}

fn changes(page: &mut String, fixed: &Fixed) {
    page.push_str(
        "<details><summary>The changes, one per parameter</summary><div class=\"scroll\" tabindex=\"0\" \
         role=\"region\" aria-label=\"Changes\"><table><thead><tr><th scope=\"col\">parameter</th>\
         <th scope=\"col\">filled anew</th><th scope=\"col\" class=\"n\">multiplied by</th></tr></thead><tbody>",
    );
    for change in &fixed.changes {
        let _ = write!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td></tr>",
            escape(&change.parameter),
            match &change.initializer {
                Some(initializer) => format!("<code>{}</code>", escape(&brief(initializer))),
                None => "–".to_owned(),
            },
            change.factor.map_or_else(|| "–".to_owned(), short),
        );
    }
    page.push_str("</tbody></table></div></details>");
}
