//! The uniform distribution on a closed interval.

use crate::element::private::{Draw, Single};
use crate::simd::Simd;
use crate::stream::{LANES, TILE, Words};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Uniform {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Uniform {
    #[inline(always)]
    pub(crate) fn mean(&self) -> f64 {
        // Halved first: the sum of two large bounds may not be finite.
        0.5 * self.low + 0.5 * self.high
    }

    #[inline(always)]
    fn half_width(&self) -> f64 {
        0.5 * self.high - 0.5 * self.low
    }

    pub(crate) fn std(&self) -> f64 {
        self.half_width() / 3f64.sqrt()
    }
}

impl Draw for Uniform {
    #[inline(always)]
    fn single<S: Simd, T: Single>(&self, s: S, tile: &S::Tile, out: &mut [T; TILE]) {
        let (c, h) = (
            s.float(self.mean() as f32),
            s.float(self.half_width() as f32),
        );
        let (low, high) = (s.float(self.low as f32), s.float(self.high as f32));
        let value = |w| {
            let x = c + h * (s.float_from_signed(w) * s.float(1.0 / 2_147_483_648.0));
            s.min(high, s.max(low, x))
        };
        for row in [0, 2] {
            for lane in (0..LANES).step_by(S::LANES) {
                let first = value(s.words(tile, row, lane));
                let second = value(s.words(tile, row + 1, lane));
                T::put_two(s, [first, second], out, row, lane);
            }
        }
    }

    #[inline(always)]
    fn double(&self, high_words: &Words, low_words: &Words, out: &mut [f64; TILE]) {
        let (c, h) = (self.mean(), self.half_width());
        for j in 0..4 {
            for lane in 0..LANES {
                let w = u64::from(high_words[j][lane]) << 32 | u64::from(low_words[j][lane]);
                let s = w as i64 as f64 * (1.0 / 9_223_372_036_854_775_808.0);
                let x = c + h * s;
                let x = if x < self.low { self.low } else { x };
                out[j * LANES + lane] = if x > self.high { self.high } else { x };
            }
        }
    }
}
