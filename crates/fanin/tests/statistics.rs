//! Statistical tests with fixed seeds: distributions, moments, tails, independence.
//!
//! A correct generator fails each Kolmogorov-Smirnov and each Anderson-Darling test with probability 0.001, so all of
//! them (20 of each) pass with probability 0.96. Bounds on moments, counts and correlations are five standard errors: a
//! correct generator misses one of them with probability 6e-7, any of the some thousand with 6e-4. The seeds are fixed,
//! so a test that passes keeps passing.

#![allow(clippy::unwrap_used, reason = "helpers of tests count as tests")]

use fanin::{Element, Initializer, Layout, Seed, Stream};
use statrs::distribution::{Continuous, ContinuousCDF, Normal, Uniform};

const N: usize = 1 << 20;

fn draw<T: Element>(text: &str, seed: u64, name: &str, n: usize) -> Vec<f64> {
    let initializer: Initializer = text.parse().unwrap();
    let mut out = vec![T::default(); n];
    initializer
        .fill(Seed::new(seed), name, &[n], &Layout::vector(), &mut out)
        .unwrap();
    out.iter().map(|x| x.to_f64()).collect()
}

/// √n · sup |F_n − F|, which exceeds 1.949 with probability 0.001.
fn kolmogorov(mut values: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distance = values.iter().enumerate().fold(0f64, |worst, (i, &x)| {
        let f = cdf(x);
        worst
            .max((f - i as f64 / n).abs())
            .max(((i + 1) as f64 / n - f).abs())
    });
    distance * n.sqrt()
}

const CRITICAL: f64 = 1.949;

/// Anderson and Darling's A², which weighs the tails more; it exceeds 6.0 with probability 0.001 (Marsaglia and
/// Marsaglia, Evaluating the Anderson-Darling distribution, J. Stat. Soft. 9, 2004). `cdf` gives F and 1 − F.
fn anderson(mut values: Vec<f64>, cdf: impl Fn(f64) -> (f64, f64)) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let sum: f64 = (0..n)
        .map(|i| {
            let (below, above) = (cdf(values[i]).0, cdf(values[n - 1 - i]).1);
            (2 * i + 1) as f64 * (below.ln() + above.ln())
        })
        .sum();
    -(n as f64) - sum / n as f64
}

const CRITICAL_ANDERSON: f64 = 6.0;

#[test]
fn kolmogorov_smirnov_against_the_exact_distribution_functions() {
    let normal = Normal::standard();
    let uniform = Uniform::new(-2.0, 3.0).unwrap();
    let cut = |a: f64, b: f64| {
        move |z: f64| {
            // By the survival function on the right, where 1 − Φ loses its digits.
            if a > 0.0 {
                (normal.sf(a) - normal.sf(z)) / (normal.sf(a) - normal.sf(b))
            } else {
                (normal.cdf(z) - normal.cdf(a)) / (normal.cdf(b) - normal.cdf(a))
            }
        }
    };
    for (name, seed) in [("first", 1), ("second", u64::MAX)] {
        let checks = [
            (
                "uniform",
                kolmogorov(draw::<f32>("uniform(-2, 3)", seed, name, N), |x| {
                    uniform.cdf(x)
                }),
            ),
            (
                "uniform f64",
                kolmogorov(draw::<f64>("uniform(-2, 3)", seed, name, N), |x| {
                    uniform.cdf(x)
                }),
            ),
            (
                "normal",
                kolmogorov(draw::<f32>("normal(0, 1)", seed, name, N), |x| {
                    normal.cdf(x)
                }),
            ),
            (
                "normal f64",
                kolmogorov(draw::<f64>("normal(0, 1)", seed, name, N), |x| {
                    normal.cdf(x)
                }),
            ),
            (
                "±2",
                kolmogorov(
                    draw::<f32>("truncated_normal(0, 1)", seed, name, N),
                    cut(-2.0, 2.0),
                ),
            ),
            (
                "±2 f64",
                kolmogorov(
                    draw::<f64>("truncated_normal(0, 1)", seed, name, N),
                    cut(-2.0, 2.0),
                ),
            ),
            (
                "-1..4",
                kolmogorov(
                    draw::<f32>("truncated_normal(0, 1, -1, 4)", seed, name, N),
                    cut(-1.0, 4.0),
                ),
            ),
            (
                "1..2",
                kolmogorov(
                    draw::<f32>("truncated_normal(0, 1, 1, 2)", seed, name, N),
                    cut(1.0, 2.0),
                ),
            ),
            (
                "3..6",
                kolmogorov(
                    draw::<f32>("truncated_normal(0, 1, 3, 6)", seed, name, N),
                    cut(3.0, 6.0),
                ),
            ),
            (
                "-5..-3",
                kolmogorov(
                    draw::<f64>("truncated_normal(0, 1, -5, -3)", seed, name, N),
                    cut(-5.0, -3.0),
                ),
            ),
        ];
        for (what, distance) in checks {
            println!("{name} {what}: {distance:.3}");
            assert!(distance < CRITICAL, "{name} {what}: {distance}");
        }
    }
}

#[test]
fn anderson_darling_against_the_exact_distribution_functions() {
    let normal = Normal::standard();
    let whole = move |z: f64| (normal.cdf(z), normal.sf(z));
    let cut = |a: f64, b: f64| {
        move |z: f64| {
            // By the nearer tail, where the other function loses its digits.
            let (left, right) = if a > 0.0 {
                (normal.sf(a) - normal.sf(z), normal.sf(z) - normal.sf(b))
            } else {
                (normal.cdf(z) - normal.cdf(a), normal.cdf(b) - normal.cdf(z))
            };
            // A value on a bound is within half a step of it.
            let least = 1e-11 * (left + right);
            (
                left.max(least) / (left + right),
                right.max(least) / (left + right),
            )
        }
    };
    // −1 and 1 are values of the f32 distribution and stand for half a step.
    let uniform = |x: f64| {
        let f = (0.5 + 0.5 * x).clamp(1e-10, 1.0 - 1e-10);
        (f, 1.0 - f)
    };
    let n = 1 << 18;
    for (name, seed) in [("first", 1), ("second", u64::MAX)] {
        let draw_f32 = |text: &str| draw::<f32>(text, seed, name, n);
        let draw_f64 = |text: &str| draw::<f64>(text, seed, name, n);
        let (normal, central, wide) = (
            "normal(0, 1)",
            "truncated_normal(0, 1)",
            "truncated_normal(0, 1, -1, 4)",
        );
        let (one_sided, tail, other_tail) = (
            "truncated_normal(0, 1, 1, 2)",
            "truncated_normal(0, 1, 3, 6)",
            "truncated_normal(0, 1, -5, -3)",
        );
        let checks = [
            ("uniform", anderson(draw_f32("uniform(-1, 1)"), uniform)),
            ("uniform f64", anderson(draw_f64("uniform(-1, 1)"), uniform)),
            ("normal", anderson(draw_f32(normal), whole)),
            ("normal f64", anderson(draw_f64(normal), whole)),
            ("±2", anderson(draw_f32(central), cut(-2.0, 2.0))),
            ("±2 f64", anderson(draw_f64(central), cut(-2.0, 2.0))),
            ("-1..4", anderson(draw_f32(wide), cut(-1.0, 4.0))),
            ("1..2", anderson(draw_f32(one_sided), cut(1.0, 2.0))),
            ("3..6", anderson(draw_f32(tail), cut(3.0, 6.0))),
            ("-5..-3", anderson(draw_f64(other_tail), cut(-5.0, -3.0))),
        ];
        for (what, statistic) in checks {
            println!("{name} {what}: {statistic:.3}");
            assert!(statistic < CRITICAL_ANDERSON, "{name} {what}: {statistic}");
        }
    }
}

#[test]
fn moments_to_the_fourth() {
    // Raw moments 1 … 4, and 8 for the standard error of the fourth.
    let cut: Vec<f64> = [2, 4, 6, 8].into_iter().map(truncated_moment).collect();
    for (text, even) in [
        ("normal(0, 1)", vec![1.0, 3.0, 15.0, 105.0]),
        (
            "uniform(-1, 1)",
            vec![1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0],
        ),
        ("truncated_normal(0, 1)", cut),
    ] {
        let values = draw::<f32>(text, 3, "moments", 4 * N);
        let n = values.len() as f64;
        for k in 1..=4 {
            let got = values.iter().map(|x| x.powi(k)).sum::<f64>() / n;
            let expected = if k % 2 == 0 {
                even[k as usize / 2 - 1]
            } else {
                0.0
            };
            let error = ((even[k as usize - 1] - expected * expected) / n).sqrt();
            println!("{text}, moment {k}: {got:.6} for {expected:.6} ± {error:.6}");
            assert!((got - expected).abs() < 5.0 * error, "{text}, moment {k}");
        }
    }
}

/// E z^k for the normal distribution cut at ±2, by Simpson's rule.
fn truncated_moment(k: i32) -> f64 {
    let normal = Normal::standard();
    let steps = 20_000;
    let h = 4.0 / f64::from(steps);
    let sum: f64 = (0..=steps)
        .map(|i| {
            let z = -2.0 + h * f64::from(i);
            let weight = if i == 0 || i == steps {
                1.0
            } else {
                2.0 + 2.0 * f64::from(i % 2)
            };
            weight * z.powi(k) * normal.pdf(z)
        })
        .sum();
    sum * h / 3.0 / (normal.cdf(2.0) - normal.cdf(-2.0))
}

#[test]
fn tails_are_as_heavy_as_they_should_be() {
    let normal = Normal::standard();
    let bounds = [3.0, 4.0, 4.5, 5.0, 5.5];
    let mut counts = [0u64; 5];
    let (pieces, length) = (64, 1 << 22);
    let whole = Initializer::normal(0.0, 1.0)
        .unwrap()
        .resolve(&[pieces * length], &Layout::vector())
        .unwrap();
    let stream = Stream::new(Seed::new(9), "tails");
    let mut piece = vec![0f32; length];
    let mut farthest = 0f32;
    for k in 0..pieces {
        whole
            .fill(&stream, (k * length) as u64, &mut piece)
            .unwrap();
        for x in piece.iter().map(|x| x.abs()).filter(|x| *x > 3.0) {
            farthest = farthest.max(x);
            for (count, bound) in counts.iter_mut().zip(bounds) {
                *count += u64::from(f64::from(x) > bound);
            }
        }
    }
    for (count, bound) in counts.into_iter().zip(bounds) {
        let expected = 2.0 * normal.sf(bound) * (pieces * length) as f64;
        println!("|z| > {bound}: {count} for {expected:.1}");
        assert!((count as f64 - expected).abs() < 5.0 * expected.sqrt() + 1.0);
    }
    // Of 2²⁸ the farthest is beyond 5.5 but with probability 4e-5, and beyond 6.66 never.
    println!("farthest {farthest}");
    assert!(farthest > 5.5 && farthest < 6.661);
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
}

#[test]
fn neighbours_are_unrelated() {
    let n = 1 << 18;
    let text = "normal(0, 1)";
    let base = draw::<f32>(text, 1, "layers.0.weight", n);
    let bound = 5.0 / (n as f64).sqrt();
    for (seed, name) in [
        (2, "layers.0.weight"),
        (0, "layers.0.weight"),
        (3, "layers.0.weight"),
        (1 << 32 | 1, "layers.0.weight"),
        (u64::MAX, "layers.0.weight"),
    ]
    .into_iter()
    .chain([
        (1, "layers.1.weight"),
        (1, "layers.0.weighu"),
        (1, "mayers.0.weight"),
        (1, "layers.0.Weight"),
        (1, "layers.0.bias"),
        (1, "layers.0.weigh"),
        (1, ""),
    ]) {
        let other = draw::<f32>(text, seed, name, n);
        let (plain, square) = (correlation(&base, &other), {
            let centre = |x: &Vec<f64>| {
                x.iter()
                    .map(|x| (x * x - 1.0) / 2f64.sqrt())
                    .collect::<Vec<_>>()
            };
            correlation(&centre(&base), &centre(&other))
        });
        assert!(
            plain.abs() < bound && square.abs() < bound,
            "{seed} {name}: {plain} {square}"
        );
    }
    // Within a tensor: the lags of the tile, above all the 16 between the two values of a pair.
    for lag in [1, 2, 8, 15, 16, 17, 32, 48, 63, 64, 128, 1024] {
        for power in [1, 2] {
            let shifted = |x: &[f64]| {
                x.iter()
                    .map(|x| {
                        if power == 1 {
                            *x
                        } else {
                            (x * x - 1.0) / 2f64.sqrt()
                        }
                    })
                    .collect::<Vec<_>>()
            };
            let r = correlation(&shifted(&base[..n - lag]), &shifted(&base[lag..]));
            assert!(r.abs() < 1.01 * bound, "lag {lag}, power {power}: {r}");
        }
    }
}

/// All values of one long draw against Box and Muller in double precision with the standard library.
#[test]
fn normal_is_box_and_muller_to_single_precision() {
    let stream = fanin::Stream::new(Seed::new(4), "accuracy");
    let values = draw::<f32>("normal(0, 1)", 4, "accuracy", N);
    let (mut worst, mut squares) = (0f64, 0f64);
    for (tile, values) in values.chunks_exact(64).enumerate() {
        for lane in 0..16 {
            let block = stream.block(tile as u64 * 16 + lane as u64);
            for pair in [0, 2] {
                let u = (f64::from(block[pair]) + 1.0) / 4_294_967_296.0;
                let angle = f64::from(block[pair + 1]) / 4_294_967_296.0 * std::f64::consts::TAU;
                let radius = (-2.0 * u.ln()).sqrt();
                for (k, z) in [radius * angle.cos(), radius * angle.sin()]
                    .into_iter()
                    .enumerate()
                {
                    let error = (values[(pair + k) * 16 + lane] - z).abs() / z.abs().max(1e-3);
                    worst = worst.max(error);
                    squares += error * error;
                }
            }
        }
    }
    println!(
        "relative error of z: worst {worst:.2e}, rms {:.2e}",
        (squares / N as f64).sqrt()
    );
    assert!(worst < 3e-7, "{worst:e}");
}
