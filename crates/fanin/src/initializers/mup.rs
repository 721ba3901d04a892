//! `mup(role, std, base)`: the maximal update parametrization, with which learning rates carry over between widths.
//!
//! Half of it is here, the scale of the weights; the other half is the learning rate of each role (with Adam, that of
//! hidden and output weights divided by the width).

use super::Entry;
use super::arguments::{Usual, words};
use super::by_fans::normal_by_fans;
use super::rule::{Rule, Unfit, rule, std_fault};
use crate::Layout;
use crate::filler::Values;

words! {
    /// Which sides of a weight grow with the model's width.
    MupRole {
        /// The outputs do: embeddings, the first layer, biases.
        Input = "input",
        /// Both do.
        Hidden = "hidden",
        /// The inputs do: the head.
        Output = "output",
    }
}

rule! {
    /// N(0, σ²) with σ = `std` for inputs, `std` √(`base` / fan_in) for hidden weights, `std` `base` / fan_in for outputs.
    Mup as mup {
        /// Which sides grow with the width.
        role: MupRole = Usual::Shown(MupRole::Hidden),
        /// Standard deviation at the base width.
        std: f64 = Usual::Shown(1.0),
        /// The fan-in at which `std` holds.
        base: u64 = Usual::Shown(1),
    }
}

impl Rule for Mup {
    const ENTRY: Entry = Entry {
        name: "mup",
        aliases: &["maximal_update"],
        formula: "w ~ N(0, σ²): input σ = std; hidden σ = std √(base / fan_in); output σ = std base / fan_in",
        when: "Models whose learning rate is tuned on a narrow one: std is what the model of width base used. The head \
               may also start as zeros.",
        reference: "Yang et al., Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer, \
                    NeurIPS 2021 (arXiv 2203.03466), table 3",
        example: "mup(role=output, std=0.02, base=256)",
    };

    fn fault(&self) -> Option<&'static str> {
        std_fault(self.std).or((self.base == 0).then_some("base must be positive"))
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        if self.role == MupRole::Input {
            return Ok(Values::Each(crate::sampler::Sampler::Normal(
                crate::sampler::Normal {
                    mean: 0.0,
                    std: self.std,
                },
            )));
        }
        let base = self.base as f64;
        normal_by_fans(shape, layout, |fans| match self.role {
            MupRole::Output => self.std * base / fans.fan_in,
            _ => self.std * (base / fans.fan_in).sqrt(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout};

    #[test]
    fn table_3() {
        let std = |text: &str| {
            let rule: Initializer = text.parse().unwrap();
            let layout = Layout::linear_out_in();
            let filler = rule.resolve(&[10, 1024], &layout).unwrap();
            filler.expected_std().unwrap()
        };
        // Four times the width: half the std of hidden weights, a quarter of the head's.
        assert_eq!(std("mup(input, 0.02, 256)"), 0.02);
        assert_eq!(std("mup(hidden, 0.02, 256)"), 0.01);
        assert_eq!(std("mup(output, 0.02, 256)"), 0.005);
        assert_eq!(std("mup(hidden)"), 1.0 / 32.0);
        assert_eq!(std("mup(output)"), 1.0 / 1024.0);
    }
}
