//! What Gaussian units are expected to do, in numbers that a measurement can be held against.

/// What one layer of ReLU of critical scale makes of the cosine between two inputs
/// (Cho & Saul 2009, arc-cosine kernel of order 1).
pub(crate) fn rectified_cosine(cosine: f64) -> f64 {
    let c = cosine.clamp(-1.0, 1.0);
    let angle = c.acos();
    ((1.0 - c * c).max(0.0).sqrt() + c * (std::f64::consts::PI - angle)) / std::f64::consts::PI
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_off(cosine: f64, samples: f64) -> f64 {
        fanin_theory::units::dead_share(cosine, 0.0, samples)
    }

    #[test]
    fn orthant_probabilities_have_their_known_ends() {
        for n in [1, 2, 3, 8, 16] {
            let n = f64::from(n);
            assert!((all_off(0.0, n) - 0.5f64.powf(n)).abs() < 1e-12);
            assert!((all_off(0.5, n) - 1.0 / (n + 1.0)).abs() < 1e-9, "{n}");
            assert!((all_off(1.0, n) - 0.5).abs() < 1e-12);
        }
        // Two inputs: 1/4 + arcsin(c)/2π (Sheppard 1899).
        for c in [0.1f64, 0.7, 0.99] {
            let exact = 0.25 + c.asin() / (2.0 * std::f64::consts::PI);
            assert!((all_off(c, 2.0) - exact).abs() < 1e-9, "{c}");
        }
    }

    /// Expected dead share of a plain He ReLU network for 128 and 512 uncorrelated inputs, computed
    /// independently with quadrature to 22 digits.
    #[test]
    fn deep_layers_have_dead_units() {
        for (samples, table) in [
            (
                128.0,
                [
                    (3, 0.0072),
                    (5, 0.0435),
                    (10, 0.146),
                    (20, 0.266),
                    (50, 0.385),
                ],
            ),
            (
                512.0,
                [
                    (3, 0.0018),
                    (5, 0.0214),
                    (10, 0.107),
                    (20, 0.231),
                    (50, 0.366),
                ],
            ),
        ] {
            for (layer, share) in table {
                // The units of layer l see the cosine that l − 1 layers have made.
                let c = (1..layer).fold(0.0, |c, _| rectified_cosine(c));
                let expected = all_off(c, samples);
                assert!(
                    (expected - share).abs() < 0.001,
                    "{samples} {layer}: {expected}"
                );
            }
        }
    }

    #[test]
    fn the_cosine_map_of_relu() {
        let at = |layers: usize| (0..layers).fold(0.0, |c, _| rectified_cosine(c));
        for (layers, cosine) in [
            (1, std::f64::consts::FRAC_1_PI),
            (2, 0.493_731_09),
            (10, 0.871_535_52),
            (100, 0.996_423_15),
        ] {
            assert!((at(layers) - cosine).abs() < 1e-8, "{layers}");
        }
    }
}
