//! F306: the units inside a recurrent layer lie where they are flat.

use fanin::Activation;
use fanin_network::operator::{Cell, CellActivation};
use fanin_network::{Node, Operator, Parameter};
use fanin_theory::units::saturated_share;

use super::Rule;
use crate::context::{Context, number};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(306);

const PAGE: Page = Page {
    code: CODE,
    title: "gates of a recurrent layer that are stuck",
    what: "What the weights of a recurrent layer make is so large that most of its gates are fully open or shut, or its state is at an end of its range.",
    why: "Where a sigmoid or tanh is flat next to no gradient passes: the layer cannot learn when to keep and when to forget, and through time its state jumps between the ends of its range.",
    judged: "A pre-activation has the variance n_in E[w²] E[x²] + n_hidden E[r²] E[h²], with the weights' \
and the input's and output's mean squares as measured. Of Gaussians of that variance the share beyond \
the point where the derivative is below 5.91 % of its largest is held against the share that weights \
of the scale of recipe auto leave (see F304). A warning where less than half of the steep units are \
left that should be, an error where less than a tenth are.",
    fix: "Scale the weights down: Xavier for those that read the input, orthogonal for those that read the state.",
    reference: "Gilboa et al. 2019, arXiv:1901.08987; Glorot & Bengio 2010",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let nodes = context.network.nodes.iter();
    nodes.filter_map(|node| judge(context, node)).collect()
}

fn judge(context: &Context<'_>, node: &Node) -> Option<Finding> {
    let Operator::Recurrent(recurrent) = &node.operator else {
        return None;
    };
    let activation = match recurrent.activations_of(0).first()? {
        CellActivation::Sigmoid if recurrent.cell != Cell::Rnn => Activation::Sigmoid,
        CellActivation::Tanh if recurrent.cell == Cell::Rnn => Activation::Tanh,
        _ => return None,
    };
    let input = |k: usize| node.inputs.get(k).copied().flatten();
    let fed = context.observation(&context.network.value(input(0)?).name)?;
    let put_out = node.outputs.iter().flatten().find_map(|&id| {
        let value = &context.network.value(id).name;
        context.observation(value)
    })?;
    let weights = [
        Reads::new(context, context.stored(input(1)?)?, fed.forward.rms)?,
        Reads::new(context, context.stored(input(2)?)?, put_out.forward.rms)?,
    ];
    let flat = |variance: f64| saturated_share(activation, 0.0, variance);
    let measured = flat(weights.iter().map(|one| one.now).sum());
    let expected = flat(weights.iter().map(|one| one.proposed).sum());
    let left = (1.0 - measured) / (1.0 - expected).max(f64::MIN_POSITIVE);
    let severity = if left < 0.1 {
        Severity::Error
    } else if left < 0.5 && measured > 0.5 {
        Severity::Warning
    } else {
        return None;
    };
    let [first, second] = &weights;
    let louder = |one: &Reads<'_>| one.now - one.proposed;
    let (blamed, other) = if louder(second) > louder(first) {
        (second, first)
    } else {
        (first, second)
    };
    Some(Finding {
        code: CODE,
        severity,
        node: node.name.clone(),
        parameter: Some(blamed.weight.name.clone()),
        message: format!(
            "{} % of what the weights of `{}` ({}) make lies where its {} is flat, where {} % are expected",
            number(100.0 * measured),
            node.name,
            recurrent.cell.name(),
            activation.name(),
            number(100.0 * expected)
        ),
        evidence: Evidence::new(measured, expected, [0.0, 1.0 - 0.5 * (1.0 - expected)]),
        fix: context.proposal.fix(&blamed.weight.name),
        further_fixes: Some(other)
            .filter(|other| louder(other) > 0.5 * louder(blamed))
            .and_then(|other| context.proposal.fix(&other.weight.name))
            .into_iter()
            .collect(),
    })
}

/// A weight and the variance that it adds to a pre-activation.
struct Reads<'a> {
    weight: &'a Parameter,
    now: f64,
    /// With the scale that recipe auto would give it, or its own where that is smaller.
    proposed: f64,
}

impl<'a> Reads<'a> {
    fn new(context: &Context<'_>, weight: &'a Parameter, rms: f64) -> Option<Self> {
        let seen = context.seen(weight).filter(|seen| seen.non_finite == 0)?;
        let size = *weight.shape.last()? as f64;
        let proposed = context
            .proposed_std(weight)
            .map_or(seen.rms, |std| std.min(seen.rms));
        let second = size * rms * rms;
        let finite = (second * seen.rms * seen.rms).is_finite();
        finite.then_some(Self {
            weight,
            now: second * seen.rms * seen.rms,
            proposed: second * proposed * proposed,
        })
    }
}
