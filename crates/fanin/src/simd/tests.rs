//! Every instruction set against the portable code, bit by bit.

use half::{bf16, f16};

use super::{Kernel, Simd, on};
use crate::element::private::{Draw, Single};
use crate::isa::Isa;
use crate::sampler::{Normal, TruncatedNormal, Uniform};
use crate::stream::{LANES, TILE, Words};
use crate::{F8E4M3, F8E5M2, Seed, Stream};

/// The sets to test; on a processor that has none but the portable one there is nothing to compare.
fn others() -> impl Iterator<Item = Isa> {
    Isa::available().filter(|isa| *isa != Isa::Portable)
}

struct Tile<'a, R, T> {
    rule: &'a R,
    words: &'a Words,
    out: &'a mut [T; TILE],
}

impl<R: Draw, T: Single> Kernel for Tile<'_, R, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.rule.single(s, &s.load_tile(self.words), self.out);
    }
}

struct Words16<'a>(&'a Stream, u64);

impl Kernel for Words16<'_> {
    type Output = Words;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Words {
        s.store_tile(&self.0.tile(s, &self.0.keys(), self.1))
    }
}

struct Round<'a, T> {
    bits: &'a [u32],
    out: &'a mut [T],
    in_pairs: bool,
}

impl<T: Single> Kernel for Round<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (bits, _) = self.bits.as_chunks::<TILE>();
        let (out, _) = self.out.as_chunks_mut::<TILE>();
        for (bits, out) in bits.iter().zip(out) {
            let float = |at: usize| s.float_from_bits(s.load_words(&bits[at..]));
            if self.in_pairs {
                for row in [0, 2] {
                    for lane in (0..LANES).step_by(S::LANES) {
                        let x = [row, row + 1].map(|row| float(row * LANES + lane));
                        T::put_two(s, x, out, row, lane);
                    }
                }
            } else {
                for at in (0..TILE).step_by(S::LANES) {
                    T::put(s, float(at), &mut out[at..]);
                }
            }
        }
    }
}

/// Powers of two and their neighbours, as words 0 and 1 and as words 2 and 3, and plain random words.
fn tiles() -> Vec<Words> {
    let edges: Vec<u32> = (0..32)
        .flat_map(|k| (-3..=3).map(move |d| (1u32 << k).wrapping_add_signed(d)))
        .collect();
    let stream = Stream::new(Seed::new(5), "tiles");
    let mut tiles: Vec<Words> = (0..2000)
        .map(|t| stream.tile(super::Portable, &stream.keys(), t))
        .collect();
    for (i, edge) in edges.iter().enumerate() {
        for (j, other) in edges.iter().skip(i % 3).step_by(3).enumerate() {
            let tile = &mut tiles[(i * edges.len() + j) % 2000];
            let lane = (i + j) % 16;
            for (row, word) in [*edge, *other, *other, *edge].into_iter().enumerate() {
                tile[row][lane] = word;
            }
        }
    }
    tiles
}

fn same_tiles<R: Draw, T: Single + std::fmt::Debug>(rule: &R, what: &str) {
    for words in tiles() {
        let mut expected = [T::default(); TILE];
        on(
            Isa::Portable,
            Tile {
                rule,
                words: &words,
                out: &mut expected,
            },
        );
        for isa in others() {
            let mut out = [T::default(); TILE];
            on(
                isa,
                Tile {
                    rule,
                    words: &words,
                    out: &mut out,
                },
            );
            for (r, (a, b)) in out.iter().zip(&expected).enumerate() {
                let (a, b) = (a.to_f64().to_bits(), b.to_f64().to_bits());
                assert_eq!(a, b, "{isa}, {what}, {}, element {r}", T::DTYPE);
            }
        }
    }
}

fn same<R: Draw>(rule: &R, what: &str) {
    same_tiles::<R, f32>(rule, what);
    same_tiles::<R, f16>(rule, what);
    same_tiles::<R, bf16>(rule, what);
    same_tiles::<R, F8E4M3>(rule, what);
    same_tiles::<R, F8E5M2>(rule, what);
}

#[test]
fn distributions() {
    same(
        &Normal {
            mean: 0.0,
            std: 1.0,
        },
        "normal",
    );
    same(
        &Normal {
            mean: 0.5,
            std: 1e-6,
        },
        "normal",
    );
    same(
        &Uniform {
            low: -1.0,
            high: 3.0,
        },
        "uniform",
    );
    for (a, b) in [
        (-2.0, 2.0),
        (-4.0, 7.0),
        (-9.0, 0.5),
        (3.0, 5.0),
        (-30.0, -20.0),
    ] {
        let rule = TruncatedNormal::new(0.1, 0.7, a, b, false).unwrap();
        same(&rule, &format!("truncated normal on [{a}, {b}]"));
    }
}

#[test]
fn philox() {
    for (seed, name) in [(0, "a"), (u64::MAX, "b")] {
        let stream = Stream::new(Seed::new(seed), name);
        for t in [0, 1, (1 << 28) - 1, 1 << 28, (1 << 60) - 1] {
            let expected = on(Isa::Portable, Words16(&stream, t));
            for isa in others() {
                assert_eq!(on(isa, Words16(&stream, t)), expected, "{isa}, tile {t}");
            }
        }
    }
}

/// Every upper half of an f32, with lower halves at and around the ties of all the narrower formats.
fn patterns() -> Vec<u32> {
    let lower = [
        0, 1, 0x0fff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x3000, 0x7fff, 0x8000, 0x8001, 0xf000,
        0xfffe, 0xffff,
    ];
    (0..=0xffff)
        .flat_map(|upper| lower.map(|lower| upper << 16 | lower))
        .collect()
}

/// As `round`, and as the portable code.
fn rounds_like<T: Single + std::fmt::Debug>(round: impl Fn(f32) -> T, bits: impl Fn(T) -> u32) {
    let patterns = patterns();
    let ways = [false, true];
    for (isa, in_pairs) in Isa::available().flat_map(|isa| ways.map(|pairs| (isa, pairs))) {
        let mut out = vec![T::default(); patterns.len()];
        on(
            isa,
            Round {
                bits: &patterns,
                out: &mut out,
                in_pairs,
            },
        );
        for (pattern, got) in patterns.iter().zip(out) {
            let expected = bits(round(f32::from_bits(*pattern)));
            assert_eq!(bits(got), expected, "{isa}, {}, {pattern:#x}", T::DTYPE);
        }
    }
}

#[test]
fn roundings() {
    rounds_like(f16::from_f32, |x| x.to_bits().into());
    rounds_like(bf16::from_f32, |x| x.to_bits().into());
    rounds_like(F8E4M3::from_f32, |x| x.to_bits().into());
    rounds_like(F8E5M2::from_f32, |x| x.to_bits().into());
}
