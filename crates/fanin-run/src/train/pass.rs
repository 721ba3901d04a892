//! Forward and backward with nothing observed but what a step was asked to look at.

use std::cell::Cell;

use fanin_network::operator::{Operator, Softmax, SoftmaxKind, Unary};
use fanin_network::{Network, NodeId, ValueId, ValueKind};

use super::look::UnitLook;
use super::loss::Objective;
use crate::array::Array;
use crate::error::RunError;
use crate::guard::Place;
use crate::interpreter::{Interpreter, Observer};
use crate::op::Mode;
use crate::output;
use crate::statistics::{self, Look};
use crate::tape::Var;
use crate::value::Item;

/// The part of a network that the loss depends on, ready to run again and again.
pub(super) struct Pass<'a> {
    network: &'a Network,
    interpreter: Interpreter<'a>,
}

/// What a pass is asked for beside its result.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Parameters go on the tape.
    pub(super) gradients: bool,
    /// Activations are looked at.
    pub(super) units: bool,
}

struct Watcher<'a> {
    network: &'a Network,
    asked: Asked,
    units: Vec<UnitLook>,
}

impl Observer for Watcher<'_> {
    fn parameter(&mut self, id: ValueId, weight: Array) -> Var {
        match self.network.value(id).kind {
            // The place of a parameter's gradient is the parameter's own in the network's list.
            ValueKind::Parameter(number) if self.asked.gradients => {
                Var::leaf(weight, number.index())
            }
            _ => Var::constant(weight),
        }
    }

    fn output(&mut self, node: NodeId, value: ValueId, var: Var) -> Var {
        let first = self.network.node(node).outputs.first().copied().flatten();
        if self.asked.units && first == Some(value) {
            self.units.extend(look(self.network, node, var.array()));
        }
        var
    }
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        network: &'a Network,
        objective: Objective,
        place: &'a Cell<Place>,
    ) -> Result<Self, RunError> {
        let result = logits(network, output::first_floating(network)?, objective);
        Ok(Self {
            network,
            interpreter: Interpreter::part(network, vec![result], Mode::Training, place),
        })
    }

    /// The value that the loss is taken of, and what the units did where that was asked for.
    pub(super) fn forward(
        &mut self,
        inputs: Vec<(ValueId, Item)>,
        weights: &[Array],
        asked: Asked,
    ) -> Result<(Var, Vec<UnitLook>), RunError> {
        let mut watcher = Watcher {
            network: self.network,
            asked,
            units: Vec::new(),
        };
        let take = |number: fanin_network::ParameterId, _: &_| {
            let weight = weights.get(number.index()).cloned();
            weight.ok_or_else(|| {
                RunError::Network("a parameter is missing from the network's list".to_owned())
            })
        };
        let result = self
            .interpreter
            .forward_to(inputs, &take, &mut watcher, "train")?;
        Ok((result, watcher.units))
    }
}

/// The value before the function that turns scores into probabilities, where there is one and the
/// targets are classes: that function is part of the loss, which is exact where it is not.
fn logits(network: &Network, output: ValueId, objective: Objective) -> ValueId {
    if objective == Objective::Values {
        return output;
    }
    let producer = network.value(output).producer.map(|id| network.node(id));
    match producer {
        Some(node) => match &node.operator {
            Operator::Softmax(Softmax {
                kind: SoftmaxKind::Soft,
                ..
            })
            | Operator::Unary(Unary::Sigmoid) => node.input(0).unwrap_or(output),
            _ => output,
        },
        None => output,
    }
}

fn look(network: &Network, id: NodeId, value: &Array) -> Option<UnitLook> {
    let node = network.node(id);
    let facts = network.facts(node);
    let (flat, zeros) = (facts.flat, facts.zeros);
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
