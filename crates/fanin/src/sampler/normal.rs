//! The normal distribution, by the transformation of Box and Muller (1958).

use crate::element::private::{Draw, Single};
use crate::math::{double, single};
use crate::simd::{Lanes, Pair, Simd, Two};
use crate::stream::{LANES, TILE, Words};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normal {
    pub(crate) mean: f64,
    pub(crate) std: f64,
}

impl Draw for Normal {
    #[inline(always)]
    fn single<S: Simd, T: Single>(&self, s: S, tile: &S::Tile, out: &mut [T; TILE]) {
        let (mean, std) = (self.mean as f32, self.std as f32);
        let two = Two(s);
        for lane in (0..LANES).step_by(S::LANES) {
            let words = |row| Pair(s.words(tile, row, lane), s.words(tile, row + 2, lane));
            let radius = single::radius(two, words(0));
            let (cos, sin) = single::turn(two, words(1));
            let (mean, std) = (two.float(mean), two.float(std));
            let first = mean + std * (radius * cos);
            let second = mean + std * (radius * sin);
            T::put_two(s, [first.0, second.0], out, 0, lane);
            T::put_two(s, [first.1, second.1], out, 2, lane);
        }
    }

    #[inline(always)]
    fn double(&self, high: &Words, low: &Words, out: &mut [f64; TILE]) {
        for pair in [0, 2] {
            for lane in 0..LANES {
                let radius = double::radius(high[pair][lane]);
                let angle = u64::from(high[pair + 1][lane]) << 32 | u64::from(low[pair][lane]);
                let (cos, sin) = double::turn(angle);
                out[pair * LANES + lane] = self.mean + self.std * (radius * cos);
                out[(pair + 1) * LANES + lane] = self.mean + self.std * (radius * sin);
            }
        }
    }
}
