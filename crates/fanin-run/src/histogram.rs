//! The distribution of a tensor's elements, drawn small.

use rayon::prelude::*;
use serde::Serialize;

/// Bins of a [`Histogram`].
const BINS: usize = 48;
/// Root mean squares from zero to either end.
const REACH: f64 = 4.0;
/// Elements that are counted at most; more are thinned out evenly.
const SAMPLE: usize = 1 << 16;
/// Elements that one task counts.
const PART: usize = 1 << 14;
/// Places of a count: the bins, and what is passed over.
const PLACES: usize = 64;

/// How the elements of a tensor are distributed, counted over an even sample of at most 65,536.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Lower end of the first bin, four root mean squares below zero.
    pub low: f64,
    /// Upper end of the last bin.
    pub high: f64,
    /// Elements per bin, of equal widths; the bins at the ends also hold what lies beyond them.
    pub counts: Vec<u32>,
}

impl Histogram {
    /// Counts elements whose root mean square is `rms`; `None` where there is no scale to count on.
    pub(crate) fn of(x: &[f32], rms: f64) -> Option<Self> {
        if !(rms.is_finite() && rms > 0.0) {
            return None;
        }
        let scale = BINS as f64 / (2.0 * REACH * rms);
        // Odd, so that it does not pick the same units of every row.
        let step = x.len().div_ceil(SAMPLE) | 1;
        // Whole numbers: the sum is the same in whatever order the parts come.
        let counts = x
            .par_chunks(step * PART)
            .map(|part| counts(part, step, scale))
            .reduce(
                || [0; PLACES],
                |mut a, b| {
                    for (a, b) in a.iter_mut().zip(b) {
                        *a += b;
                    }
                    a
                },
            );
        let counts = counts[..BINS].to_vec();
        Some(Self {
            low: -REACH * rms,
            high: REACH * rms,
            counts,
        })
    }
}

/// Every `step`-th element counted by its bin.
fn counts(x: &[f32], step: usize, scale: f64) -> [u32; PLACES] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { counts_avx2(x, step, scale) };
    }
    counts_anywhere(x, step, scale)
}

/// The same operations compiled for wider registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn counts_avx2(x: &[f32], step: usize, scale: f64) -> [u32; PLACES] {
    counts_anywhere(x, step, scale)
}

#[inline(always)]
fn counts_anywhere(x: &[f32], step: usize, scale: f64) -> [u32; PLACES] {
    const BLOCK: usize = 64;
    let mut counts = [0u32; PLACES];
    for part in x.chunks(step * BLOCK) {
        let mut values = [f32::NAN; BLOCK];
        for (value, &v) in values.iter_mut().zip(part.iter().step_by(step)) {
            *value = v;
        }
        let mut bins = [0u8; BLOCK];
        for (bin, &v) in bins.iter_mut().zip(&values) {
            let at = f64::from(v) * scale + (BINS / 2) as f64;
            let at = if at > 0.0 { at } else { 0.0 };
            let last = (BINS - 1) as f64;
            let at = if at < last { at } else { last } as i32 as u8;
            // What is no number goes where nobody looks.
            *bin = if v.is_nan() { (PLACES - 1) as u8 } else { at };
        }
        for bin in bins {
            counts[usize::from(bin) % PLACES] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_lands_in_its_bin() {
        let x = [-1.0, -1e30, 0.0, 1.0, 0.999, f32::INFINITY, f32::NAN];
        let histogram = Histogram::of(&x, 1.0).unwrap();
        assert_eq!((histogram.low, histogram.high), (-4.0, 4.0));
        let at = |bin: usize| histogram.counts[bin];
        // Six bins to the unit: zero is the lower end of bin 24.
        assert_eq!(
            (at(0), at(18), at(24), at(29), at(30), at(47)),
            (1, 1, 1, 1, 1, 1)
        );
        assert_eq!(histogram.counts.iter().sum::<u32>(), 6);
    }

    #[test]
    fn many_elements_are_thinned_out_over_all_columns() {
        let x: Vec<f32> = (0..1 << 20).map(|i| (i % 1024) as f32).collect();
        let histogram = Histogram::of(&x, 512.0).unwrap();
        let counted: u32 = histogram.counts.iter().sum();
        assert!((50_000..=65_536).contains(&counted), "{counted}");
        // Uniform over [0, 1024), which is a quarter of the range.
        let inside: u32 = histogram.counts[24..36].iter().sum();
        assert_eq!(inside, counted);
        let (least, most) = (counted / 12 - 200, counted / 12 + 200);
        assert!(
            histogram.counts[24..36]
                .iter()
                .all(|c| (least..most).contains(c))
        );
    }

    #[test]
    fn nothing_to_count_on() {
        assert_eq!(Histogram::of(&[0.0; 4], 0.0), None);
        assert_eq!(Histogram::of(&[f32::NAN], f64::NAN), None);
    }
}
