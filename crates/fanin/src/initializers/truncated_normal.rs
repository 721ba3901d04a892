//! `truncated_normal(mean, std, low, high, corrected)`: the normal distribution without its tails.
//!
//! `low` and `high` are in standard deviations from the mean. (PyTorch's `trunc_normal_` takes absolute bounds, with
//! which a small `std` is not truncated at all.) Cutting at ±2 leaves a standard deviation of 0.8796 `std`; with
//! `corrected`, `mean` and `std` are those of the result, for any bounds.

use super::arguments::Usual;
use super::rule::{Rule, Unfit, normal_fault, rule};
use super::{Entry, InitError, Initializer};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::{self, Sampler, TruncationError};

rule! {
    /// N(`mean`, `std`²) cut at `low` and `high` standard deviations.
    TruncatedNormal {
        /// Mean: of the normal distribution that is cut, or if `corrected` of the result.
        mean: f64 = Usual::Shown(0.0),
        /// Standard deviation, likewise.
        std: f64,
        /// Lower bound, in standard deviations from the mean of the distribution that is cut.
        low: f64 = Usual::Shown(-2.0),
        /// Upper bound, likewise.
        high: f64 = Usual::Shown(2.0),
        /// Whether `mean` and `std` are those of the result.
        corrected: bool = Usual::Silent(false),
    }
}

impl Initializer {
    /// N(`mean`, `std`²) cut at `low` and `high` standard deviations; `std` is that before the cut.
    ///
    /// # Errors
    /// When an argument is not finite, `std` is negative, or too little of the distribution lies between the bounds.
    pub fn truncated_normal(mean: f64, std: f64, low: f64, high: f64) -> Result<Self, InitError> {
        Self::TruncatedNormal(TruncatedNormal {
            mean,
            std,
            low,
            high,
            corrected: false,
        })
        .validated()
    }

    /// As [`Initializer::truncated_normal`], with `mean` and `std` of the result.
    ///
    /// # Errors
    /// As [`Initializer::truncated_normal`].
    pub fn truncated_normal_corrected(
        mean: f64,
        std: f64,
        low: f64,
        high: f64,
    ) -> Result<Self, InitError> {
        Self::TruncatedNormal(TruncatedNormal {
            mean,
            std,
            low,
            high,
            corrected: true,
        })
        .validated()
    }
}

impl TruncatedNormal {
    fn sampler(&self) -> Result<sampler::TruncatedNormal, TruncationError> {
        let Self {
            mean,
            std,
            low,
            high,
            corrected,
        } = *self;
        sampler::TruncatedNormal::new(mean, std, low, high, corrected)
    }
}

impl Rule for TruncatedNormal {
    const ENTRY: Entry = Entry {
        name: "truncated_normal",
        aliases: &["trunc_normal"],
        formula: "w = mean + std z, z ~ N(0, 1) given low <= z <= high, by inversion; corrected: mean and std are those \
                  of the result, so at ±2 w = mean + std z / 0.87962566103423978",
        when: "Where a far outlier would hurt: vision transformers (std 0.02), TPU-era Keras models. low and high are in \
               standard deviations and default to ±2.",
        reference: "Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution, Appl. Statist. 37, 1988 \
                    (the method; the coefficients are this crate's)",
        example: "truncated_normal(mean=0, std=0.02, low=-2, high=2)",
    };

    fn fault(&self) -> Option<&'static str> {
        if let Some(fault) = normal_fault(self.mean, self.std) {
            return Some(fault);
        }
        if !self.low.is_finite() || !self.high.is_finite() {
            return Some("low and high must be finite");
        }
        if self.low >= self.high {
            return Some("low must be below high (both in standard deviations)");
        }
        self.sampler().err().map(truncation_message)
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        let sampler = self.sampler().map_err(truncation_message)?;
        Ok(Values::Each(Sampler::TruncatedNormal(sampler)))
    }
}

/// What is wrong with the bounds, and the way out.
pub(super) fn truncation_message(error: TruncationError) -> &'static str {
    match error {
        TruncationError::TooFar => {
            "both bounds lie beyond 37 standard deviations on one side; bring them nearer"
        }
        TruncationError::TooNarrow => {
            "too little of the distribution lies between the bounds; use uniform"
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Element, Initializer, Layout, Seed};

    fn moments<T: Element>(initializer: &Initializer) -> (f64, f64) {
        let mut out = vec![T::default(); 1 << 18];
        initializer
            .fill(Seed::new(5), "t", &[out.len()], &Layout::vector(), &mut out)
            .unwrap();
        let n = out.len() as f64;
        let mean = out.iter().map(|x| x.to_f64()).sum::<f64>() / n;
        let var = out.iter().map(|x| (x.to_f64() - mean).powi(2)).sum::<f64>() / n;
        (mean, var.sqrt())
    }

    // timm's bf16 gives 0.0899 for a standard deviation of 0.02, and its f16 0.0383.
    #[test]
    fn half_precision_has_the_same_standard_deviation() {
        let plain = Initializer::truncated_normal(0.0, 0.02, -2.0, 2.0).unwrap();
        let expected = 0.02 * 0.879_625_661_034_239_8;
        for (mean, std) in [
            moments::<f32>(&plain),
            moments::<half::bf16>(&plain),
            moments::<half::f16>(&plain),
        ] {
            assert!(
                mean.abs() < 1.5e-4 && (std / expected - 1.0).abs() < 5e-3,
                "{mean} {std}"
            );
        }
        let filler = plain.resolve(&[1], &Layout::vector()).unwrap();
        assert!((filler.expected_std().unwrap() / expected - 1.0).abs() < 1e-14);
    }

    #[test]
    fn corrected_moments_are_those_of_the_result_for_any_bounds() {
        for (low, high) in [(-2.0, 2.0), (-1.0, 3.0), (0.5, 1.5), (3.0, 5.0)] {
            let corrected = Initializer::truncated_normal_corrected(0.25, 0.5, low, high).unwrap();
            let (mean, std) = moments::<f64>(&corrected);
            assert!(
                (mean - 0.25).abs() < 4e-3 && (std - 0.5).abs() < 4e-3,
                "[{low}, {high}]: {mean} {std}"
            );
        }
    }

    #[test]
    fn impossible_bounds_are_refused_with_a_way_out() {
        let message = |low, high| {
            Initializer::truncated_normal(0.0, 1.0, low, high)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(2.0, -2.0),
            "truncated_normal(mean=0, std=1, low=2, high=-2): low must be below high (both in standard deviations)"
        );
        assert!(
            message(0.0, 1e-9)
                .contains("too little of the distribution lies between the bounds; use uniform")
        );
        assert!(message(50.0, 60.0).contains("beyond 37 standard deviations"));
    }
}
