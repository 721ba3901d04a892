//! `kaiming_uniform`, `kaiming_normal`, `kaiming_truncated` (also `he_…`, `msra_…`): variance gain² / fan.

use super::Entry;
use super::arguments::Usual;
use super::rule::{Rule, Unfit, gain_fault, rule};
use super::variance_scaling::{Distribution, scaled};
use crate::filler::Values;
use crate::{Layout, Mode};

const WHEN: &str = "Weights that feed ReLU and its relatives, with the gain of the activation: √2 for ReLU, the \
                    default. In text, gain may name it: gain=gelu.";
const REFERENCE: &str = "He, Zhang, Ren and Sun, Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet \
     Classification, ICCV 2015";

/// ReLU's gain, √2.
const DEFAULT_GAIN: f64 = std::f64::consts::SQRT_2;

rule! {
    /// Uniform, variance `gain`² / fan.
    KaimingUniform as kaiming_uniform {
        /// Which fan.
        mode: Mode = Usual::Shown(Mode::FanIn),
        /// Factor on the standard deviation.
        gain: f64 = Usual::Shown(DEFAULT_GAIN),
    }
}

impl Rule for KaimingUniform {
    const ENTRY: Entry = Entry {
        name: "kaiming_uniform",
        aliases: &["he_uniform", "msra_uniform"],
        formula: "w ~ U[±gain √(3 / n)], n = fan_in unless mode says otherwise, gain = √2 unless given",
        when: WHEN,
        reference: REFERENCE,
        example: "kaiming_uniform(mode=fan_in, gain=relu)",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(self.gain, self.mode, Distribution::Uniform, shape, layout)
    }
}

rule! {
    /// Normal, variance `gain`² / fan.
    KaimingNormal as kaiming_normal {
        /// Which fan.
        mode: Mode = Usual::Shown(Mode::FanIn),
        /// Factor on the standard deviation.
        gain: f64 = Usual::Shown(DEFAULT_GAIN),
    }
}

impl Rule for KaimingNormal {
    const ENTRY: Entry = Entry {
        name: "kaiming_normal",
        aliases: &["he_normal", "msra_normal"],
        formula: "w ~ N(0, gain² / n), n = fan_in unless mode says otherwise, gain = √2 unless given",
        when: WHEN,
        reference: REFERENCE,
        example: "kaiming_normal(mode=fan_out, gain=relu)",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(self.gain, self.mode, Distribution::Normal, shape, layout)
    }
}

rule! {
    /// Truncated normal, variance `gain`² / fan.
    KaimingTruncated as kaiming_truncated {
        /// Which fan.
        mode: Mode = Usual::Shown(Mode::FanIn),
        /// Factor on the standard deviation.
        gain: f64 = Usual::Shown(DEFAULT_GAIN),
    }
}

impl Rule for KaimingTruncated {
    const ENTRY: Entry = Entry {
        name: "kaiming_truncated",
        aliases: &["he_truncated", "msra_truncated"],
        formula: "as kaiming_normal, cut at ±2 std and corrected to the same variance (Keras's he_normal)",
        when: WHEN,
        reference: REFERENCE,
        example: "kaiming_truncated(gain=gelu)",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(
            self.gain,
            self.mode,
            Distribution::TruncatedNormal,
            shape,
            layout,
        )
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
            Initializer::kaiming_uniform(Mode::FanOut, gain).unwrap()
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
