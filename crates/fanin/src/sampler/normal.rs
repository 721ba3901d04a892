//! The normal distribution, by the transformation of Box and Muller (1958).

use crate::math::{double, single};
use crate::stream::{LANES, TILE, Words};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normal {
    pub(crate) mean: f64,
    pub(crate) std: f64,
}

impl Normal {
    #[inline(always)]
    pub(crate) fn single(&self, words: &Words) -> [f32; TILE] {
        let (mean, std) = (self.mean as f32, self.std as f32);
        let mut out = [0.0; TILE];
        for pair in [0, 2] {
            for lane in 0..LANES {
                let radius = single::radius(words[pair][lane]);
                let (cos, sin) = single::turn(words[pair + 1][lane]);
                out[pair * LANES + lane] = mean + std * (radius * cos);
                out[(pair + 1) * LANES + lane] = mean + std * (radius * sin);
            }
        }
        out
    }

    #[inline(always)]
    pub(crate) fn double(&self, high: &Words, low: &Words) -> [f64; TILE] {
        let mut out = [0.0; TILE];
        for pair in [0, 2] {
            for lane in 0..LANES {
                let radius = double::radius(high[pair][lane]);
                let angle = u64::from(high[pair + 1][lane]) << 32 | u64::from(low[pair][lane]);
                let (cos, sin) = double::turn(angle);
                out[pair * LANES + lane] = self.mean + self.std * (radius * cos);
                out[(pair + 1) * LANES + lane] = self.mean + self.std * (radius * sin);
            }
        }
        out
    }
}
