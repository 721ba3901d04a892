//! A part of a tensor, for whoever holds only that part.

mod fill;
mod text;

use std::ops::Range;

/// A part of a tensor: along each axis some ranges of positions, of the tensor as a whole.
///
/// One range per axis is a box, which is what FSDP's and DTensor's shards, JAX's shardings and tensor parallelism hold.
/// Several ranges along an axis, one after the other, are what a rank holds of a fused weight (its heads of q, of k and
/// of v) or of an axis that is sharded twice.
///
/// ```
/// # use fanin::{Initializer, Layout, Seed, Slice};
/// let shape = [96, 32];
/// let he: Initializer = "kaiming_normal".parse()?;
/// let mut whole = vec![0f32; 96 * 32];
/// he.fill(Seed::new(1), "fc.weight", &shape, &Layout::linear_out_in(), &mut whole)?;
///
/// // Rank 1 of 4, the inputs sharded: torch's `Shard(1)`.
/// let slice = Slice::shard(&shape, 1, 1, 4)?;
/// assert_eq!(slice.shape(), [96, 8]);
/// let mut part = vec![0f32; 96 * 8];
/// he.fill_slice(Seed::new(1), "fc.weight", &slice, &Layout::linear_out_in(), &mut part)?;
/// assert_eq!(part[8..16], whole[32 + 8..32 + 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Of the whole tensor.
    shape: Vec<usize>,
    /// For each axis, at least one range.
    axes: Vec<Vec<Range<usize>>>,
    len: u64,
}

/// What keeps a slice from being one of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SliceError {
    /// Other axes than the tensor's.
    #[error("{given} axes are given for shape {shape:?}, which has {}; give every axis of the tensor its range", shape.len())]
    Axes {
        /// Of the tensor.
        shape: Vec<usize>,
        /// Axes given.
        given: usize,
    },
    /// A range that is not within its axis.
    #[error(
        "{start}..{end} is no range of axis {axis} of shape {shape:?}; its positions are 0..{}",
        shape.get(*axis).copied().unwrap_or(0)
    )]
    Range {
        /// Of the tensor.
        shape: Vec<usize>,
        /// The axis, from 0.
        axis: usize,
        /// Where the range begins.
        start: usize,
        /// Where it ends, itself not in it.
        end: usize,
    },
    /// A shard that does not exist.
    #[error("there is no shard {index} of {count}; shards are counted from 0")]
    Shard {
        /// The shard asked for.
        index: usize,
        /// Number of shards.
        count: usize,
    },
    /// More elements than can be counted.
    #[error("shape {shape:?} has more elements than can be counted")]
    Count {
        /// Of the tensor or the part.
        shape: Vec<usize>,
    },
    /// A text that does not read as a slice.
    #[error(
        "`{part}` is no range; write 0:512, an empty side for the end (512:), : for the whole axis, 1/8 for the first of eight shards, or several of them joined by +"
    )]
    Text {
        /// The part that does not read.
        part: String,
    },
}

impl Slice {
    /// All of a tensor.
    ///
    /// # Errors
    /// When the tensor has more elements than can be counted.
    pub fn whole(shape: &[usize]) -> Result<Self, SliceError> {
        Self::of(
            shape,
            shape
                .iter()
                .map(|&size| {
                    vec![Range {
                        start: 0,
                        end: size,
                    }]
                })
                .collect(),
        )
    }

    /// The box of `sizes` elements that begins at `offsets`: what
    /// `torch.distributed.tensor._utils.compute_local_shape_and_global_offset` says of a rank.
    ///
    /// # Errors
    /// When the number of axes is not the tensor's, or the box reaches beyond it.
    pub fn at(shape: &[usize], offsets: &[usize], sizes: &[usize]) -> Result<Self, SliceError> {
        for given in [offsets.len(), sizes.len()] {
            if given != shape.len() {
                return Err(SliceError::Axes {
                    shape: shape.to_vec(),
                    given,
                });
            }
        }
        let axes = offsets.iter().zip(sizes).map(|(&start, &size)| {
            // An end that cannot be counted is beyond every axis as well.
            vec![Range {
                start,
                end: start.saturating_add(size),
            }]
        });
        Self::of(shape, axes.collect())
    }

    /// Shard `index` of `count` (from 0) along an axis, cut as `torch.chunk`, DTensor's `Shard(axis)` and FSDP2 cut:
    /// every shard has ⌈size / count⌉ positions until there are no more, so the last may be shorter or empty.
    ///
    /// # Errors
    /// When there is no such shard or axis.
    pub fn shard(
        shape: &[usize],
        axis: usize,
        index: usize,
        count: usize,
    ) -> Result<Self, SliceError> {
        let Some(&size) = shape.get(axis) else {
            return Err(SliceError::Axes {
                shape: shape.to_vec(),
                given: axis.saturating_add(1),
            });
        };
        Self::whole(shape)?.along(axis, vec![chunk(size, index, count)?])
    }

    /// This slice with other ranges along one axis: positions of the whole tensor, in the order in which the part holds
    /// them.
    ///
    /// # Errors
    /// When the tensor has no such axis, or a range is not within it.
    pub fn along(mut self, axis: usize, ranges: Vec<Range<usize>>) -> Result<Self, SliceError> {
        let Some(place) = self.axes.get_mut(axis) else {
            return Err(SliceError::Axes {
                given: axis.saturating_add(1),
                shape: self.shape,
            });
        };
        *place = ranges;
        Self::of(&self.shape, self.axes)
    }

    /// Reads ranges as one writes them in Python, axes that are left out being whole:
    ///
    /// | text | of shape [768, 512] |
    /// |---|---|
    /// | `0:96, :` or `0:96` | the first 96 rows |
    /// | `:, 256:` | the second half of the columns |
    /// | `:, 2/8` | shard 2 of 8 of the columns, counted from 1 as files are, cut as [`Slice::shard`] cuts |
    /// | `0:96+256:352+512:608` | the first 96 rows of each of three fused parts |
    ///
    /// ```
    /// # use fanin::Slice;
    /// let slice = Slice::parse(&[768, 512], ":, 2/8")?;
    /// assert_eq!(slice.shape(), [768, 64]);
    /// assert_eq!(slice.to_string(), ":, 64:128");
    /// # Ok::<(), fanin::SliceError>(())
    /// ```
    ///
    /// # Errors
    /// When it does not read, or is not within the tensor.
    pub fn parse(shape: &[usize], text: &str) -> Result<Self, SliceError> {
        Self::of(shape, text::read(shape, text)?)
    }

    fn of(shape: &[usize], axes: Vec<Vec<Range<usize>>>) -> Result<Self, SliceError> {
        if axes.len() != shape.len() {
            return Err(SliceError::Axes {
                shape: shape.to_vec(),
                given: axes.len(),
            });
        }
        for (axis, (ranges, &size)) in axes.iter().zip(shape).enumerate() {
            if let Some(range) = ranges.iter().find(|r| r.start > r.end || r.end > size) {
                return Err(SliceError::Range {
                    shape: shape.to_vec(),
                    axis,
                    start: range.start,
                    end: range.end,
                });
            }
        }
        count(shape)?;
        let counted = axes.iter().all(|ranges| {
            let mut sizes = ranges.iter().map(ExactSizeIterator::len);
            sizes.try_fold(0usize, usize::checked_add).is_some()
        });
        let part = part_shape(&axes);
        let len = match count(&part) {
            Ok(len) if counted => len,
            _ => return Err(SliceError::Count { shape: part }),
        };
        Ok(Self {
            shape: shape.to_vec(),
            axes,
            len,
        })
    }

    /// The shape of the part.
    pub fn shape(&self) -> Vec<usize> {
        part_shape(&self.axes)
    }

    /// The shape of the tensor it is a part of.
    pub fn tensor_shape(&self) -> &[usize] {
        &self.shape
    }

    /// The ranges along each axis.
    pub fn axes(&self) -> &[Vec<Range<usize>>] {
        &self.axes
    }

    /// Elements of the part.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the part has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the part is the whole tensor.
    pub fn is_whole(&self) -> bool {
        self.axes
            .iter()
            .zip(&self.shape)
            .all(|(ranges, &size)| whole(ranges, size))
    }

    /// Where element `at` of the part is in the tensor, and how many elements of the part follow each other there from it
    /// on. `at` must be within the part.
    pub(crate) fn run(&self, at: u64) -> (u64, u64) {
        // Axes after the last one that is cut make one run; with none cut, everything does.
        let cut = self
            .axes
            .iter()
            .zip(&self.shape)
            .rposition(|(ranges, &size)| !whole(ranges, size));
        let Some(cut) = cut else {
            return (at, self.len - at);
        };
        let inner: u64 = self.shape[cut + 1..].iter().map(|&n| n as u64).product();
        let size = |axis: usize| span(&self.axes[axis]) as u64;
        let row = size(cut) * inner;
        let (mut outer, within) = (at / row, at % row);
        let (position, rest) = (within / inner, within % inner);
        // The position along the axis that is cut, and how many follow it in its range.
        let (place, left) = locate(&self.axes[cut], position as usize);
        let mut from = place as u64 * inner + rest;
        let mut stride = self.shape[cut] as u64 * inner;
        for axis in (0..cut).rev() {
            let (place, _) = locate(&self.axes[axis], (outer % size(axis)) as usize);
            from += place as u64 * stride;
            outer /= size(axis);
            stride *= self.shape[axis] as u64;
        }
        (from, left as u64 * inner - rest)
    }

    /// Calls `run(first element in the tensor, first element in the part, elements)` for the elements
    /// `start .. start + count` of the part, as long as they are neighbours in the tensor.
    pub(crate) fn runs(&self, start: u64, count: u64, mut run: impl FnMut(u64, u64, u64)) {
        let (mut at, end) = (start, start + count);
        while at < end {
            let (from, left) = self.run(at);
            let take = left.min(end - at);
            run(from, at, take);
            at += take;
        }
    }
}

/// Shard `index` of `count` of an axis, as torch cuts it.
fn chunk(size: usize, index: usize, count: usize) -> Result<Range<usize>, SliceError> {
    if index >= count {
        return Err(SliceError::Shard { index, count });
    }
    let each = size.div_ceil(count);
    let start = each.saturating_mul(index).min(size);
    Ok(start..start.saturating_add(each).min(size))
}

/// Positions in some ranges together; these have been counted before.
fn span(ranges: &[Range<usize>]) -> usize {
    ranges
        .iter()
        .fold(0, |sum, range| sum.saturating_add(range.len()))
}

fn whole(ranges: &[Range<usize>], size: usize) -> bool {
    // Parts that follow each other are one.
    ranges
        .iter()
        .try_fold(0, |end, range| (range.start == end).then_some(range.end))
        == Some(size)
}

/// The position in the tensor of a position in the part, and how many positions its range has from there on.
fn locate(ranges: &[Range<usize>], mut position: usize) -> (usize, usize) {
    for range in ranges {
        if position < range.len() {
            return (range.start + position, range.len() - position);
        }
        position -= range.len();
    }
    (0, 0)
}

fn part_shape(axes: &[Vec<Range<usize>>]) -> Vec<usize> {
    axes.iter().map(|ranges| span(ranges)).collect()
}

fn count(shape: &[usize]) -> Result<u64, SliceError> {
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(1u64, |n, &size| n.checked_mul(u64::try_from(size).ok()?))
        .ok_or_else(|| SliceError::Count {
            shape: shape.to_vec(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_cut_as_torch_cuts_them() {
        // torch.chunk(torch.arange(10), 4), and (…, 6): five chunks of two and none for the sixth rank.
        let cut = |n: usize| -> Vec<Vec<usize>> {
            (0..n)
                .map(|i| {
                    Slice::shard(&[10], 0, i, n).unwrap().axes()[0][0]
                        .clone()
                        .collect()
                })
                .collect()
        };
        assert_eq!(
            cut(4),
            [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8], vec![9]]
        );
        assert_eq!(cut(6)[4], [8, 9]);
        assert!(cut(6)[5].is_empty());
    }

    #[test]
    fn text_reads_back() {
        for (text, printed, shape) in [
            ("", ":, :", vec![6, 8]),
            ("2:4", "2:4, :", vec![2, 8]),
            (" :3 , 5: ", "0:3, 5:8", vec![3, 3]),
            (":, 8/8", ":, 7:8", vec![6, 1]),
            ("4:6+0:2", "4:6+0:2, :", vec![4, 8]),
            ("0:2+2:6", ":, :", vec![6, 8]),
            ("3:3", "3:3, :", vec![0, 8]),
        ] {
            let slice = Slice::parse(&[6, 8], text).unwrap();
            assert_eq!(slice.to_string(), printed);
            assert_eq!(slice.shape(), shape);
            let again = Slice::parse(&[6, 8], printed).unwrap();
            assert_eq!(again.shape(), shape);
            assert_eq!(again.to_string(), printed);
        }
        assert_eq!(Slice::parse(&[], "").unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_slice_gets_a_sentence() {
        let refused = |text: &str| Slice::parse(&[6, 8], text).unwrap_err().to_string();
        assert_eq!(
            refused("0:7"),
            "0..7 is no range of axis 0 of shape [6, 8]; its positions are 0..6"
        );
        assert_eq!(
            refused(":, 5:4"),
            "5..4 is no range of axis 1 of shape [6, 8]; its positions are 0..8"
        );
        assert_eq!(
            refused("0:1, 0:1, 0:1"),
            "3 axes are given for shape [6, 8], which has 2; give every axis of the tensor its range"
        );
        for text in [
            "3",
            "-1:2",
            "a:b",
            "0/8",
            "9/8",
            "1/0",
            "1:2:3",
            "0:1+",
            "99999999999999999999:",
        ] {
            assert!(
                refused(text).contains("is no range; write 0:512"),
                "{text}: {}",
                refused(text)
            );
        }
        assert_eq!(
            Slice::shard(&[6], 0, 2, 2).unwrap_err().to_string(),
            "there is no shard 2 of 2; shards are counted from 0"
        );
        assert!(Slice::shard(&[6], 1, 0, 2).is_err());
        assert!(Slice::shard(&[6], 0, 0, 0).is_err());
        assert!(Slice::shard(&[6], 0, usize::MAX - 1, usize::MAX).is_ok());
        assert!(Slice::at(&[6], &[usize::MAX], &[2]).is_err());
        assert!(Slice::at(&[6, 8], &[0], &[2, 2]).is_err());
        assert!(Slice::whole(&[usize::MAX, 3]).is_err());
        // Ranges may repeat, but the part must still be countable.
        let huge = Slice::whole(&[usize::MAX]).unwrap();
        assert!(huge.along(0, vec![0..usize::MAX, 0..usize::MAX]).is_err());
    }
}
