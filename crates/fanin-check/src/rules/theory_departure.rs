//! F103: something happens that theory does not know.

use super::Rule;
use crate::context::{Context, number};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(103);

const PAGE: Page = Page {
    code: CODE,
    title: "a signal that theory does not explain",
    what: "The rms of a value is far outside the band that theory expects from the inputs and the sizes of the weights.",
    why: "Theory takes weights as independent draws of mean zero. A departure says that they are not, or that the data are far from Gaussian; it is no fault by itself, but the other expectations of this report are then less certain from there on.",
    judged: "The measured rms against the predicted one. Beyond the band of 3.29 deviations at the layers' widths by a factor of 2 is a note, at the first node where it happens.",
    fix: "Look at the weights of the node: structured, shared or trained weights explain it.",
    reference: "Poole et al. 2016, arXiv:1606.05340; Hanin & Nica 2019, arXiv:1812.05994",
};

/// Beyond the band by this factor theory has missed something.
const MISSED: f64 = 2.0;

pub(super) const RULE: Rule = Rule::new(&PAGE, run);

fn run(context: &Context<'_>) -> Vec<Finding> {
    let finding = context.prediction.values.iter().find_map(|expected| {
        let band = expected.forward?;
        let seen = context.observation(&expected.value)?;
        let rms = seen.forward.rms;
        if seen.forward.non_finite > 0 || band.rms <= 0.0 {
            return None;
        }
        let outside = rms > MISSED * band.high || rms * MISSED < band.low;
        outside.then(|| Finding {
            code: CODE,
            severity: Severity::Note,
            node: seen.node.clone(),
            parameter: None,
            message: format!(
                "`{}` ({}) puts out an rms of {}, where theory expects {} (between {} and {})",
                seen.node,
                seen.op,
                number(rms),
                number(band.rms),
                number(band.low),
                number(band.high)
            ),
            evidence: Evidence::new(rms, band.rms, [band.low, band.high]),
            fix: None,
            further_fixes: Vec::new(),
        })
    });
    finding.into_iter().collect()
}
