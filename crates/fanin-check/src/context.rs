//! Everything the rules look at.

use std::collections::BTreeMap;

use fanin_network::{
    Layer, LayerWeight, Layers, Network, NodeId, Operator, Parameter, ParameterId, Role, ValueId,
    ValueKind, Weights,
};
use fanin_plan::Plan;
use fanin_run::{Observation, ParameterObservation, Trace};
use fanin_theory::Prediction;

use crate::Options;
use crate::main_path::{self, MainPath, weight_of};
use crate::proposal::Proposal;

/// Everything the rules look at.
pub(crate) struct Context<'a> {
    pub(crate) network: &'a Network,
    pub(crate) layers: Layers,
    pub(crate) weights: &'a Weights,
    pub(crate) trace: &'a Trace,
    pub(crate) prediction: &'a Prediction,
    pub(crate) proposal: Proposal<'a>,
    pub(crate) main_path: MainPath<'a>,
    pub(crate) options: &'a Options,
    observations: BTreeMap<&'a str, &'a Observation>,
    ids: BTreeMap<&'a str, ValueId>,
}

/// The parameters that set the distribution of a value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MadeBy<'a> {
    /// The weight, or the norm's scale where that comes later.
    pub(crate) scale: Option<&'a Parameter>,
    /// The bias, or the norm's shift.
    pub(crate) shift: Option<&'a Parameter>,
}

impl<'a> MadeBy<'a> {
    fn take(&mut self, parameter: &'a Parameter) {
        match parameter.purpose.role {
            Role::Bias | Role::NormShift => self.shift = self.shift.or(Some(parameter)),
            Role::NormScale => self.scale = self.scale.or(Some(parameter)),
            _ if parameter.shape.len() >= 2 => self.scale = self.scale.or(Some(parameter)),
            _ => {}
        }
    }
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        network: &'a Network,
        plan: Option<&'a Plan>,
        weights: &'a Weights,
        trace: &'a Trace,
        prediction: &'a Prediction,
        options: &'a Options,
    ) -> Self {
        let observations: BTreeMap<&str, &Observation> = trace
            .inputs
            .iter()
            .chain(&trace.values)
            .map(|observation| (observation.value.as_str(), observation))
            .collect();
        let ids = network
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| (value.name.as_str(), ValueId::from(at)))
            .collect();
        let layers = Layers::of(network);
        Self {
            main_path: main_path::find(network, &layers, trace, &observations),
            layers,
            network,
            weights,
            trace,
            prediction,
            proposal: Proposal::new(network, plan),
            options,
            observations,
            ids,
        }
    }

    /// What was seen at the k-th input of the node that put a value out.
    pub(crate) fn fed(&self, seen: &Observation, k: usize) -> Option<&'a Observation> {
        let node = self.network.node(self.producer(seen)?);
        let input = node.inputs.get(k).copied().flatten()?;
        self.observation(&self.network.value(input).name)
    }

    /// The parameter that a value is, or is mostly made of.
    pub(crate) fn stored(&self, value: ValueId) -> Option<&'a Parameter> {
        let parameter = self.layers.stored(value)?;
        self.network.parameters.get(parameter.index())
    }

    /// The value that an observation is of.
    pub(crate) fn id(&self, seen: &Observation) -> Option<ValueId> {
        self.ids.get(seen.value.as_str()).copied()
    }

    /// The node that put a value out.
    pub(crate) fn producer(&self, seen: &Observation) -> Option<NodeId> {
        self.network.value(self.id(seen)?).producer
    }

    /// The operator that a value comes out of; none for inputs.
    pub(crate) fn operator(&self, seen: &Observation) -> Option<&'a Operator> {
        let producer = self.producer(seen)?;
        Some(&self.network.node(producer).operator)
    }

    /// The parameters of a layer that set the distribution of a value: going back from the value,
    /// the biases and norm shifts that are added, and the first weight or norm scale that is met.
    pub(crate) fn made_by(&self, seen: &Observation) -> MadeBy<'a> {
        let mut made = MadeBy::default();
        let mut at = self.producer(seen);
        while let Some(id) = at {
            let node = self.network.node(id);
            let mut next = None;
            let weight = self
                .layers
                .at(id)
                .and_then(|layer| weight_of(self.network, layer));
            for input in node.inputs.iter().flatten() {
                match self.layers.stored(*input) {
                    Some(stored) => made.take(self.network.parameter(stored)),
                    None => next = next.or(self.network.value(*input).producer),
                }
            }
            made.scale = made.scale.or(weight);
            if made.scale.is_some() {
                break;
            }
            at = next;
        }
        made
    }

    /// Whether a parameter is added rather than multiplied, or scales what a norm puts out: equal
    /// elements are as they should be there.
    pub(crate) fn is_offset(&self, seen: &ParameterObservation) -> bool {
        self.parameter(seen).is_some_and(|parameter| {
            matches!(
                parameter.purpose.role,
                Role::Bias
                    | Role::RecurrentBias
                    | Role::NormScale
                    | Role::NormShift
                    | Role::AttentionBias
                    | Role::BranchScale
                    | Role::WeightScale
                    | Role::LowRankUp
                    | Role::ActivationSlope
            )
        })
    }

    /// The share of a weight's units that are zero for every sample after the activation it feeds;
    /// 0 where none is seen.
    pub(crate) fn dead_after(&self, seen: &ParameterObservation) -> f64 {
        let dead = |layer: &Layer| {
            let (_, after) = layer.activation?;
            let name = &self.network.value(after).name;
            self.observation(name)?.forward.dead_units
        };
        let layers = self.layers_of(seen);
        layers.into_iter().find_map(dead).unwrap_or(0.0)
    }

    /// The layers whose weight a parameter belongs to.
    pub(crate) fn layers_of(&self, seen: &ParameterObservation) -> Vec<&Layer> {
        let parameter = self.parameter(seen).map(|parameter| parameter.value);
        match parameter.map(|value| &self.network.value(value).kind) {
            Some(ValueKind::Parameter(parameter)) => self.layers.using(*parameter).collect(),
            _ => Vec::new(),
        }
    }

    /// What was seen of a parameter.
    pub(crate) fn seen(&self, parameter: &Parameter) -> Option<&'a ParameterObservation> {
        let mut all = self.trace.parameters.iter();
        all.find(|seen| seen.name == parameter.name)
    }

    /// The standard deviation that the proposal would give a parameter.
    pub(crate) fn proposed_std(&self, parameter: &Parameter) -> Option<f64> {
        let initializer = self.proposal.initializer(&parameter.name)?;
        let filler = initializer.resolve(&parameter.shape, &parameter.layout);
        filler.ok()?.expected_std()
    }

    /// Whether the scale of a parameter is that of its layer, up to a constant: no weight norm.
    pub(crate) fn uses_scale(&self, seen: &ParameterObservation) -> bool {
        let layers = self.layers_of(seen);
        let mut weights = layers.iter().flat_map(|layer| &layer.weights);
        let own = |id: ParameterId| self.network.parameter(id).name == seen.name;
        !weights.any(|weight| own(weight.parameter) && weight.scale_free)
    }

    /// What the layers that use a parameter make of its scale: a constant on the way, or the lengths of
    /// a weight norm in place of its own.
    pub(crate) fn factor(&self, seen: &ParameterObservation) -> f64 {
        let layers = self.layers_of(seen);
        let Some(layer) = layers.first() else {
            return 1.0;
        };
        let named =
            |weight: &&LayerWeight| self.network.parameter(weight.parameter).name == seen.name;
        let Some(own) = layer.weights.iter().find(named) else {
            return 1.0;
        };
        if !own.scale_free {
            return own.factor.abs();
        }
        let mut weights = layer.weights.iter();
        let lengths = weights.find(|weight| weight.role == Role::WeightScale);
        let lengths = lengths.map(|weight| self.network.parameter(weight.parameter));
        match lengths.and_then(|lengths| Some((lengths, self.seen(lengths)?))) {
            Some((lengths, g)) if seen.rms > 0.0 => {
                let elements: f64 = own.part.iter().map(|range| range.len() as f64).product();
                g.rms * (lengths.len() as f64 / elements.max(1.0)).sqrt() / seen.rms
            }
            _ => 1.0,
        }
    }

    /// What was seen at a value.
    pub(crate) fn observation(&self, value: &str) -> Option<&'a Observation> {
        self.observations.get(value).copied()
    }

    /// The parameter that an observation is of.
    pub(crate) fn parameter(&self, seen: &ParameterObservation) -> Option<&'a Parameter> {
        self.network
            .parameters
            .iter()
            .find(|parameter| parameter.name == seen.name)
    }

    /// The first node at which a parameter meets the signal, or its name where it does at none.
    pub(crate) fn reader(&self, seen: &ParameterObservation) -> String {
        let parameter = self.parameter(seen);
        let node = parameter.map(|parameter| parameter.purpose.node.clone());
        node.filter(|node| !node.is_empty())
            .unwrap_or_else(|| seen.name.clone())
    }
}

/// A number to three digits.
pub(crate) fn number(x: f64) -> String {
    fanin::wording::number(x, 3)
}
