//! Softmax of independent Gaussian logits.

/// Softmax over `count` independent logits of N(0, `deviation`²).
///
/// Expectations over all of them come from the Laplace transform of one: with S = Σ e^s,
/// E[f/S^k] = ∫ t^(k−1)/Γ(k) E[f e^(−t S)] dt, and e^(−t S) is a product. Accuracy 1e-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Softmax {
    deviation: f64,
    count: f64,
}

impl Softmax {
    pub(crate) fn new(deviation: f64, count: f64) -> Self {
        Self {
            deviation: deviation.abs().min(200.0),
            count: count.max(1.0),
        }
    }

    /// ∫ f(t, m) du over t = e^u, with m_k = E[(t e^s)^k e^(−t e^s)] for k from 0 to 4; `f` is of
    /// the order of t^`power` at small t.
    fn integral(&self, power: f64, f: impl Fn(f64, [f64; 5]) -> f64) -> f64 {
        let sigma = self.deviation;
        let (from, to) = (
            -self.count.ln() - 9.0 * sigma - 36.0 / power,
            9.0 * sigma + 5.0,
        );
        // The trapezoidal rule converges geometrically for these analytic integrands: with step h
        // as e^(−π²/h), once in u and once in σ z.
        let step = 0.25;
        let fine = (0.5 / sigma.max(1e-9)).min(0.5);
        let half = (8.5 / fine).ceil() as i32;
        let nodes: Vec<(f64, f64)> = (-half..=half)
            .map(|k| {
                let z = f64::from(k) * fine;
                let weight = fine * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
                (sigma * z, weight)
            })
            .collect();
        let total: f64 = nodes.iter().map(|(_, w)| w).sum();
        let steps = ((to - from) / step).ceil() as i32;
        let sum: f64 = (0..=steps)
            .map(|k| {
                let u = from + f64::from(k) * step;
                let mut moments = [0.0; 5];
                for &(s, w) in &nodes {
                    let x = (u + s).exp();
                    let mut term = (-x).exp() * w / total;
                    if term > 0.0 {
                        for moment in &mut moments {
                            *moment += term;
                            term *= x;
                        }
                    }
                }
                f(u.exp(), moments)
            })
            .sum();
        sum * step
    }

    /// E ln Σ e^s.
    pub(crate) fn log_sum(&self) -> f64 {
        self.integral(1.0, |t, [laplace, ..]| {
            (-t).exp() - laplace.powf(self.count)
        })
    }

    /// E Σ p²: 1/count for equal logits, 1 for one that outweighs all others.
    pub(crate) fn square_sum(&self) -> f64 {
        if self.count <= 1.0 {
            return 1.0;
        }
        let sum = self.integral(2.0, |_, [laplace, _, square, ..]| {
            square * laplace.powf(self.count - 1.0)
        });
        (self.count * sum).clamp(1.0 / self.count, 1.0)
    }

    /// E of Σ p² − 2 Σ p³ + (Σ p²)², the squared Frobenius norm of the Jacobian diag p − p pᵀ; for
    /// equal logits (1 − 1/count)/count, and 0 for one that outweighs all others.
    pub(crate) fn jacobian(&self) -> f64 {
        let n = self.count;
        if n <= 1.0 {
            return 0.0;
        }
        let sum = self.integral(2.0, |_, [laplace, _, second, third, fourth]| {
            // Γ(2) = 1, Γ(3) = 2, Γ(4) = 6; (Σ p²)² is Σ p⁴ and n (n − 1) pairs.
            let single = second - third + fourth / 6.0;
            let pair = (n - 1.0) * second * second / 6.0;
            single * laplace.powf(n - 1.0) + pair * laplace.powf(n - 2.0)
        });
        (n * sum).max(0.0)
    }

    /// E[−Σ p ln p] in nats: E ln S − E Σ p s, and by Gaussian integration by parts
    /// E Σ p s = σ² (1 − E Σ p²).
    pub(crate) fn entropy(&self) -> f64 {
        self.log_sum() - self.deviation.powi(2) * (1.0 - self.square_sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_have_the_jacobian_of_the_centring_matrix() {
        for n in [2.0, 5.0, 24.0] {
            let found = Softmax::new(0.0, n).jacobian();
            assert!((found * n / (1.0 - 1.0 / n) - 1.0).abs() < 1e-8, "{found}");
        }
    }

    #[test]
    fn two_logits_by_one_integral() {
        // With p = sigmoid(s₁ − s₂) the Jacobian's squared norm is (2 p (1 − p))².
        for deviation in [0.5, 1.0, 3.0] {
            let spread = deviation * 2f64.sqrt();
            let square = |x: f64| {
                let p = 1.0 / (1.0 + (-x).exp());
                (2.0 * p * (1.0 - p)).powi(2)
            };
            let expected = fanin::moments::expectation(square, 0.0, spread);
            let found = Softmax::new(deviation, 2.0).jacobian();
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
        }
    }
}
