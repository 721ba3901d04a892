//! The graph as the matchers see it: signals, activations and norms already recognized.

use std::collections::{BTreeMap, BTreeSet};

use fanin::Activation;

use super::activation::{Recognized, recognize_all};
use super::normalization::{Normalized, recognize as recognize_norm};
use super::op;
use crate::parameter::depends_on_input;
use crate::{Network, Node, NodeId, ValueId, ValueKind};
use fanin_graph::element_count;

/// What is known of the graph before any parameter is looked at.
pub(super) struct View<'a> {
    pub(super) network: &'a Network,
    signal: Vec<bool>,
    outputs: BTreeSet<ValueId>,
    activations: BTreeMap<ValueId, Vec<Recognized>>,
    activated: BTreeMap<ValueId, (Activation, ValueId)>,
    norms: BTreeMap<ValueId, Normalized>,
    normalized: BTreeMap<ValueId, ValueId>,
    /// Nodes inside a spelled-out activation or norm.
    inside: BTreeSet<NodeId>,
}

impl<'a> View<'a> {
    pub(super) fn of(network: &'a Network) -> Self {
        let mut view = Self {
            network,
            signal: depends_on_input(network),
            outputs: network.outputs.iter().copied().collect(),
            activations: BTreeMap::new(),
            activated: BTreeMap::new(),
            norms: BTreeMap::new(),
            normalized: BTreeMap::new(),
            inside: BTreeSet::new(),
        };
        // The centered value inside a layer norm starts an RMS norm of its own; the longer wins.
        let mut norms: Vec<(ValueId, Normalized)> = (0..network.values.len())
            .map(ValueId::from)
            .filter(|&id| view.is_signal(id))
            .filter_map(|id| Some((id, recognize_norm(&view, id)?)))
            .collect();
        norms.sort_by_key(|(_, norm)| std::cmp::Reverse(norm.nodes.len()));
        for (id, norm) in norms {
            if view.normalized.contains_key(&norm.output) {
                continue;
            }
            view.inside.extend(&norm.nodes);
            view.normalized.insert(norm.output, id);
            view.norms.insert(id, norm);
        }
        for index in 0..network.values.len() {
            let id = ValueId::from(index);
            // What lies inside a spelling is not looked at again: tanh is not met inside GELU.
            if !view.is_signal(id) || view.is_inside(id) {
                continue;
            }
            let found: Vec<Recognized> = recognize_all(network, id)
                .into_iter()
                .filter(|r| !r.nodes.iter().any(|node| view.inside.contains(node)))
                .collect();
            for recognized in &found {
                if recognized.nodes.len() > 1 {
                    view.inside.extend(&recognized.nodes);
                }
                view.activated
                    .entry(recognized.output)
                    .or_insert((recognized.activation, id));
            }
            if !found.is_empty() {
                view.activations.insert(id, found);
            }
        }
        view
    }

    /// Whether a value is made inside a spelling, before its end.
    fn is_inside(&self, id: ValueId) -> bool {
        !self.activated.contains_key(&id)
            && !self.normalized.contains_key(&id)
            && self
                .network
                .value(id)
                .producer
                .is_some_and(|producer| self.inside.contains(&producer))
    }

    /// Whether a value depends on what the user feeds.
    pub(super) fn is_signal(&self, id: ValueId) -> bool {
        self.signal.get(id.index()).copied().unwrap_or(false)
    }

    /// Whether a value is made of parameters and constants alone.
    pub(super) fn is_weight(&self, id: ValueId) -> bool {
        !self.is_signal(id)
    }

    /// Whether a value is a parameter or made of one without the signal.
    pub(super) fn is_learned(&self, id: ValueId) -> bool {
        let mut open = vec![id];
        let mut steps = 0usize;
        while let Some(id) = open.pop() {
            steps += 1;
            if self.is_signal(id) || steps > 64 {
                continue;
            }
            match self.network.value(id).kind {
                ValueKind::Parameter(_) => return true,
                ValueKind::Computed => {
                    if let Some(node) = self.producer(id) {
                        open.extend(node.inputs.iter().copied().flatten());
                    }
                }
                _ => {}
            }
        }
        false
    }

    pub(super) fn is_output(&self, id: ValueId) -> bool {
        self.outputs.contains(&id)
    }

    pub(super) fn producer(&self, id: ValueId) -> Option<&'a Node> {
        self.network
            .value(id)
            .producer
            .map(|node| self.network.node(node))
    }

    /// Sizes, empty where unknown.
    pub(super) fn shape(&self, id: ValueId) -> &'a [usize] {
        self.network.value(id).shape.as_deref().unwrap_or_default()
    }

    /// The activations that start at a value.
    pub(super) fn activations_of(&self, id: ValueId) -> &[Recognized] {
        self.activations.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The activation that ends at a value, and the value it started from.
    pub(super) fn activated_by(&self, id: ValueId) -> Option<(Activation, ValueId)> {
        self.activated.get(&id).copied()
    }

    /// The spelled-out norm that starts at a value.
    pub(super) fn norm_of(&self, id: ValueId) -> Option<&Normalized> {
        self.norms.get(&id)
    }

    /// The value that a spelled-out norm ending here started from.
    pub(super) fn normalized_from(&self, id: ValueId) -> Option<ValueId> {
        self.normalized.get(&id).copied()
    }

    /// Whether a node belongs to a spelled-out activation or norm.
    pub(super) fn is_spelling(&self, node: NodeId) -> bool {
        self.inside.contains(&node)
    }

    /// The inputs of a node that carry the signal.
    pub(super) fn signals(&self, node: NodeId) -> Vec<ValueId> {
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
    pub(super) fn is_layer(&self, id: NodeId) -> bool {
        let node = self.network.node(id);
        if !op::contracts(&node.op) {
            return false;
        }
        let operand = |slot: usize| node.inputs.get(slot).copied().flatten();
        match node.op.as_str() {
            "Conv" | "ConvTranspose" | "LSTM" | "GRU" | "RNN" => {
                operand(1).is_some_and(|id| self.is_weight(id))
            }
            "Einsum" => node.inputs.iter().flatten().any(|&id| self.is_weight(id)),
            _ => [0, 1]
                .into_iter()
                .filter_map(operand)
                .any(|id| self.is_weight(id)),
        }
    }

    /// Whether a node picks rows of a table by the signal.
    pub(super) fn is_lookup(&self, id: NodeId) -> bool {
        let node = self.network.node(id);
        matches!(node.op.as_str(), "Gather" | "GatherND" | "GatherElements")
            && node
                .inputs
                .first()
                .copied()
                .flatten()
                .is_some_and(|table| self.is_weight(table))
    }

    /// Walks back through changes of arrangement alone. A slice counts as one where it keeps most of
    /// the elements (padding taken off again), not where it picks a step or a part.
    pub(super) fn arranged_from(&self, mut id: ValueId) -> ValueId {
        while let Some(node) = self.producer(id) {
            match node.inputs.first().copied().flatten() {
                Some(input)
                    if op::rearranges(&node.op)
                        && self.is_signal(input)
                        && (node.op != "Slice"
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
    pub(super) fn depends_on(&self, id: ValueId, ancestor: ValueId) -> bool {
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
