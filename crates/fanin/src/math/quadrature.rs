//! Numerical integration.

use super::tables::LEGENDRE;

/// ∫ f over [a, b] by one 16-point Gauss–Legendre rule, in a fixed order of additions.
pub(crate) fn legendre(f: &mut impl FnMut(f64) -> f64, a: f64, b: f64) -> f64 {
    let (middle, half) = (0.5 * (a + b), 0.5 * (b - a));
    let mut sum = 0.0;
    for (x, weight) in LEGENDRE {
        sum += weight * (f(middle - half * x) + f(middle + half * x));
    }
    sum * half
}

/// ∫ f over [a, b] by `pieces` equal rules.
pub(crate) fn composite(f: &mut impl FnMut(f64) -> f64, a: f64, b: f64, pieces: u32) -> f64 {
    let width = (b - a) / f64::from(pieces);
    (0..pieces)
        .map(|i| legendre(f, a + width * f64::from(i), a + width * f64::from(i + 1)))
        .sum()
}

/// ∫ f over [a, b], halving the interval until the two halves agree with the whole to `tolerance`.
///
/// A kink or a jump costs some 50 halvings; after 2¹⁸ values of f the best estimate so far is taken. A value that is
/// not finite ends the search at once and is returned.
pub(crate) fn adaptive(f: &mut impl FnMut(f64) -> f64, a: f64, b: f64, tolerance: f64) -> f64 {
    let whole = legendre(f, a, b);
    if !whole.is_finite() {
        return whole;
    }
    let mut open = vec![(a, b, whole, tolerance)];
    let (mut total, mut budget) = (0.0, 1u32 << 13);
    while let Some((a, b, whole, tolerance)) = open.pop() {
        let middle = 0.5 * (a + b);
        let (left, right) = (legendre(f, a, middle), legendre(f, middle, b));
        let sum = left + right;
        if !sum.is_finite() {
            return sum;
        }
        let done = (sum - whole).abs() <= tolerance + 1e-15 * sum.abs();
        if done || budget == 0 || middle <= a || middle >= b {
            total += sum;
        } else {
            budget -= 1;
            open.push((middle, b, right, 0.5 * tolerance));
            open.push((a, middle, left, 0.5 * tolerance));
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_exact_for_polynomials_and_find_kinks() {
        let power = |n: i32| move |x: f64| x.powi(n);
        assert!((legendre(&mut power(30), 0.0, 1.0) - 1.0 / 31.0).abs() < 1e-16);
        assert!((composite(&mut power(31), 0.0, 2.0, 5) / 2f64.powi(27) - 1.0).abs() < 1e-14);
        let kink = adaptive(&mut |x: f64| (x - 0.3).abs(), 0.0, 1.0, 1e-13);
        assert!((kink - (0.045 + 0.245)).abs() < 1e-13);
        let jump = adaptive(&mut |x: f64| f64::from(u8::from(x > 0.3)), 0.0, 1.0, 1e-13);
        assert!((jump - 0.7).abs() < 1e-13);
        assert!(adaptive(&mut |x: f64| (x - 2.0).sqrt(), 0.0, 1.0, 1e-13).is_nan());
    }
}
