//! Writing the proposed changes into a plan.

use fanin::{Seed, Stream};
use fanin_network::{HostTensor, Network, Weights};
use fanin_plan::{ChosenBy, Plan};

use crate::rules::holds;
use crate::{Checkup, Finding, Fix, Verdict};

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
                entry.chosen_by = ChosenBy::Finding;
                entry.reason = format!("{} ({})", fix.why, finding.code);
            }
        }
    }
    changed.then_some(mended)
}

/// How often changes are made and checked before what is left is left.
const ROUNDS: usize = 3;

/// What became of a start that was mended.
#[derive(Clone, Debug, PartialEq)]
pub struct Mended {
    /// The plan with the changes, if the weights came from one.
    pub plan: Option<Plan>,
    /// What was changed, each parameter once.
    pub changes: Vec<Fix>,
    /// The check after the last change.
    pub checkup: Checkup,
}

/// Makes the changes that a check proposes, checks again, and goes on, at most three times, while
/// the verdict is not healthy and there is something new to change: where several layers are off, the
/// gravest hides the others. `weights` are changed in place.
///
/// `judge` checks weights that came from this plan. `None` if nothing is proposed.
///
/// # Errors
///
/// Those of `judge`, and if a proposed initializer does not suit its parameter.
pub fn mend<E: From<fanin::InitError>>(
    network: &Network,
    plan: Option<&Plan>,
    checkup: &Checkup,
    weights: &mut Weights,
    mut judge: impl FnMut(Option<&Plan>, &Weights) -> Result<Checkup, E>,
) -> Result<Option<Mended>, E> {
    let seed = Seed::new(checkup.seed);
    let mut plan = plan.cloned();
    let mut changes: Vec<Fix> = Vec::new();
    let mut latest: Option<Checkup> = None;
    for _ in 0..ROUNDS {
        let current = latest.as_ref().unwrap_or(checkup);
        let mut new = proposals(&current.findings);
        new.retain(|fix| changes.iter().all(|known| known.parameter != fix.parameter));
        let done = latest.is_some() && current.verdict == Verdict::Healthy;
        if done || new.is_empty() {
            break;
        }
        apply(network, &new, seed, weights)?;
        plan = plan.map(|plan| fix(&plan, current).unwrap_or(plan));
        changes.extend(new);
        latest = Some(judge(plan.as_ref(), weights)?);
    }
    Ok(latest.map(|checkup| Mended {
        plan,
        changes,
        checkup,
    }))
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
    apply(network, &proposals(&checkup.findings), seed, weights)
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
        grave && holds(finding.code, |rule| rule.redrawn)
    });
    apply(network, &proposals(broken), seed, weights)
}

/// The changes that findings propose, each parameter once: that of its gravest finding.
fn proposals<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Fix> {
    let findings = findings.into_iter();
    let all = findings.flat_map(|finding| finding.fix.iter().chain(&finding.further_fixes));
    let mut changes: Vec<Fix> = Vec::new();
    for fix in all {
        if changes.iter().all(|known| known.parameter != fix.parameter) {
            changes.push(fix.clone());
        }
    }
    changes
}

/// Fills parameters as changes say, in place, and names those that were filled.
///
/// # Errors
///
/// If an initializer does not suit its parameter.
pub fn apply(
    network: &Network,
    changes: &[Fix],
    seed: Seed,
    weights: &mut Weights,
) -> Result<Vec<String>, fanin::InitError> {
    let mut changed: Vec<String> = Vec::new();
    for fix in changes {
        let parameter = network.parameters.iter().find(|p| p.name == fix.parameter);
        let Some(parameter) = parameter else {
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
