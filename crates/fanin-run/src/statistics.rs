//! Statistics of values and gradients: one pass, sums in f64, the same for any number of threads.

use fanin_network::operator::Flat;
use rayon::prelude::*;

use crate::Histogram;
use crate::array::{Array, CHUNK, Dense, dims};
use crate::trace::{Backward, Forward};

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

/// Interleaved partial sums: enough that none waits for the one before.
const LANES: usize = 16;

fn chunk_sums(x: &[f32], flat: Option<Flat>) -> Sums {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512.
        return unsafe { chunk_sums_avx512(x, flat) };
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { chunk_sums_avx2(x, flat) };
    }
    chunk_sums_anywhere(x, flat)
}

/// The same operations in the same order, compiled for wider registers: the same bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn chunk_sums_avx2(x: &[f32], flat: Option<Flat>) -> Sums {
    chunk_sums_anywhere(x, flat)
}

/// The same.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn chunk_sums_avx512(x: &[f32], flat: Option<Flat>) -> Sums {
    chunk_sums_anywhere(x, flat)
}

#[inline(always)]
fn chunk_sums_anywhere(x: &[f32], flat: Option<Flat>) -> Sums {
    let mut sum = [0.0f64; LANES];
    let mut square = [0.0f64; LANES];
    let mut max = [0.0f32; LANES];
    let mut zeros = [0u32; LANES];
    let mut add = |k: usize, v: f32| {
        let wide = f64::from(v);
        sum[k] += wide;
        square[k] += wide * wide;
        // Unlike `f32::max`, one instruction; NaN shows in the sum of squares.
        max[k] = if v.abs() > max[k] { v.abs() } else { max[k] };
        zeros[k] += u32::from(v == 0.0);
    };
    let whole = x.chunks_exact(LANES);
    let rest = whole.remainder();
    for part in whole {
        for (k, &v) in part.iter().enumerate() {
            add(k, v);
        }
    }
    for (k, &v) in rest.iter().enumerate() {
        add(k, v);
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

/// Statistics of a value.
pub(crate) fn forward(a: &Array, look: Look) -> Forward {
    let ordered = look.samples.is_some() || look.units.is_some();
    let x = if ordered {
        Dense::new(a)
    } else {
        Dense::in_any_order(a)
    };
    // One pass serves the whole and the samples.
    let by_sample = look.samples.map(|n| sample_sums(&x, n, look.flat));
    let all = match &by_sample {
        Some(samples) => samples.iter().copied().fold(Sums::default(), Sums::add),
        None => sums(&x, look.flat),
    };
    let finite = (x.len() as u64 - all.non_finite).max(1) as f64;
    let n = (x.len().max(1)) as f64;
    let rms = (all.square / finite).sqrt();
    Forward {
        mean: all.sum / finite,
        rms,
        max_abs: f64::from(all.max),
        zero_fraction: all.zeros as f64 / n,
        saturated_fraction: look.flat.map(|_| all.flat as f64 / n),
        sample_cosine: by_sample.and_then(|samples| sample_cosine(&x, &samples)),
        dead_units: look.units.and_then(|axis| dead_units(&x, &dims(a), axis)),
        non_finite: all.non_finite,
        histogram: Histogram::of(&x, rms),
    }
}

/// Statistics of a gradient, and the gradient in a form that need not be copied again.
pub(crate) fn backward(g: &Array) -> Backward {
    let x = Dense::in_any_order(g);
    let all = sums(&x, None);
    let finite = (x.len() as u64 - all.non_finite).max(1) as f64;
    let rms = (all.square / finite).sqrt();
    Backward {
        rms,
        non_finite: all.non_finite,
        histogram: Histogram::of(&x, rms),
    }
}

/// The sums of each sample.
fn sample_sums(x: &[f32], samples: usize, flat: Option<Flat>) -> Vec<Sums> {
    let width = x.len() / samples.max(1);
    if width == 0 {
        return Vec::new();
    }
    let one = |x: &[f32]| {
        let chunks = x.chunks(CHUNK).map(|c| chunk_sums(c, flat));
        chunks.fold(Sums::default(), Sums::add)
    };
    x.par_chunks(width).map(one).collect()
}

/// Mean over pairs of samples of the cosine between them: `(|sum of unit vectors|^2 - n) / (n (n - 1))`.
/// Samples that are all zero or not finite have no direction and are left out.
fn sample_cosine(x: &[f32], samples: &[Sums]) -> Option<f64> {
    let width = x.len().checked_div(samples.len())?;
    let scales: Vec<(usize, f64)> = samples
        .iter()
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
            let parts: Vec<(&[f32], f64)> = scales
                .iter()
                .map(|&(k, scale)| (&x[k * width + range.start..k * width + range.end], scale))
                .collect();
            length_of_sum(&parts, range.len())
        })
        .collect();
    Some((blocks.iter().sum::<f64>() - n) / (n * (n - 1.0)))
}

/// The squared length of a sum of scaled vectors of `n` elements.
fn length_of_sum(parts: &[(&[f32], f64)], n: usize) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { length_of_sum_avx2(parts, n) };
    }
    length_of_sum_anywhere(parts, n)
}

/// The same operations in the same order, compiled for wider registers: the same bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn length_of_sum_avx2(parts: &[(&[f32], f64)], n: usize) -> f64 {
    length_of_sum_anywhere(parts, n)
}

#[inline(always)]
fn length_of_sum_anywhere(parts: &[(&[f32], f64)], n: usize) -> f64 {
    // A few cache lines at a time, so that the sums stay in registers or the first cache.
    const BLOCK: usize = 64;
    let mut lanes = [0.0f64; BLOCK];
    for start in (0..n).step_by(BLOCK) {
        let mut sum = [0.0f64; BLOCK];
        for (part, scale) in parts {
            let part = &part[start..(start + BLOCK).min(n)];
            for (s, &v) in sum.iter_mut().zip(part) {
                *s += f64::from(v) * scale;
            }
        }
        for (lane, s) in lanes.iter_mut().zip(sum) {
            *lane += s * s;
        }
    }
    lanes.iter().sum()
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

/// Number of units of `[outer, units, inner]` that are zero everywhere.
pub(crate) fn still(x: &[f32], units: usize, inner: usize) -> usize {
    let outer = x.len() / (units * inner).max(1);
    let shape = [outer, units, inner];
    let share = dead_units(x, &shape, 1).unwrap_or(0.0);
    (share * units as f64).round() as usize
}

/// Mean, rms, range and non-finite elements of a parameter.
pub(crate) fn parameter(x: &[f32]) -> (f64, f64, (f64, f64), u64) {
    let all = sums(x, None);
    let finite = (x.len() as u64 - all.non_finite).max(1) as f64;
    let bounds = x.par_chunks(CHUNK).map(bounds).reduce(
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

/// The smallest and the largest finite element; infinite the wrong way round where there is none.
fn bounds(x: &[f32]) -> (f32, f32) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { bounds_avx2(x) };
    }
    bounds_anywhere(x)
}

/// The same operations compiled for wider registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn bounds_avx2(x: &[f32]) -> (f32, f32) {
    bounds_anywhere(x)
}

#[inline(always)]
fn bounds_anywhere(x: &[f32]) -> (f32, f32) {
    let mut low = [f32::INFINITY; LANES];
    let mut high = [f32::NEG_INFINITY; LANES];
    for part in x.chunks(LANES) {
        for ((low, high), &v) in low.iter_mut().zip(&mut high).zip(part) {
            // Neither comparison holds for NaN.
            let finite = v.abs() <= f32::MAX;
            *low = if finite && v < *low { v } else { *low };
            *high = if finite && v > *high { v } else { *high };
        }
    }
    let least = low.into_iter().fold(f32::INFINITY, f32::min);
    (least, high.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

/// Number of different units of `[outer, units, inner]`, compared bit by bit through a 64-bit hash.
///
/// Units that differ do so early, as a rule, so the first few elements are looked at before all.
pub(crate) fn distinct(x: &[f32], units: usize, inner: usize) -> usize {
    const FIRST: usize = 16;
    if x.is_empty() || units == 0 || inner == 0 {
        return 0;
    }
    let outer = x.len() / (units * inner);
    let shape = [outer, units, inner];
    let everyone: Vec<usize> = (0..units).collect();
    let mut heads: Vec<(u64, usize)> = hashes(x, shape, &everyone, FIRST)
        .into_iter()
        .zip(everyone)
        .collect();
    heads.sort_unstable();
    heads
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| {
            if group.len() == 1 || outer * inner <= FIRST {
                return 1;
            }
            let group: Vec<usize> = group.iter().map(|&(_, unit)| unit).collect();
            let mut all = hashes(x, shape, &group, usize::MAX);
            all.sort_unstable();
            all.dedup();
            all.len()
        })
        .sum()
}

/// A hash of the first `limit` elements of each of these units.
fn hashes(x: &[f32], shape: [usize; 3], units: &[usize], limit: usize) -> Vec<u64> {
    /// Neighbours are hashed together, for they share cache lines.
    const BLOCK: usize = 64;
    let [outer, all, inner] = shape;
    units
        .par_chunks(BLOCK)
        .flat_map_iter(|block| {
            let mut hashes = vec![0x9E37_79B9_7F4A_7C15u64; block.len()];
            for o in 0..outer.min(limit.div_ceil(inner)) {
                for (hash, unit) in hashes.iter_mut().zip(block) {
                    for v in &x[(o * all + unit) * inner..][..inner.min(limit - o * inner)] {
                        *hash =
                            (*hash ^ u64::from(v.to_bits())).wrapping_mul(0xD6E8_FEB8_6659_FD93);
                        *hash ^= *hash >> 32;
                    }
                }
            }
            hashes
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<f32> {
        (0..n as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0)
            .collect()
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn wide_registers_give_the_same_bits() {
        if !is_x86_feature_detected!("avx2") {
            return;
        }
        let flat = Some(Flat {
            low: -0.5,
            high: 0.5,
        });
        let mut x = noise(10_007);
        for special in [None, Some(f32::NAN), Some(f32::INFINITY), Some(-0.0)] {
            if let Some(special) = special {
                x[4321] = special;
            }
            for n in [0, 1, 7, 8, 9, 10_007] {
                let narrow = chunk_sums_anywhere(&x[..n], flat);
                if is_x86_feature_detected!("avx512f") {
                    // SAFETY: the processor has AVX-512.
                    let widest = unsafe { chunk_sums_avx512(&x[..n], flat) };
                    assert_eq!(narrow.sum.to_bits(), widest.sum.to_bits());
                    assert_eq!(narrow.square.to_bits(), widest.square.to_bits());
                    assert_eq!(narrow.max.to_bits(), widest.max.to_bits());
                }
                // SAFETY: the processor has AVX2, as asked above.
                let wide = unsafe { chunk_sums_avx2(&x[..n], flat) };
                assert_eq!(narrow.sum.to_bits(), wide.sum.to_bits());
                assert_eq!(narrow.square.to_bits(), wide.square.to_bits());
                assert_eq!(narrow.max.to_bits(), wide.max.to_bits());
                assert_eq!(
                    (narrow.zeros, narrow.flat, narrow.non_finite),
                    (wide.zeros, wide.flat, wide.non_finite)
                );
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn cosines_are_those_of_pairs_and_the_same_bits_in_wide_registers() {
        let (samples, width) = (5, 3001);
        let x = noise(samples * width);
        let row = |k: usize| &x[k * width..(k + 1) * width];
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            let pairs = a.iter().zip(b);
            pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let mut total = 0.0;
        for i in 0..samples {
            for j in (0..samples).filter(|&j| j != i) {
                let (a, b) = (row(i), row(j));
                total += dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            }
        }
        let want = total / (samples * (samples - 1)) as f64;
        let seen = sample_cosine(&x, &sample_sums(&x, samples, None)).unwrap();
        assert!((seen - want).abs() < 1e-12, "{seen} {want}");
        if is_x86_feature_detected!("avx2") {
            let parts: Vec<(&[f32], f64)> = (0..samples).map(|k| (row(k), 0.7)).collect();
            let narrow = length_of_sum_anywhere(&parts, width);
            // SAFETY: the processor has AVX2, as asked above.
            let wide = unsafe { length_of_sum_avx2(&parts, width) };
            assert_eq!(narrow.to_bits(), wide.to_bits());
        }
    }

    #[test]
    fn bounds_are_of_finite_elements() {
        let mut x = noise(1003);
        let plain = |x: &[f32]| {
            let finite = x.iter().filter(|v| v.is_finite());
            finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| {
                (l.min(v), h.max(v))
            })
        };
        assert_eq!(bounds(&x), plain(&x));
        (x[3], x[700], x[1002]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
        assert_eq!(bounds(&x), plain(&x));
        assert_eq!(bounds(&[f32::NAN]), (f32::INFINITY, f32::NEG_INFINITY));
    }

    #[test]
    fn units_are_told_apart_wherever_they_differ() {
        let (outer, units, inner) = (5, 150, 40);
        let at = |o: usize, unit: usize, i: usize| (o * units + unit) * inner + i;
        assert_eq!(distinct(&noise(outer * units * inner), units, inner), units);
        // All alike, until one element late in a unit differs, and then another one of another.
        let mut x = vec![0.25; outer * units * inner];
        assert_eq!(distinct(&x, units, inner), 1);
        x[at(4, 149, 39)] = 1.0;
        assert_eq!(distinct(&x, units, inner), 2);
        x[at(2, 3, 0)] = 1.0;
        assert_eq!(distinct(&x, units, inner), 3);
        // The same element in the same place makes two units alike again.
        x[at(2, 7, 0)] = 1.0;
        assert_eq!(distinct(&x, units, inner), 3);
        assert_eq!(distinct(&[], 4, 4), 0);
    }
}
