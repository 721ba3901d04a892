//! The chains of a network: a linear map, a function of its output, the next linear map.

use fanin_network::{Network, Node, NodeId, ValueId};
use serde::Serialize;

use super::{Criticality, LayerMap};
use crate::Measured;
use crate::length_map::{LengthMap, length_map};
use crate::rules::activation::{Function, Operand};
use crate::rules::{Context, map, passing, uniform};

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
    /// σw², the variance of a weight times fan-in.
    pub weight: f64,
    /// σb², the second moment of a bias.
    pub bias: f64,
    /// The second moment that is expected of the pre-activation.
    pub second_moment: f64,
    /// χ⊥ at that second moment: the layer's factor on E δ² times the ratio of widths.
    pub chi: f64,
    /// Where a chain of layers like this one lies; `None` where its second moment vanishes or grows
    /// without bound.
    pub criticality: Option<Criticality>,
}

/// The line between order and chaos of one function of a network's chains.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CriticalLine {
    /// The function: the operators, joined by dots.
    pub function: String,
    /// (σw², σb²) by rising second moment; empty where no variances are critical, as for sigmoid.
    pub points: Vec<[f64; 2]>,
    /// Whether the one point holds at any σb², as for functions that scale with their input.
    pub any_bias: bool,
}

/// Where the chains of a network lie, and the lines that part order from chaos.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PhaseDiagram {
    /// The chains.
    pub chains: Vec<Chain>,
    /// One line for each function in them.
    pub lines: Vec<CriticalLine>,
    /// The line of each layer of each chain, by its place in `lines`.
    pub line_of: Vec<Vec<usize>>,
}

/// The chains of a network with the weights as measured.
///
/// A layer belongs to a chain where its linear map reads an elementwise function of another linear
/// map's output and its weights have mean near zero; maps that read the network's input begin one.
pub fn chains(network: &Network, measured: &Measured) -> Vec<Chain> {
    linked(network, measured, |_, _| {})
}

/// The chains of a network, as [`chains`] finds them, with the critical line of each function.
pub fn phase_diagram(network: &Network, measured: &Measured) -> PhaseDiagram {
    let mut lines = Lines::default();
    let mut line_of: Vec<Vec<usize>> = Vec::new();
    let chains = linked(network, measured, |chain, function| {
        line_of.resize_with(line_of.len().max(chain + 1), Vec::new);
        let line = lines.of(function);
        if let Some(lines) = line_of.get_mut(chain) {
            lines.push(line);
        }
    });
    PhaseDiagram {
        chains,
        lines: lines.lines,
        line_of,
    }
}

/// Critical lines, each made once.
#[derive(Default)]
struct Lines {
    lines: Vec<CriticalLine>,
    /// Values of each line's function: operators of one name differ in their attributes.
    probes: Vec<[Option<f64>; 4]>,
}

impl Lines {
    /// The place of a function's line, which is made if it is new.
    fn of(&mut self, function: &Composite<'_>) -> usize {
        let name = function.name();
        let probe = [-2.0, -0.5, 0.5, 2.0].map(|x| function.eval(x));
        let mut known = self.lines.iter().zip(&self.probes);
        if let Some(at) = known.position(|(line, p)| line.function == name && *p == probe) {
            return at;
        }
        self.probes.push(probe);
        self.lines.push(critical_line(function, name));
        self.lines.len() - 1
    }
}

/// σw² = 1/E φ′², σb² = q − σw² E φ² for second moments q from 10⁻⁴ to 10³, as long as σb² rises: where
/// it turns, the second moment no longer settles (χ∥ > 1).
fn critical_line(function: &Composite<'_>, name: String) -> CriticalLine {
    const STEPS: i32 = 42;
    let maps = |weight| LayerMap {
        activation: Box::new(|x| function.eval(x).unwrap_or(f64::NAN)),
        derivative: Box::new(|x| function.slope(x)),
        weight,
        bias: 0.0,
    };
    let unit = maps(1.0);
    if unit.is_homogeneous() {
        let weight = 1.0 / unit.chi(1.0);
        return CriticalLine {
            function: name,
            points: vec![[weight, 0.0]],
            any_bias: true,
        };
    }
    let point = |step: i32| {
        let q = 10f64.powf(-4.0 + 7.0 * f64::from(step) / f64::from(STEPS));
        let weight = 1.0 / unit.chi(q);
        let bias = q - weight * unit.length(q);
        (weight.is_finite() && bias >= 0.0).then_some([weight, bias])
    };
    let mut points: Vec<[f64; 2]> = Vec::new();
    for [weight, bias] in (0..=STEPS).filter_map(point) {
        if points.last().is_some_and(|[_, before]| bias < *before) {
            break;
        }
        points.push([weight, bias]);
    }
    CriticalLine {
        function: name,
        points,
        any_bias: false,
    }
}

/// The chains; `each` sees the function of every layer, by the layer's chain.
fn linked(
    network: &Network,
    measured: &Measured,
    mut each: impl FnMut(usize, &Composite<'_>),
) -> Vec<Chain> {
    let forward = length_map(network, measured);
    let mut ends: Vec<ValueId> = Vec::new();
    let mut chains: Vec<Chain> = Vec::new();
    for index in 0..network.nodes.len() {
        let id = NodeId::from(index);
        let Some(link) = link(network, measured, &forward, id) else {
            continue;
        };
        let used = match link.layer.criticality {
            Some(found) => 1.0 / found.trainable_depth(),
            None => 0.0,
        };
        let known = ends.iter().position(|end| *end == link.function.base);
        let at = known.unwrap_or_else(|| {
            ends.push(link.output);
            chains.push(Chain {
                layers: Vec::new(),
                depth_used: 0.0,
            });
            chains.len() - 1
        });
        each(at, &link.function);
        if let (Some(end), Some(chain)) = (ends.get_mut(at), chains.get_mut(at)) {
            *end = link.output;
            chain.layers.push(link.layer);
            chain.depth_used += used;
        }
    }
    chains
}

/// A layer, the function it begins with and the pre-activation it puts out.
struct Link<'a> {
    layer: ChainLayer,
    function: Composite<'a>,
    output: ValueId,
}

/// The layer that ends in this node's linear map.
fn link<'a>(
    network: &'a Network,
    measured: &Measured,
    forward: &LengthMap,
    id: NodeId,
) -> Option<Link<'a>> {
    let context = Context {
        network,
        measured,
        signals: &forward.signals,
    };
    let node = network.node(id);
    let map = map::map(&context, node)?;
    let weight = context.signal(node, map.weight).filter(|w| w.parameter)?;
    let value = moved_from(network, context.id(node, map.data)?);
    let base_id = context.at(value)?.shape.base;
    let base = context.at(base_id)?;
    let producer = network.node(network.value(base_id).producer?);
    // Behind a fused activation the graph does not hold the pre-activation.
    let plain = map::map(&context, producer).is_some_and(|map| map.activation.is_none());
    if !plain || base.mean.powi(2) > 0.01 * base.second {
        return None;
    }
    let terms = map.edges / map.outputs.max(1.0) * map.factor * map.factor;
    let bias = map.bias.and_then(|(slot, _)| context.signal(node, slot));
    let bias = bias.map_or(0.0, |bias| bias.second);
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
        weight: maps.weight,
        bias: maps.bias,
        second_moment: q,
        chi: maps.chi(q),
        criticality,
    };
    drop(maps);
    let output = node.outputs.first().copied().flatten()?;
    Some(Link {
        layer,
        function,
        output,
    })
}

/// Where a value that was only moved comes from.
fn moved_from(network: &Network, mut value: ValueId) -> ValueId {
    while let Some(node) = network.value(value).producer.map(|id| network.node(id))
        && (passing::is_rearrangement(&node.operator) || passing::is_identity(&node.operator))
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
        if passing::is_identity(&node.operator) {
            return self.walk(node.inputs.first().copied().flatten()?, x);
        }
        let function = Function::of(&node.operator)?;
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
            names.push(node.op_name());
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
