//! `small_init(width)`: one standard deviation for every weight of a transformer, √(2 / (5 width)).
//!
//! It is Xavier's for the d × 4d matrix of the MLP, used for all.

use super::Entry;
use super::rule::{Rule, Unfit, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::{Normal, Sampler};

rule! {
    /// N(0, 2 / (5 `width`)).
    SmallInit as small_init {
        /// Width of the model's stream.
        width: u64,
    }
}

impl Rule for SmallInit {
    const ENTRY: Entry = Entry {
        name: "small_init",
        aliases: &["small_init_normal"],
        formula: "w ~ N(0, 2 / (5 width)), width that of the model, not of the layer",
        when: "Weights of transformers but the last of each branch (for those see wang_init): GPT-NeoX, RWKV.",
        reference: "Nguyen and Salazar, Transformers without Tears: Improving the Normalization of Self-Attention, IWSLT \
                    2019",
        example: "small_init(width=2048)",
    };

    fn fault(&self) -> Option<&'static str> {
        (self.width == 0).then_some("width must be positive")
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        let std = (2.0 / (5.0 * self.width as f64)).sqrt();
        Ok(Values::Each(Sampler::Normal(Normal { mean: 0.0, std })))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout};

    #[test]
    fn it_is_xaviers_std_of_the_mlp() {
        let layout = Layout::linear_out_in();
        let small = Initializer::small_init(512).unwrap();
        let xavier = Initializer::xavier_normal(1.0).unwrap();
        let std = |i: &Initializer| i.resolve(&[2048, 512], &layout).unwrap().expected_std();
        assert_eq!(std(&small), std(&xavier));
        assert!(Initializer::small_init(0).is_err());
        // A text could not hold it.
        let error = Initializer::small_init((1 << 53) + 1)
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("a whole number must not exceed 2⁵³"),
            "{error}"
        );
    }
}
