//! `uniform(low, high)`: equally likely anywhere between two bounds.

use super::Entry;
use super::rule::{Rule, Unfit, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::{self, Sampler};

rule! {
    /// Uniform on [`low`, `high`].
    Uniform as uniform {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    }
}

impl Rule for Uniform {
    const ENTRY: Entry = Entry {
        name: "uniform",
        aliases: &["random_uniform"],
        formula: "w ~ U[low, high]; std = (high - low) / √12",
        when: "When bounds are given, as for PyTorch's biases: ±1/√fan_in of the weight. For weights prefer a scheme \
               that takes the bounds from the fans.",
        reference: "LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998",
        example: "uniform(low=-0.05, high=0.05)",
    };

    fn fault(&self) -> Option<&'static str> {
        if !self.low.is_finite() {
            Some("low must be finite")
        } else if !self.high.is_finite() {
            Some("high must be finite")
        } else {
            (self.low > self.high).then_some("low must not exceed high")
        }
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        let Self { low, high } = *self;
        Ok(Values::Each(Sampler::Uniform(sampler::Uniform {
            low,
            high,
        })))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn stays_inside_and_reaches_the_bounds() {
        let mut out = vec![0f32; 1 << 18];
        let uniform = Initializer::uniform(-0.25, 0.75).unwrap();
        uniform
            .fill(Seed::new(3), "u", &[out.len()], &Layout::vector(), &mut out)
            .unwrap();
        let (low, high) = out
            .iter()
            .fold((f32::MAX, f32::MIN), |(a, b), &x| (a.min(x), b.max(x)));
        assert!(
            (-0.25..-0.2499).contains(&low) && high <= 0.75 && high > 0.7499,
            "{low} {high}"
        );
    }

    #[test]
    fn bounds_are_checked() {
        let message = |low, high| Initializer::uniform(low, high).unwrap_err().to_string();
        assert_eq!(
            message(1.0, 0.0),
            "uniform(low=1, high=0): low must not exceed high"
        );
        assert_eq!(
            message(0.0, f64::INFINITY),
            "uniform(low=0, high=inf): high must be finite"
        );
        assert!(Initializer::uniform(2.0, 2.0).is_ok());
        assert!(
            Initializer::uniform(f64::MIN, f64::MAX).is_ok(),
            "the width overflows, its half does not"
        );
    }
}
