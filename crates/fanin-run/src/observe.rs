//! What a run looks at: every value as it is put out, every gradient as it is complete.
//!
//! Values, inputs and parameters are marked on the tape, and the gradient at a mark is measured as it comes
//! by; so none is kept, and none is computed that the run would not need anyway.

use std::collections::HashMap;

use fanin_network::{Network, NodeId, ValueId, ValueKind};

use crate::array::{Array, Dense};
use crate::error::RunError;
use crate::feed::Feed;
use crate::input;
use crate::interpreter::{Observer, Take};
use crate::output;
use crate::statistics::{self, Look};
use crate::tape::{Place, Var};
use crate::trace::{Observation, OutputObservation, ParameterObservation, Trace, Units};
use crate::units::{unit_axis, value_axis};
use crate::value::Item;

/// What was seen where a gradient is marked.
enum Seen {
    /// An input, by its place among the observed ones.
    Input(usize),
    /// A value that a node put out, likewise.
    Value(usize),
    /// A parameter, with its output units and the elements of one that lie together.
    Parameter(ValueId, Option<(usize, usize)>),
}

/// Observes a run forward and, where its feed says so, backward.
pub(crate) struct Tracer<'a> {
    network: &'a Network,
    feed: Feed<'a>,
    progress: Option<&'a (dyn Fn(usize, usize) + Send)>,
    batch: usize,
    inputs: Vec<Observation>,
    values: Vec<Observation>,
    parameters: HashMap<ValueId, ParameterObservation>,
    output: Option<OutputObservation>,
    /// By the number of the mark.
    marks: Vec<Seen>,
    /// Marks whose gradient has come.
    returned: usize,
}

impl<'a> Tracer<'a> {
    pub(crate) fn new(
        network: &'a Network,
        feed: Feed<'a>,
        progress: Option<&'a (dyn Fn(usize, usize) + Send)>,
    ) -> Self {
        Self {
            network,
            feed,
            progress,
            batch: 1,
            inputs: Vec::new(),
            values: Vec::new(),
            parameters: HashMap::new(),
            output: None,
            marks: Vec::new(),
            returned: 0,
        }
    }

    /// The inputs, observed; the floating ones on the tape where the run goes backward.
    pub(crate) fn inputs(&mut self, inputs: Vec<(ValueId, Item)>) -> Vec<(ValueId, Item)> {
        self.batch = input::batch(self.network, &inputs);
        let seen = inputs.into_iter().map(|(id, item)| match item {
            Item::Float(var) => (id, Item::Float(self.input(id, &var))),
            other => (id, other),
        });
        seen.collect()
    }

    fn input(&mut self, id: ValueId, var: &Var) -> Var {
        let value = self.network.value(id);
        let shape = var.dims();
        let look = Look {
            samples: samples(&shape, self.batch),
            ..Look::default()
        };
        self.inputs.push(Observation {
            node: value.name.clone(),
            op: "Input".to_owned(),
            value: value.name.clone(),
            forward: statistics::forward(var.array(), look),
            shape,
            backward: None,
        });
        match self.mark(Seen::Input(self.inputs.len() - 1)) {
            Some(place) => Var::leaf(var.array().clone(), place),
            None => var.clone(),
        }
    }

    /// A new mark; none where the run does not go backward.
    fn mark(&mut self, seen: Seen) -> Option<Place> {
        self.feed.backward.then(|| {
            self.marks.push(seen);
            self.marks.len() - 1
        })
    }

    /// Observes the parameters that no node reads: there are weights to look at all the same.
    pub(crate) fn unread(&mut self, weights: &Take<'_>) -> Result<(), RunError> {
        for parameter in &self.network.parameters {
            if let ValueKind::Parameter(number) = self.network.value(parameter.value).kind
                && !self.parameters.contains_key(&parameter.value)
            {
                let weight = weights(number, parameter)?;
                self.parameter(parameter.value, weight);
            }
        }
        Ok(())
    }

    /// Observes the output that the gradient is given at.
    pub(crate) fn result(&mut self, id: ValueId, a: &Array) {
        let name = &self.network.value(id).name;
        // The last one put out, as a rule.
        let seen = self.values.iter().rev().find(|o| o.value == *name);
        let seen = seen.map(|o| &o.forward);
        self.output = Some(output::observe(self.network, id, a, seen));
    }

    /// A gradient has come to a mark.
    pub(crate) fn gradient(&mut self, place: Place, g: &Array) {
        let statistics = statistics::backward(g);
        match self.marks.get(place) {
            Some(Seen::Input(k)) => {
                if let Some(input) = self.inputs.get_mut(*k) {
                    input.backward = Some(statistics);
                }
            }
            Some(Seen::Value(k)) => {
                if let Some(value) = self.values.get_mut(*k) {
                    value.backward = Some(statistics);
                }
            }
            Some(Seen::Parameter(id, units)) => {
                if let Some(seen) = self.parameters.get_mut(id) {
                    seen.gradient_rms = Some(statistics.rms);
                    seen.gradient_non_finite = statistics.non_finite;
                    if let (Some((count, inner)), Some(seen)) = (*units, &mut seen.units) {
                        let g = Dense::new(g);
                        seen.distinct_gradients = Some(statistics::distinct(&g, count, inner));
                        seen.still_gradients = Some(statistics::still(&g, count, inner));
                    }
                }
            }
            None => {}
        }
        self.returned += 1;
        if let Some(progress) = self.progress {
            // Backward is the second half, in the forward half's units.
            let half = self.network.nodes.len();
            progress(
                half + self.returned * half / self.marks.len().max(1),
                2 * half,
            );
        }
    }

    /// All that was seen.
    pub(crate) fn finish(mut self) -> Trace {
        let parameters = self.network.parameters.iter();
        let parameters = parameters
            .filter_map(|p| self.parameters.remove(&p.value))
            .collect();
        Trace {
            values: self.values,
            parameters,
            inputs: self.inputs,
            output: self.output.unwrap_or_default(),
            batch: self.batch,
        }
    }
}

impl Observer for Tracer<'_> {
    fn parameter(&mut self, id: ValueId, weight: Array) -> Var {
        let Some(parameter) = self.network.as_parameter(id) else {
            return Var::constant(weight);
        };
        let data = Dense::new(&weight);
        let (mean, rms, range, non_finite) = statistics::parameter(&data);
        let axis = unit_axis(parameter);
        let units = axis.map(|(count, inner)| Units {
            count,
            distinct_weights: statistics::distinct(&data, count, inner),
            distinct_gradients: None,
            still_gradients: None,
        });
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
        self.parameters.insert(id, observation);
        match self.mark(Seen::Parameter(id, axis)) {
            Some(place) => Var::leaf(weight, place),
            None => Var::constant(weight),
        }
    }

    fn output(&mut self, id: NodeId, value: ValueId, var: Var) -> Var {
        let node = self.network.node(id);
        let shape = var.dims();
        let facts = self.network.facts(node);
        let look = Look {
            samples: samples(&shape, self.batch),
            flat: facts.flat,
            units: facts
                .zeros
                .then(|| value_axis(self.network, id, &shape))
                .flatten(),
        };
        self.values.push(Observation {
            node: node.name.clone(),
            op: node.op.clone(),
            value: self.network.value(value).name.clone(),
            forward: statistics::forward(var.array(), look),
            shape,
            backward: None,
        });
        if !var.tracked() {
            return var;
        }
        match self.mark(Seen::Value(self.values.len() - 1)) {
            Some(place) => var.watched(place),
            None => var,
        }
    }

    fn computed(&mut self, done: usize) {
        if let Some(progress) = self.progress {
            let halves = if self.feed.backward { 2 } else { 1 };
            progress(done, halves * self.network.nodes.len());
        }
    }
}

/// The number of samples along axis 0, if that is what it counts.
fn samples(shape: &[usize], batch: usize) -> Option<usize> {
    (batch > 1 && shape.len() > 1 && shape.first() == Some(&batch)).then_some(batch)
}
