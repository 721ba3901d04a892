//! The layers of a network: what a layer is, defined once.
//!
//! A layer is a place at which the signal meets a stored tensor with two sides: a product with a weight,
//! a table whose rows are picked or added, a recurrent operator. Whatever lies between the stored tensor
//! and that place (casts, reshapes, a stack, weight norm, …) belongs to the layer, and so do its bias, its
//! norm, its activation. The planner plans these layers, the checker judges and rescales them, the report
//! has a row for each: one definition, so that what is planned, blamed and shown is the same.

pub(crate) mod axes;
pub(crate) mod chain;
mod entering;
mod path;
mod reads;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use fanin::{Activation, Fans};

pub use entering::{Enters, enters, is_offset_from_one};
pub use path::main_path;
pub use reads::Reads;

use crate::operator::{Class, Holds};
use crate::role::reading::Use;
use crate::role::study::Study;
use crate::role::view::View;
use crate::role::walk::{What, trace};
use crate::{Feeds, Network, Node, NodeId, Operator, ParameterId, Role, ValueId, ValueKind};

/// How a layer meets its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerKind {
    /// A product: linear layers, convolutions.
    Product,
    /// A recurrent operator.
    Recurrent,
    /// Rows of a table are picked.
    Lookup,
    /// Rows of a table are added, laid beside, or used in any other way.
    Table,
}

/// A stored tensor that the weight of a layer is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeight {
    /// Which.
    pub parameter: ParameterId,
    /// The value that arrives at the layer's node: the tensor, or what is made of it.
    pub value: ValueId,
    /// What it is for in this layer.
    pub role: Role,
    /// The part of the tensor that this layer uses: a range along each of its axes.
    pub part: Vec<Range<usize>>,
    /// The constant that the tensor is multiplied by on the way.
    pub factor: f64,
    /// Whether its scale makes no difference, because the weight is divided by its own length or norm
    /// on the way.
    pub scale_free: bool,
    /// Fan-in and fan-out of one output of this layer, where it has them.
    pub fans: Option<Fans>,
}

/// A layer of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// How it meets its weight.
    pub kind: LayerKind,
    /// The node at which it does.
    pub node: NodeId,
    /// The value it puts out there, before bias, norm and activation.
    pub output: ValueId,
    /// The signal it reads, if it reads one.
    pub input: Option<ValueId>,
    /// The tensors its weight is made of, the one that carries its elements first.
    pub weights: Vec<LayerWeight>,
    /// What is added to its output.
    pub bias: Option<ParameterId>,
    /// The activation it meets, and the value that comes out of it.
    pub activation: Option<(Activation, ValueId)>,
    /// What its output meets: an activation, a softmax, several things or nothing.
    pub feeds: Feeds,
    /// Whether a normalization follows before any activation.
    pub norm_follows: bool,
    /// The branches that add into the residual stream that its output is added to, if it ends one.
    pub branches: Option<usize>,
    /// What its weight multiplies.
    pub reads: Reads,
    /// How many layers the signal passes one after another around this one, itself counted, with
    /// nothing between them that sets a scale anew or adds another signal: no norm, no sum, no fork.
    pub in_a_row: usize,
    /// Whether what it makes, once squashed, multiplies another signal: squeeze and excitation.
    pub gates_a_signal: bool,
    /// Whether what it makes is multiplied by a learned branch scale before it joins the stream.
    pub meets_branch_scale: bool,
    /// Whether every way from the input to the output passes it.
    pub on_main_path: bool,
}

impl Layer {
    /// The tensor that carries the elements of the weight.
    pub fn weight(&self) -> Option<&LayerWeight> {
        self.weights.first()
    }
}

/// The layers of a network, in the order of the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layers {
    layers: Vec<Layer>,
    at: BTreeMap<NodeId, usize>,
    /// By parameter, the layers whose weight it belongs to.
    using: Vec<Vec<usize>>,
    /// By bias, its layer.
    biases: BTreeMap<ParameterId, usize>,
    /// By value, the tensor it is, or is mostly made of.
    stored: BTreeMap<ValueId, ParameterId>,
    /// The values that come out of a norm that is spelled out in plain arithmetic.
    normalized: BTreeSet<ValueId>,
}

impl Layers {
    /// Finds the layers of a network whose roles are assigned ([`crate::role::assign`]).
    pub fn of(network: &Network) -> Self {
        let study = Study::of(network);
        let view = &study.view;
        let mut found = Self {
            using: vec![Vec::new(); network.parameters.len()],
            stored: stored(view),
            normalized: view.normalized().collect(),
            ..Self::default()
        };
        let nearest = reads::nearest(view);
        let rows = run::in_a_row(view);
        let on_main_path = path::of_network(network);
        for index in 0..network.nodes.len() {
            let node = NodeId::from(index);
            if let Some(mut layer) = layer(&study, node) {
                layer.reads = reads::reads(view, &nearest, node);
                layer.in_a_row = rows.at(node);
                layer.on_main_path = on_main_path.contains(&layer.output);
                let at = found.layers.len();
                found.at.insert(node, at);
                for weight in &layer.weights {
                    if let Some(using) = found.using.get_mut(weight.parameter.index()) {
                        using.push(at);
                    }
                }
                found.layers.push(layer);
            }
        }
        found.find_biases(&study);
        found
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Layer> {
        self.layers.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The layer whose node this is.
    pub fn at(&self, node: NodeId) -> Option<&Layer> {
        self.layers.get(*self.at.get(&node)?)
    }

    /// The layers whose weight a parameter belongs to, in the order of the run.
    pub fn using(&self, parameter: ParameterId) -> impl Iterator<Item = &Layer> {
        let using = self.using.get(parameter.index()).into_iter().flatten();
        using.filter_map(|&at| self.layers.get(at))
    }

    /// The layer that a bias is added to.
    pub fn of_bias(&self, bias: ParameterId) -> Option<&Layer> {
        self.layers.get(*self.biases.get(&bias)?)
    }

    /// The tensor that a value is or, where it is made of stored tensors alone, is mostly made of.
    pub fn stored(&self, value: ValueId) -> Option<ParameterId> {
        self.stored.get(&value).copied()
    }

    /// Whether a value comes out of a norm that is spelled out in plain arithmetic.
    pub fn is_normalized(&self, value: ValueId) -> bool {
        self.normalized.contains(&value)
    }

    fn find_biases(&mut self, study: &Study<'_>) {
        for (index, uses) in study.view.uses.iter().enumerate() {
            let bias = ParameterId::from(index);
            let of = uses.iter().find_map(|found| study.biased(found));
            if let Some(at) = of.and_then(|node| self.at.get(&node).copied()) {
                self.biases.insert(bias, at);
                if let Some(layer) = self.layers.get_mut(at) {
                    layer.bias.get_or_insert(bias);
                }
            }
        }
    }
}

/// The tensor that each value made of tensors alone is mostly made of.
fn stored(view: &View<'_>) -> BTreeMap<ValueId, ParameterId> {
    let network = view.network;
    let main = |index: usize| {
        let id = ValueId::from(index);
        let parts = view.chains.at(id);
        let part = parts.iter().find(|part| part.is_carrier());
        let part = part.or(parts.first())?;
        match network.value(part.tensor).kind {
            ValueKind::Parameter(parameter) => Some((id, parameter)),
            _ => None,
        }
    };
    (0..network.values.len()).filter_map(main).collect()
}

/// The layer at a node, if it is one.
fn layer(study: &Study<'_>, id: NodeId) -> Option<Layer> {
    let view = &study.view;
    let network = view.network;
    let node = network.node(id);
    let output = network.output(id)?;
    let facts = node.operator.facts();
    let mut weights: Vec<(bool, LayerWeight)> = Vec::new();
    let mut kind = LayerKind::Table;
    let (mut feeds, mut norm_follows) = (Feeds::Linear, false);
    for found in view.read_at(id) {
        let ValueKind::Parameter(parameter) = network.value(found.parameter).kind else {
            continue;
        };
        let holds = facts.at(found.slot).map(|slot| slot.holds);
        let contracts = view.is_layer(id) && facts.contracts(found.slot);
        let Some(reading) = study.reading(found) else {
            continue;
        };
        let main = found.part.is_carrier() && reading.role != Role::WeightScale;
        if contracts {
            kind = match facts.class {
                Class::Recurrent => LayerKind::Recurrent,
                _ => LayerKind::Product,
            };
        } else if !has_two_sides(view, found) || is_vector(reading.role) || bears_no_table(holds) {
            continue;
        } else if view.is_lookup(id) {
            kind = LayerKind::Lookup;
        }
        if main {
            (feeds, norm_follows) = (reading.feeds, reading.norm_follows);
        }
        weights.push((
            main,
            LayerWeight {
                parameter,
                value: found.value,
                role: reading.role,
                part: found.part.axes.region(),
                factor: if found.part.degree == Some(1.0) {
                    found.part.factor
                } else {
                    1.0
                },
                scale_free: found.part.degree == Some(0.0),
                fans: reading
                    .layout
                    .fans(&network.parameter(parameter).shape)
                    .ok(),
            },
        ));
    }
    if weights.is_empty() {
        return None;
    }
    weights.sort_by_key(|(main, _)| !main);
    let weights: Vec<LayerWeight> = weights.into_iter().map(|(_, weight)| weight).collect();
    let activation = trace(view, &study.streams.sums, output)
        .into_iter()
        .find_map(|met| match met.what {
            What::Activation(activation, after) => Some((activation, after)),
            _ => None,
        });
    Some(Layer {
        kind,
        node: id,
        output,
        input: view.signals(id).first().copied(),
        weights,
        bias: None,
        activation,
        feeds,
        norm_follows,
        branches: study.streams.branches_at(id),
        reads: Reads::Unknown,
        in_a_row: 0,
        gates_a_signal: entering::gates_a_signal(view, id),
        meets_branch_scale: entering::meets_branch_scale(view, id),
        on_main_path: false,
    })
}

/// Whether a tensor has at least two axes of more than one element.
fn has_two_sides(view: &View<'_>, found: &Use) -> bool {
    let wide = view.shape(found.parameter).iter().filter(|&&size| size > 1);
    wide.count() > 1
}

/// Whether a parameter of this role belongs to a layer and is none.
fn is_vector(role: Role) -> bool {
    matches!(
        role,
        Role::Bias
            | Role::NormScale
            | Role::NormShift
            | Role::BranchScale
            | Role::WeightScale
            | Role::ActivationSlope
            | Role::AttentionBias
            | Role::RecurrentBias
    )
}

/// Whether an input is known to hold something that makes no layer.
fn bears_no_table(holds: Option<Holds>) -> bool {
    !matches!(holds, None | Some(Holds::Table | Holds::Weight))
}

/// Whether a node reads what a walk along the signal passes by: what only arranges it.
pub(crate) fn arranges(node: &Node) -> bool {
    let class = node.operator.facts().class;
    matches!(class, Class::Arranges | Class::Repeats)
        || matches!(node.operator, Operator::Slice(_) | Operator::Split(_))
}

#[cfg(test)]
mod tests;
