//! The number formats that can be filled.

use std::fmt;
use std::str::FromStr;

/// The format of one element.
///
/// `f32` is the definition: the narrower formats are the `f32` value rounded to nearest even, and `f64` is computed in
/// double precision from the same words and agrees with `f32` to its rounding.
///
/// A match over it is exhaustive, on purpose: whoever writes numbers has to answer for a further format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE binary64.
    F64,
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// The upper half of binary32.
    BF16,
    /// OCP E4M3 without infinities, saturating at ±448: [`F8E4M3`](crate::F8E4M3).
    F8E4M3,
    /// OCP E5M2: [`F8E5M2`](crate::F8E5M2).
    F8E5M2,
}

impl DType {
    /// All of them, widest first.
    pub const ALL: [Self; 6] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::F8E4M3,
        Self::F8E5M2,
    ];

    /// Bytes per element.
    pub const fn size_of(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::F8E4M3 | Self::F8E5M2 => 1,
        }
    }

    /// `f64`, `f32`, `f16`, `bf16`, `f8e4m3` or `f8e5m2`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F8E4M3 => "f8e4m3",
            Self::F8E5M2 => "f8e5m2",
        }
    }

    /// As safetensors files name it: `F64`, …, `F8_E5M2`.
    pub const fn safetensors_name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no [`DType`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dtype '{0}'; known are f64, f32, f16, bf16, f8e4m3 and f8e5m2")]
pub struct UnknownDType(String);

impl FromStr for DType {
    type Err = UnknownDType;

    /// Also takes the frameworks' names: `float32`, `torch.bfloat16`, `half`, `double`, ….
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim().to_ascii_lowercase();
        match name.strip_prefix("torch.").unwrap_or(&name) {
            "f64" | "float64" | "double" => Ok(Self::F64),
            "f32" | "float32" | "float" | "single" => Ok(Self::F32),
            "f16" | "float16" | "half" => Ok(Self::F16),
            "bf16" | "bfloat16" => Ok(Self::BF16),
            "f8e4m3" | "f8e4m3fn" | "f8_e4m3" | "float8_e4m3fn" => Ok(Self::F8E4M3),
            "f8e5m2" | "f8_e5m2" | "float8_e5m2" => Ok(Self::F8E5M2),
            _ => Err(UnknownDType(text.to_owned())),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for DType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for DType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_prints() {
        for dtype in DType::ALL {
            assert_eq!(dtype.to_string().parse(), Ok(dtype));
            assert_eq!(dtype.safetensors_name().parse(), Ok(dtype));
        }
        assert_eq!("torch.bfloat16".parse(), Ok(DType::BF16));
        let error = "f8".parse::<DType>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown dtype 'f8'; known are f64, f32, f16, bf16, f8e4m3 and f8e5m2"
        );
    }
}
