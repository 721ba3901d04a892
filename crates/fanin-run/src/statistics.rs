//! Statistics of values and gradients: one pass, sums in f64, the same for any number of threads.

use rayon::prelude::*;

use crate::array::{Array, CHUNK, Dense, dims};
use crate::trace::{Backward, Forward, Units};

/// Outputs of an operator at or outside of which it is flat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Flat {
    /// At or under this.
    pub(crate) low: f32,
    /// At or over this.
    pub(crate) high: f32,
}

/// What else to look at in a value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Number of samples, if axis 0 counts them and there are at least two.
    pub(crate) samples: Option<usize>,
    /// Where the operator is flat.
    pub(crate) flat: Option<Flat>,
    /// The axis of units, for operators that make exact zeros.
    pub(crate) units: Option<usize>,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    sum: f64,
    square: f64,
    max: f32,
    zeros: u64,
    flat: u64,
    non_finite: u64,
}

impl Sums {
    fn add(self, other: Self) -> Self {
        Self {
            sum: self.sum + other.sum,
            square: self.square + other.square,
            max: self.max.max(other.max),
            zeros: self.zeros + other.zeros,
            flat: self.flat + other.flat,
            non_finite: self.non_finite + other.non_finite,
        }
    }
}

const LANES: usize = 8;

fn chunk_sums(x: &[f32], flat: Option<Flat>) -> Sums {
    let mut sum = [0.0f64; LANES];
    let mut square = [0.0f64; LANES];
    let mut max = [0.0f32; LANES];
    let mut zeros = [0u32; LANES];
    for part in x.chunks(LANES) {
        for (k, &v) in part.iter().enumerate() {
            let wide = f64::from(v);
            sum[k] += wide;
            square[k] += wide * wide;
            max[k] = max[k].max(v.abs());
            zeros[k] += u32::from(v == 0.0);
        }
    }
    let mut all = Sums {
        sum: sum.iter().sum(),
        square: square.iter().sum(),
        max: max.iter().copied().fold(0.0, f32::max),
        zeros: zeros.iter().map(|&z| u64::from(z)).sum(),
        flat: 0,
        non_finite: 0,
    };
    // A square of an f32 cannot overflow f64: the sum is finite unless an element is not.
    if !all.square.is_finite() {
        let finite = || x.iter().filter(|v| v.is_finite());
        all.sum = finite().map(|&v| f64::from(v)).sum();
        all.square = finite().map(|&v| f64::from(v) * f64::from(v)).sum();
        all.max = finite().map(|v| v.abs()).fold(0.0, f32::max);
        all.non_finite = (x.len() - finite().count()) as u64;
    }
    if let Some(Flat { low, high }) = flat {
        all.flat = x.iter().filter(|&&v| v <= low || v >= high).count() as u64;
    }
    all
}

fn sums(x: &[f32], flat: Option<Flat>) -> Sums {
    // Chunks are fixed and their results added in order, whichever thread made them.
    let parts: Vec<Sums> = x.par_chunks(CHUNK).map(|c| chunk_sums(c, flat)).collect();
    parts.into_iter().fold(Sums::default(), Sums::add)
}

/// The elements in whatever order they lie, where the array covers its storage without gaps; a
/// copy in C order where not.
fn any_order(a: &Array) -> Dense {
    let layout = a.layout();
    let mut axes: Vec<(isize, usize)> = layout
        .strides()
        .iter()
        .copied()
        .zip(layout.shape().iter().copied())
        .filter(|&(_, d)| d != 1)
        .collect();
    axes.sort_unstable();
    let mut step = 1;
    let gapless = axes.iter().all(|&(stride, d)| {
        let fits = stride == step;
        step *= d as isize;
        fits
    });
    if gapless {
        let flat = burn_flex::Layout::new(
            vec![layout.num_elements()].into(),
            vec![1],
            layout.start_offset(),
        );
        Dense::new(&a.clone().with_layout(flat))
    } else {
        Dense::new(a)
    }
}

/// Statistics of a value.
pub(crate) fn forward(a: &Array, look: Look) -> Forward {
    let ordered = look.samples.is_some() || look.units.is_some();
    let x = if ordered { Dense::new(a) } else { any_order(a) };
    let all = sums(&x, look.flat);
    let finite = (x.len() as u64 - all.non_finite).max(1) as f64;
    let n = (x.len().max(1)) as f64;
    Forward {
        mean: all.sum / finite,
        rms: (all.square / finite).sqrt(),
        max_abs: f64::from(all.max),
        zero_fraction: all.zeros as f64 / n,
        saturated_fraction: look.flat.map(|_| all.flat as f64 / n),
        sample_cosine: look.samples.and_then(|s| sample_cosine(&x, s)),
        dead_units: look.units.and_then(|axis| dead_units(&x, &dims(a), axis)),
        non_finite: all.non_finite,
    }
}

/// Statistics of a gradient, and the gradient in a form that need not be copied again.
pub(crate) fn backward(g: &Array) -> Backward {
    let x = any_order(g);
    let all = sums(&x, None);
    let finite = (x.len() as u64 - all.non_finite).max(1) as f64;
    Backward {
        rms: (all.square / finite).sqrt(),
        non_finite: all.non_finite,
    }
}

/// Mean over pairs of samples of the cosine between them: `(|sum of unit vectors|^2 - n) / (n (n - 1))`.
/// Samples that are all zero or not finite have no direction and are left out.
fn sample_cosine(x: &[f32], samples: usize) -> Option<f64> {
    let width = x.len() / samples.max(1);
    if width == 0 {
        return None;
    }
    let scales: Vec<(usize, f64)> = x
        .par_chunks(width)
        .map(|s| {
            s.chunks(CHUNK)
                .map(|c| chunk_sums(c, None))
                .fold(Sums::default(), Sums::add)
        })
        .collect::<Vec<_>>()
        .into_iter()
        .enumerate()
        .filter(|(_, s)| s.non_finite == 0 && s.square > 0.0)
        .map(|(k, s)| (k, 1.0 / s.square.sqrt()))
        .collect();
    let n = scales.len() as f64;
    if n < 2.0 {
        return None;
    }
    let blocks: Vec<f64> = (0..width.div_ceil(CHUNK))
        .into_par_iter()
        .map(|block| {
            let range = block * CHUNK..((block + 1) * CHUNK).min(width);
            let mut sum = vec![0.0f64; range.len()];
            for &(k, scale) in &scales {
                let part = &x[k * width + range.start..k * width + range.end];
                for (s, &v) in sum.iter_mut().zip(part) {
                    *s += f64::from(v) * scale;
                }
            }
            sum.iter().map(|s| s * s).sum()
        })
        .collect();
    Some((blocks.iter().sum::<f64>() - n) / (n * (n - 1.0)))
}

/// Share of the units along `axis` that are zero everywhere.
fn dead_units(x: &[f32], shape: &[usize], axis: usize) -> Option<f64> {
    let units = *shape.get(axis)?;
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    if units == 0 || inner * outer == 0 {
        return None;
    }
    let dead = (0..units)
        .into_par_iter()
        .filter(|&u| {
            (0..outer).all(|o| {
                x[(o * units + u) * inner..][..inner]
                    .iter()
                    .all(|&v| v == 0.0)
            })
        })
        .count();
    Some(dead as f64 / units as f64)
}

/// Mean, rms, range and non-finite elements of a parameter.
pub(crate) fn parameter(x: &[f32]) -> (f64, f64, (f64, f64), u64) {
    let all = sums(x, None);
    let finite = (x.len() as u64 - all.non_finite).max(1) as f64;
    let bounds = x
        .par_chunks(CHUNK)
        .map(|c| {
            c.iter()
                .filter(|v| v.is_finite())
                .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| {
                    (low.min(v), high.max(v))
                })
        })
        .reduce(
            || (f32::INFINITY, f32::NEG_INFINITY),
            |a, b| (a.0.min(b.0), a.1.max(b.1)),
        );
    let range = if bounds.0 <= bounds.1 {
        (f64::from(bounds.0), f64::from(bounds.1))
    } else {
        (0.0, 0.0)
    };
    (
        all.sum / finite,
        (all.square / finite).sqrt(),
        range,
        all.non_finite,
    )
}

/// Number of different slices of `[outer, units, inner]`, compared bit by bit through a 64-bit hash.
pub(crate) fn distinct(x: &[f32], units: usize, inner: usize) -> usize {
    const BLOCK: usize = 64;
    if x.is_empty() || units == 0 || inner == 0 {
        return 0;
    }
    let outer = x.len() / (units * inner);
    let blocks: Vec<Vec<u64>> = (0..units.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let first = block * BLOCK;
            let mut hashes = vec![0x9E37_79B9_7F4A_7C15u64; BLOCK.min(units - first)];
            for o in 0..outer {
                let rows = x[(o * units + first) * inner..].chunks(inner);
                for (h, row) in hashes.iter_mut().zip(rows) {
                    for v in row {
                        *h = (*h ^ u64::from(v.to_bits())).wrapping_mul(0xD6E8_FEB8_6659_FD93);
                        *h ^= *h >> 32;
                    }
                }
            }
            hashes
        })
        .collect();
    let mut all: Vec<u64> = blocks.into_iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

/// The units of a weight: how many there are and how many differ.
pub(crate) fn units(x: &[f32], count: usize, inner: usize) -> Units {
    Units {
        count,
        distinct_weights: distinct(x, count, inner),
        distinct_gradients: None,
    }
}
