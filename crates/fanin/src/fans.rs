//! Fan-in and fan-out, and which of them a variance is scaled by.

use std::fmt;
use std::str::FromStr;

/// How many inputs one output unit sums, and how many outputs one input unit feeds.
///
/// Of one unit: groups, fused parts and stacked weights are taken apart first. Not integers in general, because the
/// outputs of a strided transposed convolution see different numbers of inputs; this is their mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fans {
    /// Terms in the sum of one output unit.
    pub fan_in: f64,
    /// Output units that one input unit reaches.
    pub fan_out: f64,
}

impl Fans {
    /// The number that the variance is divided by.
    ///
    /// ```
    /// # use fanin::{Fans, Mode};
    /// let fans = Fans { fan_in: 2.0, fan_out: 8.0 };
    /// assert_eq!(fans.by(Mode::FanAvg), 5.0);
    /// assert_eq!(fans.by(Mode::FanGeoAvg), 4.0);
    /// ```
    pub fn by(self, mode: Mode) -> f64 {
        match mode {
            Mode::FanIn => self.fan_in,
            Mode::FanOut => self.fan_out,
            Mode::FanAvg => 0.5 * (self.fan_in + self.fan_out),
            Mode::FanGeoAvg => (self.fan_in * self.fan_out).sqrt(),
        }
    }
}

/// Which fan a variance is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Keeps the second moment of the forward signal.
    #[default]
    FanIn,
    /// Keeps the second moment of the gradient.
    FanOut,
    /// The arithmetic mean: the compromise of Glorot and Bengio.
    FanAvg,
    /// The geometric mean, √(fan-in · fan-out).
    FanGeoAvg,
}

impl Mode {
    /// All four.
    pub const ALL: [Self; 4] = [Self::FanIn, Self::FanOut, Self::FanAvg, Self::FanGeoAvg];

    /// `fan_in`, `fan_out`, `fan_avg` or `fan_geo_avg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FanIn => "fan_in",
            Self::FanOut => "fan_out",
            Self::FanAvg => "fan_avg",
            Self::FanGeoAvg => "fan_geo_avg",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no [`Mode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown mode '{0}'; known are fan_in, fan_out, fan_avg and fan_geo_avg")]
pub struct UnknownMode(pub(crate) String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| UnknownMode(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_parse_what_they_print_and_nothing_else() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        // No silent fallback for a near miss.
        assert!("fanin".parse::<Mode>().is_err());
        assert!("FAN_IN".parse::<Mode>().is_err());
    }
}
