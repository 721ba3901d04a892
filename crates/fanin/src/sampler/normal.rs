//! The normal distribution, by the transformation of Box and Muller (1958).

use super::Rule;
use crate::element::private::Single;
use crate::math::{double, single};
use crate::simd::Simd;
use crate::stream::{LANES, TILE, Words};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normal {
    pub(crate) mean: f64,
    pub(crate) std: f64,
}

impl Rule for Normal {
    #[inline(always)]
    fn single<S: Simd, T: Single>(&self, s: S, tile: &S::Tile, out: &mut [T; TILE]) {
        let (mean, std) = (s.float(self.mean as f32), s.float(self.std as f32));
        for pair in [0, 2] {
            for lane in (0..LANES).step_by(S::LANES) {
                let radius = single::radius(s, s.words(tile, pair, lane));
                let (cos, sin) = single::turn(s, s.words(tile, pair + 1, lane));
                let first = mean + std * (radius * cos);
                let second = mean + std * (radius * sin);
                T::put_two(s, [first, second], out, pair, lane);
            }
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
