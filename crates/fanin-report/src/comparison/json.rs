//! The comparison as JSON, by the contract that other tools rely on.

use fanin_check::Verdict;
use serde_json::{Value, json};

use super::ComparisonReport;
use super::layers::{Gradients, units};

/// JSON has no NaN and no infinity: they become `null`.
pub(super) fn document(report: &ComparisonReport<'_>) -> Value {
    let comparison = report.comparison;
    // Serialising plain structs of numbers and strings into memory has no way to fail.
    let mut document = serde_json::to_value(comparison).unwrap_or_default();
    document["fanin"] = env!("CARGO_PKG_VERSION").into();
    document["model"] = report.model.into();
    document["seed"] = report.seed.into();
    for (k, start) in comparison.starts.iter().enumerate() {
        let gradients = Gradients::of(comparison, start);
        let rows = gradients
            .rows
            .iter()
            .map(|(parameter, rms)| json!({ "parameter": parameter, "rms": rms }));
        let unit_rows = units(start).into_iter().map(|unit| {
            let ends = |pair: [Option<f64>; 2]| json!({ "start": pair[0], "end": pair[1] });
            json!({
                "node": unit.node,
                "op": unit.op,
                "dead": ends(unit.dead),
                "saturated": ends(unit.saturated),
            })
        });
        let (rows, unit_rows): (Vec<Value>, Vec<Value>) = (rows.collect(), unit_rows.collect());
        let place = &mut document["starts"][k];
        place["check"] = report.check(k).map(Verdict::name).into();
        place["gradients"] = json!({ "steps": gradients.steps, "rows": rows });
        place["units"] = unit_rows.into();
    }
    document
}
