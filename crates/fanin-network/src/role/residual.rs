//! Residual streams: which sums add a branch to a stream, and how many branches a stream collects.

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Reading, Use};
use super::view::View;
use super::walk::{Sources, sources};
use super::{Role, layout, op};
use crate::operator::Binary;
use crate::{NodeId, Operator, ValueId};

/// The residual streams of a network.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// The sums that add a branch to a stream.
    pub(crate) sums: BTreeSet<NodeId>,
    /// Number of branches of the stream that each sum adds to.
    branches: BTreeMap<NodeId, usize>,
    /// For each layer, norm or scaling at the end of a branch, the sum it ends at.
    ends: BTreeMap<NodeId, NodeId>,
}

impl Streams {
    /// Finds all residual sums, in the order of execution.
    pub(super) fn of(view: &View<'_>) -> Self {
        let network = view.network;
        let mut streams = Self::default();
        let mut stream_of: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut by_start: BTreeMap<ValueId, usize> = BTreeMap::new();
        let mut count: Vec<usize> = Vec::new();
        for index in 0..network.nodes.len() {
            let id = NodeId::from(index);
            let node = network.node(id);
            if !op::adds(node) || view.is_spelling(id) {
                continue;
            }
            let [Some(a), Some(b)] = node.inputs[..] else {
                continue;
            };
            if !view.is_signal(a) || !view.is_signal(b) {
                continue;
            }
            let Some(found) = branch(view, &streams.sums, a, b) else {
                continue;
            };
            let stream = match start(view, &streams.sums, found.shortcut) {
                // A projected shortcut starts a stream of its own.
                _ if found.projected => {
                    count.push(0);
                    count.len() - 1
                }
                Start::Sum(sum) => stream_of.get(&sum).copied().unwrap_or(0),
                Start::Value(value) => *by_start.entry(value).or_insert_with(|| {
                    count.push(0);
                    count.len() - 1
                }),
            };
            stream_of.insert(id, stream);
            streams.sums.insert(id);
            if let Some(total) = count.get_mut(stream) {
                *total += terms(view, &streams.sums, found.branch);
            }
            for &end in found.sources.layers.iter().chain(&found.sources.passed) {
                streams.ends.entry(end).or_insert(id);
            }
        }
        for (sum, stream) in stream_of {
            if let Some(&total) = count.get(stream) {
                streams.branches.insert(sum, total);
            }
        }
        streams
    }

    /// Number of branches of the stream that a layer's output is added to, if the layer ends one.
    pub(crate) fn branches_at(&self, node: NodeId) -> Option<usize> {
        self.branches.get(self.ends.get(&node)?).copied()
    }
}

struct Branch {
    shortcut: ValueId,
    branch: ValueId,
    projected: bool,
    sources: Sources,
}

/// Which of two summands is the shortcut and which the branch, if they are that.
fn branch(view: &View<'_>, sums: &BTreeSet<NodeId>, a: ValueId, b: ValueId) -> Option<Branch> {
    for (shortcut, branch) in [(a, b), (b, a)] {
        let start = view.arranged_from(shortcut);
        if start == view.arranged_from(branch) || !view.depends_on(branch, start) {
            continue;
        }
        let found = sources(view, sums, branch);
        if !found.layers.is_empty() {
            return Some(Branch {
                shortcut,
                branch,
                projected: false,
                sources: found,
            });
        }
    }
    for (shortcut, branch) in [(a, b), (b, a)] {
        // One linear layer of something that the branch is made of, too, through an activation.
        let projection = sources(view, sums, shortcut);
        let [layer] = projection.layers[..] else {
            continue;
        };
        if !projection.others.is_empty() || !projection.activated.is_empty() {
            continue;
        }
        let Some(&entry) = view.signals(layer).first() else {
            continue;
        };
        let entry = view.arranged_from(entry);
        let found = sources(view, sums, branch);
        let bends = !found.layers.is_empty()
            && found.layers.iter().all(|&last| {
                last != layer
                    && !shares_weight(view, last)
                    && view.signals(last).first().is_some_and(|&input| {
                        view.arranged_from(input) != entry
                            && view.depends_on(input, entry)
                            && is_bent(view, sums, input, entry)
                    })
            });
        if bends && !shares_weight(view, layer) {
            return Some(Branch {
                shortcut,
                branch,
                projected: true,
                sources: found,
            });
        }
    }
    None
}

/// Whether the weight of a layer serves other nodes, too: unrolled recurrence.
fn shares_weight(view: &View<'_>, layer: NodeId) -> bool {
    view.read_at(layer)
        .filter(|found| view.shape(found.value).len() >= 2)
        .any(|found| view.is_shared(found))
}

/// Whether an activation lies between two values.
fn is_bent(view: &View<'_>, sums: &BTreeSet<NodeId>, id: ValueId, entry: ValueId) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![id];
    let earliest = view.network.value(entry).producer;
    while let Some(id) = open.pop() {
        if id == entry || !seen.insert(id) {
            continue;
        }
        if view.activated_by(id).is_some() {
            return true;
        }
        let Some(producer) = view.network.value(id).producer else {
            continue;
        };
        if earliest.is_some_and(|e| producer < e) || sums.contains(&producer) {
            continue;
        }
        if op::is_softmax(view.network.node(producer)) {
            return true;
        }
        open.extend(view.signals(producer));
    }
    false
}

/// Number of branches that one summand brings: a plain sum of two brings both (attention and MLP
/// side by side).
fn terms(view: &View<'_>, sums: &BTreeSet<NodeId>, id: ValueId) -> usize {
    /// No block has more branches side by side.
    const MOST: usize = 256;
    let mut count = 0usize;
    let mut seen = BTreeSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        let id = view.arranged_from(id);
        if !seen.insert(id) || seen.len() > MOST {
            continue;
        }
        let producer = view.network.value(id).producer;
        let plain = producer.filter(|&producer| {
            view.network.node(producer).operator == Operator::Binary(Binary::Add)
                && !sums.contains(&producer)
                && !view.is_spelling(producer)
        });
        match plain {
            Some(producer) => open.extend(view.signals(producer)),
            None => count += 1,
        }
    }
    count.max(1)
}

enum Start {
    Sum(NodeId),
    Value(ValueId),
}

/// Where a stream comes from: the residual sum before, through norms, activations and pooling.
fn start(view: &View<'_>, sums: &BTreeSet<NodeId>, mut id: ValueId) -> Start {
    loop {
        if let Some(entry) = view
            .normalized_from(id)
            .or_else(|| view.activated_by(id).map(|(_, entry)| entry))
        {
            id = entry;
            continue;
        }
        let Some(producer) = view.network.value(id).producer else {
            return Start::Value(id);
        };
        if sums.contains(&producer) {
            return Start::Sum(producer);
        }
        let node = view.network.node(producer);
        let signals = view.signals(producer);
        let passes = op::rearranges(node)
            || op::normalizes(node)
            || signals.len() == 1 && (op::shifts(node) || op::scales(node));
        match signals.first() {
            Some(&input) if passes => id = input,
            _ => return Start::Value(id),
        }
    }
}

/// A learned factor on a branch: layer scale, ReZero.
pub(super) fn scale(view: &View<'_>, streams: &Streams, found: &Use) -> Option<Reading> {
    let node = view.network.node(found.node);
    if !op::is_mul(node) {
        return None;
    }
    let single = view.shape(found.value).iter().all(|&d| d == 1);
    let what = if single {
        "one learned factor"
    } else {
        "a learned factor per channel"
    };
    let branches = streams.branches_at(found.node);
    let place = if branches.is_some() {
        "on a residual branch"
    } else {
        "on the signal"
    };
    Some(Reading {
        residual_branches: branches,
        ..Reading::new(
            Role::BranchScale,
            layout::vector(found.rank),
            format!("{what} {place}"),
        )
    })
}
