//! F404: a recurrent layer that forgets.

use fanin_network::operator::Cell;
use fanin_network::{Node, NodeId, Operator};
use fanin_theory::band::{DEVIATIONS, layer_variance};

use super::Rule;
use crate::context::{Context, number};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(404);

const PAGE: Page = Page {
    code: CODE,
    title: "a recurrent layer that forgets its first steps",
    what: "The weights from the state to the state shrink what they carry so much that nothing of the first step is left at the last.",
    why: "A plain recurrent layer over T steps is a chain of T layers that share one weight. Signal and gradient between the first step and the last shrink by the same factor at each step, and what is learned comes from the last few steps alone.",
    judged: "The spectral radius of the n × n weight from state to state is about √n times the deviation of its \
elements (circular law) or n times their mean, whichever is larger; the activation's derivative only \
takes from it. To the power of the steps between, less one for the weight's own gradient, a factor \
of 1/31.6 is a warning, as in a chain of layers (F101); no more than that, because it is one weight that \
is faint, and its gradient from the last steps is not: it grows. Plain recurrent layers \
only: in LSTM and GRU the gates carry the state past this weight.",
    fix: "Draw the weight from state to state orthogonal, with gain 1.",
    reference: "Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063; Saxe et al. 2014, arXiv:1312.6120",
};

/// ln of the factor in rms that slows (see F101).
const SLOW: f64 = 3.45;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let nodes = context.network.nodes.iter().enumerate();
    nodes
        .filter_map(|(at, node)| judge(context, NodeId::from(at), node))
        .collect()
}

fn judge(context: &Context<'_>, id: NodeId, node: &Node) -> Option<Finding> {
    let Operator::Recurrent(recurrent) = &node.operator else {
        return None;
    };
    if recurrent.cell != Cell::Rnn {
        return None;
    }
    let input = |k: usize| node.inputs.get(k).copied().flatten();
    let weight = context.stored(input(2)?)?;
    let seen = context.seen(weight)?;
    let fed = context.observation(&context.network.value(input(0)?).name)?;
    let steps = *fed.shape.get(usize::from(recurrent.batch_first))?;
    let units = *weight.shape.last()? as f64;
    let variance = (seen.rms * seen.rms - seen.mean * seen.mean).max(0.0);
    let radius = (units * variance).sqrt().max(units * seen.mean.abs());
    let between = steps.saturating_sub(2) as f64;
    let fade = between * radius.ln();
    // The walk of a chain of linear layers (see F101).
    let band = 0.5 * DEVIATIONS * (between * layer_variance(3.0, units)).sqrt();
    let excess = -fade - band;
    // Zeros are F302's, NaN F701's.
    if radius == 0.0 || seen.non_finite > 0 || excess <= SLOW {
        return None;
    }
    Some(Finding {
        code: CODE,
        severity: Severity::Warning,
        node: context.network.node(id).name.clone(),
        parameter: Some(weight.name.clone()),
        message: format!(
            "`{}` multiplies the state by at most {} at each of {steps} steps: of the first step {} is left at the last",
            weight.name,
            number(radius),
            number((fade + radius.ln()).exp())
        ),
        evidence: Evidence::new(fade.exp(), 1.0, [(-SLOW - band).exp(), band.exp()]),
        fix: context.proposal.fix(&weight.name),
        further_fixes: Vec::new(),
    })
}
