//! Softmax of independent Gaussian logits.

/// Distance of the points in u.
const STEP: f64 = 0.25;
/// x = e^t in this range of t, in steps, has neither e^(−x) = 1 nor e^(−x) = 0 to 17 digits.
const LOW: i64 = -160;
const HIGH: i64 = 24;

/// x^k e^(−x) of x = e^t for k from 0 to 4.
fn powers(t: f64) -> [f64; 5] {
    let x = t.exp();
    let mut term = (-x).exp();
    let mut all = [0.0; 5];
    if term > 0.0 {
        for one in &mut all {
            *one = term;
            term *= x;
        }
    }
    all
}

fn add(sums: &mut [f64; 5], weight: f64, terms: [f64; 5]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += weight * term;
    }
}

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
        let (first, last) = ((from / STEP).floor() as i64, (to / STEP).ceil() as i64);
        // The trapezoidal rule converges geometrically for these analytic integrands: with step h
        // as e^(−π²/h), once in u and once in σ z.
        let fine = (2.0 * STEP / sigma.max(1e-9)).min(2.0 * STEP);
        let half = (8.5 / fine).ceil() as i64;
        let mut weights: Vec<f64> = (-half..=half)
            .map(|k| (-0.5 * (k as f64 * fine).powi(2)).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= total);
        let moments: Box<dyn Fn(i64) -> [f64; 5]> = if sigma < 1.0 {
            Box::new(move |at| {
                let mut sums = [0.0; 5];
                for (k, w) in (-half..=half).zip(&weights) {
                    add(
                        &mut sums,
                        *w,
                        powers(at as f64 * STEP + sigma * fine * k as f64),
                    );
                }
                sums
            })
        } else {
            // From σ = 1 on, s lies on every other point of the grid that u lies on.
            let table: Vec<[f64; 5]> = (LOW..=HIGH).map(|t| powers(t as f64 * STEP)).collect();
            let mut below = vec![0.0];
            below.extend(weights.iter().scan(0.0, |sum, w| {
                *sum += w;
                Some(*sum)
            }));
            Box::new(move |at| {
                // Below the table e^(−x) is one and the other moments nothing; above all are nothing.
                let begin = (LOW - at).div_euclid(2) + (LOW - at).rem_euclid(2);
                let begin = begin.clamp(-half, half + 1);
                let end = (HIGH - at).div_euclid(2).clamp(begin - 1, half);
                let index = |k: i64| usize::try_from(k + half).unwrap_or(0);
                let mut sums = [
                    below.get(index(begin)).copied().unwrap_or(0.0),
                    0.0,
                    0.0,
                    0.0,
                    0.0,
                ];
                for k in begin..=end {
                    let row = usize::try_from(at + 2 * k - LOW).ok();
                    let row = row.and_then(|row| table.get(row));
                    if let (Some(row), Some(w)) = (row, weights.get(index(k))) {
                        add(&mut sums, *w, *row);
                    }
                }
                sums
            })
        };
        let sum: f64 = (first..=last)
            .map(|at| f((at as f64 * STEP).exp(), moments(at)))
            .sum();
        sum * STEP
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
        for deviation in [0.5, 0.99, 1.0, 1.01, 3.0, 40.0, 150.0] {
            let spread = deviation * 2f64.sqrt();
            // The square is nothing beyond ±40, however wide the logits lie.
            let expected: f64 = (-8000..=8000)
                .map(|k| {
                    let x = f64::from(k) * 0.005;
                    let p = 1.0 / (1.0 + (-x).exp());
                    let density = (-0.5 * (x / spread).powi(2)).exp() / spread;
                    0.005 * (2.0 * p * (1.0 - p)).powi(2) * density
                })
                .sum::<f64>()
                / (2.0 * std::f64::consts::PI).sqrt();
            let found = Softmax::new(deviation, 2.0).jacobian();
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
        }
    }
}
