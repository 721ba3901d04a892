//! One number for whole axes: over all places of a sample, over its units, or of a parameter.
//!
//! Over n units, which are independent at infinite width, of moments m = E x, s = E x², κ: Σ x has the
//! mean n m and the variance n (s − m²), Σ x² the mean n s and the variance n (κ − 1) s², ‖x‖ the
//! second moment n s and, by the delta method, the variance s (κ − 1)/4, Σ|x| the mean n E|x|. The
//! logarithm of Σ eˣ is E ln Σ eˣ of Gaussians, with about the variance of e^x over n.
//! Backward an L2 norm hands each unit x/‖x‖ of δ, an L1 norm its sign, Σ x² twice x, ln Σ eˣ the
//! softmax.

use fanin_network::operator::{Known, Reduce, ReduceKind};
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back, Flow};
use super::pool::{Taken, pooled, to_largest, to_mean};
use super::{Context, Rule, Support, axis, count};
use crate::band::layer_variance;
use crate::quadrature::Grid;
use crate::signal::Signal;
use crate::softmax::Softmax;

/// Fewer units than this are no sample of their distribution.
const FEWEST: f64 = 8.0;

impl Rule for Reduce {
    fn support(&self) -> Support {
        let known = !matches!(
            self.kind,
            ReduceKind::Prod | ReduceKind::Min | ReduceKind::LogSum
        );
        Support {
            forward: known,
            backward: known,
        }
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let axes = axes(context, node, self)?;
        let x = context.signal(node, 0)?;
        let shape = context.shape(node, 0)?;
        if axes.is_empty() {
            return Some(x.clone());
        }
        let taken = axes.iter().filter_map(|&at| shape.get(at)).copied();
        let n = count(&taken.collect::<Vec<_>>());
        if x.parameter || unit_axis(shape.len()).is_some_and(|units| axes == [units]) {
            return over_units(x, n, self.kind, output);
        }
        if axes != places(shape.len())? {
            return None;
        }
        let taken = match self.kind {
            ReduceKind::Mean => Taken::Mean(1.0),
            ReduceKind::Sum => Taken::Mean(n),
            ReduceKind::Max => Taken::Largest,
            ReduceKind::Prod
            | ReduceKind::Min
            | ReduceKind::L1
            | ReduceKind::L2
            | ReduceKind::SumSquare
            | ReduceKind::LogSum
            | ReduceKind::LogSumExp => return None,
        };
        pooled(context, node, taken, n, output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        let Arrival { context, node, .. } = *arrival;
        let ratio = arrival.ratio?;
        let shape = context.shape(node, 0)?;
        let axes = axes(context, node, self)?;
        let of_places = places(shape.len()).is_some_and(|places| axes == places);
        let of_units = unit_axis(shape.len()).is_some_and(|units| axes == [units]);
        let n = 1.0 / ratio.max(f64::MIN_POSITIVE);
        let x = arrival.signal;
        let factor = match self.kind {
            ReduceKind::Mean => ratio * ratio,
            ReduceKind::Sum => 1.0,
            ReduceKind::Max => {
                return Some(to_largest(arrival, ratio, of_places.then_some(n)));
            }
            ReduceKind::L1 if of_units => 1.0,
            ReduceKind::L2 if of_units => ratio,
            ReduceKind::SumSquare if of_units => 4.0 * x.second,
            ReduceKind::LogSumExp if of_units && x.gaussian => {
                Softmax::new(x.spread().sqrt(), n).square_sum() / n
            }
            ReduceKind::Prod
            | ReduceKind::Min
            | ReduceKind::L1
            | ReduceKind::L2
            | ReduceKind::SumSquare
            | ReduceKind::LogSum
            | ReduceKind::LogSumExp => return None,
        };
        if of_units {
            // One number for all units, but another at each place.
            return Some(arrival.gaussian(Flow {
                profile: None,
                ..arrival.times(factor)
            }));
        }
        // The same for all places.
        Some(to_mean(arrival, factor, Some(1.0)))
    }
}

/// The axis that counts units: channels of maps, features of anything of lower rank.
pub(crate) fn unit_axis(rank: usize) -> Option<usize> {
    match rank {
        0 | 1 => None,
        2 | 3 => Some(rank - 1),
        _ => Some(1),
    }
}

/// The axes of all places of a sample.
fn places(rank: usize) -> Option<Vec<usize>> {
    match rank {
        3 => Some(vec![1]),
        rank if rank >= 4 => Some((2..rank).collect()),
        _ => None,
    }
}

/// The axes that a reduction takes together, in order.
fn axes(context: &Context<'_>, node: &Node, reduce: &Reduce) -> Option<Vec<usize>> {
    let rank = context.shape(node, 0)?.len();
    let stated = match context.network.integers(node, &reduce.axes).ok()? {
        Known::Value(axes) if !axes.is_empty() => axes,
        Known::Value(_) | Known::Absent if reduce.none_without_axes => Vec::new(),
        Known::Value(_) | Known::Absent => return Some((0..rank).collect()),
        Known::Unknown => return None,
    };
    let mut axes: Vec<usize> = stated
        .iter()
        .map(|&at| axis(at, rank))
        .collect::<Option<_>>()?;
    axes.sort_unstable();
    Some(axes)
}

/// One number for `n` independent elements.
fn over_units(x: &Signal, n: f64, kind: ReduceKind, output: ValueId) -> Option<Signal> {
    if n < FEWEST {
        return None;
    }
    let (grid, nodes) = x.on_grid();
    let spread = x.spread();
    // Mean and variance of the result, whether it goes with x or is even in it, and how fast its
    // square grows with the length of x.
    let (mean, variance, odd, power) = match kind {
        ReduceKind::Sum => (n * x.mean, n * spread, true, 1.0),
        ReduceKind::Mean => (x.mean, spread / n, true, 1.0),
        ReduceKind::SumSquare => {
            let square = x.second * x.second;
            (
                n * x.second,
                n * (x.kurtosis - 1.0).max(0.0) * square,
                false,
                2.0,
            )
        }
        ReduceKind::L2 => {
            let variance = 0.25 * x.second * (x.kurtosis - 1.0).max(0.0);
            let mean = (n * x.second - variance).max(0.0).sqrt();
            (mean, variance, false, 1.0)
        }
        ReduceKind::L1 => {
            let sizes: Vec<f64> = nodes.iter().map(|x| x.abs()).collect();
            let mean = grid.moment(&sizes, 1);
            (n * mean, n * (x.second - mean * mean).max(0.0), false, 1.0)
        }
        ReduceKind::LogSumExp if x.gaussian && x.shape.nodes.is_none() => {
            let deviation = spread.sqrt();
            let mean = x.mean + Softmax::new(deviation, n).log_sum();
            (mean, (spread.exp_m1() / n).min(spread), true, 0.0)
        }
        ReduceKind::Prod
        | ReduceKind::Min
        | ReduceKind::Max
        | ReduceKind::LogSum
        | ReduceKind::LogSumExp => return None,
    };
    let mut signal = Signal::gaussian(output, mean, mean * mean + variance);
    let alike = |product: f64| {
        let alike = if spread > 0.0 {
            (product - x.mean * x.mean) / spread
        } else {
            1.0
        };
        mean * mean + variance * if odd { alike } else { alike * alike }
    };
    signal.cross = x.cross.map(alike);
    // What hardly varies about a positive mean is never negative, whatever the tail of a Gaussian.
    if mean > 0.0 && variance <= 0.1 * mean * mean {
        let grid = Grid::new(mean, variance.sqrt());
        let values = grid.nodes.iter().map(|x| x.max(0.05 * mean)).collect();
        signal.shape.nodes = Some(values);
        signal.shape.grid = Some(grid);
    }
    signal.parameter = x.parameter;
    signal.since = x.since;
    signal.origins = x.origins.clone();
    signal.units = 1.0;
    // What varies about the mean is one draw at each place.
    let own = if signal.second > 0.0 {
        variance / signal.second * layer_variance(3.0, 1.0)
    } else {
        0.0
    };
    Some(signal.with_variance(power * power * x.variance() + own))
}
