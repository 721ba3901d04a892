//! Prepares the graph for the matchers: signals, uses of parameters, spelled-out norms and activations.

use std::collections::{BTreeMap, BTreeSet};

use super::activation::recognize_all;
use super::normalization::recognize as recognize_norm;
use super::spelled::{Normalized, Recognized};
use super::uses::uses;
use super::view::View;
use crate::layer::chain::Chains;
use crate::operator::Class;
use crate::parameter::depends_on_input;
use crate::{Network, Operator, ValueId};

impl<'a> View<'a> {
    pub(crate) fn of(network: &'a Network) -> Self {
        let mut signal = depends_on_input(network);
        still_weights(network, &mut signal);
        let mut view = Self {
            network,
            chains: Chains::of(network, &signal),
            uses: Vec::new(),
            read_at: BTreeMap::new(),
            signal,
            outputs: network.outputs.iter().copied().collect(),
            activations: BTreeMap::new(),
            activated: BTreeMap::new(),
            norms: BTreeMap::new(),
            normalized: BTreeMap::new(),
            inside: BTreeSet::new(),
        };
        view.uses = uses(&view);
        for (parameter, uses) in view.uses.iter().enumerate() {
            for found in uses {
                view.read_at.entry(found.node).or_default().push(parameter);
            }
        }
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
}

/// Counts a matrix that ids pick from a stack among the weights, even where the ids depend on the
/// input: an expert that a router chose is still the weight of the product that reads it.
fn still_weights(network: &Network, signal: &mut [bool]) {
    let is = |signal: &[bool], id: ValueId| signal.get(id.index()).copied().unwrap_or(false);
    for node in &network.nodes {
        let Operator::Gather { .. } = node.operator else {
            continue;
        };
        let (Some(table), Some(output)) = (node.input(0), node.output(0)) else {
            continue;
        };
        let rows = network.value(table).shape.as_ref().map_or(0, Vec::len);
        if rows < 3 || is(signal, table) || !is(signal, output) {
            continue;
        }
        // Every way on leads to a product whose other operand is a signal, through arrangement alone.
        let (mut open, mut passed, mut all) = (vec![output], Vec::new(), true);
        while let Some(id) = open.pop() {
            passed.push(id);
            let consumers = &network.value(id).consumers;
            all = all && !consumers.is_empty() && !network.outputs.contains(&id);
            for &consumer in consumers {
                let node = network.node(consumer);
                let facts = node.operator.facts();
                let at = node.inputs.iter().position(|input| *input == Some(id));
                let product = at.is_some_and(|slot| facts.contracts(slot))
                    && node
                        .inputs
                        .iter()
                        .flatten()
                        .any(|&other| !passed.contains(&other) && is(signal, other));
                if facts.class == Class::Arranges && passed.len() < 16 {
                    open.extend(node.outputs.iter().flatten());
                } else {
                    all = all && product;
                }
            }
        }
        if all {
            for id in passed {
                if let Some(signal) = signal.get_mut(id.index()) {
                    *signal = false;
                }
            }
        }
    }
}
