//! Convolutions of one to three axes, grouped, depthwise, transposed.

use fanin::{Axis, Layout};

use super::attention::Attentions;
use super::layout;
use super::linear::layer;
use super::residual::Streams;
use super::uses::{Use, Verdict};
use super::view::View;

/// The kernel of a convolution: `[output, input / groups, field..]`, or of a transposed one:
/// `[input, output / groups, field..]`.
pub(super) fn weight(
    view: &View<'_>,
    streams: &Streams,
    attentions: &Attentions,
    found: &Use,
) -> Option<Verdict> {
    let node = view.network.node(found.node);
    let transposed = match node.op.as_str() {
        "Conv" => false,
        "ConvTranspose" => true,
        _ => return None,
    };
    if found.slot != 1 {
        return None;
    }
    let rank = view.shape(found.value).len().max(2);
    let mut meaning = if transposed {
        vec![Axis::Input, Axis::Output]
    } else {
        vec![Axis::Output, Axis::Input]
    };
    meaning.resize(rank, Axis::Field);
    let groups = usize::try_from(node.attributes.int("group", 1)).unwrap_or(1);
    let stride = node
        .attributes
        .ints("strides")
        .map(|strides| {
            strides
                .iter()
                .map(|&s| usize::try_from(s).unwrap_or(1))
                .collect()
        })
        .unwrap_or_else(|| vec![1; rank - 2]);
    let layout = Layout {
        groups: groups.max(1),
        stride,
        transposed,
        ..layout::plain(layout::carry(&meaning, &found.origins, found.rank))
    };
    Some(layer(view, streams, attentions, found, layout))
}
