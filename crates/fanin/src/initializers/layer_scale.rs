//! `layer_scale(blocks)`: the small factors on the channels of a residual branch.

use super::Entry;
use super::rule::{Rule, Unfit, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::Sampler;

rule! {
    /// 0.1, 1e-5 or 1e-6, by the number of blocks.
    LayerScale as layer_scale {
        /// Blocks of the transformer.
        blocks: u64,
    }
}

impl Rule for LayerScale {
    const ENTRY: Entry = Entry {
        name: "layer_scale",
        aliases: &[],
        formula: "λ = 0.1 up to 18 blocks, 1e-5 up to 24, 1e-6 beyond, in x + diag(λ) f(x)",
        when: "The trained per-channel factors of residual branches in deep vision transformers.",
        reference: "Touvron et al., Going Deeper with Image Transformers, ICCV 2021 (arXiv 2103.17239), section 2",
        example: "layer_scale(blocks=36)",
    };

    fn fault(&self) -> Option<&'static str> {
        (self.blocks == 0).then_some("blocks must be positive")
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        let value = match self.blocks {
            ..=18 => 0.1,
            19..=24 => 1e-5,
            _ => 1e-6,
        };
        Ok(Values::Each(Sampler::Constant(value)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn depth_decides() {
        for (blocks, value) in [(12, 0.1f32), (18, 0.1), (24, 1e-5), (36, 1e-6)] {
            let mut out = [9f32; 4];
            Initializer::layer_scale(blocks)
                .unwrap()
                .fill(Seed::new(0), "gamma", &[4], &Layout::vector(), &mut out)
                .unwrap();
            assert_eq!(out, [value; 4]);
        }
        assert!(Initializer::layer_scale(0).is_err());
    }
}
