//! One checkup made by hand, and how each of the three reports shows it.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use fanin::Seed;
use fanin_check::{
    BackwardRow, Change, Checkup, Code, Evidence, Finding, Fix, Fixed, ForwardRow, ParameterRow,
    Repeated, Repeats, SeedShare, Severity, ValueRow, Verdict,
};
use fanin_network::{Dims, Network};
use fanin_plan::{Plan, Recipe, Request};
use fanin_report::Report;
use fanin_run::{OutputObservation, Trace};
use fanin_theory::Prediction;

const MODEL: &str = "mlp(4, 8x3, 3, relu)";

/// A network whose signal and gradient halve from layer to layer.
fn parts() -> (Network, Plan, Checkup) {
    let network = fanin_network::open(MODEL, &Dims::default()).unwrap();
    let request = Request {
        recipe: Recipe::Torch,
        ..Request::new(Seed::new(7))
    };
    let plan = fanin_plan::plan(&network, &request).unwrap().plan;
    let last = network.nodes.len() - 1;
    let values = network
        .nodes
        .iter()
        .enumerate()
        .map(|(k, node)| {
            let scale = |steps: usize| 0.5f64.powi(steps as i32);
            let relu = node.op == "Relu";
            ValueRow {
                node: node.name.clone(),
                op: node.op.clone(),
                value: network.value(node.outputs[0].unwrap()).name.clone(),
                forward: ForwardRow {
                    mean: 0.0,
                    rms: scale(k),
                    zero_fraction: if relu { 0.5 } else { 0.0 },
                    saturated_fraction: None,
                    sample_cosine: Some(0.25),
                    predicted_rms: Some(1.0),
                    band: Some([0.8, 1.25]),
                },
                backward: Some(BackwardRow {
                    rms: scale(last - k),
                    predicted_rms: (k > 0).then_some(1.0),
                    band: (k > 0).then_some([0.8, 1.25]),
                }),
            }
        })
        .collect();
    let parameters = plan
        .entries
        .iter()
        .map(|entry| ParameterRow {
            name: entry.name.clone(),
            shape: entry.shape.clone(),
            initializer: Some(entry.initializer.to_string()),
            rms: 0.5,
            gradient_rms: Some(0.125),
        })
        .collect();
    let fix = |parameter: &str| Fix {
        parameter: parameter.to_owned(),
        initializer: "kaiming_normal(gain=2)".parse().unwrap(),
        why: "it feeds relu".to_owned(),
    };
    let finding = |code, severity, parameter: &str, message: &str| Finding {
        code: Code(code),
        severity,
        node: parameter.trim_end_matches(".weight").to_owned(),
        parameter: Some(parameter.to_owned()),
        message: message.to_owned(),
        evidence: Evidence {
            measured: 1.25e-5,
            expected: 1.0,
            band: [0.8, 1.25],
            shares: Vec::new(),
        },
        fix: Some(fix(parameter)),
        further_fixes: vec![fix("layers.2.weight")],
    };
    let checkup = Checkup {
        model: MODEL.to_owned(),
        seed: 7,
        verdict: Verdict::Faulty,
        findings: vec![
            finding(
                101,
                Severity::Error,
                "layers.1.weight",
                "the signal fades on its way forward from rms 1.00 after `layers.0` to 1.25e-5 after `layers.2`, as a long sentence would say that has to be wrapped",
            ),
            finding(
                601,
                Severity::Warning,
                "layers.3.weight",
                "<b>a hostile message</b>",
            ),
        ],
        trace: Trace {
            values: Vec::new(),
            parameters: Vec::new(),
            inputs: Vec::new(),
            output: OutputObservation {
                value: "output".to_owned(),
                shape: vec![16, 3],
                rms: 0.25,
                initial_loss: Some(1.125),
            },
            batch: 16,
        },
        prediction: Prediction::default(),
        values,
        parameters,
        repeats: None,
        fixed: None,
    };
    (network, plan, checkup)
}

/// What a terminal shows, without its colours.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    out + rest
}

#[test]
fn terminal() {
    let (network, plan, checkup) = parts();
    let report = Report {
        network: &network,
        plan: Some(&plan),
        checkup: &checkup,
    };
    let text = plain(&report.terminal(30));
    assert!(text.lines().all(|line| line.chars().count() <= 100));
    insta::assert_snapshot!(text);
}

#[test]
fn terminal_with_fewer_rows_keeps_the_blamed_ones() {
    let (network, plan, checkup) = parts();
    let report = Report {
        network: &network,
        plan: Some(&plan),
        checkup: &checkup,
    };
    let text = plain(&report.terminal(2));
    for layer in ["layers.0 ", "layers.1 ", "layers.3 "] {
        assert!(text.contains(layer), "{layer}: {text}");
    }
    assert!(!text.contains("layers.2 "), "{text}");
    assert!(
        text.contains("3 of 4 layers, --all lists every one"),
        "{text}"
    );
}

#[test]
fn json() {
    let (network, plan, checkup) = parts();
    let report = Report {
        network: &network,
        plan: Some(&plan),
        checkup: &checkup,
    };
    let mut document: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(document["fanin"], env!("CARGO_PKG_VERSION"));
    document["fanin"] = "VERSION".into();
    insta::assert_json_snapshot!(document);
}

#[test]
fn html_is_one_page_of_its_own() {
    let (network, plan, checkup) = parts();
    let page = Report {
        network: &network,
        plan: Some(&plan),
        checkup: &checkup,
    }
    .html();
    assert!(page.starts_with("<!doctype html>"));
    assert!(page.len() < 100_000, "{} bytes", page.len());
    for far in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(far), "the page reaches out: {far}");
    }
    // Messages stay text, findings lead to the row of their layer, and every row is there.
    assert!(page.contains("&lt;b&gt;a hostile message&lt;/b&gt;"));
    assert!(!page.contains("<b>a hostile message"));
    assert!(page.contains("<a href=\"#layer-1\">layers.1.weight</a>"));
    for row in 0..4 {
        assert!(page.contains(&format!("id=\"layer-{row}\"")), "row {row}");
    }
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 3);
    // One dot for each layer in each of forward, backward and correlation.
    assert_eq!(page.matches("<circle").count(), 12);
    assert!(page.contains("prefers-color-scheme: dark"));
    // What each parameter got and why.
    for entry in &plan.entries {
        assert!(page.contains(&entry.name), "{}", entry.name);
    }
}

/// What was measured of weights is all that a phase diagram needs beside the network.
fn weights_seen(network: &Network, rms: f64) -> Vec<fanin_run::ParameterObservation> {
    let seen = network.parameters.iter().map(|p| {
        let bias = p.shape.len() == 1;
        fanin_run::ParameterObservation {
            name: p.name.clone(),
            shape: p.shape.clone(),
            mean: 0.0,
            rms: if bias { 0.0 } else { rms },
            range: (-1.0, 1.0),
            non_finite: 0,
            gradient_rms: None,
            gradient_non_finite: 0,
            units: None,
        }
    });
    seen.collect()
}

#[test]
fn html_shows_where_the_layers_lie_between_order_and_chaos() {
    let (network, plan, mut checkup) = parts();
    // Eight inputs of variance 1/4 make σw² = 2: on the line.
    checkup.trace.parameters = weights_seen(&network, 0.5);
    checkup.trace.inputs = vec![fanin_run::Observation {
        node: "input".to_owned(),
        op: "Input".to_owned(),
        value: network.value(network.inputs[0]).name.clone(),
        shape: vec![16, 4],
        forward: fanin_run::Forward {
            rms: 1.0,
            ..forward_of_zeros()
        },
        backward: None,
    }];
    let page = Report {
        network: &network,
        plan: Some(&plan),
        checkup: &checkup,
    }
    .html();
    assert!(page.contains("<a href=\"#phases\">Order and chaos</a>"));
    assert!(
        page.contains("aria-label=\"Phase diagram of Relu\""),
        "{page}"
    );
    assert!(
        page.contains("a signal reaches any number of such layers</title>"),
        "{page}"
    );
    assert!(page.contains("<title>layers.1: σw 1.414, σb 0, χ 1.000"));
    // The same in a table, for paper.
    assert!(
        page.contains("<th scope=\"row\">layers.1</th><td>Relu</td><td class=\"n\">1.414</td>")
    );
    assert!(
        page.contains(
            "3 layers from <code>layers.1</code> to <code>layers.3</code>: each multiplies a gradient by 1.000 on average, all of them by 1.000.</li>"
        ),
        "{page}"
    );
}

fn forward_of_zeros() -> fanin_run::Forward {
    fanin_run::Forward {
        mean: 0.0,
        rms: 0.0,
        max_abs: 0.0,
        zero_fraction: 0.0,
        saturated_fraction: None,
        sample_cosine: None,
        dead_units: None,
        non_finite: 0,
        histogram: None,
    }
}

#[test]
fn html_shows_before_and_after_a_fix_on_one_axis() {
    let (network, plan, mut checkup) = parts();
    let mut before = checkup.values.clone();
    for row in &mut before {
        row.forward.rms *= 1e-6;
    }
    checkup.verdict = Verdict::Healthy;
    checkup.fixed = Some(Fixed {
        how: "initializer".to_owned(),
        changes: vec![Change {
            parameter: "layers.1.weight".to_owned(),
            initializer: Some("kaiming_normal".to_owned()),
            factor: None,
        }],
        verdict_before: Verdict::Faulty,
        findings_before: checkup.findings.clone(),
        values_before: before,
        repeats_before: None,
    });
    let kept = checkup.findings.pop().unwrap();
    checkup.findings = vec![kept];
    let page = Report {
        network: &network,
        plan: Some(&plan),
        checkup: &checkup,
    }
    .html();
    let from = page.find("<section id=\"fix\">").unwrap();
    let section = &page[from..from + page[from..].find("</section>").unwrap()];
    assert!(
        section.contains(
            "<b class=\"faulty\">faulty</b> before, <b class=\"healthy\">healthy</b> after"
        )
    );
    for label in [
        "Forward, before the fix",
        "Forward, after the fix",
        "Backward, before the fix",
        "Backward, after the fix",
    ] {
        assert!(section.contains(label), "{label}");
    }
    // Both forward pictures have the axis that holds 1e-6 and 1.
    assert_eq!(section.matches(">1e-8</text>").count(), 2, "{section}");
    // F101 is gone, F601 is still there, and a hostile message stays text.
    assert_eq!(section.matches(">gone<").count(), 1);
    assert_eq!(section.matches(">still found<").count(), 1);
    assert!(!section.contains("<b>a hostile message"));
    assert!(section.contains("<code>kaiming_normal</code>"));
}

#[test]
fn html_shows_what_the_seeds_say() {
    let (network, plan, mut checkup) = parts();
    checkup.repeats = Some(Repeats {
        seeds: (0..20).collect(),
        faulty: SeedShare::new(7, 20),
        doubtful: SeedShare::new(0, 20),
        healthy: SeedShare::new(13, 20),
        findings: vec![Repeated {
            code: Code(302),
            severity: Severity::Error,
            share: SeedShare::new(7, 20),
            blamed: Some(("layers.<2>".to_owned(), 5)),
        }],
    });
    let page = Report {
        network: &network,
        plan: Some(&plan),
        checkup: &checkup,
    }
    .html();
    assert!(page.contains("<h2>Over 20 seeds</h2>"));
    assert!(
        page.contains("aria-label=\"35 %, between 18 % and 57 %\""),
        "{page}"
    );
    assert!(page.contains("F302 error"));
    assert!(page.contains("layers.&lt;2&gt; (5×)"));
    assert!(!page.contains("Before the fix"));
}

#[test]
fn html_shows_the_seeds_before_and_after_a_fix() {
    let (network, plan, mut checkup) = parts();
    let repeats = |faulty| Repeats {
        seeds: (0..20).collect(),
        faulty: SeedShare::new(faulty, 20),
        doubtful: SeedShare::new(0, 20),
        healthy: SeedShare::new(20 - faulty, 20),
        findings: Vec::new(),
    };
    checkup.repeats = Some(repeats(1));
    checkup.fixed = Some(Fixed {
        how: "rescale".to_owned(),
        changes: Vec::new(),
        verdict_before: Verdict::Faulty,
        findings_before: Vec::new(),
        values_before: Vec::new(),
        repeats_before: Some(repeats(19)),
    });
    let page = Report {
        network: &network,
        plan: Some(&plan),
        checkup: &checkup,
    }
    .html();
    let before = page.find("Before the fix</h3>").unwrap();
    let after = page.find("After the fix</h3>").unwrap();
    assert!(page[before..after].contains("verdict faulty</span></th><td class=\"n\">19</td>"));
    assert!(page[after..].contains("verdict faulty</span></th><td class=\"n\">1</td>"));
}
