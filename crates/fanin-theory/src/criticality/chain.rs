//! The chains of a network: a linear map, a function of its output, the next linear map.

use fanin_network::{Network, Node, NodeId, ValueId};
use serde::Serialize;

use super::{Criticality, LayerMap};
use crate::Measured;
use crate::length_map::{LengthMap, length_map};
use crate::rules::activation::{Function, Operand};
use crate::rules::{Context, linear, shape, uniform};

/// Layers that follow each other without a branch or a norm between.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chain {
    /// First to last.
    pub layers: Vec<ChainLayer>,
    /// 6 ξc against depth: Σ 1/(6 ξc) over the layers; above 1 the chain is deeper than a signal
    /// reaches.
    pub depth_used: f64,
}

/// One layer of a chain: the function of a pre-activation, and the linear map that reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChainLayer {
    /// The node of the linear map.
    pub node: String,
    /// The pre-activation that the function is of.
    pub input: String,
    /// The function: the operators between, joined by dots.
    pub function: String,
    /// The second moment that is expected of the pre-activation.
    pub second_moment: f64,
    /// χ⊥ at that second moment: the layer's factor on E δ² times the ratio of widths.
    pub chi: f64,
    /// Where a chain of layers like this one lies; `None` where its second moment vanishes or grows
    /// without bound.
    pub criticality: Option<Criticality>,
}

/// The chains of a network with the weights as measured.
///
/// A layer belongs to a chain where its linear map reads an elementwise function of another linear
/// map's output and its weights have mean near zero; maps that read the network's input begin one.
pub fn chains(network: &Network, measured: &Measured) -> Vec<Chain> {
    let forward = length_map(network, measured);
    let mut chains: Vec<(ValueId, Chain)> = Vec::new();
    for index in 0..network.nodes.len() {
        let id = NodeId::from(index);
        let Some((layer, base, output)) = layer(network, measured, &forward, id) else {
            continue;
        };
        let used = match layer.criticality {
            Some(found) => 1.0 / found.trainable_depth(),
            None => 0.0,
        };
        let at = chains.iter().position(|(end, _)| *end == base);
        match at.and_then(|at| chains.get_mut(at)) {
            Some((end, chain)) => {
                *end = output;
                chain.layers.push(layer);
                chain.depth_used += used;
            }
            None => {
                let chain = Chain {
                    layers: vec![layer],
                    depth_used: used,
                };
                chains.push((output, chain));
            }
        }
    }
    chains.into_iter().map(|(_, chain)| chain).collect()
}

/// The layer that ends in a linear map; the pre-activation it starts from, the one it puts out.
fn layer(
    network: &Network,
    measured: &Measured,
    forward: &LengthMap,
    id: NodeId,
) -> Option<(ChainLayer, ValueId, ValueId)> {
    let context = Context {
        network,
        measured,
        signals: &forward.signals,
    };
    let node = network.node(id);
    let map = linear::map(&context, node)?;
    let weight = context.signal(node, map.weight).filter(|w| w.parameter)?;
    let value = moved_from(network, context.id(node, map.data)?);
    let base_id = context.at(value)?.shape.base;
    let base = context.at(base_id)?;
    let producer = network.node(network.value(base_id).producer?);
    if linear::map(&context, producer).is_none() || base.mean.powi(2) > 0.01 * base.second {
        return None;
    }
    let terms = map.edges / map.outputs.max(1.0) * map.factor * map.factor;
    let bias = context.signal(node, 2).map_or(0.0, |bias| bias.second);
    let function = Composite {
        network,
        base: base_id,
        value,
    };
    // A function that cannot be evaluated on its own has no chain.
    function.eval(0.5)?;
    let maps = LayerMap {
        activation: Box::new(|x| function.eval(x).unwrap_or(f64::NAN)),
        derivative: Box::new(|x| function.slope(x)),
        weight: terms * (weight.second - weight.mean * weight.mean).max(0.0),
        bias,
    };
    let q = base.second;
    let criticality = if maps.is_homogeneous() {
        Some(maps.criticality_at(q))
    } else {
        maps.criticality()
    };
    let layer = ChainLayer {
        node: node.name.clone(),
        input: network.value(base_id).name.clone(),
        function: function.name(),
        second_moment: q,
        chi: maps.chi(q),
        criticality,
    };
    let output = node.outputs.first().copied().flatten()?;
    Some((layer, base_id, output))
}

/// Where a value that was only moved comes from.
fn moved_from(network: &Network, mut value: ValueId) -> ValueId {
    while let Some(node) = network.value(value).producer.map(|id| network.node(id))
        && (shape::is_rearrangement(node) || shape::is_identity(node))
        && let Some(before) = node.inputs.first().copied().flatten()
    {
        value = before;
    }
    value
}

/// The function that leads from one value to another through elementwise nodes.
struct Composite<'a> {
    network: &'a Network,
    base: ValueId,
    value: ValueId,
}

impl Composite<'_> {
    /// Its value; `None` where a node between is not elementwise or reads anything else.
    fn eval(&self, x: f64) -> Option<f64> {
        self.walk(self.value, x).map(|(y, _)| y)
    }

    fn slope(&self, x: f64) -> f64 {
        self.walk(self.value, x)
            .map_or(f64::NAN, |(_, slope)| slope)
    }

    /// Value and derivative at one value of the graph.
    fn walk(&self, value: ValueId, x: f64) -> Option<(f64, f64)> {
        if value == self.base {
            return Some((x, 1.0));
        }
        if let Some(number) = uniform(self.network, value) {
            return Some((number, 0.0));
        }
        let node = self.node(value)?;
        let inputs = node.inputs.iter();
        if shape::is_identity(node) {
            return self.walk(node.inputs.first().copied().flatten()?, x);
        }
        let function = Function::of(node)?;
        let read: Option<Vec<(f64, f64)>> = inputs
            .map(|input| match input {
                Some(id) => self.walk(*id, x),
                None => Some((f64::NAN, 0.0)),
            })
            .collect();
        let read = read?;
        let operands: Vec<Operand> = read.iter().map(|&(y, _)| Operand::Scalar(y)).collect();
        let slope = read
            .iter()
            .enumerate()
            .filter(|(_, (_, inner))| *inner != 0.0)
            .map(|(k, (_, inner))| function.slope(&operands, k, 0) * inner)
            .sum();
        Some((function.value(&operands, 0), slope))
    }

    fn node(&self, value: ValueId) -> Option<&Node> {
        let producer = self.network.value(value).producer?;
        Some(self.network.node(producer))
    }

    /// The operators from the base on, joined by dots; `Identity` where there are none.
    fn name(&self) -> String {
        let mut names = Vec::new();
        let mut value = self.value;
        while value != self.base {
            let Some(node) = self.node(value) else { break };
            names.push(node.op.as_str());
            // The first input that leads further back.
            let before = node.inputs.iter().flatten().copied();
            match before
                .into_iter()
                .find(|&id| self.network.value(id).producer.is_some())
            {
                Some(before) => value = before,
                None => break,
            }
        }
        names.reverse();
        if names.is_empty() {
            return "Identity".to_owned();
        }
        names.join(".")
    }
}
