//! The arithmetic of the fill path on several lanes at once.
//!
//! A function of `math/single.rs` is written once, over [`Simd`], and runs on one lane ([`Portable`], safe code that the
//! compiler vectorizes as the target allows) or with the instructions of one processor family. Every operation is that
//! of IEEE or of integers modulo 2³² lane by lane, so all of them give the same bits.
//!
//! A value of type [`Avx2`] or [`Avx512`] is the proof that the processor has the instructions; only `detect` makes one,
//! and vectors are only made from one. That is the reason of every unsafe block in `avx2.rs` and `avx512.rs` that is not
//! about memory.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dispatch;
mod portable;
#[cfg(test)]
mod tests;
mod two;

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Sub};

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use dispatch::dispatch;
#[cfg(test)]
pub(crate) use dispatch::on;
pub(crate) use portable::Portable;
pub(crate) use two::{Pair, Two};

use crate::stream::{Keys, LANES, TILE, Words};

/// Lanes of one floating-point type.
pub trait Floats<S, T>:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// How many; divides 16.
    const LANES: usize;

    /// The same value in every lane.
    fn splat(s: S, x: T) -> Self;

    /// The first lanes of a slice that has as many.
    fn load(s: S, from: &[T]) -> Self;

    /// Into the beginning of a slice that has as many.
    fn store(self, to: &mut [T]);
}

/// Arithmetic on several lanes at once: `F` are lanes of `f32`, `U` of 32-bit words, `M` of truth values.
pub trait Lanes: Copy {
    type F: Copy
        + Add<Output = Self::F>
        + Sub<Output = Self::F>
        + Mul<Output = Self::F>
        + Div<Output = Self::F>;
    /// Addition and subtraction modulo 2³².
    type U: Copy
        + Add<Output = Self::U>
        + Sub<Output = Self::U>
        + BitAnd<Output = Self::U>
        + BitOr<Output = Self::U>
        + BitXor<Output = Self::U>;
    type M: Copy;

    /// The same value in every lane.
    fn float(self, x: f32) -> Self::F;
    fn sqrt(self, x: Self::F) -> Self::F;
    /// `a > b ? a : b`.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a < b ? a : b`.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn bits(self, x: Self::F) -> Self::U;
    fn float_from_bits(self, x: Self::U) -> Self::F;
    /// Of the words as signed integers.
    fn float_from_signed(self, x: Self::U) -> Self::F;
    /// Where `m`, `a`, else `b`.
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;

    /// The same word in every lane.
    fn word(self, x: u32) -> Self::U;
    fn shift_left(self, x: Self::U, by: u32) -> Self::U;
    fn shift_right(self, x: Self::U, by: u32) -> Self::U;
    /// Of the words as signed integers, modulo 2³².
    fn abs(self, x: Self::U) -> Self::U;
    fn select_words(self, m: Self::M, a: Self::U, b: Self::U) -> Self::U;
    /// `w · step + start` modulo 2⁶⁴: upper and lower words.
    fn multiply_add_wide(self, w: Self::U, step: u32, start: u64) -> (Self::U, Self::U);

    fn is_nan(self, x: Self::F) -> Self::M;
    /// Whether the highest bit is set.
    fn negative(self, x: Self::U) -> Self::M;
    fn equal(self, a: Self::U, b: Self::U) -> Self::M;
    /// `a > b` as signed integers.
    fn greater(self, a: Self::U, b: Self::U) -> Self::M;
    fn any(self, m: Self::M) -> bool;
}

/// One instruction set: its lanes, memory, and the tiles of a stream.
pub trait Simd: Lanes<F: Floats<Self, f32>> + Send + Sync {
    /// Lanes of `F`, `U` and `M`; divides 16.
    const LANES: usize;

    /// Lanes of `f64`.
    type D: Floats<Self, f64>;
    /// The words of one tile.
    type Tile: Copy;

    /// The first lanes of a slice that has as many.
    #[cfg_attr(not(test), allow(dead_code, reason = "tiles are made in registers"))]
    fn load_words(self, from: &[u32]) -> Self::U;
    /// The lower halves of the words.
    fn store_u16(self, x: Self::U, to: &mut [u16]);
    /// The upper halves of the words: of the first vector to row `row` of a tile from `lane` on, of the second to the row
    /// after it.
    #[inline(always)]
    fn store_upper_halves(
        self,
        words: [Self::U; 2],
        to: &mut [u16; TILE],
        row: usize,
        lane: usize,
    ) {
        let [first, second] = words;
        let (first, second) = (self.shift_right(first, 16), self.shift_right(second, 16));
        self.store_u16(first, &mut to[row * LANES + lane..]);
        self.store_u16(second, &mut to[(row + 1) * LANES + lane..]);
    }
    /// The lowest bytes of the words.
    fn store_u8(self, x: Self::U, to: &mut [u8]);
    /// Rounded to binary16, nearest even.
    fn store_f16(self, x: Self::F, to: &mut [half::f16]);

    /// Philox4x32-10 of 16 counters that differ in the lowest word alone, which starts at a multiple of 16.
    fn philox(self, keys: &Keys, counter: [u32; 4]) -> Self::Tile;
    /// Two tiles at a time.
    #[inline(always)]
    fn philox_two(self, keys: &Keys, counters: [[u32; 4]; 2]) -> [Self::Tile; 2] {
        [
            self.philox(keys, counters[0]),
            self.philox(keys, counters[1]),
        ]
    }
    /// Words `lane ..` of row j of a tile, of which `lane` is a multiple of the number of lanes.
    fn words(self, tile: &Self::Tile, j: usize, lane: usize) -> Self::U;
    /// A tile in memory.
    fn store_tile(self, tile: &Self::Tile) -> Words;
    /// A tile with these words.
    fn load_tile(self, words: &Words) -> Self::Tile;
}

/// Work that is written over [`Simd`].
///
/// `run` and all it calls for every element must be `#[inline(always)]`: only what is inlined is compiled for the
/// instruction set.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, s: S) -> Self::Output;
}
