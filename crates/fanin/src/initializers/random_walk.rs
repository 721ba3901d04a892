//! `random_walk(units, gain)`: the scale that keeps the logarithm of a signal's norm, not its square, from drifting.
//!
//! At finite width the squared norm is kept on average by a few networks of huge norm, while in most the signal dies
//! away: the logarithm drifts by about −1/(2 n) a layer for linear units, and more for ReLU. This scale takes the drift
//! out, and the logarithm is a random walk without a trend.

use super::Entry;
use super::arguments::{Usual, words};
use super::by_fans::normal_by_fans;
use super::rule::{Rule, Unfit, gain_fault, rule};
use crate::Layout;
use crate::filler::Values;
use crate::math::double::exp;

words! {
    /// The units of the layer.
    Units {
        /// No activation, or one that is linear near 0, as tanh.
        Linear = "linear",
        /// ReLU.
        Relu = "relu",
    }
}

rule! {
    /// N(0, g² / fan_in) with g = e^(1/(2 n)), or √2 e^(1.2 / (max(n, 6) − 2.4)) for ReLU.
    RandomWalk as random_walk {
        /// Which units.
        units: Units = Usual::Shown(Units::Relu),
        /// One more factor.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for RandomWalk {
    const ENTRY: Entry = Entry {
        name: "random_walk",
        aliases: &["random_walk_initialization"],
        formula: "w ~ N(0, (gain g)² / n), n = fan_in; linear: g = exp(1 / (2 n)); relu: g = √2 exp(1.2 / (max(n, 6) - \
                  2.4))",
        when: "Very deep plain networks of narrow layers, where the mean of the squared norm says little of a single \
               network. At n = 1000 the difference from He's is 0.1 % per layer.",
        reference: "Sussillo and Abbott, Random Walk Initialization for Training Very Deep Feedforward Networks, 2014 \
                    (arXiv 1412.6558)",
        example: "random_walk(units=relu)",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        normal_by_fans(shape, layout, |fans| {
            let n = fans.fan_in;
            let g = match self.units {
                Units::Linear => exp(0.5 / n),
                Units::Relu => std::f64::consts::SQRT_2 * exp(1.2 / (n.max(6.0) - 2.4)),
            };
            self.gain * g / n.sqrt()
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    /// The mean of the logarithm of the norm after 40 layers of width 24, over many networks, does not drift; that of
    /// LeCun's and He's does.
    #[test]
    fn the_logarithm_of_the_norm_does_not_drift() {
        let (width, depth, networks) = (24, 40, 400);
        let drift = |text: &str, relu: bool| {
            let rule: Initializer = text.parse().unwrap();
            let layout = Layout::linear_out_in().stack(1);
            let mut logs = Vec::new();
            for network in 0..networks {
                let mut w = vec![0f32; depth * width * width];
                rule.fill(
                    Seed::new(network),
                    "w",
                    &[depth, width, width],
                    &layout,
                    &mut w,
                )
                .unwrap();
                let mut x = vec![1f64; width];
                let norm = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
                let before = norm(&x);
                for layer in w.chunks(width * width) {
                    let z = layer.chunks(width).map(|row| {
                        row.iter()
                            .zip(&x)
                            .map(|(w, x)| f64::from(*w) * x)
                            .sum::<f64>()
                    });
                    x = z.map(|z| if relu { z.max(0.0) } else { z }).collect();
                }
                logs.push((norm(&x).max(1e-300) / before).ln());
            }
            let mean = logs.iter().sum::<f64>() / networks as f64;
            let var = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / networks as f64;
            (mean, (var / networks as f64).sqrt())
        };
        let (mean, error) = drift("random_walk(units=linear)", false);
        assert!(mean.abs() < 5.0 * error, "linear: {mean} ± {error}");
        let (plain, error) = drift("lecun_normal", false);
        assert!(plain < -5.0 * error, "LeCun's drifts: {plain} ± {error}");
        // For ReLU the paper's formula is a fit.
        let (mean, error) = drift("random_walk(units=relu)", true);
        assert!(mean.abs() < 5.0 * error, "relu: {mean} ± {error}");
        let (plain, error) = drift("kaiming_normal", true);
        assert!(plain < -5.0 * error, "He's drifts: {plain} ± {error}");
    }

    #[test]
    fn the_papers_gains() {
        let std = |text: &str, n| {
            let rule: Initializer = text.parse().unwrap();
            let layout = Layout::linear_out_in();
            rule.resolve(&[4, n], &layout)
                .unwrap()
                .expected_std()
                .unwrap()
        };
        let relu = 2f64.sqrt() * (1.2f64 / 97.6).exp() / 10.0;
        assert!((std("random_walk", 100) - relu).abs() < 1e-15);
        assert!((std("random_walk(linear)", 100) - (0.005f64).exp() / 10.0).abs() < 1e-15);
    }
}
