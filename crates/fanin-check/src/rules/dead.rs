//! F302: nothing passes.

use std::collections::BTreeSet;

use fanin_network::{Parameter, Role};
use fanin_run::ParameterObservation;

use super::Rule;
use crate::context::Context;
use crate::main_path::Place;
use crate::{Code, Evidence, Finding, Fix, Page, Severity};

const CODE: Code = Code(302);

const PAGE: Page = Page {
    code: CODE,
    title: "nothing passes: outputs or gradients of exactly zero",
    what: "A value that every way to the output passes is zero for every sample, or weights get a gradient of exactly zero.",
    why: "What is zero for every sample neither carries anything forward nor lets a gradient back; the layers before it cannot learn.",
    judged: "A hidden value of rms zero is an error, or a warning if the weight that makes it gets a gradient: then it moves at the first step. (Single units that are zero for every sample are F303's matter.) Gradients of zero are an error where most weights have them and no weight is zero on purpose; a zero factor that itself gets a gradient (zero head, zero end of a residual branch, ReZero) moves at the first step and frees the rest, which is a note.",
    fix: "Draw the weights of the blamed layer, and start biases at zero rather than below.",
    reference: "Lu et al. 2019, arXiv:1903.06733; Zhang et al. 2019, arXiv:1901.09321; Bachlechner et al. 2020, arXiv:2003.04887",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run).redrawn();

fn run(context: &Context<'_>) -> Vec<Finding> {
    if let Some(finding) = silent_value(context) {
        return vec![finding];
    }
    zero_gradients(context).into_iter().collect()
}

/// The first hidden value on the main path that is zero everywhere.
fn silent_value(context: &Context<'_>) -> Option<Finding> {
    let trunk = context.main_path.trunk();
    let at = trunk.iter().position(|place| {
        let forward = &place.seen.forward;
        forward.rms == 0.0 && forward.non_finite == 0
    })?;
    let place = trunk.get(at)?;
    // A recurrent layer has several weights and is no step of the main path.
    let own = zero_weights(context, place);
    let before = trunk.get(..=at)?.iter().rev();
    let mut before = before.filter_map(|place| place.weight);
    let weight = own.first().copied().or_else(|| before.next());
    // A zero weight whose own gradient is not zero moves at the first step: its activation has a slope
    // at zero, and what follows differs from unit to unit.
    let gradient = weight.and_then(|weight| context.seen(weight)?.gradient_rms);
    let moves = gradient.is_some_and(|rms| rms > 0.0);
    let mut named = BTreeSet::new();
    Some(Finding {
        code: CODE,
        severity: if moves {
            Severity::Warning
        } else {
            Severity::Error
        },
        node: place.seen.node.clone(),
        parameter: weight.map(|weight| weight.name.clone()),
        message: format!(
            "`{}` is zero for every sample, and every way to the output leads through it: no input reaches the output and {}",
            place.seen.node,
            if moves {
                "no gradient comes back past it, until its weight, which gets one itself, has moved"
            } else {
                "no gradient comes back"
            }
        ),
        evidence: Evidence::exact(0.0, place.reference),
        fix: weight.and_then(|weight| context.proposal.fix(&weight.name)),
        // What lies behind a first zero is not seen, but zero weights there would be the next.
        further_fixes: own
            .iter()
            .copied()
            .chain(trunk.iter().skip(at).filter_map(|place| place.weight))
            .chain(never_drawn(context))
            .filter(|zero| weight.is_none_or(|first| first.name != zero.name))
            .filter(|zero| context.seen(zero).is_some_and(|seen| seen.rms == 0.0))
            .filter(|zero| named.insert(zero.name.as_str()))
            .filter_map(|zero| context.proposal.fix(&zero.name))
            .collect(),
    })
}

/// All weights, where most are zero: then none is so on purpose, not even a head or the end of a
/// branch.
fn never_drawn<'a>(context: &Context<'a>) -> Vec<&'a Parameter> {
    let drawn = context.trace.parameters.iter();
    let weights: Vec<&ParameterObservation> = drawn
        .filter(|seen| seen.units.is_some() && !context.is_offset(seen))
        .collect();
    let zeros = weights.iter().filter(|seen| seen.rms == 0.0);
    if 2 * zeros.clone().count() <= weights.len() {
        return Vec::new();
    }
    zeros.filter_map(|seen| context.parameter(seen)).collect()
}

/// The weights that the node at a place reads itself, where they are zero.
fn zero_weights<'a>(context: &Context<'a>, place: &Place<'_>) -> Vec<&'a Parameter> {
    let producer = context.producer(place.seen);
    let inputs = producer.map(|id| context.network.node(id).inputs.iter().flatten());
    let parameters = inputs.into_iter().flatten();
    let parameters = parameters.filter_map(|&id| context.stored(id));
    parameters
        .filter(|parameter| {
            let seen = context.seen(parameter);
            seen.is_some_and(|seen| seen.rms == 0.0 && seen.units.is_some())
                && !seen.is_some_and(|seen| context.is_offset(seen))
        })
        .collect()
}

/// Weights whose gradient is zero everywhere, and the zero factor that explains it.
fn zero_gradients(context: &Context<'_>) -> Option<Finding> {
    let weights: Vec<&ParameterObservation> = context
        .trace
        .parameters
        .iter()
        .filter(|seen| seen.units.is_some() && seen.gradient_rms.is_some())
        // One side of a low-rank pair gets no gradient while the other is zero, as it is meant to be.
        .filter(|seen| {
            let parameter = context.parameter(seen);
            parameter.is_none_or(|parameter| parameter.purpose.role != Role::LowRankDown)
        })
        .collect();
    let stuck: Vec<&ParameterObservation> = weights
        .iter()
        .copied()
        .filter(|seen| seen.gradient_rms == Some(0.0))
        .collect();
    let first = *stuck.first()?;
    let factor = context.trace.parameters.iter().find(|seen| {
        let zero = seen.rms == 0.0 && seen.non_finite == 0;
        zero && seen.gradient_rms.is_some_and(|rms| rms > 0.0) && is_factor(context, seen)
    });
    let share = stuck.len() as f64 / weights.len() as f64;
    let evidence = Evidence::exact(share, 0.0);
    // Weights of zero that cut each other off, unless one of them is to free the rest.
    let cut: Vec<Fix> = weights
        .iter()
        .filter(|seen| factor.is_none() && seen.rms == 0.0 && !context.is_offset(seen))
        .filter_map(|seen| context.proposal.fix(&seen.name))
        .collect();
    let (severity, blamed, message) = match factor {
        Some(factor) => (
            Severity::Note,
            factor,
            format!(
                "{} of {} weights have a gradient of zero at the start because `{}` is zero; it gets a gradient itself, so they follow after the first step",
                stuck.len(),
                weights.len(),
                factor.name
            ),
        ),
        None => (
            if share > 0.5 {
                Severity::Error
            } else {
                Severity::Warning
            },
            first,
            format!(
                "{} of {} weights, the first `{}`, have a gradient of exactly zero: nothing of what they do reaches the output",
                stuck.len(),
                weights.len(),
                first.name
            ),
        ),
    };
    Some(Finding {
        code: CODE,
        severity,
        node: context.reader(blamed),
        parameter: Some(blamed.name.clone()),
        message,
        evidence,
        fix: cut.first().cloned(),
        further_fixes: cut.into_iter().skip(1).collect(),
    })
}

/// Whether a parameter multiplies: a weight, a norm's scale or a learned factor, not a bias.
fn is_factor(context: &Context<'_>, seen: &ParameterObservation) -> bool {
    context.parameter(seen).is_some_and(|parameter| {
        !matches!(
            parameter.purpose.role,
            Role::Bias
                | Role::NormShift
                | Role::PositionEmbedding
                | Role::AttentionBias
                | Role::RecurrentBias
        )
    })
}
