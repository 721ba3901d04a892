//! Which findings are causes, and which follow from them.

use std::collections::BTreeSet;

use fanin::wording;
use fanin_network::{Network, NodeId};

use crate::rules::holds;
use crate::{Code, Finding, Severity};

/// Whether a finding says of a parameter that it is broken in itself.
pub(crate) fn is_cause(finding: &Finding) -> bool {
    holds(finding.code, |rule| rule.broken)
}

/// Raises a broken parameter to the severity of the gravest finding on any way through it.
///
/// What a layer puts out reaches all that lies behind it, and its gradient all that lies before it.
/// Where a scale runs away, or units are equal, on a way through a broken weight, that weight is the
/// likely cause, and mending the layers where it shows would mend nothing. Where a weight is not only
/// broken but also off in scale, two warnings of one weight are an error: units that are all one run
/// into the dead or flat part of their activation together.
pub(crate) fn raise(network: &Network, findings: &mut [Finding]) {
    for at in 0..findings.len() {
        let Some(cause) = findings.get(at).filter(|finding| is_cause(finding)) else {
            continue;
        };
        let reached = reached(network, cause);
        let twice = |other: &Finding| {
            let echo = holds(other.code, |rule| rule.echoes);
            let own = other.parameter == cause.parameter && !echo;
            own && other.severity == Severity::Warning
        };
        let follows = findings.iter().filter(|other| {
            let graver = other.severity > cause.severity && reached.contains(&*other.node);
            !is_cause(other) && (graver || cause.severity == Severity::Warning && twice(other))
        });
        let mut codes: Vec<String> = follows.clone().map(|f| f.code.to_string()).collect();
        codes.dedup();
        let severities = follows.map(|other| {
            if twice(other) {
                Severity::Error
            } else {
                other.severity
            }
        });
        let gravest: Option<Severity> = severities.max();
        if let (Some(gravest), Some(cause)) = (gravest, findings.get_mut(at)) {
            cause.severity = gravest;
            let list = wording::list(&codes);
            cause
                .message
                .push_str(&format!("; {list} may follow from it"));
        }
    }
}

/// Says of the reason for a scale what graver findings it may be the cause of, and of these that it
/// may be theirs.
pub(crate) fn connect(findings: &mut [Finding]) {
    for at in 0..findings.len() {
        let reason = |finding: &&Finding| holds(finding.code, |rule| rule.explains);
        let Some(reason) = findings.get(at).filter(reason) else {
            continue;
        };
        let (code, severity) = (reason.code, reason.severity);
        let changed: BTreeSet<String> = parameters(reason).map(str::to_owned).collect();
        let mut codes: Vec<Code> = Vec::new();
        for other in findings.iter_mut() {
            let same = || parameters(other).any(|name| changed.contains(name));
            if other.severity > severity && !is_cause(other) && same() {
                codes.push(other.code);
                let why = format!("; {code} may be why");
                if !other.message.contains(&why) {
                    other.message.push_str(&why);
                }
            }
        }
        codes.sort_unstable();
        codes.dedup();
        let codes: Vec<String> = codes.iter().map(Code::to_string).collect();
        if let (Some(reason), false) = (findings.get_mut(at), codes.is_empty()) {
            let list = wording::list(&codes);
            reason
                .message
                .push_str(&format!("; {list} may follow from it"));
        }
    }
}

/// The parameters that a finding would change.
fn parameters(finding: &Finding) -> impl Iterator<Item = &str> {
    let fixes = finding.fix.iter().chain(&finding.further_fixes);
    fixes.map(|fix| fix.parameter.as_str())
}

/// Names of the nodes before and behind those that read the finding's parameter.
fn reached<'a>(network: &'a Network, finding: &Finding) -> BTreeSet<&'a str> {
    let parameter = network
        .parameters
        .iter()
        .find(|parameter| finding.parameter.as_deref() == Some(&parameter.name));
    let readers = parameter.map(|parameter| network.value(parameter.value).consumers.as_slice());
    let readers = readers.unwrap_or_default();
    let behind = walk(readers, |id| {
        let outputs = network.node(id).outputs.iter().flatten();
        outputs
            .flat_map(|&value| network.value(value).consumers.iter().copied())
            .collect()
    });
    let before = walk(readers, |id| {
        let inputs = network.node(id).inputs.iter().flatten();
        inputs
            .filter_map(|&value| network.value(value).producer)
            .collect()
    });
    let nodes = behind.union(&before);
    nodes.map(|&id| network.node(id).name.as_str()).collect()
}

/// All nodes that `next` leads to from `start`, and `start`.
fn walk(start: &[NodeId], next: impl Fn(NodeId) -> Vec<NodeId>) -> BTreeSet<NodeId> {
    let mut known: BTreeSet<NodeId> = start.iter().copied().collect();
    let mut open: Vec<NodeId> = start.to_vec();
    while let Some(id) = open.pop() {
        for node in next(id) {
            if known.insert(node) {
                open.push(node);
            }
        }
    }
    known
}
