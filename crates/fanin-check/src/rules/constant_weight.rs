//! F501: weights that are all equal.

use super::Rule;
use crate::context::{Context, number};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(501);

const PAGE: Page = Page {
    code: CODE,
    title: "weights that are all equal",
    what: "All elements of a weight matrix or kernel are the same number, and not zero.",
    why: "Such a weight looks as if it was never drawn: all its units compute the same, and only different gradients can tell them apart.",
    judged: "Smallest and largest element are equal, for a weight of at least two units. Random draws have a range of several deviations. A warning; an error where an error lies on a way \
through it, or where the weight is also too loud or saturates its units, for then its units, which are \
one, go dead together. Zero is no fault by itself (F301 and F302 say where it is).",
    fix: "Draw the weight from a distribution.",
    reference: "Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run).broken().redrawn().folds();

fn run(context: &Context<'_>) -> Vec<Finding> {
    let constant = context.trace.parameters.iter().filter(|seen| {
        let (low, high) = seen.range;
        let single = seen.shape.iter().product::<usize>() < 2;
        seen.units.is_some()
            && !context.is_offset(seen)
            && !single
            && seen.non_finite == 0
            && low == high
            && low != 0.0
    });
    constant
        .map(|seen| {
            let fix = context.proposal.fix(&seen.name);
            let expected = fix.as_ref().and_then(|fix| {
                let parameter = context.parameter(seen)?;
                let filler = fix.initializer.resolve(&parameter.shape, &parameter.layout);
                filler.ok()?.expected_std()
            });
            let expected = expected.unwrap_or(seen.rms);
            Finding {
                code: CODE,
                severity: Severity::Warning,
                node: context.reader(seen),
                parameter: Some(seen.name.clone()),
                message: format!(
                    "every element of `{}` is {}, as if it was never drawn",
                    seen.name,
                    number(seen.range.0)
                ),
                evidence: Evidence::exact(0.0, expected),
                fix,
                further_fixes: Vec::new(),
            }
        })
        .collect()
}
