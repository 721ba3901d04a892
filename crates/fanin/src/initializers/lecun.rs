//! `lecun_uniform`, `lecun_normal`, `lecun_truncated`: variance gain² / fan_in.

use super::{Entry, InitError, Initializer};

const WHEN: &str = "Linear and normalized layers, and networks of SELU, whose gain is 1.";
const REFERENCE: &str = "LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998; Klambauer et al., Self-Normalizing \
                         Neural Networks, NeurIPS 2017";

pub(super) const UNIFORM: Entry = Entry {
    name: "lecun_uniform",
    aliases: &[],
    formula: "w ~ U[±gain √(3 / fan_in)]",
    when: WHEN,
    reference: REFERENCE,
    example: "lecun_uniform",
};

pub(super) const NORMAL: Entry = Entry {
    name: "lecun_normal",
    aliases: &[],
    formula: "w ~ N(0, gain² / fan_in)",
    when: WHEN,
    reference: REFERENCE,
    example: "lecun_normal",
};

pub(super) const TRUNCATED: Entry = Entry {
    name: "lecun_truncated",
    aliases: &[],
    formula: "as lecun_normal, cut at ±2 std and corrected to the same variance (the lecun_normal of Keras and Flax)",
    when: WHEN,
    reference: REFERENCE,
    example: "lecun_truncated",
};

impl Initializer {
    /// Uniform, variance `gain`² / fan_in.
    ///
    /// # Errors
    /// When `gain` is not a finite positive number.
    pub fn lecun_uniform(gain: f64) -> Result<Self, InitError> {
        Self::LecunUniform { gain }.validated()
    }

    /// Normal, variance `gain`² / fan_in.
    ///
    /// # Errors
    /// When `gain` is not a finite positive number.
    pub fn lecun_normal(gain: f64) -> Result<Self, InitError> {
        Self::LecunNormal { gain }.validated()
    }

    /// Truncated normal, variance `gain`² / fan_in.
    ///
    /// # Errors
    /// When `gain` is not a finite positive number.
    pub fn lecun_truncated(gain: f64) -> Result<Self, InitError> {
        Self::LecunTruncated { gain }.validated()
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
