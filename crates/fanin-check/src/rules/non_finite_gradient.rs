//! F703: gradients that are no numbers.

use super::Rule;
use crate::context::Context;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(703);

const PAGE: Page = Page {
    code: CODE,
    title: "gradients that are NaN or infinite",
    what: "The gradient of a parameter has elements that are NaN or infinite, though the output is finite.",
    why: "The first step writes them into the weights.",
    judged: "Counts the elements that are not finite, and names the first node, coming back from the output, at which the gradient has any.",
    fix: "If gradients grow on the way back, see F202; otherwise a derivative is infinite there: a root or a norm at zero.",
    reference: "IEEE 754-2019, Standard for floating-point arithmetic",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let output = context.observation(&context.trace.output.value);
    if output.is_some_and(|seen| seen.forward.non_finite > 0) {
        // F702 says where it begins.
        return Vec::new();
    }
    let parameter = context
        .trace
        .parameters
        .iter()
        .find(|seen| seen.gradient_non_finite > 0);
    let Some(parameter) = parameter else {
        return Vec::new();
    };
    let count = |seen: &fanin_run::Observation| {
        seen.backward
            .as_ref()
            .map_or(0, |gradient| gradient.non_finite)
    };
    let first = context
        .trace
        .values
        .iter()
        .rev()
        .find(|seen| count(seen) > 0);
    let node = first.map_or_else(|| context.reader(parameter), |seen| seen.node.clone());
    vec![Finding {
        code: CODE,
        severity: Severity::Error,
        message: format!(
            "the gradient turns NaN or infinite at `{node}` on its way back; {} elements of the gradient of `{}` are",
            parameter.gradient_non_finite, parameter.name
        ),
        node,
        parameter: Some(parameter.name.clone()),
        evidence: Evidence::exact(parameter.gradient_non_finite as f64, 0.0),
        fix: None,
        further_fixes: Vec::new(),
    }]
}
