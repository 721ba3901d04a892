//! Rescaling weights so that every layer puts out a signal of size one.
//!
//! Layer-sequential unit variance (LSUV; Mishkin & Matas 2016, arXiv:1511.06422): in the order of
//! execution each weight is multiplied by what its layer's output is off by. The output is measured,
//! which works behind any operation, or predicted, which needs no data.

use std::collections::BTreeMap;
use std::ops::Range;

use fanin::Seed;
use fanin_network::{
    HostData, HostTensor, LayerKind, LayerWeight, Layers, Network, Role, ValueId, Weights,
};
use fanin_run::{Data, RunError, RunOptions, run};
use fanin_theory::{Measured, Moments, predict};

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
struct Target {
    output: ValueId,
    /// The tensors, or parts of them, whose factor is the layer's.
    weights: Vec<Scaled>,
    /// The rms its output should have.
    rms: f64,
    /// Whether less is sound too: the output head may start near zero.
    at_most: bool,
}

/// A tensor, or the part of one that a layer uses.
#[derive(Clone, Debug, PartialEq)]
struct Scaled {
    name: String,
    shape: Vec<usize>,
    part: Vec<Range<usize>>,
}

impl Scaled {
    fn of(network: &Network, weight: &LayerWeight) -> Self {
        let parameter = network.parameter(weight.parameter);
        Self {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            part: weight.part.clone(),
        }
    }

    /// The tensor's name, with the indices of the part along the axes that are cut.
    fn label(&self) -> String {
        let pairs = || self.part.iter().zip(&self.shape);
        if pairs().all(|(range, size)| range.len() == *size) {
            return self.name.clone();
        }
        let index = |(range, size): (&Range<usize>, &usize)| match range.len() {
            1 if *size > 1 => range.start.to_string(),
            n if n == *size => String::from(".."),
            _ => format!("{}..{}", range.start, range.end),
        };
        let indices: Vec<String> = pairs().map(index).collect();
        format!("{}[{}]", self.name, indices.join(", "))
    }
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
    let targets = targets(network);
    let mut factors: Vec<(String, f64)> = Vec::new();
    let mut left = Vec::new();
    let (mut next, mut tries) = (0, 0);
    while next < targets.len() {
        let sizes = match basis {
            Basis::Measurement => measured(network, weights, seed, data)?,
            Basis::Prediction => predicted(network, weights),
        };
        // All layers up to the first one that is off are as they should be.
        let mut changed = false;
        for target in targets.iter().skip(next) {
            let name = network.value(target.output).name.as_str();
            let size = sizes.get(name).copied();
            let labels = || target.weights.iter().map(Scaled::label);
            let Some(size) = size.filter(|rms| rms.is_finite() && *rms > 0.0) else {
                left.extend(labels());
                (next, tries) = (next + 1, 0);
                continue;
            };
            let factor = target.rms / size;
            let sound = factor.ln().abs() <= TOLERANCE || (target.at_most && factor > 1.0);
            if sound || tries >= TRIES {
                (next, tries) = (next + 1, 0);
                continue;
            }
            if !target
                .weights
                .iter()
                .all(|part| scale(weights, part, factor))
            {
                left.extend(labels());
                (next, tries) = (next + 1, 0);
                continue;
            }
            for label in labels() {
                match factors.iter_mut().find(|(name, _)| *name == label) {
                    Some((_, total)) => *total *= factor,
                    None => factors.push((label, factor)),
                }
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

fn targets(network: &Network) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for layer in Layers::of(network).iter() {
        let Some(main) = layer.weight().filter(|_| layer.kind == LayerKind::Product) else {
            continue;
        };
        let parameter = network.parameter(main.parameter);
        let table = |role: Role| matches!(role, Role::Embedding | Role::PositionEmbedding);
        if table(parameter.purpose.role) || parameter.purpose.norm_follows {
            continue;
        }
        // Of a weight norm the lengths set the scale, of a low-rank pair one side.
        let sets_scale = |weight: &&LayerWeight| match weight.role {
            Role::WeightScale => main.scale_free,
            Role::LowRankDown => false,
            _ => !weight.scale_free,
        };
        let own = layer.weights.iter().filter(sets_scale);
        let own: Vec<Scaled> = own.map(|weight| Scaled::of(network, weight)).collect();
        let known = targets.iter().flat_map(|target| &target.weights);
        if own.is_empty() || known.into_iter().any(|other| own.contains(other)) {
            continue;
        }
        let branches = layer.branches.unwrap_or(1).max(1);
        targets.push(Target {
            output: layer.output,
            weights: own,
            rms: 1.0 / (branches as f64).sqrt(),
            at_most: main.role == Role::OutputHead,
        });
    }
    targets
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

/// Multiplies a part of a tensor; false if there is none of this name and shape that holds floats.
fn scale(weights: &mut Weights, scaled: &Scaled, factor: f64) -> bool {
    let Some(tensor) = weights.tensors.get_mut(&scaled.name) else {
        return false;
    };
    if tensor.shape != scaled.shape {
        return false;
    }
    // Whether the element at a position belongs to the part.
    let inside = |flat: usize| {
        let mut rest = flat;
        let axes = scaled.shape.iter().zip(&scaled.part).rev();
        axes.into_iter().all(|(&size, range)| {
            let index = rest % size.max(1);
            rest /= size.max(1);
            range.contains(&index)
        })
    };
    match &mut tensor.data {
        HostData::F32(data) => {
            let own = data.iter_mut().enumerate().filter(|(at, _)| inside(*at));
            own.for_each(|(_, x)| *x = (f64::from(*x) * factor) as f32);
        }
        HostData::F64(data) => {
            let own = data.iter_mut().enumerate().filter(|(at, _)| inside(*at));
            own.for_each(|(_, x)| *x *= factor);
        }
        HostData::I64(_) | HostData::Bool(_) => return false,
    }
    true
}
