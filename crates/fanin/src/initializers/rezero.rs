//! `rezero`: the scalar of a residual branch that starts closed.

use super::Entry;
use super::rule::{Rule, Unfit, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::Sampler;

rule! {
    /// 0, for the multiplier of a residual branch.
    Rezero as rezero {}
}

impl Rule for Rezero {
    const ENTRY: Entry = Entry {
        name: "rezero",
        aliases: &["skip_init", "zero_gamma"],
        formula: "α = 0 in x + α f(x); the network starts as the identity",
        when: "The trained multiplier of a residual branch, or the scale of the norm that ends one. The weights inside \
               the branch keep their own initializer, or nothing would learn.",
        reference: "Bachlechner et al., ReZero is All You Need, UAI 2021 (arXiv 2003.04887); De and Smith, Batch \
                    Normalization Biases Residual Blocks Towards the Identity Function, NeurIPS 2020 (SkipInit); Goyal \
                    et al., 2017 (last γ of a block)",
        example: "rezero",
    };

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        Ok(Values::Each(Sampler::Constant(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn a_closed_branch() {
        let mut out = [9f32];
        let rezero: Initializer = "skip_init".parse().unwrap();
        rezero
            .fill(Seed::new(0), "alpha", &[], &Layout::new([]), &mut out)
            .unwrap();
        assert_eq!((out, rezero.to_string().as_str()), ([0.0], "rezero"));
    }
}
