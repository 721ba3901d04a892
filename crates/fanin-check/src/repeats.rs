//! What several seeds say together.

use serde::Serialize;

use crate::{Code, Severity};

/// What several seeds of weights and inputs say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeats {
    /// The seeds, one check each.
    pub seeds: Vec<u64>,
    /// The share of seeds whose verdict is faulty.
    pub faulty: SeedShare,
    /// The share of seeds whose verdict is doubtful.
    pub doubtful: SeedShare,
    /// The share of seeds whose verdict is healthy.
    pub healthy: SeedShare,
    /// Each rule that fired with any seed, by code.
    pub findings: Vec<Repeated>,
}

/// A rule that fired with some seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeated {
    /// Which rule.
    pub code: Code,
    /// The gravest severity among the seeds.
    pub severity: Severity,
    /// The share of seeds with which it fired at that severity.
    pub share: SeedShare,
    /// The parameter it blames most often, and how often.
    pub blamed: Option<(String, usize)>,
}

/// A share of the seeds, as an estimate of a probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SeedShare {
    /// Seeds that have it.
    pub count: usize,
    /// Their share.
    pub share: f64,
    /// 95 % of the time the probability lies within (Wilson 1927).
    pub interval: [f64; 2],
}

impl SeedShare {
    /// `count` of `total` seeds; the whole of [0, 1] for none.
    pub fn new(count: usize, total: usize) -> Self {
        const Z: f64 = 1.96;
        let n = total as f64;
        if total == 0 {
            return Self {
                count,
                share: 0.0,
                interval: [0.0, 1.0],
            };
        }
        let share = count as f64 / n;
        let scale = 1.0 / (1.0 + Z * Z / n);
        let centre = scale * (share + Z * Z / (2.0 * n));
        let reach = scale * Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        Self {
            count,
            share,
            interval: [(centre - reach).max(0.0), (centre + reach).min(1.0)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wilson's interval for 7 of 20, from scipy.stats.binomtest(7, 20).proportion_ci(method="wilson").
    #[test]
    fn the_interval_is_wilsons() {
        let share = SeedShare::new(7, 20);
        assert!((share.interval[0] - 0.181_2).abs() < 1e-3, "{share:?}");
        assert!((share.interval[1] - 0.567_1).abs() < 1e-3, "{share:?}");
        assert_eq!(SeedShare::new(0, 10).interval[0], 0.0);
        assert_eq!(SeedShare::new(0, 0).interval, [0.0, 1.0]);
    }
}
