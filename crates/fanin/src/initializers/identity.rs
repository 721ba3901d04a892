//! `identity(gain)`: an output repeats its input; in a convolution, from the centre of the field (Dirac).
//!
//! Output i of every group and fused part takes input i; outputs without an input of the same number are 0.

use super::{Entry, InitError, Initializer};
use crate::{Axis, Element, Layout};

pub(super) const ENTRY: Entry = Entry {
    name: "identity",
    aliases: &["eye", "dirac"],
    formula: "w[o, i, centre] = gain where o = i within the group, 0 elsewhere; the centre of k is k div 2",
    when: "Recurrent weights of ReLU networks, layers that should start by passing their input on.",
    reference: "Le, Jaitly and Hinton, A Simple Way to Initialize Recurrent Networks of Rectified Linear Units, 2015; \
                Zagoruyko and Komodakis, DiracNets, 2017",
    example: "identity",
};

impl Initializer {
    /// `gain` on the diagonal.
    ///
    /// # Errors
    /// When `gain` is not finite, or 0.
    pub fn identity(gain: f64) -> Result<Self, InitError> {
        Self::Identity { gain }.validated()
    }
}

/// One axis of the tensor and what its coordinate means.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dim {
    size: u64,
    axis: Axis,
}

/// A resolved identity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identity {
    gain: f64,
    dims: Vec<Dim>,
    /// Channels of one group along the axis that groups split.
    group: u64,
    transposed: bool,
    /// First output of every fused part.
    parts: Vec<u64>,
}

impl Identity {
    pub(super) fn new(gain: f64, shape: &[usize], layout: &Layout) -> Self {
        let dims: Vec<Dim> = shape
            .iter()
            .zip(&layout.axes)
            .map(|(&size, &axis)| Dim {
                size: size as u64,
                axis,
            })
            .collect();
        let count = |wanted: Axis| {
            dims.iter()
                .filter(|d| d.axis == wanted)
                .map(|d| d.size)
                .product::<u64>()
        };
        let split = count(if layout.transposed {
            Axis::Input
        } else {
            Axis::Output
        });
        let group = split / (layout.group_count(shape).max(1) as u64);
        let parts = layout
            .fused
            .iter()
            .scan(0, |offset, &size| {
                let first = *offset;
                *offset += size as u64;
                Some(first)
            })
            .collect();
        Self {
            gain,
            dims,
            group: group.max(1),
            transposed: layout.transposed,
            parts,
        }
    }

    pub(crate) fn gain(&self) -> f64 {
        self.gain
    }

    /// Writes elements `start ..`.
    pub(crate) fn fill<T: Element>(&self, start: u64, out: &mut [T]) {
        let gain = T::from_f64(self.gain);
        crate::parallel::pieces(start, out, |start, out| {
            for (i, x) in (start..).zip(out) {
                *x = if self.on_diagonal(i) {
                    gain
                } else {
                    T::default()
                };
            }
        });
    }

    fn on_diagonal(&self, mut index: u64) -> bool {
        let (mut output, mut input, mut output_unit, mut input_unit) = (0, 0, 1, 1);
        for dim in self.dims.iter().rev() {
            let coordinate = index % dim.size;
            index /= dim.size;
            match dim.axis {
                Axis::Output => {
                    output += coordinate * output_unit;
                    output_unit *= dim.size;
                }
                Axis::Input | Axis::Lookup => {
                    input += coordinate * input_unit;
                    input_unit *= dim.size;
                }
                Axis::Field if coordinate != dim.size / 2 => return false,
                Axis::Field | Axis::Stack => {}
            }
        }
        let first = self
            .parts
            .iter()
            .rev()
            .find(|&&first| first <= output)
            .copied()
            .unwrap_or(0);
        if self.transposed {
            input % self.group == output - first
        } else {
            (output - first) % self.group == input
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(shape: &[usize], layout: &Layout) -> Vec<f32> {
        let mut out = vec![9f32; shape.iter().product()];
        Initializer::identity(2.0)
            .unwrap()
            .fill(Seed::new(0), "w", shape, layout, &mut out)
            .unwrap();
        out
    }

    #[test]
    fn matrices() {
        assert_eq!(
            draw(&[2, 3], &Layout::linear_out_in()),
            [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]
        );
        let two = [2.0, 0.0, 0.0, 2.0];
        assert_eq!(
            draw(&[2, 2, 2], &Layout::linear_in_out().stack(1)),
            [two, two].concat()
        );
        assert_eq!(
            draw(&[4, 2], &Layout::linear_out_in().fused(&[2, 2])),
            [two, two].concat()
        );
    }

    #[test]
    fn a_grouped_convolution_passes_its_input_on() {
        let out = draw(&[4, 2, 3], &Layout::conv(1, 2));
        let centre: Vec<f32> = out.chunks(3).map(|k| k[1]).collect();
        assert_eq!(centre, [2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0]);
        assert_eq!(out.iter().filter(|x| **x != 0.0).count(), 4);
        assert_eq!(draw(&[3, 1, 1], &Layout::depthwise(1)), [2.0; 3]);
        assert_eq!(
            draw(&[4, 2, 1], &Layout::conv_transpose(1, 2, &[])),
            [2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0]
        );
    }

    // Keras's get_config forgets the gain.
    #[test]
    fn the_gain_survives_a_round_trip() {
        let identity = Initializer::identity(3.0).unwrap();
        assert_eq!(identity.to_string(), "identity(gain=3)");
        assert_eq!(identity.to_string().parse(), Ok(identity));
    }
}
