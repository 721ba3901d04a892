//! `deepnorm(encoder, decoder, side, of)`: transformers of a thousand layers that add α times their input.
//!
//! The network computes norm(α x + f(x)); [`Deepnorm::alpha`] is the number that belongs to the weights drawn here. For
//! the value and output projections and the MLP; queries and keys keep Xavier's scale.

use super::arguments::Usual;
use super::fixup::power;
use super::rule::{Rule, Unfit, rule};
use super::scaled::times;
use super::t_fixup::Half;
use super::{Entry, Initializer, XavierNormal};
use crate::Layout;
use crate::filler::Values;

rule! {
    /// The values of `of` times DeepNet's β.
    Deepnorm as deepnorm {
        /// Layers of the encoder, 0 if there is none.
        encoder: u64 = Usual::Shown(0),
        /// Layers of the decoder, 0 if there is none.
        decoder: u64 = Usual::Shown(0),
        /// Which half the weight is in.
        side: Half = Usual::Shown(Half::Decoder),
        /// What is scaled.
        of: Box<Initializer> = Usual::Shown(Box::new(Initializer::from(XavierNormal { gain: 1.0 }))),
    }
}

impl Deepnorm {
    /// The factor on the input of each branch, in norm(α x + f(x)).
    ///
    /// ```
    /// # use fanin::initializers::{Deepnorm, Half, XavierNormal};
    /// let gpt = Deepnorm {
    ///     encoder: 0,
    ///     decoder: 8,
    ///     side: Half::Decoder,
    ///     of: Box::new(XavierNormal { gain: 1.0 }.into()),
    /// };
    /// assert!((gpt.alpha() - 2.0).abs() < 1e-14);
    /// ```
    pub fn alpha(&self) -> f64 {
        let (n, m) = (self.encoder as f64, self.decoder as f64);
        match (self.side, self.encoder, self.decoder) {
            (Half::Encoder, _, 0) => power(2.0 * n, 0.25),
            (Half::Decoder, 0, _) => power(2.0 * m, 0.25),
            (Half::Encoder, ..) => 0.81 * power(power(n, 4.0) * m, 1.0 / 16.0),
            (Half::Decoder, ..) => power(3.0 * m, 0.25),
        }
    }

    /// The factor on the weights.
    pub fn beta(&self) -> f64 {
        let (n, m) = (self.encoder as f64, self.decoder as f64);
        match (self.side, self.encoder, self.decoder) {
            (Half::Encoder, _, 0) => power(8.0 * n, -0.25),
            (Half::Decoder, 0, _) => power(8.0 * m, -0.25),
            (Half::Encoder, ..) => 0.87 * power(power(n, 4.0) * m, -1.0 / 16.0),
            (Half::Decoder, ..) => power(12.0 * m, -0.25),
        }
    }
}

impl Rule for Deepnorm {
    const ENTRY: Entry = Entry {
        name: "deepnorm",
        aliases: &["deepnet"],
        formula: "w = β w', w' Xavier's unless said otherwise; one half alone of N layers: β = (8 N)^(-1/4), α = (2 \
                  N)^(1/4); encoder of N with decoder of M: β = 0.87 (N⁴ M)^(-1/16), α = 0.81 (N⁴ M)^(1/16) and β = \
                  (12 M)^(-1/4), α = (3 M)^(1/4)",
        when: "Value, output and MLP weights of very deep post-norm transformers that compute norm(α x + f(x)); query \
               and key: xavier_normal.",
        reference: "Wang et al., DeepNet: Scaling Transformers to 1,000 Layers, 2022 (arXiv 2203.00555), figure 2",
        example: "deepnorm(decoder=48)",
    };

    fn fault(&self) -> Option<&'static str> {
        let own = match self.side {
            Half::Encoder => self.encoder,
            Half::Decoder => self.decoder,
        };
        (own == 0).then_some("the half that the weight is in must have layers")
    }

    fn inner(&self) -> Vec<&Initializer> {
        vec![&self.of]
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        times(self.beta(), &self.of, shape, layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(encoder: u64, decoder: u64, side: Half) -> (f64, f64) {
        let of = Box::new(Initializer::from(XavierNormal { gain: 1.0 }));
        let deepnorm = Deepnorm {
            encoder,
            decoder,
            side,
            of,
        };
        (deepnorm.alpha(), deepnorm.beta())
    }

    #[test]
    fn the_papers_table() {
        let close = |(a, b): (f64, f64), expected: (f64, f64)| {
            assert!(
                (a - expected.0).abs() < 1e-12 && (b - expected.1).abs() < 1e-12,
                "{a} {b}"
            );
        };
        close(numbers(0, 8, Half::Decoder), (2.0, 64f64.powf(-0.25)));
        close(
            numbers(50, 0, Half::Encoder),
            (100f64.powf(0.25), 400f64.powf(-0.25)),
        );
        close(
            numbers(18, 18, Half::Encoder),
            (
                0.81 * (18f64.powi(5)).powf(1.0 / 16.0),
                0.87 * (18f64.powi(5)).powf(-1.0 / 16.0),
            ),
        );
        close(
            numbers(18, 18, Half::Decoder),
            (54f64.powf(0.25), 216f64.powf(-0.25)),
        );
        let error = "deepnorm(encoder=6)".parse::<Initializer>().unwrap_err();
        assert!(error.to_string().contains("must have layers"));
    }
}
