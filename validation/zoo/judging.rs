//! What `fanin check` says of a start before it is trained, and what its fix would change.

use std::error::Error;

use fanin::Seed;
use fanin_check::{Checkup, Finding, Mended, Options, Severity, apply, check, mend};
use fanin_network::{Network, Weights};
use fanin_plan::{Plan, Request, plan};
use fanin_run::{RunOptions, run};
use fanin_train::{Start, TrainError};

use super::set::{Member, Origin};

/// The seed whose weights are checked.
const SEED: u64 = 0;

/// Checks the first seed's weights of a start, as the command does: from a plan if they are a recipe's.
pub(crate) fn checkup(
    network: &Network,
    member: &Member,
    weights: &Weights,
) -> Result<Checkup, Box<dyn Error>> {
    judge(network, made_by(network, member)?.as_ref(), weights)
}

/// The plan that a start comes from; mutants come from none.
fn made_by(network: &Network, member: &Member) -> Result<Option<Plan>, Box<dyn Error>> {
    let Origin::Recipe(recipe) = member.origin else {
        return Ok(None);
    };
    let request = Request {
        recipe,
        ..Request::new(Seed::new(SEED))
    };
    Ok(Some(plan(network, &request)?.plan))
}

fn judge(
    network: &Network,
    plan: Option<&Plan>,
    weights: &Weights,
) -> Result<Checkup, Box<dyn Error>> {
    let trace = run(network, weights, &RunOptions::new(Seed::new(SEED)))?;
    let options = Options {
        seed: SEED,
        drawn: true,
        ..Options::default()
    };
    Ok(check(network, plan, weights, trace, &options))
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

/// The start as `--fix` mends it with the first seed, changed likewise for every seed; and the changes
/// as text. `None` where nothing is proposed.
pub(crate) fn fixed<'a>(
    network: &'a Network,
    member: &Member,
    start: Start<'a>,
    checkup: &Checkup,
) -> Result<Option<(Start<'a>, String)>, Box<dyn Error>> {
    let mut weights = first_weights(&start)?;
    let plan = made_by(network, member)?;
    let judge = |plan: Option<&Plan>, weights: &Weights| -> Result<Checkup, Box<dyn Error>> {
        judge(network, plan, weights)
    };
    let mended = mend(network, plan.as_ref(), checkup, &mut weights, judge)?;
    let Some(Mended { changes, .. }) = mended else {
        return Ok(None);
    };
    let told = changes.iter();
    let mut texts: Vec<String> = told
        .map(|fix| format!("{} = {}", fix.parameter, fix.initializer))
        .collect();
    texts.sort_unstable();
    let name = start.name().to_owned();
    let make = move |seed: Seed| -> Result<Weights, TrainError> {
        let mut weights = start.weights(seed)?;
        apply(network, &changes, seed, &mut weights)
            .map_err(|e| TrainError::Request(e.to_string()))?;
        Ok(weights)
    };
    Ok(Some((Start::new(name, make), texts.join("; "))))
}
