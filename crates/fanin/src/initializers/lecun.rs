//! `lecun_uniform`, `lecun_normal`, `lecun_truncated`: variance gain² / fan_in.

use super::Entry;
use super::arguments::Usual;
use super::rule::{Rule, Unfit, gain_fault, rule};
use super::variance_scaling::{Distribution, scaled};
use crate::filler::Values;
use crate::{Layout, Mode};

const WHEN: &str = "Linear and normalized layers, and networks of SELU, whose gain is 1.";
const REFERENCE: &str = "LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998; Klambauer et al., Self-Normalizing \
                         Neural Networks, NeurIPS 2017";

rule! {
    /// Uniform, variance `gain`² / fan_in.
    LecunUniform as lecun_uniform {
        /// Factor on the standard deviation.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for LecunUniform {
    const ENTRY: Entry = Entry {
        name: "lecun_uniform",
        aliases: &[],
        formula: "w ~ U[±gain √(3 / fan_in)]",
        when: WHEN,
        reference: REFERENCE,
        example: "lecun_uniform",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(self.gain, Mode::FanIn, Distribution::Uniform, shape, layout)
    }
}

rule! {
    /// Normal, variance `gain`² / fan_in.
    LecunNormal as lecun_normal {
        /// Factor on the standard deviation.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for LecunNormal {
    const ENTRY: Entry = Entry {
        name: "lecun_normal",
        aliases: &[],
        formula: "w ~ N(0, gain² / fan_in)",
        when: WHEN,
        reference: REFERENCE,
        example: "lecun_normal",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(self.gain, Mode::FanIn, Distribution::Normal, shape, layout)
    }
}

rule! {
    /// Truncated normal, variance `gain`² / fan_in.
    LecunTruncated as lecun_truncated {
        /// Factor on the standard deviation.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for LecunTruncated {
    const ENTRY: Entry = Entry {
        name: "lecun_truncated",
        aliases: &[],
        formula: "as lecun_normal, cut at ±2 std and corrected to the same variance (the lecun_normal of Keras and Flax)",
        when: WHEN,
        reference: REFERENCE,
        example: "lecun_truncated",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(
            self.gain,
            Mode::FanIn,
            Distribution::TruncatedNormal,
            shape,
            layout,
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    // transformers and Flux truncate at an absolute ±2, which cuts nothing off, yet divide by 0.8796: 1.136 times too
    // large. Here both happen in standard deviations.
    #[test]
    fn truncation_is_in_standard_deviations() {
        let lecun = Initializer::lecun_truncated(1.0).unwrap();
        let mut out = vec![0f32; 512 * 512];
        lecun
            .fill(
                Seed::new(0),
                "w",
                &[512, 512],
                &Layout::linear_out_in(),
                &mut out,
            )
            .unwrap();
        let std = 1.0 / 512f64.sqrt();
        let square = out.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / out.len() as f64;
        assert!(
            (square.sqrt() / std - 1.0).abs() < 4e-3,
            "{}",
            square.sqrt() / std
        );
        let largest = out.iter().fold(0f32, |m, x| m.max(x.abs()));
        let cut = 2.0 * std / 0.879_625_661_034_239_8;
        assert!(f64::from(largest) <= cut * (1.0 + 1e-7) && f64::from(largest) > 0.999 * cut);
    }
}
