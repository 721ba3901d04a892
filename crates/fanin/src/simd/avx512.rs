//! Sixteen lanes of x86-64 with AVX-512 F, BW, DQ and VL.
//!
//! AVX-512 brings fused multiplication and addition along, but the compiler never fuses what is written apart.

#![allow(
    unsafe_code,
    reason = "the instructions of a processor; see the parent module"
)]

use std::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Sub};

use super::{Floats, Kernel, Lanes, Simd};
use crate::stream::philox::{MULTIPLIERS, Shared};
use crate::stream::{Keys, LANES, TILE, Words};

/// The proof that the processor has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        all.then_some(Self(()))
    }

    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn compiled_for_avx512<K: Kernel>(s: Avx512, kernel: K) -> K::Output {
            kernel.run(s)
        }
        // SAFETY: `self` exists, so the processor has all four.
        unsafe { compiled_for_avx512(self, kernel) }
    }
}

/// Intrinsics that touch no memory.
macro_rules! intrinsic {
    ($call:expr) => {
        // SAFETY: an `Avx512` or a vector made from one is among the arguments, so the processor has the instructions.
        unsafe { $call }
    };
}

#[derive(Clone, Copy)]
pub(crate) struct F(__m512);
#[derive(Clone, Copy)]
pub(crate) struct U(__m512i);
#[derive(Clone, Copy)]
pub(crate) struct D(__m512d);

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

operator!(F: Add, add, _mm512_add_ps);
operator!(F: Sub, sub, _mm512_sub_ps);
operator!(F: Mul, mul, _mm512_mul_ps);
operator!(F: Div, div, _mm512_div_ps);
operator!(D: Add, add, _mm512_add_pd);
operator!(D: Sub, sub, _mm512_sub_pd);
operator!(D: Mul, mul, _mm512_mul_pd);
operator!(U: Add, add, _mm512_add_epi32);
operator!(U: Sub, sub, _mm512_sub_epi32);
operator!(U: BitAnd, bitand, _mm512_and_si512);
operator!(U: BitOr, bitor, _mm512_or_si512);
operator!(U: BitXor, bitxor, _mm512_xor_si512);

impl Floats<Avx512, f32> for F {
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(_: Avx512, x: f32) -> Self {
        Self(intrinsic!(_mm512_set1_ps(x)))
    }

    #[inline(always)]
    fn load(_: Avx512, from: &[f32]) -> Self {
        let from = &from[..16];
        // SAFETY: sixteen f32 are read from a slice of sixteen; the processor has AVX-512.
        Self(unsafe { _mm512_loadu_ps(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..16];
        // SAFETY: sixteen f32 are written to a slice of sixteen; the processor has AVX-512.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }
}

impl Floats<Avx512, f64> for D {
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(_: Avx512, x: f64) -> Self {
        Self(intrinsic!(_mm512_set1_pd(x)))
    }

    #[inline(always)]
    fn load(_: Avx512, from: &[f64]) -> Self {
        let from = &from[..8];
        // SAFETY: eight f64 are read from a slice of eight; the processor has AVX-512.
        Self(unsafe { _mm512_loadu_pd(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        let to = &mut to[..8];
        // SAFETY: eight f64 are written to a slice of eight; the processor has AVX-512.
        unsafe { _mm512_storeu_pd(to.as_mut_ptr(), self.0) }
    }
}

impl Lanes for Avx512 {
    type F = F;
    type U = U;
    type M = __mmask16;

    #[inline(always)]
    fn float(self, x: f32) -> Self::F {
        Self::F::splat(self, x)
    }

    #[inline(always)]
    fn sqrt(self, x: F) -> F {
        F(intrinsic!(_mm512_sqrt_ps(x.0)))
    }

    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        F(intrinsic!(_mm512_max_ps(a.0, b.0)))
    }

    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        F(intrinsic!(_mm512_min_ps(a.0, b.0)))
    }

    #[inline(always)]
    fn bits(self, x: F) -> U {
        U(intrinsic!(_mm512_castps_si512(x.0)))
    }

    #[inline(always)]
    fn float_from_bits(self, x: U) -> F {
        F(intrinsic!(_mm512_castsi512_ps(x.0)))
    }

    #[inline(always)]
    fn float_from_signed(self, x: U) -> F {
        F(intrinsic!(_mm512_cvtepi32_ps(x.0)))
    }

    #[inline(always)]
    fn select(self, m: __mmask16, a: F, b: F) -> F {
        F(intrinsic!(_mm512_mask_blend_ps(m, b.0, a.0)))
    }

    #[inline(always)]
    fn word(self, x: u32) -> U {
        U(intrinsic!(_mm512_set1_epi32(x as i32)))
    }

    #[inline(always)]
    fn shift_left(self, x: U, by: u32) -> U {
        U(intrinsic!(_mm512_sllv_epi32(x.0, self.word(by).0)))
    }

    #[inline(always)]
    fn shift_right(self, x: U, by: u32) -> U {
        U(intrinsic!(_mm512_srlv_epi32(x.0, self.word(by).0)))
    }

    #[inline(always)]
    fn abs(self, x: U) -> U {
        U(intrinsic!(_mm512_abs_epi32(x.0)))
    }

    #[inline(always)]
    fn select_words(self, m: __mmask16, a: U, b: U) -> U {
        U(intrinsic!(_mm512_mask_blend_epi32(m, b.0, a.0)))
    }

    #[inline(always)]
    fn multiply_add_wide(self, w: U, step: u32, start: u64) -> (U, U) {
        const ODD: __mmask16 = 0xaaaa;
        let step = self.word(step).0;
        let start = intrinsic!(_mm512_set1_epi64(start as i64));
        let product = |w: __m512i| intrinsic!(_mm512_add_epi64(_mm512_mul_epu32(w, step), start));
        let even = product(w.0);
        let odd = product(intrinsic!(_mm512_srli_epi64::<32>(w.0)));
        let high = intrinsic!(_mm512_mask_blend_epi32(
            ODD,
            _mm512_srli_epi64::<32>(even),
            odd
        ));
        let low = intrinsic!(_mm512_mask_blend_epi32(
            ODD,
            even,
            _mm512_slli_epi64::<32>(odd)
        ));
        (U(high), U(low))
    }

    #[inline(always)]
    fn is_nan(self, x: F) -> __mmask16 {
        intrinsic!(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x.0, x.0))
    }

    #[inline(always)]
    fn negative(self, x: U) -> __mmask16 {
        intrinsic!(_mm512_movepi32_mask(x.0))
    }

    #[inline(always)]
    fn equal(self, a: U, b: U) -> __mmask16 {
        intrinsic!(_mm512_cmpeq_epi32_mask(a.0, b.0))
    }

    #[inline(always)]
    fn greater(self, a: U, b: U) -> __mmask16 {
        intrinsic!(_mm512_cmpgt_epi32_mask(a.0, b.0))
    }

    #[inline(always)]
    fn any(self, m: __mmask16) -> bool {
        m != 0
    }
}

impl Simd for Avx512 {
    const LANES: usize = 16;

    type D = D;
    type Tile = [U; 4];

    #[inline(always)]
    fn load_words(self, from: &[u32]) -> U {
        let from = &from[..16];
        // SAFETY: sixteen u32 are read from a slice of sixteen; the processor has AVX-512.
        U(unsafe { _mm512_loadu_si512(from.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store_u16(self, x: U, to: &mut [u16]) {
        let to = &mut to[..16];
        let halves = intrinsic!(_mm512_cvtepi32_epi16(x.0));
        // SAFETY: 32 bytes are written to a slice of sixteen u16; the processor has AVX-512.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), halves) }
    }

    #[inline(always)]
    fn store_upper_halves(self, [a, b]: [U; 2], to: &mut [u16; TILE], row: usize, _: usize) {
        let to = &mut to[row * LANES..(row + 2) * LANES];
        /// Places of the upper halves.
        const ODD: [u16; 2 * LANES] = {
            let mut odd = [1; 2 * LANES];
            let mut i = 1;
            while i < odd.len() {
                odd[i] = odd[i - 1] + 2;
                i += 1;
            }
            odd
        };
        // SAFETY: 64 bytes are read from an array of 32 u16; the processor has AVX-512.
        let odd = unsafe { _mm512_loadu_si512(ODD.as_ptr().cast()) };
        let halves = intrinsic!(_mm512_permutex2var_epi16(a.0, odd, b.0));
        // SAFETY: 64 bytes are written to a slice of 32 u16; the processor has AVX-512.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), halves) }
    }

    #[inline(always)]
    fn store_u8(self, x: U, to: &mut [u8]) {
        let to = &mut to[..16];
        let bytes = intrinsic!(_mm512_cvtepi32_epi8(x.0));
        // SAFETY: sixteen bytes are written to a slice of sixteen; the processor has AVX-512.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), bytes) }
    }

    #[inline(always)]
    fn store_f16(self, x: F, to: &mut [half::f16]) {
        let to = &mut to[..16];
        let halves = intrinsic!(_mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x.0));
        // SAFETY: 32 bytes are written to a slice of sixteen f16; the processor has AVX-512.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), halves) }
    }

    #[inline(always)]
    fn philox(self, keys: &Keys, counter: [u32; 4]) -> Self::Tile {
        let [mut x, mut y] = two_rounds(self, keys, counter);
        for key in &keys[2..] {
            x = round(self, x, key);
            y = round(self, y, key);
        }
        tile(self, x, y)
    }

    /// Side by side, because the rounds of one tile wait for each other.
    #[inline(always)]
    fn philox_two(self, keys: &Keys, counters: [[u32; 4]; 2]) -> [Self::Tile; 2] {
        let [mut x, mut y] = two_rounds(self, keys, counters[0]);
        let [mut z, mut w] = two_rounds(self, keys, counters[1]);
        for key in &keys[2..] {
            x = round(self, x, key);
            y = round(self, y, key);
            z = round(self, z, key);
            w = round(self, w, key);
        }
        [tile(self, x, y), tile(self, z, w)]
    }

    #[inline(always)]
    fn words(self, tile: &Self::Tile, j: usize, _: usize) -> U {
        tile[j]
    }

    #[inline(always)]
    fn store_tile(self, tile: &Self::Tile) -> Words {
        let mut words = [[0; LANES]; 4];
        for (to, vector) in words.iter_mut().zip(tile) {
            // SAFETY: sixteen words are written to an array of sixteen; the processor has AVX-512.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), vector.0) }
        }
        words
    }

    #[inline(always)]
    fn load_tile(self, words: &Words) -> Self::Tile {
        words.map(|row| self.load_words(&row))
    }
}

/// The words in the lower halves of the 64-bit lanes of both.
#[inline(always)]
fn tile(_: Avx512, x: [__m512i; 4], y: [__m512i; 4]) -> [U; 4] {
    intrinsic!({
        let lower = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        [
            U(_mm512_permutex2var_epi32(x[0], lower, y[0])),
            U(_mm512_permutex2var_epi32(x[1], lower, y[1])),
            U(_mm512_permutex2var_epi32(x[2], lower, y[2])),
            U(_mm512_permutex2var_epi32(x[3], lower, y[3])),
        ]
    })
}

/// The first two rounds of sixteen counters, as two groups of eight in 64-bit lanes, so that no product has to be taken
/// apart: the upper halves of the lanes hold whatever a multiplication ignores.
#[inline(always)]
fn two_rounds(s: Avx512, keys: &Keys, counter: [u32; 4]) -> [[__m512i; 4]; 2] {
    const STEP: i64 = MULTIPLIERS[0] as i64;
    let shared = Shared::new(keys, counter);
    let first = intrinsic!({
        let steps = _mm512_setr_epi64(
            0,
            STEP,
            2 * STEP,
            3 * STEP,
            4 * STEP,
            5 * STEP,
            6 * STEP,
            7 * STEP,
        );
        _mm512_add_epi64(_mm512_set1_epi64(shared.product as i64), steps)
    });
    let second = intrinsic!(_mm512_add_epi64(first, _mm512_set1_epi64(8 * STEP)));
    [after_two(s, &shared, first), after_two(s, &shared, second)]
}

/// The state after two rounds of the counters with these products.
#[inline(always)]
fn after_two(_: Avx512, shared: &Shared, products: __m512i) -> [__m512i; 4] {
    intrinsic!({
        let same = |w: u32| _mm512_set1_epi32(w as i32);
        let word = _mm512_xor_si512(_mm512_srli_epi64::<32>(products), same(shared.first));
        let b = _mm512_mul_epu32(word, _mm512_set1_epi64(MULTIPLIERS[1].into()));
        [
            _mm512_xor_si512(_mm512_srli_epi64::<32>(b), same(shared.second)),
            b,
            _mm512_xor_si512(products, same(shared.third)),
            same(shared.last),
        ]
    })
}

#[inline(always)]
fn round(_: Avx512, x: [__m512i; 4], key: &[u32; 2]) -> [__m512i; 4] {
    intrinsic!({
        let a = _mm512_mul_epu32(x[0], _mm512_set1_epi64(MULTIPLIERS[0].into()));
        let b = _mm512_mul_epu32(x[2], _mm512_set1_epi64(MULTIPLIERS[1].into()));
        let mix = |product, word, key: u32| {
            let high = _mm512_srli_epi64::<32>(product);
            _mm512_ternarylogic_epi32::<0x96>(high, word, _mm512_set1_epi32(key as i32))
        };
        [mix(b, x[1], key[0]), b, mix(a, x[3], key[1]), a]
    })
}
