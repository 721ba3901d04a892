//! The loop over the tiles of a slice.

use crate::element::private::{Draw, Single};
use crate::simd::{Kernel, Simd};
use crate::stream::{Stream, TILE};

/// Elements `start ..` of a tensor in single precision, rounded to T.
pub(crate) struct FillSingle<'a, R, T> {
    pub(crate) rule: &'a R,
    pub(crate) stream: &'a Stream,
    pub(crate) start: u64,
    pub(crate) out: &'a mut [T],
}

impl<R: Draw, T: Single> Kernel for FillSingle<'_, R, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let keys = self.stream.keys();
        let (ends, first, whole) = split(self.start, self.out);
        for (tile, skip, part) in ends {
            if !part.is_empty() {
                let mut values = [T::default(); TILE];
                self.rule
                    .single(s, &self.stream.tile(s, &keys, tile), &mut values);
                part.copy_from_slice(&values[skip..skip + part.len()]);
            }
        }
        let (pairs, last) = whole.as_chunks_mut::<2>();
        for (i, [one, two]) in pairs.iter_mut().enumerate() {
            let words = self.stream.two_tiles(s, &keys, first + 2 * i as u64);
            self.rule.single(s, &words[0], one);
            self.rule.single(s, &words[1], two);
        }
        if let [values] = last {
            let words = self.stream.tile(s, &keys, first + 2 * pairs.len() as u64);
            self.rule.single(s, &words, values);
        }
    }
}

/// Elements `start ..` of a tensor in double precision.
pub(crate) struct FillDouble<'a, R> {
    pub(crate) rule: &'a R,
    pub(crate) high: &'a Stream,
    pub(crate) low: &'a Stream,
    pub(crate) start: u64,
    pub(crate) out: &'a mut [f64],
}

impl<R: Draw> Kernel for FillDouble<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (high, low) = (self.high, self.low);
        let keys = (high.keys(), low.keys());
        let (ends, first, whole) = split(self.start, self.out);
        for (tile, skip, part) in ends {
            if !part.is_empty() {
                let mut values = [0.0; TILE];
                let high = s.store_tile(&high.tile(s, &keys.0, tile));
                let low = s.store_tile(&low.tile(s, &keys.1, tile));
                self.rule.double(&high, &low, &mut values);
                part.copy_from_slice(&values[skip..skip + part.len()]);
            }
        }
        for (i, values) in whole.iter_mut().enumerate() {
            let tile = first + i as u64;
            let high = s.store_tile(&high.tile(s, &keys.0, tile));
            let low = s.store_tile(&low.tile(s, &keys.1, tile));
            self.rule.double(&high, &low, values);
        }
    }
}

/// A slice that starts with element `start`, as its whole tiles with the number of the first one, and the parts of a
/// tile before and after them: number of the tile, elements to skip, elements.
type Tiles<'a, T> = ([(u64, usize, &'a mut [T]); 2], u64, &'a mut [[T; TILE]]);

fn split<T>(start: u64, out: &mut [T]) -> Tiles<'_, T> {
    let tile = start / TILE as u64;
    let skip = (start % TILE as u64) as usize;
    let before = if skip == 0 {
        0
    } else {
        out.len().min(TILE - skip)
    };
    let (before, rest) = out.split_at_mut(before);
    let first = if skip == 0 { tile } else { tile + 1 };
    let (whole, after) = rest.as_chunks_mut::<TILE>();
    let last = first + whole.len() as u64;
    ([(tile, skip, before), (last, 0, after)], first, whole)
}
