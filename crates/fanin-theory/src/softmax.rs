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

    /// ∫ f(t, L(t), E[e^(2s − t e^s])) du over t = e^u, with L the Laplace transform of e^s.
    fn integral(&self, f: impl Fn(f64, f64, f64) -> f64) -> f64 {
        let sigma = self.deviation;
        let (from, to) = (-self.count.ln() - 9.0 * sigma - 36.0, 9.0 * sigma + 5.0);
        // The trapezoidal rule converges geometrically for these analytic integrands.
        let step = 0.125;
        let fine = (0.25 / sigma.max(1e-9)).min(0.25);
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
                let (mut laplace, mut square) = (0.0, 0.0);
                for &(s, w) in &nodes {
                    let decay = (-(u + s).exp()).exp() * w;
                    laplace += decay;
                    // e^(2(u + s)) e^(−e^(u + s)), which no t has to be multiplied to.
                    if decay > 0.0 {
                        square += (2.0 * (u + s)).exp() * decay;
                    }
                }
                f(u.exp(), laplace / total, square / total)
            })
            .sum();
        sum * step
    }

    /// E ln Σ e^s.
    pub(crate) fn log_sum(&self) -> f64 {
        self.integral(|t, laplace, _| (-t).exp() - laplace.powf(self.count))
    }

    /// E Σ p²: 1/count for equal logits, 1 for one that outweighs all others.
    pub(crate) fn square_sum(&self) -> f64 {
        if self.count <= 1.0 {
            return 1.0;
        }
        let sum = self.integral(|_, laplace, square| square * laplace.powf(self.count - 1.0));
        (self.count * sum).clamp(1.0 / self.count, 1.0)
    }

    /// E[−Σ p ln p] in nats: E ln S − E Σ p s, and by Gaussian integration by parts
    /// E Σ p s = σ² (1 − E Σ p²).
    pub(crate) fn entropy(&self) -> f64 {
        self.log_sum() - self.deviation.powi(2) * (1.0 - self.square_sum())
    }
}
