//! Rescaling weights so that every layer puts out a signal of size one.
//!
//! Layer-sequential unit variance (LSUV; Mishkin & Matas 2016, arXiv:1511.06422): in the order of
//! execution each weight is multiplied by what its layer's output is off by. The output is measured,
//! which works behind any operation, or predicted, which needs no data.

use std::collections::BTreeMap;

use fanin::Seed;
use fanin_network::{HostData, HostTensor, Network, Role, ValueId, Weights};
use fanin_run::{Data, RunError, RunOptions, run};
use fanin_theory::{Measured, Moments, predict};

use crate::spine::{is_linear, weight_of};

/// Where a layer's output is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Forward runs, one per layer that is changed.
    Measurement,
    /// Theory alone: no data and no run. Layers behind an operation without a rule stay as they are.
    Prediction,
}

/// What was rescaled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rescaled {
    /// The weights that changed, in the order of execution, and the factors.
    pub factors: Vec<(String, f64)>,
    /// Weights whose layer's output is not known, or zero, or not finite.
    pub left: Vec<String>,
}

/// Layers within this of their target, as a log, stay as they are.
const TOLERANCE: f64 = 0.02;
/// A bias in the layer's output does not scale with the weight: a second and third try.
const TRIES: usize = 3;

/// A layer whose output can be set by its weight.
struct Layer {
    output: ValueId,
    weight: String,
    /// The rms its output should have.
    target: f64,
    /// Whether less is sound too: the output head may start near zero.
    at_most: bool,
}

/// Multiplies the weights of linear layers and convolutions, in place and in the order of execution,
/// until each layer's output has rms one, or 1/√n where it ends one of n branches into a residual
/// stream; the output head only where it is louder.
///
/// Layers before a normalization stay as they are, since it removes their scale, as do embeddings
/// and recurrent layers.
///
/// # Errors
///
/// Those of [`run`], if the basis is [`Basis::Measurement`].
pub fn rescale(
    network: &Network,
    weights: &mut Weights,
    basis: Basis,
    seed: Seed,
    data: Option<&Data>,
) -> Result<Rescaled, RunError> {
    let layers = layers(network);
    let mut factors: Vec<(String, f64)> = Vec::new();
    let mut left = Vec::new();
    let (mut next, mut tries) = (0, 0);
    while next < layers.len() {
        let sizes = match basis {
            Basis::Measurement => measured(network, weights, seed, data)?,
            Basis::Prediction => predicted(network, weights),
        };
        // All layers up to the first one that is off are as they should be.
        let mut changed = false;
        for layer in layers.iter().skip(next) {
            let name = network.value(layer.output).name.as_str();
            let size = sizes.get(name).copied();
            let Some(size) = size.filter(|rms| rms.is_finite() && *rms > 0.0) else {
                left.push(layer.weight.clone());
                (next, tries) = (next + 1, 0);
                continue;
            };
            let factor = layer.target / size;
            let sound = factor.ln().abs() <= TOLERANCE || (layer.at_most && factor > 1.0);
            if sound || tries >= TRIES {
                (next, tries) = (next + 1, 0);
                continue;
            }
            if !scale(weights, &layer.weight, factor) {
                left.push(layer.weight.clone());
                (next, tries) = (next + 1, 0);
                continue;
            }
            match factors.iter_mut().find(|(name, _)| *name == layer.weight) {
                Some((_, total)) => *total *= factor,
                None => factors.push((layer.weight.clone(), factor)),
            }
            tries += 1;
            changed = true;
            break;
        }
        if !changed {
            break;
        }
    }
    Ok(Rescaled { factors, left })
}

fn layers(network: &Network) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    for node in &network.nodes {
        let weight = weight_of(network, node).filter(|_| is_linear(node));
        let parameter = weight.and_then(|id| crate::spine::parameter_of(network, id));
        let (Some(parameter), Some(output)) = (parameter, node.outputs.first().copied().flatten())
        else {
            continue;
        };
        let table = matches!(
            parameter.purpose.role,
            Role::Embedding | Role::PositionEmbedding
        );
        let known = layers.iter().any(|layer| layer.weight == parameter.name);
        if table || known || parameter.purpose.norm_follows {
            continue;
        }
        let branches = parameter.purpose.residual_branches.unwrap_or(1).max(1);
        layers.push(Layer {
            output,
            weight: parameter.name.clone(),
            target: 1.0 / (branches as f64).sqrt(),
            at_most: parameter.purpose.role == Role::OutputHead,
        });
    }
    layers
}

/// Root mean squares of all values in a forward run.
fn measured(
    network: &Network,
    weights: &Weights,
    seed: Seed,
    data: Option<&Data>,
) -> Result<BTreeMap<String, f64>, RunError> {
    let options = RunOptions {
        data: data.cloned(),
        backward: false,
        ..RunOptions::new(seed)
    };
    let trace = run(network, weights, &options)?;
    let sizes = trace.values.into_iter();
    Ok(sizes
        .filter(|seen| seen.forward.non_finite == 0)
        .map(|seen| (seen.value, seen.forward.rms))
        .collect())
}

/// Root mean squares that theory expects for inputs of mean zero and size one: those of a usual
/// draw, not that of the mean square, which few loud draws lift above all others where layers are
/// narrow and many (ln of the mean square less half its variance; Hanin & Nica 2019).
fn predicted(network: &Network, weights: &Weights) -> BTreeMap<String, f64> {
    let inputs = network.inputs.iter();
    let known = Measured {
        values: inputs
            .map(|&id| (network.value(id).name.clone(), Moments::new(0.0, 1.0)))
            .collect(),
        gradients: BTreeMap::new(),
        parameters: weights
            .tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), moments(tensor)))
            .collect(),
        output: None,
        drawn: true,
    };
    let expected = predict(network, &known).values.into_iter();
    expected
        .filter_map(|expected| Some((expected.value, expected.forward?.typical())))
        .collect()
}

fn moments(tensor: &HostTensor) -> Moments {
    let count = tensor.len().max(1) as f64;
    let (mut sum, mut square) = (0.0, 0.0);
    for x in tensor.to_f32() {
        sum += f64::from(x);
        square += f64::from(x) * f64::from(x);
    }
    Moments::new(sum / count, (square / count).sqrt())
}

/// Multiplies a tensor; false if there is none of this name that holds floats.
fn scale(weights: &mut Weights, name: &str, factor: f64) -> bool {
    let Some(tensor) = weights.tensors.get_mut(name) else {
        return false;
    };
    match &mut tensor.data {
        HostData::F32(data) => {
            for x in data {
                *x = (f64::from(*x) * factor) as f32;
            }
        }
        HostData::F64(data) => data.iter_mut().for_each(|x| *x *= factor),
        HostData::I64(_) | HostData::Bool(_) => return false,
    }
    true
}
