//! `concat(axis, size: initializer, …)`: blocks one after the other along an axis.
//!
//! Each block is a tensor of its own, with the fans of its own shape and a sub-stream `concat/k` of the tensor's
//! stream, so the block's values depend neither on the other blocks nor on their sizes.

use super::{Entry, InitError, Initializer};
use crate::{Axis, Layout};

pub(super) const ENTRY: Entry = Entry {
    name: "concat",
    aliases: &["concatenate"],
    formula: "w = [w1 | w2 | …] along axis, each of the given size and by its own initializer",
    when: "Tensors whose parts have different jobs: an LSTM's biases with the forget gate open, packed QKV with a \
           smaller query.",
    reference: "Gers, Schmidhuber and Cummins, Learning to Forget: Continual Prediction with LSTM, 2000",
    example: "concat(axis=0, 64: zeros, 64: ones, 128: zeros)",
};

impl Initializer {
    /// Blocks of the given sizes along `axis`.
    ///
    /// # Errors
    /// When a part is not valid, or there is none.
    pub fn concat(axis: usize, parts: impl Into<Vec<(usize, Self)>>) -> Result<Self, InitError> {
        Self::Concat {
            axis,
            parts: parts.into(),
        }
        .validated()
    }
}

/// Sizes of blocks along one axis of a row-major tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spans {
    /// Elements of one step along the axis.
    inner: u64,
    /// Steps of each block, and those before it.
    blocks: Vec<(u64, u64)>,
    total: u64,
}

impl Spans {
    pub(super) fn new(
        shape: &[usize],
        axis: usize,
        sizes: impl IntoIterator<Item = usize>,
    ) -> Self {
        let inner = shape[axis + 1..].iter().map(|&n| n as u64).product();
        let mut total = 0;
        let blocks = sizes.into_iter().map(|size| {
            let first = total;
            total += size as u64;
            (size as u64, first)
        });
        let blocks = blocks.collect();
        Self {
            inner,
            blocks,
            total,
        }
    }

    /// Calls `run(block, index within the block's own tensor, range of the slice)` for every run of elements
    /// `start .. start + length` that lies in one block.
    pub(crate) fn runs(
        &self,
        start: u64,
        length: usize,
        mut run: impl FnMut(usize, u64, std::ops::Range<usize>),
    ) {
        let period = self.total * self.inner;
        let mut done = 0;
        while done < length {
            let index = start + done as u64;
            let (outer, within) = (index / period, index % period);
            // Empty blocks start where the next one does; the last block that starts here has elements.
            let block = self
                .blocks
                .partition_point(|&(_, first)| first * self.inner <= within)
                - 1;
            let (size, first) = self.blocks[block];
            let local = within - first * self.inner;
            let rest = size * self.inner - local;
            let end = done
                + usize::try_from(rest)
                    .unwrap_or(usize::MAX)
                    .min(length - done);
            run(block, outer * size * self.inner + local, done..end);
            done = end;
        }
    }

    pub(crate) fn sizes(&self) -> impl Iterator<Item = u64> {
        self.blocks.iter().map(|&(size, _)| size)
    }
}

/// The layout of block `k`, of `sizes` along `axis`; `None` if the blocks cut through groups or fused parts.
pub(super) fn part_layout(
    layout: &Layout,
    shape: &[usize],
    axis: usize,
    sizes: &[usize],
    k: usize,
) -> Option<Layout> {
    let mut part = layout.clone();
    let first: usize = sizes[..k].iter().sum();
    let last = first + sizes[k];
    if layout.axes[axis] == Axis::Output && !layout.fused.is_empty() {
        let mut offset = 0;
        part.fused.clear();
        for &size in &layout.fused {
            let (from, to) = (offset, offset + size);
            offset = to;
            if first <= from && to <= last {
                part.fused.push(size);
            } else if from < last && first < to {
                return None;
            }
        }
        if part.fused.len() == 1 {
            part.fused.clear();
        }
    }
    let split = if layout.transposed {
        Axis::Input
    } else {
        Axis::Output
    };
    if layout.groups > 1 && layout.axes[axis] == split {
        let group = shape[axis] / layout.groups;
        if group == 0 || !first.is_multiple_of(group) || !sizes[k].is_multiple_of(group) {
            return None;
        }
        part.groups = (sizes[k] / group).max(1);
    }
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Seed, Stream};

    #[test]
    fn an_lstm_bias() {
        let bias: Initializer = ENTRY.example.parse().unwrap();
        let mut out = vec![7f32; 256];
        bias.fill(Seed::new(0), "b", &[256], &Layout::vector(), &mut out)
            .unwrap();
        assert_eq!(out, [vec![0.0; 64], vec![1.0; 64], vec![0.0; 128]].concat());
    }

    #[test]
    fn blocks_along_any_axis_are_the_tensors_they_would_be_alone() {
        let normal = Initializer::kaiming_normal(crate::Mode::FanIn, 1.0).unwrap();
        let concat = Initializer::concat(
            1,
            [
                (3, normal.clone()),
                (0, Initializer::Ones),
                (5, normal.clone()),
            ],
        )
        .unwrap();
        let layout = Layout::linear_in_out();
        let mut out = vec![0f32; 10 * 8];
        concat
            .fill(Seed::new(4), "w", &[10, 8], &layout, &mut out)
            .unwrap();
        let stream = Stream::new(Seed::new(4), "w").substream("concat/2");
        let mut alone = vec![0f32; 50];
        normal
            .resolve(&[10, 5], &layout)
            .unwrap()
            .fill(&stream, 0, &mut alone)
            .unwrap();
        for r in 0..10 {
            assert_eq!(out[r * 8 + 3..r * 8 + 8], alone[r * 5..r * 5 + 5]);
        }
    }

    #[test]
    fn fused_layouts_are_taken_apart() {
        let layout = Layout::linear_out_in().fused(&[4, 4, 4]);
        let shape = [12, 4];
        assert_eq!(
            part_layout(&layout, &shape, 0, &[4, 8], 0),
            Some(Layout::linear_out_in())
        );
        assert_eq!(
            part_layout(&layout, &shape, 0, &[4, 8], 1),
            Some(Layout::linear_out_in().fused(&[4, 4]))
        );
        assert_eq!(part_layout(&layout, &shape, 0, &[6, 6], 1), None);
        assert_eq!(
            part_layout(&Layout::conv(1, 4), &[8, 1, 1], 0, &[4, 4], 1),
            Some(Layout::conv(1, 2))
        );
        assert_eq!(
            part_layout(&Layout::conv(1, 4), &[8, 1, 1], 0, &[3, 5], 1),
            None
        );
    }

    #[test]
    fn errors_say_what_does_not_fit() {
        let bias: Initializer = ENTRY.example.parse().unwrap();
        let message = bias
            .resolve(&[200], &Layout::vector())
            .unwrap_err()
            .to_string();
        assert!(
            message
                .ends_with("for shape [200]: the parts add up to 256 along axis 0, which has 200"),
            "{message}"
        );
        let message = bias.resolve(&[], &Layout::new([])).unwrap_err().to_string();
        assert!(
            message.ends_with("for shape []: there is no axis 0"),
            "{message}"
        );
    }
}
