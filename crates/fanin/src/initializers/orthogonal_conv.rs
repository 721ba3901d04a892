//! `orthogonal_conv(gain)`: a convolution that keeps every norm and yet uses its whole field.
//!
//! As an operator on signals that wrap around, the convolution is orthogonal: it keeps the norm of every signal if there
//! are at least as many outputs as inputs, and its transpose does if there are fewer. In one, two or three dimensions,
//! with any kernel, even or odd, of different sizes along different axes; stride 1.
//!
//! # Construction and contract
//!
//! With n the larger number of channels and s the smaller, the kernel is an s × n matrix of orthonormal rows, convolved
//! with kernels of two taps (P, 1 − P) along an axis of the field, k − 1 of them along an axis of k: P is the orthogonal
//! projection on a random space of n div 2 dimensions. The steps go round the axes, first axis first, until every axis has
//! its k. Sub-streams of matrix m, counted over the tensor by stacked copy, then group: `orthogonal_conv/m/base` for the
//! s × n matrix, `orthogonal_conv/m/t` for the (n div 2) × n matrix U with P = UᵀU of step t; both are drawn as f64
//! tensors of these shapes by [`orthogonal`](super::orthogonal).
//!
//! The tensor's slower channel axis is the row of this contract, so that a row needs no other one. If it is the shorter
//! side, row r of the base goes through the steps; otherwise the unit vector of the row does, and the base is applied to
//! every tap at the end. A step takes v to v P at the tap where it was and to v − v P at the next one. All in double
//! precision, every sum in ascending index from 0, rounded once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::arguments::Usual;
use super::grid::{Grid, PerUnit, Side};
use super::haar::Haar;
use super::rule::{Rule, Unfit, gain_fault, rule};
use super::structure::Structure;
use super::{Entry, identity};
use crate::filler::Values;
use crate::text::Number;
use crate::{Axis, Element, Layout, Stream};

rule! {
    /// `gain` times a random orthogonal convolution.
    OrthogonalConv as orthogonal_conv {
        /// Factor on the kernel.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for OrthogonalConv {
    const ENTRY: Entry = Entry {
        name: "orthogonal_conv",
        aliases: &["convolution_orthogonal", "block_orthogonal"],
        formula: "w = gain Q * B1 * B2 * …, Q with orthonormal rows or columns, * convolution, each B of two taps (P, 1 - \
                  P) along an axis, P a random projection of half rank; k - 1 of them along an axis of k",
        when: "Very deep convolutional networks, when delta_orthogonal's empty field is not wanted: it keeps norms too, \
               with every position of the field in use. For layers of stride 1 on signals that wrap around.",
        reference: "Xiao et al., Dynamical Isometry and a Mean Field Theory of CNNs, ICML 2018 (arXiv 1806.05393), \
                    appendix; Kautsky and Turcajová, A matrix approach to discrete wavelets, 1994",
        example: "orthogonal_conv",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        identity::matrix(layout)?;
        if !layout.axes.contains(&Axis::Field) {
            return Err("there is no field; write orthogonal".into());
        }
        if !layout.fused.is_empty() {
            return Err("fused parts are not convolved alike; write the parts as concat(…)".into());
        }
        if layout.stride.iter().any(|stride| *stride != 1) {
            return Err(
                "with a stride no kernel of this kind is orthogonal; write delta_orthogonal".into(),
            );
        }
        Ok(Kernel {
            gain: self.gain,
            grid: Grid::new(shape, layout),
            last: Mutex::new(None),
        }
        .into())
    }
}

/// A resolved orthogonal convolution.
#[derive(Debug)]
pub(crate) struct Kernel {
    gain: f64,
    grid: Grid,
    /// The matrices of the group filled last, kept while it is filled piece by piece.
    last: Mutex<Option<(Key, Arc<Factors>)>>,
}

/// A stream and the number of a matrix.
type Key = (([u32; 2], [u32; 2]), u64);

impl Clone for Kernel {
    fn clone(&self) -> Self {
        Self {
            gain: self.gain,
            grid: self.grid.clone(),
            last: Mutex::new(None),
        }
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        (self.gain, &self.grid) == (other.gain, &other.grid)
    }
}

/// The random matrices of one group.
#[derive(Debug)]
struct Factors {
    /// The longer side.
    n: usize,
    /// s × n.
    base: Vec<f64>,
    /// Of each step its axis, and U, (n div 2) × n.
    steps: Vec<(usize, Vec<f64>)>,
}

impl Factors {
    fn new(stream: &Stream, matrix: u64, sides: (usize, usize), field: &[u64]) -> Self {
        let (s, n) = (sides.0.min(sides.1), sides.0.max(sides.1));
        let draw = |name: &str, rows: usize| -> Vec<f64> {
            let mut out = vec![0.0; rows * n];
            let matrix_of = Haar::new(1.0, &[rows, n], &Layout::linear_out_in());
            if let Ok(orthogonal) = matrix_of
                && !out.is_empty()
            {
                let stream = stream.substream(&format!("orthogonal_conv/{matrix}/{name}"));
                orthogonal.fill(&stream, 0, &mut out);
            }
            out
        };
        let rounds = field.iter().copied().max().unwrap_or(1);
        let axes = (1..rounds).flat_map(|k| (0..field.len()).filter(move |&axis| k < field[axis]));
        Self {
            n,
            base: draw("base", s),
            steps: axes
                .enumerate()
                .map(|(t, axis)| (axis, draw(&t.to_string(), n / 2)))
                .collect(),
        }
    }

    /// The taps of one row, tap-major, each with the channels of the other side.
    fn row(&self, row: usize, shorter: bool, field: &[u64]) -> Vec<f64> {
        let n = self.n;
        let mut extents = vec![1usize; field.len()];
        let mut taps = if shorter {
            self.base[row * n..(row + 1) * n].to_vec()
        } else {
            let mut unit = vec![0.0; n];
            unit[row] = 1.0;
            unit
        };
        for (axis, space) in &self.steps {
            let inner: usize = extents[axis + 1..].iter().product();
            let size = extents[*axis];
            extents[*axis] += 1;
            let mut next = vec![0.0; taps.len() / size * (size + 1)];
            for (tap, v) in taps.chunks_exact(n).enumerate() {
                let (outer, along, inside) = (tap / inner / size, tap / inner % size, tap % inner);
                let to = (outer * (size + 1) + along) * inner + inside;
                let projected = project(v, space, n);
                let (here, there) = next[to * n..].split_at_mut(inner * n);
                for i in 0..n {
                    here[i] += projected[i];
                    there[i] += v[i] - projected[i];
                }
            }
            taps = next;
        }
        if shorter {
            return taps;
        }
        taps.chunks_exact(n)
            .flat_map(|v| self.base.chunks_exact(n).map(move |row| dot(row, v)))
            .collect()
    }
}

/// v UᵀU.
fn project(v: &[f64], space: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n];
    for u in space.chunks_exact(n) {
        let c = dot(u, v);
        for (out, u) in out.iter_mut().zip(u) {
            *out += c * u;
        }
    }
    out
}

/// Σ a b, in ascending index.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += a * b;
    }
    sum
}

impl Kernel {
    fn factors(&self, stream: &Stream, matrix: u64, field: &[u64]) -> Arc<Factors> {
        let key = (stream.identity(), matrix);
        // As in `orthogonal`, the lock is not held while other threads may be waited for.
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kept, factors)) = &*last()
            && *kept == key
        {
            return Arc::clone(factors);
        }
        let block = (matrix % self.grid.blocks() as u64) as usize;
        let sides = (
            self.grid.outputs(block) as usize,
            self.grid.inputs() as usize,
        );
        let factors = Arc::new(Factors::new(stream, matrix, sides, field));
        *last() = Some((key, Arc::clone(&factors)));
        factors
    }
}

impl Structure for Kernel {
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        let (grid, field) = (&self.grid, self.grid.field());
        let side = grid.leading_side();
        let rows = PerUnit::new(grid, side, start, out.len());
        // The matrices of a run are made before its rows, which must not wait for other threads.
        let (mut index, mut rest) = (start, out);
        while !rest.is_empty() {
            let first = grid.place(index);
            let matrix = grid.matrix(&first);
            let factors = self.factors(stream, matrix, &field);
            let mut run = 1;
            while run < rest.len() && grid.matrix(&grid.place(index + run as u64)) == matrix {
                run += 1;
            }
            let (now, later) = rest.split_at_mut(run);
            let (outputs, inputs) = (grid.outputs(first.block), grid.inputs());
            let (own, others) = match side {
                Side::Output => (outputs, inputs),
                Side::Input => (inputs, outputs),
            };
            let fill = |start: u64, out: &mut [T]| {
                for (i, x) in (start..).zip(out) {
                    let place = grid.place(i);
                    let (row, other) = match side {
                        Side::Output => (place.output, place.input),
                        Side::Input => (place.input, place.output),
                    };
                    let taps = rows.of(grid, &place, |_| {
                        factors.row(row as usize, own <= others, &field)
                    });
                    let value = taps[(place.tap * others + other) as usize];
                    *x = T::from_f64(self.gain * value);
                }
            };
            // A few rows to each thread, for they cost more than their elements.
            let rows_of = (others * grid.taps()).max(1) as usize;
            crate::parallel::chunks(now, rows_of, |chunk, out| {
                fill(index + (chunk * rows_of) as u64, out);
            });
            (index, rest) = (index + run as u64, later);
        }
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            gain: factor * self.gain,
            ..self
        }
    }

    fn shares_work(&self) -> bool {
        true
    }

    fn moments(&self) -> Option<(f64, f64)> {
        // The rows of the shorter side have norm 1.
        let (outputs, inputs) = (self.grid.outputs(0), self.grid.inputs());
        let longer = (outputs.max(inputs) * self.grid.taps()).max(1);
        Some((0.0, self.gain * self.gain / longer as f64))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "orthogonal convolution, gain {}", Number(self.gain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initializer, Seed};

    fn draw<T: Element>(shape: &[usize], layout: &Layout) -> Vec<T> {
        let mut out = vec![T::default(); shape.iter().product()];
        Initializer::orthogonal_conv(1.0)
            .unwrap()
            .fill(Seed::new(4), "w", shape, layout, &mut out)
            .unwrap();
        out
    }

    /// max |A Aᵀ − 1| or |AᵀA − 1|, A the operator of the kernel [O, I, k…] on periodic signals of the given sizes.
    fn defect(kernel: &[f64], shape: &[usize], sizes: &[usize]) -> f64 {
        let (o, i, field) = (shape[0], shape[1], &shape[2..]);
        let positions: usize = sizes.iter().product();
        let coordinates = |mut index: usize, sizes: &[usize]| -> Vec<usize> {
            let mut out = vec![0; sizes.len()];
            for (c, n) in out.iter_mut().zip(sizes).rev() {
                *c = index % n;
                index /= n;
            }
            out
        };
        let (rows, columns) = (o * positions, i * positions);
        let taps: usize = field.iter().product();
        let mut a = vec![0f64; rows * columns];
        for p in 0..positions {
            let at = coordinates(p, sizes);
            for tap in 0..taps {
                let moved = coordinates(tap, field);
                let q = at
                    .iter()
                    .zip(&moved)
                    .zip(sizes)
                    .fold(0, |q, ((a, m), n)| q * n + (a + m) % n);
                for oc in 0..o {
                    for ic in 0..i {
                        a[(oc * positions + p) * columns + ic * positions + q] +=
                            kernel[(oc * i + ic) * taps + tap];
                    }
                }
            }
        }
        let at = |s: usize, k: usize| {
            if rows <= columns {
                a[s * columns + k]
            } else {
                a[k * columns + s]
            }
        };
        let (short, long) = (rows.min(columns), rows.max(columns));
        let mut worst = 0f64;
        for x in 0..short {
            for y in 0..=x {
                let dot: f64 = (0..long).map(|k| at(x, k) * at(y, k)).sum();
                worst = worst.max((dot - f64::from(u8::from(x == y))).abs());
            }
        }
        worst
    }

    #[test]
    fn the_operator_is_orthogonal() {
        for (shape, sizes) in [
            (vec![4, 4, 3], vec![7]),
            (vec![6, 3, 4], vec![5]),
            (vec![3, 6, 5], vec![6]),
            (vec![5, 5, 3, 3], vec![4, 5]),
            (vec![2, 5, 3, 2], vec![4, 3]),
            (vec![5, 2, 1, 4], vec![2, 5]),
            (vec![4, 3, 2, 3, 2], vec![3, 3, 2]),
            (vec![1, 1, 3], vec![4]),
        ] {
            let layout = Layout::conv(shape.len() - 2, 1);
            let kernel = draw::<f64>(&shape, &layout);
            let worst = defect(&kernel, &shape, &sizes);
            assert!(worst < 1e-13, "{shape:?}: {worst:e}");
            // Not by leaving the field empty.
            let taps: usize = shape[2..].iter().product();
            if shape[0].max(shape[1]) > 1 {
                for tap in 0..taps {
                    let square: f64 = kernel.iter().skip(tap).step_by(taps).map(|x| x * x).sum();
                    assert!(square > 1e-4, "{shape:?}, tap {tap}: {square}");
                }
            }
        }
    }

    #[test]
    fn groups_and_other_layouts() {
        let grouped = draw::<f64>(&[8, 3, 3], &Layout::conv(1, 2));
        for group in grouped.chunks(36) {
            assert!(defect(group, &[4, 3, 3], &[5]) < 1e-13);
        }
        // [k, k, in, out] as [out, in, k, k].
        let last = draw::<f64>(&[3, 2, 4, 6], &Layout::conv_channels_last(2, 1));
        let mut first = vec![0f64; last.len()];
        for tap in 0..6 {
            for i in 0..4 {
                for o in 0..6 {
                    first[(o * 4 + i) * 6 + tap] = last[(tap * 4 + i) * 6 + o];
                }
            }
        }
        assert!(defect(&first, &[6, 4, 3, 2], &[4, 3]) < 1e-13);
        // Of a transposed convolution the matrix [in, out, k] is orthogonal likewise.
        let transposed = draw::<f64>(&[4, 6, 3], &Layout::conv_transpose(1, 1, &[]));
        assert!(defect(&transposed, &[4, 6, 3], &[5]) < 1e-13);
        assert!(!draw::<f64>(&[3, 4, 2], &Layout::depthwise_channels_last(1)).is_empty());
    }

    #[test]
    fn single_precision_is_the_rounded_double() {
        let layout = Layout::conv(2, 1);
        let (single, double) = (
            draw::<f32>(&[6, 5, 3, 3], &layout),
            draw::<f64>(&[6, 5, 3, 3], &layout),
        );
        assert!(single.iter().zip(&double).all(|(s, d)| *s == *d as f32));
        let filler = Initializer::orthogonal_conv(1.0)
            .unwrap()
            .resolve(&[6, 5, 3, 3], &layout)
            .unwrap();
        let rms = (double.iter().map(|x| x * x).sum::<f64>() / double.len() as f64).sqrt();
        assert!((filler.expected_std().unwrap() / rms - 1.0).abs() < 1e-12);
    }

    #[test]
    fn strides_are_refused_with_a_way_out() {
        let error = Initializer::orthogonal_conv(1.0)
            .unwrap()
            .resolve(&[4, 4, 2], &Layout::conv(1, 1).strided(&[2]))
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("write delta_orthogonal"), "{error}");
    }
}
