//! The checkup as JSON, by the contract that other tools rely on.

use fanin_check::{Finding, Fixed, ParameterRow, Repeats, ValueRow, Verdict};
use serde::Serialize;

use crate::Report;

#[derive(Serialize)]
struct Document<'a> {
    fanin: &'static str,
    model: &'a str,
    seed: u64,
    verdict: Verdict,
    findings: &'a [Finding],
    values: &'a [ValueRow],
    parameters: &'a [ParameterRow],
    output: Output,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<&'a Repeats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed: Option<&'a Fixed>,
}

#[derive(Serialize)]
struct Output {
    rms: f64,
    initial_loss: Option<f64>,
}

/// JSON has no NaN and no infinity: they become `null`.
pub(crate) fn render(report: &Report<'_>) -> String {
    let checkup = report.checkup;
    let document = Document {
        fanin: env!("CARGO_PKG_VERSION"),
        model: &checkup.model,
        seed: checkup.seed,
        verdict: checkup.verdict,
        findings: &checkup.findings,
        values: &checkup.values,
        parameters: &checkup.parameters,
        output: Output {
            rms: checkup.trace.output.rms,
            initial_loss: checkup.trace.output.initial_loss,
        },
        repeats: checkup.repeats.as_ref(),
        fixed: checkup.fixed.as_ref(),
    };
    // Serialising plain structs of numbers and strings into memory has no way to fail.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}
