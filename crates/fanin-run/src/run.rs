//! The runs: forward through all nodes, backward by the tape.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fanin::Seed;
use fanin_data::Data;
use fanin_network::memory::FreeMemory;
use fanin_network::{HostTensor, Network, Parameter, ValueId};

use crate::array::{Array, array};
use crate::error::{RunError, UnknownNode};
use crate::feed::Feed;
use crate::guard::guarded;
use crate::input;
use crate::interpreter::{Interpreter, Observer};
use crate::lend::{self, Lender};
use crate::memory::Need;
use crate::observe::Tracer;
use crate::op::{self, Mode};
use crate::output;
use crate::source::WeightSource;
use crate::tape::Var;
use crate::trace::Trace;
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

/// Runs a network forward and backward once and observes every floating value and parameter.
///
/// Inputs come from `options.data` or are drawn: standard normal floats, and ids within the range
/// of what they index. The loss is the inner product of the first floating output with a cotangent, which is drawn too if it is not among
/// the data. Batch normalization uses the batch's statistics, dropout is off. All floats are
/// computed in f32, whatever the model declares.
///
/// # Errors
///
/// An operator that is not known or a need of more memory than is free (both found before anything
/// runs), a parameter without weights, data that does not fit, a node whose inputs contradict its operator.
pub fn run(
    network: &Network,
    weights: &dyn WeightSource,
    options: &RunOptions,
) -> Result<Trace, RunError> {
    known_operators(network)?;
    Need::run(network, options.backward).fits(FreeMemory::now())?;
    let feed = Feed {
        seed: options.seed,
        data: options.data.as_ref(),
        backward: options.backward,
    };
    guarded(network, |place| {
        let output = output::first_floating(network)?;
        let mut interpreter = Interpreter::whole(network, vec![output], Mode::Training, place);
        let inputs = input::all(network, feed)?;
        let mut tracer = Tracer::new(network, feed, options.progress.as_deref());
        let inputs = tracer.inputs(inputs);
        lend::scope(|lender| {
            let take = |_, parameter: &Parameter| taken(weights, lender, parameter);
            let result = interpreter.forward_to(inputs, &take, &mut tracer, "check")?;
            tracer.unread(&take)?;
            tracer.result(output, result.array());
            if feed.backward {
                let cotangent = input::cotangent(feed, result.array().shape())?;
                result.backward(cotangent, |place, g| tracer.gradient(place, g));
            }
            Ok(())
        })?;
        Ok(tracer.finish())
    })
}

/// The elements of a parameter as an array: lent where they can be read where they lie.
fn taken<'a>(
    weights: &'a dyn WeightSource,
    lender: &Lender<'a>,
    parameter: &Parameter,
) -> Result<Array, RunError> {
    let n: usize = parameter.shape.iter().product();
    let elements = weights.elements(parameter)?;
    if elements.len() != n {
        return Err(RunError::Parameter {
            name: parameter.name.clone(),
            message: format!(
                "has {} elements, the model needs {n}, shape {:?}",
                elements.len(),
                parameter.shape
            ),
        });
    }
    Ok(match elements {
        Cow::Borrowed(data) => Array::lent(&parameter.shape, lender.lend(data)),
        Cow::Owned(data) => array(&parameter.shape, data),
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
    weights: &dyn WeightSource,
    inputs: &BTreeMap<String, HostTensor>,
) -> Result<Vec<HostTensor>, RunError> {
    /// Nothing is looked at.
    struct Nobody;
    impl Observer for Nobody {}
    known_operators(network)?;
    Need::run(network, false).fits(FreeMemory::now())?;
    let given = |&id: &ValueId| {
        let name = &network.value(id).name;
        // Nothing is drawn: every input must be given.
        let tensor = inputs.get(name).ok_or_else(|| RunError::Input {
            name: name.clone(),
            message: "no array of this name is given".to_owned(),
        })?;
        let item = match tensor.element.is_float() {
            true => Item::Float(Var::constant(to_array(tensor))),
            false => Item::host(tensor.clone()),
        };
        Ok((id, item))
    };
    guarded(network, |place| {
        let inputs = network
            .inputs
            .iter()
            .map(given)
            .collect::<Result<_, RunError>>()?;
        let mut interpreter =
            Interpreter::whole(network, network.outputs.clone(), Mode::AsWritten, place);
        lend::scope(|lender| {
            let take = |_, parameter: &Parameter| taken(weights, lender, parameter);
            let results = interpreter.forward(inputs, &take, &mut Nobody)?;
            let tensors = results.iter().map(|item| {
                let tensor = item.tensor().map_err(RunError::Network)?;
                Ok((*tensor).clone())
            });
            tensors.collect()
        })
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
    weights: &dyn WeightSource,
    data: &Data,
    seed: Seed,
) -> Result<BTreeMap<String, HostTensor>, RunError> {
    /// Weights are no leaves of the tape: their gradients are not asked for.
    struct Nobody;
    impl Observer for Nobody {}
    known_operators(network)?;
    Need::run(network, true).fits(FreeMemory::now())?;
    let feed = Feed {
        seed,
        data: Some(data),
        backward: true,
    };
    guarded(network, |place| {
        let output = output::first_floating(network)?;
        let mut interpreter = Interpreter::part(network, vec![output], Mode::Training, place);
        let inputs = input::all(network, feed)?.into_iter();
        let leaves = inputs.map(|(id, item)| match item {
            Item::Float(var) => (id, Item::Float(Var::leaf(var.array().clone(), id.index()))),
            other => (id, other),
        });
        let leaves = leaves.collect();
        let mut gradients = BTreeMap::new();
        lend::scope(|lender| {
            let take = |_, parameter: &Parameter| taken(weights, lender, parameter);
            let result = interpreter.forward_to(leaves, &take, &mut Nobody, "differentiate")?;
            let cotangent = input::cotangent(feed, result.array().shape())?;
            result.backward(cotangent, |place, g| {
                gradients.insert(network.value(ValueId::from(place)).name.clone(), to_host(g));
            });
            Ok(())
        })?;
        Ok(gradients)
    })
}

/// Refuses operators that are not known, all at once.
pub(crate) fn known_operators(network: &Network) -> Result<(), RunError> {
    let unknown: Vec<UnknownNode> = network
        .nodes
        .iter()
        .filter(|n| !op::supports(&n.operator))
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
