//! `scaled(factor, of)`: the values of another initializer times a factor.
//!
//! The factor goes into the numbers of the distribution, so that nothing is rounded twice: `scaled(0.5, normal(0, 1))` is
//! `normal(0, 0.5)` in every bit.

use super::rule::{Rule, Unfit, rule};
use super::{Entry, Initializer};
use crate::Layout;
use crate::filler::Values;

rule! {
    /// `factor` times the values of `of`.
    Scaled as scaled {
        /// The factor, positive.
        factor: f64,
        /// What is scaled.
        of: Box<Initializer>,
    }
}

impl Rule for Scaled {
    const ENTRY: Entry = Entry {
        name: "scaled",
        aliases: &["times"],
        formula: "w = factor w', w' by the initializer given",
        when: "When a scheme multiplies another one by a number that has no name of its own.",
        reference: "Zhang, Dauphin and Ma, Fixup Initialization, ICLR 2019 (scales as the means of controlling depth)",
        example: "scaled(factor=0.1, of=kaiming_normal)",
    };

    fn fault(&self) -> Option<&'static str> {
        factor_fault(self.factor)
    }

    fn inner(&self) -> Vec<&Initializer> {
        vec![&self.of]
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        times(self.factor, &self.of, shape, layout)
    }
}

pub(super) fn factor_fault(factor: f64) -> Option<&'static str> {
    if !factor.is_finite() {
        Some("factor must be finite")
    } else {
        (factor <= 0.0).then_some("factor must be positive; for zeros write zeros")
    }
}

/// What `of` resolves into, times a factor.
pub(super) fn times(
    factor: f64,
    of: &Initializer,
    shape: &[usize],
    layout: &Layout,
) -> Result<Values, Unfit> {
    let scaled = of.resolve_valid(shape, layout)?.scaled(factor);
    if scaled.expected_std().is_some_and(|std| !std.is_finite()) {
        return Err("the scaled values are too large for any number; lower the factor".into());
    }
    Ok(scaled.into_values())
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(text: &str) -> Vec<f32> {
        let (shape, layout) = ([6, 4, 3], Layout::conv(1, 1));
        let mut out = vec![9f32; 72];
        text.parse::<Initializer>()
            .unwrap()
            .fill(Seed::new(0), "w", &shape, &layout, &mut out)
            .unwrap();
        out
    }

    #[test]
    fn a_factor_goes_into_the_numbers() {
        for (scaled, plain) in [
            ("scaled(0.5, normal(1, 2))", "normal(0.5, 1)"),
            ("scaled(0.5, uniform(-1, 2))", "uniform(-0.5, 1)"),
            (
                "scaled(0.5, kaiming_normal(gain=2))",
                "kaiming_normal(gain=1)",
            ),
            ("scaled(2, orthogonal)", "orthogonal(gain=2)"),
            ("scaled(2, identity)", "identity(gain=2)"),
            ("scaled(2, ones)", "constant(2)"),
            (
                "scaled(0.5, truncated_normal(0, 2))",
                "truncated_normal(0, 1)",
            ),
            (
                "scaled(0.5, sparse(count=3, std=2))",
                "sparse(count=3, std=1)",
            ),
            ("scaled(2, delta_orthogonal)", "delta_orthogonal(gain=2)"),
            ("scaled(2, orthogonal_conv)", "orthogonal_conv(gain=2)"),
            (
                "scaled(2, mirrored(orthogonal))",
                "mirrored(orthogonal(gain=2))",
            ),
            ("scaled(2, nguyen_widrow)", "nguyen_widrow(gain=2)"),
            ("scaled(2, scaled(2, lecun_normal))", "lecun_normal(gain=4)"),
            (
                "scaled(2, concat(axis=0, 2: ones, 4: orthogonal))",
                "concat(axis=0, 2: constant(2), 4: orthogonal(gain=2))",
            ),
            ("scaled(2, log_uniform(0.5, 4))", "log_uniform(1, 8)"),
        ] {
            let (a, b) = (draw(scaled), draw(plain));
            // ln 2x is not ln 2 + ln x in every bit.
            let same = |(a, b): (&f32, &f32)| {
                a == b || (scaled.contains("log") && (a / b - 1.0).abs() < 2e-7)
            };
            assert!(a.iter().zip(&b).all(same), "{scaled}");
        }
    }

    #[test]
    fn a_factor_of_zero_is_refused() {
        let message = "scaled(0, ones)"
            .parse::<Initializer>()
            .unwrap_err()
            .to_string();
        assert!(message.ends_with("factor must be positive; for zeros write zeros"));
        let large: Initializer = "scaled(1e300, normal(std=1e300))".parse().unwrap();
        assert!(large.resolve(&[2], &Layout::vector()).is_err());
        // And what is wrong within is said of what is within.
        let message = "scaled(1, normal(std=-1))"
            .parse::<Initializer>()
            .unwrap_err();
        assert!(
            message
                .to_string()
                .contains("normal(mean=0, std=-1): std must not be negative")
        );
    }
}
