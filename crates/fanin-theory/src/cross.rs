//! How much of a value two places have in common.
//!
//! At infinite width the joint distribution of a unit's values at two places (a place: one token,
//! one position of a map, of one sample) is set by their covariance, and every operation maps
//! covariances of its inputs to those of its output (Cho & Saul 2009, Poole et al. 2016; for
//! convolutions Xiao et al. 2018, for attention Hron et al. 2020). Carrying all pairs would cost
//! the square of the number of places; three kinds of pairs are told apart instead, and of each the
//! mean is carried.

/// Mean products of a value at two different places, by how the places differ; `None` where unknown.
///
/// Not central: the product of the means is part of each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cross {
    /// Two places of one sample.
    pub(crate) within: Option<f64>,
    /// The same place in two samples.
    pub(crate) between: Option<f64>,
    /// Different places in two samples.
    pub(crate) far: Option<f64>,
}

impl Cross {
    /// Nothing known.
    pub(crate) const UNKNOWN: Self = Self {
        within: None,
        between: None,
        far: None,
    };

    /// The same for every kind of pair.
    pub(crate) fn even(product: f64) -> Self {
        Self {
            within: Some(product),
            between: Some(product),
            far: Some(product),
        }
    }

    /// A value without places: what samples have in common is all there is to know.
    pub(crate) fn of_samples(second: f64, between: Option<f64>) -> Self {
        Self {
            within: Some(second),
            between,
            far: between,
        }
    }

    /// Each kind of pair through the same function.
    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self {
            within: self.within.map(&f),
            between: self.between.map(&f),
            far: self.far.map(&f),
        }
    }

    /// Each kind of pair of two values through the same function.
    pub(crate) fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let both = |a: Option<f64>, b: Option<f64>| Some(f(a?, b?));
        Self {
            within: both(self.within, other.within),
            between: both(self.between, other.between),
            far: both(self.far, other.far),
        }
    }

    /// The mean of products over all pairs of `places` places of one sample, equal ones included.
    pub(crate) fn mean_within(self, second: f64, places: f64) -> Option<f64> {
        mix(second, self.within, places)
    }

    /// The same over all pairs of a place in one sample and one in another.
    pub(crate) fn mean_between(self, places: f64) -> Option<f64> {
        mix(self.between?, self.far, places)
    }
}

/// 1/n of `equal` and the rest of `other`.
fn mix(equal: f64, other: Option<f64>, n: f64) -> Option<f64> {
    if n <= 1.0 {
        return Some(equal);
    }
    Some((equal + (n - 1.0) * other?) / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averaging_mixes_equal_and_other_places() {
        let cross = Cross {
            within: Some(0.5),
            between: Some(0.2),
            far: Some(0.1),
        };
        assert!((cross.mean_within(1.0, 4.0).unwrap() - 2.5 / 4.0).abs() < 1e-15);
        assert!((cross.mean_between(4.0).unwrap() - 0.5 / 4.0).abs() < 1e-15);
    }

    #[test]
    fn one_place_needs_no_others() {
        assert_eq!(Cross::UNKNOWN.mean_within(2.0, 1.0), Some(2.0));
        assert_eq!(Cross::UNKNOWN.mean_within(2.0, 2.0), None);
    }
}
