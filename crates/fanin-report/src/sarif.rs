//! The findings as SARIF 2.1.0 (OASIS), for annotations in code review.
//!
//! One run, one rule per code, one result per finding. A model file is the artifact that a result
//! points to; a one-line architecture has none. Node and parameter are logical locations.

use fanin_check::{Finding, Page, Severity, pages};
use serde::Serialize;

use crate::Report;

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
struct Run<'a> {
    tool: Tool,
    results: Vec<SarifResult<'a>>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    information_uri: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    short_description: Text,
    full_description: Text,
    help: Text,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'a> {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: Vec<Location<'a>>,
    properties: Properties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<PhysicalLocation>,
    logical_locations: Vec<LogicalLocation<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation<'a> {
    name: &'a str,
    kind: &'static str,
}

#[derive(Serialize)]
struct Properties<'a> {
    evidence: &'a fanin_check::Evidence,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a fanin_check::Fix>,
}

/// The log, pretty-printed, with a final newline.
pub(crate) fn render(report: &Report<'_>) -> String {
    let path = report.network.source.path();
    let uri = path.map(|path| encoded(&path.display().to_string()));
    let findings = report.checkup.findings.iter();
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "fanin",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    information_uri: env!("CARGO_PKG_REPOSITORY"),
                    rules: pages().iter().map(rule).collect(),
                },
            },
            results: findings
                .map(|finding| result(finding, uri.as_deref()))
                .collect(),
        }],
    };
    // Serialising plain structs of numbers and strings into memory has no way to fail.
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_default();
    text.push('\n');
    text
}

fn rule(page: &Page) -> Rule {
    Rule {
        id: page.code.to_string(),
        short_description: Text {
            text: page.title.to_owned(),
        },
        full_description: Text {
            text: format!("{} {}", page.what, page.why),
        },
        help: Text {
            text: format!("{}\n\n{}\n\n{}", page.judged, page.fix, page.reference),
        },
    }
}

fn result<'a>(finding: &'a Finding, uri: Option<&str>) -> SarifResult<'a> {
    let mut message = finding.message.clone();
    if let Some(fix) = &finding.fix {
        message.push_str(&format!(
            ". Fix: `{}` = {} ({})",
            fix.parameter, fix.initializer, fix.why
        ));
    }
    let node = LogicalLocation {
        name: &finding.node,
        kind: "object",
    };
    let parameter = finding.parameter.as_deref();
    let parameter = parameter.map(|name| LogicalLocation {
        name,
        kind: "variable",
    });
    SarifResult {
        rule_id: finding.code.to_string(),
        rule_index: pages()
            .iter()
            .position(|page| page.code == finding.code)
            .unwrap_or(0),
        level: match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        message: Text { text: message },
        locations: vec![Location {
            physical_location: uri.map(|uri| PhysicalLocation {
                artifact_location: ArtifactLocation {
                    uri: uri.to_owned(),
                },
            }),
            logical_locations: std::iter::once(node).chain(parameter).collect(),
        }],
        properties: Properties {
            evidence: &finding.evidence,
            fix: finding.fix.as_ref(),
        },
    }
}

/// A path as a URI reference: bytes outside the unreserved set are percent-encoded (RFC 3986).
fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn paths_become_uris() {
        assert_eq!(encoded("models/gpt2.onnx"), "models/gpt2.onnx");
        assert_eq!(encoded("my models/a#1.onnx"), "my%20models/a%231.onnx");
    }
}
