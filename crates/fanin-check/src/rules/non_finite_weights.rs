//! F701: weights that are no numbers.

use super::Rule;
use crate::context::Context;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(701);

const PAGE: Page = Page {
    code: CODE,
    title: "weights that are NaN or infinite",
    what: "A parameter has elements that are NaN or infinite.",
    why: "One of them makes every output NaN or infinite that it has a part in, and its gradient spreads to all weights in the first step.",
    judged: "Counts the elements that are not finite; there should be none.",
    fix: "Fill the parameter again; if the file was written in half precision, write it in a wider type.",
    reference: "IEEE 754-2019, Standard for floating-point arithmetic",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run).broken().redrawn();

fn run(context: &Context<'_>) -> Vec<Finding> {
    let bad = context
        .trace
        .parameters
        .iter()
        .filter(|seen| seen.non_finite > 0);
    bad.map(|seen| Finding {
        code: CODE,
        severity: Severity::Error,
        node: context.reader(seen),
        parameter: Some(seen.name.clone()),
        message: format!(
            "{} elements of `{}` are NaN or infinite",
            seen.non_finite, seen.name
        ),
        evidence: Evidence::exact(seen.non_finite as f64, 0.0),
        fix: context.proposal.fix(&seen.name),
        further_fixes: Vec::new(),
    })
    .collect()
}
