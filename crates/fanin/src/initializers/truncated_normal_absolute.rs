//! `truncated_normal_absolute(mean, std, low, high, corrected)`: the normal distribution between two given values.
//!
//! The bounds are values, as in PyTorch's `trunc_normal_`, not standard deviations; [`truncated_normal`] has those. With
//! `corrected`, `mean` and `std` are those of the result: the normal distribution that is cut is found for which they are,
//! also where the interval lies far out in its tail.
//!
//! [`truncated_normal`]: super::truncated_normal

use super::Entry;
use super::arguments::Usual;
use super::rule::{Rule, Unfit, rule};
use super::truncated_normal::truncation_message;
use crate::Layout;
use crate::filler::Values;
use crate::math::double::exp;
use crate::math::quadrature::composite;
use crate::sampler::{Sampler, TruncatedNormal};

rule! {
    /// N(`mean`, `std`²) given that the value lies between `low` and `high`.
    TruncatedNormalAbsolute as truncated_normal_absolute {
        /// Mean: of the normal distribution that is cut, or if `corrected` of the result.
        mean: f64 = Usual::Shown(0.0),
        /// Standard deviation, likewise.
        std: f64,
        /// Smallest value.
        low: f64 = Usual::Shown(-2.0),
        /// Largest value.
        high: f64 = Usual::Shown(2.0),
        /// Whether `mean` and `std` are those of the result.
        corrected: bool = Usual::Silent(false),
    }
}

impl Rule for TruncatedNormalAbsolute {
    const ENTRY: Entry = Entry {
        name: "truncated_normal_absolute",
        aliases: &["trunc_normal_absolute"],
        formula: "w ~ N(mean, std²) given low <= w <= high; corrected: mean and std are those of the result",
        when: "When the bounds are values: PyTorch's trunc_normal_ (low=-2, high=2, which at std 0.02 cuts nothing), \
               weights that a low-precision format must hold. For bounds in standard deviations: truncated_normal.",
        reference: "torch.nn.init.trunc_normal_; Barr and Sherrill, Mean and Variance of Truncated Normal Distributions, \
                    The American Statistician 53, 1999",
        example: "truncated_normal_absolute(mean=0, std=0.5, low=-1, high=1)",
    };

    fn fault(&self) -> Option<&'static str> {
        if ![self.mean, self.std, self.low, self.high]
            .iter()
            .all(|x| x.is_finite())
        {
            return Some("every number must be finite");
        }
        if self.std <= 0.0 {
            return Some("std must be positive; for one value write constant");
        }
        if self.low >= self.high {
            return Some("low must be below high");
        }
        self.sampler().err()
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        Ok(Values::Each(Sampler::TruncatedNormal(self.sampler()?)))
    }
}

impl TruncatedNormalAbsolute {
    fn sampler(&self) -> Result<TruncatedNormal, &'static str> {
        let (from, to) = (
            (self.low - self.mean) / self.std,
            (self.high - self.mean) / self.std,
        );
        if !(from.is_finite() && to.is_finite()) {
            return Err("std is too small for these bounds; write constant");
        }
        // In units of `std` from `mean`: the mean and standard deviation of what is cut.
        let (shift, scale) = if self.corrected {
            parent(from, to)?
        } else {
            (0.0, 1.0)
        };
        let (a, b) = ((from - shift) / scale, (to - shift) / scale);
        let sampler =
            TruncatedNormal::new(self.mean + self.std * shift, self.std * scale, a, b, false)
                .map_err(truncation_message)?;
        Ok(sampler.with_bounds(self.low, self.high))
    }
}

/// Mean and standard deviation of the normal distribution which, cut to [from, to], has mean 0 and variance 1.
///
/// Its density is exp(p x − q x²/2). For every q there is one p with mean 0, and the variance falls as q grows; it is
/// at most 1/q, so that q ≤ 1. At q = 0 the density is exponential, and no normal distribution is wider.
fn parent(from: f64, to: f64) -> Result<(f64, f64), &'static str> {
    if from >= 0.0 || to <= 0.0 {
        return Err("with corrected, mean must lie between low and high");
    }
    let mut p = 0.0;
    let mut excess = |q: f64| {
        p = centred(q, from, to, p);
        (moments(p, q, from, to).1 - 1.0, p)
    };
    // The widest there is, up to what is told from it.
    let (mut low, mut high) = (1e-9, 1.0);
    let (mut above, _) = excess(low);
    if above <= 0.0 {
        return Err(
            "std is as wide as these bounds allow or wider; lower std or write uniform or plain bounds",
        );
    }
    let (mut below, mut solution) = excess(high);
    let mut q = high;
    // Regula falsi with the Illinois rule: never leaves the bracket.
    let mut side = 0;
    for _ in 0..200 {
        if below == 0.0 || (high - low) <= 1e-16 * high {
            break;
        }
        q = (low * below - high * above) / (below - above);
        if !(low < q && q < high) {
            q = 0.5 * (low + high);
        }
        let (value, p) = excess(q);
        solution = p;
        if value.abs() < 1e-15 {
            break;
        }
        if value > 0.0 {
            (low, above) = (q, value);
            if side == 1 {
                below *= 0.5;
            }
            side = 1;
        } else {
            (high, below) = (q, value);
            if side == -1 {
                above *= 0.5;
            }
            side = -1;
        }
    }
    Ok((solution / q, 1.0 / q.sqrt()))
}

/// The p for which the mean is 0, by Newton's method within a bracket that grows.
fn centred(q: f64, from: f64, to: f64, start: f64) -> f64 {
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let mut p = start;
    for _ in 0..200 {
        let (mean, variance) = moments(p, q, from, to);
        if mean.abs() < 1e-15 {
            break;
        }
        if mean > 0.0 {
            high = p;
        } else {
            low = p;
        }
        let mut next = p - mean / variance;
        if !(low < next && next < high) {
            next = if low.is_finite() && high.is_finite() {
                0.5 * (low + high)
            } else {
                // A step no longer than the mean moves by one width.
                p - mean.signum() * (1.0 + p.abs())
            };
        }
        if next == p {
            break;
        }
        p = next;
    }
    p
}

/// Mean and variance of the density exp(p x − q x²/2) on [from, to].
fn moments(p: f64, q: f64, from: f64, to: f64) -> (f64, f64) {
    let mode = (p / q).clamp(from, to);
    let slope = p - q * mode;
    // Where the density falls below e⁻⁴⁵ of its largest value: |slope| d + q d²/2 = 45.
    let reach = 90.0 / (slope.abs() + (slope * slope + 90.0 * q).sqrt());
    let (a, b) = (from.max(mode - reach), to.min(mode + reach));
    let weighted = |f: &dyn Fn(f64) -> f64| {
        composite(
            &mut |x| {
                let d = x - mode;
                exp(slope * d - 0.5 * q * d * d) * f(x)
            },
            a,
            b,
            24,
        )
    };
    let total = weighted(&|_| 1.0);
    let mean = mode + weighted(&|x| x - mode) / total;
    let variance = weighted(&|x| (x - mean) * (x - mean)) / total;
    (mean, variance)
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(rule: &Initializer, n: usize) -> Vec<f64> {
        let mut out = vec![0f64; n];
        rule.fill(Seed::new(8), "t", &[n], &Layout::vector(), &mut out)
            .unwrap();
        out
    }

    #[test]
    fn plain_bounds_are_those_in_standard_deviations_times_std() {
        let absolute = Initializer::truncated_normal_absolute(0.5, 0.25, 0.0, 1.25, false).unwrap();
        let relative = Initializer::truncated_normal(0.5, 0.25, -2.0, 3.0).unwrap();
        assert_eq!(draw(&absolute, 1000), draw(&relative, 1000));
    }

    #[test]
    fn moments_agree_with_mpmath() {
        for (mean, std, low, high, expected) in super::super::tests::CUT {
            let rule = Initializer::truncated_normal_absolute(mean, std, low, high, false).unwrap();
            let filler = rule.resolve(&[1], &Layout::vector()).unwrap();
            let got = filler.expected_std().unwrap();
            assert!(
                (got / expected - 1.0).abs() < 1e-12,
                "[{low}, {high}]: {got} {expected}"
            );
        }
    }

    #[test]
    fn corrected_moments_are_those_of_the_result() {
        for (mean, std, low, high) in [
            (0.0, 0.5, -1.0, 1.0),
            (0.0, 0.02, -2.0, 2.0),
            (0.3, 0.2, 0.0, 1.0),
            (1.5, 0.5, 0.9, 8.0),
            (0.0, 0.57, -1.0, 1.0),
            (-3.0, 1.0, -10.0, -1.9),
            // Nearly exponential: the interval lies far out in the tail of what is cut.
            (1.01, 0.0099, 1.0, 5.0),
            (-5.02, 0.0195, -9.0, -5.0),
        ] {
            let Ok(rule) = Initializer::truncated_normal_absolute(mean, std, low, high, true)
            else {
                panic!("{mean} {std} [{low}, {high}]");
            };
            let filler = rule.resolve(&[1], &Layout::vector()).unwrap();
            let (m, square) = filler.moments().unwrap();
            let s = (square - m * m).sqrt();
            assert!(
                (m - mean).abs() < 1e-9 * std.max(mean.abs()),
                "{m} for {mean}"
            );
            assert!(
                (s / std - 1.0).abs() < 1e-6,
                "{s} for {std} in [{low}, {high}]"
            );
            assert!((filler.expected_std().unwrap() / std - 1.0).abs() < 1e-6);
            let values = draw(&rule, 1 << 16);
            let n = values.len() as f64;
            let got = values.iter().sum::<f64>() / n;
            let var = values.iter().map(|x| (x - got).powi(2)).sum::<f64>() / n;
            assert!(
                (got - mean).abs() < 5.0 * std / n.sqrt(),
                "{got} for {mean}"
            );
            assert!(
                (var.sqrt() / std - 1.0).abs() < 0.03,
                "{} for {std}",
                var.sqrt()
            );
            assert!(values.iter().all(|x| (low..=high).contains(x)));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_way_out() {
        let message = |mean, std, low, high, corrected| {
            Initializer::truncated_normal_absolute(mean, std, low, high, corrected)
                .unwrap_err()
                .to_string()
        };
        // No cut normal distribution on [−1, 1] is wider than the uniform one, 1/√3.
        assert!(message(0.0, 0.6, -1.0, 1.0, true).contains("as wide as these bounds allow"));
        assert!(message(2.0, 0.1, -1.0, 1.0, true).contains("mean must lie between"));
        assert!(message(0.0, 0.0, -1.0, 1.0, false).contains("write constant"));
        assert!(message(0.0, 1.0, 1.0, -1.0, false).contains("low must be below high"));
        assert!(message(0.0, 0.01, 1.0, 2.0, false).contains("37 standard deviations"));
    }
}
