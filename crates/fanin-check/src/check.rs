//! From a run to a checkup.

use std::collections::BTreeMap;

use fanin_network::{Network, Weights};
use fanin_plan::Plan;
use fanin_run::Trace;
use fanin_theory::{Band, Expected, Prediction, predict};

use crate::cause;
use crate::context::Context;
use crate::fold::fold;
use crate::measured::measured;
use crate::rules::RULES;
use crate::{BackwardRow, Checkup, Finding, ForwardRow, Options, ParameterRow, ValueRow, Verdict};

/// Holds one run of a network against what theory expects of it.
///
/// `plan` is the plan the weights were filled from, if they were; `weights` are what the run read.
pub fn check(
    network: &Network,
    plan: Option<&Plan>,
    weights: &Weights,
    trace: Trace,
    options: &Options,
) -> Checkup {
    let prediction = predict(network, &measured(&trace, options.drawn));
    let context = Context::new(network, plan, weights, &trace, &prediction, options);
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| (rule.run)(&context)).collect();
    cause::raise(network, &mut findings);
    cause::connect(&mut findings);
    findings.sort_by_key(|finding| {
        let gravity = std::cmp::Reverse(finding.severity);
        (gravity, !cause::is_cause(finding), finding.code)
    });
    let findings = fold(findings);
    Checkup {
        model: options.model.clone(),
        seed: options.seed,
        verdict: Verdict::of(&findings),
        values: value_rows(&trace, &prediction),
        parameters: parameter_rows(&trace, plan),
        findings,
        prediction,
        trace,
        repeats: None,
        fixed: None,
    }
}

fn value_rows(trace: &Trace, prediction: &Prediction) -> Vec<ValueRow> {
    let expected: BTreeMap<&str, &Expected> = prediction
        .values
        .iter()
        .map(|expected| (expected.value.as_str(), expected))
        .collect();
    let band = |band: Option<Band>| band.map(|band| [band.low, band.high]);
    trace
        .values
        .iter()
        .map(|seen| {
            let expected = expected.get(seen.value.as_str());
            let forward = expected.and_then(|expected| expected.forward);
            let backward = expected.and_then(|expected| expected.backward);
            ValueRow {
                node: seen.node.clone(),
                op: seen.op.clone(),
                value: seen.value.clone(),
                forward: ForwardRow {
                    mean: seen.forward.mean,
                    rms: seen.forward.rms,
                    zero_fraction: seen.forward.zero_fraction,
                    saturated_fraction: seen.forward.saturated_fraction,
                    sample_cosine: seen.forward.sample_cosine,
                    predicted_rms: forward.map(|band| band.rms),
                    band: band(forward),
                },
                backward: seen.backward.as_ref().map(|gradient| BackwardRow {
                    rms: gradient.rms,
                    predicted_rms: backward.map(|band| band.rms),
                    band: band(backward),
                }),
            }
        })
        .collect()
}

fn parameter_rows(trace: &Trace, plan: Option<&Plan>) -> Vec<ParameterRow> {
    trace
        .parameters
        .iter()
        .map(|seen| ParameterRow {
            name: seen.name.clone(),
            shape: seen.shape.clone(),
            initializer: plan
                .and_then(|plan| plan.entry(&seen.name))
                .map(|entry| entry.initializer.to_string()),
            rms: seen.rms,
            gradient_rms: seen.gradient_rms,
        })
        .collect()
}
