//! Writing the proposed changes into a plan.

use fanin::{Seed, Stream};
use fanin_network::{HostTensor, Network, Weights};
use fanin_plan::Plan;

use crate::{Checkup, Finding};

/// The plan with every change that the findings propose, or `None` if they propose none that
/// changes it.
///
/// Where two findings propose different initializers for one parameter, the graver one's counts.
pub fn fix(plan: &Plan, checkup: &Checkup) -> Option<Plan> {
    let mut mended = plan.clone();
    let mut touched = std::collections::BTreeSet::new();
    let mut changed = false;
    for finding in &checkup.findings {
        for fix in finding.fix.iter().chain(&finding.further_fixes) {
            if !touched.insert(fix.parameter.as_str()) {
                continue;
            }
            let entry = mended
                .entries
                .iter_mut()
                .find(|entry| entry.name == fix.parameter);
            if let Some(entry) = entry {
                changed |= entry.initializer != fix.initializer;
                entry.initializer = fix.initializer.clone();
                entry.reason = format!("{} ({})", fix.why, finding.code);
            }
        }
    }
    changed.then_some(mended)
}

/// Fills the parameters that the findings want changed, in place, and names them.
///
/// For weights that come from no plan; the rest of them stays as it is.
///
/// # Errors
///
/// If a proposed initializer does not suit its parameter.
pub fn apply_fixes(
    network: &Network,
    checkup: &Checkup,
    seed: Seed,
    weights: &mut Weights,
) -> Result<Vec<String>, fanin::InitError> {
    refill(network, &checkup.findings, seed, weights)
}

/// Fills only those parameters anew that no factor can mend: zeros, constants, equal units, copies,
/// NaN, memory that nobody wrote. What is left is [`rescale`](fn@crate::rescale)'s work.
///
/// # Errors
///
/// If a proposed initializer does not suit its parameter.
pub fn redraw_broken(
    network: &Network,
    checkup: &Checkup,
    seed: Seed,
    weights: &mut Weights,
) -> Result<Vec<String>, fanin::InitError> {
    let broken = checkup.findings.iter().filter(|finding| {
        let grave = finding.severity > crate::Severity::Note;
        grave && matches!(finding.code.0, 301 | 302 | 303 | 501 | 502 | 505 | 701)
    });
    refill(network, broken, seed, weights)
}

fn refill<'a>(
    network: &Network,
    findings: impl IntoIterator<Item = &'a Finding>,
    seed: Seed,
    weights: &mut Weights,
) -> Result<Vec<String>, fanin::InitError> {
    let mut changed: Vec<String> = Vec::new();
    let fixes = findings
        .into_iter()
        .flat_map(|f| f.fix.iter().chain(&f.further_fixes));
    for fix in fixes {
        let parameter = network.parameters.iter().find(|p| p.name == fix.parameter);
        let (Some(parameter), false) = (parameter, changed.contains(&fix.parameter)) else {
            continue;
        };
        let filler = fix
            .initializer
            .resolve(&parameter.shape, &parameter.layout)?;
        let mut data = vec![0f32; parameter.len()];
        if filler
            .fill(&Stream::new(seed, &parameter.name), 0, &mut data)
            .is_err()
        {
            continue; // a slice from 0 of the whole length is never out of range
        }
        if let Some(tensor) = HostTensor::f32(parameter.shape.clone(), data) {
            weights.tensors.insert(parameter.name.clone(), tensor);
            changed.push(parameter.name.clone());
        }
    }
    Ok(changed)
}
