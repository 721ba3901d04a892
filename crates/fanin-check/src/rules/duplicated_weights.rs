//! F502: the same random numbers twice.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use fanin_network::{HostData, HostTensor};

use crate::scene::Scene;
use crate::{Code, Evidence, Finding, Page, Severity};

const CODE: Code = Code(502);

pub(super) const PAGE: Page = Page {
    code: CODE,
    title: "two weights with the same random numbers",
    what: "Two different parameters hold the same elements, bit by bit.",
    why: "Layers are meant to be independent draws. The same numbers in several layers make their errors add up instead of averaging out, and come from a generator that was seeded anew for each layer or from a copied block.",
    judged: "Compares all weights of at least 16 elements that are not constant, biases and norms apart. Two independent draws never agree in every element. Tied weights are one parameter and do not count.",
    fix: "Draw each parameter from a stream of its own; fanin's streams are named by the parameter.",
    reference: "Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3",
};

/// Fewer elements than this may agree by being few.
const ENOUGH: usize = 16;

pub(super) fn run(scene: &Scene<'_>) -> Vec<Finding> {
    let mut first: HashMap<u64, (&str, &HostTensor)> = HashMap::new();
    let mut findings = Vec::new();
    for seen in &scene.trace.parameters {
        let varies = seen.range.0 < seen.range.1 && seen.non_finite == 0;
        let Some(tensor) = scene.weights.get(&seen.name) else {
            continue;
        };
        if !varies || tensor.len() < ENOUGH || scene.is_offset(seen) {
            continue;
        }
        let Some((other, _)) = first
            .get(&digest(tensor))
            .filter(|(_, other)| other.data == tensor.data)
        else {
            first.insert(digest(tensor), (&seen.name, tensor));
            continue;
        };
        findings.push(Finding {
            code: CODE,
            severity: Severity::Warning,
            node: scene.reader(seen),
            parameter: Some(seen.name.clone()),
            message: format!(
                "`{}` holds the same {} numbers as `{other}`, bit by bit",
                seen.name,
                tensor.len()
            ),
            evidence: Evidence::exact(1.0, 0.0),
            fix: scene.proposal.fix(&seen.name),
            further_fixes: Vec::new(),
        });
    }
    findings
}

fn digest(tensor: &HostTensor) -> u64 {
    let mut hasher = DefaultHasher::new();
    match &tensor.data {
        HostData::F32(v) => v.iter().for_each(|x| x.to_bits().hash(&mut hasher)),
        HostData::F64(v) => v.iter().for_each(|x| x.to_bits().hash(&mut hasher)),
        HostData::I64(v) => v.hash(&mut hasher),
        HostData::Bool(v) => v.hash(&mut hasher),
    }
    hasher.finish()
}
