//! `wang_init(layers, width)`: the last weight of each branch of a transformer, 2 / (layers √width).

use super::Entry;
use super::rule::{Rule, Unfit, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::{Normal, Sampler};

rule! {
    /// N(0, (2 / (`layers` √`width`))²).
    WangInit as wang_init {
        /// Blocks of the transformer.
        layers: u64,
        /// Width of the model's stream.
        width: u64,
    }
}

impl Rule for WangInit {
    const ENTRY: Entry = Entry {
        name: "wang_init",
        aliases: &["wang_init_normal"],
        formula: "w ~ N(0, std²), std = 2 / (layers √width), width that of the model",
        when: "The last weight of each residual branch of a transformer, beside small_init for the others.",
        reference: "Wang and Komatsuzaki, GPT-J-6B, 2021 (Mesh Transformer JAX); GPT-NeoX",
        example: "wang_init(layers=28, width=4096)",
    };

    fn fault(&self) -> Option<&'static str> {
        if self.layers == 0 {
            Some("layers must be positive")
        } else {
            (self.width == 0).then_some("width must be positive")
        }
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        let std = 2.0 / (self.layers as f64 * (self.width as f64).sqrt());
        Ok(Values::Each(Sampler::Normal(Normal { mean: 0.0, std })))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout};

    #[test]
    fn gpt_j() {
        let wang = Initializer::wang_init(28, 4096).unwrap();
        let filler = wang.resolve(&[4, 4], &Layout::linear_out_in()).unwrap();
        assert!((filler.expected_std().unwrap() - 2.0 / 28.0 / 64.0).abs() < 1e-18);
        assert!(Initializer::wang_init(0, 1).is_err() && Initializer::wang_init(1, 0).is_err());
    }
}
