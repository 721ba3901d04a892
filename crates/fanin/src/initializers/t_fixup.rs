//! `t_fixup(layers, side, of)`: a transformer without layer normalization and without warm-up.
//!
//! For the value and output projections and both weights of the MLP, of the encoder or the decoder, and for the
//! embeddings. Queries and keys keep Xavier's scale, biases are zeros.

use super::arguments::{Usual, words};
use super::fixup::power;
use super::rule::{Rule, Unfit, rule};
use super::scaled::times;
use super::{Entry, Initializer, XavierUniform};
use crate::Layout;
use crate::filler::Values;

words! {
    /// Which half of a transformer.
    Half {
        /// Layers that see the whole input.
        Encoder = "encoder",
        /// Layers that see what came before, and the encoder if there is one.
        Decoder = "decoder",
    }
}

rule! {
    /// The values of `of` times 0.67 N^(−1/4) in the encoder, (9 N)^(−1/4) in the decoder, for N `layers`.
    TFixup as t_fixup {
        /// Layers of this half.
        layers: u64,
        /// Which half; embeddings count as the decoder's.
        side: Half = Usual::Shown(Half::Decoder),
        /// What is scaled.
        of: Box<Initializer> = Usual::Shown(Box::new(Initializer::from(XavierUniform { gain: 1.0 }))),
    }
}

impl Rule for TFixup {
    const ENTRY: Entry = Entry {
        name: "t_fixup",
        aliases: &["tfixup"],
        formula: "w = 0.67 N^(-1/4) w' in an encoder of N layers, (9 N)^(-1/4) w' in a decoder; w' Xavier's unless said \
                  otherwise",
        when: "Transformers without layer norm and warm-up: value, output and MLP weights. Embeddings: \
               of=normal(0, d^(-1/2)), side=decoder; query and key: xavier_uniform.",
        reference: "Huang, Pérez, Ba and Volkovs, Improving Transformer Optimization Through Better Initialization, ICML \
                    2020",
        example: "t_fixup(layers=6, side=encoder)",
    };

    fn fault(&self) -> Option<&'static str> {
        (self.layers == 0).then_some("layers must be positive")
    }

    fn inner(&self) -> Vec<&Initializer> {
        vec![&self.of]
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        let n = self.layers as f64;
        let factor = match self.side {
            Half::Encoder => 0.67 * power(n, -0.25),
            Half::Decoder => power(9.0 * n, -0.25),
        };
        times(factor, &self.of, shape, layout)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout};

    #[test]
    fn the_papers_factors() {
        let std = |text: &str| {
            let rule: Initializer = text.parse().unwrap();
            let layout = Layout::linear_out_in();
            let filler = rule.resolve(&[512, 512], &layout).unwrap();
            filler.expected_std().unwrap()
        };
        let xavier = (1f64 / 512.0).sqrt();
        // 0.67 · 6^(-1/4) and 54^(-1/4).
        assert!((std("t_fixup(6, encoder)") / xavier - 0.428_091_3).abs() < 1e-6);
        assert!((std("t_fixup(6, decoder)") / xavier - 0.368_894_0).abs() < 1e-6);
        assert!("t_fixup(6, middle)".parse::<Initializer>().is_err());
    }
}
