//! Eight lanes of x86-64 with AVX2, and F16C for binary16.

#![allow(
    unsafe_code,
    reason = "the instructions of a processor; see the parent module"
)]

use std::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Sub};

use super::{Floats, Kernel, Lanes, Simd};
use crate::stream::philox::{MULTIPLIERS, Shared};
use crate::stream::{Keys, LANES, TILE, Words};

/// The proof that the processor has AVX2 and F16C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c")).then_some(Self(()))
    }

    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,f16c")]
        fn compiled_for_avx2<K: Kernel>(s: Avx2, kernel: K) -> K::Output {
            kernel.run(s)
        }
        // SAFETY: `self` exists, so the processor has both.
        unsafe { compiled_for_avx2(self, kernel) }
    }
}

/// Intrinsics that touch no memory.
macro_rules! intrinsic {
    ($call:expr) => {
        // SAFETY: an `Avx2` or a vector made from one is among the arguments, so the processor has AVX2 and F16C.
        unsafe { $call }
    };
}

#[derive(Clone, Copy)]
pub(crate) struct F(__m256);
#[derive(Clone, Copy)]
pub(crate) struct U(__m256i);
#[derive(Clone, Copy)]
pub(crate) struct D(__m256d);
/// All bits of a lane set or none.
#[derive(Clone, Copy)]
pub(crate) struct M(__m256i);

macro_rules! operator {
    ($type:ident: $trait:ident, $method:ident, $intrinsic:ident) => {
        impl $trait for $type {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(intrinsic!($intrinsic(self.0, other.0)))
            }
        }
    };
}

operator!(F: Add, add, _mm256_add_ps);
operator!(F: Sub, sub, _mm256_sub_ps);
operator!(F: Mul, mul, _mm256_mul_ps);
operator!(F: Div, div, _mm256_div_ps);
operator!(D: Add, add, _mm256_add_pd);
operator!(D: Sub, sub, _mm256_sub_pd);
operator!(D: Mul, mul, _mm256_mul_pd);
operator!(U: Add, add, _mm256_add_epi32);
operator!(U: Sub, sub, _mm256_sub_epi32);
operator!(U: BitAnd, bitand, _mm256_and_si256);
operator!(U: BitOr, bitor, _mm256_or_si256);
operator!(U: BitXor, bitxor, _mm256_xor_si256);

impl Floats<Avx2, f32> for F {
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(_: Avx2, x: f32) -> Self {
        Self(intrinsic!(_mm256_set1_ps(x)))
    }

    #[inline(always)]
    fn load(_: Avx2, from: &[f32]) -> Self {
        let from = &from[..8];
        // SAFETY: eight f32 are read from a slice of eight; the processor has AVX2.
        Self(unsafe { _mm256_loadu_ps(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..8];
        // SAFETY: eight f32 are written to a slice of eight; the processor has AVX2.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), self.0) }
    }
}

impl Floats<Avx2, f64> for D {
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(_: Avx2, x: f64) -> Self {
        Self(intrinsic!(_mm256_set1_pd(x)))
    }

    #[inline(always)]
    fn load(_: Avx2, from: &[f64]) -> Self {
        let from = &from[..4];
        // SAFETY: four f64 are read from a slice of four; the processor has AVX2.
        Self(unsafe { _mm256_loadu_pd(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        let to = &mut to[..4];
        // SAFETY: four f64 are written to a slice of four; the processor has AVX2.
        unsafe { _mm256_storeu_pd(to.as_mut_ptr(), self.0) }
    }
}

impl Lanes for Avx2 {
    type F = F;
    type U = U;
    type M = M;

    #[inline(always)]
    fn float(self, x: f32) -> Self::F {
        Self::F::splat(self, x)
    }

    #[inline(always)]
    fn sqrt(self, x: F) -> F {
        F(intrinsic!(_mm256_sqrt_ps(x.0)))
    }

    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        F(intrinsic!(_mm256_max_ps(a.0, b.0)))
    }

    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        F(intrinsic!(_mm256_min_ps(a.0, b.0)))
    }

    #[inline(always)]
    fn bits(self, x: F) -> U {
        U(intrinsic!(_mm256_castps_si256(x.0)))
    }

    #[inline(always)]
    fn float_from_bits(self, x: U) -> F {
        F(intrinsic!(_mm256_castsi256_ps(x.0)))
    }

    #[inline(always)]
    fn float_from_signed(self, x: U) -> F {
        F(intrinsic!(_mm256_cvtepi32_ps(x.0)))
    }

    #[inline(always)]
    fn select(self, m: M, a: F, b: F) -> F {
        F(intrinsic!(_mm256_blendv_ps(
            b.0,
            a.0,
            _mm256_castsi256_ps(m.0)
        )))
    }

    #[inline(always)]
    fn word(self, x: u32) -> U {
        U(intrinsic!(_mm256_set1_epi32(x as i32)))
    }

    #[inline(always)]
    fn shift_left(self, x: U, by: u32) -> U {
        U(intrinsic!(_mm256_sllv_epi32(x.0, self.word(by).0)))
    }

    #[inline(always)]
    fn shift_right(self, x: U, by: u32) -> U {
        U(intrinsic!(_mm256_srlv_epi32(x.0, self.word(by).0)))
    }

    #[inline(always)]
    fn abs(self, x: U) -> U {
        U(intrinsic!(_mm256_abs_epi32(x.0)))
    }

    #[inline(always)]
    fn select_words(self, m: M, a: U, b: U) -> U {
        U(intrinsic!(_mm256_blendv_epi8(b.0, a.0, m.0)))
    }

    #[inline(always)]
    fn multiply_add_wide(self, w: U, step: u32, start: u64) -> (U, U) {
        let step = self.word(step).0;
        let start = intrinsic!(_mm256_set1_epi64x(start as i64));
        let product = |w: __m256i| intrinsic!(_mm256_add_epi64(_mm256_mul_epu32(w, step), start));
        let even = product(w.0);
        let odd = product(intrinsic!(_mm256_srli_epi64::<32>(w.0)));
        let high = intrinsic!(_mm256_blend_epi32::<0xaa>(
            _mm256_srli_epi64::<32>(even),
            odd
        ));
        let low = intrinsic!(_mm256_blend_epi32::<0xaa>(
            even,
            _mm256_slli_epi64::<32>(odd)
        ));
        (U(high), U(low))
    }

    #[inline(always)]
    fn is_nan(self, x: F) -> M {
        let unordered = intrinsic!(_mm256_cmp_ps::<_CMP_UNORD_Q>(x.0, x.0));
        M(intrinsic!(_mm256_castps_si256(unordered)))
    }

    #[inline(always)]
    fn negative(self, x: U) -> M {
        M(intrinsic!(_mm256_srai_epi32::<31>(x.0)))
    }

    #[inline(always)]
    fn equal(self, a: U, b: U) -> M {
        M(intrinsic!(_mm256_cmpeq_epi32(a.0, b.0)))
    }

    #[inline(always)]
    fn greater(self, a: U, b: U) -> M {
        M(intrinsic!(_mm256_cmpgt_epi32(a.0, b.0)))
    }

    #[inline(always)]
    fn any(self, m: M) -> bool {
        intrinsic!(_mm256_movemask_epi8(m.0)) != 0
    }
}

impl Simd for Avx2 {
    const LANES: usize = 8;

    type D = D;
    type Tile = [[U; 2]; 4];

    #[inline(always)]
    fn load_words(self, from: &[u32]) -> U {
        let from = &from[..8];
        // SAFETY: eight u32 are read from a slice of eight; the processor has AVX2.
        U(unsafe { _mm256_loadu_si256(from.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store_u16(self, x: U, to: &mut [u16]) {
        let to = &mut to[..8];
        let halves = intrinsic!({
            let low = _mm256_and_si256(x.0, _mm256_set1_epi32(0xffff));
            let packed = _mm256_packus_epi32(low, low);
            _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b10_00>(packed))
        });
        // SAFETY: sixteen bytes are written to a slice of eight u16; the processor has AVX2.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), halves) }
    }

    #[inline(always)]
    fn store_upper_halves(self, [a, b]: [U; 2], to: &mut [u16; TILE], row: usize, lane: usize) {
        let halves = intrinsic!({
            let (a, b) = (_mm256_srli_epi32::<16>(a.0), _mm256_srli_epi32::<16>(b.0));
            _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(a, b))
        });
        let first = intrinsic!(_mm256_castsi256_si128(halves));
        let second = intrinsic!(_mm256_extracti128_si256::<1>(halves));
        let mut store = |part, row: usize| {
            let to = &mut to[row * LANES + lane..][..8];
            // SAFETY: sixteen bytes are written to a slice of eight u16; the processor has AVX2.
            unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), part) }
        };
        store(first, row);
        store(second, row + 1);
    }

    #[inline(always)]
    fn store_u8(self, x: U, to: &mut [u8]) {
        let to = &mut to[..8];
        let bytes = intrinsic!({
            let low = _mm256_and_si256(x.0, _mm256_set1_epi32(0xff));
            let packed = _mm256_packus_epi32(low, low);
            let halves = _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b10_00>(packed));
            _mm_packus_epi16(halves, halves)
        });
        // SAFETY: eight bytes are written to a slice of eight; the processor has AVX2.
        unsafe { _mm_storel_epi64(to.as_mut_ptr().cast(), bytes) }
    }

    #[inline(always)]
    fn store_f16(self, x: F, to: &mut [half::f16]) {
        let to = &mut to[..8];
        let halves = intrinsic!(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x.0));
        // SAFETY: sixteen bytes are written to a slice of eight f16; the processor has AVX2 and F16C.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), halves) }
    }

    /// Two groups of four counters in 64-bit lanes at a time, so that no product has to be taken apart: the upper
    /// halves of the lanes hold whatever a multiplication ignores.
    #[inline(always)]
    fn philox(self, keys: &Keys, counter: [u32; 4]) -> Self::Tile {
        const STEP: i64 = MULTIPLIERS[0] as i64;
        let shared = Shared::new(keys, counter);
        let mut tile = [[self.word(0); 2]; 4];
        for half in [0, 1] {
            // The order that the packing below undoes.
            let steps = intrinsic!([
                _mm256_setr_epi64x(0, STEP, 4 * STEP, 5 * STEP),
                _mm256_setr_epi64x(2 * STEP, 3 * STEP, 6 * STEP, 7 * STEP),
            ]);
            let base = (shared.product as i64).wrapping_add(8 * half as i64 * STEP);
            let mut x = two_rounds(self, &shared, base, steps[0]);
            let mut y = two_rounds(self, &shared, base, steps[1]);
            for key in &keys[2..] {
                x = round(self, x, key);
                y = round(self, y, key);
            }
            for j in 0..4 {
                tile[j][half] = U(intrinsic!(_mm256_castps_si256(_mm256_shuffle_ps::<
                    0b10_00_10_00,
                >(
                    _mm256_castsi256_ps(x[j]),
                    _mm256_castsi256_ps(y[j]),
                ))));
            }
        }
        tile
    }

    #[inline(always)]
    fn words(self, tile: &Self::Tile, j: usize, lane: usize) -> U {
        tile[j][lane / 8]
    }

    #[inline(always)]
    fn store_tile(self, tile: &Self::Tile) -> Words {
        let mut words = [[0; LANES]; 4];
        for (row, vectors) in words.iter_mut().zip(tile) {
            for (to, vector) in row.as_chunks_mut::<8>().0.iter_mut().zip(vectors) {
                // SAFETY: eight words are written to an array of eight; the processor has AVX2.
                unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), vector.0) }
            }
        }
        words
    }

    #[inline(always)]
    fn load_tile(self, words: &Words) -> Self::Tile {
        words.map(|row| [self.load_words(&row), self.load_words(&row[8..])])
    }
}

/// The first two rounds of the counters whose products are `base + steps`.
#[inline(always)]
fn two_rounds(_: Avx2, shared: &Shared, base: i64, steps: __m256i) -> [__m256i; 4] {
    intrinsic!({
        let same = |w: u32| _mm256_set1_epi32(w as i32);
        let a = _mm256_add_epi64(_mm256_set1_epi64x(base), steps);
        let word = _mm256_xor_si256(_mm256_srli_epi64::<32>(a), same(shared.first));
        let b = _mm256_mul_epu32(word, _mm256_set1_epi64x(MULTIPLIERS[1].into()));
        [
            _mm256_xor_si256(_mm256_srli_epi64::<32>(b), same(shared.second)),
            b,
            _mm256_xor_si256(a, same(shared.third)),
            same(shared.last),
        ]
    })
}

#[inline(always)]
fn round(_: Avx2, x: [__m256i; 4], key: &[u32; 2]) -> [__m256i; 4] {
    intrinsic!({
        let a = _mm256_mul_epu32(x[0], _mm256_set1_epi64x(MULTIPLIERS[0].into()));
        let b = _mm256_mul_epu32(x[2], _mm256_set1_epi64x(MULTIPLIERS[1].into()));
        let mix = |product, word, key: u32| {
            let keyed = _mm256_xor_si256(word, _mm256_set1_epi32(key as i32));
            _mm256_xor_si256(_mm256_srli_epi64::<32>(product), keyed)
        };
        [mix(b, x[1], key[0]), b, mix(a, x[3], key[1]), a]
    })
}
