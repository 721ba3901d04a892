//! `xavier_uniform`, `xavier_normal`, `xavier_truncated` (also `glorot_…`): variance gain² / fan_avg.

use super::Entry;
use super::arguments::Usual;
use super::rule::{Rule, Unfit, gain_fault, rule};
use super::variance_scaling::{Distribution, scaled};
use crate::filler::Values;
use crate::{Layout, Mode};

const WHEN: &str = "Linear layers and those followed by a symmetric activation whose slope at 0 is about 1 (tanh, \
                    softsign): a compromise between keeping the forward signal and the gradient.";
const REFERENCE: &str = "Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, \
                         AISTATS 2010";

rule! {
    /// Uniform, variance `gain`² / fan_avg.
    XavierUniform as xavier_uniform {
        /// Factor on the standard deviation.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for XavierUniform {
    const ENTRY: Entry = Entry {
        name: "xavier_uniform",
        aliases: &["glorot_uniform"],
        formula: "w ~ U[±gain √(6 / (fan_in + fan_out))]",
        when: WHEN,
        reference: REFERENCE,
        example: "xavier_uniform",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(
            self.gain,
            Mode::FanAvg,
            Distribution::Uniform,
            shape,
            layout,
        )
    }
}

rule! {
    /// Normal, variance `gain`² / fan_avg.
    XavierNormal as xavier_normal {
        /// Factor on the standard deviation.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for XavierNormal {
    const ENTRY: Entry = Entry {
        name: "xavier_normal",
        aliases: &["glorot_normal"],
        formula: "w ~ N(0, gain² · 2 / (fan_in + fan_out))",
        when: WHEN,
        reference: REFERENCE,
        example: "xavier_normal",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(self.gain, Mode::FanAvg, Distribution::Normal, shape, layout)
    }
}

rule! {
    /// Truncated normal, variance `gain`² / fan_avg.
    XavierTruncated as xavier_truncated {
        /// Factor on the standard deviation.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for XavierTruncated {
    const ENTRY: Entry = Entry {
        name: "xavier_truncated",
        aliases: &["glorot_truncated"],
        formula: "as xavier_normal, cut at ±2 std and corrected to the same variance (Keras's glorot_normal)",
        when: WHEN,
        reference: REFERENCE,
        example: "xavier_truncated(gain=1.59)",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(
            self.gain,
            Mode::FanAvg,
            Distribution::TruncatedNormal,
            shape,
            layout,
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn the_bound_is_glorots() {
        let mut out = vec![0f32; 300 * 200];
        let xavier = Initializer::xavier_uniform(2.0).unwrap();
        xavier
            .fill(
                Seed::new(0),
                "w",
                &[300, 200],
                &Layout::linear_out_in(),
                &mut out,
            )
            .unwrap();
        let bound = 2.0 * (6.0f32 / 500.0).sqrt();
        let largest = out.iter().fold(0f32, |m, x| m.max(x.abs()));
        assert!(
            largest <= bound && largest > 0.9999 * bound,
            "{largest} {bound}"
        );
    }

    // llm-foundry passes a gain of 0 by default, and every weight is 0.
    #[test]
    fn a_gain_of_zero_is_refused() {
        let error = Initializer::xavier_uniform(0.0).unwrap_err().to_string();
        assert_eq!(
            error,
            "xavier_uniform(gain=0): gain must be positive; for zeros write zeros"
        );
    }
}
