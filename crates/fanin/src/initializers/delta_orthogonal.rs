//! `delta_orthogonal(gain)`: a convolution that is an orthogonal matrix at the centre of its field and 0 elsewhere.
//!
//! With as many outputs as inputs or more it keeps every norm, whatever the padding; with fewer its rows are
//! orthonormal. Each group has a matrix of its own.

use std::fmt;

use super::arguments::Usual;
use super::rule::{Rule, Unfit, gain_fault, rule};
use super::structure::Structure;
use super::{Entry, Initializer, Orthogonal};
use crate::filler::{Filler, Values};
use crate::{Axis, Element, Layout, Stream};

rule! {
    /// `gain` times an orthogonal matrix at the centre of the field.
    DeltaOrthogonal as delta_orthogonal {
        /// Factor on the matrix.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for DeltaOrthogonal {
    const ENTRY: Entry = Entry {
        name: "delta_orthogonal",
        aliases: &["conv_delta_orthogonal"],
        formula: "w[.., centre] = gain Q, Q as orthogonal's; 0 at every other position; the centre of k is k div 2",
        when: "Very deep convolutional networks without normalization or residual branches: it keeps lengths and, \
               unlike a kernel of random values, all spatial frequencies alike.",
        reference: "Xiao et al., Dynamical Isometry and a Mean Field Theory of CNNs, ICML 2018 (arXiv 1806.05393)",
        example: "delta_orthogonal",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        if !layout.axes.contains(&Axis::Field) {
            return Err("there is no field; write orthogonal".into());
        }
        // The centre is the tensor without its field.
        let empty = shape.contains(&0);
        let (mut axes, mut channels) = (Vec::new(), Vec::new());
        for (&size, &axis) in shape.iter().zip(&layout.axes) {
            if axis != Axis::Field {
                axes.push(axis);
                channels.push(if empty { 0 } else { size });
            }
        }
        if !axes.iter().any(|a| matches!(a, Axis::Input | Axis::Lookup)) {
            // A depthwise kernel has one input.
            axes.push(Axis::Input);
            channels.push(usize::from(!empty));
        }
        let flat = Layout {
            axes,
            stride: Vec::new(),
            ..layout.clone()
        };
        let centre = Initializer::from(Orthogonal { gain: self.gain });
        Ok(Centre {
            at_centre: Box::new(centre.resolve_valid(&channels, &flat)?),
            dims: shape
                .iter()
                .zip(&layout.axes)
                .map(|(&n, axis)| (n as u64, *axis == Axis::Field))
                .collect(),
        }
        .into())
    }
}

/// A tensor that is 0 except at the centre of its field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Centre {
    /// The values at the centre, as a tensor without the field.
    at_centre: Box<Filler>,
    /// Every axis, and whether it is of the field.
    dims: Vec<(u64, bool)>,
}

impl Centre {
    /// The index in the tensor of element `index` of the centre; increasing.
    fn outer(&self, mut index: u64) -> u64 {
        let (mut outer, mut unit) = (0, 1);
        for &(size, field) in self.dims.iter().rev() {
            let coordinate = if field {
                size / 2
            } else {
                let coordinate = index % size;
                index /= size;
                coordinate
            };
            outer += coordinate * unit;
            unit *= size;
        }
        outer
    }

    /// The first element of the centre that lies at `index` of the tensor or after.
    fn first_from(&self, index: u64) -> u64 {
        let (mut low, mut high) = (0, self.at_centre.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.outer(middle) < index {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Structure for Centre {
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        out.fill(T::default());
        let first = self.first_from(start);
        let last = self.first_from(start + out.len() as u64);
        let mut values = vec![T::default(); (last - first) as usize];
        if !values.is_empty() {
            self.at_centre.write(stream, first, &mut values);
        }
        for (i, value) in (first..).zip(values) {
            out[(self.outer(i) - start) as usize] = value;
        }
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            at_centre: Box::new(self.at_centre.scaled(factor)),
            ..self
        }
    }

    fn shares_work(&self) -> bool {
        self.at_centre.shares_work()
    }

    fn moments(&self) -> Option<(f64, f64)> {
        let std = self.at_centre.expected_std()?;
        let field = self.dims.iter().filter(|(_, field)| *field);
        let taps = field.map(|(n, _)| *n as f64).product::<f64>().max(1.0);
        Some((0.0, std * std / taps))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at the centre of the field {}, 0 elsewhere",
            self.at_centre
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(shape: &[usize], layout: &Layout) -> Vec<f64> {
        let mut out = vec![9f64; shape.iter().product()];
        let delta = Initializer::delta_orthogonal(1.0).unwrap();
        delta
            .fill(Seed::new(2), "w", shape, layout, &mut out)
            .unwrap();
        out
    }

    #[test]
    fn the_centre_is_orthogonal_and_the_rest_is_zero() {
        for (layout, shape) in [
            (Layout::conv(1, 1), vec![6, 4, 3]),
            (Layout::conv(2, 1), vec![5, 5, 3, 5]),
            (Layout::conv(3, 1), vec![4, 6, 3, 2, 3]),
            (Layout::conv(2, 2), vec![8, 4, 3, 3]),
        ] {
            let out = draw(&shape, &layout);
            let field = &shape[2..];
            let taps: usize = field.iter().product();
            let centre = field.iter().fold(0, |tap, k| tap * k + k / 2);
            let (o, i) = (shape[0], shape[1]);
            for (index, x) in out.iter().enumerate() {
                assert!(index % taps == centre || *x == 0.0);
            }
            let at = |r: usize, c: usize| out[(r * i + c) * taps + centre];
            // Per group, the shorter side is orthonormal.
            let rows = o / layout.groups;
            for group in 0..layout.groups {
                let (short, long) = (rows.min(i), rows.max(i));
                for a in 0..short {
                    for b in 0..short {
                        let dot: f64 = (0..long)
                            .map(|k| {
                                let pick = |s: usize| {
                                    if rows <= i {
                                        at(group * rows + s, k)
                                    } else {
                                        at(group * rows + k, s)
                                    }
                                };
                                pick(a) * pick(b)
                            })
                            .sum();
                        assert!((dot - f64::from(u8::from(a == b))).abs() < 1e-13);
                    }
                }
            }
        }
    }

    #[test]
    fn channels_last_holds_the_transposed_problem() {
        let out = draw(&[3, 3, 4, 4], &Layout::conv_channels_last(2, 1));
        let matrix = &out[4 * 16..5 * 16];
        for a in 0..4 {
            let norm: f64 = (0..4).map(|k| matrix[a * 4 + k].powi(2)).sum();
            assert!((norm - 1.0).abs() < 1e-13);
        }
        assert_eq!(out.iter().filter(|x| **x != 0.0).count(), 16);
        let filler = Initializer::delta_orthogonal(1.0)
            .unwrap()
            .resolve(&[3, 3, 4, 4], &Layout::conv_channels_last(2, 1))
            .unwrap();
        let square: f64 = out.iter().map(|x| x * x).sum::<f64>() / out.len() as f64;
        assert!((filler.expected_std().unwrap() / square.sqrt() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_matrix_has_no_centre() {
        let error = Initializer::delta_orthogonal(1.0)
            .unwrap()
            .resolve(&[3, 3], &Layout::linear_out_in())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "delta_orthogonal for shape [3, 3]: there is no field; write orthogonal"
        );
    }
}
