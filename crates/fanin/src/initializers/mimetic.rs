//! `mimetic(of, alpha, beta, transposed)`: attention that starts as that of trained transformers looks.
//!
//! In trained vision transformers the product of query and key weights is near α Z + β I, and that of the value and the
//! output projection near α Z − β I, Z a random matrix (Trockman and Kolter 2023). The paper factors such a product by
//! an SVD, whose bits nobody promises and of which no part stands alone. Here one factor is a random orthogonal matrix
//! and the other is made for it:
//!
//! * keys K by `orthogonal`, queries Q = α G + β K: QᵀK = α GᵀK + β KᵀK, which for one head is rank k, with KᵀK the
//!   projection on the head's k directions in place of I;
//! * values V by `orthogonal`, the projection P = α G − β Vᵀ: P V = α G V − β I.
//!
//! G has entries N(0, 1/n) for n inputs, and so has G times an orthogonal matrix: the products are distributed as the
//! paper's, only the share of the two factors in them differs.
//!
//! # Contract
//!
//! `(α/√n) g + β k`, both summands and the sum rounded to the working precision (f32; f64 for f64): g is the tensor's own
//! stream as for [`normal`](super::normal), k the element of the tensor `of` as [`orthogonal`](super::orthogonal) of the
//! same layout gives it under the same seed, at the same place or at the transposed one.

use std::fmt;

use super::Entry;
use super::arguments::Usual;
use super::haar::Haar;
use super::rule::{Rule, Unfit, rule};
use super::structure::Structure;
use crate::element::private::{Real, Sealed};
use crate::filler::Values;
use crate::sampler::{Normal, Sampler};
use crate::text::Number;
use crate::{Axis, Element, Layout, Stream};

rule! {
    /// A multiple of another tensor's orthogonal matrix, and noise.
    Mimetic as mimetic {
        /// The name of the other tensor, which must be filled by `orthogonal` under the same seed.
        of: String,
        /// Factor on the noise, whose variance is 1 over the inputs.
        alpha: f64 = Usual::Shown(0.7),
        /// Factor on the other tensor.
        beta: f64 = Usual::Shown(0.7),
        /// Whether the other tensor is turned around.
        transposed: bool = Usual::Silent(false),
    }
}

impl Rule for Mimetic {
    const ENTRY: Entry = Entry {
        name: "mimetic",
        aliases: &[],
        formula: "w = alpha N(0, 1/fan_in) + beta W, W the tensor `of`, which is filled by orthogonal (or its transpose)",
        when: "Attention, above all of small transformers on little data: keys by orthogonal and queries by mimetic(of='<key \
               weight>') start with Q'K near alpha Z + beta I; values by orthogonal and the output projection by \
               mimetic(of='<value weight>', alpha=0.4, beta=-0.4, transposed=true) with P V = alpha Z - beta I.",
        reference: "Trockman and Kolter, Mimetic Initialization of Self-Attention Layers, ICML 2023 (arXiv 2305.09828); \
                    one factor orthogonal instead of an SVD, so that every slice has bits of its own",
        example: "mimetic(of='blocks.0.attention.key.weight')",
    };

    fn fault(&self) -> Option<&'static str> {
        if self.of.is_empty() {
            Some("of must name the other tensor")
        } else if self.of.contains(['\'', '\\']) || self.of.chars().any(char::is_control) {
            Some("of must not hold a quote, a backslash or a control character")
        } else if !(self.alpha.is_finite() && self.beta.is_finite()) {
            Some("alpha and beta must be finite")
        } else {
            (self.alpha < 0.0).then_some("alpha must not be negative")
        }
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        let &[rows, columns] = shape else {
            return Err("it is for matrices".into());
        };
        if layout.groups != 1
            || !layout.fused.is_empty()
            || layout
                .axes
                .iter()
                .any(|axis| !matches!(axis, Axis::Output | Axis::Input))
        {
            return Err(
                "it is for plain matrices of inputs and outputs; write fused parts as concat(…)"
                    .into(),
            );
        }
        let inputs = layout.fans(shape)?.fan_in;
        let std = if inputs > 0.0 {
            self.alpha / inputs.sqrt()
        } else {
            0.0
        };
        let other = if self.transposed {
            [columns, rows]
        } else {
            [rows, columns]
        };
        Ok(Mimic {
            of: self.of.clone(),
            std,
            beta: self.beta,
            columns,
            transposed: self.transposed.then_some(rows),
            other: Haar::new(1.0, &other, layout)?,
        }
        .into())
    }
}

/// A resolved mimetic matrix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mimic {
    of: String,
    std: f64,
    beta: f64,
    columns: usize,
    /// The rows of this matrix, which are the columns of the other one, if that is turned around.
    transposed: Option<usize>,
    other: Haar,
}

impl Mimic {
    /// Elements `start ..` of the other matrix, turned around if it is to be.
    fn others<F: Real>(&self, stream: &Stream, start: u64, out: &mut [F]) {
        /// Rows of the other matrix that are there at a time.
        const SOME: usize = 128;
        let Some(width) = self.transposed else {
            return self.other.fill(stream, start, out);
        };
        // Row r of the other matrix is column r of this one.
        let columns = self.columns as u64;
        let mut rows = vec![F::default(); SOME * width];
        for first in (0..self.columns).step_by(SOME) {
            let some = SOME.min(self.columns - first);
            let rows = &mut rows[..some * width];
            self.other.fill(stream, (first * width) as u64, rows);
            for (x, index) in out.iter_mut().zip(start..) {
                let (row, column) = ((index / columns) as usize, (index % columns) as usize);
                if (first..first + some).contains(&column) {
                    *x = rows[(column - first) * width + row];
                }
            }
        }
    }
}

impl Structure for Mimic {
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        let mut noise = vec![T::Real::default(); out.len()];
        let normal = Sampler::Normal(Normal {
            mean: 0.0,
            std: self.std,
        });
        normal.fill(stream, start, &mut noise);
        let mut others = vec![T::Real::default(); out.len()];
        self.others(&stream.of_tensor(&self.of), start, &mut others);
        let beta = T::Real::from_f64(self.beta);
        for (out, (noise, other)) in out.iter_mut().zip(noise.into_iter().zip(others)) {
            *out = <T as Sealed>::round(noise + beta * other);
        }
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            std: factor * self.std,
            beta: factor * self.beta,
            ..self
        }
    }

    fn shares_work(&self) -> bool {
        true
    }

    fn moments(&self) -> Option<(f64, f64)> {
        let square = self.std.powi(2) + (self.beta * self.other.rms()).powi(2);
        Some((0.0, square))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turned = if self.transposed.is_some() {
            "the transpose of "
        } else {
            ""
        };
        write!(
            f,
            "normal(std={}) + {} × {turned}the orthogonal {}",
            Number(self.std),
            Number(self.beta),
            self.of
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed, Stream};

    fn draw(text: &str, name: &str, shape: &[usize; 2]) -> Vec<f64> {
        let mut out = vec![9f64; shape[0] * shape[1]];
        text.parse::<Initializer>()
            .unwrap()
            .fill(
                Seed::new(3),
                name,
                shape,
                &Layout::linear_out_in(),
                &mut out,
            )
            .unwrap();
        out
    }

    /// AᵀB for A and B of k × n, or A B for squares.
    fn product(n: usize, k: usize, at: impl Fn(usize, usize, usize) -> f64) -> Vec<f64> {
        let sum = |i, j| (0..k).map(|r| at(r, i, j)).sum();
        (0..n * n).map(|e| sum(e / n, e % n)).collect()
    }

    /// Slope on the identity, and variance of what is left times n.
    fn parts(product: &[f64], n: usize) -> (f64, f64) {
        let slope = (0..n).map(|i| product[i * n + i]).sum::<f64>() / n as f64;
        let left = product.iter().enumerate().map(|(e, x)| {
            let rest = if e / n == e % n { x - slope } else { *x };
            rest * rest
        });
        (slope, left.sum::<f64>() / n as f64)
    }

    #[test]
    fn queries_and_keys_are_near_the_identity() {
        let n = 96;
        let k = draw("orthogonal", "k", &[n, n]);
        let q = draw("mimetic(of='k', alpha=0.7, beta=0.5)", "q", &[n, n]);
        let (slope, noise) = parts(&product(n, n, |r, i, j| q[r * n + i] * k[r * n + j]), n);
        // The mean of n diagonal elements of variance α²/n, and the mean of n² squares.
        assert!((slope - 0.5).abs() < 4.0 * 0.7 / n as f64, "{slope}");
        assert!((noise / 0.49 - 1.0).abs() < 0.06, "{noise}");
    }

    #[test]
    fn projection_and_values_are_near_minus_the_identity() {
        let n = 96;
        let v = draw("orthogonal", "v", &[n, n]);
        let text = "mimetic(of='v', alpha=0.4, beta=-0.4, transposed=true)";
        let p = draw(text, "p", &[n, n]);
        let (slope, noise) = parts(&product(n, n, |r, i, j| p[i * n + r] * v[r * n + j]), n);
        assert!((slope + 0.4).abs() < 4.0 * 0.4 / n as f64, "{slope}");
        assert!((noise / 0.16 - 1.0).abs() < 0.06, "{noise}");
        // Without noise it is the transpose to the bit, of rectangles too.
        let v = draw("orthogonal", "v", &[7, 150]);
        let p = draw(
            "mimetic(of='v', alpha=0, beta=1, transposed=true)",
            "p",
            &[150, 7],
        );
        for (e, x) in p.iter().enumerate() {
            assert_eq!(*x, v[e % 7 * 150 + e / 7]);
        }
    }

    #[test]
    fn a_slice_alone_is_the_slice_of_the_whole() {
        for text in ["mimetic(of='k')", "mimetic(of='k', transposed=true)"] {
            let whole = draw(text, "q", &[40, 300]);
            let filler = text
                .parse::<Initializer>()
                .unwrap()
                .resolve(&[40, 300], &Layout::linear_out_in())
                .unwrap();
            let stream = Stream::new(Seed::new(3), "q");
            for (start, end) in [(0, 1), (299, 301), (5_000, 9_001), (11_999, 12_000)] {
                let mut part = vec![0f64; end - start];
                filler.fill(&stream, start as u64, &mut part).unwrap();
                assert_eq!(part, whole[start..end], "{text} {start}..{end}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_gets_a_sentence() {
        let fault = |text: &str| text.parse::<Initializer>().unwrap_err().to_string();
        assert!(fault("mimetic").contains("needs of"));
        assert!(fault("mimetic(of=3)").contains("a name in quotes"));
        assert!(fault("mimetic(of='k").contains("is not closed"));
        let of = |of: &str| {
            Initializer::mimetic(of.to_owned(), 0.7, 0.7, false)
                .unwrap_err()
                .to_string()
        };
        assert!(of("it's").contains("quote"));
        assert!(of("").contains("must name"));
    }
}
