//! `constant(value)`: every value the same.

use super::Entry;
use super::rule::{Rule, Unfit, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::Sampler;

rule! {
    /// Every value `value`.
    Constant as constant {
        /// The value.
        value: f64,
    }
}

impl Rule for Constant {
    const ENTRY: Entry = Entry {
        name: "constant",
        aliases: &["const", "full", "fill"],
        formula: "w = value",
        when: "A bias with a meaning: the log odds of a rare class, a gate that starts open; layer scale.",
        reference: "Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, section 4.1 (the prior bias)",
        example: "constant(value=-4.6)",
    };

    fn fault(&self) -> Option<&'static str> {
        (!self.value.is_finite()).then_some("value must be finite")
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        Ok(Values::Each(Sampler::Constant(self.value)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn rounds_to_the_dtype() {
        let prior = Initializer::constant(-4.6).unwrap();
        let mut out = [half::bf16::ZERO; 2];
        prior
            .fill(Seed::new(0), "b", &[2], &Layout::vector(), &mut out)
            .unwrap();
        assert_eq!(out, [half::bf16::from_f32(-4.6); 2]);
    }

    #[test]
    fn not_finite_is_refused() {
        let error = Initializer::constant(f64::NAN).unwrap_err().to_string();
        assert_eq!(error, "constant(value=NaN): value must be finite");
    }
}
