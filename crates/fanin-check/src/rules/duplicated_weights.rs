//! F502: the same random numbers twice.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use fanin_network::{HostData, HostTensor};

use super::Rule;
use crate::context::Context;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(502);

const PAGE: Page = Page {
    code: CODE,
    title: "two weights with the same random numbers",
    what: "Two different parameters hold the same elements, bit by bit.",
    why: "Layers are meant to be independent draws. The same numbers in several layers make their errors add up instead of averaging out, and come from a generator that was seeded anew for each layer or from a copied block.",
    judged: "Compares all weights that hold at least 16 different numbers, biases and norms apart; fewer are a pattern (an identity, a bias with the forget gate at one), which may well recur. Two independent draws never agree in every element. Tied weights are one parameter and do not count.",
    fix: "Draw each parameter from a stream of its own; fanin's streams are named by the parameter.",
    reference: "Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3",
};

/// Fewer different numbers than this are a pattern and no draw.
const ENOUGH: usize = 16;

pub(super) const RULE: Rule = Rule::new(&PAGE, run).broken().redrawn();

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut first: HashMap<u64, Vec<(&str, &HostTensor)>> = HashMap::new();
    let mut findings = Vec::new();
    for seen in &context.trace.parameters {
        let Some(tensor) = context.weights.get(&seen.name) else {
            continue;
        };
        if seen.non_finite > 0 || !is_drawn(tensor) || context.is_offset(seen) {
            continue;
        }
        let alike = first.entry(digest(tensor)).or_default();
        let Some((other, _)) = alike.iter().find(|(_, other)| other.data == tensor.data) else {
            alike.push((&seen.name, tensor));
            continue;
        };
        findings.push(Finding {
            code: CODE,
            severity: Severity::Warning,
            node: context.reader(seen),
            parameter: Some(seen.name.clone()),
            message: format!(
                "`{}` holds the same {} numbers as `{other}`, bit by bit",
                seen.name,
                tensor.len()
            ),
            evidence: Evidence::exact(1.0, 0.0),
            fix: context.proposal.fix(&seen.name),
            further_fixes: Vec::new(),
        });
    }
    findings
}

/// Whether a tensor holds enough different numbers to have been drawn.
fn is_drawn(tensor: &HostTensor) -> bool {
    let mut different = HashSet::new();
    let mut enough = |bits: u64| different.insert(bits) && different.len() >= ENOUGH;
    match &tensor.data {
        HostData::F32(v) => v.iter().any(|x| enough(u64::from(x.to_bits()))),
        HostData::F64(v) => v.iter().any(|x| enough(x.to_bits())),
        HostData::I64(_) | HostData::Bool(_) => false,
    }
}

/// A hash of the length and of elements spread over the tensor: what differs in it differs, what
/// agrees is compared in full.
fn digest(tensor: &HostTensor) -> u64 {
    const SAMPLES: usize = 64;
    let step = (tensor.len() / SAMPLES).max(1);
    let mut hasher = DefaultHasher::new();
    tensor.len().hash(&mut hasher);
    match &tensor.data {
        HostData::F32(v) => v
            .iter()
            .step_by(step)
            .for_each(|x| x.to_bits().hash(&mut hasher)),
        HostData::F64(v) => v
            .iter()
            .step_by(step)
            .for_each(|x| x.to_bits().hash(&mut hasher)),
        HostData::I64(v) => v.iter().step_by(step).for_each(|x| x.hash(&mut hasher)),
        HostData::Bool(v) => v.iter().step_by(step).for_each(|x| x.hash(&mut hasher)),
    }
    hasher.finish()
}
