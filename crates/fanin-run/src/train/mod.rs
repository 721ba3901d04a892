//! Training for a short while: steps of an optimizer on a network that fanin can run.
//!
//! [`train`] lends a [`Trainer`], which holds the weights. One step runs the network forward in
//! training mode (batch normalization by the batch's statistics, dropout off), takes the loss of the
//! first floating output, runs backward, and lets the [`Optimizer`] change every parameter that the
//! loss depends on; a tied parameter is one parameter and gets the sum of its gradients. Nothing is
//! observed unless a step is asked to look.
//!
//! The same weights, batches and rates give the same bits, whatever the number of threads.

mod batch;
mod look;
mod loss;
mod optimizer;
mod pass;
mod rule;
mod state;

use std::cell::Cell;
use std::collections::BTreeMap;

use fanin::Seed;
use fanin_network::{HostTensor, Network, Weights};

pub use batch::Batch;
pub use look::{Look, ParameterLook, UnitLook};
pub use loss::Objective;
pub use optimizer::Optimizer;

use crate::array::{Array, array};
use crate::error::RunError;
use crate::feed::Feed;
use crate::guard::{Place, guarded};
use crate::input;
use crate::source::WeightSource;
use crate::statistics;
use crate::value::{Item, to_host};
use loss::Score;
use pass::{Asked, Pass};
use state::State;

/// How to train.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// What the loss is.
    pub objective: Objective,
    /// What changes the weights.
    pub optimizer: Optimizer,
    /// Gradients of a larger common norm are scaled down to this one; `None` leaves them alone.
    pub clip: Option<f64>,
    /// The seed of inputs that a batch does not give.
    pub seed: Seed,
    /// Threads of this session's own; `None` shares those of the process.
    pub threads: Option<usize>,
    /// Factors on the learning rate, by parameter name, as parametrizations ask for whose rates depend
    /// on a parameter's width (μP, Yang et al. 2021); 1 for those that are not named.
    pub rate_factors: BTreeMap<String, f64>,
}

impl TrainOptions {
    /// No clipping, the process's threads.
    pub fn new(objective: Objective, optimizer: Optimizer) -> Self {
        Self {
            objective,
            optimizer,
            clip: None,
            seed: Seed::new(0),
            threads: None,
            rate_factors: BTreeMap::new(),
        }
    }
}

/// What one step came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The loss of the batch, before the step changed the weights.
    pub loss: f64,
    /// Share of the targets that the largest output hits; `None` where targets are no classes.
    pub accuracy: Option<f64>,
    /// Whether the loss or a parameter is no longer a finite number. Further steps are of no use.
    pub diverged: bool,
    /// What was seen, where the step was asked to look.
    pub look: Option<Look>,
}

/// Trains: lends a [`Trainer`] that starts with these weights to `work`.
///
/// # Errors
///
/// As [`crate::run()`]; what `work` returns.
pub fn train<T: Send>(
    network: &Network,
    weights: &dyn WeightSource,
    options: &TrainOptions,
    work: impl FnOnce(&mut Trainer<'_>) -> Result<T, RunError> + Send,
) -> Result<T, RunError> {
    crate::run::known_operators(network)?;
    let session = || {
        guarded(network, |place| {
            work(&mut Trainer::new(network, weights, options, place)?)
        })
    };
    let Some(threads) = options.threads else {
        return session();
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build();
    match pool {
        Ok(pool) => pool.install(session),
        // Where there are no threads, this one is all there is.
        Err(_) if cfg!(target_family = "wasm") => session(),
        Err(e) => Err(RunError::Network(format!(
            "cannot start {threads} threads: {e}"
        ))),
    }
}

/// What one run forward and backward came to.
struct Passed {
    score: Score,
    /// By parameter; `None` for those that the loss does not depend on.
    gradients: Vec<Option<Array>>,
    /// What the units did, where that was asked for.
    units: Option<Vec<UnitLook>>,
}

/// A network whose weights change from step to step; see [`train`].
pub struct Trainer<'a> {
    network: &'a Network,
    options: &'a TrainOptions,
    pass: Pass<'a>,
    /// All parameters, in the network's order.
    weights: Vec<Array>,
    optimizer: State,
}

impl std::fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("network", &self.network.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<'a> Trainer<'a> {
    fn new(
        network: &'a Network,
        weights: &dyn WeightSource,
        options: &'a TrainOptions,
        place: &'a Cell<Place>,
    ) -> Result<Self, RunError> {
        let arrays = network
            .parameters
            .iter()
            .map(|parameter| {
                let elements = weights.elements(parameter)?.into_owned();
                Ok(array(&parameter.shape, elements))
            })
            .collect::<Result<Vec<_>, RunError>>()?;
        let factors = factors(network, &options.rate_factors)?;
        Ok(Self {
            network,
            options,
            pass: Pass::new(network, options.objective, place)?,
            optimizer: State::new(options.optimizer, factors),
            weights: arrays,
        })
    }

    /// One step on a batch at a learning rate; `look` asks for gradients and units to be measured.
    ///
    /// # Errors
    ///
    /// Inputs or targets that do not fit, a node whose inputs contradict its operator. Numbers that
    /// are no longer finite are no error but [`Step::diverged`].
    pub fn step(&mut self, batch: &Batch, rate: f64, look: bool) -> Result<Step, RunError> {
        let Passed {
            score,
            gradients,
            units,
        } = self.backward(batch, look)?;
        let look = units.map(|units| self.look(&gradients, units));
        let finite = self
            .optimizer
            .update(&mut self.weights, &gradients, rate, self.options.clip);
        Ok(Step {
            loss: score.loss,
            accuracy: score.accuracy,
            diverged: !(finite && score.loss.is_finite()),
            look,
        })
    }

    /// Loss and accuracy on a batch, in training mode; the weights stay as they are.
    ///
    /// # Errors
    ///
    /// As [`Trainer::step`].
    pub fn evaluate(&mut self, batch: &Batch) -> Result<(f64, Option<f64>), RunError> {
        let inputs = self.inputs(batch)?;
        let (result, _) = self.pass.forward(inputs, &self.weights, Asked::default())?;
        let score = loss::score(result.array(), &batch.target, self.options.objective, false)
            .map_err(target_error)?;
        Ok((score.loss, score.accuracy))
    }

    /// The loss on a batch, and its gradient by parameter name, for those it depends on.
    ///
    /// # Errors
    ///
    /// As [`Trainer::step`].
    pub fn gradient(
        &mut self,
        batch: &Batch,
    ) -> Result<(f64, BTreeMap<String, HostTensor>), RunError> {
        let Passed {
            score, gradients, ..
        } = self.backward(batch, false)?;
        let named = self.network.parameters.iter().zip(&gradients);
        let named = named.filter_map(|(p, g)| Some((p.name.clone(), to_host(g.as_ref()?))));
        Ok((score.loss, named.collect()))
    }

    /// Forward and backward alone: the loss on a batch, its gradients dropped. What a step costs
    /// beyond this is the optimizer's.
    ///
    /// # Errors
    ///
    /// As [`Trainer::step`].
    pub fn forward_and_backward(&mut self, batch: &Batch) -> Result<f64, RunError> {
        Ok(self.backward(batch, false)?.score.loss)
    }

    /// The weights as they are now, in f32.
    pub fn weights(&self) -> Weights {
        let named = self.network.parameters.iter().zip(&self.weights);
        Weights {
            tensors: named.map(|(p, a)| (p.name.clone(), to_host(a))).collect(),
        }
    }

    fn inputs(&self, batch: &Batch) -> Result<Vec<(fanin_network::ValueId, Item)>, RunError> {
        let feed = Feed {
            seed: self.options.seed,
            data: Some(&batch.inputs),
            backward: false,
        };
        input::all(self.network, feed)
    }

    fn backward(&mut self, batch: &Batch, look: bool) -> Result<Passed, RunError> {
        let inputs = self.inputs(batch)?;
        let asked = Asked {
            gradients: true,
            units: look,
        };
        let (result, units) = self.pass.forward(inputs, &self.weights, asked)?;
        let mut score = loss::score(result.array(), &batch.target, self.options.objective, true)
            .map_err(target_error)?;
        let mut gradients = vec![None; self.weights.len()];
        if let Some(cotangent) = score.gradient.take() {
            result.backward(cotangent, |place, g| {
                if let Some(slot) = gradients.get_mut(place) {
                    *slot = Some(g.clone());
                }
            });
        }
        Ok(Passed {
            score,
            gradients,
            units: look.then_some(units),
        })
    }

    fn look(&self, gradients: &[Option<Array>], units: Vec<UnitLook>) -> Look {
        let parameters = self.network.parameters.iter().zip(gradients);
        Look {
            parameters: parameters
                .zip(&self.weights)
                .map(|((parameter, gradient), weight)| ParameterLook {
                    parameter: parameter.name.clone(),
                    rms: statistics::backward(weight).rms,
                    gradient_rms: gradient.as_ref().map(|g| statistics::backward(g).rms),
                })
                .collect(),
            units,
        }
    }

    /// The size of every parameter, for a caller that reckons with memory.
    pub fn elements(&self) -> usize {
        self.weights.iter().map(Array::len).sum()
    }
}

/// The factor on each parameter's learning rate.
fn factors(network: &Network, named: &BTreeMap<String, f64>) -> Result<Vec<f64>, RunError> {
    let known = |name: &str| network.parameters.iter().any(|p| p.name == name);
    for (name, &factor) in named {
        let message = if !known(name) {
            "has a factor on its learning rate, but the network has no parameter of this name"
        } else if !(factor.is_finite() && factor >= 0.0) {
            "has a factor on its learning rate that is no finite number of at least 0"
        } else {
            continue;
        };
        return Err(RunError::Parameter {
            name: name.clone(),
            message: message.to_owned(),
        });
    }
    let parameters = network.parameters.iter();
    Ok(parameters
        .map(|p| named.get(&p.name).copied().unwrap_or(1.0))
        .collect())
}

fn target_error(message: String) -> RunError {
    RunError::Input {
        name: "target".to_owned(),
        message,
    }
}
