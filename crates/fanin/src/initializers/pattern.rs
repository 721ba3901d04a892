//! Weights without chance: every element a function of its output, input and position of the field.

use std::fmt;
use std::sync::Arc;

use super::grid::{Grid, Place};
use super::structure::Structure;
use crate::text::Number;
use crate::{Element, Stream};

/// What is drawn into each matrix.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Figure {
    /// Input i to output i + shift, around the end; at one position of the field.
    Identity { shift: i64, tap: u64 },
    /// The identity as far as it goes, or columns of a Hadamard matrix where outputs outnumber inputs.
    Hadamard { tap: u64 },
    /// Ones wherever row and column agree modulo the shorter side; the field belongs to the columns.
    Repeated,
    /// Channel i to channel i, with a weight for each position of the field.
    Filter(Arc<[f64]>),
}

/// A resolved pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    pub(super) name: &'static str,
    pub(super) gain: f64,
    pub(super) grid: Grid,
    pub(super) figure: Figure,
}

impl Pattern {
    /// The value at a place, before the gain.
    fn value(&self, place: &Place) -> f64 {
        let one = |yes: bool| if yes { 1.0 } else { 0.0 };
        let (outputs, inputs) = (self.grid.outputs(place.block), self.grid.inputs());
        match &self.figure {
            Figure::Identity { shift, tap } => {
                let moved = (i128::from(place.input) + i128::from(*shift))
                    .rem_euclid(i128::from(outputs.max(1)));
                one(place.tap == *tap && place.input < outputs && moved == i128::from(place.output))
            }
            Figure::Hadamard { tap } if place.tap != *tap => 0.0,
            Figure::Hadamard { .. } if outputs <= inputs => one(place.output == place.input),
            Figure::Hadamard { .. } => {
                let size = outputs.next_power_of_two().trailing_zeros() as i32;
                let half = 0.5f64.powi(size / 2);
                let scale = if size % 2 == 0 {
                    half
                } else {
                    half * std::f64::consts::FRAC_1_SQRT_2
                };
                if (place.output & place.input).count_ones().is_multiple_of(2) {
                    scale
                } else {
                    -scale
                }
            }
            Figure::Repeated => {
                let column = place.input * self.grid.taps() + place.tap;
                let period = outputs.min(inputs * self.grid.taps()).max(1);
                one(place.output % period == column % period)
            }
            Figure::Filter(weights) => {
                one(place.output == place.input) * weights[place.tap as usize]
            }
        }
    }
}

impl Structure for Pattern {
    fn fill<T: Element>(&self, _: &Stream, start: u64, out: &mut [T]) {
        crate::parallel::pieces(start, out, |start, out| {
            for (i, x) in (start..).zip(out) {
                let value = self.value(&self.grid.place(i));
                // Not 0 times the gain, which may be −0.
                *x = if value == 0.0 {
                    T::default()
                } else {
                    T::from_f64(self.gain * value)
                };
            }
        });
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            gain: factor * self.gain,
            ..self
        }
    }

    fn moments(&self) -> Option<(f64, f64)> {
        None
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, gain {}", self.name, Number(self.gain))
    }
}
