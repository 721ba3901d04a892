//! One lane of plain Rust: the definition that the other instruction sets are tested against.

use std::num::Wrapping;

use super::{Floats, Lanes, Simd};
use crate::stream::{Keys, LANES, Words, philox_lanes};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Floats<Portable, f32> for f32 {
    const LANES: usize = 1;

    #[inline(always)]
    fn splat(_: Portable, x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn load(_: Portable, from: &[f32]) -> Self {
        from[0]
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        to[0] = self;
    }
}

impl Floats<Portable, f64> for f64 {
    const LANES: usize = 1;

    #[inline(always)]
    fn splat(_: Portable, x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn load(_: Portable, from: &[f64]) -> Self {
        from[0]
    }

    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        to[0] = self;
    }
}

impl Lanes for Portable {
    type F = f32;
    type U = Wrapping<u32>;
    type M = bool;

    #[inline(always)]
    fn float(self, x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn sqrt(self, x: f32) -> f32 {
        x.sqrt()
    }

    #[inline(always)]
    fn max(self, a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }

    #[inline(always)]
    fn min(self, a: f32, b: f32) -> f32 {
        if a < b { a } else { b }
    }

    #[inline(always)]
    fn bits(self, x: f32) -> Self::U {
        Wrapping(x.to_bits())
    }

    #[inline(always)]
    fn float_from_bits(self, x: Self::U) -> f32 {
        f32::from_bits(x.0)
    }

    #[inline(always)]
    fn float_from_signed(self, x: Self::U) -> f32 {
        x.0 as i32 as f32
    }

    #[inline(always)]
    fn select(self, m: bool, a: f32, b: f32) -> f32 {
        if m { a } else { b }
    }

    #[inline(always)]
    fn word(self, x: u32) -> Self::U {
        Wrapping(x)
    }

    #[inline(always)]
    fn shift_left(self, x: Self::U, by: u32) -> Self::U {
        Wrapping(x.0.wrapping_shl(by))
    }

    #[inline(always)]
    fn shift_right(self, x: Self::U, by: u32) -> Self::U {
        Wrapping(x.0.wrapping_shr(by))
    }

    #[inline(always)]
    fn abs(self, x: Self::U) -> Self::U {
        Wrapping((x.0 as i32).unsigned_abs())
    }

    #[inline(always)]
    fn select_words(self, m: bool, a: Self::U, b: Self::U) -> Self::U {
        if m { a } else { b }
    }

    #[inline(always)]
    fn multiply_add_wide(self, w: Self::U, step: u32, start: u64) -> (Self::U, Self::U) {
        let x = start.wrapping_add(u64::from(w.0) * u64::from(step));
        (Wrapping((x >> 32) as u32), Wrapping(x as u32))
    }

    #[inline(always)]
    fn is_nan(self, x: f32) -> bool {
        x.is_nan()
    }

    #[inline(always)]
    fn negative(self, x: Self::U) -> bool {
        (x.0 as i32) < 0
    }

    #[inline(always)]
    fn equal(self, a: Self::U, b: Self::U) -> bool {
        a == b
    }

    #[inline(always)]
    fn greater(self, a: Self::U, b: Self::U) -> bool {
        a.0 as i32 > b.0 as i32
    }

    #[inline(always)]
    fn any(self, m: bool) -> bool {
        m
    }
}

impl Simd for Portable {
    const LANES: usize = 1;

    type D = f64;
    type Tile = Words;

    #[inline(always)]
    fn load_words(self, from: &[u32]) -> Self::U {
        Wrapping(from[0])
    }

    #[inline(always)]
    fn store_u16(self, x: Self::U, to: &mut [u16]) {
        to[0] = x.0 as u16;
    }

    #[inline(always)]
    fn store_u8(self, x: Self::U, to: &mut [u8]) {
        to[0] = x.0 as u8;
    }

    #[inline(always)]
    fn store_f16(self, x: f32, to: &mut [half::f16]) {
        to[0] = half::f16::from_f32(x);
    }

    #[inline(always)]
    fn philox(self, keys: &Keys, counter: [u32; 4]) -> Words {
        let [low, high, upper @ ..] = counter;
        let mut lanes = [low; LANES];
        for (lane, word) in lanes.iter_mut().enumerate() {
            *word += lane as u32;
        }
        philox_lanes(keys, lanes, [high; LANES], upper)
    }

    #[inline(always)]
    fn words(self, tile: &Words, j: usize, lane: usize) -> Self::U {
        Wrapping(tile[j][lane])
    }

    #[inline(always)]
    fn store_tile(self, tile: &Words) -> Words {
        *tile
    }

    #[inline(always)]
    fn load_tile(self, words: &Words) -> Words {
        *words
    }
}
