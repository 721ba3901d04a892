//! `nguyen_widrow(gain)`: weight vectors of one length for all units, so that their kinks cover the input's range.
//!
//! # Contract
//!
//! Unit u, counted over the tensor by stacked copy, then output, has the direction of n elements of the uniform
//! distribution on [−1, 1] of the sub-stream `nguyen_widrow`, from element u n on, in the order input, position of the
//! field; n is the fan-in. Squares are summed in double precision in that order.

use std::fmt;

use super::arguments::Usual;
use super::grid::{Grid, PerUnit, Side};
use super::log_uniform::each_double;
use super::rule::{Rule, Unfit, gain_fault, rule};
use super::structure::Structure;
use super::{Entry, identity};
use crate::element::private::Sealed;
use crate::filler::Values;
use crate::math::double::{exp, ln};
use crate::text::Number;
use crate::{Element, Layout, Stream};

rule! {
    /// Random directions, all of length 0.7 `gain` H^(1/n) for H outputs and n inputs.
    NguyenWidrow as nguyen_widrow {
        /// Factor on the length; 1 for inputs in [−1, 1].
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for NguyenWidrow {
    const ENTRY: Entry = Entry {
        name: "nguyen_widrow",
        aliases: &[],
        formula: "w[o] = 0.7 gain H^(1/n) v / |v|, v ~ U[-1, 1]^n, for H outputs and fan-in n; biases uniform(-b, b) \
                  with b = 0.7 H^(1/n)",
        when: "One hidden layer of tanh units that approximates a function of a few inputs in [-1, 1].",
        reference: "Nguyen and Widrow, Improving the Learning Speed of 2-Layer Neural Networks by Choosing Initial Values \
                    of the Adaptive Weights, IJCNN 1990",
        example: "nguyen_widrow",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        identity::matrix(layout)?;
        let grid = Grid::new(shape, layout);
        let fan = (grid.inputs() * grid.taps()).max(1) as f64;
        let lengths = (0..grid.blocks())
            .map(|block| {
                let outputs = grid.outputs(block).max(1) as f64;
                0.7 * self.gain * exp(ln(outputs) / fan)
            })
            .collect();
        Ok(UnitVectors { grid, lengths }.into())
    }
}

/// A tensor whose units have weight vectors of given length.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnitVectors {
    grid: Grid,
    /// Length of the vectors of each block.
    lengths: Vec<f64>,
}

impl Structure for UnitVectors {
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        let stream = stream.substream("nguyen_widrow");
        let vectors = PerUnit::new(&self.grid, Side::Output, start, out.len());
        let n = self.grid.inputs() * self.grid.taps();
        crate::parallel::pieces(start, out, |start, out| {
            for (i, x) in (start..).zip(out) {
                let place = self.grid.place(i);
                let vector = vectors.of(&self.grid, &place, |unit| {
                    let mut vector = vec![T::Real::default(); n as usize];
                    each_double((-1.0, 1.0), &stream, unit * n, &mut vector, |u| u);
                    let mut square = 0.0;
                    for v in &vector {
                        square += v.to_f64() * v.to_f64();
                    }
                    let factor = self.lengths[place.block] / square.sqrt();
                    for v in &mut vector {
                        *v = <T::Real as Element>::from_f64(factor * v.to_f64());
                    }
                    vector
                });
                let at = place.input * self.grid.taps() + place.tap;
                *x = <T as Sealed>::round(vector[at as usize]);
            }
        });
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            lengths: self.lengths.iter().map(|length| factor * length).collect(),
            ..self
        }
    }

    fn moments(&self) -> Option<(f64, f64)> {
        let (mut square, mut all) = (0.0, 0.0);
        for (block, length) in self.lengths.iter().enumerate() {
            let outputs = self.grid.outputs(block) as f64;
            square += outputs * length * length;
            all += outputs * (self.grid.inputs() * self.grid.taps()) as f64;
        }
        Some((0.0, square / f64::max(all, 1.0)))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "random directions of length {}", Number(self.lengths[0]))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn all_units_have_the_same_length() {
        for (layout, shape, transposed) in [
            (Layout::linear_out_in(), [20, 3], false),
            (Layout::linear_in_out(), [3, 20], true),
        ] {
            let mut out = vec![0f64; 60];
            let rule = Initializer::nguyen_widrow(1.0).unwrap();
            rule.fill(Seed::new(0), "w", &shape, &layout, &mut out)
                .unwrap();
            let expected = 0.7 * 20f64.cbrt();
            for unit in 0..20 {
                let norm = (0..3)
                    .map(|i| {
                        if transposed {
                            i * 20 + unit
                        } else {
                            unit * 3 + i
                        }
                    })
                    .map(|i| out[i] * out[i])
                    .sum::<f64>()
                    .sqrt();
                assert!((norm / expected - 1.0).abs() < 1e-14, "{norm} {expected}");
            }
            let filler = rule.resolve(&shape, &layout).unwrap();
            let rms = (out.iter().map(|x| x * x).sum::<f64>() / 60.0).sqrt();
            assert!((filler.expected_std().unwrap() / rms - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn both_layouts_hold_the_same_matrix() {
        let draw = |shape: &[usize], layout: &Layout| {
            let mut out = vec![0f32; 60];
            let rule = Initializer::nguyen_widrow(2.0).unwrap();
            rule.fill(Seed::new(0), "w", shape, layout, &mut out)
                .unwrap();
            out
        };
        let rows = draw(&[20, 3], &Layout::linear_out_in());
        let columns = draw(&[3, 20], &Layout::linear_in_out());
        for o in 0..20 {
            for i in 0..3 {
                assert_eq!(rows[o * 3 + i], columns[i * 20 + o]);
            }
        }
    }
}
