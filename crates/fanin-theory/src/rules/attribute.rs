//! Attributes that more than one rule reads.

use fanin_network::Node;

use crate::signal::Profile;

/// Strides, dilations and padding of a sliding window over the spatial axes.
pub(crate) struct Window {
    /// Size of the window per axis.
    pub(crate) kernel: Vec<usize>,
    /// Step per axis.
    pub(crate) stride: Vec<usize>,
    /// Distance of taps per axis.
    pub(crate) dilation: Vec<usize>,
    /// Zeros added before the first element, per axis.
    pub(crate) before: Vec<i64>,
}

impl Window {
    /// Reads a convolution's or pool's window; `wide` are the spatial sizes the window slides over,
    /// `narrow` those of its positions. (For a transposed convolution `wide` is the output.)
    pub(crate) fn of(node: &Node, kernel: &[usize], wide: &[usize], narrow: &[usize]) -> Self {
        let rank = kernel.len();
        let positive = |name: &str| -> Vec<usize> {
            match node.attributes.ints(name) {
                Some(list) if list.len() == rank => list
                    .iter()
                    .map(|&x| usize::try_from(x).unwrap_or(1).max(1))
                    .collect(),
                _ => vec![1; rank],
            }
        };
        let (stride, dilation) = (positive("strides"), positive("dilations"));
        let stated = node.attributes.ints("pads");
        let before = (0..rank)
            .map(|axis| match node.attributes.str("auto_pad", "NOTSET") {
                same @ ("SAME_UPPER" | "SAME_LOWER") => {
                    let size =
                        |list: &[usize], or: usize| list.get(axis).copied().unwrap_or(or) as i64;
                    let (step, gap) = (size(&stride, 1), size(&dilation, 1));
                    let reach = gap * (size(kernel, 1) - 1) + 1;
                    let total = (step * (size(narrow, 1) - 1) + reach - size(wide, 1)).max(0);
                    if same == "SAME_UPPER" {
                        total / 2
                    } else {
                        total - total / 2
                    }
                }
                "VALID" => 0,
                _ => stated.and_then(|pads| pads.get(axis).copied()).unwrap_or(0),
            })
            .collect();
        Self {
            kernel: kernel.to_vec(),
            stride,
            dilation,
            before,
        }
    }

    /// For each axis and each position of the window the sum over its taps inside of a weight per
    /// place of `wide` (1 where there is none), or for each place the sum over the positions that
    /// see it of a weight per position where `transposed`.
    pub(crate) fn sums(
        &self,
        wide: &[usize],
        narrow: &[usize],
        weights: Option<&[Vec<f64>]>,
        transposed: bool,
    ) -> Vec<Vec<f64>> {
        let axes = self.kernel.iter().zip(&self.stride).zip(&self.dilation);
        let sizes = wide.iter().zip(narrow).zip(&self.before);
        let lines = axes.zip(sizes).enumerate();
        lines
            .map(
                |(axis, (((&taps, &stride), &dilation), ((&wide, &narrow), &before)))| {
                    let weight = |place: usize| {
                        let line = weights.and_then(|weights| weights.get(axis));
                        line.and_then(|line| line.get(place))
                            .copied()
                            .unwrap_or(1.0)
                    };
                    let mut sums = vec![0.0; if transposed { wide } else { narrow }];
                    for position in 0..narrow {
                        for tap in 0..taps {
                            let at = (position * stride + tap * dilation) as i64 - before;
                            let Some(place) = usize::try_from(at).ok().filter(|&at| at < wide)
                            else {
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
                },
            )
            .collect()
    }

    /// Taps that two different positions both have inside `wide`, in the mean over pairs of
    /// positions, over those that one has; or that two different places of `wide` are both seen
    /// through, where `transposed`.
    pub(crate) fn common(&self, wide: &[usize], narrow: &[usize], transposed: bool) -> f64 {
        let axes = self.kernel.iter().zip(&self.stride).zip(&self.dilation);
        let sizes = wide.iter().zip(narrow).zip(&self.before);
        let (mut single, mut pairs, mut positions) = (1.0, 1.0, 1.0);
        for (((&taps, &stride), &dilation), ((&wide, &narrow), &before)) in axes.zip(sizes) {
            let (mut one, mut two) = (0.0, 0.0);
            for tap in 0..taps {
                let inside = |position: &usize| {
                    let at = (position * stride + tap * dilation) as i64 - before;
                    at >= 0 && at < wide as i64
                };
                let count = (0..narrow).filter(inside).count() as f64;
                one += count;
                two += count * count;
            }
            single *= one;
            pairs *= two;
            positions *= if transposed { wide } else { narrow } as f64;
        }
        if single <= 0.0 || positions <= 1.0 {
            return 1.0;
        }
        // All pairs less those of a position with itself.
        (pairs - single) / (positions - 1.0) / single
    }

    /// Pairs of a window position in `narrow` and a tap of it that lies inside `wide`, not in the
    /// padding: the product over the axes.
    pub(crate) fn edges(&self, wide: &[usize], narrow: &[usize]) -> f64 {
        let axes = self.kernel.iter().zip(&self.stride).zip(&self.dilation);
        let sizes = wide.iter().zip(narrow).zip(&self.before);
        axes.zip(sizes)
            .map(
                |(((&taps, &stride), &dilation), ((&wide, &narrow), &before))| {
                    let (stride, wide, narrow) = (stride as i64, wide as i64, narrow as i64);
                    let inside = (0..taps as i64).map(|tap| {
                        // Positions o with 0 <= o * stride + offset < wide.
                        let offset = tap * dilation as i64 - before;
                        let first = (-offset).max(0).div_euclid(stride)
                            + i64::from((-offset).max(0).rem_euclid(stride) != 0);
                        let last = (wide - 1 - offset).div_euclid(stride).min(narrow - 1);
                        (last - first + 1).max(0)
                    });
                    inside.sum::<i64>() as f64
                },
            )
            .product()
    }
}

/// Divides each line by its mean; returns the product of the means and the profile, `None` where
/// all places are alike.
pub(crate) fn normalized(mut lines: Vec<Vec<f64>>) -> (f64, Option<Profile>) {
    let (mut product, mut uneven) = (1.0, false);
    for line in &mut lines {
        let mean = line.iter().sum::<f64>() / line.len().max(1) as f64;
        product *= mean;
        for x in line.iter_mut().filter(|_| mean > 0.0) {
            *x /= mean;
        }
        uneven |= line.iter().any(|x| (x - 1.0).abs() > 1e-9);
    }
    (product, uneven.then(|| lines.into()))
}

#[cfg(test)]
mod tests {
    use fanin_network::{Attribute, Attributes};

    use super::*;

    fn node(attributes: Attributes) -> Node {
        Node::new("conv", "", "Conv", 17, attributes, Vec::new(), Vec::new()).unwrap()
    }

    fn counted(window: &Window, wide: usize, narrow: usize) -> f64 {
        let mut edges = 0;
        for o in 0..narrow as i64 {
            for t in 0..window.kernel[0] as i64 {
                let at =
                    o * window.stride[0] as i64 + t * window.dilation[0] as i64 - window.before[0];
                edges += i64::from((0..wide as i64).contains(&at));
            }
        }
        edges as f64
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
            let narrow = (wide + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
            let attributes = Attributes::default()
                .set("strides", Attribute::Ints(vec![stride as i64]))
                .set("dilations", Attribute::Ints(vec![dilation as i64]))
                .set("pads", Attribute::Ints(vec![pad as i64; 2]));
            let window = Window::of(&node(attributes), &[kernel], &[wide], &[narrow]);
            for transposed in [false, true] {
                let sums = window.sums(&[wide], &[narrow], None, transposed);
                let total: f64 = sums[0].iter().sum();
                assert_eq!(total, window.edges(&[wide], &[narrow]));
            }
            assert_eq!(
                window.edges(&[wide], &[narrow]),
                counted(&window, wide, narrow),
                "{wide} {kernel} {stride} {dilation} {pad}"
            );
        }
    }

    #[test]
    fn same_padding_is_worked_out_from_the_sizes() {
        let attributes = Attributes::default()
            .set("auto_pad", Attribute::String("SAME_UPPER".to_owned()))
            .set("strides", Attribute::Ints(vec![2]));
        let window = Window::of(&node(attributes), &[3], &[8], &[4]);
        assert_eq!(window.before, [0]);
        assert_eq!(window.edges(&[8], &[4]), 11.0);
    }
}
