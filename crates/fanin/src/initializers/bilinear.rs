//! `bilinear(gain)`: the kernel of a transposed convolution that interpolates linearly.
//!
//! In one, two or three dimensions; channel i goes to channel i, so in a grouped or depthwise layout every channel is
//! interpolated on its own. An upsampling by s takes a kernel of 2 s − s mod 2 and stride s.

use std::sync::Arc;

use super::Entry;
use super::arguments::Usual;
use super::grid::Grid;
use super::pattern::{Figure, Pattern};
use super::rule::{Rule, Unfit, gain_fault, rule};
use crate::filler::Values;
use crate::{Axis, Layout};

rule! {
    /// The kernel of linear interpolation, channel by channel.
    Bilinear as bilinear {
        /// Factor on the kernel.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for Bilinear {
    const ENTRY: Entry = Entry {
        name: "bilinear",
        aliases: &["bilinear_upsampling", "linear_upsampling"],
        formula: "w[o, i, x, …] = gain Π (1 - |x / f - c|) where o = i, 0 elsewhere; f = ceil(k / 2), c = (2 f - 1 - f \
                  mod 2) / (2 f) along each axis of the field",
        when: "Transposed convolutions that upsample: segmentation, decoders. Kernel 2 s - s mod 2 with stride s.",
        reference: "Long, Shelhamer and Darrell, Fully Convolutional Networks for Semantic Segmentation, CVPR 2015; \
                    Caffe's bilinear filler",
        example: "bilinear",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        if !layout.axes.contains(&Axis::Field) {
            return Err("there is no field to interpolate over; it is for convolutions".into());
        }
        let grid = Grid::new(shape, layout);
        let weights = grid.field().iter().fold(vec![1.0], |weights, &size| {
            let axis: Vec<f64> = (0..size).map(|x| triangle(x, size)).collect();
            let row = |w: &f64| axis.iter().map(|a| w * a).collect::<Vec<_>>();
            weights.iter().flat_map(row).collect()
        });
        Ok(Pattern {
            name: "linear interpolation",
            gain: self.gain,
            grid,
            figure: Figure::Filter(Arc::from(weights)),
        }
        .into())
    }
}

/// The weight at position x of a kernel of this size.
fn triangle(x: u64, size: u64) -> f64 {
    let f = size.div_ceil(2);
    let centre = (2 * f - 1 - f % 2) as f64 / (2 * f) as f64;
    1.0 - (x as f64 / f as f64 - centre).abs()
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    fn draw(shape: &[usize], layout: &Layout) -> Vec<f64> {
        let mut out = vec![9f64; shape.iter().product()];
        let bilinear = Initializer::bilinear(1.0).unwrap();
        bilinear
            .fill(Seed::new(0), "w", shape, layout, &mut out)
            .unwrap();
        out
    }

    // mxnet.init.Bilinear and Caffe give these for a kernel of 4.
    #[test]
    fn the_kernel_of_an_upsampling_by_two() {
        let out = draw(&[1, 1, 4], &Layout::conv_transpose(1, 1, &[2]));
        assert_eq!(out, [0.25, 0.75, 0.75, 0.25]);
        let out = draw(&[2, 1, 4, 4], &Layout::conv_transpose(2, 2, &[2, 2]));
        for channel in out.chunks(16) {
            assert_eq!(channel[..4], [0.0625, 0.1875, 0.1875, 0.0625]);
            assert_eq!(channel[4..8], [0.1875, 0.5625, 0.5625, 0.1875]);
        }
    }

    /// A constant signal stays constant: the positions that one output sees add up to 1.
    #[test]
    fn constants_are_kept() {
        for s in 2..6usize {
            let k = 2 * s - s % 2;
            let out = draw(&[1, 1, k], &Layout::conv_transpose(1, 1, &[s]));
            for phase in 0..s {
                let sum: f64 = out.iter().skip(phase).step_by(s).sum();
                assert!((sum - 1.0).abs() < 1e-15, "stride {s}: {sum}");
            }
        }
        // Channels do not mix.
        let dense = draw(&[3, 3, 2, 2], &Layout::conv_transpose(2, 1, &[]));
        assert!(
            dense
                .chunks(4)
                .enumerate()
                .all(|(i, k)| (k[0] != 0.0) == (i % 4 == 0))
        );
    }
}
