//! Single precision: what the fill path of f32, f16 and bf16 evaluates for every element.

use super::tables::{CENTRAL_DEN, CENTRAL_NUM, COS, LN, SIN, TAIL_DEN, TAIL_NUM};
use crate::simd::Lanes;

/// The bits of √½ in f32, where a logarithm's argument is split.
const SQRT_HALF: u32 = 0x3f35_04f3;
const ONE: u32 = 0x3f80_0000;
/// ln 2 in two parts; the first has 9 bits, so its product with a small integer is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// √(2π).
const SQRT_TAU: f32 = 2.506_628_3;

/// Horner's scheme, ascending coefficients: each step one multiplication and one addition.
#[inline(always)]
fn polynomial<S: Lanes, const N: usize>(s: S, coefficients: &[f32; N], x: S::F) -> S::F {
    let mut sum = s.float(coefficients[N - 1]);
    for c in coefficients[..N - 1].iter().rev() {
        sum = sum * x + s.float(*c);
    }
    sum
}

/// `y = m · 2^k` with m in [√½, √2), for normal positive y.
#[inline(always)]
fn split<S: Lanes>(s: S, y: S::F) -> (S::U, S::F) {
    let shifted = s.bits(y) + s.word(ONE.wrapping_sub(SQRT_HALF));
    let k = s.shift_right(shifted, 23) - s.word(127);
    let m = (shifted & s.word(0x007f_ffff)) + s.word(SQRT_HALF);
    (k, s.float_from_bits(m))
}

/// `k ln 2 + ln(1 + f)` for f in [√½ − 1, √2 − 1].
#[inline(always)]
fn ln_from<S: Lanes>(s: S, k: S::U, f: S::F) -> S::F {
    let k = s.float_from_signed(k);
    let square = f * f;
    let rest = square * f * polynomial(s, &LN, f);
    let rest = rest + k * s.float(LN2_LOW);
    let rest = rest - s.float(0.5) * square;
    (f + rest) + k * s.float(LN2_HIGH)
}

/// |x|.
#[inline(always)]
fn magnitude<S: Lanes>(s: S, x: S::F) -> S::F {
    s.float_from_bits(s.bits(x) & s.word(0x7fff_ffff))
}

/// ρ = √(−2 ln((w + 1)·2⁻³²)), relative error below 1.5e-7 for every w.
#[inline(always)]
pub(crate) fn radius<S: Lanes>(s: S, w: S::U) -> S::F {
    let one = s.float(1.0);
    let upper = s.negative(w);
    // The nearer of w + 1 and 2³² − (w + 1); 2³¹ wraps to −2³¹, whose magnitude is right.
    let n = s.select_words(upper, w ^ s.word(u32::MAX), w + s.word(1));
    let x = magnitude(s, s.float_from_signed(n)) * s.float(1.0 / 4_294_967_296.0);
    let (k, m) = split(s, s.select(upper, one - x, x));
    // m − 1 from x itself where u > ½, so that nothing is lost near u = 1.
    let near_one = s.float(0.0) - x;
    let above = s.select(s.equal(k, s.word(0)), near_one, one - s.float(2.0) * x);
    let f = s.select(upper, above, m - one);
    let t = s.float(-2.0) * ln_from(s, k, f);
    s.sqrt(s.max(t, s.float(0.0)))
}

/// Cosine and sine of w·2⁻³² turns, relative error below 1.8e-7 each.
#[inline(always)]
pub(crate) fn turn<S: Lanes>(s: S, w: S::U) -> (S::F, S::F) {
    let quarter = s.shift_right(w + s.word(1 << 29), 30);
    let a = s.float_from_signed(w - s.shift_left(quarter, 30)) * s.float(1.0 / 536_870_912.0);
    let square = a * a;
    let sin = a * polynomial(s, &SIN, square);
    let cos = s.float(1.0) + square * polynomial(s, &COS, square);
    let odd = s.negative(s.shift_left(quarter, 31));
    let (cos, sin) = (s.select(odd, sin, cos), s.select(odd, cos, sin));
    let cos_sign = s.shift_left((quarter + s.word(1)) & s.word(2), 30);
    let sin_sign = s.shift_left(quarter & s.word(2), 30);
    (
        s.float_from_bits(s.bits(cos) ^ cos_sign),
        s.float_from_bits(s.bits(sin) ^ sin_sign),
    )
}

/// The largest |P|·2³² of the central part: 0.48.
pub(crate) const CENTRAL_LIMIT: u32 = 2_061_584_302;

/// z with Φ(z) = ½ + P·2⁻³², for odd |P| <= [`CENTRAL_LIMIT`]; relative error below 3e-7.
#[inline(always)]
pub(crate) fn normal_quantile_central<S: Lanes>(s: S, p: S::U) -> S::F {
    let unit = s.float(1.0 / 4_294_967_296.0);
    // ½ − |P| as an integer: near ½ the difference of two floats would lose bits.
    let q = s.float_from_signed(s.word(1 << 31) - s.abs(p)) * unit;
    let y = q * (s.float(1.0) - q);
    let p = s.float_from_signed(p) * unit;
    // √(2π) P + P³ R: the leading term is nearly exact, and R's own rounding counts for little.
    let cube = p * p * p;
    let rest = cube * polynomial(s, &CENTRAL_NUM, y) / polynomial(s, &CENTRAL_DEN, y);
    p * s.float(SQRT_TAU) + rest
}

/// z > 0 with −2 ln Q(z) = t0 − 2 ln(q·2⁻⁶⁴), for q > 0, given as upper and lower word, and a sum between 7.6 and 1600;
/// relative error below 3e-7.
#[inline(always)]
pub(crate) fn normal_quantile_tail<S: Lanes>(s: S, (high, low): (S::U, S::U), t0: f32) -> S::F {
    // The upper 31 bits and the next 24.
    let next = s.shift_left(high & s.word(1), 23) | s.shift_right(low, 9);
    let high = s.float_from_signed(s.shift_right(high, 1));
    let low = s.float_from_signed(next);
    let y = (high + low * s.float(1.0 / 16_777_216.0)) * s.float(1.0 / 2_147_483_648.0);
    let (k, m) = split(s, y);
    let t = s.float(t0) - s.float(2.0) * ln_from(s, k, m - s.float(1.0));
    let root = s.sqrt(t);
    root - polynomial(s, &TAIL_NUM, root) / polynomial(s, &TAIL_DEN, root)
}

#[cfg(test)]
mod tests {
    use std::num::Wrapping;

    use super::CENTRAL_LIMIT;
    use crate::math::gauss;
    use crate::simd::Portable;

    fn radius(w: u32) -> f32 {
        super::radius(Portable, Wrapping(w))
    }

    fn turn(w: u32) -> (f32, f32) {
        super::turn(Portable, Wrapping(w))
    }

    fn normal_quantile_central(p: i32) -> f32 {
        super::normal_quantile_central(Portable, Wrapping(p as u32))
    }

    fn normal_quantile_tail(q: u64, t0: f32) -> f32 {
        let halves = (Wrapping((q >> 32) as u32), Wrapping(q as u32));
        super::normal_quantile_tail(Portable, halves, t0)
    }

    /// Every power of two, its neighbours, and a stride that is coprime to it.
    fn words() -> impl Iterator<Item = u32> {
        let edges = (0..32).flat_map(|k| (-3..=3).map(move |d| (1u32 << k).wrapping_add_signed(d)));
        let spread = (0..4_000_000u32).map(|i| i.wrapping_mul(2_654_435_761));
        edges.chain(spread)
    }

    #[test]
    fn radius_is_accurate_and_reaches_6_66() {
        let mut worst = 0f64;
        for w in words() {
            let complement = f64::from(!w) / 4_294_967_296.0;
            let reference = (-2.0 * (-complement).ln_1p()).sqrt();
            let got = f64::from(radius(w));
            if reference == 0.0 {
                assert_eq!(got, 0.0);
            } else {
                worst = worst.max((got / reference - 1.0).abs());
            }
        }
        println!("radius: worst relative error {worst:.3e}");
        assert!(worst < 1.5e-7, "{worst:e}");
        assert!(radius(0) > 6.66 && radius(u32::MAX) == 0.0);
    }

    #[test]
    fn turn_is_accurate() {
        let (mut worst, mut drift) = (0f64, 0f64);
        for w in words() {
            // The angle nearest zero modulo a quarter turn, so that the reference keeps its own accuracy.
            let quarter = w.wrapping_add(1 << 29) >> 30;
            let a = f64::from(w.wrapping_sub(quarter << 30) as i32)
                * (std::f64::consts::TAU / 4_294_967_296.0);
            let (cos, sin) = match quarter {
                0 => (a.cos(), a.sin()),
                1 => (-a.sin(), a.cos()),
                2 => (-a.cos(), -a.sin()),
                _ => (a.sin(), -a.cos()),
            };
            let (c, s) = turn(w);
            for (got, reference) in [(f64::from(c), cos), (f64::from(s), sin)] {
                if reference == 0.0 {
                    assert_eq!(got, 0.0);
                } else {
                    worst = worst.max((got / reference - 1.0).abs());
                }
            }
            drift = drift.max((f64::from(c).powi(2) + f64::from(s).powi(2) - 1.0).abs());
        }
        println!("turn: worst relative error {worst:.3e}, worst |c² + s² - 1| {drift:.3e}");
        assert!(worst < 1.8e-7, "{worst:e}");
    }

    #[test]
    fn central_quantile_is_accurate_and_odd() {
        let mut worst = 0f64;
        for w in words() {
            let p = (w as i32 % CENTRAL_LIMIT as i32) | 1;
            let reference = gauss::quantile_central(i64::from(p) << 32);
            let z = normal_quantile_central(p);
            worst = worst.max((f64::from(z) - reference).abs() / reference.abs().max(1.0));
            assert_eq!(normal_quantile_central(-p), -z);
        }
        println!("central quantile: worst error / max(1, |z|) {worst:.3e}");
        assert!(worst < 3e-7, "{worst:e}");
    }

    #[test]
    fn tail_quantile_is_accurate() {
        let mut worst = 0f64;
        for t0 in [0f32, 10.5, 30.0, 100.0, 1000.0, 1400.0] {
            for w in words().step_by(7) {
                let limit = if t0 == 0.0 { 0.02 } else { 1.0 };
                let q = ((f64::from(w) + 0.75) * limit * 4_294_967_296.0) as u64;
                let reference = gauss::quantile_tail(q, f64::from(t0));
                worst = worst.max((f64::from(normal_quantile_tail(q, t0)) / reference - 1.0).abs());
            }
        }
        println!("tail quantile: worst relative error {worst:.3e}");
        assert!(worst < 3e-7, "{worst:e}");
    }
}
