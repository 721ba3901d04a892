//! One number for whole axes: means, sums and the largest over all places of a sample.

use fanin_network::operator::{Known, Reduce, ReduceKind};
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back};
use super::pool::{Taken, pooled, to_largest, to_mean};
use super::{Context, Rule, Support, axis};
use crate::signal::Signal;

impl Rule for Reduce {
    fn support(&self) -> Support {
        let known = matches!(
            self.kind,
            ReduceKind::Sum | ReduceKind::Mean | ReduceKind::Max
        );
        Support {
            forward: known,
            backward: known,
        }
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let places = all_places(context, node, self)?;
        let taken = match self.kind {
            ReduceKind::Mean => Taken::Mean(1.0),
            ReduceKind::Sum => Taken::Mean(places),
            ReduceKind::Max => Taken::Largest,
            _ => return None,
        };
        pooled(context, node, taken, places, output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        let ratio = arrival.ratio?;
        match self.kind {
            // The same for all places.
            ReduceKind::Mean => Some(to_mean(arrival, ratio * ratio, Some(1.0))),
            ReduceKind::Sum => Some(to_mean(arrival, 1.0, Some(1.0))),
            ReduceKind::Max => {
                let places = all_places(arrival.context, arrival.node, self);
                Some(to_largest(arrival, ratio, places))
            }
            _ => None,
        }
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

/// How many places a reduction takes together: all of a sample, or no rule.
fn all_places(context: &Context<'_>, node: &Node, reduce: &Reduce) -> Option<f64> {
    let input = context.shape(node, 0)?;
    let axes = axes(context, node, reduce)?;
    let places: Vec<usize> = match input.len() {
        3 => vec![1],
        rank if rank >= 4 => (2..rank).collect(),
        _ => return None,
    };
    (axes == places).then(|| {
        axes.iter()
            .filter_map(|&a| input.get(a))
            .map(|&n| n as f64)
            .product()
    })
}
