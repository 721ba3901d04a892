//! The normal distribution in double precision: density, tails, quantile.

use super::double::{exp, ln};
use super::polynomial;
use super::tables::{
    CENTRAL_DEN_F64, CENTRAL_NUM_F64, TAIL_FAR_DEN_F64, TAIL_FAR_NUM_F64, TAIL_NEAR_DEN_F64,
    TAIL_NEAR_NUM_F64,
};

/// 1 / √(2π).
const DENSITY_AT_ZERO: f64 = 0.398_942_280_401_432_7;
/// ln √(2π).
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_7;

/// φ(z).
pub(crate) fn density(z: f64) -> f64 {
    DENSITY_AT_ZERO * exp(-0.5 * z * z)
}

/// Φ(z) − ½ for moderate z >= 0, by the all-positive series φ(z)(z + z³/3 + z⁵/15 + …).
fn central_mass(z: f64) -> f64 {
    let square = z * z;
    let (mut term, mut sum, mut n) = (z, z, 3.0);
    while term > sum * 1e-18 {
        term = term * square / n;
        sum += term;
        n += 2.0;
    }
    density(z) * sum
}

/// Mills' ratio Q(z) / φ(z) for z >= 1.2, by Laplace's continued fraction.
pub(crate) fn mills(z: f64) -> f64 {
    let mut tail = z;
    for n in (1..=300).rev() {
        tail = z + f64::from(n) / tail;
    }
    1.0 / tail
}

/// Q(z) = 1 − Φ(z) for z >= 0, relative error below 1e-14.
fn upper(z: f64) -> f64 {
    if z < 1.2 {
        0.5 - central_mass(z)
    } else {
        density(z) * mills(z)
    }
}

/// Φ(z), relative error below 1e-14 on both sides.
pub(crate) fn cumulative(z: f64) -> f64 {
    if z < 0.0 {
        upper(-z)
    } else if z < 1.2 {
        0.5 + central_mass(z)
    } else {
        1.0 - upper(z)
    }
}

/// 1 − Φ(z), relative error below 1e-14 on both sides.
pub(crate) fn survival(z: f64) -> f64 {
    cumulative(-z)
}

/// Φ(b) − Φ(a), without cancellation where both are on one side.
pub(crate) fn mass(a: f64, b: f64) -> f64 {
    if a >= 0.0 {
        if b < 1.2 {
            central_mass(b) - central_mass(a)
        } else {
            survival(a) - survival(b)
        }
    } else if b <= 0.0 {
        mass(-b, -a)
    } else {
        1.0 - cumulative(a) - survival(b)
    }
}

/// −2 ln Q(z) for z >= 1.2, also where Q underflows.
pub(crate) fn tail_exponent(z: f64) -> f64 {
    z * z + 2.0 * LN_SQRT_TAU - 2.0 * ln(mills(z))
}

/// The error function, absolute error below 1e-15; for the activations.
pub(crate) fn erf(x: f64) -> f64 {
    let z = x.abs() * std::f64::consts::SQRT_2;
    let magnitude = if z < 1.2 {
        2.0 * central_mass(z)
    } else {
        1.0 - 2.0 * upper(z)
    };
    if x < 0.0 { -magnitude } else { magnitude }
}

/// z with Φ(z) = ½ + P·2⁻⁶⁴ for |P|·2⁻⁶⁴ <= 0.48, relative error below 1e-15.
pub(crate) fn quantile_central(p: i64) -> f64 {
    const STEP: f64 = 1.0 / 18_446_744_073_709_551_616.0;
    let q = ((1u64 << 63) - p.unsigned_abs()) as f64 * STEP;
    let y = q * (1.0 - q);
    p as f64 * STEP * polynomial!(CENTRAL_NUM_F64, y) / polynomial!(CENTRAL_DEN_F64, y)
}

/// z > 0 with −2 ln Q(z) = t0 − 2 ln(q·2⁻⁶⁴), for q > 0 and a sum between 7.6 and 1600; relative error below 1e-15.
pub(crate) fn quantile_tail(q: u64, t0: f64) -> f64 {
    let s = (t0 - 2.0 * ln(q as f64 * (1.0 / 18_446_744_073_709_551_616.0))).sqrt();
    if s < 9.0 {
        polynomial!(TAIL_NEAR_NUM_F64, s) / polynomial!(TAIL_NEAR_DEN_F64, s)
    } else {
        polynomial!(TAIL_FAR_NUM_F64, s) / polynomial!(TAIL_FAR_DEN_F64, s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From mpmath, 30 digits.
    const TAILS: [(f64, f64); 8] = [
        (0.0, 0.5),
        (0.5, 0.308_537_538_725_986_9),
        (1.0, 0.158_655_253_931_457_05),
        (1.3, 0.096_800_484_585_610_33),
        (2.0, 0.022_750_131_948_179_21),
        (5.0, 2.866_515_718_791_939e-7),
        (10.0, 7.619_853_024_160_527e-24),
        (30.0, 4.906_713_927_148_187e-198),
    ];

    #[test]
    fn tails_agree_with_mpmath() {
        for (z, q) in TAILS {
            assert!(
                (survival(z) / q - 1.0).abs() < 1e-14,
                "Q({z}) = {:e}",
                survival(z)
            );
            assert!((cumulative(z) - (1.0 - q)).abs() < 1e-15, "Φ({z})");
            assert!((cumulative(-z) / q - 1.0).abs() < 1e-14, "Φ(-{z})");
            assert!(
                (erf(z / std::f64::consts::SQRT_2) - (1.0 - 2.0 * q)).abs() < 1e-15,
                "erf of {z}/√2"
            );
            if z > 1.2 {
                assert!(
                    (tail_exponent(z) / (-2.0 * q.ln()) - 1.0).abs() < 1e-14,
                    "-2 ln Q({z})"
                );
            }
        }
        // -2 ln Q(40), where Q underflows: mpmath.
        assert!(
            (tail_exponent(40.0) / 1_609.216_884_027_507_6 - 1.0).abs() < 1e-14,
            "{}",
            tail_exponent(40.0)
        );
    }

    #[test]
    fn mass_does_not_cancel() {
        for (a, b) in [
            (-2.0, 2.0),
            (0.5, 0.6),
            (-0.6, -0.5),
            (1.0, 3.0),
            (5.0, 6.0),
        ] {
            let sum = mass(a, b) + cumulative(a) + survival(b);
            assert!((sum - 1.0).abs() < 1e-14, "{a} {b}");
        }
        assert!((mass(5.0, 6.0) / 2.856_649_842_341_562e-7 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn quantile_inverts() {
        const TWO_64: f64 = 18_446_744_073_709_551_616.0;
        for i in -475..=475 {
            let p = f64::from(i) / 1000.0;
            let z = quantile_central((p * TWO_64) as i64);
            assert!((cumulative(z) - 0.5 - p).abs() < 1e-15, "P = {p}");
        }
        for k in 6..60 {
            let z = quantile_tail(1 << (64 - k), 0.0);
            let q = 0.5f64.powi(k);
            assert!((survival(z) / q - 1.0).abs() < 1e-13, "Q = 2^-{k}: z = {z}");
        }
        for z in [3.0, 8.0, 20.0, 37.0] {
            let again = quantile_tail(u64::MAX, tail_exponent(z));
            assert!((again / z - 1.0).abs() < 2e-15, "{z} {again}");
        }
    }
}
