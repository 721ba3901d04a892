//! `prior_bias(probability)`, `log_prior(p, p, …)`: an output bias that starts with the known frequencies.
//!
//! Then the first loss is the entropy of the labels, and the first steps are not spent on learning it.

use super::arguments::{Arguments, Usual, list};
use super::array::listed;
use super::rule::{Rule, Unfit, rule};
use super::{Entry, InitError, Initializer};
use crate::Layout;
use crate::filler::Values;
use crate::math::double::ln;
use crate::sampler::Sampler;
use crate::text::{Call, Number, ParseError};

rule! {
    /// −ln((1 − π) / π), the logit of π = `probability`.
    PriorBias as prior_bias {
        /// The probability that the output should start with.
        probability: f64 = Usual::Shown(0.01),
    }
}

impl Rule for PriorBias {
    const ENTRY: Entry = Entry {
        name: "prior_bias",
        aliases: &["focal_bias"],
        formula: "b = -ln((1 - probability) / probability), so that sigmoid(b) = probability",
        when: "The bias of a sigmoid output for a rare class: detection with focal loss (0.01), click rates.",
        reference: "Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (arXiv 1708.02002), section 4.1",
        example: "prior_bias(probability=0.01)",
    };

    fn fault(&self) -> Option<&'static str> {
        let inside = self.probability >= f64::MIN_POSITIVE && self.probability < 1.0;
        (!inside).then_some("probability must lie between 0 and 1")
    }

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        let logit = ln(self.probability) - ln(1.0 - self.probability);
        Ok(Values::Each(Sampler::Constant(logit)))
    }
}

/// ln p of each class, of weights that are made to add up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPrior {
    /// Counts or probabilities, one for each class.
    pub weights: Vec<f64>,
}

impl Initializer {
    /// ln p of each class, of weights that are made to add up to 1.
    ///
    /// # Errors
    /// When there are none, or one is not positive.
    pub fn log_prior(weights: impl Into<Vec<f64>>) -> Result<Self, InitError> {
        Self::LogPrior(LogPrior {
            weights: weights.into(),
        })
        .validated()
    }
}

impl Arguments for LogPrior {
    fn arguments(&self) -> Vec<String> {
        let number = |weight: &f64| Number(*weight).to_string();
        self.weights.iter().map(number).collect()
    }

    fn read(call: Call) -> Result<Self, ParseError> {
        list(call).map(|weights| Self { weights })
    }
}

impl Rule for LogPrior {
    const ENTRY: Entry = Entry {
        name: "log_prior",
        aliases: &["class_prior"],
        formula: "b[c] = ln(p[c] / Σ p), of the counts or probabilities given, so that softmax(b) is the prior",
        when: "The bias of a softmax output when the frequencies of the classes are known.",
        reference: "Bishop, Pattern Recognition and Machine Learning, 2006, section 4.2 (the prior enters the softmax \
                    through ln p); Karpathy, A Recipe for Training Neural Networks, 2019 (init well)",
        example: "log_prior(0.9, 0.09, 0.01)",
    };

    fn fault(&self) -> Option<&'static str> {
        let sum: f64 = self.weights.iter().sum();
        if self.weights.is_empty() {
            Some("there must be at least one class")
        } else if self
            .weights
            .iter()
            .any(|p| *p < f64::MIN_POSITIVE || !p.is_finite())
        {
            Some("every class needs a positive count or probability")
        } else {
            (!sum.is_finite()).then_some("the weights add up to more than a number can hold")
        }
    }

    fn resolve(&self, shape: &[usize], _: &Layout) -> Result<Values, Unfit> {
        let sum: f64 = self.weights.iter().sum();
        let logs: Vec<f64> = self.weights.iter().map(|p| ln(*p) - ln(sum)).collect();
        listed(&logs, shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(text: &str, n: usize) -> Vec<f64> {
        let mut out = vec![9f64; n];
        text.parse::<Initializer>()
            .unwrap()
            .fill(Seed::new(0), "b", &[n], &Layout::vector(), &mut out)
            .unwrap();
        out
    }

    #[test]
    fn the_sigmoid_of_the_bias_is_the_prior() {
        for p in [0.01, 0.5, 0.999, 1e-12] {
            let bias = draw(&format!("prior_bias({p})"), 2);
            assert!((1.0 / (1.0 + (-bias[0]).exp()) / p - 1.0).abs() < 1e-12);
        }
        // The paper's 4.6.
        assert!((draw("focal_bias", 1)[0] + 4.595_119_850_134_59).abs() < 1e-12);
        assert!("prior_bias(0)".parse::<Initializer>().is_err());
        assert!("prior_bias(1)".parse::<Initializer>().is_err());
    }

    #[test]
    fn the_softmax_of_the_biases_is_the_prior() {
        // Counts will do.
        let bias = draw("log_prior(900, 90, 10)", 3);
        for (b, p) in bias.iter().zip([0.9, 0.09, 0.01]) {
            assert!((b.exp() / p - 1.0).abs() < 1e-14);
        }
        assert!("log_prior(1, 0)".parse::<Initializer>().is_err());
        let error = Initializer::log_prior([1.0, 1.0])
            .unwrap()
            .resolve(&[3], &Layout::vector())
            .unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("2 values given for 3 elements; give one for each")
        );
    }
}
