//! The rules by which gradients change weights: gradient descent with momentum, Adam, AdamW.

use serde::Serialize;

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
