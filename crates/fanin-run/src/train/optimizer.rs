//! What changes the weights: gradient descent with momentum, Adam, AdamW.
//!
//! Each follows the arithmetic of its `torch.optim` namesake, in f32 with the step's factors
//! reckoned in f64, so that curves can be held against PyTorch's.

use rayon::prelude::*;
use serde::Serialize;

use crate::array::{Array, CHUNK, Dense};

/// The rule by which a gradient changes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Optimizer {
    /// Gradient descent with momentum: b ← μ b + g + λ w, w ← w − η b (Sutskever et al. 2013, "On the
    /// importance of initialization and momentum in deep learning", in PyTorch's form, where the
    /// rate stands outside the momentum).
    Sgd {
        /// μ, from 0 to below 1.
        momentum: f64,
        /// λ, added to the gradient.
        decay: f64,
    },
    /// Kingma & Ba 2015, "Adam: a method for stochastic optimization".
    Adam {
        /// Decay of the mean of gradients, 0.9 in the paper.
        beta1: f64,
        /// Decay of the mean of squares, 0.999 in the paper.
        beta2: f64,
        /// Added to the root of the mean of squares, 1e-8 in the paper.
        epsilon: f64,
        /// Weight decay: taken from the weight itself, w ← w − η λ w (Loshchilov & Hutter 2019,
        /// "Decoupled weight decay regularization"), which is AdamW; 0 gives Adam.
        decay: f64,
    },
}

impl Optimizer {
    /// Momentum 0.9, no decay.
    pub const SGD: Self = Self::Sgd {
        momentum: 0.9,
        decay: 0.0,
    };

    /// The paper's constants, no decay.
    pub const ADAM: Self = Self::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        decay: 0.0,
    };

    /// The paper's constants, decay 0.01 as in PyTorch.
    pub const ADAM_W: Self = Self::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        decay: 0.01,
    };

    /// Arrays of the parameters' size that it keeps.
    pub const fn memory(self) -> usize {
        match self {
            Self::Sgd { momentum, .. } => (momentum != 0.0) as usize,
            Self::Adam { .. } => 2,
        }
    }
}

/// An optimizer and what it remembers of each parameter.
pub(super) struct State {
    optimizer: Optimizer,
    steps: i32,
    /// Per parameter, what its learning rate is multiplied by.
    factors: Vec<f64>,
    /// Per parameter: momentum, or Adam's two means. Empty until its first gradient.
    memory: Vec<[Vec<f32>; 2]>,
}

impl State {
    /// `factors` are those on the learning rate, one per parameter.
    pub(super) fn new(optimizer: Optimizer, factors: Vec<f64>) -> Self {
        Self {
            optimizer,
            steps: 0,
            memory: factors.iter().map(|_| [Vec::new(), Vec::new()]).collect(),
            factors,
        }
    }

    /// Changes every parameter that has a gradient; whether all of them are finite afterwards.
    pub(super) fn update(
        &mut self,
        weights: &mut [Array],
        gradients: &[Option<Array>],
        rate: f64,
        clip: Option<f64>,
    ) -> bool {
        self.steps = self.steps.saturating_add(1);
        let shrink = clip.map_or(1.0, |most| shrink(gradients, most));
        let mut finite = true;
        let memories = self.memory.iter_mut().zip(&self.factors);
        for ((weight, gradient), (memory, factor)) in
            weights.iter_mut().zip(gradients).zip(memories)
        {
            let Some(gradient) = gradient else { continue };
            let rate = rate * factor;
            let g = Dense::new(gradient);
            // Parameters are made dense and stay so; nothing else holds them between two passes.
            let w = weight.storage_mut::<f32>();
            finite &= match self.optimizer {
                Optimizer::Sgd { momentum, decay } => {
                    sgd(w, &g, &mut memory[0], [rate, momentum, decay, shrink])
                }
                Optimizer::Adam {
                    beta1,
                    beta2,
                    epsilon,
                    decay,
                } => {
                    let t = self.steps;
                    let rates = Rates {
                        keep: (1.0 - rate * decay) as f32,
                        beta: [beta1 as f32, beta2 as f32],
                        // 1 − β is exact only when taken before rounding to f32.
                        rest: [(1.0 - beta1) as f32, (1.0 - beta2) as f32],
                        step: (rate / (1.0 - beta1.powi(t))) as f32,
                        root: (1.0 - beta2.powi(t)).sqrt() as f32,
                        epsilon: epsilon as f32,
                        shrink: shrink as f32,
                    };
                    adam(w, &g, memory, rates)
                }
            };
        }
        finite
    }
}

/// The factor that brings the norm of all gradients together down to `most`, as
/// `torch.nn.utils.clip_grad_norm_` does (Pascanu et al. 2013).
fn shrink(gradients: &[Option<Array>], most: f64) -> f64 {
    let square: f64 = gradients
        .iter()
        .flatten()
        .map(|g| {
            let g = Dense::new(g);
            let parts: Vec<f64> = g
                .par_chunks(CHUNK)
                .map(|c| c.iter().map(|&v| f64::from(v) * f64::from(v)).sum())
                .collect();
            parts.iter().sum::<f64>()
        })
        .sum();
    (most / (square.sqrt() + 1e-6)).min(1.0)
}

fn sgd(w: &mut [f32], g: &[f32], buffer: &mut Vec<f32>, numbers: [f64; 4]) -> bool {
    let [rate, momentum, decay, shrink] = numbers.map(|x| x as f32);
    let step = |w: &mut f32, g: f32| *w -= rate * g;
    if momentum == 0.0 {
        return w
            .par_chunks_mut(CHUNK)
            .zip(g.par_chunks(CHUNK))
            .map(|(w, g)| {
                for (w, &g) in w.iter_mut().zip(g) {
                    step(w, g * shrink + decay * *w);
                }
                all_finite(w)
            })
            .reduce(|| true, |a, b| a & b);
    }
    // The first gradient is taken whole; from zeros, b ← μ b + g gives just that.
    buffer.resize(w.len(), 0.0);
    w.par_chunks_mut(CHUNK)
        .zip(g.par_chunks(CHUNK))
        .zip(buffer.par_chunks_mut(CHUNK))
        .map(|((w, g), b)| {
            for ((w, &g), b) in w.iter_mut().zip(g).zip(b) {
                *b = *b * momentum + (g * shrink + decay * *w);
                step(w, *b);
            }
            all_finite(w)
        })
        .reduce(|| true, |a, b| a & b)
}

/// Adam's factors of one step.
#[derive(Clone, Copy)]
struct Rates {
    keep: f32,
    beta: [f32; 2],
    rest: [f32; 2],
    step: f32,
    root: f32,
    epsilon: f32,
    shrink: f32,
}

fn adam(w: &mut [f32], g: &[f32], memory: &mut [Vec<f32>; 2], r: Rates) -> bool {
    let [mean, square] = memory;
    mean.resize(w.len(), 0.0);
    square.resize(w.len(), 0.0);
    w.par_chunks_mut(CHUNK)
        .zip(g.par_chunks(CHUNK))
        .zip(mean.par_chunks_mut(CHUNK).zip(square.par_chunks_mut(CHUNK)))
        .map(|((w, g), (m, v))| {
            for ((w, &g), (m, v)) in w.iter_mut().zip(g).zip(m.iter_mut().zip(v)) {
                let g = g * r.shrink;
                *m = *m * r.beta[0] + g * r.rest[0];
                *v = *v * r.beta[1] + g * g * r.rest[1];
                *w = *w * r.keep - r.step * *m / (v.sqrt() / r.root + r.epsilon);
            }
            all_finite(w)
        })
        .reduce(|| true, |a, b| a & b)
}

/// Whether no element is NaN or infinite; without branches, so that it costs next to nothing.
fn all_finite(x: &[f32]) -> bool {
    x.iter().fold(true, |all, v| all & v.is_finite())
}
