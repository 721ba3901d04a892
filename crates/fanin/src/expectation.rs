//! Expectations over a Gaussian, by quadrature.
//!
//! These numbers enter a plan as text, so they may use the standard library's functions: the text holds the value.

use crate::math::quadrature::adaptive;

/// Beyond this many standard deviations the density is below 2e-32.
const REACH: f64 = 12.0;

/// E[f(mean + std · z)] for z ~ N(0, 1), absolute error about 1e-12 times the size of the result.
///
/// Adaptive Gauss–Legendre quadrature on [−12, 12] standard deviations. Kinks and jumps may lie anywhere; those at
/// integers cost nothing. A value of f that is not finite is handed on.
///
/// ```
/// let square = fanin::moments::expectation(|x| x * x, 1.0, 2.0);
/// assert!((square - 5.0).abs() < 1e-10);
/// ```
pub fn expectation(f: impl Fn(f64) -> f64, mean: f64, std: f64) -> f64 {
    if std == 0.0 {
        return f(mean);
    }
    let mut weighted = |z: f64| {
        let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        f(mean + std * z) * density
    };
    // Split where the usual kinks of activations lie, and at whole standard deviations.
    let mut cuts: Vec<f64> = (-12..=12).map(f64::from).collect();
    let kinks = [-6.0, -3.0, -2.5, -1.0, 0.0, 1.0, 2.5, 3.0, 6.0];
    cuts.extend(
        kinks
            .iter()
            .map(|x| (x - mean) / std)
            .filter(|z| z.abs() < REACH),
    );
    cuts.sort_by(f64::total_cmp);
    cuts.windows(2)
        .filter(|w| w[0] < w[1])
        .map(|w| adaptive(&mut weighted, w[0], w[1], 1e-15))
        .sum()
}
