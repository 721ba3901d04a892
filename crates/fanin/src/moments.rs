//! Expectations over a Gaussian: what an activation does to the moments of its input.

pub use crate::expectation::expectation;

use crate::Activation;

/// E[φ(√q z)].
pub fn mean(activation: Activation, q: f64) -> f64 {
    expectation(|x| activation.eval(x), 0.0, q.sqrt())
}

/// E[φ(√q z)²].
pub fn square(activation: Activation, q: f64) -> f64 {
    expectation(|x| activation.eval(x).powi(2), 0.0, q.sqrt())
}

/// Var φ(√q z).
pub fn variance(activation: Activation, q: f64) -> f64 {
    let mean = mean(activation, q);
    expectation(|x| (activation.eval(x) - mean).powi(2), 0.0, q.sqrt())
}

/// E[φ′(√q z)²], the factor on the squared gradient.
pub fn derivative_square(activation: Activation, q: f64) -> f64 {
    expectation(|x| activation.derivative(x).powi(2), 0.0, q.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation as A;

    /// φ, E φ, E φ², E φ′², computed to 22 digits with mpmath.
    const TABLE: [(A, f64, f64, f64); 18] = [
        (A::Relu, 0.398_942_280_4, 0.5, 0.5),
        (
            A::LeakyRelu { slope: 0.01 },
            0.394_952_857_6,
            0.500_05,
            0.500_05,
        ),
        (A::LeakyRelu { slope: 0.2 }, 0.319_153_824_3, 0.52, 0.52),
        (
            A::Elu { alpha: 1.0 },
            0.160_520_572_3,
            0.644_945_417_5,
            0.668_102_001_2,
        ),
        (A::Selu, 0.0, 1.0, 1.071_574_992),
        (A::Gelu, 0.282_094_791_8, 0.425_221_482_6, 0.455_850_865_6),
        (A::GeluTanh, 0.282_038_588_1, 0.425_193_711, 0.455_817_846),
        (A::Silu, 0.206_620_964_1, 0.355_775_519_8, 0.379_482_351_6),
        (A::Mish, 0.240_403_888_4, 0.452_342_192_4, 0.479_083_758_4),
        (
            A::Softplus,
            0.806_059_183_3,
            0.921_245_908_9,
            0.293_379_035_9,
        ),
        (A::Softsign, 0.0, 0.183_014_021_3, 0.227_671_340_4),
        (A::Tanh, 0.0, 0.394_294_490_4, 0.464_402_902_4),
        (A::HardTanh, 0.0, 0.516_058_551, 0.682_689_492_1),
        (A::Sigmoid, 0.5, 0.293_379_035_9, 0.044_836_241_35),
        (A::Erf, 0.0, 0.464_559_054_4, 0.569_410_034_7),
        (
            A::HardSwish,
            0.166_216_700_7,
            0.331_567_375_1,
            0.358_531_517_2,
        ),
        (A::Sin, 0.0, 0.432_332_358_4, 0.567_667_641_6),
        (A::ReluSquared, 0.5, 1.5, 2.0),
    ];

    #[test]
    fn moments_agree_with_mpmath() {
        for (activation, e, square_, derivative) in TABLE {
            for (name, got, reference) in [
                ("mean", mean(activation, 1.0), e),
                ("square", square(activation, 1.0), square_),
                ("derivative", derivative_square(activation, 1.0), derivative),
            ] {
                assert!(
                    (got - reference).abs() < 1e-9,
                    "{activation} {name}: {got} against {reference}"
                );
            }
        }
    }

    #[test]
    fn closed_forms_hold_at_any_variance() {
        for q in [1e-4, 0.3, 1.0, 2.5, 40.0, 1e4] {
            let close = |a: f64, b: f64| {
                assert!(
                    (a - b).abs() <= 1e-11 * b.abs().max(1.0),
                    "q = {q}: {a} {b}"
                )
            };
            close(square(A::Relu, q), q / 2.0);
            close(
                square(A::Erf, q),
                (2.0 * q / (1.0 + 2.0 * q)).asin() * std::f64::consts::FRAC_2_PI,
            );
            close(
                derivative_square(A::Erf, q),
                4.0 / std::f64::consts::PI / (1.0 + 4.0 * q).sqrt(),
            );
            close(
                square(A::Sin, q.min(40.0)),
                0.5 - 0.5 * (-2.0 * q.min(40.0)).exp(),
            );
            close(square(A::ReluSquared, q), 1.5 * q * q);
        }
        assert_eq!(mean(A::Sigmoid, 0.0), 0.5);
        assert!((variance(A::Relu, 1.0) - (0.5 - 0.5 / std::f64::consts::PI)).abs() < 1e-12);
    }

    #[test]
    fn kinks_anywhere_and_bad_values() {
        let jump = expectation(|x| f64::from(u8::from(x > 0.1234)), 0.0, 1.0);
        assert!((jump - crate::math::gauss::survival(0.1234)).abs() < 1e-12);
        assert!(expectation(|_| f64::NAN, 0.0, 1.0).is_nan());
    }
}
