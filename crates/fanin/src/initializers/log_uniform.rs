//! `log_uniform(low, high)`: every order of magnitude between two positive bounds equally likely.

use std::fmt;

use super::Entry;
use super::rule::{Rule, Unfit, rule};
use super::structure::Structure;
use crate::element::private::Sealed;
use crate::filler::Values;
use crate::math::double::{exp, ln};
use crate::text::Number;
use crate::{DType, Element, Layout, Stream};

rule! {
    /// ln w uniform on [ln `low`, ln `high`].
    LogUniform as log_uniform {
        /// Smallest value, positive.
        low: f64,
        /// Largest value.
        high: f64,
    }
}

impl Rule for LogUniform {
    const ENTRY: Entry = Entry {
        name: "log_uniform",
        aliases: &["loguniform", "reciprocal"],
        formula: "w = exp(u), u ~ U[ln low, ln high]; mean (high - low) / ln(high / low)",
        when: "Scales that span orders of magnitude: the time steps of state space models (0.001 to 0.1), the \
               frequencies of Fourier features.",
        reference: "Hamming, On the Distribution of Numbers, Bell System Technical Journal 49, 1970; for time steps Gu, \
                    Goel and Ré, Efficiently Modeling Long Sequences with Structured State Spaces, ICLR 2022",
        example: "log_uniform(low=0.001, high=0.1)",
    };

    fn fault(&self) -> Option<&'static str> {
        if !(self.low.is_finite() && self.high.is_finite()) {
            Some("low and high must be finite")
        } else if self.low < f64::MIN_POSITIVE {
            Some("low must be positive")
        } else {
            (self.low > self.high).then_some("low must not exceed high")
        }
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        Ok(LogUniformSampler {
            low: self.low,
            high: self.high,
        }
        .into())
    }
}

/// A resolved log-uniform distribution.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogUniformSampler {
    low: f64,
    high: f64,
}

impl Structure for LogUniformSampler {
    /// exp of the uniform value in double precision, rounded once; its f32 has the 32 bits of the word.
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        let exponents = (ln(self.low), ln(self.high));
        crate::parallel::pieces(start, out, |start, out| {
            each_double(exponents, stream, start, out, |u| {
                exp(u).clamp(self.low, self.high)
            });
        });
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            low: factor * self.low,
            high: factor * self.high,
        }
    }

    fn moments(&self) -> Option<(f64, f64)> {
        let width = ln(self.high) - ln(self.low);
        if width == 0.0 {
            return Some((self.low, self.low * self.low));
        }
        let (low, high) = (self.low, self.high);
        Some((
            (high - low) / width,
            (high - low) * (high + low) / (2.0 * width),
        ))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "log-uniform in [{}, {}]",
            Number(self.low),
            Number(self.high)
        )
    }
}

/// A function of values uniform on [low, high], those of elements `start ..` of the stream, computed in double precision and
/// rounded once: for f32 and below of the 32-bit word, as the middle of its cell, for f64 of both words.
pub(super) fn each_double<T: Element>(
    (low, high): (f64, f64),
    stream: &Stream,
    start: u64,
    out: &mut [T],
    function: impl Fn(f64) -> f64,
) {
    let double = <T::Real as Element>::DTYPE == DType::F64;
    let refined = double.then(|| stream.substream("low"));
    let (centre, half) = (0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low);
    for (i, x) in (start..).zip(out) {
        let rest = refined.as_ref().map_or(0x8000_0000, |low| low.word(i));
        let word = u64::from(stream.word(i)) << 32 | u64::from(rest);
        let s = word as i64 as f64 * (1.0 / 9_223_372_036_854_775_808.0);
        let value = function((centre + half * s).max(low).min(high));
        *x = <T as Sealed>::round(<T::Real as Element>::from_f64(value));
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn the_logarithm_is_uniform() {
        let log_uniform = Initializer::log_uniform(0.001, 0.1).unwrap();
        let n = 1 << 16;
        let mut out = vec![0f32; n];
        log_uniform
            .fill(Seed::new(3), "dt", &[n], &Layout::vector(), &mut out)
            .unwrap();
        // Kolmogorov-Smirnov, false positives 0.001.
        let mut u: Vec<f64> = out
            .iter()
            .map(|x| (f64::from(*x) / 0.001).ln() / 100f64.ln())
            .collect();
        u.sort_by(f64::total_cmp);
        let distance = u.iter().enumerate().fold(0f64, |worst, (i, u)| {
            worst
                .max((u - i as f64 / n as f64).abs())
                .max(((i + 1) as f64 / n as f64 - u).abs())
        });
        assert!(distance * (n as f64).sqrt() < 1.949, "{distance}");
        assert!(out.iter().all(|x| (0.001..=0.1).contains(x)));
        let filler = log_uniform.resolve(&[n], &Layout::vector()).unwrap();
        let mean = out.iter().map(|x| f64::from(*x)).sum::<f64>() / n as f64;
        let square = out.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / n as f64;
        let std = (square - mean * mean).sqrt();
        assert!((std / filler.expected_std().unwrap() - 1.0).abs() < 0.01);
        assert!((mean / (0.099 / 100f64.ln()) - 1.0).abs() < 0.01);
    }

    #[test]
    fn bounds_are_checked() {
        let message = |low, high| Initializer::log_uniform(low, high).unwrap_err().to_string();
        assert_eq!(
            message(0.0, 1.0),
            "log_uniform(low=0, high=1): low must be positive"
        );
        assert!(message(2.0, 1.0).ends_with("low must not exceed high"));
        let point = Initializer::log_uniform(0.5, 0.5).unwrap();
        let mut out = [0f64; 3];
        point
            .fill(Seed::new(0), "x", &[3], &Layout::vector(), &mut out)
            .unwrap();
        assert_eq!(out, [0.5; 3]);
    }
}
