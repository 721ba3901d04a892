//! `variance_scaling(scale, mode, distribution)`: variance scale / fan, the scheme behind every name.
//!
//! [`xavier`](super::xavier), [`kaiming`](super::kaiming) and [`lecun`](super::lecun) are this with their own scale
//! and fan. The distribution has the variance asked for exactly: the truncated normal is divided by 0.8796, and cut
//! at two of its own standard deviations, whatever they are in absolute terms.

use std::fmt;
use std::str::FromStr;

use super::Entry;
use super::arguments::{Argument, Usual, parsed};
use super::by_fans::by_fans;
use super::rule::{Rule, Unfit, rule};
use crate::filler::Values;
use crate::sampler::{self, Sampler};
use crate::text::{Bound, ParseError};
use crate::{Layout, Mode};

rule! {
    /// Variance `scale` / fan.
    VarianceScaling as variance_scaling {
        /// Variance times fan.
        scale: f64 = Usual::Shown(1.0),
        /// Which fan.
        mode: Mode = Usual::Shown(Mode::FanIn),
        /// Which family.
        distribution: Distribution = Usual::Shown(Distribution::TruncatedNormal),
    }
}

impl Rule for VarianceScaling {
    const ENTRY: Entry = Entry {
        name: "variance_scaling",
        aliases: &[],
        formula: "Var w = scale / n, n = fan_in, fan_out, fan_avg or fan_geo_avg; uniform: ±√(3 scale / n); normal; \
                  truncated_normal: cut at ±2 std and corrected",
        when: "When no name fits: scale is the square of the gain. scale=1 suits what is linear or normalized, 2 ReLU; \
               mode=fan_in keeps the forward signal, fan_out the gradient.",
        reference: "Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS \
                    2010; He et al., Delving Deep into Rectifiers, ICCV 2015",
        example: "variance_scaling(scale=2, mode=fan_in, distribution=truncated_normal)",
    };

    fn fault(&self) -> Option<&'static str> {
        if !self.scale.is_finite() {
            Some("scale must be finite")
        } else {
            (self.scale <= 0.0).then_some("scale must be positive; for zeros write zeros")
        }
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        scaled(
            self.scale.sqrt(),
            self.mode,
            self.distribution,
            shape,
            layout,
        )
    }
}

/// The family that a scaled weight is drawn from. All have the variance asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distribution {
    /// Uniform on ±√3 standard deviations.
    Uniform,
    /// Normal.
    Normal,
    /// Normal, cut at ±2 and widened to the variance asked for.
    #[default]
    TruncatedNormal,
}

impl Distribution {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Uniform, Self::Normal, Self::TruncatedNormal];

    /// `uniform`, `normal` or `truncated_normal`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Normal => "normal",
            Self::TruncatedNormal => "truncated_normal",
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no [`Distribution`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown distribution '{0}'; known are uniform, normal and truncated_normal")]
pub struct UnknownDistribution(String);

impl FromStr for Distribution {
    type Err = UnknownDistribution;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL
            .into_iter()
            .find(|distribution| distribution.name() == text);
        known.ok_or_else(|| UnknownDistribution(text.to_owned()))
    }
}

impl Argument for Distribution {
    fn read(bound: Bound, _: &str) -> Result<Self, ParseError> {
        parsed(&bound)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// The family with the variance `gain`² / fan, what every scaled initializer comes down to.
pub(super) fn scaled(
    gain: f64,
    mode: Mode,
    distribution: Distribution,
    shape: &[usize],
    layout: &Layout,
) -> Result<Values, Unfit> {
    Ok(by_fans(shape, layout, |fans| {
        let fan = fans.by(mode);
        // A tensor, or a part of one, without elements has fans of 0.
        let std = if fan > 0.0 { gain / fan.sqrt() } else { 0.0 };
        match distribution {
            Distribution::Uniform => {
                let bound = std * 3f64.sqrt();
                Sampler::Uniform(sampler::Uniform {
                    low: -bound,
                    high: bound,
                })
            }
            Distribution::Normal => Sampler::Normal(sampler::Normal { mean: 0.0, std }),
            Distribution::TruncatedNormal => {
                Sampler::TruncatedNormal(sampler::TruncatedNormal::two_sigma(std))
            }
        }
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initializer, Seed};

    #[test]
    fn every_family_has_the_variance_asked_for() {
        for distribution in Distribution::ALL {
            for mode in Mode::ALL {
                let scaling = Initializer::variance_scaling(1.5, mode, distribution).unwrap();
                let layout = Layout::conv(2, 2);
                let shape = [128, 64, 5, 5];
                let expected = (1.5 / layout.fans(&shape).unwrap().by(mode)).sqrt();
                let filler = scaling.resolve(&shape, &layout).unwrap();
                assert!((filler.expected_std().unwrap() / expected - 1.0).abs() < 1e-14);
                let mut out = vec![0f32; 128 * 64 * 25];
                scaling
                    .fill(Seed::new(1), "w", &shape, &layout, &mut out)
                    .unwrap();
                let square =
                    out.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / out.len() as f64;
                assert!(
                    (square.sqrt() / expected - 1.0).abs() < 6e-3,
                    "{scaling}: {} {expected}",
                    square.sqrt()
                );
            }
        }
    }

    // One of MindSpore's and Keras's traps: a misspelt or default distribution silently means another one.
    #[test]
    fn distributions_parse_what_they_print_and_nothing_else() {
        for distribution in Distribution::ALL {
            assert_eq!(distribution.to_string().parse(), Ok(distribution));
        }
        assert!("truncated_norm".parse::<Distribution>().is_err());
    }

    #[test]
    fn unequal_fused_parts_have_their_own_scale() {
        let layout = Layout::linear_in_out().fused(&[300, 100]);
        let xavier = Initializer::xavier_normal(1.0).unwrap();
        let filler = xavier.resolve(&[200, 400], &layout).unwrap();
        let mut out = vec![0f64; 200 * 400];
        filler
            .fill(&crate::Stream::new(Seed::new(9), "kv"), 0, &mut out)
            .unwrap();
        for (columns, expected) in [
            (0..300, (2.0f64 / 500.0).sqrt()),
            (300..400, (2.0f64 / 300.0).sqrt()),
        ] {
            let values = (0..200)
                .flat_map(|r| columns.clone().map(move |c| r * 400 + c))
                .map(|i| out[i]);
            let square = values.map(|x| x * x).sum::<f64>() / (200 * columns.len()) as f64;
            assert!(
                (square.sqrt() / expected - 1.0).abs() < 0.02,
                "{} {expected}",
                square.sqrt()
            );
        }
    }
}
