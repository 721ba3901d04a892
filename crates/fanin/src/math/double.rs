//! Double precision: the fill path of f64, and the constants of every other.

/// The bits of √½ in f64, where a logarithm's argument is split.
const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
const ONE: u64 = 0x3ff0_0000_0000_0000;
/// ln 2 in two parts; the first ends in zeros, so its product with an exponent is exact.
const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `y = m · 2^k` with m in [√½, √2), for normal positive y.
#[inline(always)]
fn split(y: f64) -> (i32, f64) {
    let shifted = y.to_bits().wrapping_add(ONE - SQRT_HALF);
    let k = (shifted >> 52) as i32 - 1023;
    (
        k,
        f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + SQRT_HALF),
    )
}

/// `k ln 2 + ln(1 + f)` for f in [√½ − 1, √2 − 1].
#[inline(always)]
fn ln_from(k: i32, f: f64) -> f64 {
    // ln(1 + f) = 2 artanh s = f − s (f − 2 s²(1/3 + s²/5 + …)), which keeps f itself unrounded.
    let s = f / (2.0 + f);
    let square = s * s;
    let mut series = 0.0;
    for n in (1..=11).rev() {
        series = series * square + 1.0 / f64::from(2 * n + 1);
    }
    let rest = s * (f - 2.0 * square * series);
    let k = f64::from(k);
    k * LN2_HIGH + (f - (rest - k * LN2_LOW))
}

/// Natural logarithm of a normal positive number, relative error below 4e-16.
pub(crate) fn ln(x: f64) -> f64 {
    let (k, m) = split(x);
    ln_from(k, m - 1.0)
}

/// The exponential function, relative error below 1e-15; 0 below −745.
pub(crate) fn exp(x: f64) -> f64 {
    if x < -745.2 {
        return 0.0;
    }
    if x > 709.7 {
        return f64::INFINITY;
    }
    // Nearest integer by the shift that leaves no fraction bits.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let k = (x * std::f64::consts::LOG2_E + SHIFT) - SHIFT;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let mut series = 1.0;
    for n in (1..=14).rev() {
        series = 1.0 + r / f64::from(n) * series;
    }
    let k = k as i32;
    let power = |k: i32| f64::from_bits(((k + 1023) as u64) << 52);
    // In two steps, because 2^k alone may be subnormal or too large.
    series * power(k / 2) * power(k - k / 2)
}

/// ρ = √(−2 ln((w + 1)·2⁻³²)).
#[inline(always)]
pub(crate) fn radius(w: u32) -> f64 {
    const STEP: f64 = 1.0 / 4_294_967_296.0;
    let t = if w >> 31 == 0 {
        ln((f64::from(w) + 1.0) * STEP)
    } else {
        // 1 − x is exact, and so are −x and 1 − 2x.
        let x = f64::from(!w) * STEP;
        let (k, m) = split(1.0 - x);
        ln_from(k, m - 1.0)
    };
    let t = -2.0 * t;
    if t > 0.0 { t.sqrt() } else { 0.0 }
}

/// Cosine and sine of w·2⁻⁶⁴ turns, relative error below 5e-16 each.
#[inline(always)]
pub(crate) fn turn(w: u64) -> (f64, f64) {
    let quarter = w.wrapping_add(1 << 61) >> 62;
    let r = w.wrapping_sub(quarter << 62) as i64 as f64;
    let a = r * (std::f64::consts::FRAC_PI_2 / 4_611_686_018_427_387_904.0);
    let square = a * a;
    // Taylor; the first term left out is below 1e-19.
    let (mut s, mut c) = (1.0, 1.0);
    for n in (1..=9).rev() {
        let n = f64::from(2 * n);
        s = 1.0 - square / (n * (n + 1.0)) * s;
        c = 1.0 - square / ((n - 1.0) * n) * c;
    }
    let s = a * s;
    match quarter {
        0 => (c, s),
        1 => (-s, c),
        2 => (-c, -s),
        _ => (s, -c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(got: f64, reference: f64) -> f64 {
        if got == reference {
            0.0
        } else {
            (got / reference - 1.0).abs()
        }
    }

    #[test]
    fn ln_and_exp_agree_with_the_standard_library() {
        let (mut worst_ln, mut worst_exp) = (0f64, 0f64);
        for i in 1..200_000u32 {
            let x = f64::from(i) * 1.3e-5;
            worst_ln = worst_ln.max(relative(ln(x), x.ln()));
            worst_ln = worst_ln.max(relative(ln(1.0 / x), (1.0 / x).ln()));
            worst_ln = worst_ln.max(relative(ln(x * 1e-200), (x * 1e-200).ln()));
            let y = (f64::from(i) - 1e5) * 7e-3;
            worst_exp = worst_exp.max(relative(exp(y), y.exp()));
        }
        println!("ln {worst_ln:.2e}, exp {worst_exp:.2e}");
        assert!(worst_ln < 4e-16, "{worst_ln:e}");
        assert!(worst_exp < 1e-15, "{worst_exp:e}");
        assert_eq!((exp(-1e4), exp(0.0), ln(1.0)), (0.0, 1.0, 0.0));
    }

    #[test]
    fn radius_and_turn_agree_with_the_standard_library() {
        let (mut worst, mut circle) = (0f64, 0f64);
        for i in 0..200_000u32 {
            let w = i.wrapping_mul(2_654_435_761);
            let reference = (-2.0 * (-f64::from(!w) / 4_294_967_296.0).ln_1p()).sqrt();
            worst = worst.max(relative(radius(w), reference));
            let long = u64::from(w) << 32 | u64::from(i);
            let (c, s) = turn(long);
            let angle = long as f64 * (std::f64::consts::TAU / 18_446_744_073_709_551_616.0);
            circle = circle
                .max((c - angle.cos()).abs())
                .max((s - angle.sin()).abs());
        }
        println!("radius {worst:.2e}, turn {circle:.2e}");
        assert!(worst < 5e-16, "{worst:e}");
        // The reference's own argument is rounded at up to a whole turn.
        assert!(circle < 2e-15, "{circle:e}");
        assert_eq!(turn(1 << 62), (0.0, 1.0));
    }
}
