//! The normal distribution cut off on both sides, by inversion of its distribution function.
//!
//! Inversion takes one word for each element, which rejection does not, so every element stays a function of its
//! index; and it is exact in the tails, which `erfinv` of a single-precision uniform is not.

use crate::math::double::exp;
use crate::math::quadrature::composite;
use crate::math::{gauss, single};
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
        let (share, middle, part) = if near < TAIL_FROM {
            // The middle of [Φ(a), Φ(b)] less ½, which is exactly 0 for symmetric bounds.
            let middle = 0.5 * (gauss::cumulative(a) - gauss::survival(b));
            let share = gauss::mass(a, b);
            (
                share,
                middle,
                Part::Central {
                    tails: middle.abs() + 0.5 * share > 0.4799,
                },
            )
        } else {
            let (near, far) = if a > 0.0 { (a, b) } else { (-b, -a) };
            let exponent = gauss::tail_exponent(near);
            let rest = exp(0.5 * (exponent - gauss::tail_exponent(far)));
            (
                1.0 - rest,
                0.5 * rest,
                Part::Tail {
                    exponent,
                    negative: a < 0.0,
                },
            )
        };
        if share < 1.0 / 1_048_576.0 {
            return Err(TruncationError::TooNarrow);
        }
        // Even, so that w and its complement lie symmetrically about the middle; rounded down, so inside the bounds.
        let step = ((share * TWO_32) as u32).min(u32::MAX - 1) & !1;
        let middle = (1u64 << 63).wrapping_add_signed((middle * 2.0 * TWO_63) as i64);
        let start = middle.wrapping_sub(u64::from(step / 2) * u64::from(u32::MAX));
        let moments = moments(a, b, near);
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

    #[inline(always)]
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

    #[inline(always)]
    pub(crate) fn single(&self, words: &Words) -> [f32; TILE] {
        let mut out = [0.0; TILE];
        match self.part {
            Part::Central { tails } => {
                for j in 0..4 {
                    for lane in 0..LANES {
                        let p = self.probability(words[j][lane]);
                        // Odd, which makes it the middle of its cell.
                        let p = (((p >> 32) as u32 ^ 0x8000_0000) | 1) as i32;
                        out[j * LANES + lane] = single::normal_quantile_central(p);
                    }
                }
                if tails {
                    self.replace_tails(words, &mut out);
                }
            }
            Part::Tail { exponent, negative } => {
                let exponent = exponent as f32;
                // Increasing in the word on either side.
                let flip = if negative { 0 } else { u32::MAX };
                for j in 0..4 {
                    for lane in 0..LANES {
                        let p = self.probability(words[j][lane] ^ flip);
                        let z = single::normal_quantile_tail(p, exponent);
                        out[j * LANES + lane] = if negative { -z } else { z };
                    }
                }
            }
        }
        let (shift, scale) = (self.shift as f32, self.scale as f32);
        let (low, high) = (self.low as f32, self.high as f32);
        for x in &mut out {
            let y = shift + scale * *x;
            let y = if y < low { low } else { y };
            *x = if y > high { high } else { y };
        }
        out
    }

    #[inline(never)]
    fn replace_tails(&self, words: &Words, out: &mut [f32; TILE]) {
        for j in 0..4 {
            for lane in 0..LANES {
                let p = self.probability(words[j][lane]);
                let central = (((p >> 32) as u32 ^ 0x8000_0000) | 1) as i32;
                if central.unsigned_abs() > single::CENTRAL_LIMIT.unsigned_abs() {
                    let below = p >> 63 == 0;
                    let q = if below { p } else { p.wrapping_neg() };
                    let z = single::normal_quantile_tail(q, 0.0);
                    out[j * LANES + lane] = if below { -z } else { z };
                }
            }
        }
    }

    pub(crate) fn double(&self, high: &Words, low: &Words) -> [f64; TILE] {
        let mut out = [0.0; TILE];
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
        out
    }
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
    use statrs::distribution::{ContinuousCDF, Normal};

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
                let z = sampler.single(&words)[0];
                assert!(
                    z >= last && f64::from(z) >= a - 1e-6 && f64::from(z) <= b + 1e-6,
                    "[{a}, {b}] {w} {z}"
                );
                last = z;
                let double = sampler.double(&words, &[[0x8000_0000; LANES]; 4])[0];
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
            let one = sampler.single(&[[w; LANES]; 4])[0];
            let other = sampler.single(&[[!w; LANES]; 4])[0];
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
