//! The optimizer that will train, as far as its first step goes.

use std::fmt;

/// An optimizer and its learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Gradient descent: the first step is the rate times the gradient. Momentum adds nothing yet.
    Sgd {
        /// The learning rate.
        rate: f64,
    },
    /// Adam and its kin: the first step moves every weight by the rate, whatever its gradient.
    Adam {
        /// The learning rate.
        rate: f64,
    },
}

impl Optimizer {
    /// The root mean square of the first step of a weight whose gradient has this one.
    pub(crate) fn step(self, gradient_rms: f64) -> f64 {
        match self {
            Self::Sgd { rate } => rate * gradient_rms,
            Self::Adam { rate } => rate,
        }
    }

    /// The learning rate.
    pub fn rate(self) -> f64 {
        match self {
            Self::Sgd { rate } | Self::Adam { rate } => rate,
        }
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sgd { rate } => write!(f, "sgd at rate {rate}"),
            Self::Adam { rate } => write!(f, "adam at rate {rate}"),
        }
    }
}
