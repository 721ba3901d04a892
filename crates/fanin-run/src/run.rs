//! The run: forward through all nodes, backward by the tape.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use fanin::Seed;
use fanin_network::{HostTensor, Network, Node, NodeId, Payload, ValueId, ValueKind, Weights};

use crate::array::{Array, Dense, array};
use crate::data::Data;
use crate::error::{RunError, UnknownNode};
use crate::input;
use crate::observe::Sink;
use crate::op::{self, Call, Mode};
use crate::output;
use crate::statistics::{self, Look};
use crate::tape::{Var, record};
use crate::thread::{Reports, on_own_thread};
use crate::trace::{Observation, ParameterObservation, Trace, Units};
use crate::units::unit_axis;
use crate::value::{Item, to_array, to_host};

/// Called with the number of steps done and all steps.
pub type Progress = Box<dyn Fn(usize, usize) + Send>;

/// How to run.
pub struct RunOptions {
    /// The seed of random inputs and of the random gradient at the output.
    pub seed: Seed,
    /// The user's own inputs; random where absent.
    pub data: Option<Data>,
    /// Whether to run backward too.
    pub backward: bool,
    /// Called now and then, on the calling thread.
    pub progress: Option<Progress>,
}

impl RunOptions {
    /// Random inputs of this seed, forward and backward.
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            data: None,
            backward: true,
            progress: None,
        }
    }
}

impl std::fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunOptions")
            .field("seed", &self.seed)
            .field("data", &self.data)
            .field("backward", &self.backward)
            .finish_non_exhaustive()
    }
}

/// What the network is fed, and how far it runs.
#[derive(Clone, Copy)]
pub(crate) struct Feed<'a> {
    pub(crate) seed: Seed,
    pub(crate) data: Option<&'a Data>,
    pub(crate) backward: bool,
}

/// Runs a network forward and backward once and observes every floating value and parameter.
///
/// Inputs come from `options.data` or are drawn: standard normal floats, and ids within the range
/// of what they index. The loss is the inner product of the first floating output with a cotangent, which is drawn too if it is not among
/// the data. Batch normalization uses the batch's statistics, dropout is off. All floats are
/// computed in f32, whatever the model declares.
///
/// # Errors
///
/// An operator that is not known (found before anything runs), a parameter without weights, data
/// that does not fit, a node whose inputs contradict its operator.
pub fn run(network: &Network, weights: &Weights, options: &RunOptions) -> Result<Trace, RunError> {
    known_operators(network)?;
    room(network)?;
    let feed = Feed {
        seed: options.seed,
        data: options.data.as_ref(),
        backward: options.backward,
    };
    on_own_thread(options.progress.as_deref(), |reports| {
        Run::new(network, feed, reports).trace(weights)
    })
}

/// Computes the outputs of a network from all its inputs, as the model is written: batch
/// normalization by the statistics it stores unless it says otherwise, nothing observed.
///
/// # Errors
///
/// As [`run`].
pub fn evaluate(
    network: &Network,
    weights: &Weights,
    inputs: &BTreeMap<String, HostTensor>,
) -> Result<Vec<HostTensor>, RunError> {
    known_operators(network)?;
    on_own_thread(None, |reports| {
        // Nothing is drawn: every input must be given.
        let feed = Feed {
            seed: Seed::new(0),
            data: None,
            backward: false,
        };
        let mut run = Run::new(network, feed, reports);
        run.mode = Mode::AsWritten;
        for &id in &network.inputs {
            let name = &network.value(id).name;
            let tensor = inputs.get(name).ok_or_else(|| RunError::Input {
                name: name.clone(),
                message: "no array of this name is given".to_owned(),
            })?;
            let item = match tensor.element.is_float() {
                true => Item::Float(Var::constant(to_array(tensor))),
                false => Item::host(tensor.clone()),
            };
            run.items.insert(id, item);
        }
        for k in 0..network.nodes.len() {
            let id = NodeId::from(k);
            let outputs = run.execute(id, weights)?;
            run.keep(id, outputs);
        }
        let outputs = network.outputs.iter();
        outputs
            .map(|&id| {
                let item = run.get(id, weights)?;
                item.tensor()
                    .map(|t| (*t).clone())
                    .map_err(RunError::Network)
            })
            .collect()
    })
}

/// The gradient of the inner product of the first floating output with a cotangent, at every floating
/// input, by the input's name. Runs as [`run`] does, on `data`'s inputs and its `cotangent`.
///
/// A row of the Jacobian per sample: where samples do not mix, a batch of the same sample with the
/// rows of the identity as cotangent gives all of its Jacobian in one run.
///
/// # Errors
///
/// As [`run`].
pub fn input_gradients(
    network: &Network,
    weights: &Weights,
    data: &Data,
    seed: Seed,
) -> Result<BTreeMap<String, HostTensor>, RunError> {
    known_operators(network)?;
    let feed = Feed {
        seed,
        data: Some(data),
        backward: true,
    };
    on_own_thread(None, |reports| {
        Run::new(network, feed, reports).input_gradients(weights)
    })
}

/// Refuses operators that are not known, all at once.
pub(crate) fn known_operators(network: &Network) -> Result<(), RunError> {
    let unknown: Vec<UnknownNode> = network
        .nodes
        .iter()
        .filter(|n| op::lookup(n).is_none())
        .map(|n| UnknownNode {
            node: n.name.clone(),
            op: if n.domain.is_empty() {
                n.op.clone()
            } else {
                format!("{}.{}", n.domain, n.op)
            },
        })
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(RunError::Unknown(unknown))
    }
}

/// Refuses a network of which a single value does not fit into memory: asks for the largest and gives
/// it back. An allocation that fails later cannot be answered, it ends the process.
fn room(network: &Network) -> Result<(), RunError> {
    let sized = network.values.iter().filter_map(|value| {
        let shape = value.shape.as_deref()?;
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        Some((count.unwrap_or(usize::MAX), shape, value))
    });
    let Some((count, shape, value)) = sized.max_by_key(|(count, ..)| *count) else {
        return Ok(());
    };
    let bytes = count.checked_mul(size_of::<f32>());
    if bytes.is_some_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok()) {
        return Ok(());
    }
    Err(RunError::Network(format!(
        "`{}` has shape {shape:?}, which does not fit into this machine's memory; run the model with \
         a smaller batch or smaller free dimensions",
        value.name
    )))
}

struct Run<'a> {
    network: &'a Network,
    feed: Feed<'a>,
    mode: Mode,
    items: HashMap<ValueId, Item>,
    /// Uses of each value that are still to come.
    uses: Vec<usize>,
    sink: Sink,
    places: HashMap<ValueId, usize>,
    observations: Vec<(ValueId, Observation)>,
    parameters: HashMap<ValueId, (ParameterObservation, usize)>,
    reports: Reports,
}

impl<'a> Run<'a> {
    fn new(network: &'a Network, feed: Feed<'a>, reports: Reports) -> Self {
        let mut uses = vec![0; network.values.len()];
        let fed = network.nodes.iter().flat_map(|n| n.inputs.iter().flatten());
        for id in fed.chain(&network.outputs) {
            if let Some(n) = uses.get_mut(id.index()) {
                *n += 1;
            }
        }
        Self {
            network,
            feed,
            mode: Mode::Training,
            items: HashMap::new(),
            uses,
            sink: Sink::new(network.nodes.len(), Some(reports.sender())),
            places: HashMap::new(),
            observations: Vec::new(),
            parameters: HashMap::new(),
            reports,
        }
    }

    /// The value of an edge: computed before, or made of what the model stores at first use.
    fn get(&mut self, id: ValueId, weights: &Weights) -> Result<Item, RunError> {
        if let Some(item) = self.items.get(&id) {
            return Ok(item.clone());
        }
        let value = self.network.value(id);
        let item = match &value.kind {
            ValueKind::Constant(tensor) | ValueKind::Buffer(Payload::Held(tensor)) => {
                Item::host(tensor.clone())
            }
            ValueKind::Buffer(payload) => {
                Item::host(crate::stored::buffer(self.network, value, payload)?)
            }
            ValueKind::Parameter(_) => self.parameter(id, weights)?,
            ValueKind::Input | ValueKind::Computed => {
                return Err(RunError::Network(format!(
                    "value `{}` is read but nothing puts it out",
                    value.name
                )));
            }
        };
        self.items.insert(id, item.clone());
        Ok(item)
    }

    fn parameter(&mut self, id: ValueId, weights: &Weights) -> Result<Item, RunError> {
        let Some(parameter) = self.network.as_parameter(id) else {
            return Err(RunError::Network(
                "a parameter is missing from the network's list".to_owned(),
            ));
        };
        let a = to_array(crate::stored::weight(parameter, weights)?);
        if self.mode == Mode::AsWritten {
            return Ok(Item::Float(Var::constant(a)));
        }
        let data = Dense::new(&a);
        let (mean, rms, range, non_finite) = statistics::parameter(&data);
        let axis = unit_axis(parameter);
        let units = axis.map(|(count, inner)| statistics::units(&data, count, inner));
        let observation = ParameterObservation {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            mean,
            rms,
            range,
            non_finite,
            gradient_rms: None,
            gradient_non_finite: 0,
            units,
        };
        let (var, place) = self.sink.parameter(a, axis);
        self.parameters.insert(id, (observation, place));
        Ok(Item::Float(var))
    }

    /// Computes one node.
    fn execute(&mut self, id: NodeId, weights: &Weights) -> Result<Vec<Item>, RunError> {
        let node = self.network.node(id);
        self.reports
            .at(&format!("node `{}` ({})", node.name, node.op));
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            inputs.push(match input {
                Some(value) => Some(self.get(*value, weights)?),
                None => None,
            });
        }
        let call = Call {
            node,
            inputs,
            mode: self.mode,
        };
        let outputs = op::execute(&call).map_err(|message| RunError::Node {
            node: node.name.clone(),
            op: node.op.clone(),
            inputs: self.describe(node, &call),
            message,
        })?;
        drop(call);
        for input in node.inputs.iter().flatten() {
            if let Some(n) = self.uses.get_mut(input.index()) {
                *n -= 1;
                if *n == 0 {
                    self.items.remove(input);
                }
            }
        }
        Ok(outputs)
    }

    fn describe(&self, node: &Node, call: &Call<'_>) -> String {
        let list: Vec<String> = node
            .inputs
            .iter()
            .zip(&call.inputs)
            .filter_map(|(id, item)| {
                Some(format!(
                    "`{}` {:?}",
                    self.network.value((*id)?).name,
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

    fn keep(&mut self, id: NodeId, outputs: Vec<Item>) {
        for (value, item) in self.network.node(id).outputs.iter().zip(outputs) {
            if let Some(value) = value
                && self.uses.get(value.index()).is_some_and(|&n| n > 0)
            {
                self.items.insert(*value, item);
            }
        }
    }

    fn trace(mut self, weights: &Weights) -> Result<Trace, RunError> {
        let network = self.network;
        let output_id = output::first_floating(network)?;
        let inputs = input::all(network, self.feed)?;
        let batch = input::batch(network, &inputs);
        let mut observed_inputs = Vec::new();
        for (id, item) in inputs {
            let item = match item {
                Item::Float(var) => {
                    let (var, observation) = self.observe_input(id, &var, batch);
                    observed_inputs.push((id, observation));
                    Item::Float(var)
                }
                other => other,
            };
            if self.uses.get(id.index()).is_some_and(|&n| n > 0) {
                self.items.insert(id, item);
            }
        }
        for k in 0..network.nodes.len() {
            let id = NodeId::from(k);
            let outputs = self.execute(id, weights)?;
            let outputs = self.observe_outputs(id, outputs, batch);
            self.keep(id, outputs);
            let halves = if self.feed.backward { 2 } else { 1 };
            self.reports.progress(k + 1, halves * network.nodes.len());
        }
        // Parameters that no node reads still have weights to look at.
        for parameter in &network.parameters {
            if !self.parameters.contains_key(&parameter.value) {
                self.parameter(parameter.value, weights)?;
            }
        }
        let Item::Float(result) = self.get(output_id, weights)? else {
            return Err(RunError::Network(format!(
                "output `{}` does not depend on any parameter or floating input; there is nothing to check",
                network.value(output_id).name
            )));
        };
        let observed = output::observe(network, output_id, result.array());
        if self.feed.backward {
            let loss = self.loss(&result)?;
            drop(result);
            self.items.clear();
            self.reports.at("the backward pass");
            if loss.tracked() {
                loss.backward();
            }
        }
        Ok(self.finish(observed_inputs, observed, batch))
    }

    fn input_gradients(
        mut self,
        weights: &Weights,
    ) -> Result<BTreeMap<String, HostTensor>, RunError> {
        let network = self.network;
        let output = output::first_floating(network)?;
        let gradients: Arc<Mutex<BTreeMap<String, HostTensor>>> = Arc::default();
        for (id, item) in input::all(network, self.feed)? {
            let item = match item {
                Item::Float(var) => {
                    let (slot, name) = (Arc::clone(&gradients), network.value(id).name.clone());
                    let leaf = Var::leaf(var.array().clone());
                    let noted = move |g: Array, _: &[bool]| {
                        if let Ok(mut gradients) = slot.lock() {
                            gradients.insert(name.clone(), to_host(&g));
                        }
                        vec![Some(g)]
                    };
                    Item::Float(record(&[&leaf], var.array().clone(), noted))
                }
                other => other,
            };
            self.items.insert(id, item);
        }
        for k in 0..network.nodes.len() {
            let id = NodeId::from(k);
            let outputs = self.execute(id, weights)?;
            self.keep(id, outputs);
        }
        if let Item::Float(result) = self.get(output, weights)? {
            let loss = self.loss(&result)?;
            drop(result);
            self.items.clear();
            if loss.tracked() {
                loss.backward();
            }
        }
        let gradients = gradients.lock();
        Ok(gradients
            .map(|mut g| std::mem::take(&mut *g))
            .unwrap_or_default())
    }

    fn loss(&self, result: &Var) -> Result<Var, RunError> {
        let shape = result.dims();
        let cotangent = input::cotangent(self.feed, &shape)?;
        let value: f64 = Dense::new(result.array())
            .iter()
            .zip(Dense::new(&cotangent).iter())
            .map(|(&y, &c)| f64::from(y) * f64::from(c))
            .sum();
        Ok(record(
            &[result],
            array(&[1], vec![value as f32]),
            move |_, _| vec![Some(cotangent.clone())],
        ))
    }

    fn observe_input(&mut self, id: ValueId, var: &Var, batch: usize) -> (Var, Observation) {
        let value = self.network.value(id);
        let shape = var.dims();
        let look = Look {
            samples: samples(&shape, batch),
            ..Look::default()
        };
        let observation = Observation {
            node: value.name.clone(),
            op: "Input".to_owned(),
            value: value.name.clone(),
            forward: statistics::forward(var.array(), look),
            shape,
            backward: None,
        };
        if !self.feed.backward {
            return (var.clone(), observation);
        }
        let (var, place) = self.sink.value(&Var::leaf(var.array().clone()));
        self.places.extend(place.map(|p| (id, p)));
        (var, observation)
    }

    fn observe_outputs(&mut self, id: NodeId, outputs: Vec<Item>, batch: usize) -> Vec<Item> {
        let node = self.network.node(id);
        let mut result = Vec::with_capacity(outputs.len());
        for (value, item) in node.outputs.iter().zip(outputs) {
            let (Some(value), Item::Float(var)) = (value, &item) else {
                result.push(item);
                continue;
            };
            let shape = var.dims();
            let look = Look {
                samples: samples(&shape, batch),
                flat: op::flat(self.network, node),
                units: op::makes_zeros(self.network, node)
                    .then(|| crate::units::value_axis(self.network, id, &shape))
                    .flatten(),
            };
            let observation = Observation {
                node: node.name.clone(),
                op: node.op.clone(),
                value: self.network.value(*value).name.clone(),
                forward: statistics::forward(var.array(), look),
                shape,
                backward: None,
            };
            self.observations.push((*value, observation));
            if !self.feed.backward {
                result.push(item);
                continue;
            }
            let (var, place) = self.sink.value(var);
            self.places.extend(place.map(|p| (*value, p)));
            result.push(Item::Float(var));
        }
        result
    }

    fn finish(
        mut self,
        inputs: Vec<(ValueId, Observation)>,
        output: crate::trace::OutputObservation,
        batch: usize,
    ) -> Trace {
        let gradient = |id: &ValueId| {
            let place = *self.places.get(id)?;
            self.sink.at(place).map(|g| g.statistics)
        };
        let with = |(id, mut o): (ValueId, Observation)| {
            o.backward = gradient(&id);
            o
        };
        let values = std::mem::take(&mut self.observations)
            .into_iter()
            .map(with)
            .collect();
        let inputs = inputs.into_iter().map(with).collect();
        let parameters = self
            .network
            .parameters
            .iter()
            .filter_map(|p| {
                let (mut o, place) = self.parameters.get(&p.value).cloned()?;
                if let Some(g) = self.sink.at(place) {
                    o.gradient_rms = Some(g.statistics.rms);
                    o.gradient_non_finite = g.statistics.non_finite;
                    o.units = o.units.map(|u| Units {
                        distinct_gradients: g.distinct,
                        still_gradients: g.still,
                        ..u
                    });
                }
                Some(o)
            })
            .collect();
        Trace {
            values,
            parameters,
            inputs,
            output,
            batch,
        }
    }
}

/// The number of samples along axis 0, if that is what it counts.
fn samples(shape: &[usize], batch: usize) -> Option<usize> {
    (batch > 1 && shape.len() > 1 && shape.first() == Some(&batch)).then_some(batch)
}

#[cfg(test)]
mod tests {
    use fanin_network::Dims;

    use super::*;

    #[test]
    fn a_value_that_fits_no_memory_is_refused_before_anything_runs() {
        let open = || fanin_network::open("mlp(3, 4, 2, relu)", &Dims::default());
        let mut network = open().unwrap();
        assert!(room(&network).is_ok());
        for shape in [vec![1 << 30, 1 << 30], vec![usize::MAX, 2]] {
            network.values[0].shape = Some(shape);
            let error = room(&network).unwrap_err().to_string();
            assert!(error.contains(&network.values[0].name), "{error}");
            assert!(
                error.contains("does not fit into this machine's memory"),
                "{error}"
            );
        }
    }
}
