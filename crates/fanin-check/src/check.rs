//! From a run to a checkup.

use std::collections::BTreeMap;

use fanin::DType;
use fanin_network::{Network, Weights};
use fanin_plan::Plan;
use fanin_run::{Observation, Trace};
use fanin_theory::{Band, Expected, Measured, Moments, Prediction, predict};

use crate::cause;
use crate::context::Context;
use crate::fold::fold;
use crate::rules::RULES;
use crate::{
    BackwardRow, Checkup, Finding, ForwardRow, Optimizer, ParameterRow, ValueRow, Verdict,
};

/// What a checkup says about itself, and what is known of the training to come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The model as the user named it.
    pub model: String,
    /// The seed of weights and inputs.
    pub seed: u64,
    /// Whether the run drew its inputs; of a user's data less is known beforehand.
    pub drawn: bool,
    /// The format training will compute in, if its range is to be judged (F704).
    pub dtype: Option<DType>,
    /// The optimizer, if its first step is to be judged (F705).
    pub optimizer: Option<Optimizer>,
    /// How many samples of the data have each class, if the output's prior is to be judged (F602).
    pub class_counts: Option<Vec<u64>>,
}

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

/// What a prediction may know of a run.
pub(crate) fn measured(trace: &Trace, drawn: bool) -> Measured {
    let observations = || trace.inputs.iter().chain(&trace.values);
    let forward = |observation: &Observation| Moments {
        mean: observation.forward.mean,
        rms: observation.forward.rms,
        sample_cosine: observation.forward.sample_cosine,
    };
    Measured {
        values: observations()
            .map(|observation| (observation.value.clone(), forward(observation)))
            .collect(),
        gradients: observations()
            .filter_map(|observation| {
                let backward = observation.backward.as_ref()?;
                Some((observation.value.clone(), backward.rms))
            })
            .collect(),
        parameters: trace
            .parameters
            .iter()
            .map(|p| (p.name.clone(), Moments::new(p.mean, p.rms)))
            .collect(),
        output: Some(trace.output.value.clone()),
        drawn,
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
