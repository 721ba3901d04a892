//! The factor that keeps a signal's size through an activation.

use std::fmt;

use crate::expectation::expectation;

/// 1 / √E[φ(z)²] for z ~ N(0, 1): the factor on the next layer's weights that undoes what φ does to the second moment.
///
/// Exact where a closed form is known, by quadrature to 1e-9 otherwise. Not the numbers of `torch.nn.init.calculate_gain`,
/// which for tanh and SELU keep neither the second moment nor the gradient.
///
/// ```
/// # use fanin::{Activation, Gain};
/// assert_eq!(Activation::Relu.gain().value(), 2f64.sqrt());
/// let gain = Gain::of_fn(|x| x.max(0.0) * x.max(0.0));
/// assert!((gain.value() - 1.5f64.sqrt().recip()).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Gain(f64);

impl Gain {
    /// No factor.
    pub const ONE: Self = Self(1.0);

    /// The gain of any function, by quadrature; kinks and jumps may lie anywhere.
    ///
    /// Infinite for a function that is 0 almost everywhere, NaN where the function is.
    pub fn of_fn(activation: impl Fn(f64) -> f64) -> Self {
        Self::of_second_moment(expectation(|x| activation(x) * activation(x), 0.0, 1.0))
    }

    /// The gain of an activation with this E[φ(z)²].
    pub fn of_second_moment(second_moment: f64) -> Self {
        Self((1.0 / second_moment).sqrt())
    }

    /// The factor.
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl From<Gain> for f64 {
    fn from(gain: Gain) -> Self {
        gain.0
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
