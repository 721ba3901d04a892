//! The random bits of one tensor: the contract `philox4x32-10/v1`.
//!
//! Everything here is fixed for good. A change of any bit is a new contract with a new name, beside this one.
//!
//! # Words
//!
//! * The generator is Philox4x32-10 (Salmon et al., SC '11). A block is four 32-bit words.
//! * The key is the seed: `(seed mod 2³², seed div 2³²)`.
//! * The counter of block `b` is `(b mod 2³², b div 2³², H mod 2³², H div 2³²)`, where `H` is SipHash-2-4 with 64 bits
//!   of result and an all-zero key, over the UTF-8 bytes of the tensor's name.
//! * A sub-stream hashes `name ‖ 0xFF ‖ tag` instead, and its own sub-streams `name ‖ 0xFF ‖ tag ‖ 0xFF ‖ tag'`. The
//!   byte 0xFF does not occur in UTF-8, so no tensor's name is another's sub-stream.
//!
//! # Elements
//!
//! Elements come in tiles of 64, which are 16 blocks. Element `i`, with `t = i div 64` and `r = i mod 64`, owns word
//! `r div 16` of block `16 t + r mod 16`: word 0 of the 16 blocks, then word 1, and so on. Vectors of 4, 8 or 16 lanes
//! therefore store what they compute, in order. Index `i` counts the elements of the whole tensor in row-major order,
//! so every value is a function of (seed, name, i) and of nothing else.
//!
//! # Values
//!
//! All arithmetic below is IEEE, in the order written, rounding to nearest even, each multiplication and addition on
//! its own (no fused multiply-add); only + − × ÷ √ and integer operations occur. Constants (c, h, mean, std, …) are
//! computed in double precision with the functions of this crate and rounded once. `w` is the element's word.
//!
//! **Uniform** on [lo, hi]: `s = f32(w as i32) · 2⁻³¹`, `x = clamp(c + h·s, lo, hi)` with `c = lo/2 + hi/2` and
//! `h = hi/2 − lo/2`.
//!
//! **Normal**: Box and Muller. Elements r and r + 16 of a tile share words 0 and 1 of a block, elements r + 32 and
//! r + 48 words 2 and 3. From the first word, `u = (w + 1)·2⁻³²` and `ρ = √(−2 ln u)`; from the second, the angle
//! `θ = 2π·w'·2⁻³²`. The first element is `ρ cos θ`, the second `ρ sin θ`, and `x = mean + std·z`.
//! Where w ≥ 2³¹ the logarithm is taken of `1 − u = (2³² − 1 − w)·2⁻³²`, which is exact to 24 bits, so that small values
//! are as accurate as large ones. |z| reaches √(64 ln 2) = 6.66.
//!
//! **Truncated normal** on [a, b] in standard deviations: the inverse of the distribution function, one word each.
//! The probability is a 64-bit fraction `p = start + w·step` (integers), whose middle is the middle of
//! [Φ(a), Φ(b)] and whose `step` is (Φ(b) − Φ(a))·2³² rounded down to an even number. Where |p − ½| ≤ 0.48, z is a
//! rational function; beyond, a rational function of √(−2 ln min(p, 1 − p)). If [a, b] lies beyond 2.5 on one side, p
//! is the fraction of the tail from the nearer bound on, and z follows from −2 ln Q(bound) − 2 ln p. Then
//! `x = clamp(shift + scale·z, lo, hi)`. With symmetric bounds the words w and 2³² − 1 − w give opposite values.
//!
//! **f16, bf16, f8e4m3, f8e5m2**: the f32 value, rounded to nearest even (f8e4m3 saturates at ±448).
//! **f64**: the same functions in double precision of the
//! same words, refined by the word of the same index of the sub-stream `low`: it extends w for the uniform and the
//! truncated normal distribution, and the angle's word for the normal one (each element of a pair needs one, and the
//! first one's is used). The value differs from the f32 value by no more than f32's rounding and one step of w.
//!
//! The logarithm, sine, cosine and the rational functions are those of `math/single.rs` and `math/double.rs`, operation
//! by operation, with the coefficients of `math/tables.rs`: all three files are part of the contract.
//! `tools/fanin_reference.py` follows this text in another language and arrives at the same bits.
//!
//! **Orthogonal** matrices are products of Householder reflections whose vectors are normal elements of sub-streams;
//! see [`initializers::orthogonal`](crate::initializers::orthogonal).

pub(crate) mod philox;
mod tile;

use std::hash::Hasher;

pub(crate) use philox::{Keys, philox_lanes};
use philox::{philox, schedule};
use siphasher::sip::SipHasher24;
pub(crate) use tile::{LANES, TILE, Words};

use crate::Seed;
use crate::simd::Simd;

/// The random words of one tensor.
///
/// ```
/// # use fanin::{Seed, Stream};
/// let stream = Stream::new(Seed::new(0), "layers.0.weight");
/// // Word 17 is the second word of the block with index 1.
/// assert_eq!(stream.word(17), stream.block(1)[1]);
/// assert_ne!(stream.word(0), Stream::new(Seed::new(0), "layers.1.weight").word(0));
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    /// What the hash has seen so far, so that a sub-stream can go on from there.
    hasher: SipHasher24,
    upper: [u32; 2],
}

impl Stream {
    /// The name of the contract these bits keep.
    pub const NAME: &'static str = "philox4x32-10/v1";

    /// The stream of the tensor called `name` in the model seeded with `seed`.
    pub fn new(seed: Seed, name: &str) -> Self {
        let mut hasher = SipHasher24::new();
        hasher.write(name.as_bytes());
        Self::with_hasher(words_of(seed.value()), hasher)
    }

    /// A stream of its own for one more purpose of the same tensor, unrelated to every stream with a name.
    pub fn substream(&self, tag: &str) -> Self {
        let mut hasher = self.hasher;
        hasher.write(&[0xff]);
        hasher.write(tag.as_bytes());
        Self::with_hasher(self.key, hasher)
    }

    /// The stream of another tensor under the same seed.
    pub(crate) fn of_tensor(&self, name: &str) -> Self {
        let mut hasher = SipHasher24::new();
        hasher.write(name.as_bytes());
        Self::with_hasher(self.key, hasher)
    }

    fn with_hasher(key: [u32; 2], hasher: SipHasher24) -> Self {
        Self {
            key,
            hasher,
            upper: words_of(hasher.finish()),
        }
    }

    /// The four words of block `index`.
    pub fn block(&self, index: u64) -> [u32; 4] {
        let [low, high] = words_of(index);
        philox(self.key, [low, high, self.upper[0], self.upper[1]])
    }

    /// The word of element `i`.
    pub fn word(&self, i: u64) -> u32 {
        let lane = i % LANES as u64;
        let j = (i % TILE as u64) as usize / LANES;
        self.block(i / TILE as u64 * LANES as u64 + lane)[j]
    }

    /// The keys of the generator's rounds, to be made once for many tiles.
    #[inline(always)]
    pub(crate) fn keys(&self) -> Keys {
        schedule(self.key)
    }

    /// The words of elements 64 t … 64 t + 63.
    #[inline(always)]
    pub(crate) fn tile<S: Simd>(&self, s: S, keys: &Keys, t: u64) -> S::Tile {
        s.philox(keys, self.counter(t))
    }

    /// The words of tiles t and t + 1.
    #[inline(always)]
    pub(crate) fn two_tiles<S: Simd>(&self, s: S, keys: &Keys, t: u64) -> [S::Tile; 2] {
        s.philox_two(keys, [self.counter(t), self.counter(t + 1)])
    }

    /// The first counter of tile t: a multiple of 16, so that adding the lane does not carry into the upper word.
    #[inline(always)]
    fn counter(&self, t: u64) -> [u32; 4] {
        let [low, high] = words_of(t * LANES as u64);
        [low, high, self.upper[0], self.upper[1]]
    }

    /// Identifies the stream, for a cache.
    pub(crate) fn identity(&self) -> ([u32; 2], [u32; 2]) {
        (self.key, self.upper)
    }
}

#[inline(always)]
fn words_of(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    #[test]
    fn hash_is_siphash_2_4() {
        // The reference implementation's first vector has another key; the value for a zero key and no bytes is well
        // known as well.
        assert_eq!(SipHasher24::new().finish(), 0x1e92_4b9d_7377_00d7);
    }

    #[test]
    fn a_tile_is_its_words() {
        let stream = Stream::new(Seed::new(7), "a");
        for t in [0, 1, 1 << 27, (1 << 28) - 1, 1 << 28, 1 << 40] {
            let words = stream.tile(Portable, &stream.keys(), t);
            for r in 0..TILE {
                assert_eq!(
                    words[r / LANES][r % LANES],
                    stream.word(t * 64 + r as u64),
                    "tile {t}, element {r}"
                );
            }
        }
    }

    #[test]
    fn seed_and_name_and_tag_all_matter() {
        let base = Stream::new(Seed::new(1), "a");
        for other in [
            Stream::new(Seed::new(2), "a"),
            Stream::new(Seed::new(1 << 32 | 1), "a"),
            Stream::new(Seed::new(1), "b"),
            Stream::new(Seed::new(1), ""),
            base.substream(""),
            base.substream("low"),
            base.substream("low").substream("low"),
        ] {
            assert_ne!(other.block(0), base.block(0));
        }
        // The hash of name and tag together, in one go.
        let mut hasher = SipHasher24::new();
        hasher.write(b"a\xfflow");
        assert_eq!(base.substream("low").upper, words_of(hasher.finish()));
    }

    #[test]
    fn agrees_with_rand_philox() {
        let stream = Stream::new(Seed::new(0x0123_4567_89ab_cdef), "layers.0.weight");
        for index in [0, 1, 12345, u64::from(u32::MAX), 1 << 32, 1 << 62] {
            let counter = u128::from(stream.hasher.finish()) << 64 | u128::from(index);
            let mut oracle = rand_philox::Philox::new([0x89ab_cdef, 0x0123_4567], counter);
            assert_eq!(
                stream.block(index),
                [(); 4].map(|()| oracle.next_u32()),
                "block {index}"
            );
        }
    }
}
