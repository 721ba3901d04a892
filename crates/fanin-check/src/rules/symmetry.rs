//! F301: units that are equal and stay equal.

use super::Rule;
use crate::context::Context;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(301);

const PAGE: Page = Page {
    code: CODE,
    title: "units that are equal and will stay equal",
    what: "Output units of a weight have the same incoming weights and get the same gradient.",
    why: "Equal units with equal gradients stay equal through every step of training: the layer is as good as one with a single unit of each kind.",
    judged: "Counts the distinct rows of the weight and of its gradient, bit by bit. Random rows are all distinct, so the expectation is the number of units. Weights of zero whose gradients differ (the zero end of a residual branch, a zero head) are sound, as are equal rows with different gradients. Half of the units or more is an error, fewer a warning.",
    fix: "Draw the weight from a distribution; zeros and constants belong only where another factor breaks the symmetry.",
    reference: "Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4",
};

pub(super) const RULE: Rule = Rule::new(&PAGE, run).redrawn().folds();

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for seen in &context.trace.parameters {
        let Some(units) = &seen.units else { continue };
        let Some(gradients) = units.distinct_gradients else {
            continue;
        };
        if context.is_offset(seen) {
            continue;
        }
        // A gradient of zero everywhere says nothing about symmetry; see F302.
        if seen.gradient_rms.is_none_or(|rms| rms == 0.0) {
            continue;
        }
        // Dead units and shut gates have the same gradient, zero, without being the same unit.
        let dead = (context.dead_after(seen) * units.count as f64).round() as usize;
        let still = dead.max(units.still_gradients.unwrap_or(0));
        let gradients = (gradients + still.saturating_sub(1)).min(units.count);
        let distinct = units.distinct_weights.max(gradients);
        if distinct >= units.count {
            continue;
        }
        let severity = if 2 * (units.count - distinct) >= units.count {
            Severity::Error
        } else {
            Severity::Warning
        };
        let count = units.count as f64;
        findings.push(Finding {
            code: CODE,
            severity,
            node: context.reader(seen),
            parameter: Some(seen.name.clone()),
            message: format!(
                "`{}` has {} output units but only {} distinct ones, and equal units get equal gradients: they never become different",
                seen.name, units.count, units.distinct_weights,
            ),
            evidence: Evidence::exact(units.distinct_weights as f64, count),
            fix: context.proposal.fix(&seen.name),
            further_fixes: Vec::new(),
        });
    }
    findings
}
