//! `residual(branches, of)`: the last weight of a residual branch, divided by the root of the number of branches.
//!
//! Branches add their variances into the stream. With 1/√N on each of N ends they add up to one, whatever the depth;
//! a transformer of L blocks has N = 2 L.

use super::rule::{Rule, Unfit, rule};
use super::scaled::times;
use super::{Entry, Initializer};
use crate::Layout;
use crate::filler::Values;

rule! {
    /// The values of `of` divided by √`branches`.
    Residual as residual {
        /// How many branches add into the stream: twice the blocks of a transformer.
        branches: u64,
        /// What the weight would be without the depth.
        of: Box<Initializer>,
    }
}

impl Rule for Residual {
    const ENTRY: Entry = Entry {
        name: "residual",
        aliases: &["residual_end", "scaled_residual"],
        formula: "w = w' / √branches, w' by the initializer given; a transformer of L blocks has 2 L branches",
        when: "The last weight of every residual branch: attention's output projection, the second weight of an MLP. \
               GPT-2 is residual(branches=2L, of=normal(0, 0.02)).",
        reference: "Radford et al., Language Models are Unsupervised Multitask Learners, 2019, section 2.3; Shoeybi et \
                    al., Megatron-LM, 2019",
        example: "residual(branches=24, of=normal(mean=0, std=0.02))",
    };

    fn fault(&self) -> Option<&'static str> {
        (self.branches == 0).then_some("branches must be positive")
    }

    fn inner(&self) -> Vec<&Initializer> {
        vec![&self.of]
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        times(1.0 / (self.branches as f64).sqrt(), &self.of, shape, layout)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout};

    #[test]
    fn gpt_2_small() {
        let residual: Initializer = "residual(24, normal(std=0.02))".parse().unwrap();
        let filler = residual
            .resolve(&[768, 3072], &Layout::linear_out_in())
            .unwrap();
        // 0.02 / √(2 · 12).
        assert!((filler.expected_std().unwrap() - 0.004_082_482_904_638_63).abs() < 1e-17);
    }

    // gpt-neox divides by its number of layers when that number is False.
    #[test]
    fn no_branches_are_refused() {
        let error = Initializer::residual(0, Box::new(Initializer::ones())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "residual(branches=0, of=ones): branches must be positive"
        );
    }
}
