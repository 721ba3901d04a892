//! The normal distribution cut off on both sides, by inversion of its distribution function.
//!
//! Inversion takes one word for each element, which rejection does not, so every element stays a function of its
//! index; and it is exact in the tails, which `erfinv` of a single-precision uniform is not.

use std::sync::{Mutex, PoisonError};

use crate::element::private::{Draw, Single};
use crate::math::double::exp;
use crate::math::quadrature::composite;
use crate::math::{gauss, single};
use crate::simd::Simd;
use crate::stream::{LANES, TILE, Words};

const TWO_32: f64 = 4_294_967_296.0;
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// Where an interval on one side counts as tail: from here on the tail's own fraction is drawn.
const TAIL_FROM: f64 = 2.5;
/// The farthest bound on one side.
pub(crate) const FARTHEST: f64 = 37.0;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TruncatedNormal {
    /// The bounds of the result.
    low: f64,
    high: f64,
    /// `x = shift + scale z`.
    shift: f64,
    scale: f64,
    /// Mean and standard deviation of z.
    moments: (f64, f64),
    /// `p = start + w step`, in units of 2⁻⁶⁴.
    start: u64,
    step: u32,
    part: Part,
}

/// Which part of the line the interval lies in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// p is Φ(z); `tails` says whether some |p − ½| exceeds 0.48.
    Central { tails: bool },
    /// p is Q(|z|) / Q(bound), and −2 ln Q(bound) = `exponent`.
    Tail { exponent: f64, negative: bool },
}

/// Why bounds cannot be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TruncationError {
    /// Both bounds beyond [`FARTHEST`] on one side.
    TooFar,
    /// Less than 2⁻²⁰ of the distribution, or of its tail, between the bounds.
    TooNarrow,
}

impl TruncatedNormal {
    /// Bounds `a < b` in standard deviations, all arguments finite.
    ///
    /// Plain: `mean` and `std` are those of the normal distribution that is cut. Corrected: those of the result.
    pub(crate) fn new(
        mean: f64,
        std: f64,
        a: f64,
        b: f64,
        corrected: bool,
    ) -> Result<Self, TruncationError> {
        let near = if a > 0.0 {
            a
        } else if b < 0.0 {
            -b
        } else {
            0.0
        };
        if near > FARTHEST {
            return Err(TruncationError::TooFar);
        }
        let Interval {
            share,
            middle,
            part,
            moments,
        } = Interval::recall(a, b, near);
        if share < 1.0 / 1_048_576.0 {
            return Err(TruncationError::TooNarrow);
        }
        // Even, so that w and its complement lie symmetrically about the middle; rounded down, so inside the bounds.
        let step = ((share * TWO_32) as u32).min(u32::MAX - 1) & !1;
        let middle = (1u64 << 63).wrapping_add_signed((middle * 2.0 * TWO_63) as i64);
        let start = middle.wrapping_sub(u64::from(step / 2) * u64::from(u32::MAX));
        let (shift, scale) = if corrected {
            (mean - std * (moments.0 / moments.1), std / moments.1)
        } else {
            (mean, std)
        };
        let (low, high) = (shift + scale * a, shift + scale * b);
        Ok(Self {
            low,
            high,
            shift,
            scale,
            moments,
            start,
            step,
            part,
        })
    }

    /// Standard deviation `std` after a cut at ±2.
    pub(crate) fn two_sigma(std: f64) -> Self {
        Self::new(0.0, std, -2.0, 2.0, true).expect("±2 is neither too far nor too narrow")
    }

    /// The distribution of the values times a positive factor.
    pub(crate) fn scaled(&self, factor: f64) -> Self {
        Self {
            low: factor * self.low,
            high: factor * self.high,
            shift: factor * self.shift,
            scale: factor * self.scale,
            ..self.clone()
        }
    }

    /// With exactly these bounds, which the standard deviations had rounded.
    pub(crate) fn with_bounds(self, low: f64, high: f64) -> Self {
        Self { low, high, ..self }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.shift + self.scale * self.moments.0
    }

    pub(crate) fn std(&self) -> f64 {
        self.scale * self.moments.1
    }

    /// The interval of the values.
    pub(crate) fn bounds(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    fn probability(&self, w: u32) -> u64 {
        self.start.wrapping_add(u64::from(w) * u64::from(self.step))
    }

    /// The probability of the 64-bit word, whose upper half decides the 2³² cells of [`Self::probability`].
    fn long_probability(&self, w: u32, low: u32) -> u64 {
        let step = u64::from(self.step);
        let inside = (u64::from(low) * step) >> 32;
        self.probability(w)
            .wrapping_add(inside)
            .wrapping_sub(step / 2)
    }
}

impl Draw for TruncatedNormal {
    #[inline(always)]
    fn single<S: Simd, T: Single>(&self, s: S, tile: &S::Tile, out: &mut [T; TILE]) {
        let (shift, scale) = (s.float(self.shift as f32), s.float(self.scale as f32));
        let (low, high) = (s.float(self.low as f32), s.float(self.high as f32));
        // One loop for each part, so that each is straight.
        macro_rules! each {
            ($w:ident => $z:expr) => {
                for row in [0, 2] {
                    for lane in (0..LANES).step_by(S::LANES) {
                        let $w = s.words(tile, row, lane);
                        let first = s.min(high, s.max(low, shift + scale * $z));
                        let $w = s.words(tile, row + 1, lane);
                        let second = s.min(high, s.max(low, shift + scale * $z));
                        T::put_two(s, [first, second], out, row, lane);
                    }
                }
            };
        }
        match self.part {
            Part::Central { tails: false } => each!(w => {
                let (p, _) = s.multiply_add_wide(w, self.step, self.start);
                single::normal_quantile_central(s, odd(s, p))
            }),
            Part::Central { tails: true } => each!(w => {
                let p = s.multiply_add_wide(w, self.step, self.start);
                replace_tails(s, p, single::normal_quantile_central(s, odd(s, p.0)))
            }),
            Part::Tail { exponent, negative } => {
                // Increasing in the word on either side.
                let flip = s.word(if negative { 0 } else { u32::MAX });
                let sign = s.word(if negative { 1 << 31 } else { 0 });
                each!(w => {
                    let p = s.multiply_add_wide(w ^ flip, self.step, self.start);
                    let distance = single::normal_quantile_tail(s, p, exponent as f32);
                    s.float_from_bits(s.bits(distance) ^ sign)
                });
            }
        }
    }

    #[inline(always)]
    fn double(&self, high: &Words, low: &Words, out: &mut [f64; TILE]) {
        for j in 0..4 {
            for lane in 0..LANES {
                let (w, l) = (high[j][lane], low[j][lane]);
                let z = match self.part {
                    Part::Central { .. } => {
                        let p = self.long_probability(w, l);
                        let central = (p ^ (1 << 63)) as i64;
                        if central.unsigned_abs() <= (0.48 * 2.0 * TWO_63) as u64 {
                            gauss::quantile_central(central)
                        } else if central < 0 {
                            -gauss::quantile_tail(p, 0.0)
                        } else {
                            gauss::quantile_tail(p.wrapping_neg(), 0.0)
                        }
                    }
                    Part::Tail {
                        exponent,
                        negative: true,
                    } => -gauss::quantile_tail(self.long_probability(w, l), exponent),
                    Part::Tail {
                        exponent,
                        negative: false,
                    } => gauss::quantile_tail(self.long_probability(!w, !l), exponent),
                };
                let x = self.shift + self.scale * z;
                let x = if x < self.low { self.low } else { x };
                out[j * LANES + lane] = if x > self.high { self.high } else { x };
            }
        }
    }
}

/// What follows from the bounds alone.
#[derive(Clone, Copy)]
struct Interval {
    /// Share of the distribution, or of its tail, between the bounds.
    share: f64,
    /// The middle of the interval of probabilities, less ½ in the central part.
    middle: f64,
    part: Part,
    /// Mean and standard deviation.
    moments: (f64, f64),
}

impl Interval {
    /// As [`Interval::new`], which takes microseconds, but the last one is kept: a model has many tensors and few bounds.
    fn recall(a: f64, b: f64, near: f64) -> Self {
        static LAST: Mutex<Option<([u64; 2], Interval)>> = Mutex::new(None);
        let key = [a, b].map(f64::to_bits);
        let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
        match *last() {
            Some((kept, interval)) if kept == key => return interval,
            _ => {}
        }
        let interval = Self::new(a, b, near);
        *last() = Some((key, interval));
        interval
    }

    fn new(a: f64, b: f64, near: f64) -> Self {
        let (share, middle, part) = if near < TAIL_FROM {
            // The middle of [Φ(a), Φ(b)] less ½, which is exactly 0 for symmetric bounds.
            let middle = 0.5 * (gauss::cumulative(a) - gauss::survival(b));
            let share = gauss::mass(a, b);
            let tails = middle.abs() + 0.5 * share > 0.4799;
            (share, middle, Part::Central { tails })
        } else {
            let (near, far) = if a > 0.0 { (a, b) } else { (-b, -a) };
            let exponent = gauss::tail_exponent(near);
            let rest = exp(0.5 * (exponent - gauss::tail_exponent(far)));
            let negative = a < 0.0;
            (1.0 - rest, 0.5 * rest, Part::Tail { exponent, negative })
        };
        Self {
            share,
            middle,
            part,
            moments: moments(a, b, near),
        }
    }
}

/// The upper word of a probability as the signed distance from ½; odd, which makes it the middle of its cell.
#[inline(always)]
fn odd<S: Simd>(s: S, high: S::U) -> S::U {
    (high ^ s.word(1 << 31)) | s.word(1)
}

/// The quantiles z of p, with those beyond the central part put right.
#[inline(always)]
fn replace_tails<S: Simd>(s: S, (high, low): (S::U, S::U), z: S::F) -> S::F {
    let outside = s.greater(s.abs(odd(s, high)), s.word(single::CENTRAL_LIMIT));
    if !s.any(outside) {
        return z;
    }
    let above = s.negative(high);
    // p or 2⁶⁴ − p.
    let carry = s.select_words(s.equal(low, s.word(0)), s.word(1), s.word(0));
    let ones = s.word(u32::MAX);
    let q = (
        s.select_words(above, (high ^ ones) + carry, high),
        s.select_words(above, s.word(0) - low, low),
    );
    let sign = s.select_words(above, s.word(0), s.word(1 << 31));
    let distance = single::normal_quantile_tail(s, q, 0.0);
    s.select(outside, s.float_from_bits(s.bits(distance) ^ sign), z)
}

/// Mean and standard deviation of the standard normal distribution cut to [a, b], whose point nearest 0 is at `near`.
///
/// By quadrature: the closed forms cancel for narrow intervals and in the tails.
fn moments(a: f64, b: f64, near: f64) -> (f64, f64) {
    // Beyond `reach` the density is below e⁻⁴⁵ of its largest value.
    let reach = (near * near + 90.0).sqrt();
    let (from, to) = (a.max(-reach), b.min(reach));
    let weighted = |f: &dyn Fn(f64) -> f64| {
        composite(
            &mut |z| exp(0.5 * (near * near - z * z)) * f(z),
            from,
            to,
            24,
        )
    };
    let total = weighted(&|_| 1.0);
    let offset = weighted(&|z| z - from) / total;
    let mean = if a == -b { 0.0 } else { from + offset };
    let variance = weighted(&|z| (z - mean) * (z - mean)) / total;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;
    use statrs::distribution::{ContinuousCDF, Normal};

    impl TruncatedNormal {
        fn values(&self, words: &Words) -> [f32; TILE] {
            let mut out = [0.0; TILE];
            self.single(Portable, words, &mut out);
            out
        }

        fn values_f64(&self, high: &Words, low: &Words) -> [f64; TILE] {
            let mut out = [0.0; TILE];
            self.double(high, low, &mut out);
            out
        }
    }

    const INTERVALS: [(f64, f64); 12] = [
        (-2.0, 2.0),
        (-1.0, 2.0),
        (-3.0, 3.0),
        (-0.1, 0.1),
        (0.0, 1.0),
        (-6.0, 6.0),
        (2.4, 2.6),
        (2.5, 4.0),
        (-9.0, -3.0),
        (5.0, 7.0),
        (30.0, 31.0),
        (-1e6, 1e6),
    ];

    #[test]
    fn the_known_standard_deviation_of_two_sigma() {
        let (mean, std) = moments(-2.0, 2.0, 0.0);
        assert_eq!(mean, 0.0);
        assert!((std - 0.879_625_661_034_239_8).abs() < 1e-15, "{std}");
        // A narrow interval is nearly uniform.
        let (mean, std) = moments(1.0, 1.0001, 1.0);
        assert!((mean - 1.000_05).abs() < 1e-8 && (std / (1e-4 / 12f64.sqrt()) - 1.0).abs() < 1e-6);
        // Far out, nearly exponential: E z = a + 1/a - 2/a³ ….
        let (mean, _) = moments(30.0, 100.0, 30.0);
        assert!((mean - 30.033_259_667_433_68).abs() < 1e-12, "{mean}");
    }

    #[test]
    fn every_word_maps_to_its_quantile() {
        for (a, b) in INTERVALS {
            let sampler = TruncatedNormal::new(0.0, 1.0, a, b, false).unwrap();
            let normal = Normal::standard();
            let mut last = f32::NEG_INFINITY;
            let mut worst = 0f64;
            for i in 0..4096u32 {
                let w = i << 20 | 0x7_ffff;
                let mut words = [[0; LANES]; 4];
                words[0][0] = w;
                let z = sampler.values(&words)[0];
                assert!(
                    z >= last && f64::from(z) >= a - 1e-6 && f64::from(z) <= b + 1e-6,
                    "[{a}, {b}] {w} {z}"
                );
                last = z;
                let double = sampler.values_f64(&words, &[[0x8000_0000; LANES]; 4])[0];
                worst = worst.max((f64::from(z) - double).abs() / double.abs().max(1.0));
                if a > -8.0 && b < 5.0 {
                    let v = (f64::from(w) + 0.5) / TWO_32;
                    let p = normal.cdf(a) + v * (normal.cdf(b) - normal.cdf(a));
                    let density = (-0.5 * double * double).exp() / 2.506_628_274_631;
                    // statrs' own error function is good to about 1e-11.
                    let slack = 1e-8 + 1e-9 / density;
                    assert!(
                        (normal.cdf(double) - p).abs() / density < slack,
                        "[{a}, {b}] {v}: {double}"
                    );
                }
            }
            println!("[{a}, {b}]: f32 against f64, worst error / max(1, |z|) {worst:.2e}");
            assert!(worst < 3e-7, "[{a}, {b}] {worst:e}");
        }
    }

    #[test]
    fn complementary_words_give_opposite_values() {
        let sampler = TruncatedNormal::new(0.0, 0.02, -3.0, 3.0, true).unwrap();
        for i in 0..1000u32 {
            let w = i.wrapping_mul(2_654_435_761);
            let one = sampler.values(&[[w; LANES]; 4])[0];
            let other = sampler.values(&[[!w; LANES]; 4])[0];
            assert_eq!(one, -other);
        }
    }

    #[test]
    fn bounds_without_room_are_refused() {
        use TruncationError::{TooFar, TooNarrow};
        for (a, b, error) in [
            (38.0, 40.0, TooFar),
            (-90.0, -80.0, TooFar),
            (0.0, 1e-9, TooNarrow),
            (5.0, 5.0 + 1e-9, TooNarrow),
        ] {
            assert_eq!(TruncatedNormal::new(0.0, 1.0, a, b, false), Err(error));
        }
    }
}
