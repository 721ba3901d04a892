//! The second moment of every value, carried through the network in the order of execution.

use fanin_network::{Network, ValueId, ValueKind, operator};

use crate::Measured;
use crate::band::{layer_variance, width};
use crate::cross::Cross;
use crate::rules::{self, Context, constant_moments};
use crate::signal::{Shape, Signal, union};
use crate::weights::made_of_parameters;

/// The signals of all values, by the value's position, and which of them start from a measurement.
pub(crate) struct LengthMap {
    /// `None` for values that are no floats or of which nothing is known.
    pub(crate) signals: Vec<Option<Signal>>,
    /// Whether the value starts from its own measurement.
    pub(crate) restarted: Vec<bool>,
}

/// Carries the moments of inputs and parameters through the network.
pub(crate) fn length_map(network: &Network, measured: &Measured) -> LengthMap {
    let mut signals: Vec<Option<Signal>> = vec![None; network.values.len()];
    let mut restarted = vec![false; network.values.len()];
    for (index, slot) in signals.iter_mut().enumerate() {
        let id = ValueId::from(index);
        *slot = match network.value(id).kind {
            ValueKind::Input => {
                restarted[index] = true;
                input(network, measured, id)
            }
            ValueKind::Parameter(_) => parameter(network, measured, id),
            ValueKind::Buffer(_) | ValueKind::Constant(_) => constant(network, id),
            ValueKind::Computed => None,
        };
    }
    let weights = made_of_parameters(network);
    for node in &network.nodes {
        for (k, output) in node.outputs.iter().enumerate() {
            let Some(output) = *output else { continue };
            let context = Context {
                network,
                measured,
                signals: &signals,
            };
            let rule = rules::of(&node.operator).filter(|rule| rule.speaks_of(k));
            let followed = rule.and_then(|rule| rule.forward(&context, node, output));
            // A rule whose numbers leave the range of floats has nothing to say.
            let followed = followed.filter(Signal::is_known);
            let signal = if weights.get(output.index()) == Some(&true) {
                made_weight(network, measured, output, followed)
            } else {
                followed
            };
            let signal = signal.or_else(|| {
                restarted[output.index()] = true;
                let mut start = from_measurement(network, measured, output)?;
                start.gaussian = node.operator.class() != operator::Class::Softmax;
                for input in node.inputs.iter().flatten() {
                    let Some(Some(input)) = signals.get(input.index()) else {
                        continue;
                    };
                    if !input.parameter {
                        start.origins = union(&start.origins, &input.origins);
                    }
                }
                Some(start)
            });
            if let Some(slot) = signals.get_mut(output.index()) {
                *slot = signal;
            }
        }
    }
    LengthMap { signals, restarted }
}

/// A value that starts from its measurement: its second moment is known, luck and all.
fn from_measurement(network: &Network, measured: &Measured, id: ValueId) -> Option<Signal> {
    let value = network.value(id);
    let moments = measured.values.get(&value.name)?;
    let mut signal = Signal::gaussian(id, moments.mean, moments.rms * moments.rms);
    signal.units = value.shape.as_deref().map_or(1.0, width);
    signal.since = Some(id);
    signal.shape = Shape::base(id);
    let between = moments.sample_cosine.map(|cosine| cosine * signal.second);
    signal.cross = match value.shape.as_deref() {
        Some([] | [_] | [_, _]) => Cross::of_samples(signal.second, between),
        _ => Cross {
            between,
            ..Cross::UNKNOWN
        },
    };
    Some(signal.with_variance(0.0))
}

/// An input: a measurement, and what the way it was drawn says about its places.
fn input(network: &Network, measured: &Measured, id: ValueId) -> Option<Signal> {
    let mut signal = from_measurement(network, measured, id)?;
    if measured.drawn
        && network
            .value(id)
            .shape
            .as_ref()
            .is_some_and(|s| s.len() > 2)
    {
        let common = Some(signal.mean * signal.mean);
        signal.cross.within = common;
        signal.cross.far = common;
    }
    Some(signal)
}

fn parameter(network: &Network, measured: &Measured, id: ValueId) -> Option<Signal> {
    let parameter = network.as_parameter(id)?;
    let moments = measured.parameters.get(&parameter.name)?;
    let second = moments.rms * moments.rms;
    Some(of_weights(id, moments.mean, second, &parameter.shape))
}

/// A weight made of parameters: as measured, or else as a rule says.
fn made_weight(
    network: &Network,
    measured: &Measured,
    id: ValueId,
    followed: Option<Signal>,
) -> Option<Signal> {
    let value = network.value(id);
    let seen = measured.values.get(&value.name);
    let (mean, second) = match (seen, followed) {
        (Some(moments), _) => (moments.mean, moments.rms * moments.rms),
        (None, Some(signal)) if signal.parameter => return Some(signal),
        (None, Some(signal)) => (signal.mean, signal.second),
        (None, None) => return None,
    };
    let shape = value.shape.as_deref().unwrap_or(&[]);
    (mean.is_finite() && second.is_finite()).then(|| of_weights(id, mean, second, shape))
}

/// A parameter, or what is made of some, of these moments.
fn of_weights(id: ValueId, mean: f64, second: f64, shape: &[usize]) -> Signal {
    let mut signal = Signal::gaussian(id, mean, second);
    signal.parameter = true;
    signal.cross = Cross::even(signal.second);
    signal.units = width(shape);
    signal.inherited = -layer_variance(signal.kurtosis, signal.units);
    signal
}

fn constant(network: &Network, id: ValueId) -> Option<Signal> {
    let moments = constant_moments(network, id)?;
    let mut signal = Signal::gaussian(id, moments.mean, moments.rms * moments.rms);
    signal.parameter = true;
    signal.cross = Cross::even(signal.second);
    signal.gaussian = false;
    Some(signal.with_variance(0.0))
}
