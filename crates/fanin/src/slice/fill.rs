//! Filling a part of a tensor.

use super::Slice;
use crate::{Element, Filler, InitError, Initializer, Layout, RangeError, Seed, Stream, parallel};

/// Runs of neighbours that are closer than this are drawn together: the elements between them cost less than another call.
const NEAR: u64 = 64;
/// Elements drawn together at most.
const TOGETHER: u64 = 1 << 12;
/// The same where rows are made many at a time, or alone at the same cost.
const ROWS_TOGETHER: u64 = 1 << 19;

impl Initializer {
    /// Fills a part of the tensor called `name`; `out` must have exactly the part's elements, row-major.
    ///
    /// The layout and the fans are those of the whole tensor, and so are the values: see [`Slice`].
    ///
    /// # Errors
    /// When the numbers, the shape or the layout do not fit the initializer, or `out` does not fit the slice.
    pub fn fill_slice<T: Element>(
        &self,
        seed: Seed,
        name: &str,
        slice: &Slice,
        layout: &Layout,
        out: &mut [T],
    ) -> Result<(), InitError> {
        let filler = self.resolve(slice.tensor_shape(), layout)?;
        if slice.len() != out.len() as u64 {
            return Err(InitError::Length {
                shape: slice.shape(),
                elements: slice.len(),
                given: out.len(),
            });
        }
        filler
            .fill_slice(&Stream::new(seed, name), slice, 0, out)
            .map_err(InitError::from)
    }
}

impl Filler {
    /// Writes elements `start .. start + out.len()` of a part of the tensor, counted row-major within the part.
    ///
    /// # Errors
    /// When that reaches beyond the part, or the slice is of a tensor with another number of elements.
    pub fn fill_slice<T: Element>(
        &self,
        stream: &Stream,
        slice: &Slice,
        start: u64,
        out: &mut [T],
    ) -> Result<(), RangeError> {
        let beyond = |len| RangeError {
            start,
            count: out.len(),
            len,
        };
        let fits = start
            .checked_add(out.len() as u64)
            .is_some_and(|end| end <= slice.len());
        if !fits {
            return Err(beyond(slice.len()));
        }
        let elements: u64 = slice.tensor_shape().iter().map(|&n| n as u64).product();
        if elements != self.len() {
            return Err(beyond(self.len()));
        }
        if out.is_empty() {
            return Ok(());
        }
        match slice.run(start) {
            (from, left) if left >= out.len() as u64 => self.fill(stream, from, out),
            _ if self.shares_work() => {
                self.gather(stream, slice, start, out, (u64::MAX, ROWS_TOGETHER))
            }
            _ => {
                parallel::pieces(start, out, |start, out| {
                    // Within the tensor: the slice is, and its number of elements is the tensor's.
                    let filled = self.gather(stream, slice, start, out, (NEAR, TOGETHER));
                    debug_assert!(filled.is_ok());
                });
                Ok(())
            }
        }
    }

    /// Draws runs that are closer than `near` in one go, at most `most` elements with what lies between.
    fn gather<T: Element>(
        &self,
        stream: &Stream,
        slice: &Slice,
        start: u64,
        out: &mut [T],
        (near, most): (u64, u64),
    ) -> Result<(), RangeError> {
        let elements = out.len() as u64;
        let mut drawn: Vec<T> = Vec::new();
        // Runs that wait to be drawn: where they begin in the tensor and in `out`, and how long they are.
        let mut waiting: Vec<(u64, usize, usize)> = Vec::new();
        let mut result = Ok(());
        let mut draw = |waiting: &mut Vec<(u64, usize, usize)>| {
            let drew = match waiting[..] {
                [] => Ok(()),
                [(from, to, count)] => self.fill(stream, from, &mut out[to..to + count]),
                [(first, ..), .., (last, _, count)] => {
                    drawn.resize((last - first) as usize + count, T::default());
                    self.fill(stream, first, &mut drawn).map(|()| {
                        for &(from, to, count) in &*waiting {
                            let at = (from - first) as usize;
                            out[to..to + count].copy_from_slice(&drawn[at..at + count]);
                        }
                    })
                }
            };
            waiting.clear();
            drew
        };
        slice.runs(start, elements, |from, at, count| {
            if result.is_err() {
                return;
            }
            let joins = match (waiting.first(), waiting.last()) {
                (Some(&(first, ..)), Some(&(last, _, length))) => from
                    .checked_sub(last + length as u64)
                    .is_some_and(|gap| gap < near && from + count - first <= most),
                _ => true,
            };
            if !joins {
                result = draw(&mut waiting);
            }
            waiting.push((from, (at - start) as usize, count as usize));
        });
        result.and_then(|()| draw(&mut waiting))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Initializers whose elements depend on nothing, on fused parts, on rows, and mixed ones.
    const TEXTS: [&str; 6] = [
        "normal(std=0.5)",
        "kaiming_uniform",
        "truncated_normal(std=0.1)",
        "orthogonal",
        "identity",
        "concat(axis=0, 5: orthogonal, 7: normal(std=1))",
    ];

    fn check(text: &str, shape: &[usize], layout: &Layout, slice: &Slice, start: f64, share: f64) {
        let initializer: Initializer = text.parse().unwrap();
        let filler = initializer.resolve(shape, layout).unwrap();
        let stream = Stream::new(Seed::new(3), "w");
        let mut tensor = vec![0f32; filler.len() as usize];
        filler.fill(&stream, 0, &mut tensor).unwrap();
        // The definition: an index for each axis, one after the other.
        let mut expected = vec![0usize];
        for (ranges, &size) in slice.axes().iter().zip(shape) {
            expected = expected
                .iter()
                .flat_map(|&at| {
                    ranges
                        .iter()
                        .flat_map(move |r| r.clone().map(move |i| at * size + i))
                })
                .collect();
        }
        let expected: Vec<f32> = expected.into_iter().map(|i| tensor[i]).collect();
        assert_eq!(slice.len(), expected.len() as u64);
        let first = (start * expected.len() as f64) as usize;
        let count = (share * (expected.len() - first) as f64) as usize;
        let mut part = vec![f32::NAN; count];
        filler
            .fill_slice(&stream, slice, first as u64, &mut part)
            .unwrap();
        assert_eq!(
            part,
            expected[first..first + count],
            "{text} {shape:?} [{slice}]"
        );
    }

    fn ranges(size: usize) -> impl Strategy<Value = Vec<std::ops::Range<usize>>> {
        let range = (0..=size, 0..=size).prop_map(|(a, b)| a.min(b)..a.max(b));
        prop_oneof![
            Just(std::iter::once(0..size).collect()),
            prop::collection::vec(range, 1..4)
        ]
    }

    proptest! {
        #[test]
        fn any_slice_is_that_part_of_the_tensor(
            text in prop::sample::select(TEXTS.to_vec()),
            axes in (ranges(12), ranges(9), ranges(2), ranges(3)),
            start in 0.0..1.0f64,
            share in 0.0..=1.0f64,
        ) {
            let shape = [12, 9, 2, 3];
            let axes = vec![axes.0, axes.1, axes.2, axes.3];
            let slice = axes.into_iter().enumerate().fold(
                Slice::whole(&shape).unwrap(),
                |slice, (axis, ranges)| slice.along(axis, ranges).unwrap(),
            );
            check(text, &shape, &Layout::conv(2, 1), &slice, start, share);
        }
    }

    /// Larger than one piece of a thread, with gaps that are drawn over and gaps that are not.
    #[test]
    fn large_slices_too() {
        let shape = [300, 400];
        for cut in [
            ":, 7:393",
            ":, 1/8",
            "5:295, 0:1",
            "0:100+150:300, 10:50+51:99+200:400",
            "10:290",
        ] {
            let slice = Slice::parse(&shape, cut).unwrap();
            for text in ["normal(std=0.5)", "orthogonal"] {
                check(text, &shape, &Layout::linear_out_in(), &slice, 0.0, 1.0);
                check(text, &shape, &Layout::linear_out_in(), &slice, 0.37, 0.5);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let slice = Slice::parse(&[4, 6], "1:3").unwrap();
        let he = Initializer::kaiming_normal(crate::Mode::FanIn, 1.0).unwrap();
        let layout = Layout::linear_out_in();
        let error = he
            .fill_slice(Seed::new(0), "w", &slice, &layout, &mut [0f32; 11])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "shape [2, 6] has 12 elements, the slice to fill 11"
        );
        let filler = he.resolve(&[4, 6], &layout).unwrap();
        let stream = Stream::new(Seed::new(0), "w");
        let error = filler
            .fill_slice(&stream, &slice, 10, &mut [0f32; 3])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "elements 10..13 asked for, but the tensor has 12"
        );
        let other = Slice::parse(&[5, 6], "1:3").unwrap();
        assert!(
            filler
                .fill_slice(&stream, &other, 0, &mut [0f32; 3])
                .is_err()
        );
        assert!(
            filler
                .fill_slice(&stream, &slice, u64::MAX, &mut [0f32; 3])
                .is_err()
        );
    }
}
