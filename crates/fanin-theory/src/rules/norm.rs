//! Normalization: whatever comes in, a known second moment goes out.
//!
//! y = γ (x − μ)/√(σ² + ε) + β has E[y²] = E[γ²] σ²/(σ² + ε) + E[β²] with σ² the variance that is
//! divided by: over batch and places for batch norm, over features for layer norm. The luck of all
//! layers before is divided away, so the variance of the log second moment starts again at zero.
//!
//! Backward a gradient is multiplied by γ/σ and loses its components along the mean and along y,
//! two of n directions, or more where the gradient is the same at many of the n elements. With
//! σ² = (1 − c) E[x²], c the cosine between samples, batch norm after ReLU makes gradients grow by
//! E[φ'²]/Var φ = π/(π − 1) per layer (Yang et al. 2019).
//!
//! Over the draws of a unit's weights its σ² is a weighted sum of χ², near a χ² of
//! k = (Σ λ)²/Σ λ² degrees of freedom, λ the eigenvalues of the covariance of its centred elements
//! (Welch–Satterthwaite), so that E[1/σ²] = k/(k − 2)/E[σ²]: of few samples, or of many that are
//! alike, more than one would think.

use std::rc::Rc;

use fanin_network::operator::{LayerNorm, Norm as Kind};
use fanin_network::{Node, Operator, ValueId};

use super::back::{Along, Arrival, Back, Flow};
use super::{Context, Rule, activation, arithmetic, axis, count, reduce};
use crate::cross::Cross;
use crate::signal::{Signal, disjoint, normalized};

/// Share of σ² in σ² + ε below which the approximation of one σ for all units does not hold.
const NOISE_FLOOR: f64 = 100.0;

impl Rule for Kind {
    /// The norm's output, and the sum that a skip norm puts out beside it.
    fn speaks_of(&self, output: usize) -> bool {
        output == 0 || output == 3 && matches!(self, Self::Skip { .. })
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let x = input(context, node, self)?;
        if node.output(0) != Some(output) {
            return Some(x);
        }
        match self {
            Self::Lp { axis, p } => {
                let length = Length::of(&x, context.shape(node, 0)?, *axis, *p)?;
                Some(length.forward(&x, output))
            }
            Self::LocalResponse { .. } => Response::of(self, &x)?.forward(context, &x),
            _ => Norm::of(context, node, self, &x)?.forward(context, node, &x, output),
        }
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        let Arrival { context, node, .. } = *arrival;
        if !reads(self, arrival.slot) {
            return None;
        }
        let flow = arrival.flow.clone();
        if node.output(0) != Some(arrival.output) {
            return Some(arrival.gaussian(flow));
        }
        let x = input(context, node, self)?;
        match self {
            Self::Lp { axis, p } => {
                let length = Length::of(&x, context.shape(node, 0)?, *axis, *p)?;
                return Some(arrival.gaussian(arrival.times(length.back(&x))));
            }
            Self::LocalResponse { .. } => {
                let slopes = Response::of(self, &x)?.slopes(&x);
                let same = arrival.out.shape.base == arrival.signal.shape.base;
                return same.then_some(Back::Times(slopes));
            }
            _ => {}
        }
        let norm = Norm::of(context, node, self, &x)?;
        let (factor, flow) = norm.back(context, node, &x, flow, arrival.along)?;
        let flow = by_place(flow, norm.by_place(&x), factor);
        Some(arrival.gaussian(flow))
    }
}

/// Whether a signal that is normalized comes in at this slot.
fn reads(kind: &Kind, slot: usize) -> bool {
    slot == 0 || slot == 1 && matches!(kind, Kind::Skip { .. })
}

/// What a node normalizes: its first input, or the sum of two and a bias.
fn input(context: &Context<'_>, node: &Node, kind: &Kind) -> Option<Signal> {
    let x = context.signal(node, 0)?;
    let Kind::Skip { centered, .. } = kind else {
        return Some(x.clone());
    };
    let id = node.output(3).or(node.output(0))?;
    let skip = context.signal(node, 1)?;
    if !skip.parameter && !x.parameter && !disjoint(&x.origins, &skip.origins) {
        return None;
    }
    let total = arithmetic::sum(x, skip, 1.0, id);
    let bias = if *centered { 4 } else { 3 };
    Some(match context.signal(node, bias) {
        Some(bias) => arithmetic::sum(&total, bias, 1.0, id),
        None => total,
    })
}

/// A division by the p-norm over units.
struct Length {
    factor: f64,
    units: f64,
}

impl Length {
    /// Mean square of the factor on a gradient, which loses the direction of x. Where places differ in
    /// length, short ones count most.
    fn back(&self, x: &Signal) -> f64 {
        let lines = x.profile.iter().flat_map(|profile| profile.iter());
        let uneven: f64 = lines
            .map(|line| line.iter().map(|u| 1.0 / u).sum::<f64>() / line.len().max(1) as f64)
            .product();
        self.factor * self.factor * uneven * (1.0 - 1.0 / self.units)
    }

    fn of(x: &Signal, shape: &[usize], along: i64, p: i64) -> Option<Self> {
        let along = axis(along, shape.len())?;
        if x.parameter || Some(along) != reduce::unit_axis(shape.len()) || x.second <= 0.0 {
            return None;
        }
        let units = *shape.get(along)? as f64;
        let length = match p {
            1 => {
                let (grid, nodes) = x.on_grid();
                let sizes: Vec<f64> = nodes.iter().map(|x| x.abs()).collect();
                units * grid.moment(&sizes, 1)
            }
            2 => (units * x.second).sqrt(),
            _ => return None,
        };
        let factor = 1.0 / length;
        (units >= 8.0).then_some(Self { factor, units })
    }

    fn forward(&self, x: &Signal, output: ValueId) -> Signal {
        // The luck of all layers before is divided away, and so is what places differ in length.
        let mut signal = arithmetic::scaled(x.clone(), self.factor, output);
        signal.profile = None;
        signal.with_variance(0.0)
    }
}

/// x (b + α/n (x² + Σ of the squares of n − 1 neighbours))^(−β), the sum at its mean: near enough
/// where it adds less to b than half of it.
struct Response {
    bias: f64,
    own: f64,
    beta: f64,
}

impl Response {
    fn of(kind: &Kind, x: &Signal) -> Option<Self> {
        let Kind::LocalResponse {
            size,
            alpha,
            beta,
            bias,
        } = *kind
        else {
            return None;
        };
        let own = f64::from(alpha) / size.max(1) as f64;
        let others = own * (size.max(1) as f64 - 1.0) * x.second;
        let bias = f64::from(bias);
        let near = !x.parameter && f64::from(alpha) * x.second <= 0.5 * bias;
        near.then_some(Self {
            bias: bias + others,
            own,
            beta: beta.into(),
        })
    }

    fn forward(&self, context: &Context<'_>, x: &Signal) -> Option<Signal> {
        activation::function(context, x, |x| {
            x * (self.bias + self.own * x * x).powf(-self.beta)
        })
    }

    fn slopes(&self, x: &Signal) -> Rc<[f64]> {
        let nodes = x.on_grid().1;
        let slope = |x: &f64| {
            let sum = self.bias + self.own * x * x;
            sum.powf(-self.beta) * (1.0 - 2.0 * self.beta * self.own * x * x / sum)
        };
        nodes.iter().map(slope).collect()
    }
}

/// A normalization of known moments.
struct Norm {
    /// Which input scales; absent means 1.
    scale: Option<usize>,
    /// Which input shifts; absent means 0.
    shift: Option<usize>,
    epsilon: f64,
    /// The variance divided by.
    variance: f64,
    /// Elements that share one mean and one σ.
    sharing: f64,
    /// Whether the mean is taken off.
    centred: bool,
    /// Mean products of the means taken off at two places, elements of one mean first.
    means: Means,
    /// Degrees of freedom of σ².
    freedom: f64,
    /// Samples and places that share one σ, where it is one per unit; else `None`.
    sharers: Option<(f64, f64)>,
    /// Whether σ² is a mean over units, which leaves it the same for all of them; where each unit
    /// has its own, an ε that counts acts on each in another way.
    over_units: bool,
    /// Whether each unit is normalized by itself, over samples and places.
    per_unit: bool,
}

/// Mean products of the means that are taken off at two elements.
#[derive(Clone, Copy)]
struct Means {
    /// Square of one mean.
    own: f64,
    /// Of two means of different statistics: other samples, or other places.
    cross: Cross,
}

impl Means {
    fn even(product: f64) -> Self {
        Self {
            own: product,
            cross: Cross::even(product),
        }
    }
}

impl Norm {
    /// Reads a normalization; `None` if its input's variance is not known.
    fn of(context: &Context<'_>, node: &Node, kind: &Kind, x: &Signal) -> Option<Self> {
        let shape = context.shape(node, 0)?;
        match kind {
            Kind::Batch { epsilon, .. } => {
                let (samples, places) = (*shape.first()? as f64, places(shape));
                let common = batch_mean(context, node, x, samples, places);
                let means = Means::even(common);
                Some(Self {
                    freedom: freedom(x, samples, places),
                    sharers: Some((samples, places)),
                    over_units: false,
                    per_unit: true,
                    ..Self::centred(x, means, *epsilon, count(shape) / *shape.get(1)? as f64)
                })
            }
            Kind::Instance { epsilon } => {
                Self::of_groups(x, shape, *shape.get(1)? as f64, *epsilon)
            }
            Kind::Group {
                epsilon, groups, ..
            } => Self::of_groups(x, shape, *groups as f64, *epsilon),
            Kind::Layer(LayerNorm {
                axis,
                epsilon,
                centered,
                ..
            }) => {
                let sharing = trailing(*axis, shape);
                let mean = if *centered { x.mean * x.mean } else { 0.0 };
                let norm = Self::centred(x, Means::even(mean), *epsilon, sharing);
                if *centered {
                    return Some(norm);
                }
                Some(Self {
                    shift: None,
                    centred: false,
                    freedom: sharing,
                    ..norm
                })
            }
            Kind::Skip { epsilon, centered } => {
                let mean = if *centered { x.mean * x.mean } else { 0.0 };
                let sharing = trailing(-1, shape);
                let norm = Self::centred(x, Means::even(mean), *epsilon, sharing);
                Some(Self {
                    scale: Some(2),
                    shift: centered.then_some(3),
                    centred: *centered,
                    ..norm
                })
            }
            Kind::MeanVariance { axes } => {
                let rank = shape.len();
                let mut axes: Vec<usize> = axes
                    .iter()
                    .map(|&at| axis(at, rank))
                    .collect::<Option<_>>()?;
                axes.sort_unstable();
                let spatial = 2..rank;
                let norm = if axes == [0].into_iter().chain(spatial.clone()).collect::<Vec<_>>() {
                    let batch = Kind::Batch {
                        epsilon: 0.0,
                        momentum: 0.0,
                        training: true,
                    };
                    Self::of(context, node, &batch, x)?
                } else if axes == spatial.collect::<Vec<_>>() {
                    Self::of_groups(x, shape, *shape.get(1)? as f64, 0.0)?
                } else {
                    let first = *axes.first()?;
                    if axes != (first..rank).collect::<Vec<_>>() {
                        return None;
                    }
                    let sharing = count(shape.get(first..)?);
                    Self::centred(x, Means::even(x.mean * x.mean), 0.0, sharing)
                };
                Some(Self {
                    scale: None,
                    shift: None,
                    ..norm
                })
            }
            Kind::Lp { .. } | Kind::LocalResponse { .. } => None,
        }
    }

    /// Over so many elements, whose mean is taken off.
    fn centred(x: &Signal, means: Means, epsilon: f32, sharing: f64) -> Self {
        Self {
            scale: Some(1),
            shift: Some(2),
            epsilon: epsilon.into(),
            variance: (x.second - means.own).max(0.0),
            sharing,
            centred: true,
            means,
            freedom: sharing - 1.0,
            sharers: None,
            over_units: true,
            per_unit: false,
        }
    }

    /// Over groups of channels and all places.
    fn of_groups(x: &Signal, shape: &[usize], groups: f64, epsilon: f32) -> Option<Self> {
        let places = places(shape);
        // Channels of one group share no more than the mean.
        let size = (*shape.get(1)? as f64 / groups).max(1.0);
        let square = x.mean * x.mean;
        let pooled = |mean: f64| square + (mean - square) / size;
        let own = x.cross.mean_within(x.second, places).map(pooled);
        // Without a way to know, places of many channels average to the mean.
        let own = own.or((size >= 16.0).then_some(square))?;
        let other = x.cross.mean_between(places).map(pooled);
        let cross = Cross {
            within: Some(own),
            between: other,
            far: other,
        };
        let sharing = count(shape) / (shape.first().copied()? as f64 * groups);
        Some(Self {
            over_units: false,
            ..Self::centred(x, Means { own, cross }, epsilon, sharing)
        })
    }
}

/// Places of a sample.
fn places(shape: &[usize]) -> f64 {
    count(shape.get(2..).unwrap_or(&[]))
}

/// Degrees of freedom of the variance over a batch and its places. All pairs of places counting as
/// alike, the centred covariance has three eigenvalues: of what differs between samples, between
/// places, and between both.
fn freedom(x: &Signal, samples: f64, places: f64) -> f64 {
    let independent = (samples * places - 1.0).max(1.0);
    let within = x.cross.within.or((places <= 1.0).then_some(0.0));
    let far = x.cross.far.or((places <= 1.0).then_some(0.0));
    let (Some(within), Some(between), Some(far)) = (within, x.cross.between, far) else {
        return independent;
    };
    let (own, other) = (x.second - within, between - far);
    let parts = [
        (samples - 1.0, own - other + places * (within - far)),
        (places - 1.0, own + (samples - 1.0) * other),
        ((samples - 1.0) * (places - 1.0), own - other),
    ];
    let (mut sum, mut squares) = (0.0, 0.0);
    for (count, eigenvalue) in parts {
        let eigenvalue = eigenvalue.max(0.0);
        sum += count * eigenvalue;
        squares += count * eigenvalue * eigenvalue;
    }
    if squares > 0.0 {
        (sum * sum / squares).clamp(1.0, independent)
    } else {
        independent
    }
}

/// Mean square of the mean over a batch and its places.
fn batch_mean(context: &Context<'_>, node: &Node, x: &Signal, samples: f64, places: f64) -> f64 {
    let samples = samples.max(1.0);
    let within = x.cross.mean_within(x.second, places);
    let between = x.cross.mean_between(places);
    match within.zip(between) {
        Some((within, between)) => (within + (samples - 1.0) * between) / samples,
        // What samples have in common at the same place stands for all else.
        None => {
            let cosine = context.id(node, 0).and_then(|id| context.cosine(id));
            let between = cosine.unwrap_or(0.0).clamp(0.0, 0.999) * x.second;
            let common = (x.mean * x.mean).max(x.cross.between.unwrap_or(between));
            // An element has all in common with itself.
            common + (x.second - common).max(0.0) / (samples * places).max(1.0)
        }
    }
}

/// Whether an operator normalizes each unit by itself, over samples and places.
pub(crate) fn is_per_unit(operator: &Operator) -> bool {
    match operator {
        Operator::Norm(Kind::Batch { .. }) => true,
        Operator::Norm(Kind::MeanVariance { axes }) => axes.contains(&0),
        _ => false,
    }
}

/// Number of elements from an axis on.
fn trailing(from: i64, shape: &[usize]) -> f64 {
    let from = axis(from, shape.len()).unwrap_or(0);
    count(shape.get(from..).unwrap_or(&[]))
}

/// A gradient times a factor of this mean square, by place where places differ.
fn by_place(flow: Flow, uneven: Option<Vec<f64>>, factor: f64) -> Flow {
    let even = Flow {
        second: flow.second * factor,
        ..flow.clone()
    };
    let Some(uneven) = uneven else { return even };
    let known = flow.profile.as_ref().and_then(|profile| profile.first());
    let own = known.filter(|line| line.len() == uneven.len());
    let line: Vec<f64> = match own {
        Some(own) => own.iter().zip(&uneven).map(|(u, f)| u * f).collect(),
        None => uneven.clone(),
    };
    let roots = uneven.iter().map(|f| f.sqrt()).sum::<f64>() / uneven.len().max(1) as f64;
    let (mean, profile) = normalized(vec![line]);
    Flow {
        second: even.second * mean,
        alike: flow
            .alike
            .filter(|_| mean > 0.0)
            .map(|a| a * roots * roots / mean),
        profile,
        ..Flow::default()
    }
}

impl Norm {
    /// Whether one σ stands for all units.
    fn is_sure(&self) -> bool {
        self.variance > 0.0 && (self.over_units || self.variance > NOISE_FLOOR * self.epsilon)
    }

    /// Whether every element is its own mean, as in batch norm of one sample without places: what
    /// comes out is the shift, whatever comes in.
    fn is_constant(&self) -> bool {
        self.centred && self.sharing <= 1.0
    }

    /// Mean square of the factor between input and output for this gradient at the output, and what
    /// that is of mean square one.
    fn back(
        &self,
        context: &Context<'_>,
        node: &Node,
        x: &Signal,
        flow: Flow,
        along: Option<Along>,
    ) -> Option<(f64, Flow)> {
        if self.is_constant() {
            return Some((0.0, flow));
        }
        let scale = self.scale_second(context, node)?;
        let (kept, flow) = self.freed(x, flow, along);
        // Below three degrees of freedom the mean is that of few units far out.
        let uneven = (self.freedom / (self.freedom - 2.0).max(1.0)).max(1.0);
        let denominator = self.variance / uneven + self.epsilon;
        self.is_sure().then(|| (scale * kept / denominator, flow))
    }

    /// A gradient without its components along the mean and along y: the share that is left of it,
    /// and what its places then have in common.
    fn freed(&self, x: &Signal, flow: Flow, along: Option<Along>) -> (f64, Flow) {
        let (Some((samples, places)), Some(alike), Some(along)) = (self.sharers, flow.alike, along)
        else {
            let kept = (1.0 - 2.0 / self.sharing.max(2.0)).max(0.0);
            return (
                kept,
                Flow {
                    across: 0.0,
                    ..flow
                },
            );
        };
        let n = self.sharing.max(2.0);
        // Pairs of an element with others of its sample, and of other samples.
        let (near, far) = ((places - 1.0).max(0.0), (samples - 1.0) * places);
        let mean = ((1.0 + near * alike + far * flow.across) / n).max(0.0);
        let y = ((along.own + near * along.pairs + far * along.across) / n).max(0.0);
        let kept = (1.0 - mean - y).max(0.0);
        if kept <= 0.0 {
            return (0.0, flow);
        }
        // All of one σ add up to nothing, so do the gradients.
        let within = match x.cross.within {
            Some(within) if places > 1.0 => (within - self.means.own) / self.variance,
            _ => 0.0,
        };
        let between = -(1.0 + near * within) / far.max(1.0);
        let freed = Flow {
            alike: Some(((alike - mean - within * y) / kept).clamp(-1.0, 1.0)),
            across: ((flow.across - mean - between * y) / kept).clamp(-1.0, 1.0),
            ..flow
        };
        (kept, freed)
    }

    /// The same at each place of a sequence whose second moments are uneven, over that at an even
    /// one; `None` where all places are alike, or share one σ.
    fn by_place(&self, x: &Signal) -> Option<Vec<f64>> {
        let [line] = &**x.profile.as_ref()? else {
            return None;
        };
        let denominator = self.variance + self.epsilon;
        let at = |u: &f64| denominator / (self.variance * u + self.epsilon);
        self.over_units.then(|| line.iter().map(at).collect())
    }

    fn scale_second(&self, context: &Context<'_>, node: &Node) -> Option<f64> {
        match self.scale.filter(|&k| context.id(node, k).is_some()) {
            Some(k) => Some(context.signal(node, k)?.second),
            None => Some(1.0),
        }
    }
}

impl Norm {
    /// The output of a normalization.
    fn forward(
        &self,
        context: &Context<'_>,
        node: &Node,
        x: &Signal,
        output: ValueId,
    ) -> Option<Signal> {
        let norm = self;
        if !norm.is_sure() && !norm.is_constant() {
            return None;
        }
        let scale = match norm.is_constant() {
            true => 0.0,
            false => norm.scale_second(context, node)?,
        };
        let denominator = norm.variance + norm.epsilon;
        let kept = norm.variance / denominator;
        let (shift_mean, shift_second) =
            match norm.shift.and_then(|k| context.id(node, k).map(|_| k)) {
                Some(k) => {
                    let shift = context.signal(node, k)?;
                    (shift.mean, shift.second)
                }
                None => (0.0, 0.0),
            };
        let mean = if norm.centred {
            shift_mean
        } else {
            let scale = norm.scale.and_then(|slot| context.signal(node, slot));
            let scale_mean = scale.map_or(1.0, |scale| scale.mean);
            x.mean / x.second.max(f64::MIN_POSITIVE).sqrt() * scale_mean
        };
        let mut signal = Signal::gaussian(output, mean, scale * kept + shift_second);
        signal.units = x.units;
        // A shift of one number per channel is common to all.
        let shifted = |product: f64| scale * product / denominator + shift_second;
        signal.cross = x
            .cross
            .zip(norm.means.cross, |product, mean| shifted(product - mean));
        let gain = scale * x.second / denominator / signal.second.max(f64::MIN_POSITIVE);
        signal.cosine_inherited = if norm.per_unit {
            // The mean cosine after batch norm is settled by the number of samples.
            0.0
        } else {
            gain * gain * x.cosine_inherited
        };
        // Places share one scale where it is not over units.
        signal.profile = x.profile.clone().filter(|_| !norm.over_units);
        signal.since = x.since;
        signal.origins = x.origins.clone();
        signal.gaussian = x.gaussian;
        // What ε takes part in is not divided away.
        let lever = norm.epsilon / denominator;
        Some(signal.with_variance(lever * lever * x.variance()))
    }
}
