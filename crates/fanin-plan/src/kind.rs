//! What an activation is to a recipe.

use fanin::Activation;

/// The families that `auto` tells apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Nothing.
    Identity,
    /// φ(a·x) = a·φ(x) for positive a, at least where signals live: the ReLU family.
    Homogeneous,
    /// Maps mean zero and variance one to themselves.
    SelfNormalizing,
    /// Odd, slope one at zero, bounded: tanh and its relatives.
    Odd,
    /// Bounded below by zero and above, with this slope at zero.
    Sigmoid {
        /// φ′(0).
        slope: f64,
    },
    /// A gated unit: two halves, one of which meets the function.
    Gated,
    /// Any other; its gain is known by quadrature.
    Smooth,
}

/// What an activation is to a recipe.
pub(crate) fn of(activation: Activation) -> Kind {
    match activation {
        Activation::Identity => Kind::Identity,
        Activation::Relu | Activation::LeakyRelu { .. } | Activation::PRelu => Kind::Homogeneous,
        // ReLU6: of unit-variance signals one in a thousand meets the upper bound.
        Activation::Clip { low, high } if low == 0.0 && high >= 3.0 => Kind::Homogeneous,
        Activation::Selu => Kind::SelfNormalizing,
        Activation::Tanh | Activation::HardTanh | Activation::Softsign => Kind::Odd,
        Activation::Sigmoid => Kind::Sigmoid { slope: 0.25 },
        Activation::HardSigmoid { alpha, .. } if alpha > 0.0 && alpha <= 1.0 => {
            Kind::Sigmoid { slope: alpha }
        }
        _ if activation.gate().is_some() => Kind::Gated,
        _ => Kind::Smooth,
    }
}

/// 1/√E[φ(z)²].
pub(crate) fn gain(activation: Activation) -> f64 {
    activation.gain().value()
}
