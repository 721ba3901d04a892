//! F403: attention makes all tokens alike.

use std::collections::BTreeSet;

use fanin_network::operator::SoftmaxKind;
use fanin_network::{Node, Operator, ValueId};
use fanin_run::Observation;

use super::Rule;
use crate::context::{Context, number};
use crate::main_path::{Place, Step};
use crate::{Code, Evidence, Finding, Page, Severity, Share};

const CODE: Code = Code(403);

const PAGE: Page = Page {
    code: CODE,
    title: "attention makes all tokens alike (rank collapse)",
    what: "The averages that attention takes outweigh the stream they are added to, so that the tokens of a sequence become one and the same vector.",
    why: "Tokens that are alike get the same attention, the same output and the same gradient: queries and keys learn nothing, and the position of a token is lost.",
    judged: "Expected, not measured: the mean cosine ρ between tokens, 0 at first, is carried along the main path. A \
softmax over T tokens whose squared weights add up to κ (measured) averages tokens to a cosine of \
(ρ + (1 − ρ)/T)/(ρ + (1 − ρ)κ); a sum with a branch whose second moment is α² of the stream's \
(measured) gives (ρ + α²ρ_branch)/(1 + α²); other steps keep it. Without a residual stream 1 − ρ falls \
doubly exponentially. Below e⁻⁶ is a warning, below 10⁻⁶ an error. (12 blocks of α² = 1 with 128 tokens \
leave 0.03.)",
    fix: "Keep the residual stream, and scale the last weight of each branch by 1/√(number of branches).",
    reference: "Dong et al. 2021, arXiv:2103.03404; Noci et al. 2022, arXiv:2206.03126",
};

/// −ln of 1 − ρ that six depth scales leave (see F401).
const TRAINABLE: f64 = 6.0;
/// −ln of 1 − ρ beyond the length of any training run.
const HOPELESS: f64 = 13.8;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    judge(context).into_iter().collect()
}

fn judge(context: &Context<'_>) -> Option<Finding> {
    // ln(1 − ρ), which stays exact where ρ is next to one.
    let mut distance: f64 = 0.0;
    let mut shares: Vec<(Share, &Place<'_>)> = Vec::new();
    let trunk = context.main_path.trunk();
    for (at, place) in trunk.iter().enumerate() {
        let next = match place.step {
            Step::Joint => sum(context, trunk, at, distance),
            Step::Neutral => direct(context, place, distance),
            _ => None,
        };
        let Some(next) = next else { continue };
        let share = Share {
            node: place.seen.node.clone(),
            parameter: place.weight.map(|weight| weight.name.clone()),
            log_change: next - distance,
        };
        shares.push((share, place));
        distance = next;
    }
    let severity = if distance < -HOPELESS {
        Severity::Error
    } else if distance < -TRAINABLE {
        Severity::Warning
    } else {
        return None;
    };
    let most = shares
        .iter()
        .min_by(|(a, _), (b, _)| a.log_change.total_cmp(&b.log_change))?;
    let names = shares
        .iter()
        .filter_map(|(share, _)| share.parameter.as_deref());
    let names = most.0.parameter.as_deref().into_iter().chain(names);
    let mut known = BTreeSet::new();
    let names: Vec<&str> = names.filter(|name| known.insert(*name)).collect();
    let mut fixes = names
        .into_iter()
        .filter_map(|name| context.proposal.fix(name));
    Some(Finding {
        code: CODE,
        severity,
        node: most.1.seen.node.clone(),
        parameter: most.0.parameter.clone(),
        message: format!(
            "attention makes the tokens alike: 1 − cosine between them is expected to fall to {} over {} attention blocks",
            number(distance.exp()),
            shares.len()
        ),
        evidence: Evidence {
            shares: shares.iter().map(|(share, _)| share.clone()).collect(),
            ..Evidence::new(distance.exp(), 1.0, [(-TRAINABLE).exp(), 2.0])
        },
        fix: fixes.next(),
        further_fixes: fixes.collect(),
    })
}

/// ln(1 − ρ) after the stream and a branch of attention were added up; `None` if no branch of the
/// sum attends.
fn sum(context: &Context<'_>, trunk: &[Place<'_>], at: usize, distance: f64) -> Option<f64> {
    let place = trunk.get(at)?;
    let before = trunk.get(..at)?.iter().filter_map(|p| context.id(p.seen));
    let main_path: BTreeSet<ValueId> = before.collect();
    let node = context.network.node(context.producer(place.seen)?);
    let [Some(a), Some(b)] = node.inputs.as_slice() else {
        return None;
    };
    let (stream, branch) = match (main_path.contains(a), main_path.contains(b)) {
        (true, false) => (*a, *b),
        (false, true) => (*b, *a),
        _ => return None,
    };
    let attention = attention_of(context, branch, &main_path)?;
    let second = |id: ValueId| {
        let seen = context.observation(&context.network.value(id).name)?;
        Some(seen.forward.rms * seen.forward.rms)
    };
    let ratio = second(branch)? / second(stream)?;
    let mixed = attended(attention, distance);
    (ratio.is_finite() && ratio >= 0.0).then(|| added(distance, ratio, mixed))
}

/// ln(1 − ρ) of a stream and a branch of `ratio` times its second moment.
fn added(stream: f64, ratio: f64, branch: f64) -> f64 {
    ((stream.exp() + ratio * branch.exp()) / (1.0 + ratio)).ln()
}

/// ln(1 − ρ) after attention that no stream goes around.
fn direct(context: &Context<'_>, place: &Place<'_>, distance: f64) -> Option<f64> {
    let node = context.network.node(context.producer(place.seen)?);
    let softmax = node.inputs.iter().flatten().find_map(|&id| {
        let producer = context.network.node(context.network.value(id).producer?);
        is_softmax(producer).then(|| context.observation(&context.network.value(id).name))?
    });
    Some(attended(softmax?, distance))
}

/// ln(1 − cosine) between averages of tokens that a softmax takes.
fn attended(softmax: &Observation, distance: f64) -> f64 {
    let tokens = softmax.shape.last().copied().unwrap_or(1).max(1) as f64;
    let squares = tokens * softmax.forward.rms * softmax.forward.rms;
    averaged(tokens, squares.clamp(1.0 / tokens, 1.0), distance)
}

/// The same for so many tokens and such a sum of squared weights.
fn averaged(tokens: f64, squares: f64, distance: f64) -> f64 {
    let apart = distance.exp();
    let alike = 1.0 - apart;
    // (ρ + (1 − ρ)κ − ρ − (1 − ρ)/T) / (ρ + (1 − ρ)κ), without the difference of near equals.
    let left = apart * (squares - 1.0 / tokens) / (alike + apart * squares);
    left.max(1e-300).ln()
}

fn is_softmax(node: &Node) -> bool {
    matches!(&node.operator, Operator::Softmax(softmax) if softmax.kind == SoftmaxKind::Soft)
}

/// The softmax on the way from the main path to a branch's end.
fn attention_of<'a>(
    context: &Context<'a>,
    branch: ValueId,
    main_path: &BTreeSet<ValueId>,
) -> Option<&'a Observation> {
    let mut open = vec![branch];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if main_path.contains(&id) || !seen.insert(id) {
            continue;
        }
        let Some(node) = context.network.value(id).producer else {
            continue;
        };
        let node: &Node = context.network.node(node);
        if is_softmax(node) {
            return context.observation(&context.network.value(id).name);
        }
        open.extend(node.inputs.iter().flatten());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform attention over 128 tokens and a branch of α² = 1: ρ' = (ρ + m)/(1 + m), where
    /// m = ρ + (1 − ρ)/T is what averaging leaves of the branch. 8 layers .666, 12 .970.
    #[test]
    fn the_known_collapse_of_uniform_attention() {
        let tokens = 128.0;
        let (mut distance, mut known) = (0.0, Vec::new());
        for _ in 0..12 {
            let rho = 1.0 - f64::exp(distance);
            let left = rho + (1.0 - rho) / tokens;
            let mixed = averaged(tokens, 1.0 / tokens, distance);
            distance = added(distance, left, mixed);
            known.push(1.0 - distance.exp());
        }
        assert!((known[7] - 0.666).abs() < 1e-3, "{known:?}");
        assert!((known[11] - 0.970).abs() < 1e-3, "{known:?}");
    }
}
