//! `mirrored(of, sides)`: [[W, −W], [−W, W]], with which a ReLU network starts as a linear one.
//!
//! Units come in pairs of h and −h, so relu(h) − relu(−h) = h and W meets the signal as if there were no activation.
//! The first layer of such a network is mirrored in its outputs only, [W; −W], and the last in its inputs only,
//! [W, −W]. W is drawn as a tensor of the halved shape, with that shape's fans.

use std::fmt;

use super::arguments::{Usual, words};
use super::rule::{Rule, Unfit, rule};
use super::structure::Structure;
use super::{Entry, Initializer};
use crate::filler::{Filler, Values};
use crate::{Axis, Element, Layout, Stream};

words! {
    /// Which sides of the weight consist of a half and its mirror image.
    Sides {
        /// [[W, −W], [−W, W]].
        Both = "both",
        /// [W; −W].
        Output = "output",
        /// [W, −W].
        Input = "input",
    }
}

rule! {
    /// W and −W in blocks, so that pairs of units are each other's mirror images.
    Mirrored as mirrored {
        /// What W is drawn by.
        of: Box<Initializer>,
        /// Which sides are halves and mirror images.
        sides: Sides = Usual::Silent(Sides::Both),
    }
}

impl Rule for Mirrored {
    const ENTRY: Entry = Entry {
        name: "mirrored",
        aliases: &["looks_linear"],
        formula: "w = [[W, -W], [-W, W]]; sides=output: [W; -W]; sides=input: [W, -W]; W by the initializer given, of \
                  the halved shape",
        when: "Deep ReLU networks that should start as linear ones: with of=orthogonal every singular value of the \
               network is 1. sides=output for the first layer, input for the last.",
        reference: "Balduzzi et al., The Shattered Gradients Problem, ICML 2017; Burkholz and Dubatovka, Initialization \
                    of ReLUs for Dynamical Isometry, NeurIPS 2019",
        example: "mirrored(of=orthogonal)",
    };

    fn inner(&self) -> Vec<&Initializer> {
        vec![&self.of]
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        if layout.groups != 1 || !layout.fused.is_empty() {
            return Err(
                "groups and fused parts cannot be mirrored; write the parts as concat(…)".into(),
            );
        }
        let halved = |axis: Axis| match axis {
            Axis::Output => self.sides != Sides::Input,
            Axis::Input => self.sides != Sides::Output,
            Axis::Lookup | Axis::Field | Axis::Stack => false,
        };
        let mut halves = shape.to_vec();
        let mut dims = Vec::with_capacity(shape.len());
        for (size, axis) in halves.iter_mut().zip(&layout.axes) {
            let half = halved(*axis);
            dims.push((*size as u64, half));
            if half {
                if !size.is_multiple_of(2) {
                    return Err(format!("{size} channels have no two halves").into());
                }
                *size /= 2;
            }
        }
        for side in [Axis::Output, Axis::Input] {
            let axes = layout.axes.iter().filter(|axis| **axis == side).count();
            if halved(side) && axes != 1 {
                return Err("a mirrored side must be one axis".into());
            }
        }
        Ok(Mirror {
            half: Box::new(self.of.resolve_valid(&halves, layout)?),
            dims,
        }
        .into())
    }
}

/// A tensor of mirror images.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mirror {
    half: Box<Filler>,
    /// Every axis, and whether its second half mirrors the first.
    dims: Vec<(u64, bool)>,
}

impl Mirror {
    /// The index within W, and whether the value is negated.
    fn source(&self, mut index: u64) -> (u64, bool) {
        let (mut source, mut unit, mut negative) = (0, 1, false);
        for &(size, halved) in self.dims.iter().rev() {
            let mut coordinate = index % size;
            index /= size;
            let size = if halved { size / 2 } else { size };
            if halved && coordinate >= size {
                coordinate -= size;
                negative = !negative;
            }
            source += coordinate * unit;
            unit *= size;
        }
        (source, negative)
    }
}

impl Structure for Mirror {
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        // Runs of neighbours in both: along the last axis, up to its end or its half.
        let (last, halved) = self.dims.last().copied().unwrap_or((1, false));
        let run = if halved { last / 2 } else { last }.max(1);
        // Rows of W are computed a piece at a time, so that small rows do not cost a tile each.
        let mut cache: (u64, Vec<T>) = (0, Vec::new());
        let length = (run.max(1 << 16)).min(self.half.len());
        let (mut index, mut rest) = (start, out);
        while !rest.is_empty() {
            let (source, negative) = self.source(index);
            let within = index % run;
            let take = ((run - within) as usize).min(rest.len());
            let (now, later) = rest.split_at_mut(take);
            let end = source + take as u64;
            if source < cache.0 || end > cache.0 + cache.1.len() as u64 {
                let length = length.max(take as u64).min(self.half.len() - source);
                cache = (source, vec![T::default(); length as usize]);
                self.half.write(stream, source, &mut cache.1);
            }
            let from = &cache.1[(source - cache.0) as usize..];
            for (x, value) in now.iter_mut().zip(from) {
                *x = if negative {
                    T::from_f64(-value.to_f64())
                } else {
                    *value
                };
            }
            (index, rest) = (index + take as u64, later);
        }
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            half: Box::new(self.half.scaled(factor)),
            ..self
        }
    }

    fn shares_work(&self) -> bool {
        self.half.shares_work()
    }

    fn moments(&self) -> Option<(f64, f64)> {
        let (_, square) = self.half.moments()?;
        Some((0.0, square))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mirror images of {}", self.half)
    }
}

#[cfg(test)]
mod tests {
    use crate::initializers::KaimingNormal;
    use crate::{Initializer, Layout, Seed, Stream};

    fn draw(text: &str, shape: &[usize], layout: &Layout) -> Vec<f64> {
        let mut out = vec![9f64; shape.iter().product()];
        text.parse::<Initializer>()
            .unwrap()
            .fill(Seed::new(6), "w", shape, layout, &mut out)
            .unwrap();
        out
    }

    #[test]
    fn blocks_are_w_and_its_negative() {
        for (layout, shape) in [
            (Layout::linear_out_in(), vec![6, 10]),
            (Layout::linear_in_out(), vec![6, 10]),
            (Layout::conv(1, 1), vec![6, 10, 3]),
            (Layout::linear_out_in().stack(1), vec![2, 6, 10]),
        ] {
            let out = draw("mirrored(kaiming_normal)", &shape, &layout);
            let half = Initializer::from(KaimingNormal {
                mode: crate::Mode::FanIn,
                gain: 2f64.sqrt(),
            });
            let channels = if shape.len() == 3 && shape[0] == 2 {
                1
            } else {
                0
            };
            let mut halves = shape.clone();
            halves[channels] /= 2;
            halves[channels + 1] /= 2;
            let mut w = vec![0f64; halves.iter().product()];
            half.resolve(&halves, &layout)
                .unwrap()
                .fill(&Stream::new(Seed::new(6), "w"), 0, &mut w)
                .unwrap();
            let inner: usize = shape[channels + 2..].iter().product();
            let (rows, columns) = (shape[channels], shape[channels + 1]);
            for (i, x) in out.iter().enumerate() {
                let (tap, c) = (i % inner, i / inner % columns);
                let (r, copy) = (i / inner / columns % rows, i / inner / columns / rows);
                let index = ((copy * rows / 2 + r % (rows / 2)) * columns / 2 + c % (columns / 2))
                    * inner
                    + tap;
                let sign = if (r >= rows / 2) == (c >= columns / 2) {
                    1.0
                } else {
                    -1.0
                };
                assert_eq!(*x, sign * w[index], "{layout:?} {i}");
            }
        }
    }

    /// A ReLU network of mirrored orthogonal layers is an orthogonal linear map.
    #[test]
    fn a_relu_network_starts_linear() {
        let n = 8;
        let layout = Layout::linear_out_in();
        let multiply = |w: &[f64], x: &[f64]| -> Vec<f64> {
            w.chunks(x.len())
                .map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum())
                .collect()
        };
        let relu = |x: Vec<f64>| x.into_iter().map(|v| v.max(0.0)).collect::<Vec<_>>();
        let run = |x: &[f64]| {
            let first = draw("mirrored(orthogonal, sides=output)", &[2 * n, n], &layout);
            let hidden = draw("mirrored(orthogonal)", &[2 * n, 2 * n], &layout);
            let last = draw("mirrored(orthogonal, sides=input)", &[n, 2 * n], &layout);
            let h = relu(multiply(&first, x));
            let h = relu(multiply(&hidden, &h));
            multiply(&last, &h)
        };
        let x: Vec<f64> = (0..n).map(|i| (i as f64 * 1.7).sin()).collect();
        let y = run(&x);
        let norm = |v: &[f64]| v.iter().map(|a| a * a).sum::<f64>().sqrt();
        assert!((norm(&y) / norm(&x) - 1.0).abs() < 1e-12);
        let negative: Vec<f64> = x.iter().map(|a| -a).collect();
        assert!(
            run(&negative)
                .iter()
                .zip(&y)
                .all(|(a, b)| (a + b).abs() < 1e-12)
        );
    }

    #[test]
    fn odd_channels_and_groups_are_refused() {
        let mirrored: Initializer = "mirrored(zeros)".parse().unwrap();
        let message = |shape: &[usize], layout: &Layout| {
            mirrored.resolve(shape, layout).unwrap_err().to_string()
        };
        assert!(message(&[3, 4], &Layout::linear_out_in()).contains("no two halves"));
        assert!(message(&[4, 2, 3], &Layout::conv(1, 2)).contains("cannot be mirrored"));
        assert!(message(&[4], &Layout::vector()).contains("must be one axis"));
    }
}
