//! The element types a slice can have.

use half::{bf16, f16};

use crate::DType;

/// An element that can be filled: `f64`, `f32`, [`half::f16`] or [`half::bf16`].
///
/// Sealed: the bits of every element type are part of the stream's contract.
pub trait Element: private::Sealed + Copy + Default + PartialEq + Send + Sync + 'static {
    /// Its format.
    const DTYPE: DType;

    /// A constant as this type: rounded to `f32` first, unless this is `f64`.
    fn from_f64(value: f64) -> Self;

    /// The value, exactly.
    fn to_f64(self) -> f64;
}

pub(crate) mod private {
    /// Says what the values of an element type are computed in.
    pub trait Sealed: Sized {
        /// `f64` for `f64`, `f32` for all others.
        type Real: Real;

        /// Rounds a computed value to nearest even.
        fn round(value: Self::Real) -> Self;
    }

    /// `f32` or `f64`.
    pub trait Real:
        super::Element
        + Sealed<Real = Self>
        + std::fmt::Debug
        + PartialOrd
        + std::ops::Add<Output = Self>
        + std::ops::Sub<Output = Self>
        + std::ops::Mul<Output = Self>
    {
        /// Whether values are refined by the sub-stream of low words.
        const DOUBLE: bool;

        /// The tile computed in this type.
        fn pick(
            single: impl FnOnce() -> [f32; 64],
            double: impl FnOnce() -> [f64; 64],
        ) -> [Self; 64];
    }
}

use private::{Real, Sealed};

impl Element for f32 {
    const DTYPE: DType = DType::F32;

    fn from_f64(value: f64) -> Self {
        value as Self
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl Sealed for f32 {
    type Real = Self;

    #[inline(always)]
    fn round(value: Self) -> Self {
        value
    }
}

impl Real for f32 {
    const DOUBLE: bool = false;

    #[inline(always)]
    fn pick(single: impl FnOnce() -> [f32; 64], _: impl FnOnce() -> [f64; 64]) -> [Self; 64] {
        single()
    }
}

impl Element for f64 {
    const DTYPE: DType = DType::F64;

    fn from_f64(value: f64) -> Self {
        value
    }

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
}

impl Real for f64 {
    const DOUBLE: bool = true;

    #[inline(always)]
    fn pick(_: impl FnOnce() -> [f32; 64], double: impl FnOnce() -> [f64; 64]) -> [Self; 64] {
        double()
    }
}

impl Element for f16 {
    const DTYPE: DType = DType::F16;

    fn from_f64(value: f64) -> Self {
        Self::from_f32(value as f32)
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl Sealed for f16 {
    type Real = f32;

    #[inline(always)]
    fn round(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl Element for bf16 {
    const DTYPE: DType = DType::BF16;

    fn from_f64(value: f64) -> Self {
        Self::from_f32(value as f32)
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl Sealed for bf16 {
    type Real = f32;

    #[inline(always)]
    fn round(value: f32) -> Self {
        Self::from_f32(value)
    }
}
