//! `Col2Im`: columns of blocks put back into an image, where they overlap added up.
//!
//! The elements of a column are units of their own, so that a place that n blocks cover has
//! n (s − m²) + n² m² of what comes in. Backward each element reads one place.

use fanin_network::{Node, Operator, ValueId};

use super::back::{Arrival, Back, Flow};
use super::window::Taps;
use super::{Context, Rule, count};
use crate::signal::{Signal, normalized};

/// `Col2Im`.
pub(crate) struct Columns;

/// The blocks over the image; blocks per place of the image, and the share of columns' elements that
/// are not cut off at its border.
struct Blocks {
    taps: Taps,
    cover: f64,
    kept: f64,
}

impl Blocks {
    fn of(context: &Context<'_>, node: &Node) -> Option<Self> {
        let Operator::Col2Im(window) = &node.operator else {
            return None;
        };
        let sizes = context.network.constant(context.id(node, 2)?)?.to_i64()?;
        let kernel: Vec<usize> = sizes
            .iter()
            .map(|&n| usize::try_from(n).ok())
            .collect::<Option<_>>()?;
        let image = context.output_shape(node)?.get(2..)?;
        let sliding = window.resolve(&kernel, image).ok()?;
        let narrow = sliding.output.clone();
        let taps = Taps::new(sliding, image, &narrow);
        let edges = taps.edges();
        Some(Self {
            cover: edges / count(image).max(1.0),
            kept: edges / (count(&narrow) * count(&kernel)).max(1.0),
            taps,
        })
    }
}

impl Rule for Columns {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let blocks = Blocks::of(context, node)?;
        let x = context.signal(node, 0).filter(|x| !x.parameter)?;
        let n = blocks.cover;
        let square = x.mean * x.mean;
        let summed = |product: f64| n * (product - square) + n * n * square;
        let mut signal = Signal::gaussian(output, n * x.mean, summed(x.second));
        // Different places of the image are different elements of the columns.
        signal.cross.between = x.cross.between.map(summed);
        let common = (square == 0.0).then_some(0.0);
        (signal.cross.within, signal.cross.far) = (common, common);
        signal.units = context.output_shape(node)?.get(1).copied().unwrap_or(1) as f64;
        signal.since = x.since;
        signal.origins = x.origins.clone();
        signal.gaussian = x.gaussian;
        signal.cosine_inherited = x.cosine_inherited;
        signal.profile = normalized(blocks.taps.sums(None, true)).1;
        Some(signal.with_variance(x.variance()))
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        let blocks = Blocks::of(arrival.context, arrival.node)?;
        Some(arrival.gaussian(Flow::of(arrival.flow.second * blocks.kept)))
    }
}
