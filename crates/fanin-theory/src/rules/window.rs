//! The taps of a sliding window: which places of its two sides they join.

use fanin_network::operator::Sliding;

use crate::signal::Profile;

/// A window between two maps.
pub(crate) struct Taps {
    sliding: Sliding,
    /// The spatial sizes the window slides over, and those of its positions.
    pub(crate) wide: Vec<usize>,
    pub(crate) narrow: Vec<usize>,
}

/// One axis of it.
#[derive(Clone, Copy)]
struct Line {
    taps: usize,
    stride: usize,
    dilation: usize,
    before: i64,
    wide: usize,
    narrow: usize,
}

impl Taps {
    /// A window as it slides over `wide` with its positions in `narrow`. (For a transposed convolution
    /// `wide` is the output.)
    pub(crate) fn new(sliding: Sliding, wide: &[usize], narrow: &[usize]) -> Self {
        Self {
            sliding,
            wide: wide.to_vec(),
            narrow: narrow.to_vec(),
        }
    }

    fn lines(&self) -> impl Iterator<Item = Line> {
        let Sliding {
            kernel,
            strides,
            dilations,
            pads,
            ..
        } = &self.sliding;
        let axes = kernel.iter().zip(strides).zip(dilations).zip(pads);
        let sizes = self.wide.iter().zip(&self.narrow);
        axes.zip(sizes).map(
            |((((&taps, &stride), &dilation), &(before, _)), (&wide, &narrow))| Line {
                taps,
                stride,
                dilation,
                before,
                wide,
                narrow,
            },
        )
    }

    /// For each axis and each position of the window the sum over its taps inside of a weight per
    /// place of `wide` (1 where there is none), or for each place the sum over the positions that
    /// see it of a weight per position where `transposed`.
    pub(crate) fn sums(&self, weights: Option<&Profile>, transposed: bool) -> Vec<Vec<f64>> {
        self.lines()
            .enumerate()
            .map(|(axis, line)| {
                let weight = |place: usize| {
                    let line = weights.and_then(|weights| weights.get(axis));
                    line.and_then(|line| line.get(place))
                        .copied()
                        .unwrap_or(1.0)
                };
                let mut sums = vec![0.0; if transposed { line.wide } else { line.narrow }];
                for position in 0..line.narrow {
                    for tap in 0..line.taps {
                        let Some(place) = line.place(position, tap) else {
                            continue;
                        };
                        let (from, to) = if transposed {
                            (position, place)
                        } else {
                            (place, position)
                        };
                        if let Some(sum) = sums.get_mut(to) {
                            *sum += weight(from);
                        }
                    }
                }
                sums
            })
            .collect()
    }

    /// Taps that two different positions both have inside `wide`, in the mean over pairs of
    /// positions, over those that one has; or that two different places of `wide` are both seen
    /// through, where `transposed`.
    pub(crate) fn common(&self, transposed: bool) -> f64 {
        let (mut single, mut pairs, mut positions) = (1.0, 1.0, 1.0);
        for line in self.lines() {
            let (mut one, mut two) = (0.0, 0.0);
            for tap in 0..line.taps {
                let inside = |position: &usize| line.place(*position, tap).is_some();
                let count = (0..line.narrow).filter(inside).count() as f64;
                one += count;
                two += count * count;
            }
            single *= one;
            pairs *= two;
            positions *= if transposed { line.wide } else { line.narrow } as f64;
        }
        if single <= 0.0 || positions <= 1.0 {
            return 1.0;
        }
        // All pairs less those of a position with itself.
        (pairs - single) / (positions - 1.0) / single
    }

    /// Pairs of a window position in `narrow` and a tap of it that lies inside `wide`, not in the
    /// padding: the product over the axes.
    pub(crate) fn edges(&self) -> f64 {
        self.lines()
            .map(|line| {
                let (stride, wide, narrow) =
                    (line.stride as i64, line.wide as i64, line.narrow as i64);
                let inside = (0..line.taps as i64).map(|tap| {
                    // Positions o with 0 <= o * stride + offset < wide.
                    let offset = tap * line.dilation as i64 - line.before;
                    let first = (-offset).max(0).div_euclid(stride)
                        + i64::from((-offset).max(0).rem_euclid(stride) != 0);
                    let last = (wide - 1 - offset).div_euclid(stride).min(narrow - 1);
                    (last - first + 1).max(0)
                });
                inside.sum::<i64>() as f64
            })
            .product()
    }
}

impl Line {
    /// The place of `wide` that a tap of a position meets, if it is not in the padding.
    fn place(self, position: usize, tap: usize) -> Option<usize> {
        let at = (position * self.stride + tap * self.dilation) as i64 - self.before;
        usize::try_from(at).ok().filter(|&at| at < self.wide)
    }
}

#[cfg(test)]
mod tests {
    use fanin_network::operator::{Pads, Window};

    use super::*;

    fn counted(taps: &Taps) -> f64 {
        let line = taps.lines().next().unwrap();
        let mut edges = 0;
        for o in 0..line.narrow as i64 {
            for t in 0..line.taps as i64 {
                let at = o * line.stride as i64 + t * line.dilation as i64 - line.before;
                edges += i64::from((0..line.wide as i64).contains(&at));
            }
        }
        edges as f64
    }

    fn taps(window: &Window, kernel: usize, wide: usize) -> Taps {
        let sliding = window.resolve(&[kernel], &[wide]).unwrap();
        let narrow = sliding.output.clone();
        Taps::new(sliding, &[wide], &narrow)
    }

    #[test]
    fn edges_are_counted_as_one_by_one() {
        for (wide, kernel, stride, dilation, pad) in [
            (8, 3, 1, 1, 1),
            (9, 3, 2, 1, 1),
            (7, 5, 2, 2, 4),
            (1, 3, 1, 1, 1),
            (10, 2, 3, 1, 0),
        ] {
            let window = Window {
                strides: vec![stride],
                dilations: vec![dilation],
                pads: Pads::Explicit(vec![(pad, pad)]),
                ..Window::plain()
            };
            let taps = taps(&window, kernel, wide);
            for transposed in [false, true] {
                let total: f64 = taps.sums(None, transposed)[0].iter().sum();
                assert_eq!(total, taps.edges());
            }
            assert_eq!(
                taps.edges(),
                counted(&taps),
                "{wide} {kernel} {stride} {dilation} {pad}"
            );
        }
    }

    #[test]
    fn same_padding_is_worked_out_from_the_sizes() {
        let window = Window {
            strides: vec![2],
            pads: Pads::SameUpper,
            ..Window::plain()
        };
        let taps = taps(&window, 3, 8);
        assert_eq!(taps.lines().next().unwrap().before, 0);
        assert_eq!(taps.narrow, [4]);
        assert_eq!(taps.edges(), 11.0);
    }
}
