//! `kaiming_uniform`, `kaiming_normal`, `kaiming_truncated` (also `he_…`, `msra_…`): variance gain² / fan.

use super::{Entry, InitError, Initializer};
use crate::Mode;

const WHEN: &str = "Weights that feed ReLU and its relatives, with the gain of the activation: √2 for ReLU, the \
                    default. In text, gain may name it: gain=gelu.";
const REFERENCE: &str = "He, Zhang, Ren and Sun, Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet \
     Classification, ICCV 2015";

pub(super) const UNIFORM: Entry = Entry {
    name: "kaiming_uniform",
    aliases: &["he_uniform", "msra_uniform"],
    formula: "w ~ U[±gain √(3 / n)], n = fan_in unless mode says otherwise, gain = √2 unless given",
    when: WHEN,
    reference: REFERENCE,
    example: "kaiming_uniform(mode=fan_in, gain=relu)",
};

pub(super) const NORMAL: Entry = Entry {
    name: "kaiming_normal",
    aliases: &["he_normal", "msra_normal"],
    formula: "w ~ N(0, gain² / n), n = fan_in unless mode says otherwise, gain = √2 unless given",
    when: WHEN,
    reference: REFERENCE,
    example: "kaiming_normal(mode=fan_out, gain=relu)",
};

pub(super) const TRUNCATED: Entry = Entry {
    name: "kaiming_truncated",
    aliases: &["he_truncated", "msra_truncated"],
    formula: "as kaiming_normal, cut at ±2 std and corrected to the same variance (Keras's he_normal)",
    when: WHEN,
    reference: REFERENCE,
    example: "kaiming_truncated(gain=gelu)",
};

/// ReLU's gain, √2.
pub(super) const DEFAULT_GAIN: f64 = std::f64::consts::SQRT_2;

impl Initializer {
    /// Uniform, variance `gain`² / fan.
    ///
    /// # Errors
    /// When `gain` is not a finite positive number.
    pub fn kaiming_uniform(mode: Mode, gain: f64) -> Result<Self, InitError> {
        Self::KaimingUniform { mode, gain }.validated()
    }

    /// Normal, variance `gain`² / fan.
    ///
    /// # Errors
    /// When `gain` is not a finite positive number.
    pub fn kaiming_normal(mode: Mode, gain: f64) -> Result<Self, InitError> {
        Self::KaimingNormal { mode, gain }.validated()
    }

    /// Truncated normal, variance `gain`² / fan.
    ///
    /// # Errors
    /// When `gain` is not a finite positive number.
    pub fn kaiming_truncated(mode: Mode, gain: f64) -> Result<Self, InitError> {
        Self::KaimingTruncated { mode, gain }.validated()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Activation, Initializer, Layout, Mode};

    #[test]
    fn the_default_is_relus() {
        let parsed: Initializer = "he_normal".parse().unwrap();
        assert_eq!(
            parsed,
            Initializer::kaiming_normal(Mode::FanIn, Activation::Relu.gain().value()).unwrap()
        );
        assert_eq!(
            parsed.to_string(),
            "kaiming_normal(mode=fan_in, gain=1.4142135623730951)"
        );
        // MLX's he_normal has a gain of 1.
        let filler = parsed.resolve(&[10, 50], &Layout::linear_out_in()).unwrap();
        assert!((filler.expected_std().unwrap() - 0.2).abs() < 1e-15);
    }

    #[test]
    fn a_gain_may_be_named() {
        let parsed: Initializer = "kaiming_uniform(gain=leaky_relu(slope=0.2), mode=fan_out)"
            .parse()
            .unwrap();
        let gain = Activation::LeakyRelu { slope: 0.2 }.gain().value();
        assert_eq!(
            parsed,
            Initializer::KaimingUniform {
                mode: Mode::FanOut,
                gain
            }
        );
        // And a gated unit's is that of its gate.
        assert!("kaiming_normal(gain=swiglu)".parse::<Initializer>().is_ok());
    }

    // torch's default of 5.6 times too much for a transposed convolution.
    #[test]
    fn transposed_convolutions_get_their_own_fan_in() {
        let he = Initializer::kaiming_normal(Mode::FanIn, 1.0).unwrap();
        let filler = he
            .resolve(&[512, 16, 3, 3], &Layout::conv_transpose(2, 1, &[]))
            .unwrap();
        assert!((filler.expected_std().unwrap() - 1.0 / (512.0f64 * 9.0).sqrt()).abs() < 1e-15);
    }
}
