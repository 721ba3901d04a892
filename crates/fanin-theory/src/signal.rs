//! What theory carries along for each value on the way forward.

use std::rc::Rc;

use fanin_network::ValueId;

use crate::band::layer_variance;
use crate::cross::Cross;
use crate::quadrature::Grid;

/// What theory expects of a value.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    /// Mean over all elements.
    pub(crate) mean: f64,
    /// Mean square over all elements.
    pub(crate) second: f64,
    /// Fourth moment over squared second moment: 3 for a Gaussian of mean zero.
    pub(crate) kurtosis: f64,
    /// Mean products of the value at two different places.
    pub(crate) cross: Cross,
    /// Variance of the cosine between samples that layers before this one have left.
    pub(crate) cosine_inherited: f64,
    /// Relative second moment along each spatial axis of a map, or along a sequence, of mean 1;
    /// `None` where all places are alike.
    pub(crate) profile: Option<Profile>,
    /// What the steps of a recurrent layer have in common, where an axis counts them.
    pub(crate) steps: Option<Steps>,
    /// Units that are drawn independently: features of a linear layer, channels of a convolution.
    pub(crate) units: f64,
    /// Variance of the log second moment that layers before this one have left; see
    /// [`Signal::variance`].
    pub(crate) inherited: f64,
    /// Whether each element is near Gaussian over the draws of the weights.
    pub(crate) gaussian: bool,
    /// The Gaussian value this one is a function of, elementwise.
    pub(crate) shape: Shape,
    /// The random tensors this value depends on through one linear step or a sum of such; values
    /// without a common one are independent.
    pub(crate) origins: Rc<[u32]>,
    /// The value whose measurement this builds on; `None` if it builds on parameters alone.
    pub(crate) since: Option<ValueId>,
    /// Whether it is a parameter, or a parameter in another shape.
    pub(crate) parameter: bool,
}

/// What two steps along an axis of a value have in common.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    /// Mean products in one sample, over the second moment.
    pub(crate) own: Rc<[Vec<f64>]>,
    /// The same of two samples, where it is known.
    pub(crate) between: Option<Rc<[Vec<f64>]>>,
    /// The axis that counts the steps.
    pub(crate) axis: usize,
}

/// A second moment over the places of a map or a sequence, relative to its mean: a product over the
/// axes.
pub(crate) type Profile = Rc<[Vec<f64>]>;

/// The profile of a sum of parts of these sizes; not quite a product any more, but nearly.
pub(crate) fn mixed_profile(parts: &[(f64, Option<&Profile>)]) -> Option<Profile> {
    let model = parts.iter().find_map(|(_, profile)| *profile)?;
    let total: f64 = parts.iter().map(|(second, _)| second).sum();
    let axes = model.iter().enumerate().map(|(axis, line)| {
        let at = |place: usize| {
            let each = parts.iter().map(|(second, profile)| {
                let line = profile.and_then(|profile| profile.get(axis));
                second
                    * line
                        .and_then(|line| line.get(place))
                        .copied()
                        .unwrap_or(1.0)
            });
            each.sum::<f64>() / total
        };
        (0..line.len()).map(at).collect()
    });
    (total > 0.0).then(|| axes.collect())
}

/// Divides each line by its mean; returns the product of the means and the profile, `None` where
/// all places are alike.
pub(crate) fn normalized(mut lines: Vec<Vec<f64>>) -> (f64, Option<Profile>) {
    let (mut product, mut uneven) = (1.0, false);
    for line in &mut lines {
        let mean = line.iter().sum::<f64>() / line.len().max(1) as f64;
        product *= mean;
        for x in line.iter_mut().filter(|_| mean > 0.0) {
            *x /= mean;
        }
        uneven |= line.iter().any(|x| (x - 1.0).abs() > 1e-9);
    }
    (product, uneven.then(|| lines.into()))
}

/// A value as an elementwise function of a Gaussian one.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// The Gaussian value.
    pub(crate) base: ValueId,
    /// The grid over its distribution; `None` until a function of it is taken.
    pub(crate) grid: Option<Grid>,
    /// This value at the grid's nodes; `None` where it is the base itself.
    pub(crate) nodes: Option<Rc<[f64]>>,
}

impl Shape {
    /// A value that is a base of its own.
    pub(crate) fn base(value: ValueId) -> Self {
        Self {
            base: value,
            grid: None,
            nodes: None,
        }
    }
}

impl Signal {
    /// A near Gaussian value with moments known by a rule.
    pub(crate) fn gaussian(value: ValueId, mean: f64, second: f64) -> Self {
        Self {
            mean,
            second: second.max(mean * mean),
            kurtosis: kurtosis(mean, second),
            cross: Cross::UNKNOWN,
            cosine_inherited: 0.0,
            profile: None,
            steps: None,
            units: 1.0,
            inherited: 0.0,
            gaussian: true,
            shape: Shape::base(value),
            origins: Rc::from([value.0]),
            since: None,
            parameter: false,
        }
    }

    /// Variance of the log of this value's second moment over draws of the weights.
    pub(crate) fn variance(&self) -> f64 {
        (self.inherited + layer_variance(self.kurtosis, self.units)).max(0.0)
    }

    /// Whether its moments are numbers.
    pub(crate) fn is_known(&self) -> bool {
        self.mean.is_finite() && self.second.is_finite()
    }

    /// Sets what is inherited so that the variance now is `variance`.
    pub(crate) fn with_variance(mut self, variance: f64) -> Self {
        self.inherited = variance - layer_variance(self.kurtosis, self.units);
        self
    }

    /// Expected cosine between two samples.
    pub(crate) fn cosine(&self) -> Option<f64> {
        let between = self.cross.between?;
        (self.second > 0.0).then(|| (between / self.second).clamp(-1.0, 1.0))
    }

    /// Central second moment.
    pub(crate) fn spread(&self) -> f64 {
        (self.second - self.mean * self.mean).max(0.0)
    }

    /// The grid over the base's distribution, and this value at its nodes.
    pub(crate) fn on_grid(&self) -> (Grid, Rc<[f64]>) {
        let grid = match &self.shape.grid {
            Some(grid) => grid.clone(),
            None => Grid::new(self.mean, self.spread().sqrt()),
        };
        let nodes = self.shape.nodes.clone().unwrap_or(grid.nodes.clone());
        (grid, nodes)
    }

    /// The same distribution over fewer or more elements (reshape, slice, copy), as part of the
    /// same base; `share` is the share of the units that is left.
    pub(crate) fn relocated(&self, share: f64) -> Self {
        let mut moved = self.clone();
        if share < 1.0 {
            let variance = self.variance();
            let before = layer_variance(self.kurtosis, self.units);
            moved.units = (self.units * share).max(1.0);
            let after = layer_variance(self.kurtosis, moved.units);
            moved = moved.with_variance(variance - before + after);
        }
        moved
    }
}

/// E x⁴ / (E x²)² of N(mean, second − mean²).
pub(crate) fn kurtosis(mean: f64, second: f64) -> f64 {
    if second <= 0.0 {
        return 1.0;
    }
    let square = (mean * mean / second).min(1.0);
    let spread = 1.0 - square;
    3.0 * spread * spread + 6.0 * spread * square + square * square
}

/// Whether two sorted lists of origins share none.
pub(crate) fn disjoint(a: &[u32], b: &[u32]) -> bool {
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => return false,
        }
    }
    true
}

/// The sorted union of two sorted lists of origins.
pub(crate) fn union(a: &Rc<[u32]>, b: &Rc<[u32]>) -> Rc<[u32]> {
    let mut all: Vec<u32> = a.iter().chain(b.iter()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}
