//! Convolution and its two gradients, for one to three spatial axes.
//!
//! Transposed convolution is the same three functions in other places. Products go to burn's
//! matrix multiplication over unrolled windows; depthwise kernels run directly.

use rayon::prelude::*;

use crate::array::{Array, Dense, array, reshaped};
use crate::kernel::geometry::Window;
use crate::kernel::linear::{product, transposed};
use crate::kernel::reduce::sum_axes;

/// Elements of unrolled windows held at once.
const UNROLLED: usize = 1 << 24;

/// The sizes of a convolution: `input` is `[batch, channels, space...]`, weights are
/// `[features, channels / groups, kernel...]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution {
    /// Samples.
    pub(crate) batch: usize,
    /// Channels of the input.
    pub(crate) channels: usize,
    /// Channels of the output.
    pub(crate) features: usize,
    /// Groups; both channel counts are multiples.
    pub(crate) groups: usize,
    /// Where the windows lie.
    pub(crate) window: Window,
}

impl Convolution {
    fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    fn group_features(&self) -> usize {
        self.features / self.groups
    }

    /// Rows of the unrolled windows of one group.
    fn unrolled_rows(&self) -> usize {
        self.group_channels() * self.window.kernel_len()
    }

    fn is_depthwise(&self) -> bool {
        self.group_channels() == 1 && self.groups > 1
    }

    /// Samples whose windows are unrolled at once.
    fn samples(&self) -> usize {
        let one = self.channels * self.window.kernel_len() * self.window.output_len();
        (UNROLLED / one.max(1)).clamp(1, self.batch.max(1))
    }

    fn weights(&self, weights: &Array) -> Array {
        reshaped(
            weights,
            &[1, self.groups, self.group_features(), self.unrolled_rows()],
        )
    }

    /// The output, `[batch, features, output]` flat, of an input `[batch, channels, input]`.
    pub(crate) fn forward(&self, x: &Array, weights: &Array) -> Array {
        let out_len = self.window.output_len();
        let shape = [self.batch, self.features, out_len];
        if self.is_depthwise() {
            return array(
                &shape,
                self.depthwise_forward(&Dense::new(x), &Dense::new(weights)),
            );
        }
        let w = self.weights(weights);
        let flat = |a: &Array, n: usize| reshaped(a, &[n, self.features, out_len]);
        if self.window.is_pointwise() {
            let x = reshaped(
                x,
                &[self.batch, self.groups, self.group_channels(), out_len],
            );
            return flat(&product(&w, &x), self.batch);
        }
        let x = Dense::new(x);
        let step = self.samples();
        if step >= self.batch {
            return flat(&product(&w, &self.unroll(&x, 0, self.batch)), self.batch);
        }
        let mut out = Vec::with_capacity(shape.iter().product());
        for first in (0..self.batch).step_by(step) {
            let n = step.min(self.batch - first);
            out.extend_from_slice(&Dense::new(&product(&w, &self.unroll(&x, first, n))));
        }
        array(&shape, out)
    }

    /// The gradient at the input, `[batch, channels, input]` flat.
    pub(crate) fn input_gradient(&self, weights: &Array, g: &Array) -> Array {
        let shape = [self.batch, self.channels, self.window.input_len()];
        if self.is_depthwise() {
            return array(
                &shape,
                self.depthwise_input(&Dense::new(weights), &Dense::new(g)),
            );
        }
        let w = transposed(&self.weights(weights));
        let g = reshaped(
            g,
            &[
                self.batch,
                self.groups,
                self.group_features(),
                self.window.output_len(),
            ],
        );
        if self.window.is_pointwise() {
            return reshaped(&product(&w, &g), &shape);
        }
        let mut out = vec![0.0f32; shape.iter().product()];
        let step = self.samples();
        let sample = self.channels * self.window.input_len();
        for first in (0..self.batch).step_by(step) {
            let n = step.min(self.batch - first);
            let unrolled = Dense::new(&product(&w, &g.narrow(0, first, n)));
            self.roll(&unrolled, &mut out[first * sample..(first + n) * sample]);
        }
        array(&shape, out)
    }

    /// The gradient at the weights, `[features, channels / groups, kernel]` flat.
    pub(crate) fn weight_gradient(&self, x: &Array, g: &Array) -> Array {
        let out_len = self.window.output_len();
        let shape = [
            self.features,
            self.group_channels(),
            self.window.kernel_len(),
        ];
        if self.is_depthwise() {
            return array(
                &shape,
                self.depthwise_weight(&Dense::new(x), &Dense::new(g)),
            );
        }
        let g = reshaped(
            g,
            &[self.batch, self.groups, self.group_features(), out_len],
        );
        let sum = |a: &Array| sum_axes(a, &[true, false, false, false]);
        if self.window.is_pointwise() {
            let x = reshaped(
                x,
                &[self.batch, self.groups, self.group_channels(), out_len],
            );
            return reshaped(&sum(&product(&g, &transposed(&x))), &shape);
        }
        let x = Dense::new(x);
        let mut total: Option<Array> = None;
        let step = self.samples();
        for first in (0..self.batch).step_by(step) {
            let n = step.min(self.batch - first);
            let unrolled = transposed(&self.unroll(&x, first, n));
            let part = sum(&product(&g.narrow(0, first, n), &unrolled));
            total = Some(match total {
                Some(t) => crate::kernel::elementwise::zip(&t, &part, |a, b| a + b),
                None => part,
            });
        }
        let total = total.unwrap_or_else(|| crate::array::full(&shape, 0.0));
        reshaped(&total, &shape)
    }

    /// Windows as columns: `[n, groups, channels of a group * kernel, output]`.
    fn unroll(&self, x: &[f32], first: usize, n: usize) -> Array {
        let w = &self.window;
        let (in_len, out_len, k_len) = (w.input_len(), w.output_len(), w.kernel_len());
        let mut out = vec![0.0f32; n * self.channels * k_len * out_len];
        if !out.is_empty() {
            out.par_chunks_mut(k_len * out_len)
                .enumerate()
                .for_each(|(c, rows)| {
                    let plane = &x[(first * self.channels + c) * in_len..][..in_len];
                    for_taps(w, |tap, o, i, len| {
                        let row = &mut rows[tap * out_len + o..][..len];
                        if w.stride[2] == 1 {
                            row.copy_from_slice(&plane[i..i + len]);
                        } else {
                            for (r, &v) in
                                row.iter_mut().zip(plane[i..].iter().step_by(w.stride[2]))
                            {
                                *r = v;
                            }
                        }
                    });
                });
        }
        array(&[n, self.groups, self.unrolled_rows(), out_len], out)
    }

    /// The transpose of [`Self::unroll`]: columns added back to where they came from.
    fn roll(&self, unrolled: &[f32], out: &mut [f32]) {
        let w = &self.window;
        let (in_len, out_len, k_len) = (w.input_len(), w.output_len(), w.kernel_len());
        if out.is_empty() || unrolled.is_empty() {
            return;
        }
        out.par_chunks_mut(in_len)
            .enumerate()
            .for_each(|(c, plane)| {
                let rows = &unrolled[c * k_len * out_len..][..k_len * out_len];
                for_taps(w, |tap, o, i, len| {
                    let row = &rows[tap * out_len + o..][..len];
                    add_strided(&mut plane[i..], w.stride[2], row, 1.0);
                });
            });
    }

    fn depthwise_forward(&self, x: &[f32], weights: &[f32]) -> Vec<f32> {
        let w = &self.window;
        let (in_len, out_len, k_len) = (w.input_len(), w.output_len(), w.kernel_len());
        let each = self.group_features();
        let mut out = vec![0.0f32; self.batch * self.features * out_len];
        if out.is_empty() {
            return out;
        }
        out.par_chunks_mut(out_len)
            .enumerate()
            .for_each(|(k, out)| {
                let (n, f) = (k / self.features, k % self.features);
                let plane = &x[(n * self.channels + f / each) * in_len..][..in_len];
                let taps = &weights[f * k_len..][..k_len];
                for_taps(w, |tap, o, i, len| {
                    let weight = taps[tap];
                    let row = &mut out[o..o + len];
                    if w.stride[2] == 1 {
                        for (r, &v) in row.iter_mut().zip(&plane[i..i + len]) {
                            *r += weight * v;
                        }
                    } else {
                        for (r, &v) in row.iter_mut().zip(plane[i..].iter().step_by(w.stride[2])) {
                            *r += weight * v;
                        }
                    }
                });
            });
        out
    }

    fn depthwise_input(&self, weights: &[f32], g: &[f32]) -> Vec<f32> {
        let w = &self.window;
        let (in_len, out_len, k_len) = (w.input_len(), w.output_len(), w.kernel_len());
        let each = self.group_features();
        let mut out = vec![0.0f32; self.batch * self.channels * in_len];
        if out.is_empty() {
            return out;
        }
        out.par_chunks_mut(in_len)
            .enumerate()
            .for_each(|(k, plane)| {
                let (n, c) = (k / self.channels, k % self.channels);
                for f in c * each..(c + 1) * each {
                    let g = &g[(n * self.features + f) * out_len..][..out_len];
                    for_taps(w, |tap, o, i, len| {
                        let weight = weights[f * k_len + tap];
                        add_strided(&mut plane[i..], w.stride[2], &g[o..o + len], weight);
                    });
                }
            });
        out
    }

    fn depthwise_weight(&self, x: &[f32], g: &[f32]) -> Vec<f32> {
        let w = &self.window;
        let (in_len, out_len, k_len) = (w.input_len(), w.output_len(), w.kernel_len());
        let each = self.group_features();
        let mut out = vec![0.0f32; self.features * k_len];
        if out.is_empty() {
            return out;
        }
        out.par_chunks_mut(k_len).enumerate().for_each(|(f, out)| {
            let mut total = vec![0.0f64; k_len];
            for n in 0..self.batch {
                let plane = &x[(n * self.channels + f / each) * in_len..][..in_len];
                let g = &g[(n * self.features + f) * out_len..][..out_len];
                for_taps(w, |tap, o, i, len| {
                    total[tap] += f64::from(dot_strided(&g[o..o + len], &plane[i..], w.stride[2]));
                });
            }
            for (o, &t) in out.iter_mut().zip(&total) {
                *o = t as f32;
            }
        });
        out
    }
}

/// Calls `work(tap, first output, first input, length)` for every row of outputs that a window
/// element reaches inside the input. Inputs of a row are `stride[2]` apart.
fn for_taps(w: &Window, mut work: impl FnMut(usize, usize, usize, usize)) {
    for kd in 0..w.kernel[0] {
        let (ds, d0) = w.valid(0, kd);
        for kh in 0..w.kernel[1] {
            let (hs, h0) = w.valid(1, kh);
            for kw in 0..w.kernel[2] {
                let (ws, w0) = w.valid(2, kw);
                if ws.is_empty() {
                    continue;
                }
                let tap = (kd * w.kernel[1] + kh) * w.kernel[2] + kw;
                for (d, id) in ds.clone().zip((d0..).step_by(w.stride[0])) {
                    for (h, ih) in hs.clone().zip((h0..).step_by(w.stride[1])) {
                        let o = (d * w.output[1] + h) * w.output[2] + ws.start;
                        let i = (id * w.input[1] + ih) * w.input[2] + w0;
                        work(tap, o, i, ws.len());
                    }
                }
            }
        }
    }
}

fn add_strided(to: &mut [f32], stride: usize, from: &[f32], weight: f32) {
    if stride == 1 {
        for (t, &v) in to.iter_mut().zip(from) {
            *t += weight * v;
        }
    } else {
        for (t, &v) in to.iter_mut().step_by(stride).zip(from) {
            *t += weight * v;
        }
    }
}

fn dot_strided(a: &[f32], b: &[f32], stride: usize) -> f32 {
    if stride != 1 {
        return a
            .iter()
            .zip(b.iter().step_by(stride))
            .map(|(x, y)| x * y)
            .sum();
    }
    let mut lanes = [0.0f32; 8];
    let b = &b[..a.len()];
    for (x, y) in a.chunks(8).zip(b.chunks(8)) {
        for ((l, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *l += x * y;
        }
    }
    lanes.iter().sum()
}
