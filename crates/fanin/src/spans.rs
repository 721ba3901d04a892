//! Blocks one after the other along an axis of a tensor: fused parts, and the parts of a concatenation.

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
    pub(crate) fn new(
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
