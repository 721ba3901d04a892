//! The uniform distribution on a closed interval.

use crate::stream::{LANES, TILE, Words};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Uniform {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Uniform {
    pub(crate) fn mean(&self) -> f64 {
        // Halved first: the sum of two large bounds may not be finite.
        0.5 * self.low + 0.5 * self.high
    }

    fn half_width(&self) -> f64 {
        0.5 * self.high - 0.5 * self.low
    }

    pub(crate) fn std(&self) -> f64 {
        self.half_width() / 3f64.sqrt()
    }

    #[inline(always)]
    pub(crate) fn single(&self, words: &Words) -> [f32; TILE] {
        let (c, h) = (self.mean() as f32, self.half_width() as f32);
        let (low, high) = (self.low as f32, self.high as f32);
        let mut out = [0.0; TILE];
        for j in 0..4 {
            for lane in 0..LANES {
                let s = words[j][lane] as i32 as f32 * (1.0 / 2_147_483_648.0);
                let x = c + h * s;
                let x = if x < low { low } else { x };
                out[j * LANES + lane] = if x > high { high } else { x };
            }
        }
        out
    }

    #[inline(always)]
    pub(crate) fn double(&self, high_words: &Words, low_words: &Words) -> [f64; TILE] {
        let (c, h) = (self.mean(), self.half_width());
        let mut out = [0.0; TILE];
        for j in 0..4 {
            for lane in 0..LANES {
                let w = u64::from(high_words[j][lane]) << 32 | u64::from(low_words[j][lane]);
                let s = w as i64 as f64 * (1.0 / 9_223_372_036_854_775_808.0);
                let x = c + h * s;
                let x = if x < self.low { self.low } else { x };
                out[j * LANES + lane] = if x > self.high { self.high } else { x };
            }
        }
        out
    }
}
