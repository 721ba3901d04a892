//! What the axes of a parameter mean.

use fanin::{Axis, Layout};

/// A guess from the rank alone: vectors, `[output, input]`, convolution kernels.
pub(crate) fn by_rank(shape: &[usize]) -> Layout {
    let axes = match shape.len() {
        0 => Vec::new(),
        1 => vec![Axis::Output],
        n => {
            let mut axes = vec![Axis::Output, Axis::Input];
            axes.resize(n, Axis::Field);
            axes
        }
    };
    plain(axes)
}

/// A layout of axes alone.
pub(super) fn plain(axes: Vec<Axis>) -> Layout {
    Layout::new(axes)
}

/// One number per channel, in whatever rank it is stored.
pub(super) fn vector(rank: usize) -> Layout {
    plain(vec![Axis::Output; rank])
}

/// Rows picked by ids.
pub(super) fn embedding(rank: usize) -> Layout {
    let mut axes = vec![Axis::Output; rank];
    if let Some(first) = axes.first_mut() {
        *first = Axis::Lookup;
    }
    plain(axes)
}

/// `[.., position, width]`: one row per position, whatever is stacked before.
pub(super) fn rows(rank: usize) -> Layout {
    let mut axes = vec![Axis::Stack; rank];
    let mut last = axes.iter_mut().rev();
    if let Some(width) = last.next() {
        *width = Axis::Output;
    }
    if let Some(position) = last.next() {
        *position = Axis::Lookup;
    }
    plain(axes)
}
