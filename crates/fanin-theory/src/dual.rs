//! What an elementwise function does to the covariance of two Gaussian values.

use crate::quadrature::Grid;

/// Degree up to which Hermite coefficients are taken.
const DEGREE: usize = 128;

/// The map ρ ↦ E[f(u) f(v)] for (u, v) bivariate Gaussian of correlation ρ, each distributed as the
/// grid says.
///
/// Mehler's formula: with a_k the coefficients of f in the orthonormal Hermite polynomials,
/// E[f(u) f(v)] = Σ a_k² ρᵏ (Daniely, Frostig & Singer 2016 call it the dual activation). What the
/// first 128 coefficients leave of E f² is spread over the higher ones by the power law that they
/// decay with, which is what a kink leaves (k^(−5/2)). Functions that are linear on either side of
/// zero, of a Gaussian of mean zero, go by the closed form of Cho & Saul 2009.
///
/// Accuracy: 1e-9 of E f² for smooth functions, 1e-5 with kinks; exact in closed form.
#[derive(Clone, Debug)]
pub(crate) struct Dual {
    kind: Kind,
    second: f64,
}

#[derive(Clone, Debug)]
enum Kind {
    /// a·x below zero, b·x above, of N(0, s²).
    Bent { below: f64, above: f64, spread: f64 },
    Series {
        squares: Vec<f64>,
        /// Energy beyond the series, and the power p of k^(−p) that it decays with.
        tail: f64,
        power: f64,
        /// The even degrees' share of that energy less the odd ones'.
        parity: f64,
    },
}

impl Dual {
    /// The map of a function given by its values at the grid's nodes.
    pub(crate) fn new(grid: &Grid, values: &[f64]) -> Self {
        let second = grid.moment(values, 2);
        if let Some((below, above)) = bent(grid, values) {
            let spread = grid.deviation * grid.deviation;
            let kind = Kind::Bent {
                below,
                above,
                spread,
            };
            return Self { kind, second };
        }
        let squares: Vec<f64> = grid
            .hermite(values, DEGREE)
            .into_iter()
            .map(|a| a * a)
            .collect();
        let tail = (second - squares.iter().sum::<f64>()).max(0.0);
        // Energy of (32, 64] over that of (64, 128] is 2^(p − 1).
        let energy = |low: usize, high: usize| -> f64 {
            squares.get(low + 1..=high).map_or(0.0, |s| s.iter().sum())
        };
        let ratio = energy(DEGREE / 4, DEGREE / 2) / energy(DEGREE / 2, DEGREE).max(1e-300);
        let power = (1.0 + ratio.log2()).clamp(1.25, 8.0);
        let signed = squares.iter().enumerate().skip(DEGREE / 2 + 1);
        let sign = |k: usize| if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        let parity =
            signed.map(|(k, s)| sign(k) * s).sum::<f64>() / energy(DEGREE / 2, DEGREE).max(1e-300);
        Self {
            kind: Kind::Series {
                squares,
                tail: if tail > 1e-11 * second { tail } else { 0.0 },
                power,
                parity,
            },
            second,
        }
    }

    /// E[f(u) f(v)] at this correlation.
    pub(crate) fn at(&self, correlation: f64) -> f64 {
        let c = correlation.clamp(-1.0, 1.0);
        if c == 1.0 {
            return self.second;
        }
        match &self.kind {
            Kind::Bent {
                below,
                above,
                spread,
            } => {
                // f(x) = (above + below)/2 x + (above − below)/2 |x|, and E|u||v| is twice the
                // arc-cosine kernel's even part.
                let (odd, even) = (0.5 * (above + below), 0.5 * (above - below));
                spread * (odd * odd * c + even * even * absolute(c))
            }
            Kind::Series {
                squares,
                tail,
                power,
                parity,
            } => {
                let series = squares.iter().rev().fold(0.0, |sum, s| sum * c + s);
                let sign = if c < 0.0 { *parity } else { 1.0 };
                series + sign * tail * beyond(c.abs(), *power)
            }
        }
    }

    /// The derivative of the map at a correlation, by a difference.
    pub(crate) fn slope(&self, correlation: f64) -> f64 {
        let step = 1e-4;
        let c = correlation.clamp(-1.0 + step, 1.0 - step);
        (self.at(c + step) - self.at(c - step)) / (2.0 * step)
    }
}

/// E|u||v| of standard Gaussians of correlation c: (2/π)(√(1 − c²) + c arcsin c).
fn absolute(c: f64) -> f64 {
    2.0 / std::f64::consts::PI * ((1.0 - c * c).max(0.0).sqrt() + c * c.asin())
}

/// The slopes below and above zero of a function that is linear on either side, of mean zero.
fn bent(grid: &Grid, values: &[f64]) -> Option<(f64, f64)> {
    if !(grid.deviation > 0.0 && grid.mean.abs() <= 1e-9 * grid.deviation) {
        return None;
    }
    let mut slopes: (Option<f64>, Option<f64>) = (None, None);
    for (&x, &y) in grid.nodes.iter().zip(values) {
        // Where panels meet at zero, nodes fall on it.
        if x.abs() <= 1e-12 * grid.deviation {
            continue;
        }
        let slope = y / x;
        let side = if x < 0.0 {
            &mut slopes.0
        } else {
            &mut slopes.1
        };
        match side {
            None => *side = Some(slope),
            Some(known) if (slope - *known).abs() <= 1e-9 * known.abs().max(slope.abs()) => {}
            Some(_) => return None,
        }
    }
    slopes.0.zip(slopes.1)
}

/// Σ_{k>K} k^(−p) c^k over Σ_{k>K} k^(−p) with K the degree of the series, by the integral:
/// (p − 1) E_p(K ε), ε = −ln c, with E_p the exponential integral.
fn beyond(c: f64, power: f64) -> f64 {
    if c <= 0.0 {
        return 0.0;
    }
    let x = -(DEGREE as f64 + 0.5) * c.ln();
    if x > 40.0 {
        return 0.0;
    }
    // (p − 1) ∫₁^∞ e^(−x t) t^(−p) dt with t = s^(−1/(p−1)): ∫₀¹ exp(−x s^(−1/(p−1))) ds.
    let root = -1.0 / (power - 1.0);
    let steps = 200;
    let sum: f64 = (0..steps)
        .map(|k| {
            let s = (f64::from(k) + 0.5) / f64::from(steps);
            (-x * s.powf(root)).exp()
        })
        .sum();
    sum / f64::from(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dual(f: impl Fn(f64) -> f64, mean: f64, deviation: f64) -> Dual {
        let grid = Grid::new(mean, deviation);
        let values: Vec<f64> = grid.nodes.iter().map(|&x| f(x)).collect();
        Dual::new(&grid, &values)
    }

    /// Cosine map of ReLU from c = 0, quadrature to 8 digits.
    const RELU: [(usize, f64); 8] = [
        (1, std::f64::consts::FRAC_1_PI),
        (2, 0.493_731_09),
        (3, 0.604_825_72),
        (5, 0.735_946_35),
        (10, 0.871_535_52),
        (20, 0.948_428_48),
        (50, 0.987_861_94),
        (100, 0.996_423_15),
    ];

    #[test]
    fn relu_by_the_closed_form() {
        let relu = dual(|x| 2f64.sqrt() * x.max(0.0), 0.0, 1.0);
        let mut c = 0.0;
        let mut iterates = vec![c];
        for _ in 0..1000 {
            c = relu.at(c);
            iterates.push(c);
        }
        for (layer, expected) in RELU {
            let found = iterates[layer];
            assert!((found - expected).abs() < 1e-8, "{layer}: {found}");
        }
        assert!(((1.0 - c) / 4.313e-5 - 1.0).abs() < 2e-4, "{}", 1.0 - c);
    }

    #[test]
    fn a_kink_by_the_series_and_its_tail() {
        // A mean of 1e-6 deviations keeps the closed form away and changes nothing else.
        let series = dual(|x| x.max(0.0), 1e-6, 1.0);
        let closed = dual(|x| x.max(0.0), 0.0, 1.0);
        for c in [-0.9, -0.3, 0.0, 0.3, 0.9, 0.99, 0.999] {
            let (a, b) = (series.at(c), closed.at(c));
            assert!((a - b).abs() < 1e-5, "{c}: {a} {b}");
        }
    }

    #[test]
    fn erf_by_its_closed_form() {
        // E erf(u) erf(v) = (2/π) arcsin(2 q c / (1 + 2 q)), Williams 1997.
        for q in [0.3f64, 1.0, 9.0] {
            let map = dual(|x| fanin::Activation::Erf.eval(x), 0.0, q.sqrt());
            for c in [-1.0, -0.5, 0.0, 0.5, 0.9] {
                let closed = (2.0 * q * c / (1.0 + 2.0 * q)).asin() * std::f64::consts::FRAC_2_PI;
                assert!((map.at(c) - closed).abs() < 1e-8, "{q} {c}: {}", map.at(c));
            }
        }
    }

    #[test]
    fn a_leaky_slope_mixes_the_identity_in() {
        let a = 0.2;
        let map = dual(|x| if x > 0.0 { x } else { a * x }, 0.0, 1.0);
        let relu = dual(|x| x.max(0.0), 0.0, 1.0);
        for c in [0.0, 0.4, 0.8] {
            let closed = ((1.0 - a) * (1.0 - a) * 2.0 * relu.at(c) + 2.0 * a * c) / 2.0;
            assert!((map.at(c) - closed).abs() < 1e-14);
        }
    }

    #[test]
    fn a_constant_is_common_to_all() {
        let map = dual(|_| 3.0, 0.0, 1.0);
        assert!((map.at(0.0) - 9.0).abs() < 1e-9);
    }
}
