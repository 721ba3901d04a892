//! F505: weights that look like memory nobody wrote.

use fanin_network::{HostData, HostTensor};

use super::Rule;
use crate::context::{Context, number};
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(505);

const PAGE: Page = Page {
    code: CODE,
    title: "weights that look like memory nobody wrote",
    what: "A weight holds subnormal numbers, or its largest elements are millions of times its typical one.",
    why: "No scheme draws such numbers. They are what a buffer contains that was allocated and never filled (torch.empty, numpy.empty): bits of pointers, integers and text read as floats.",
    judged: "Of draws with a deviation above 1e-30 not one in 10⁷ is subnormal (below 1.2e-38), and the root mean \
square of a draw is within a factor of ten of the median magnitude, unless it is sparse. One subnormal \
element is a warning; a ratio above 10⁶ is an error. This is all that can be told: a buffer that \
happens to hold zeros is F301 or F302, one that holds an older tensor may be F502, and bits that form \
plausible numbers cannot be told from a draw.",
    fix: "Fill the parameter.",
    reference: "IEEE 754-2019, Standard for floating-point arithmetic",
};

/// Ratio of the root mean square to the median magnitude that no scheme comes near.
const SPREAD: f64 = 1e6;

pub(super) const RULE: Rule = Rule::new(&PAGE, run).broken().redrawn();

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for seen in &context.trace.parameters {
        let Some(tensor) = context.weights.get(&seen.name) else {
            continue;
        };
        let HostData::F32(data) = &tensor.data else {
            continue;
        };
        let subnormal = data.iter().filter(|x| x.is_subnormal()).count();
        let typical = median(tensor);
        let wild = seen.non_finite == 0 && typical > 0.0 && seen.rms > SPREAD * typical;
        // A tensor that is small altogether was scaled, not left.
        let scaled = subnormal > 0 && seen.range.1.max(-seen.range.0) < 1e-30;
        if (subnormal == 0 || scaled) && !wild {
            continue;
        }
        let (severity, evidence, what) = if wild {
            let ratio = seen.rms / typical;
            (
                Severity::Error,
                Evidence::new(ratio, 1.0, [0.1, 10.0]),
                format!(
                    "its rms is {} and its median magnitude {}",
                    number(seen.rms),
                    number(typical)
                ),
            )
        } else {
            (
                Severity::Warning,
                Evidence::exact(subnormal as f64, 0.0),
                format!("{subnormal} of its {} elements are subnormal", data.len()),
            )
        };
        findings.push(Finding {
            code: CODE,
            severity,
            node: context.reader(seen),
            parameter: Some(seen.name.clone()),
            message: format!(
                "`{}` looks like memory that was never filled: {what}",
                seen.name
            ),
            evidence,
            fix: context.proposal.fix(&seen.name),
            further_fixes: Vec::new(),
        });
    }
    findings
}

/// The median magnitude of the elements that are not zero, over at most some thousand of them; 0 if
/// there are too few to tell.
fn median(tensor: &HostTensor) -> f64 {
    let HostData::F32(data) = &tensor.data else {
        return 0.0;
    };
    let step = (data.len() / 4096).max(1);
    let mut sizes: Vec<f32> = data
        .iter()
        .step_by(step)
        .map(|x| x.abs())
        .filter(|x| *x > 0.0 && x.is_finite())
        .collect();
    if sizes.len() < 16 {
        return 0.0;
    }
    let middle = sizes.len() / 2;
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f32::total_cmp);
    f64::from(*median)
}
