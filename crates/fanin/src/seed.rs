//! What the user gives: one number for the whole model.

use std::fmt;
use std::str::FromStr;

/// The seed of a model. There is no default: whoever fills weights says which ones.
///
/// The seed is the key of the generator, so two seeds give unrelated values, however close the numbers are.
///
/// ```
/// # use fanin::Seed;
/// let seed: Seed = "42".parse()?;
/// assert_eq!(seed, Seed::new(42));
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seed(u64);

impl Seed {
    /// Any number will do.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number given.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl From<u64> for Seed {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seed {
    type Err = std::num::ParseIntError;

    /// Decimal, or hexadecimal after `0x`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        }
        .map(Self)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Seed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Seed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_prints() {
        for value in [0, 1, 42, u64::MAX] {
            assert_eq!(Seed::new(value).to_string().parse(), Ok(Seed::new(value)));
        }
        assert_eq!("0xff".parse(), Ok(Seed::new(255)));
        assert!("-1".parse::<Seed>().is_err());
    }
}
