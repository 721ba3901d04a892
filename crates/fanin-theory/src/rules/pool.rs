//! Pooling.
//!
//! Forward both need what places have in common. The mean over k places of second moment s that
//! share w has (s + (k − 1) w)/k. The maximum over k places of a non-decreasing function of a
//! Gaussian is that function of the Gaussians' maximum, and equally correlated Gaussians are a
//! common one plus independent ones. Both take all pairs of places to share alike, as drawn inputs
//! leave it; where that is not known the prediction starts again from the measurement.
//!
//! Backward an average hands each of its k places δ/k, a maximum hands the whole δ to one: a large
//! one, so that a ReLU before it lets nearly all of it through instead of half.

use std::rc::Rc;

use fanin::Activation;
use fanin_network::operator::{GlobalPool, Pool, PoolKind, Window};
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back, Flow};
use super::window::Taps;
use super::{Context, Rule, Support, count};
use crate::cross::Cross;
use crate::quadrature::Grid;
use crate::signal::{Shape, Signal};

/// What a pool takes of how many places.
#[derive(Clone, Copy)]
pub(crate) enum Taken {
    /// Their mean, times a factor.
    Mean(f64),
    /// The largest.
    Largest,
}

impl Rule for Pool {
    fn support(&self) -> Support {
        let known = !matches!(self.kind, PoolKind::Lp { .. });
        Support {
            forward: known,
            backward: known,
        }
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let window = slide(context, node, &self.window)?;
        match self.kind {
            PoolKind::Max { .. } => pooled(context, node, Taken::Largest, window.inside()?, output),
            PoolKind::Average { count_include_pad } => {
                let inside = window.inside()?;
                // Zeros of padding among the places are no places.
                if count_include_pad && inside < window.size {
                    return None;
                }
                pooled(context, node, Taken::Mean(1.0), inside, output)
            }
            PoolKind::Lp { .. } => None,
        }
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        let Arrival { context, node, .. } = *arrival;
        match self.kind {
            PoolKind::Max { .. } => {
                let window = slide(context, node, &self.window);
                let places = window.and_then(|window| window.inside());
                Some(to_largest(arrival, arrival.ratio?, places))
            }
            PoolKind::Average { count_include_pad } => {
                let window = slide(context, node, &self.window)?;
                let (input, output) = (context.shape(node, 0)?, context.output_shape(node)?);
                let channels = count(output.get(..2)?);
                let inside = channels * window.taps.edges();
                // Each position divides by its window's size, of which padding may not be counted.
                let divisor = if count_include_pad {
                    window.size
                } else {
                    inside / count(output).max(1.0)
                };
                let factor = inside / count(input).max(1.0) / (divisor * divisor);
                Some(to_mean(arrival, factor, None))
            }
            PoolKind::Lp { .. } => None,
        }
    }
}

impl Rule for GlobalPool {
    fn support(&self) -> Support {
        let known = !matches!(self, Self::Lp { .. });
        Support {
            forward: known,
            backward: known,
        }
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let taken = match self {
            Self::Max => Taken::Largest,
            Self::Average => Taken::Mean(1.0),
            Self::Lp { .. } => return None,
        };
        pooled(context, node, taken, all_places(context, node)?, output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        let ratio = arrival.ratio?;
        match self {
            Self::Max => {
                let places = all_places(arrival.context, arrival.node);
                Some(to_largest(arrival, ratio, places))
            }
            // The same for all places.
            Self::Average => Some(to_mean(arrival, ratio * ratio, Some(1.0))),
            Self::Lp { .. } => None,
        }
    }
}

/// The gradient at what a mean is taken of, its mean square times a factor.
pub(crate) fn to_mean(arrival: &Arrival<'_>, factor: f64, alike: Option<f64>) -> Back {
    arrival.gaussian(Flow {
        across: arrival.flow.across,
        alike,
        ..Flow::of(arrival.flow.second * factor)
    })
}

/// The gradient at what the largest is taken of: `share` of the elements receive it, one of `places`.
pub(crate) fn to_largest(arrival: &Arrival<'_>, share: f64, places: Option<f64>) -> Back {
    let second = arrival.flow.second * share;
    match places.and_then(|places| chosen(arrival.context, places, arrival.signal)) {
        Some(chances) => {
            let seconds = chances.iter().map(|chance| second * chance).collect();
            Back::Uneven(seconds, arrival.plain())
        }
        None => to_mean(arrival, share, None),
    }
}

/// The window of a pool over its input.
struct Slide {
    taps: Taps,
    /// Places of a window, padding included.
    size: f64,
    positions: f64,
}

fn slide(context: &Context<'_>, node: &Node, window: &Window) -> Option<Slide> {
    let (input, output) = (context.shape(node, 0)?, context.output_shape(node)?);
    let (from, to) = (input.get(2..)?, output.get(2..)?);
    let kernel = window.stated_kernel(from.len()).ok()?;
    let sliding = window.resolve(kernel, from).ok()?;
    Some(Slide {
        size: count(kernel),
        taps: Taps::new(sliding, from, to),
        positions: count(to),
    })
}

impl Slide {
    /// Places of the mean window, zeros of padding not counted.
    fn inside(&self) -> Option<f64> {
        let inside = self.taps.edges() / self.positions.max(1.0);
        (inside >= 1.0).then_some(inside)
    }
}

/// What is taken of so many places.
pub(crate) fn pooled(
    context: &Context<'_>,
    node: &Node,
    taken: Taken,
    places: f64,
    output: ValueId,
) -> Option<Signal> {
    let x = context.signal(node, 0).filter(|x| !x.parameter)?;
    let mut signal = match taken {
        Taken::Largest => maximum(context, x, places, output)?,
        Taken::Mean(factor) => average(x, places, factor, output)?,
    };
    signal.units = x.units;
    signal.since = x.since;
    signal.origins = x.origins.clone();
    signal.cosine_inherited = x.cosine_inherited;
    let places = context.output_shape(node)?.get(2..).map_or(1.0, count);
    if places <= 1.0 {
        signal.cross = Cross::of_samples(signal.second, signal.cross.between);
    }
    Some(signal.with_variance(x.variance()))
}

/// How much more often than on average the maximum is an element of this value, at the nodes of the
/// grid over its base: k P(all others are below | z), the others sharing the correlation ρ with it
/// and each other, with P = E Φ(√(1 − ρ) z − √ρ u)^(k − 1) over a standard Gaussian u.
fn chosen(context: &Context<'_>, places: f64, x: &Signal) -> Option<Vec<f64>> {
    let (grid, _, within) = rising(context, x)?;
    let (common, own) = (within.sqrt(), (1.0 - within).sqrt());
    let gauss = largest(1.0);
    let chances: Vec<f64> = grid
        .standard()
        .iter()
        .map(|z| {
            let given = gauss.iter().map(|&(u, w)| {
                let others = cumulative(own * z - common * u);
                w * others.powf((places - 1.0).max(0.0))
            });
            given.sum()
        })
        .collect();
    let mean = grid.moment(&chances, 1);
    (mean > 0.0).then(|| chances.iter().map(|chance| chance / mean).collect())
}

/// The grid over a value's base, the value at its nodes, and how correlated the base is between two
/// places of a sample; `None` unless it is a Gaussian one that the value rises with.
fn rising(context: &Context<'_>, x: &Signal) -> Option<(Grid, Rc<[f64]>, f64)> {
    let base = context.at(x.shape.base)?;
    if !base.gaussian || base.shape.nodes.is_some() {
        return None;
    }
    let (grid, nodes) = x.on_grid();
    let rising = nodes.iter().zip(nodes.iter().skip(1)).all(|(a, b)| a <= b);
    let within = correlation(base, base.cross.within?)?;
    rising.then_some((grid, nodes, within))
}

/// The correlation that leaves this mean product; `None` for a constant.
fn correlation(base: &Signal, product: f64) -> Option<f64> {
    let spread = base.spread();
    (spread > 0.0).then(|| ((product - base.mean * base.mean) / spread).clamp(0.0, 1.0))
}

fn all_places(context: &Context<'_>, node: &Node) -> Option<f64> {
    Some(count(context.shape(node, 0)?.get(2..)?))
}

fn average(x: &Signal, taps: f64, factor: f64, output: ValueId) -> Option<Signal> {
    let scale = factor * factor;
    let second = x.cross.mean_within(x.second, taps)?;
    let mut signal = Signal::gaussian(output, factor * x.mean, scale * second);
    signal.cross = Cross {
        within: x.cross.within,
        between: x.cross.mean_between(taps),
        far: x.cross.far,
    }
    .map(|product| scale * product);
    signal.gaussian = x.gaussian;
    Some(signal)
}

/// Step and reach of the sums over standard Gaussians.
const STEP: f64 = 0.1;
const STEPS: i32 = 60;

/// Step and reach of the table of a function.
const FINE_STEP: f64 = 0.02;
const FINE: i32 = 425;

/// Φ.
fn cumulative(x: f64) -> f64 {
    0.5 * (1.0 + Activation::Erf.eval(x * std::f64::consts::FRAC_1_SQRT_2))
}

/// Places of a sum over the maximum of `k` independent standard Gaussians, with their weights.
fn largest(k: f64) -> Vec<(f64, f64)> {
    (-STEPS..=STEPS)
        .map(|i| {
            let x = STEP * f64::from(i);
            let below = |x: f64| cumulative(x).powf(k);
            (x, below(x + 0.5 * STEP) - below(x - 0.5 * STEP))
        })
        .filter(|&(_, weight)| weight > 1e-12)
        .collect()
}

fn maximum(context: &Context<'_>, x: &Signal, taps: f64, output: ValueId) -> Option<Signal> {
    let base = context.at(x.shape.base)?;
    let (grid, nodes, within) = rising(context, x)?;
    // x at a standardized Gaussian, linear between even places.
    let table: Vec<f64> = (-FINE..=FINE)
        .map(|i| interpolate(grid.standard(), &nodes, f64::from(i) * FINE_STEP))
        .collect();
    let f = |z: f64| {
        let place = (z / FINE_STEP + f64::from(FINE)).clamp(0.0, f64::from(2 * FINE - 1));
        let at = place as usize;
        match table.get(at..at + 2) {
            Some([a, b]) => a + (place - at as f64) * (b - a),
            _ => 0.0,
        }
    };
    let (common, own) = (within.sqrt(), (1.0 - within).sqrt());
    let gauss = largest(1.0);
    let most = largest(taps);
    // The distribution of the maximum, as a function of a Gaussian of the same rank.
    let table: Vec<(f64, f64)> = (-STEPS..=STEPS + 20)
        .map(|i| {
            let level = STEP * f64::from(i);
            let below: f64 = if own > 1e-6 {
                gauss
                    .iter()
                    .map(|&(g, w)| w * cumulative((level - common * g) / own).powf(taps))
                    .sum()
            } else {
                cumulative(level)
            };
            (quantile(below), level)
        })
        .collect();
    let (ranks, levels): (Vec<f64>, Vec<f64>) = table.into_iter().unzip();
    let standard = Grid::new(0.0, 1.0);
    let values: Rc<[f64]> = standard
        .nodes
        .iter()
        .map(|&z| f(interpolate(&ranks, &levels, z)))
        .collect();
    let second = standard.moment(&values, 2);
    let mut signal = Signal::gaussian(output, standard.moment(&values, 1), second);
    signal.kurtosis = if second > 0.0 {
        standard.moment(&values, 4) / (second * second)
    } else {
        1.0
    };
    // Two maxima, given what all their places have in common, are independent.
    let product = |shared: f64| {
        let shared = shared.min(within);
        let (a, b, c) = (
            shared.sqrt(),
            (within - shared).max(0.0).sqrt(),
            (1.0 - within).max(0.0).sqrt(),
        );
        let inner: &[(f64, f64)] = if b > 1e-9 { &gauss } else { &[(0.0, 1.0)] };
        let given = |g: f64| -> f64 {
            let sums = inner.iter().map(|&(h, w)| {
                let tops = most.iter().map(|&(m, v)| v * f(a * g + b * h + c * m));
                w * tops.sum::<f64>()
            });
            sums.sum()
        };
        gauss
            .iter()
            .map(|&(g, w)| w * given(g).powi(2))
            .sum::<f64>()
    };
    signal.cross = Cross {
        within: Some(product(within)),
        between: base
            .cross
            .mean_between(taps)
            .and_then(|mean| correlation(base, mean))
            .map(product),
        far: base
            .cross
            .far
            .and_then(|far| correlation(base, far))
            .map(product),
    };
    signal.gaussian = false;
    signal.shape = Shape {
        base: output,
        grid: Some(standard),
        nodes: Some(values),
    };
    Some(signal)
}

/// Φ⁻¹ by bisection, within ±9.
fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if cumulative(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// y at x, linear between rising places, level beyond them.
fn interpolate(places: &[f64], values: &[f64], x: f64) -> f64 {
    let after = places.partition_point(|&place| place < x);
    let get = |k: usize| Some((*places.get(k)?, *values.get(k)?));
    match (after.checked_sub(1).and_then(get), get(after)) {
        (Some((x0, y0)), Some((x1, y1))) if x1 > x0 => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some((_, y)), _) | (None, Some((_, y))) => y,
        (None, None) => 0.0,
    }
}
