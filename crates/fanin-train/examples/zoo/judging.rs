//! What `fanin check` says of a start before it is trained, and what its fix would change.

use std::error::Error;

use fanin::Seed;
use fanin_check::{Checkup, Finding, Options, Severity, apply_fixes, check};
use fanin_network::{Network, Weights};
use fanin_plan::{Request, plan};
use fanin_run::{RunOptions, run};
use fanin_train::{Start, TrainError};

use crate::set::{Member, Origin};

/// The seed whose weights are checked.
const SEED: u64 = 0;

/// Checks the first seed's weights of a start, as the command does: from a plan if they are a recipe's.
pub(crate) fn checkup(
    network: &Network,
    member: &Member,
    weights: &Weights,
) -> Result<Checkup, Box<dyn Error>> {
    let plan = match member.origin {
        Origin::Recipe(recipe) => {
            let request = Request {
                recipe,
                ..Request::new(Seed::new(SEED))
            };
            Some(plan(network, &request)?.plan)
        }
        Origin::Mutant(..) => None,
    };
    let trace = run(network, weights, &RunOptions::new(Seed::new(SEED)))?;
    let options = Options {
        seed: SEED,
        drawn: true,
        ..Options::default()
    };
    Ok(check(network, plan.as_ref(), weights, trace, &options))
}

/// The weights that are checked.
pub(crate) fn first_weights(start: &Start<'_>) -> Result<Weights, TrainError> {
    start.weights(Seed::new(SEED))
}

/// The gravest finding that is more than a note; findings come gravest first.
pub(crate) fn leading(checkup: &Checkup) -> Option<&Finding> {
    let first = checkup.findings.first();
    first.filter(|finding| finding.severity > Severity::Note)
}

/// Codes of the findings that are more than notes, each once.
pub(crate) fn codes(checkup: &Checkup) -> Vec<String> {
    let grave = checkup.findings.iter();
    let grave = grave.filter(|finding| finding.severity > Severity::Note);
    let mut codes: Vec<String> = grave.map(|finding| finding.code.to_string()).collect();
    codes.dedup();
    codes
}

/// The start with the changes that the first seed's findings propose, for every seed; and the
/// changes as text. `None` where nothing is proposed.
pub(crate) fn fixed<'a>(
    network: &'a Network,
    start: Start<'a>,
    checkup: Checkup,
) -> Result<Option<(Start<'a>, String)>, Box<dyn Error>> {
    let mut weights = first_weights(&start)?;
    let changed = apply_fixes(network, &checkup, Seed::new(SEED), &mut weights)?;
    if changed.is_empty() {
        return Ok(None);
    }
    let findings = checkup.findings.iter();
    let fixes = findings.flat_map(|f| f.fix.iter().chain(&f.further_fixes));
    let mut texts: Vec<String> = Vec::new();
    for name in &changed {
        let fix = fixes.clone().find(|fix| fix.parameter == *name);
        texts.extend(fix.map(|fix| format!("{name} = {}", fix.initializer)));
    }
    texts.sort_unstable();
    let name = start.name().to_owned();
    let make = move |seed: Seed| -> Result<Weights, TrainError> {
        let mut weights = start.weights(seed)?;
        apply_fixes(network, &checkup, seed, &mut weights)
            .map_err(|e| TrainError::Request(e.to_string()))?;
        Ok(weights)
    };
    Ok(Some((Start::new(name, make), texts.join("; "))))
}
