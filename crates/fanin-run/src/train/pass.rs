//! Forward and backward with nothing observed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fanin_network::{Network, Node, NodeId, Payload, ValueId, ValueKind};

use super::look::UnitLook;
use super::loss::Objective;
use crate::array::{Array, array};
use crate::error::RunError;
use crate::op::{self, Call, Mode};
use crate::output;
use crate::statistics::{self, Look};
use crate::tape::{Var, record};
use crate::thread::Reports;
use crate::value::Item;

/// Where the gradients of one step arrive, by the parameter's place in the network's list.
#[derive(Clone)]
pub(super) struct Slots(Arc<Mutex<Vec<Option<Array>>>>);

impl Slots {
    pub(super) fn new(parameters: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![None; parameters])))
    }

    fn put(&self, k: usize, gradient: Array) {
        if let Ok(mut slots) = self.0.lock()
            && let Some(slot) = slots.get_mut(k)
        {
            *slot = Some(gradient);
        }
    }

    pub(super) fn take(&self) -> Vec<Option<Array>> {
        self.0
            .lock()
            .map(|mut slots| std::mem::take(&mut *slots))
            .unwrap_or_default()
    }
}

/// The part of a network that the loss depends on, ready to run again and again.
pub(super) struct Pass<'a> {
    network: &'a Network,
    /// The value that the loss is taken of.
    result: ValueId,
    /// The nodes that it depends on, in the order of execution.
    nodes: Vec<NodeId>,
    /// How often those nodes and the loss read each value.
    uses: Vec<usize>,
    /// Constants and stored tensors, read once.
    stored: HashMap<ValueId, Item>,
    reports: Reports,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        network: &'a Network,
        objective: Objective,
        reports: Reports,
    ) -> Result<Self, RunError> {
        let result = logits(network, output::first_floating(network)?, objective);
        let mut uses = vec![0; network.values.len()];
        uses[result.index()] += 1;
        let mut nodes = Vec::new();
        for k in (0..network.nodes.len()).rev() {
            let node = &network.nodes[k];
            if node.outputs.iter().flatten().any(|v| uses[v.index()] > 0) {
                nodes.push(NodeId::from(k));
                for input in node.inputs.iter().flatten() {
                    uses[input.index()] += 1;
                }
            }
        }
        nodes.reverse();
        Ok(Self {
            network,
            result,
            nodes,
            uses,
            stored: HashMap::new(),
            reports,
        })
    }

    /// The value that the loss is taken of. With `slots`, parameters are on the tape and their
    /// gradients will arrive there; with `units`, activations are looked at.
    pub(super) fn forward(
        &mut self,
        inputs: Vec<(ValueId, Item)>,
        weights: &[Array],
        slots: Option<&Slots>,
        mut units: Option<&mut Vec<UnitLook>>,
    ) -> Result<Var, RunError> {
        let mut items: HashMap<ValueId, Item> = inputs
            .into_iter()
            .filter(|(id, _)| self.uses[id.index()] > 0)
            .collect();
        let mut left = self.uses.clone();
        for k in 0..self.nodes.len() {
            let node = self.network.node(self.nodes[k]);
            self.reports.at(&node.name);
            let mut fed = Vec::with_capacity(node.inputs.len());
            for input in &node.inputs {
                fed.push(match input {
                    Some(value) => Some(self.get(*value, &mut items, weights, slots)?),
                    None => None,
                });
            }
            let call = Call {
                node,
                inputs: fed,
                mode: Mode::Training,
            };
            let outputs = op::execute(&call).map_err(|message| RunError::Node {
                node: node.name.clone(),
                op: node.op.clone(),
                inputs: describe(self.network, node, &call),
                message,
            })?;
            drop(call);
            for input in node.inputs.iter().flatten() {
                left[input.index()] -= 1;
                if left[input.index()] == 0 {
                    items.remove(input);
                }
            }
            if let (Some(units), Some(Item::Float(var))) = (&mut units, outputs.first()) {
                units.extend(look(self.network, self.nodes[k], var.array()));
            }
            for (value, item) in node.outputs.iter().zip(outputs) {
                if let Some(value) = value
                    && left[value.index()] > 0
                {
                    items.insert(*value, item);
                }
            }
        }
        match self.get(self.result, &mut items, weights, slots)? {
            Item::Float(var) => Ok(var),
            _ => Err(RunError::Network(format!(
                "output `{}` does not depend on any parameter or floating input; there is nothing to train",
                self.network.value(self.result).name
            ))),
        }
    }

    /// Runs the tape backward from the forward pass's result, where this gradient is given.
    pub(super) fn backward(&self, result: &Var, cotangent: Option<Array>) {
        self.reports.at("the backward pass");
        let Some(cotangent) = cotangent else { return };
        // The loss itself has been reckoned already; its value on the tape does not matter.
        let loss = record(&[result], array(&[1], vec![0.0]), move |_, _| {
            vec![Some(cotangent.clone())]
        });
        if loss.tracked() {
            loss.backward();
        }
    }

    fn get(
        &mut self,
        id: ValueId,
        items: &mut HashMap<ValueId, Item>,
        weights: &[Array],
        slots: Option<&Slots>,
    ) -> Result<Item, RunError> {
        if let Some(item) = items.get(&id).or_else(|| self.stored.get(&id)) {
            return Ok(item.clone());
        }
        let value = self.network.value(id);
        let item = match &value.kind {
            ValueKind::Parameter(parameter) => {
                let k = parameter.index();
                let weight = weights.get(k).ok_or_else(|| {
                    RunError::Network("a parameter is missing from the network's list".to_owned())
                })?;
                let item = Item::Float(parameter_var(weight, k, slots));
                items.insert(id, item.clone());
                return Ok(item);
            }
            ValueKind::Constant(tensor) | ValueKind::Buffer(Payload::Held(tensor)) => {
                Item::host(tensor.clone())
            }
            ValueKind::Buffer(payload) => {
                Item::host(crate::stored::buffer(self.network, value, payload)?)
            }
            ValueKind::Input | ValueKind::Computed => {
                return Err(RunError::Network(format!(
                    "value `{}` is read but nothing puts it out",
                    value.name
                )));
            }
        };
        self.stored.insert(id, item.clone());
        Ok(item)
    }
}

/// A parameter on the tape; its whole gradient ends in its slot.
fn parameter_var(weight: &Array, k: usize, slots: Option<&Slots>) -> Var {
    let Some(slots) = slots else {
        return Var::constant(weight.clone());
    };
    let slots = slots.clone();
    // The leaf itself has no elements: burn keeps no second copy of the gradient.
    let leaf = Var::leaf(array(&[0], Vec::new()));
    record(&[&leaf], weight.clone(), move |g, _| {
        slots.put(k, g);
        vec![Some(array(&[0], Vec::new()))]
    })
}

/// The value before the function that turns scores into probabilities, where there is one and the
/// targets are classes: that function is part of the loss, which is exact where it is not.
fn logits(network: &Network, output: ValueId, objective: Objective) -> ValueId {
    if objective == Objective::Values {
        return output;
    }
    let producer = network.value(output).producer.map(|id| network.node(id));
    match producer {
        Some(node) if matches!(node.op.as_str(), "Softmax" | "Sigmoid") => {
            node.inputs.first().copied().flatten().unwrap_or(output)
        }
        _ => output,
    }
}

fn look(network: &Network, id: NodeId, value: &Array) -> Option<UnitLook> {
    let node = network.node(id);
    let flat = op::flat(network, node);
    let zeros = op::makes_zeros(network, node);
    if flat.is_none() && !zeros {
        return None;
    }
    let shape = crate::array::dims(value);
    let seen = statistics::forward(
        value,
        Look {
            samples: None,
            flat,
            units: zeros
                .then(|| crate::units::value_axis(network, id, &shape))
                .flatten(),
        },
    );
    Some(UnitLook {
        node: node.name.clone(),
        op: node.op.clone(),
        rms: seen.rms,
        dead: seen.dead_units,
        saturated: seen.saturated_fraction,
    })
}

fn describe(network: &Network, node: &Node, call: &Call<'_>) -> String {
    let pairs = node.inputs.iter().zip(&call.inputs);
    let list: Vec<String> = pairs
        .filter_map(|(id, item)| {
            Some(format!(
                "`{}` {:?}",
                network.value((*id)?).name,
                item.as_ref()?.shape()
            ))
        })
        .collect();
    if list.is_empty() {
        "no inputs".to_owned()
    } else {
        list.join(", ")
    }
}
