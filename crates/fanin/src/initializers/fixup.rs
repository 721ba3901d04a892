//! `fixup(branches, layers, of)`: the weights inside the residual branches of a network without normalization.
//!
//! The last weight of each branch, and the classification head, are zeros; scalar biases start at 0, multipliers as ones.
//! The other weights of a branch are scaled so that one step of gradient descent changes the output by an amount that does
//! not depend on the depth.

use super::arguments::Usual;
use super::rule::{Rule, Unfit, rule};
use super::scaled::times;
use super::{Entry, Initializer, KaimingNormal};
use crate::filler::Values;
use crate::{Layout, Mode};

rule! {
    /// The values of `of` times `branches`^(−1 / (2 `layers` − 2)).
    Fixup as fixup {
        /// Residual branches of the network.
        branches: u64,
        /// Weights of one branch, the last one included; at least 2.
        layers: u64 = Usual::Shown(2),
        /// What is scaled.
        of: Box<Initializer> = Usual::Shown(Box::new(Initializer::from(KaimingNormal {
            mode: Mode::FanIn,
            gain: std::f64::consts::SQRT_2,
        }))),
    }
}

impl Rule for Fixup {
    const ENTRY: Entry = Entry {
        name: "fixup",
        aliases: &[],
        formula: "w = branches^(-1/(2 layers - 2)) w', w' by the initializer given, He's unless said otherwise; the last \
                  weight of each branch is zeros",
        when: "Residual networks without normalization: this for the weights of a branch but the last, zeros for the \
               last and for the head.",
        reference: "Zhang, Dauphin and Ma, Fixup Initialization: Residual Learning Without Normalization, ICLR 2019 \
                    (arXiv 1901.09321)",
        example: "fixup(branches=54, layers=2)",
    };

    fn fault(&self) -> Option<&'static str> {
        if self.branches == 0 {
            Some("branches must be positive")
        } else {
            (self.layers < 2).then_some("a branch must have at least 2 layers; its last is zeros")
        }
    }

    fn inner(&self) -> Vec<&Initializer> {
        vec![&self.of]
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        let factor = power(self.branches as f64, -1.0 / (2 * self.layers - 2) as f64);
        times(factor, &self.of, shape, layout)
    }
}

/// x^y for positive x, the same number on every platform.
pub(super) fn power(x: f64, y: f64) -> f64 {
    use crate::math::double::{exp, ln};
    exp(y * ln(x))
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout};

    // The authors' code: conv1's std √(2 / (out · k²)) · L^(-1/2) for two layers; here with the fan-in.
    #[test]
    fn two_layers_scale_by_the_root_of_the_branches() {
        let layout = Layout::conv(2, 1);
        let std = |text: &str| {
            let rule: Initializer = text.parse().unwrap();
            let filler = rule.resolve(&[16, 16, 3, 3], &layout).unwrap();
            filler.expected_std().unwrap()
        };
        let he = (2.0f64 / 144.0).sqrt();
        assert!((std("fixup(54)") / (he / 54f64.sqrt()) - 1.0).abs() < 1e-14);
        // A bottleneck's three layers: L^(-1/4).
        assert!((std("fixup(16, layers=3)") / (he / 2.0) - 1.0).abs() < 1e-14);
        assert_eq!(
            "fixup(54)".parse::<Initializer>().unwrap().to_string(),
            "fixup(branches=54, layers=2, of=kaiming_normal(mode=fan_in, gain=1.4142135623730951))"
        );
        assert!("fixup(54, layers=1)".parse::<Initializer>().is_err());
    }
}
