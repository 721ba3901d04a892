//! F702: values that are no numbers on the way forward.

use crate::scene::Scene;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(702);

pub(super) const PAGE: Page = Page {
    code: CODE,
    title: "values that are NaN or infinite on the way forward",
    what: "The outputs of a node have elements that are NaN or infinite, while its inputs have none.",
    why: "What follows is NaN or infinite too: there is no loss to descend.",
    judged: "Counts the elements that are not finite, and names the first node in the order of execution that makes them out of finite ones. Infinities that a mask adds to attention scores and a softmax takes away again are as they should be: a node counts only if the output is reached.",
    fix: "If the values before grow, see F102; otherwise the operation itself leaves its domain (a logarithm or a division of zero).",
    reference: "IEEE 754-2019, Standard for floating-point arithmetic",
};

pub(super) fn run(scene: &Scene<'_>) -> Vec<Finding> {
    // Masked scores are infinite on purpose; if they stay inside, the output is finite.
    let spoilt = |value: &str| {
        let seen = scene.observation(value);
        seen.is_some_and(|seen| seen.forward.non_finite > 0)
    };
    if !spoilt(&scene.trace.output.value) {
        return Vec::new();
    }
    let first = scene
        .trace
        .values
        .iter()
        .find(|seen| seen.forward.non_finite > 0);
    let finding = first.map(|seen| Finding {
        code: CODE,
        severity: Severity::Error,
        node: seen.node.clone(),
        parameter: None,
        message: format!(
            "`{}` ({}) is the first node to put out values that are NaN or infinite: {} of them, and they reach the output",
            seen.node, seen.op, seen.forward.non_finite
        ),
        evidence: Evidence {
            measured: seen.forward.non_finite as f64,
            expected: 0.0,
            band: [0.0, 0.0],
        },
        fix: None,
        further_fixes: Vec::new(),
    });
    finding.into_iter().collect()
}
