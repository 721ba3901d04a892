//! Single precision: what the fill path of f32, f16 and bf16 evaluates for every element.

use super::polynomial;
use super::tables::{CENTRAL_DEN, CENTRAL_NUM, COS, LN, SIN, TAIL_DEN, TAIL_NUM};

/// The bits of √½ in f32, where a logarithm's argument is split.
const SQRT_HALF: u32 = 0x3f35_04f3;
const ONE: u32 = 0x3f80_0000;
/// ln 2 in two parts; the first has 9 bits, so its product with a small integer is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// √(2π).
const SQRT_TAU: f32 = 2.506_628_3;

/// `y = m · 2^k` with m in [√½, √2), for normal positive y.
#[inline(always)]
fn split(y: f32) -> (i32, f32) {
    let shifted = y.to_bits().wrapping_add(ONE - SQRT_HALF);
    let k = (shifted >> 23) as i32 - 127;
    (k, f32::from_bits((shifted & 0x007f_ffff) + SQRT_HALF))
}

/// `k ln 2 + ln(1 + f)` for f in [√½ − 1, √2 − 1].
#[inline(always)]
fn ln_from(k: i32, f: f32) -> f32 {
    let square = f * f;
    let mut rest = square * f * polynomial!(LN, f);
    rest += k as f32 * LN2_LOW;
    rest -= 0.5 * square;
    (f + rest) + k as f32 * LN2_HIGH
}

/// ρ = √(−2 ln((w + 1)·2⁻³²)), relative error below 1.5e-7 for every w.
#[inline(always)]
pub(crate) fn radius(w: u32) -> f32 {
    let upper = (w as i32) < 0;
    // The nearer of w + 1 and 2³² − (w + 1); 2³¹ wraps to −2³¹, whose magnitude is right.
    let n = if upper { !w } else { w.wrapping_add(1) };
    let x = (n as i32 as f32).abs() * (1.0 / 4_294_967_296.0);
    let (k, m) = split(if upper { 1.0 - x } else { x });
    // m − 1 from x itself where u > ½, so that nothing is lost near u = 1.
    let above = if k == 0 { -x } else { 1.0 - 2.0 * x };
    let f = if upper { above } else { m - 1.0 };
    let t = -2.0 * ln_from(k, f);
    if t > 0.0 { t.sqrt() } else { 0.0 }
}

/// Cosine and sine of w·2⁻³² turns, relative error below 1.8e-7 each.
#[inline(always)]
pub(crate) fn turn(w: u32) -> (f32, f32) {
    let quarter = w.wrapping_add(1 << 29) >> 30;
    let a = w.wrapping_sub(quarter << 30) as i32 as f32 * (1.0 / 536_870_912.0);
    let square = a * a;
    let s = a * polynomial!(SIN, square);
    let c = 1.0 + square * polynomial!(COS, square);
    let odd = quarter & 1 != 0;
    let (cos, sin) = if odd { (s, c) } else { (c, s) };
    let cos_sign = (quarter.wrapping_add(1) & 2) << 30;
    let sin_sign = (quarter & 2) << 30;
    (
        f32::from_bits(cos.to_bits() ^ cos_sign),
        f32::from_bits(sin.to_bits() ^ sin_sign),
    )
}

/// The largest |P|·2³² of the central part: 0.48.
pub(crate) const CENTRAL_LIMIT: i32 = 2_061_584_302;

/// z with Φ(z) = ½ + P·2⁻³², for odd |P| <= [`CENTRAL_LIMIT`]; relative error below 3e-7.
#[inline(always)]
pub(crate) fn normal_quantile_central(p: i32) -> f32 {
    // ½ − |P| as an integer: near ½ the difference of two floats would lose bits.
    let q =
        (i32::MIN).wrapping_add(p.wrapping_abs()).wrapping_neg() as f32 * (1.0 / 4_294_967_296.0);
    let y = q * (1.0 - q);
    let p = p as f32 * (1.0 / 4_294_967_296.0);
    // √(2π) P + P³ R: the leading term is nearly exact, and R's own rounding counts for little.
    let cube = p * p * p;
    p * SQRT_TAU + cube * polynomial!(CENTRAL_NUM, y) / polynomial!(CENTRAL_DEN, y)
}

/// z > 0 with −2 ln Q(z) = t0 − 2 ln(q·2⁻⁶⁴), for q > 0 and a sum between 7.6 and 1600; relative error below 3e-7.
#[inline(always)]
pub(crate) fn normal_quantile_tail(q: u64, t0: f32) -> f32 {
    let high = (q >> 33) as i32 as f32;
    let low = (q >> 9 & 0x00ff_ffff) as i32 as f32;
    let y = (high + low * (1.0 / 16_777_216.0)) * (1.0 / 2_147_483_648.0);
    let (k, m) = split(y);
    let s = (t0 - 2.0 * ln_from(k, m - 1.0)).sqrt();
    s - polynomial!(TAIL_NUM, s) / polynomial!(TAIL_DEN, s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::gauss;

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
            let p = (w as i32 % CENTRAL_LIMIT) | 1;
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
