//! `spectral(gain)`: weights whose largest singular value is about √(fan_out / fan_in).
//!
//! Under that condition every layer's features and their changes keep their size at any width.

use super::Entry;
use super::arguments::Usual;
use super::by_fans::normal_by_fans;
use super::rule::{Rule, Unfit, gain_fault, rule};
use crate::Layout;
use crate::filler::Values;

rule! {
    /// N(0, σ²) with σ = `gain` / √fan_in · min(1, √(fan_out / fan_in)).
    Spectral as spectral {
        /// Factor on the standard deviation.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for Spectral {
    const ENTRY: Entry = Entry {
        name: "spectral",
        aliases: &["spectral_normal"],
        formula: "w ~ N(0, σ²), σ = gain / √fan_in · min(1, √(fan_out / fan_in)); the spectral norm is about √(fan_out / \
                  fan_in) times a constant",
        when: "Models of growing width, as mup but without roles: the shape alone tells a head from a hidden weight.",
        reference: "Yang, Simon and Bernstein, A Spectral Condition for Feature Learning, 2023 (arXiv 2310.17813)",
        example: "spectral",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        normal_by_fans(shape, layout, |fans| {
            let narrow = (fans.fan_out / fans.fan_in).sqrt().min(1.0);
            self.gain / fans.fan_in.sqrt() * narrow
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    /// The largest singular value, by power iteration, over √(out / in), for wide, square and tall matrices.
    #[test]
    fn the_spectral_norm_is_of_order_one() {
        for (o, i) in [(8, 512), (256, 256), (512, 8), (512, 64)] {
            let mut w = vec![0f64; o * i];
            let spectral = Initializer::spectral(1.0).unwrap();
            spectral
                .fill(Seed::new(0), "w", &[o, i], &Layout::linear_out_in(), &mut w)
                .unwrap();
            let mut x = vec![1.0; i];
            let mut norm = 0.0;
            for _ in 0..100 {
                let y: Vec<f64> = w
                    .chunks(i)
                    .map(|row| row.iter().zip(&x).map(|(a, b)| a * b).sum())
                    .collect();
                let mut z = vec![0.0; i];
                for (row, y) in w.chunks(i).zip(&y) {
                    for (z, w) in z.iter_mut().zip(row) {
                        *z += w * y;
                    }
                }
                let length = z.iter().map(|v| v * v).sum::<f64>().sqrt();
                norm = length.sqrt();
                x = z.iter().map(|v| v / length).collect();
            }
            let ratio = norm / (o as f64 / i as f64).sqrt();
            // Gaussian matrices: 1 + √(smaller / larger), of the paper's condition up to 2.
            let expected = 1.0 + (o.min(i) as f64 / o.max(i) as f64).sqrt();
            assert!((ratio / expected - 1.0).abs() < 0.1, "{o} × {i}: {ratio}");
        }
    }
}
