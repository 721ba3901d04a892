//! The two 8-bit formats of the Open Compute Project.

#![allow(
    unsafe_code,
    reason = "bytemuck's derive writes `unsafe impl` for a transparent byte and checks that it is one"
)]

use std::fmt;

use crate::simd::{Portable, Simd};

/// OCP E4M3 in its finite form (`float8_e4m3fn`): 4 bits of exponent, 3 of mantissa, no infinities, largest value 448.
///
/// [`from_f32`](Self::from_f32) rounds to nearest even and saturates: what lies beyond ±448, infinities included,
/// becomes ±448, as in PyTorch 2.15.
///
/// Micikevicius et al., *FP8 Formats for Deep Learning*, 2022; *OCP 8-bit Floating Point Specification* 1.0.
///
/// ```
/// # use fanin::F8E4M3;
/// assert_eq!(F8E4M3::from_f32(1.3).to_f32(), 1.25);
/// assert_eq!(F8E4M3::from_f32(1e9).to_f32(), 448.0);
/// ```
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct F8E4M3(u8);

/// OCP E5M2 (`float8_e5m2`): the upper half of binary16, with infinities, largest finite value 57344.
///
/// [`from_f32`](Self::from_f32) rounds to nearest even; from 61440 on that is infinity.
///
/// Micikevicius et al., *FP8 Formats for Deep Learning*, 2022; *OCP 8-bit Floating Point Specification* 1.0.
///
/// ```
/// # use fanin::F8E5M2;
/// assert_eq!(F8E5M2::from_f32(1.3).to_f32(), 1.25);
/// assert_eq!(F8E5M2::from_f32(1e9).to_f32(), f32::INFINITY);
/// ```
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct F8E5M2(u8);

macro_rules! float8 {
    ($type:ident) => {
        impl $type {
            /// The number with this encoding.
            pub const fn from_bits(bits: u8) -> Self {
                Self(bits)
            }

            /// Its encoding.
            pub const fn to_bits(self) -> u8 {
                self.0
            }

            /// The nearest number, the even one of two; NaN stays NaN.
            pub fn from_f32(value: f32) -> Self {
                Self(Self::round(Portable, value).0 as u8)
            }
        }

        /// As numbers: NaN equals nothing, and the two zeros are equal.
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.to_f32() == other.to_f32()
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                self.to_f32().partial_cmp(&other.to_f32())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.to_f32().fmt(f)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.to_f32().fmt(f)
            }
        }

        impl From<$type> for f32 {
            fn from(value: $type) -> Self {
                value.to_f32()
            }
        }
    };
}

float8!(F8E4M3);
float8!(F8E5M2);

impl F8E4M3 {
    /// The value, exactly.
    pub fn to_f32(self) -> f32 {
        let sign = u32::from(self.0 & 0x80) << 24;
        let magnitude = u32::from(self.0 & 0x7f);
        let value = match magnitude {
            0..8 => magnitude as f32 * (1.0 / 512.0),
            0x7f => f32::NAN,
            _ => f32::from_bits((magnitude << 20) + (120 << 23)),
        };
        f32::from_bits(value.to_bits() | sign)
    }

    /// The encodings of the nearest numbers.
    #[inline(always)]
    pub(crate) fn round<S: Simd>(s: S, x: S::F) -> S::U {
        let code = round(s, x, 3, 120, 16_384.0);
        let code = s.select_words(s.greater(code, s.word(0x7e)), s.word(0x7e), code);
        with_sign_and_nan(s, x, code)
    }
}

impl F8E5M2 {
    /// The value, exactly.
    pub fn to_f32(self) -> f32 {
        half::f16::from_bits(u16::from(self.0) << 8).to_f32()
    }

    /// The encodings of the nearest numbers.
    #[inline(always)]
    pub(crate) fn round<S: Simd>(s: S, x: S::F) -> S::U {
        let code = round(s, x, 2, 112, 128.0);
        let code = s.select_words(s.greater(code, s.word(0x7c)), s.word(0x7c), code);
        with_sign_and_nan(s, x, code)
    }
}

/// Magnitudes as if the exponent had no end: `rebias` is the difference of the biases, and `unit` the number whose last
/// place in f32 is the smallest number of the format, so that adding it rounds a subnormal.
#[inline(always)]
fn round<S: Simd>(s: S, x: S::F, mantissa: u32, rebias: u32, unit: f32) -> S::U {
    let magnitude = s.bits(x) & s.word(0x7fff_ffff);
    let shift = 23 - mantissa;
    let last = s.shift_right(magnitude, shift) & s.word(1);
    let half = s.word((1 << (shift - 1)) - 1);
    let normal = s.shift_right(magnitude + half + last - s.word(rebias << 23), shift);
    let subnormal = s.bits(s.float_from_bits(magnitude) + s.float(unit)) - s.word(unit.to_bits());
    let small = s.greater(s.word((rebias + 1) << 23), magnitude);
    s.select_words(small, subnormal, normal)
}

#[inline(always)]
fn with_sign_and_nan<S: Simd>(s: S, x: S::F, code: S::U) -> S::U {
    let bits = s.bits(x);
    let nan = s.greater(bits & s.word(0x7fff_ffff), s.word(0x7f80_0000));
    let sign = s.shift_right(bits, 24) & s.word(0x80);
    s.select_words(nan, s.word(0x7f), code) | sign
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a over the encodings of every bf16, and of the f32 just above and below.
    fn digest(encode: impl Fn(f32) -> u8) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for upper in 0..=0xffffu32 {
            for bits in [upper << 16, (upper << 16).wrapping_sub(1), upper << 16 | 1] {
                let byte = encode(f32::from_bits(bits));
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash
    }

    // The digests are those of PyTorch's conversions; tools/golden_float8.py prints them.
    #[test]
    fn rounds_as_pytorch_does() {
        assert_eq!(
            digest(|x| F8E4M3::from_f32(x).to_bits()),
            0x2489_7f5a_fe41_71c5
        );
        assert_eq!(
            digest(|x| F8E5M2::from_f32(x).to_bits()),
            0x6178_a9cc_cdd4_3fe5
        );
    }

    /// By definition: of two neighbours the nearer, of two equally near the even one.
    #[test]
    fn rounds_to_the_nearest_of_two_neighbours() {
        fn check(largest: u8, decode: impl Fn(u8) -> f32, encode: impl Fn(f32) -> u8) {
            for code in 0..largest {
                let (low, high) = (decode(code), decode(code + 1));
                let middle = 0.5 * (low + high);
                let even = code + (code & 1);
                for (value, expected) in [
                    (low, code),
                    (middle.next_down(), code),
                    (middle, even),
                    (middle.next_up(), code + 1),
                    (high, code + 1),
                ] {
                    assert_eq!(encode(value), expected, "{value}");
                    assert_eq!(encode(-value), expected | 0x80, "-{value}");
                }
            }
        }
        check(
            0x7e,
            |code| F8E4M3(code).to_f32(),
            |x| F8E4M3::from_f32(x).0,
        );
        check(
            0x7b,
            |code| F8E5M2(code).to_f32(),
            |x| F8E5M2::from_f32(x).0,
        );
    }

    #[test]
    fn values_are_those_of_the_specification() {
        let e4m3 = |bits| F8E4M3(bits).to_f32();
        assert_eq!(
            [e4m3(0x01), e4m3(0x07), e4m3(0x08), e4m3(0x38), e4m3(0xfe)],
            [1.0 / 512.0, 7.0 / 512.0, 1.0 / 64.0, 1.0, -448.0]
        );
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());
        let e5m2 = |bits| F8E5M2(bits).to_f32();
        assert_eq!(
            [e5m2(0x01), e5m2(0x04), e5m2(0x3c), e5m2(0x7b), e5m2(0xfc)],
            [
                1.0 / 65536.0,
                1.0 / 16384.0,
                1.0,
                57344.0,
                f32::NEG_INFINITY
            ]
        );
        assert!(e5m2(0x7d).is_nan() && e5m2(0x7f).is_nan());
    }
}
