//! Before and after `--fix`, side by side.

use std::collections::BTreeMap;

use fanin_check::{Finding, Fixed, ValueRow};

use super::Section;
use crate::Report;
use crate::chart::{HALF, Point, depth_curve, scale_of, title};
use crate::layers::Layer;
use crate::markup::{Html, prose, template};
use crate::number::{brief, short};
use crate::page::{Column, curve, details, table};

/// The section; nothing if nothing was changed.
pub(super) fn section(report: &Report<'_>, layers: &[Layer<'_>]) -> Option<Section> {
    let fixed = report.checkup.fixed.as_ref()?;
    let made = match fixed.changes.len() {
        1 => "one change".to_owned(),
        n => format!("{n} changes"),
    };
    Some(Section {
        id: "fix",
        name: "Before and after",
        heading: "Before and after the fix".to_owned(),
        body: template!(
            "checkup/fixed.html",
            changes = made,
            how = fixed.how,
            before = fixed.verdict_before.name(),
            after = report.checkup.verdict.name(),
            curves = curves(fixed, layers),
            findings = findings(&fixed.findings_before, &report.checkup.findings),
            table = changes(fixed),
        ),
    })
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

/// Each direction before and after, on one axis, so that heights compare.
fn curves(fixed: &Fixed, layers: &[Layer<'_>]) -> Option<Html> {
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
    let pairs = pairs.filter(|pairs| !pairs.is_empty())?;
    let figures = [("Forward", forward as Pick), ("Backward", backward as Pick)]
        .into_iter()
        .flat_map(|(direction, pick)| {
            let point = |(name, row): (&str, &ValueRow)| {
                let (measured, predicted, band) = pick(row);
                Point {
                    title: title(name, measured, predicted, band),
                    measured,
                    predicted,
                    band,
                    blamed: false,
                }
            };
            let old = pairs.iter().map(|(l, row)| point((l.name.as_str(), row)));
            let new = pairs.iter().map(|(l, _)| point((l.name.as_str(), l.row)));
            let (old, new): (Vec<Point>, Vec<Point>) = (old.collect(), new.collect());
            let scale = scale_of(old.iter().chain(&new));
            [("before", old), ("after", new)].map(|(when, points)| {
                let label = format!("{direction}, {when} the fix");
                let caption =
                    template!("checkup/caption.html", text = format!("{direction} {when}"));
                curve(depth_curve(&label, &points, scale, HALF), caption)
            })
        });
    Some(template!(
        "checkup/pair.html",
        figures = figures.collect::<Html>()
    ))
}

/// What the check found before, and whether it still does.
fn findings(before: &[Finding], after: &[Finding]) -> Option<Html> {
    let still = |finding: &Finding| {
        after
            .iter()
            .any(|f| f.code == finding.code && f.severity == finding.severity)
    };
    let shown = before.iter().map(|finding| {
        let (class, word) = match still(finding) {
            true => ("doubtful", "still found"),
            false => ("healthy", "gone"),
        };
        template!(
            "checkup/finding_before.html",
            severity = finding.severity.name(),
            code = finding.code.to_string(),
            place = finding.parameter.as_deref().unwrap_or(&finding.node),
            message = prose(&finding.message),
            class = class,
            still = word,
        )
    });
    let shown: Html = shown.collect();
    (!shown.is_empty()).then(|| template!("checkup/findings_before.html", findings = shown))
}

fn changes(fixed: &Fixed) -> Html {
    let rows = fixed.changes.iter().map(|change| {
        let code = |initializer: &String| template!("code.html", text = brief(initializer));
        let none = || template!("text.html", text = "–");
        template!(
            "checkup/change_row.html",
            parameter = change.parameter,
            initializer = change.initializer.as_ref().map_or_else(none, code),
            factor = change.factor.map_or_else(|| "–".to_owned(), short),
        )
    });
    let columns = [
        Column::Text("parameter"),
        Column::Text("filled anew"),
        Column::Numbers("multiplied by"),
    ];
    details(
        "The changes, one per parameter",
        table("Changes", &columns, rows.collect()),
    )
}
