//! Square matrices in f64: what a Jacobian of a small network needs.

/// Singular values, largest first, by one-sided Jacobi rotations (Hestenes 1958) of the rows, to 1e-12
/// of the largest.
pub fn singular_values(rows: &[f64], n: usize) -> Vec<f64> {
    let mut a: Vec<Vec<f64>> = rows.chunks(n.max(1)).map(<[f64]>::to_vec).collect();
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    for _sweep in 0..60 {
        let mut turned = false;
        for p in 0..a.len() {
            for q in p + 1..a.len() {
                let (alpha, beta, gamma) =
                    (dot(&a[p], &a[p]), dot(&a[q], &a[q]), dot(&a[p], &a[q]));
                if gamma.abs() <= 1e-12 * (alpha * beta).sqrt() {
                    continue;
                }
                turned = true;
                let zeta = (beta - alpha) / (2.0 * gamma);
                let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = c * t;
                let (head, tail) = a.split_at_mut(q);
                for (x, y) in head[p].iter_mut().zip(&mut tail[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
        if !turned {
            break;
        }
    }
    let mut values: Vec<f64> = a.iter().map(|row| dot(row, row).sqrt()).collect();
    values.sort_by(|x, y| y.total_cmp(x));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_matrices() {
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert!(
                found
                    .iter()
                    .zip(expected)
                    .all(|(f, e)| (f - e).abs() < 1e-12),
                "{found:?}"
            );
        };
        near(singular_values(&[3.0, 0.0, 0.0, -2.0], 2), &[3.0, 2.0]);
        // Singular values (√5 ± 1)/2 of the Fibonacci shear.
        let golden = (5f64.sqrt() + 1.0) / 2.0;
        near(
            singular_values(&[1.0, 1.0, 0.0, 1.0], 2),
            &[golden, golden - 1.0],
        );
        // Rank one: ‖u‖ ‖v‖ and zeros.
        near(singular_values(&[1.0, 2.0, 2.0, 4.0], 2), &[5.0, 0.0]);
        // The squares add up to the sum of the squares.
        let a: Vec<f64> = (0..36).map(|k| ((k * k % 17) as f64).sin()).collect();
        let sum: f64 = singular_values(&a, 6).iter().map(|s| s * s).sum();
        assert!((sum - a.iter().map(|x| x * x).sum::<f64>()).abs() < 1e-12);
    }
}
