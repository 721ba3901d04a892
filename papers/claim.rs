//! A claim of a paper beside what is seen here.

use std::fmt;

use crate::Sample;

/// One claim: what was published, what is seen, how far apart they may be and why so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// What is claimed.
    pub what: String,
    /// The paper's figure, or the exact one where the paper gives a formula.
    pub published: String,
    /// The figure here.
    pub seen: String,
    /// What is allowed between the two and where that comes from. Stated before the measurement.
    pub tolerance: String,
    /// Whether it holds.
    pub pass: bool,
    /// Why it does not hold here, where that is known; a claim with such a reason is expected to fail.
    pub differs: Option<&'static str>,
}

/// How far a figure may lie from the published one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// So much in the figure's own unit, and why.
    Absolute(f64, &'static str),
    /// So much of the published figure, and why.
    Relative(f64, &'static str),
    /// 3.3 standard errors of the mean over the networks (1 in 1,000 lies outside), and so much of
    /// the published figure for what is of first order in one over the width.
    Sampling(f64),
}

/// Standard errors that all but 1 in 1,000 normal means stay within.
const ERRORS: f64 = 3.3;

impl Tolerance {
    fn width(self, published: f64, seen: &Sample) -> f64 {
        match self {
            Self::Absolute(width, _) => width,
            Self::Relative(share, _) => share * published.abs(),
            Self::Sampling(share) => ERRORS * seen.error() + share * published.abs(),
        }
    }

    fn describe(self, seen: &[Sample]) -> String {
        match self {
            Self::Absolute(width, why) => format!("± {}: {why}", short(width)),
            Self::Relative(share, why) => format!("± {} %: {why}", short(100.0 * share)),
            Self::Sampling(share) => {
                let networks = seen.first().map_or(0, Sample::len);
                let rest = if share > 0.0 {
                    format!(" + {} % for the width", short(100.0 * share))
                } else {
                    String::new()
                };
                format!("3.3 standard errors of {networks} networks{rest}")
            }
        }
    }
}

impl Claim {
    /// A figure near the published one.
    pub fn near(
        what: impl Into<String>,
        published: f64,
        seen: &Sample,
        tolerance: Tolerance,
    ) -> Self {
        Self::series(what, &[published], std::slice::from_ref(seen), tolerance)
    }

    /// Several figures, each near its published one.
    pub fn series(
        what: impl Into<String>,
        published: &[f64],
        seen: &[Sample],
        tolerance: Tolerance,
    ) -> Self {
        let list = |values: &mut dyn Iterator<Item = f64>| {
            values.map(short).collect::<Vec<_>>().join(", ")
        };
        let near = published
            .iter()
            .zip(seen)
            .all(|(&p, s)| (s.mean() - p).abs() <= tolerance.width(p, s));
        Self {
            what: what.into(),
            published: list(&mut published.iter().copied()),
            seen: list(&mut seen.iter().map(Sample::mean)),
            tolerance: tolerance.describe(seen),
            pass: near && published.len() == seen.len(),
            differs: None,
        }
    }

    /// A statement that holds or not.
    pub fn holds(
        what: impl Into<String>,
        published: impl Into<String>,
        seen: impl Into<String>,
        tolerance: impl Into<String>,
        pass: bool,
    ) -> Self {
        Self {
            what: what.into(),
            published: published.into(),
            seen: seen.into(),
            tolerance: tolerance.into(),
            pass,
            differs: None,
        }
    }

    /// Says why it does not hold here.
    #[must_use]
    pub fn but(mut self, reason: &'static str) -> Self {
        self.differs = Some(reason);
        self
    }

    /// Whether it came out as expected: it holds, or it fails for a reason that is given.
    pub fn as_expected(&self) -> bool {
        self.pass == self.differs.is_none()
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.pass { "pass" } else { "DIFFERS" };
        write!(
            f,
            "{verdict}  {}: published {}; seen {} ({})",
            self.what, self.published, self.seen, self.tolerance
        )?;
        match self.differs {
            Some(reason) => write!(f, "; {reason}"),
            None => Ok(()),
        }
    }
}

/// A number in at most four significant digits.
pub fn short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{x}");
    }
    let size = x.abs().log10().floor() as i32;
    if !(-4..6).contains(&size) {
        return format!("{x:.2e}");
    }
    let text = format!("{x:.*}", usize::try_from(3 - size).unwrap_or(0));
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.46031, "0.4603"),
            (1.0, "1"),
            (-31.04, "-31.04"),
            (12345.6, "12346"),
            (4.2e9, "4.20e9"),
            (3.05e-5, "3.05e-5"),
            (0.0, "0"),
        ];
        for (x, text) in cases {
            assert_eq!(short(x), text);
        }
    }

    #[test]
    fn a_figure_outside_its_tolerance_differs() {
        let seen = Sample::of(vec![1.0, 1.1, 1.2]);
        let near = |t| Claim::near("x", 1.0, &seen, t).pass;
        assert!(near(Tolerance::Absolute(0.11, "")));
        assert!(!near(Tolerance::Absolute(0.09, "")));
        assert!(!near(Tolerance::Relative(0.09, "")));
        // The standard error is 0.1 / √3.
        assert!(near(Tolerance::Sampling(0.0)));
        let far = Claim::near("x", 0.8, &seen, Tolerance::Sampling(0.0));
        assert!(!far.pass && !far.as_expected());
        assert!(far.but("a reason").as_expected());
        assert!(
            !Claim::near("x", 1.1, &seen, Tolerance::Sampling(0.0))
                .but("stale")
                .as_expected()
        );
    }
}
