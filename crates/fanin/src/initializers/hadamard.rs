//! `hadamard(gain)`: ZerO, an initialization without chance, of ones, zeros and Hadamard matrices.
//!
//! Where a matrix has no more outputs than inputs it is the identity as far as it goes. Where it has more, an identity
//! would leave outputs without signal; the columns of a Hadamard matrix spread the input over all of them instead. In
//! a convolution the centre of the field carries the matrix.

use super::arguments::Usual;
use super::grid::Grid;
use super::pattern::{Figure, Pattern};
use super::rule::{Rule, Unfit, gain_fault, rule};
use super::{Entry, identity};
use crate::Layout;
use crate::filler::Values;

rule! {
    /// ZerO: the identity, or columns of a Hadamard matrix where outputs outnumber inputs.
    Hadamard as hadamard {
        /// Factor on the matrix.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for Hadamard {
    const ENTRY: Entry = Entry {
        name: "hadamard",
        aliases: &["zero_hadamard", "zero_init"],
        formula: "outputs <= inputs: w[o, i] = gain where o = i; outputs > inputs: w[o, i] = gain 2^(-m/2) \
                  (-1)^popcount(o and i), 2^m the next power of two from the outputs on; at the centre of the field",
        when: "Residual networks that should start without chance (the last weight of each branch as zeros). Where the \
               outputs are a power of two the columns are orthonormal.",
        reference: "Zhao, Schäfer and Anandkumar, ZerO Initialization: Initializing Neural Networks with only Zeros and \
                    Ones, TMLR 2022 (arXiv 2110.12661); the scale is that of the authors' code, the paper's is √2 larger",
        example: "hadamard",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        identity::matrix(layout)?;
        let grid = Grid::new(shape, layout);
        let tap = grid.tap(0).unwrap_or(0);
        Ok(Pattern {
            name: "partial identity with Hadamard matrices",
            gain: self.gain,
            grid,
            figure: Figure::Hadamard { tap },
        }
        .into())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(shape: &[usize], layout: &Layout) -> Vec<f64> {
        let mut out = vec![9f64; shape.iter().product()];
        Initializer::hadamard(1.0)
            .unwrap()
            .fill(Seed::new(0), "w", shape, layout, &mut out)
            .unwrap();
        out
    }

    #[test]
    fn more_outputs_are_columns_of_a_hadamard_matrix() {
        // Sylvester's matrix of order 4, halved; from scipy.linalg.hadamard(4).
        let out = draw(&[4, 3], &Layout::linear_out_in());
        let expected = [
            [0.5, 0.5, 0.5],
            [0.5, -0.5, 0.5],
            [0.5, 0.5, -0.5],
            [0.5, -0.5, -0.5],
        ];
        assert_eq!(out, expected.as_flattened());
        // Orthonormal columns for 2^m outputs.
        let q = draw(&[32, 20], &Layout::linear_out_in());
        for i in 0..20 {
            for j in 0..20 {
                let dot: f64 = (0..32).map(|o| q[o * 20 + i] * q[o * 20 + j]).sum();
                assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn fewer_outputs_are_the_identity_and_convolutions_have_it_at_the_centre() {
        assert_eq!(
            draw(&[2, 3], &Layout::linear_out_in()),
            [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        );
        let conv = draw(&[4, 2, 3], &Layout::conv(1, 1));
        assert!(
            conv.iter()
                .enumerate()
                .all(|(i, x)| (*x != 0.0) == (i % 3 == 1))
        );
        assert!(
            Initializer::hadamard(1.0)
                .unwrap()
                .resolve(&[3], &Layout::vector())
                .is_err()
        );
    }
}
