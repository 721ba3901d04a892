//! F405: attention looks at one token only.

use std::collections::BTreeSet;

use fanin_network::operator::SoftmaxKind;
use fanin_network::{Operator, Parameter, Role};
use fanin_run::Observation;
use fanin_theory::units::attention_square_sum;

use super::Rule;
use crate::context::{Context, number};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(405);

const PAGE: Page = Page {
    code: CODE,
    title: "attention that looks at one token only",
    what: "The scores of attention are so far apart that the softmax gives nearly all weight to one token each.",
    why: "A softmax at its end is flat: queries and keys get next to no gradient, so that where a token looks is left to chance, and training jumps when it changes.",
    judged: "κ, the squared weights of a row added up, is 1/T for equal scores and 1 for a single token; a softmax \
passes a gradient on in proportion to 1 − κ at most. Expected is κ for scores of unit variance, which \
queries and keys of critical scale have, over as many tokens as a row sees (a causal mask counted). A \
warning where less than half of 1 − κ is left of what should be, an error where less than 0.3 is in \
most attentions of the network.",
    fix: "Scale the queries and keys down: 1/fan_in each, and scores divided by the root of the head's size.",
    reference: "Vaswani et al. 2017, arXiv:1706.03762; Zhai et al. 2023, arXiv:2303.06296",
};

/// Part of 1 − κ below which attention counts as peaked.
const LEFT: f64 = 0.5;
/// Part of 1 − κ that is too little for a network that has hardly any other attention.
const SHUT: f64 = 0.3;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let softmaxes = context.trace.values.iter().filter(|seen| {
        let operator = context.operator(seen);
        matches!(operator, Some(Operator::Softmax(s)) if s.kind == SoftmaxKind::Soft)
    });
    let all: Vec<Attention<'_>> = softmaxes
        .filter_map(|seen| measure(context, seen))
        .collect();
    let shut = all.iter().filter(|one| one.left < SHUT).count();
    let severity = if 2 * shut > all.len() {
        Severity::Error
    } else {
        Severity::Warning
    };
    let worst = all.iter().min_by(|a, b| a.left.total_cmp(&b.left));
    let worst = worst.filter(|worst| worst.left < LEFT);
    worst
        .and_then(|worst| worst.finding(context, severity))
        .into_iter()
        .collect()
}

/// One softmax of attention.
struct Attention<'a> {
    seen: &'a Observation,
    /// The weights of the queries and keys its scores are made of.
    makers: Vec<&'a Parameter>,
    /// κ.
    measured: f64,
    expected: f64,
    /// What is left of 1 − κ of what should be.
    left: f64,
}

fn measure<'a>(context: &Context<'a>, seen: &'a Observation) -> Option<Attention<'a>> {
    let tokens = *seen.shape.last()?;
    let makers = makers(context, seen);
    if tokens < 2 || seen.forward.non_finite > 0 || makers.is_empty() {
        return None;
    }
    let measured = (tokens as f64 * seen.forward.rms.powi(2)).min(1.0);
    let expected = expected(tokens, seen.forward.zero_fraction);
    Some(Attention {
        seen,
        makers,
        measured,
        expected,
        left: (1.0 - measured) / (1.0 - expected),
    })
}

impl Attention<'_> {
    fn finding(&self, context: &Context<'_>, severity: Severity) -> Option<Finding> {
        // The one that is louder against what it should be.
        let loudness = |parameter: &Parameter| {
            let std = context.proposed_std(parameter).filter(|std| *std > 0.0);
            let seen = context.seen(parameter).map_or(0.0, |seen| seen.rms);
            std.map_or(0.0, |std| seen / std)
        };
        let blamed = self
            .makers
            .iter()
            .max_by(|a, b| loudness(a).total_cmp(&loudness(b)))?;
        let others = self.makers.iter().filter(|other| other.name != blamed.name);
        let further = others.filter_map(|other| context.proposal.fix(&other.name));
        let limit = 1.0 - LEFT * (1.0 - self.expected);
        Some(Finding {
            code: CODE,
            severity,
            node: self.seen.node.clone(),
            parameter: Some(blamed.name.clone()),
            message: format!(
                "the attention weights of `{}` are those of {} tokens per row, where scores of unit variance spread over {}",
                self.seen.node,
                number(1.0 / self.measured),
                number(1.0 / self.expected)
            ),
            evidence: Evidence::new(self.measured, self.expected, [0.0, limit]),
            fix: context.proposal.fix(&blamed.name),
            further_fixes: further.collect(),
        })
    }
}

/// κ for scores of unit variance, averaged over rows that see 1, 2, … T tokens if so many weights are
/// zero that a causal mask may be there.
fn expected(tokens: usize, zeros: f64) -> f64 {
    let masked = (tokens - 1) as f64 / (2 * tokens) as f64;
    if zeros < 0.99 * masked {
        return attention_square_sum(1.0, tokens);
    }
    // κ is smooth in T: at most 33 rows are worked out.
    let rows = 1 + (tokens - 1).min(32);
    let row = |k: usize| 1 + (tokens - 1) * k / (rows - 1);
    let sum: f64 = (0..rows).map(|k| attention_square_sum(1.0, row(k))).sum();
    sum / rows as f64
}

/// The weights of the queries and keys that a softmax's scores are made of, the nearest on each path.
fn makers<'a>(context: &Context<'a>, seen: &Observation) -> Vec<&'a Parameter> {
    let mut found: Vec<&'a Parameter> = Vec::new();
    let mut open: Vec<_> = context.id(seen).into_iter().collect();
    let mut known = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !known.insert(id) {
            continue;
        }
        if let Some(parameter) = context.stored(id) {
            let role = parameter.purpose.role;
            let asks = matches!(
                role,
                Role::AttentionQuery | Role::AttentionKey | Role::AttentionQkv
            );
            if asks && found.iter().all(|other| other.name != parameter.name) {
                found.push(parameter);
            }
            continue;
        }
        let Some(node) = context.network.value(id).producer else {
            continue;
        };
        let inputs = context.network.node(node).inputs.iter().flatten();
        let inputs: Vec<_> = inputs.copied().collect();
        // Behind a weight lies another layer.
        let weights: Vec<_> = inputs
            .iter()
            .copied()
            .filter(|&id| context.stored(id).is_some_and(|p| p.shape.len() >= 2))
            .collect();
        open.extend(if weights.is_empty() { inputs } else { weights });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equal scores would give 1/T; unit variance gives about e/T for many tokens.
    #[test]
    fn kappa_of_unit_scores() {
        assert!((expected(1024, 0.0) * 1024.0 - std::f64::consts::E).abs() < 0.05);
        // Rows of 1 and 2 tokens; two see E[p² + (1 − p)²] of a logistic of N(0, 2).
        let causal = expected(2, 0.25);
        assert!((causal - 0.5 * (1.0 + attention_square_sum(1.0, 2))).abs() < 1e-12);
    }
}
