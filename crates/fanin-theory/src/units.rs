//! What luck alone does to units and outputs: dead and saturated units, the first loss, attention.

use fanin::Activation;
use fanin::moments::expectation;

use crate::softmax::Softmax;

/// Φ, to 1e-15 absolute.
fn cumulative(x: f64) -> f64 {
    0.5 * (1.0 + Activation::Erf.eval(x * std::f64::consts::FRAC_1_SQRT_2))
}

/// The expected share of ReLU units that are zero for every one of `samples` inputs.
///
/// `cosine` is the correlation between samples of the pre-activation and `shift` its mean over its
/// deviation (0 without biases). The orthant probability of equicorrelated Gaussians:
/// ∫ Φ(−(shift + √c t)/√(1 − c))ⁿ dΦ(t); 2⁻ⁿ at c = 0, 1/(n + 1) at c = ½. Where a unit is seen at
/// several places of each sample, `samples` counts those too and `cosine` is the mean over them.
///
/// ```
/// let share = fanin_theory::units::dead_share(0.5, 0.0, 128.0);
/// assert!((share - 1.0 / 129.0).abs() < 1e-9);
/// ```
pub fn dead_share(cosine: f64, shift: f64, samples: f64) -> f64 {
    let n = samples.max(1.0);
    if cosine >= 1.0 - 1e-12 {
        return cumulative(-shift);
    }
    let c = cosine.max(0.0);
    let (common, own) = (c.sqrt(), (1.0 - c).sqrt());
    expectation(
        |t| cumulative(-(shift + common * t) / own).powf(n),
        0.0,
        1.0,
    )
}

/// How many of `units` units may be dead at this expected share, in all but 1 in 1,000 draws: the
/// upper end of a binomial's normal approximation with the continuity correction, as a share.
pub fn dead_share_bound(share: f64, units: f64) -> f64 {
    let n = units.max(1.0);
    let p = share.clamp(0.0, 1.0);
    let reach = crate::band::DEVIATIONS * (p * (1.0 - p) / n).sqrt();
    // Few expected cases are Poisson: ln 1000 bounds none expected.
    (p + reach + 3.0 / n).min(1.0)
}

/// The share of the derivative's largest value under which a unit counts as saturated: that of tanh
/// where |tanh| = 0.97.
pub const SATURATED_SLOPE: f64 = 0.0591;

/// The expected share of a squashing activation's elements in its flat parts, for a pre-activation of
/// this mean and second moment.
///
/// Flat is where the derivative is under 5.91 % of its largest, which is |tanh| > 0.97.
pub fn saturated_share(activation: Activation, mean: f64, second_moment: f64) -> f64 {
    let steepest = (-4000..=4000)
        .map(|k| activation.derivative(f64::from(k) * 0.005).abs())
        .fold(0.0, f64::max);
    let flat = |x: f64| {
        f64::from(u8::from(
            activation.derivative(x).abs() < SATURATED_SLOPE * steepest,
        ))
    };
    let deviation = (second_moment - mean * mean).max(0.0).sqrt();
    expectation(flat, mean, deviation)
}

/// The expected cross entropy of a softmax over `classes` independent logits of N(0,
/// `logit_deviation`²) against labels that have nothing to do with them, in nats.
///
/// E ln Σ eˢ; ln C + σ²/2 for small σ and many classes.
///
/// ```
/// let loss = fanin_theory::units::initial_cross_entropy(1.0, 10);
/// assert!((loss - 2.729).abs() < 1e-3);
/// ```
pub fn initial_cross_entropy(logit_deviation: f64, classes: usize) -> f64 {
    Softmax::new(logit_deviation, classes as f64).log_sum()
}

/// The expected entropy of attention over `tokens` keys with independent logits of this deviation,
/// in nats; ln T for equal logits, about ln T − σ²/2 for small ones.
pub fn attention_entropy(logit_deviation: f64, tokens: usize) -> f64 {
    Softmax::new(logit_deviation, tokens as f64).entropy()
}

/// The expected sum of squared weights of attention over `tokens` keys with independent logits of
/// this deviation: 1/T for equal logits, 1 where one outweighs all others.
pub fn attention_square_sum(logit_deviation: f64, tokens: usize) -> f64 {
    Softmax::new(logit_deviation, tokens as f64).square_sum()
}

/// One block of attention without an MLP: the cosine between two tokens of a sample after
/// x + α·(mean over tokens), from the cosine before.
///
/// With m = ρ + (1 − ρ)/T the second moment of the mean over T tokens,
/// ρ' = (ρ + α² m)/(1 + α² m). (Attention at small logits is uniform; compare Dong, Cordonnier &
/// Loukas 2021.)
pub fn token_cosine(cosine: f64, branch_scale: f64, tokens: usize) -> f64 {
    let m = cosine + (1.0 - cosine) / tokens.max(1) as f64;
    let square = branch_scale * branch_scale * m;
    (cosine + square) / (1.0 + square)
}

/// An upper bound on the probability that a ReLU network of these hidden widths is dead from birth:
/// 1 − Π (1 − 2^(−N)) (Lu, Shin, Su & Karniadakis 2019).
pub fn born_dead_bound(widths: &[usize]) -> f64 {
    let alive = widths.iter().map(|&n| 1.0 - 0.5f64.powf(n as f64));
    1.0 - alive.product::<f64>()
}

/// The largest squared singular value of a product of `layers` square Gaussian matrices of entries
/// N(0, 1/n), for large n: (L + 1)^(L + 1)/L^L (Penson & Życzkowski 2011).
pub fn largest_squared_singular_value(layers: usize) -> f64 {
    let l = layers as f64;
    if layers == 0 {
        return 1.0;
    }
    ((l + 1.0) * (l + 1.0).ln() - l * l.ln()).exp()
}

/// The variance over the squared mean of the squared singular values of the input-output Jacobian of
/// `layers` equal layers: L (μ₂/μ₁² − 1 − s₁) with μ_k = E φ′^(2k), s₁ = −1 for Gaussian weights and
/// 0 for orthogonal ones (Pennington, Schoenholz & Ganguli 2017).
pub fn jacobian_spread(
    activation: Activation,
    second_moment: f64,
    layers: usize,
    orthogonal: bool,
) -> f64 {
    let slope = |power: i32| {
        expectation(
            |x| activation.derivative(x).powi(power),
            0.0,
            second_moment.sqrt(),
        )
    };
    let s1 = if orthogonal { 0.0 } else { -1.0 };
    layers as f64 * (slope(4) / slope(2).powi(2) - 1.0 - s1)
}

/// The factor per layer on the squared gradient of a network whose every pre-activation is batch
/// normalized, for a large batch: E φ′²/Var φ at unit variance (Yang et al. 2019). At least 1, by
/// the Gaussian Poincaré inequality.
pub fn batch_norm_growth(activation: Activation) -> f64 {
    fanin::moments::derivative_square(activation, 1.0) / fanin::moments::variance(activation, 1.0)
}
