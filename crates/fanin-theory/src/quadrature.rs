//! Expectations over a Gaussian of any mean and deviation.

use std::rc::Rc;

/// Nodes and weights of a 6-point Gauss-Legendre rule on [-1, 1].
const LEGENDRE: [(f64, f64); 6] = [
    (-0.932_469_514_203_152, 0.171_324_492_379_170_4),
    (-0.661_209_386_466_264_5, 0.360_761_573_048_138_6),
    (-0.238_619_186_083_196_9, 0.467_913_934_572_691),
    (0.238_619_186_083_196_9, 0.467_913_934_572_691),
    (0.661_209_386_466_264_5, 0.360_761_573_048_138_6),
    (0.932_469_514_203_152, 0.171_324_492_379_170_4),
];

/// Where activations have their kinks: ReLU at 0, hard tanh at ±1, hard sigmoid and hard swish at
/// ±3, ReLU6 at 6. Panels end there, so that a kink costs no accuracy.
const KINKS: [f64; 6] = [-3.0, -1.0, 0.0, 1.0, 3.0, 6.0];

/// Half the range of the grid in deviations; what lies outside has a probability of 2e-17.
const REACH: f64 = 8.5;

/// Panels before the kinks split some of them.
const PANELS: usize = 34;

/// A grid on which functions of one Gaussian variable are held by their values at the nodes.
///
/// Expectations of functions that are smooth between the kinks (0, ±1, ±3, 6) and grow like
/// polynomials are right to 1e-10 relative; a kink elsewhere costs up to 1e-4.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    /// The variable's mean.
    pub(crate) mean: f64,
    /// The variable's deviation.
    pub(crate) deviation: f64,
    /// The variable at the nodes.
    pub(crate) nodes: Rc<[f64]>,
    /// The standardized variable at the nodes.
    standard: Rc<[f64]>,
    weights: Rc<[f64]>,
}

impl Grid {
    /// A grid for N(`mean`, `deviation`²).
    pub(crate) fn new(mean: f64, deviation: f64) -> Self {
        let mut ends: Vec<f64> = (0..=PANELS)
            .map(|k| -REACH + 2.0 * REACH * k as f64 / PANELS as f64)
            .collect();
        if deviation > 0.0 {
            let kinks = KINKS.iter().map(|kink| (kink - mean) / deviation);
            ends.extend(kinks.filter(|z| z.abs() < REACH));
            ends.sort_by(f64::total_cmp);
        }
        let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let mut nodes = Vec::with_capacity(ends.len() * LEGENDRE.len());
        let mut weights = Vec::with_capacity(nodes.capacity());
        let mut standard = Vec::with_capacity(nodes.capacity());
        for (low, high) in ends.iter().zip(ends.iter().skip(1)) {
            let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
            for (x, w) in LEGENDRE {
                let z = middle + half * x;
                nodes.push(mean + deviation * z);
                standard.push(z);
                weights.push(w * half * density(z));
            }
        }
        Self {
            mean,
            deviation,
            nodes: nodes.into(),
            standard: standard.into(),
            weights: weights.into(),
        }
    }

    /// The coefficients a_0 to a_degree of a function in the orthonormal (probabilists') Hermite
    /// polynomials of the standardized variable.
    pub(crate) fn hermite(&self, values: &[f64], degree: usize) -> Vec<f64> {
        let mut coefficients = vec![0.0; degree + 1];
        for ((&z, &w), &y) in self.standard.iter().zip(self.weights.iter()).zip(values) {
            // h_{k+1} = (z h_k − √k h_{k−1}) / √(k+1).
            let (mut before, mut now) = (0.0, 1.0);
            for (k, a) in coefficients.iter_mut().enumerate() {
                *a += w * y * now;
                let k = k as f64;
                let next = (z * now - k.sqrt() * before) / (k + 1.0).sqrt();
                (before, now) = (now, next);
            }
        }
        coefficients
    }

    /// E[y² (z² − 1)]/2, z the standardized variable: the derivative of E y² by the log of the
    /// variable's variance.
    pub(crate) fn lean(&self, values: &[f64]) -> f64 {
        let terms = self.standard.iter().zip(self.weights.iter()).zip(values);
        terms
            .map(|((z, w), y)| 0.5 * w * y * y * (z * z - 1.0))
            .sum()
    }

    /// The standardized variable at the nodes.
    pub(crate) fn standard(&self) -> &[f64] {
        &self.standard
    }

    /// The expectation of `power` of a function given by its values at the nodes.
    pub(crate) fn moment(&self, values: &[f64], power: i32) -> f64 {
        let terms = self.weights.iter().zip(values);
        terms.map(|(w, y)| w * y.powi(power)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_the_gaussian_itself() {
        for (mean, deviation) in [(0.0, 1.0), (0.7, 0.2), (-3.0, 5.0)] {
            let grid = Grid::new(mean, deviation);
            let nodes = grid.nodes.clone();
            let second = mean * mean + deviation * deviation;
            assert!((grid.moment(&nodes, 0) - 1.0).abs() < 1e-12);
            assert!((grid.moment(&nodes, 1) - mean).abs() < 1e-11);
            assert!((grid.moment(&nodes, 2) / second - 1.0).abs() < 1e-11);
        }
    }

    #[test]
    fn a_kink_at_a_node_boundary_costs_nothing() {
        let grid = Grid::new(0.4, 0.9);
        let relu: Vec<f64> = grid.nodes.iter().map(|x| x.max(0.0)).collect();
        // E relu(m + s z) = m Φ(m/s) + s φ(m/s), at m/s = 4/9.
        let ratio: f64 = 0.4 / 0.9;
        let density = (-0.5 * ratio * ratio).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let share = 0.671_639_356_718_115_5;
        assert!((grid.moment(&relu, 1) - (0.4 * share + 0.9 * density)).abs() < 1e-10);
    }

    #[test]
    fn a_constant_is_its_own_expectation() {
        let grid = Grid::new(2.5, 0.0);
        assert!((grid.moment(&grid.nodes.clone(), 2) - 6.25).abs() < 1e-12);
    }
}
