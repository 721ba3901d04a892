//! `orthogonal(gain)`: a matrix with orthonormal rows or columns, uniform over all such matrices (Haar).
//!
//! # Construction
//!
//! Not a QR decomposition, whose bits depend on the library and its threads, but the product of Householder
//! reflections that QR of a Gaussian matrix would find (Stewart 1980, Mezzadri 2007): with n the longer and k the
//! shorter side, Q = H₁ H₂ … H_k D. Reflection j (from 1) acts on the coordinates j … n by v_j, which is
//! x + sign(x₁)‖x‖ e₁ normalized, of a Gaussian vector x of n − j + 1 elements; D has the signs −sign(x₁).
//!
//! * At most as many rows as columns: row i is column i of Q, that is d_i H₁ … H_i e_i.
//! * More rows than columns: the matrix is the first k columns of Q, and row i is e_iᵀ H₁ … H_k D, cut off.
//!
//! Either way a row needs the reflections but no other row, so any slice can be filled alone.
//!
//! # Contract
//!
//! The Gaussian elements are those of the normal distribution in the sub-stream `orthogonal/m`: coordinate r (from 0)
//! of reflection j (from 0) is element j n + r. m counts the matrices of the tensor in row-major order: stack
//! positions, then blocks of rows, then blocks of columns, where groups and fused parts are the blocks. The rows are
//! the leading axes of the tensor and the columns the trailing ones; the field belongs to the inputs, or to the outputs
//! of a transposed convolution.
//!
//! The reflections are applied in blocks of 32 as I − V T Vᵀ (Schreiber and Van Loan 1989). v, norms and T are computed
//! in double precision, sums in ascending index, and rounded to the working precision: f32, or f64 for f64. All else is
//! in working precision. Every sum adds its products one at a time, in ascending index, to one accumulator:
//!
//! * rows ≤ columns, blocks descending: `c_k = Σ_r v_k[r] x[r]`, `y_a = Σ_{k ≥ a} T[a,k] c_k`, then for k ascending
//!   `x[r] −= v_k[r] y_k`;
//! * rows > columns, blocks ascending, with `Γ[a,k] = Σ_r v_a[r] v_k[r]`: `c_k = v_k[i]`, then for a ascending over all
//!   earlier blocks `c_k −= Γ[a,k] y_a`, and `y_k = Σ_{m ≤ k} T[m,k] c_m`; at the end `w[j] = δ_ij`, then for a ascending
//!   over all blocks up to j's `w[j] −= v_a[j] y_a`.
//!
//! The result is `(gain · d) · x`, with the signed gain rounded once. Orthonormal to some 1e-6 in f32.

use super::Entry;
use super::arguments::Usual;
use super::haar::Haar;
use super::rule::{Rule, Unfit, gain_fault, rule};
use crate::Layout;
use crate::filler::Values;

rule! {
    /// `gain` times a uniformly random matrix with orthonormal rows or columns.
    Orthogonal as orthogonal {
        /// Factor on the matrix.
        gain: f64 = Usual::Silent(1.0),
    }
}

impl Rule for Orthogonal {
    const ENTRY: Entry = Entry {
        name: "orthogonal",
        aliases: &["haar"],
        formula: "w = gain Q, Q uniform over the matrices with QᵀQ = I (or QQᵀ = I); one Q for each group, fused part and \
                  stacked weight",
        when: "Deep linear and tanh networks, recurrent weights: it keeps every length, not only the mean one. Trailing \
               axes count as columns, so a convolution is [out, in·k].",
        reference: "Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear \
                    neural networks, ICLR 2014; Mezzadri, How to generate random matrices from the classical compact \
                    groups, Notices of the AMS 54, 2007",
        example: "orthogonal(gain=1.41421356)",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        Ok(Values::Orthogonal(Haar::new(self.gain, shape, layout)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::{Normal, Sampler};
    use crate::{Element, Initializer, Seed, Stream};

    fn draw<T: Element>(shape: &[usize], layout: &Layout, gain: f64) -> Vec<T> {
        let mut out = vec![T::default(); shape.iter().product()];
        Initializer::orthogonal(gain)
            .unwrap()
            .fill(Seed::new(11), "q", shape, layout, &mut out)
            .unwrap();
        out
    }

    /// max |M Mᵀ − I| over the shorter side.
    fn defect<T: Element>(m: &[T], rows: usize, columns: usize) -> f64 {
        let at = |i: usize, k: usize| {
            if rows <= columns {
                m[i * columns + k].to_f64()
            } else {
                m[k * columns + i].to_f64()
            }
        };
        let (short, long) = (rows.min(columns), rows.max(columns));
        let mut worst = 0f64;
        for i in 0..short {
            for j in 0..=i {
                let dot: f64 = (0..long).map(|k| at(i, k) * at(j, k)).sum();
                worst = worst.max((dot - f64::from(u8::from(i == j))).abs());
            }
        }
        worst
    }

    const SHAPES: [[usize; 2]; 10] = [
        [1, 1],
        [1, 7],
        [7, 1],
        [5, 5],
        [32, 32],
        [33, 65],
        [65, 33],
        [200, 200],
        [300, 100],
        [64, 700],
    ];

    #[test]
    fn rows_or_columns_are_orthonormal() {
        let (mut single, mut double) = (0f64, 0f64);
        for [rows, columns] in SHAPES {
            let layout = Layout::linear_out_in();
            single = single.max(defect(
                &draw::<f32>(&[rows, columns], &layout, 1.0),
                rows,
                columns,
            ));
            double = double.max(defect(
                &draw::<f64>(&[rows, columns], &layout, 1.0),
                rows,
                columns,
            ));
        }
        println!("max |QᵀQ - I|: f32 {single:.2e}, f64 {double:.2e}");
        assert!(single < 3e-6 && double < 1e-14, "{single:e} {double:e}");
    }

    #[test]
    #[ignore = "half a minute; for the figures in the documentation"]
    fn large_matrices_are_orthonormal() {
        for [rows, columns] in [[2048, 2048], [1024, 4096], [4096, 1024]] {
            let begun = std::time::Instant::now();
            let q = draw::<f32>(&[rows, columns], &Layout::linear_out_in(), 1.0);
            println!("{rows} × {columns}: {:?}", begun.elapsed());
            let worst = defect(&q, rows, columns);
            println!("{rows} × {columns}: max |QᵀQ - I| {worst:.2e}");
            assert!(worst < 1e-5);
        }
    }

    /// H₁ … H_k applied one by one in double precision.
    #[test]
    fn blocks_are_the_product_of_reflections() {
        for [rows, columns] in SHAPES {
            let (n, k) = (rows.max(columns), rows.min(columns));
            let stream = Stream::new(Seed::new(11), "q").substream("orthogonal/0");
            let mut q = vec![0f64; n * k];
            for i in 0..k {
                q[i * n + i] = 1.0;
            }
            let gaussian = Sampler::Normal(Normal {
                mean: 0.0,
                std: 1.0,
            });
            for j in (0..k).rev() {
                let mut v = vec![0f64; n - j];
                gaussian.fill_serially(&stream, (j * n + j) as u64, &mut v);
                let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
                let sign = if v[0] < 0.0 { -1.0 } else { 1.0 };
                v[0] += sign * norm;
                let square: f64 = v.iter().map(|x| x * x).sum();
                for column in q.chunks_mut(n) {
                    let dot: f64 = v.iter().zip(&column[j..]).map(|(v, x)| v * x).sum();
                    for (x, v) in column[j..].iter_mut().zip(&v) {
                        *x -= 2.0 * dot / square * v;
                    }
                }
                q[j * n..(j + 1) * n].iter_mut().for_each(|x| *x *= -sign);
            }
            let got = draw::<f64>(&[rows, columns], &Layout::linear_out_in(), 1.0);
            let single = draw::<f32>(&[rows, columns], &Layout::linear_out_in(), 1.0);
            for i in 0..rows {
                for j in 0..columns {
                    let expected = if rows <= columns {
                        q[i * n + j]
                    } else {
                        q[j * n + i]
                    };
                    assert!(
                        (got[i * columns + j] - expected).abs() < 1e-14,
                        "{rows} × {columns} at {i}, {j}"
                    );
                    assert!((f64::from(single[i * columns + j]) - expected).abs() < 2e-6);
                }
            }
        }
    }

    #[test]
    fn the_first_row_is_a_normalized_gaussian_vector() {
        let stream = Stream::new(Seed::new(11), "q").substream("orthogonal/0");
        let mut x = vec![0f64; 40];
        Sampler::Normal(Normal {
            mean: 0.0,
            std: 1.0,
        })
        .fill_serially(&stream, 0, &mut x);
        let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let q = draw::<f64>(&[3, 40], &Layout::linear_out_in(), 1.0);
        assert!(x.iter().zip(&q).all(|(x, q)| (x / norm - q).abs() < 1e-14));
    }

    /// Haar: trace² of a random orthogonal matrix has mean 1, a 1 × 1 matrix is ±1 evenly, entries have variance 1/n.
    #[test]
    fn it_is_haar() {
        let n = 8;
        let matrices: Vec<f64> = draw(&[4000, n, n], &Layout::linear_out_in().stack(1), 1.0);
        let traces: Vec<f64> = matrices
            .chunks(n * n)
            .map(|q| (0..n).map(|i| q[i * n + i]).sum())
            .collect();
        let count = traces.len() as f64;
        let mean = traces.iter().sum::<f64>() / count;
        let square = traces.iter().map(|t| t * t).sum::<f64>() / count;
        let fourth = traces.iter().map(|t| t.powi(4)).sum::<f64>() / count;
        assert!(
            mean.abs() < 0.06 && (square - 1.0).abs() < 0.1 && (fourth - 3.0).abs() < 0.6,
            "{mean} {square} {fourth}"
        );
        for place in [0, 9, 63, 56] {
            let square = matrices
                .chunks(n * n)
                .map(|q| q[place] * q[place])
                .sum::<f64>()
                / count;
            assert!(
                (square * n as f64 - 1.0).abs() < 0.1,
                "entry {place}: {square}"
            );
        }
        let signs: Vec<f32> = draw(&[1000, 1, 1], &Layout::linear_out_in().stack(1), 1.0);
        let positive = signs.iter().filter(|s| **s == 1.0).count();
        assert!(
            signs.iter().all(|s| s.abs() == 1.0) && (430..570).contains(&positive),
            "{positive}"
        );
    }

    #[test]
    fn groups_parts_and_stacks_are_matrices_of_their_own() {
        let conv = draw::<f32>(&[8, 3, 3, 3], &Layout::conv(2, 2), 1.0);
        for group in conv.chunks(4 * 27) {
            assert!(defect(group, 4, 27) < 1e-6);
        }
        let gates = draw::<f32>(&[6, 24], &Layout::linear_in_out().fused(&[6; 4]), 1.0);
        for gate in 0..4 {
            let part: Vec<f32> = (0..6)
                .flat_map(|r| gates[r * 24 + gate * 6..][..6].to_vec())
                .collect();
            assert!(defect(&part, 6, 6) < 1e-6);
        }
        let depthwise = draw::<f32>(&[5, 1, 9], &Layout::depthwise(1), 2.0);
        for row in depthwise.chunks(9) {
            assert!((row.iter().map(|x| x * x).sum::<f32>() - 4.0).abs() < 1e-5);
        }
        let transposed = draw::<f32>(&[4, 3, 5], &Layout::conv_transpose(1, 2, &[2]), 1.0);
        for group in transposed.chunks(30) {
            assert!(defect(group, 2, 15) < 1e-6);
        }
    }

    // torch, Keras and JAX raise for half precision.
    #[test]
    fn half_precision_is_the_rounded_f32() {
        let layout = Layout::linear_out_in();
        let single = draw::<f32>(&[20, 30], &layout, 1.0);
        let half = draw::<half::bf16>(&[20, 30], &layout, 1.0);
        assert!(
            single
                .iter()
                .zip(&half)
                .all(|(s, h)| half::bf16::from_f32(*s) == *h)
        );
    }

    #[test]
    fn a_slice_alone_is_the_slice_of_the_whole() {
        let layout = Layout::linear_out_in().stack(1);
        for shape in [[2, 70, 90], [2, 90, 70], [1, 100, 40], [3, 1, 5]] {
            let whole = draw::<f32>(&shape, &layout, 1.5);
            let filler = Initializer::orthogonal(1.5)
                .unwrap()
                .resolve(&shape, &layout)
                .unwrap();
            let stream = Stream::new(Seed::new(11), "q");
            for (start, end) in [
                (0, 1),
                (3, 14),
                (whole.len() / 3, whole.len() / 3 * 2),
                (whole.len() - 1, whole.len()),
            ] {
                let mut part = vec![0f32; end - start];
                filler.fill(&stream, start as u64, &mut part).unwrap();
                assert_eq!(part, whole[start..end], "{shape:?} {start}..{end}");
            }
            let pieces: Vec<f32> = (0..whole.len())
                .step_by(97)
                .flat_map(|start| {
                    let mut part = vec![0f32; 97.min(whole.len() - start)];
                    filler.fill(&stream, start as u64, &mut part).unwrap();
                    part
                })
                .collect();
            assert_eq!(pieces, whole, "{shape:?} in pieces");
        }
    }

    #[test]
    fn what_is_no_matrix_is_refused_with_a_way_out() {
        let message = |shape: &[usize], layout: &Layout| {
            Initializer::orthogonal(1.0)
                .unwrap()
                .resolve(shape, layout)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(&[5], &Layout::vector()),
            "orthogonal for shape [5]: a vector is no matrix; write zeros, constant or normal"
        );
        assert!(
            message(&[3, 3, 4, 2], &Layout::depthwise_channels_last(2))
                .contains("transpose the tensor")
        );
    }
}
