//! How each format is filled and rounded.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::Element;
use super::private::{Draw, Real, Sealed, Single};
use crate::sampler::fill::{FillDouble, FillSingle};
use crate::simd::{self, Floats, Simd};
use crate::stream::{Stream, TILE};
use crate::{DType, F8E4M3, F8E5M2};

macro_rules! single {
    ($type:ty, $value:ident => $rounded:expr) => {
        impl Sealed for $type {
            type Real = f32;

            #[inline(always)]
            fn round($value: f32) -> Self {
                $rounded
            }

            fn fill<R: Draw>(rule: &R, stream: &Stream, start: u64, out: &mut [Self]) {
                simd::dispatch(FillSingle {
                    rule,
                    stream,
                    start,
                    out,
                });
            }
        }
    };
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;

    #[inline]
    fn from_f64(value: f64) -> Self {
        value as Self
    }

    #[inline]
    fn to_f64(self) -> f64 {
        self.into()
    }
}

single!(f32, value => value);

impl Real for f32 {
    type Lanes<S: Simd> = S::F;
}

impl Single for f32 {
    #[inline(always)]
    fn put<S: Simd>(_: S, x: S::F, to: &mut [Self]) {
        x.store(to);
    }
}

impl Element for f64 {
    const DTYPE: DType = DType::F64;

    #[inline]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline]
    fn to_f64(self) -> f64 {
        self
    }
}

impl Sealed for f64 {
    type Real = Self;

    #[inline(always)]
    fn round(value: Self) -> Self {
        value
    }

    fn fill<R: Draw>(rule: &R, stream: &Stream, start: u64, out: &mut [Self]) {
        simd::dispatch(FillDouble {
            rule,
            high: stream,
            low: &stream.substream("low"),
            start,
            out,
        });
    }
}

impl Real for f64 {
    type Lanes<S: Simd> = S::D;
}

impl Element for f16 {
    const DTYPE: DType = DType::F16;

    #[inline]
    fn from_f64(value: f64) -> Self {
        Self::from_f32(value as f32)
    }

    #[inline]
    fn to_f64(self) -> f64 {
        self.into()
    }
}

single!(f16, value => Self::from_f32(value));

impl Single for f16 {
    #[inline(always)]
    fn put<S: Simd>(s: S, x: S::F, to: &mut [Self]) {
        s.store_f16(x, to);
    }
}

impl Element for bf16 {
    const DTYPE: DType = DType::BF16;

    #[inline]
    fn from_f64(value: f64) -> Self {
        Self::from_f32(value as f32)
    }

    #[inline]
    fn to_f64(self) -> f64 {
        self.into()
    }
}

single!(bf16, value => Self::from_f32(value));

impl Single for bf16 {
    #[inline(always)]
    fn put<S: Simd>(s: S, x: S::F, to: &mut [Self]) {
        let rounded = s.shift_right(round_upper_half(s, x), 16);
        s.store_u16(rounded, to.reinterpret_cast_mut());
    }

    #[inline(always)]
    fn put_two<S: Simd>(s: S, x: [S::F; 2], to: &mut [Self; TILE], row: usize, lane: usize) {
        let rounded = [round_upper_half(s, x[0]), round_upper_half(s, x[1])];
        s.store_upper_halves(rounded, bytemuck::cast_mut(to), row, lane);
    }
}

/// The bits of f32 with the upper half rounded to nearest even; the lower half is left over.
#[inline(always)]
fn round_upper_half<S: Simd>(s: S, x: S::F) -> S::U {
    let bits = s.bits(x);
    // Half of the last place, a little less where it is even. Not for NaN, which would wrap.
    let last = s.shift_right(bits, 16) & s.word(1);
    let rounded = bits + s.word(0x7fff) + last;
    s.select_words(s.is_nan(x), bits | s.word(0x0040_0000), rounded)
}

macro_rules! float8 {
    ($type:ty, $dtype:expr) => {
        impl Element for $type {
            const DTYPE: DType = $dtype;

            #[inline]
            fn from_f64(value: f64) -> Self {
                Self::from_f32(value as f32)
            }

            #[inline]
            fn to_f64(self) -> f64 {
                self.to_f32().into()
            }
        }

        single!($type, value => Self::from_f32(value));

        impl Single for $type {
            #[inline(always)]
            fn put<S: Simd>(s: S, x: S::F, to: &mut [Self]) {
                s.store_u8(Self::round(s, x), bytemuck::cast_slice_mut(to));
            }
        }
    };
}

float8!(F8E4M3, DType::F8E4M3);
float8!(F8E5M2, DType::F8E5M2);
