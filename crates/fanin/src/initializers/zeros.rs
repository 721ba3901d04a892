//! `zeros`: every value 0.

use super::Entry;
use super::rule::{Rule, Unfit, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::Sampler;

rule! {
    /// Every value 0.
    Zeros as zeros {}
}

impl Rule for Zeros {
    const ENTRY: Entry = Entry {
        name: "zeros",
        aliases: &["zero"],
        formula: "w = 0",
        when: "Biases; the last weight of a residual branch that should start as the identity. Not for a weight between \
               hidden units: all of them would stay equal.",
        reference: "Goodfellow, Bengio and Courville, Deep Learning, 2016, section 8.4",
        example: "zeros",
    };

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        Ok(Values::Each(Sampler::Constant(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed, Stream};

    #[test]
    fn all_zero_in_every_dtype_and_layout() {
        let filler = Initializer::zeros()
            .resolve(&[3, 5], &Layout::linear_out_in())
            .unwrap();
        let mut out = [half::f16::ONE; 15];
        filler
            .fill(&Stream::new(Seed::new(0), "b"), 0, &mut out)
            .unwrap();
        assert!(out.iter().all(|x| x.to_bits() == 0));
        assert_eq!(filler.expected_std(), Some(0.0));
    }
}
