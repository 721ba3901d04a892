//! F506: biases that a normalization takes away again.

use fanin_network::operator::{Binary, Class, Norm};
use fanin_network::{Node, Operator, Role};

use super::Rule;
use crate::context::Context;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(506);

const PAGE: Page = Page {
    code: CODE,
    title: "biases that a normalization takes away again",
    what: "A bias is added right before a normalization that subtracts the mean of each channel.",
    why: "What the bias adds is subtracted one step later: it changes nothing, its gradient is zero up to rounding, and it costs memory and optimizer state.",
    judged: "Follows the bias to a batch or instance normalization with nothing but reshaping between. Layer normalization subtracts the mean over units, which leaves differences between their biases standing, and is not meant.",
    fix: "Leave the bias out (bias=False); the norm's own shift does its work.",
    reference: "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let useless: Vec<_> = context
        .trace
        .parameters
        .iter()
        .filter(|seen| {
            context.parameter(seen).is_some_and(|parameter| {
                parameter.purpose.role == Role::Bias && is_subtracted(context, parameter)
            })
        })
        .collect();
    let Some(first) = useless.first() else {
        return Vec::new();
    };
    let message = match useless.len() {
        1 => format!(
            "the bias `{}` is subtracted again by the normalization that follows",
            first.name
        ),
        n => format!(
            "{n} biases, the first `{}`, are subtracted again by the normalizations that follow",
            first.name
        ),
    };
    vec![Finding {
        code: CODE,
        severity: Severity::Note,
        node: context.reader(first),
        parameter: Some(first.name.clone()),
        message,
        evidence: Evidence::exact(useless.len() as f64, 0.0),
        fix: None,
        further_fixes: Vec::new(),
    }]
}

fn is_subtracted(context: &Context<'_>, bias: &fanin_network::Parameter) -> bool {
    let consumers = |value| &context.network.value(value).consumers;
    let mut value = bias.value;
    loop {
        let [only] = consumers(value).as_slice() else {
            return false;
        };
        let node = context.network.node(*only);
        if subtracts_channels(node) {
            // Its shift and statistics are not meant.
            return node.inputs.first().copied().flatten() == Some(value);
        }
        let class = node.operator.facts().class;
        let passes = matches!(class, Class::Linear | Class::Arranges)
            || node.operator == Operator::Binary(Binary::Add);
        match node.outputs.first().copied().flatten() {
            Some(output) if passes => value = output,
            _ => return false,
        }
    }
}

fn subtracts_channels(node: &Node) -> bool {
    matches!(
        node.operator,
        Operator::Norm(Norm::Batch { .. } | Norm::Instance { .. })
    )
}
