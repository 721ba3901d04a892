//! The element types a slice can have.

mod formats;

use crate::DType;

/// An element that can be filled: `f64`, `f32`, [`half::f16`], [`half::bf16`], [`F8E4M3`](crate::F8E4M3) or
/// [`F8E5M2`](crate::F8E5M2).
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
    use crate::simd::{Floats, Simd};
    use crate::stream::{LANES, Stream, TILE, Words};

    /// How the words of a tile become its values.
    pub trait Draw {
        /// In single precision, rounded to the element type.
        fn single<S: Simd, T: Single>(&self, s: S, tile: &S::Tile, out: &mut [T; TILE]);

        /// In double precision, the words refined by those of the sub-stream `low`.
        fn double(&self, high: &Words, low: &Words, out: &mut [f64; TILE]);
    }

    /// Says what the values of an element type are computed in, and computes them.
    pub trait Sealed: Sized {
        /// `f64` for `f64`, `f32` for all others.
        type Real: Real;

        /// Rounds a computed value to nearest even.
        fn round(value: Self::Real) -> Self;

        /// Writes elements `start ..` of the tensor whose stream this is, on this thread.
        fn fill<R: Draw>(rule: &R, stream: &Stream, start: u64, out: &mut [Self]);
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
        /// Lanes of it.
        type Lanes<S: Simd>: Floats<S, Self>;
    }

    /// Computed in `f32`.
    pub trait Single: super::Element + Sealed<Real = f32> {
        /// Rounds the lanes into the beginning of a slice that has as many elements.
        fn put<S: Simd>(s: S, x: S::F, to: &mut [Self]);

        /// Rounds two vectors of lanes into rows `row` and `row + 1` of a tile, from `lane` on.
        #[inline(always)]
        fn put_two<S: Simd>(s: S, x: [S::F; 2], to: &mut [Self; TILE], row: usize, lane: usize) {
            let [first, second] = x;
            Self::put(s, first, &mut to[row * LANES + lane..]);
            Self::put(s, second, &mut to[(row + 1) * LANES + lane..]);
        }
    }
}
