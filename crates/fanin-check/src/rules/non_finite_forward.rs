//! F702: values that are no numbers on the way forward.

use super::Rule;
use crate::context::Context;
use crate::{Code, Evidence, Finding, Fix, Page, Severity};

const CODE: Code = Code(702);

const PAGE: Page = Page {
    code: CODE,
    title: "values that are NaN or infinite on the way forward",
    what: "The outputs of a node have elements that are NaN or infinite, while its inputs have none.",
    why: "What follows is NaN or infinite too: there is no loss to descend.",
    judged: "Counts the elements that are not finite, and names the first node in the order of execution that makes them out of finite ones. Infinities that a mask adds to attention scores and a softmax takes away again are as they should be: a node counts only if the output is reached.",
    fix: "If the values before grow, see F102; otherwise the operation itself leaves its domain (a logarithm or a division of zero).",
    reference: "IEEE 754-2019, Standard for floating-point arithmetic",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    // Masked scores are infinite on purpose; if they stay inside, the output is finite.
    let spoilt = |value: &str| {
        let seen = context.observation(value);
        seen.is_some_and(|seen| seen.forward.non_finite > 0)
    };
    if !spoilt(&context.trace.output.value) {
        return Vec::new();
    }
    let first = context
        .trace
        .values
        .iter()
        .find(|seen| seen.forward.non_finite > 0);
    let finding = first.map(|seen| {
        let mut fixes = outsized(context).into_iter();
        Finding {
        code: CODE,
        severity: Severity::Error,
        node: seen.node.clone(),
        parameter: None,
        message: format!(
            "`{}` ({}) is the first node to put out values that are NaN or infinite: {} of them, and they reach the output",
            seen.node, seen.op, seen.forward.non_finite
        ),
        evidence: Evidence::exact(seen.forward.non_finite as f64, 0.0),
        fix: fixes.next(),
        further_fixes: fixes.collect(),
    }});
    finding.into_iter().collect()
}

/// A weight this much larger than its place asks for comes from no scheme (see F101).
const MISTAKE: f64 = 30.0;

/// Changes of the weights that are far too large: how large the values before an overflow should be
/// is not seen behind it.
fn outsized(context: &Context<'_>) -> Vec<Fix> {
    let large = context.trace.parameters.iter().filter(|seen| {
        let parameter = context.parameter(seen);
        let std = parameter.and_then(|parameter| context.proposed_std(parameter));
        seen.units.is_some() && std.is_some_and(|std| std > 0.0 && seen.rms > MISTAKE * std)
    });
    large
        .filter_map(|seen| context.proposal.fix(&seen.name))
        .collect()
}
