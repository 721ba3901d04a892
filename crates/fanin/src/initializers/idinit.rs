//! `idinit(tau)`: identities side by side, so that no output of a rectangular matrix is left without signal.
//!
//! A convolution is the matrix [out, in · k] whose columns run through the inputs and, within an input, through the
//! field ("patch-maintain"), so that outputs start from different positions of the field. With `tau` = 1e-6 it is the
//! paper's start of the last weight of a residual branch, where exact zeros would leave units dead.

use super::arguments::Usual;
use super::grid::Grid;
use super::pattern::{Figure, Pattern};
use super::rule::{Rule, Unfit, rule};
use super::{Entry, identity};
use crate::Layout;
use crate::filler::Values;

rule! {
    /// IDInit: `tau` wherever output and column agree modulo the shorter side.
    Idinit as idinit {
        /// The value of the ones.
        tau: f64 = Usual::Shown(1.0),
    }
}

impl Rule for Idinit {
    const ENTRY: Entry = Entry {
        name: "idinit",
        aliases: &["padded_identity"],
        formula: "w[o, j] = tau where o = j modulo min(out, in k), 0 elsewhere; j = i k + position in the field",
        when: "Residual networks that should start as the identity: tau=1 for weights, tau=1e-6 for the last weight of \
               a branch. It wants momentum and a little noise in training, or symmetric units stay symmetric.",
        reference: "Pan et al., IDInit: A Universal and Stable Initialization Method for Neural Network Training, ICLR \
                    2025 (arXiv 2503.04626)",
        example: "idinit(tau=1)",
    };

    fn fault(&self) -> Option<&'static str> {
        if !self.tau.is_finite() {
            Some("tau must be finite")
        } else {
            (self.tau == 0.0).then_some("tau must not be 0; for zeros write zeros")
        }
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        identity::matrix(layout)?;
        Ok(Pattern {
            name: "repeated identity",
            gain: self.tau,
            grid: Grid::new(shape, layout),
            figure: Figure::Repeated,
        }
        .into())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(shape: &[usize], layout: &Layout) -> Vec<f32> {
        let mut out = vec![9f32; shape.iter().product()];
        Initializer::idinit(1.0)
            .unwrap()
            .fill(Seed::new(0), "w", shape, layout, &mut out)
            .unwrap();
        out
    }

    #[test]
    fn identities_lie_side_by_side() {
        assert_eq!(
            draw(&[2, 5], &Layout::linear_out_in()),
            [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
        );
        assert_eq!(
            draw(&[5, 2], &Layout::linear_out_in()),
            [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]
        );
        let square = draw(&[3, 3], &Layout::linear_in_out());
        assert_eq!(square, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_convolution_keeps_patches() {
        // [2, 2, 2] is the matrix [2, 4] of two identities.
        let conv = draw(&[2, 2, 2], &Layout::conv(1, 1));
        assert_eq!(conv, [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        // No output without signal.
        let wide = draw(&[64, 3, 3, 3], &Layout::conv(2, 1));
        assert!(wide.chunks(27).all(|row| row.iter().sum::<f32>() == 1.0));
    }
}
