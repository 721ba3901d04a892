//! `identity(gain, shift, offset)`: an output repeats its input; in a convolution, from the centre of the field (Dirac).
//!
//! In every group and fused part, input i goes to output i + `shift`, around the end; outputs without an input are 0.
//! `offset` moves the position from the centre of the field along each of its axes: with a causal kernel of 3, the last
//! position is at offset 1.

use super::arguments::Usual;
use super::grid::Grid;
use super::pattern::{Figure, Pattern};
use super::rule::{Rule, Unfit, gain_fault, rule};
use super::{Entry, InitError, Initializer};
use crate::filler::Values;
use crate::{Axis, Layout};

rule! {
    /// `gain` where the output is the input plus `shift`, `offset` positions from the centre of the field.
    Identity as identity_shifted {
        /// The value on the diagonal.
        gain: f64 = Usual::Silent(1.0),
        /// By how much outputs are moved against inputs.
        shift: i64 = Usual::Silent(0),
        /// Positions from the centre of the field.
        offset: i64 = Usual::Silent(0),
    }
}

impl Initializer {
    /// `gain` on the diagonal.
    ///
    /// # Errors
    /// When `gain` is not finite, or 0.
    pub fn identity(gain: f64) -> Result<Self, InitError> {
        Self::identity_shifted(gain, 0, 0)
    }
}

impl Rule for Identity {
    const ENTRY: Entry = Entry {
        name: "identity",
        aliases: &["eye", "dirac"],
        formula: "w[o, i, centre + offset] = gain where o = i + shift within the group, 0 elsewhere; the centre of k is k \
                  div 2",
        when: "Recurrent weights of ReLU networks, layers that should start by passing their input on.",
        reference: "Le, Jaitly and Hinton, A Simple Way to Initialize Recurrent Networks of Rectified Linear Units, 2015; \
                    Zagoruyko and Komodakis, DiracNets, 2017",
        example: "identity",
    };

    // A negative identity is a reflection, and meant.
    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain.abs())
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        let Self {
            gain,
            shift,
            offset,
        } = *self;
        matrix(layout)?;
        let grid = Grid::new(shape, layout);
        let Some(tap) = grid.tap(offset) else {
            return Err(format!("offset {offset} is outside the field {:?}", grid.field()).into());
        };
        Ok(Pattern {
            name: "identity",
            gain,
            grid,
            figure: Figure::Identity { shift, tap },
        }
        .into())
    }
}

/// Whether there are inputs, so that the tensor is a matrix.
pub(super) fn matrix(layout: &Layout) -> Result<(), Unfit> {
    let matrix = layout
        .axes
        .iter()
        .any(|a| matches!(a, Axis::Input | Axis::Field | Axis::Lookup));
    if matrix {
        Ok(())
    } else {
        Err("a vector is no matrix; write ones or constant".into())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(shape: &[usize], layout: &Layout) -> Vec<f32> {
        drawn("identity(gain=2)", shape, layout)
    }

    fn drawn(text: &str, shape: &[usize], layout: &Layout) -> Vec<f32> {
        let mut out = vec![9f32; shape.iter().product()];
        text.parse::<Initializer>()
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

    // Flux's identity_init shifts by circshift.
    #[test]
    fn a_shift_goes_around_the_end() {
        let layout = Layout::linear_out_in();
        assert_eq!(
            drawn("identity(shift=1)", &[3, 3], &layout),
            [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        );
        assert_eq!(
            drawn("identity(shift=-1)", &[3, 2], &layout),
            [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]
        );
        let causal = drawn("dirac(offset=1)", &[2, 2, 3], &Layout::conv(1, 1));
        assert_eq!(causal.iter().position(|x| *x == 1.0), Some(2));
        let error = Initializer::identity_shifted(1.0, 0, 2)
            .unwrap()
            .resolve(&[2, 2, 3], &Layout::conv(1, 1))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "identity(offset=2) for shape [2, 2, 3]: offset 2 is outside the field [3]"
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
