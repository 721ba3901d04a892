//! `siren_first`, `siren(omega)`: networks whose activation is sin(ω z).
//!
//! The first layer spreads the input over about ω periods; after it the distribution of the activations is the same at
//! every depth: the arguments of the sine are standard normal, its values have the arcsine distribution.

use super::Entry;
use super::arguments::Usual;
use super::by_fans::uniform_by_fans;
use super::rule::{Rule, Unfit, rule};
use crate::Layout;
use crate::filler::Values;

const REFERENCE: &str = "Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions, NeurIPS \
                         2020 (arXiv 2006.09661)";

rule! {
    /// U(±1 / fan_in).
    SirenFirst as siren_first {}
}

rule! {
    /// U(±√(6 / fan_in) / `omega`).
    Siren as siren {
        /// The factor inside the sine.
        omega: f64 = Usual::Shown(30.0),
    }
}

impl Rule for SirenFirst {
    const ENTRY: Entry = Entry {
        name: "siren_first",
        aliases: &[],
        formula: "w ~ U[±1 / fan_in]",
        when: "The first layer of a network of sin(ω z), ω = 30, with inputs in [-1, 1].",
        reference: REFERENCE,
        example: "siren_first",
    };

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        uniform_by_fans(shape, layout, |fans| 1.0 / fans.fan_in)
    }
}

impl Rule for Siren {
    const ENTRY: Entry = Entry {
        name: "siren",
        aliases: &["siren_hidden"],
        formula: "w ~ U[±√(6 / fan_in) / omega]",
        when: "All layers but the first of a network of sin(omega z).",
        reference: REFERENCE,
        example: "siren(omega=30)",
    };

    fn fault(&self) -> Option<&'static str> {
        if !self.omega.is_finite() {
            Some("omega must be finite")
        } else {
            (self.omega <= 0.0).then_some("omega must be positive")
        }
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        uniform_by_fans(shape, layout, |fans| {
            (6.0 / fans.fan_in).sqrt() / self.omega
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    /// The paper's theorem: the arguments of the sine are standard normal at every depth, the values arcsine (variance
    /// 1/2).
    #[test]
    fn activations_have_the_same_distribution_at_every_depth() {
        let (n, layers, layout) = (256, 5, Layout::linear_out_in());
        let draw = |text: &str, name: &str, shape: [usize; 2]| {
            let mut w = vec![0f32; shape[0] * shape[1]];
            text.parse::<Initializer>()
                .unwrap()
                .fill(Seed::new(0), name, &shape, &layout, &mut w)
                .unwrap();
            w
        };
        let weights: Vec<Vec<f32>> = (0..layers)
            .map(|l| draw("siren(omega=30)", &l.to_string(), [n, n]))
            .collect();
        let first = draw("siren_first", "first", [n, 1]);
        let (mut arguments, mut values) = (vec![0.0; layers], vec![0.0; layers]);
        let samples = 32;
        for s in 0..samples {
            let input = -1.0 + 2.0 * (f64::from(s) + 0.5) / f64::from(samples);
            let mut x: Vec<f64> = first
                .iter()
                .map(|w| (30.0 * f64::from(*w) * input).sin())
                .collect();
            for (l, w) in weights.iter().enumerate() {
                let z: Vec<f64> = w
                    .chunks(n)
                    .map(|row| {
                        30.0 * row
                            .iter()
                            .zip(&x)
                            .map(|(w, x)| f64::from(*w) * x)
                            .sum::<f64>()
                    })
                    .collect();
                x = z.iter().map(|z| z.sin()).collect();
                let scale = 1.0 / (n as f64 * f64::from(samples));
                arguments[l] += z.iter().map(|z| z * z).sum::<f64>() * scale;
                values[l] += x.iter().map(|x| x * x).sum::<f64>() * scale;
            }
        }
        // U(±√(6/n)/ω) · ω has variance 2/n, times n/2: one. E sin² of N(0, 1) is 0.432.
        for l in 1..layers {
            assert!(
                (arguments[l] - 0.9).abs() < 0.2,
                "layer {l}: {}",
                arguments[l]
            );
            assert!((values[l] - 0.42).abs() < 0.07, "layer {l}: {}", values[l]);
        }
    }
}
