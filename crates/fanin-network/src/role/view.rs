//! The graph as the matchers see it: signals, activations and norms already recognized.

use std::collections::{BTreeMap, BTreeSet};

use fanin::Activation;

use super::op;
use super::reading::Use;
use super::spelled::{Normalized, Recognized};
use crate::layer::chain::Chains;
use crate::{Network, Node, NodeId, Operator, ValueId, ValueKind};
use fanin_graph::element_count;

/// What is known of the graph before any parameter is looked at.
pub(crate) struct View<'a> {
    pub(crate) network: &'a Network,
    /// What every value that depends on no input is made of.
    pub(crate) chains: Chains,
    /// Where each parameter meets the signal.
    pub(crate) uses: Vec<Vec<Use>>,
    /// By node, the parameters that meet the signal there.
    pub(super) read_at: BTreeMap<NodeId, Vec<usize>>,
    pub(super) signal: Vec<bool>,
    pub(super) outputs: BTreeSet<ValueId>,
    pub(super) activations: BTreeMap<ValueId, Vec<Recognized>>,
    pub(super) activated: BTreeMap<ValueId, (Activation, ValueId)>,
    pub(super) norms: BTreeMap<ValueId, Normalized>,
    pub(super) normalized: BTreeMap<ValueId, ValueId>,
    /// Nodes inside a spelled-out activation or norm.
    pub(super) inside: BTreeSet<NodeId>,
}

impl<'a> View<'a> {
    /// Whether a value is made inside a spelling, before its end.
    pub(super) fn is_inside(&self, id: ValueId) -> bool {
        !self.activated.contains_key(&id)
            && !self.normalized.contains_key(&id)
            && self
                .network
                .value(id)
                .producer
                .is_some_and(|producer| self.inside.contains(&producer))
    }

    /// Whether a value depends on what the user feeds.
    pub(crate) fn is_signal(&self, id: ValueId) -> bool {
        self.signal.get(id.index()).copied().unwrap_or(false)
    }

    /// Whether a value is made of parameters and constants alone.
    pub(crate) fn is_weight(&self, id: ValueId) -> bool {
        !self.is_signal(id)
    }

    /// Whether a value is a parameter or made of one without the signal.
    pub(crate) fn is_learned(&self, id: ValueId) -> bool {
        !self.chains.at(id).is_empty()
    }

    /// The uses of parameters at a node.
    pub(crate) fn read_at(&self, node: NodeId) -> impl Iterator<Item = &Use> {
        let parameters = self.read_at.get(&node).into_iter().flatten();
        let uses = parameters.filter_map(|&parameter| self.uses.get(parameter));
        uses.flatten().filter(move |found| found.node == node)
    }

    /// Whether another node uses the same part of a parameter.
    pub(crate) fn is_shared(&self, found: &Use) -> bool {
        let ValueKind::Parameter(parameter) = self.network.value(found.parameter).kind else {
            return false;
        };
        let uses = self.uses.get(parameter.index()).into_iter().flatten();
        uses.filter(|other| other.node != found.node)
            .any(|other| found.overlaps(other))
    }

    pub(crate) fn is_output(&self, id: ValueId) -> bool {
        self.outputs.contains(&id)
    }

    pub(crate) fn producer(&self, id: ValueId) -> Option<&'a Node> {
        self.network
            .value(id)
            .producer
            .map(|node| self.network.node(node))
    }

    /// Sizes, empty where unknown.
    pub(crate) fn shape(&self, id: ValueId) -> &'a [usize] {
        self.network.value(id).shape.as_deref().unwrap_or_default()
    }

    /// The activations that start at a value.
    pub(crate) fn activations_of(&self, id: ValueId) -> &[Recognized] {
        self.activations.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The activation that ends at a value, and the value it started from.
    pub(crate) fn activated_by(&self, id: ValueId) -> Option<(Activation, ValueId)> {
        self.activated.get(&id).copied()
    }

    /// The spelled-out norm that starts at a value.
    pub(crate) fn norm_of(&self, id: ValueId) -> Option<&Normalized> {
        self.norms.get(&id)
    }

    /// The value that a spelled-out norm ending here started from.
    pub(crate) fn normalized_from(&self, id: ValueId) -> Option<ValueId> {
        self.normalized.get(&id).copied()
    }

    /// The values at which spelled-out norms end.
    pub(crate) fn normalized(&self) -> impl Iterator<Item = ValueId> {
        self.normalized.keys().copied()
    }

    /// Whether a node belongs to a spelled-out activation or norm.
    pub(crate) fn is_spelling(&self, node: NodeId) -> bool {
        self.inside.contains(&node)
    }

    /// The inputs of a node that carry the signal.
    pub(crate) fn signals(&self, node: NodeId) -> Vec<ValueId> {
        self.network
            .node(node)
            .inputs
            .iter()
            .copied()
            .flatten()
            .filter(|&id| self.is_signal(id))
            .collect()
    }

    /// Whether a node contracts the signal with a weight.
    pub(crate) fn is_layer(&self, id: NodeId) -> bool {
        let node = self.network.node(id);
        let facts = node.operator.facts();
        let is_weight = |slot: usize| node.input(slot).is_some_and(|id| self.is_weight(id));
        facts
            .weights
            .iter()
            .any(|weight| facts.contracts(weight.slot) && is_weight(weight.slot))
    }

    /// Whether a node picks rows of a table by the signal.
    pub(crate) fn is_lookup(&self, id: NodeId) -> bool {
        let node = self.network.node(id);
        matches!(
            node.operator,
            Operator::Gather { .. } | Operator::GatherND { .. } | Operator::GatherElements { .. }
        ) && node
            .inputs
            .first()
            .copied()
            .flatten()
            .is_some_and(|table| self.is_weight(table))
    }

    /// Walks back through changes of arrangement alone. A slice counts as one where it keeps most of
    /// the elements (padding taken off again), not where it picks a step or a part.
    pub(crate) fn arranged_from(&self, mut id: ValueId) -> ValueId {
        while let Some(node) = self.producer(id) {
            match node.inputs.first().copied().flatten() {
                Some(input)
                    if op::rearranges(node)
                        && self.is_signal(input)
                        && (!matches!(node.operator, Operator::Slice(_))
                            || 2 * self.count(id) > self.count(input)
                            || self.count(input) == 0) =>
                {
                    id = input;
                }
                _ => break,
            }
        }
        id
    }

    /// Number of elements, 0 where unknown.
    fn count(&self, id: ValueId) -> usize {
        self.network
            .value(id)
            .shape
            .as_deref()
            .and_then(element_count)
            .unwrap_or(0)
    }

    /// Whether `ancestor` is used on the way to `id`.
    pub(crate) fn depends_on(&self, id: ValueId, ancestor: ValueId) -> bool {
        let earliest = self.network.value(ancestor).producer;
        let mut seen = BTreeSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if id == ancestor {
                return true;
            }
            if !seen.insert(id) || !self.is_signal(id) {
                continue;
            }
            let Some(producer) = self.network.value(id).producer else {
                continue;
            };
            if earliest.is_some_and(|earliest| producer < earliest) {
                continue;
            }
            open.extend(self.signals(producer));
        }
        false
    }
}
