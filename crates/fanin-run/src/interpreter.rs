//! The one loop over a network's nodes, and who looks on.
//!
//! Running, training, evaluating and taking gradients at the inputs differ in what is put on the tape and
//! in what is looked at, which is the [`Observer`]'s affair; what flows along which edge, and for how long,
//! is the interpreter's. A value lives until its last use.

use std::cell::Cell;
use std::collections::HashMap;

use fanin_network::{Network, Node, NodeId, Parameter, ParameterId, Payload, ValueId, ValueKind};

use crate::array::Array;
use crate::error::RunError;
use crate::guard::Place;
use crate::op::{self, Call, Mode};
use crate::tape::Var;
use crate::value::Item;

/// Who looks on. Each value may be put on the tape or marked there; what is not looked at passes as it is.
pub(crate) trait Observer {
    /// A parameter at its first use.
    fn parameter(&mut self, id: ValueId, weight: Array) -> Var {
        let _ = id;
        Var::constant(weight)
    }

    /// A floating value that a node has put out.
    fn output(&mut self, node: NodeId, value: ValueId, var: Var) -> Var {
        let _ = (node, value);
        var
    }

    /// A node has been computed; `done` of them are.
    fn computed(&mut self, done: usize) {
        let _ = done;
    }
}

/// A network, or the part of it that some of its values depend on, ready to run again and again.
pub(crate) struct Interpreter<'a> {
    network: &'a Network,
    mode: Mode,
    place: &'a Cell<Place>,
    /// What is computed, in the order of execution.
    nodes: Vec<NodeId>,
    results: Vec<ValueId>,
    /// How often those nodes and the results read each value.
    uses: Vec<usize>,
    /// Constants and stored tensors, read once.
    stored: HashMap<ValueId, Item>,
}

/// Gives the elements of a parameter.
pub(crate) type Take<'t> = dyn Fn(ParameterId, &Parameter) -> Result<Array, RunError> + 't;

/// The values of one run that are still to be read.
struct Values {
    items: HashMap<ValueId, Item>,
    left: Vec<usize>,
}

impl<'a> Interpreter<'a> {
    /// All nodes of a network; `results` is what a run gives.
    pub(crate) fn whole(
        network: &'a Network,
        results: Vec<ValueId>,
        mode: Mode,
        place: &'a Cell<Place>,
    ) -> Self {
        let nodes = (0..network.nodes.len()).map(NodeId::from).collect();
        Self::new(network, nodes, results, mode, place)
    }

    /// The nodes that `results` depend on, and no others.
    pub(crate) fn part(
        network: &'a Network,
        results: Vec<ValueId>,
        mode: Mode,
        place: &'a Cell<Place>,
    ) -> Self {
        let mut read = vec![false; network.values.len()];
        for id in &results {
            read[id.index()] = true;
        }
        let mut nodes = Vec::new();
        for (k, node) in network.nodes.iter().enumerate().rev() {
            if node.outputs.iter().flatten().any(|v| read[v.index()]) {
                nodes.push(NodeId::from(k));
                for input in node.inputs.iter().flatten() {
                    read[input.index()] = true;
                }
            }
        }
        nodes.reverse();
        Self::new(network, nodes, results, mode, place)
    }

    fn new(
        network: &'a Network,
        nodes: Vec<NodeId>,
        results: Vec<ValueId>,
        mode: Mode,
        place: &'a Cell<Place>,
    ) -> Self {
        let mut uses = vec![0; network.values.len()];
        let inputs = nodes
            .iter()
            .flat_map(|&id| network.node(id).inputs.iter().flatten());
        for id in inputs.chain(&results) {
            if let Some(n) = uses.get_mut(id.index()) {
                *n += 1;
            }
        }
        Self {
            network,
            mode,
            place,
            nodes,
            results,
            uses,
            stored: HashMap::new(),
        }
    }

    /// Runs forward: the results, in their order.
    pub(crate) fn forward(
        &mut self,
        inputs: Vec<(ValueId, Item)>,
        weights: &Take<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Item>, RunError> {
        let used = |id: ValueId| self.uses.get(id.index()).is_some_and(|&n| n > 0);
        let mut values = Values {
            items: inputs.into_iter().filter(|&(id, _)| used(id)).collect(),
            left: self.uses.clone(),
        };
        for k in 0..self.nodes.len() {
            let id = self.nodes[k];
            self.place.set(Place::Node(id));
            let outputs = self.execute(id, &mut values, weights, observer)?;
            for (value, item) in self.network.node(id).outputs.iter().zip(outputs) {
                let Some(value) = *value else { continue };
                let item = match item {
                    Item::Float(var) => Item::Float(observer.output(id, value, var)),
                    other => other,
                };
                if values.left.get(value.index()).is_some_and(|&n| n > 0) {
                    values.items.insert(value, item);
                }
            }
            observer.computed(k + 1);
        }
        let results = std::mem::take(&mut self.results);
        let found = results
            .iter()
            .map(|&id| self.read(id, &mut values, weights, observer))
            .collect();
        self.results = results;
        found
    }

    /// Runs forward to the first result, which must be a float for a gradient to start from; `verb` says what
    /// for.
    pub(crate) fn forward_to(
        &mut self,
        inputs: Vec<(ValueId, Item)>,
        weights: &Take<'_>,
        observer: &mut dyn Observer,
        verb: &str,
    ) -> Result<Var, RunError> {
        let results = self.forward(inputs, weights, observer)?;
        self.place.set(Place::Backward);
        match results.into_iter().next() {
            Some(Item::Float(var)) => Ok(var),
            _ => Err(RunError::Network(format!(
                "output `{}` does not depend on any parameter or floating input; there is nothing to {verb}",
                self.results
                    .first()
                    .map_or("", |&id| self.network.value(id).name.as_str())
            ))),
        }
    }

    /// Computes one node.
    fn execute(
        &mut self,
        id: NodeId,
        values: &mut Values,
        weights: &Take<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Item>, RunError> {
        let node = self.network.node(id);
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            inputs.push(match input {
                Some(value) => Some(self.read(*value, values, weights, observer)?),
                None => None,
            });
        }
        let call = Call {
            node,
            inputs,
            mode: self.mode,
        };
        op::execute(&call).map_err(|message| RunError::Node {
            node: node.name.clone(),
            op: node.op.clone(),
            inputs: self.describe(node, &call),
            message,
        })
    }

    /// The value of an edge, once: computed before, or made of what the model stores at first use.
    fn read(
        &mut self,
        id: ValueId,
        values: &mut Values,
        weights: &Take<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Item, RunError> {
        let last = values.left.get_mut(id.index()).is_none_or(|n| {
            *n = n.saturating_sub(1);
            *n == 0
        });
        // At its last use a value is given away, so that who reads it may be the only one to hold it.
        let found = match last {
            true => values.items.remove(&id),
            false => values.items.get(&id).cloned(),
        };
        if let Some(item) = found.or_else(|| self.stored.get(&id).cloned()) {
            return Ok(item);
        }
        let network = self.network;
        let value = network.value(id);
        let item = match &value.kind {
            ValueKind::Constant(tensor) | ValueKind::Buffer(Payload::Held(tensor)) => {
                Item::host(tensor.clone())
            }
            ValueKind::Buffer(payload) => {
                Item::host(crate::stored::buffer(network, value, payload)?)
            }
            ValueKind::Parameter(number) => {
                let parameter = network.as_parameter(id).ok_or_else(|| {
                    RunError::Network("a parameter is missing from the network's list".to_owned())
                })?;
                let item = Item::Float(observer.parameter(id, weights(*number, parameter)?));
                if !last {
                    values.items.insert(id, item.clone());
                }
                return Ok(item);
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

    fn describe(&self, node: &Node, call: &Call<'_>) -> String {
        let pairs = node.inputs.iter().zip(&call.inputs);
        let list: Vec<String> = pairs
            .filter_map(|(id, item)| {
                let name = &self.network.value((*id)?).name;
                Some(format!("`{name}` {:?}", item.as_ref()?.shape()))
            })
            .collect();
        if list.is_empty() {
            "no inputs".to_owned()
        } else {
            list.join(", ")
        }
    }
}
