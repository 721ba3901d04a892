//! Convolution and its two gradients, for one to three spatial axes.
//!
//! Transposed convolution is the same three functions in other places. All are matrix products whose one
//! factor is packed from the windows of the input as it is needed; depthwise kernels run directly.

use std::ops::Range;

use rayon::prelude::*;

use crate::array::{Array, Dense, array, for_chunks};
use crate::kernel::geometry::Window;
use crate::kernel::product::{Panels, Sizes, Strided, multiply, multiply_alone};
use crate::pool::Buffer;

/// Elements of unrolled windows held at once, where they have to be held.
const UNROLLED: usize = 1 << 22;

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

    /// Elements that one output of a group is summed from.
    fn depth(&self) -> usize {
        self.group_channels() * self.window.kernel_len()
    }

    fn is_depthwise(&self) -> bool {
        self.group_channels() == 1 && self.groups > 1
    }

    /// The weights of one group, one row per feature.
    fn weights<'a>(&self, weights: &'a [f32], group: usize) -> Strided<'a> {
        Strided {
            data: &weights[group * self.group_features() * self.depth()..],
            outer: self.depth(),
            depth: 1,
            pieces: None,
        }
    }

    /// Runs `work` for every sample and group, each on its part of `out`: shared out where there are enough
    /// of them, and told so.
    fn each(
        &self,
        out: &mut [f32],
        part: usize,
        work: impl Fn(usize, usize, &mut [f32], bool) + Sync,
    ) {
        if out.is_empty() {
            return;
        }
        let at = |k: usize| (k / self.groups, k % self.groups);
        if self.batch * self.groups >= rayon::current_num_threads() {
            out.par_chunks_mut(part).enumerate().for_each(|(k, out)| {
                let (sample, group) = at(k);
                work(sample, group, out, true);
            });
        } else {
            for (k, out) in out.chunks_mut(part).enumerate() {
                let (sample, group) = at(k);
                work(sample, group, out, false);
            }
        }
    }

    /// The output, `[batch, features, output]` flat, of an input `[batch, channels, input]`.
    pub(crate) fn forward(&self, x: &Array, weights: &Array) -> Array {
        let (out_len, in_len) = (self.window.output_len(), self.window.input_len());
        let shape = [self.batch, self.features, out_len];
        let (x, weights) = (Dense::new(x), Dense::new(weights));
        if self.is_depthwise() {
            return array(&shape, self.depthwise_forward(&x, &weights));
        }
        let mut out = Buffer::unwritten(shape.iter().product());
        let part = self.group_features() * out_len;
        let sizes = Sizes {
            rows: self.group_features(),
            columns: out_len,
            depth: self.depth(),
        };
        let first =
            |sample: usize, group: usize| sample * self.channels + group * self.group_channels();
        if self.window.is_pointwise() {
            self.each(&mut out, part, |sample, group, out, alone| {
                let right = Strided {
                    data: &x[first(sample, group) * in_len..],
                    outer: 1,
                    depth: in_len,
                    pieces: None,
                };
                product(sizes, &self.weights(&weights, group), &right, out, alone);
            });
            return array(&shape, out);
        }
        let input = Padded::new(&x, &self.window, self.batch * self.channels);
        self.each(&mut out, part, |sample, group, out, alone| {
            let right = Windows {
                data: &input.planes()[first(sample, group) * input.plane..],
                input: &input,
            };
            product(sizes, &self.weights(&weights, group), &right, out, alone);
        });
        array(&shape, out)
    }

    /// The gradient at the input, `[batch, channels, input]` flat.
    pub(crate) fn input_gradient(&self, weights: &Array, g: &Array) -> Array {
        let (out_len, in_len) = (self.window.output_len(), self.window.input_len());
        let shape = [self.batch, self.channels, in_len];
        let (weights, g) = (Dense::new(weights), Dense::new(g));
        if self.is_depthwise() {
            return array(&shape, self.depthwise_input(&weights, &g));
        }
        let part = self.group_channels() * in_len;
        let first =
            |sample: usize, group: usize| sample * self.features + group * self.group_features();
        // Rows along the unrolled windows: the weights of one group, read by columns.
        let turned = |group: usize| Strided {
            outer: 1,
            depth: self.depth(),
            ..self.weights(&weights, group)
        };
        let gradient = |sample: usize, group: usize| Strided {
            data: &g[first(sample, group) * out_len..],
            outer: 1,
            depth: out_len,
            pieces: None,
        };
        let sizes = Sizes {
            rows: self.depth(),
            columns: out_len,
            depth: self.group_features(),
        };
        if self.window.is_pointwise() {
            let mut out = Buffer::unwritten(shape.iter().product());
            self.each(&mut out, part, |sample, group, out, alone| {
                product(sizes, &turned(group), &gradient(sample, group), out, alone);
            });
            return array(&shape, out);
        }
        if let Some(window) = self.window.mirrored() {
            // Without strides it is a convolution itself, of the gradient with the weights turned round.
            let mut out = Buffer::unwritten(shape.iter().product());
            let input = Padded::new(&g, &window, self.batch * self.features);
            let taps = self.window.kernel_len();
            let sizes = Sizes {
                rows: self.group_channels(),
                columns: in_len,
                depth: self.group_features() * taps,
            };
            self.each(&mut out, part, |sample, group, out, alone| {
                let left = Mirrored {
                    data: &weights[group * self.group_features() * self.depth()..],
                    row: self.depth(),
                    taps,
                };
                let right = Windows {
                    data: &input.planes()[first(sample, group) * input.plane..],
                    input: &input,
                };
                product(sizes, &left, &right, out, alone);
            });
            return array(&shape, out);
        }
        let mut out = Buffer::zeros(shape.iter().product());
        let one = self.groups * self.depth() * out_len;
        let step = (UNROLLED / one.max(1)).clamp(1, self.batch.max(1));
        let mut unrolled = Buffer::unwritten(step * one);
        for start in (0..self.batch).step_by(step) {
            let n = step.min(self.batch - start);
            let columns = &mut unrolled[..n * one];
            let some = Self { batch: n, ..*self };
            some.each(columns, one / self.groups, |sample, group, out, alone| {
                product(
                    sizes,
                    &turned(group),
                    &gradient(start + sample, group),
                    out,
                    alone,
                );
            });
            let sample = self.channels * in_len;
            fold_onto(
                &self.window,
                columns,
                &mut out[start * sample..(start + n) * sample],
            );
        }
        array(&shape, out)
    }

    /// The gradient at the weights, `[features, channels / groups, kernel]` flat.
    pub(crate) fn weight_gradient(&self, x: &Array, g: &Array) -> Array {
        let (out_len, in_len) = (self.window.output_len(), self.window.input_len());
        let shape = [
            self.features,
            self.group_channels(),
            self.window.kernel_len(),
        ];
        let (x, g) = (Dense::new(x), Dense::new(g));
        if self.is_depthwise() {
            return array(&shape, self.depthwise_weight(&x, &g));
        }
        // The sum goes over the outputs of all samples.
        let sizes = Sizes {
            rows: self.group_features(),
            columns: self.depth(),
            depth: self.batch * out_len,
        };
        let left = |group: usize| Strided {
            data: &g[group * self.group_features() * out_len..],
            outer: out_len,
            depth: 1,
            pieces: Some((out_len, self.features * out_len)),
        };
        let mut out = Buffer::unwritten(shape.iter().product());
        let part = self.group_features() * self.depth();
        let all = Self { batch: 1, ..*self };
        if g.is_empty() || x.is_empty() {
            out.fill(0.0);
        } else if self.window.is_pointwise() {
            all.each(&mut out, part, |_, group, out, alone| {
                let right = Strided {
                    data: &x[group * self.group_channels() * in_len..],
                    outer: in_len,
                    depth: 1,
                    pieces: Some((in_len, self.channels * in_len)),
                };
                product(sizes, &left(group), &right, out, alone);
            });
        } else {
            let input = Padded::new(&x, &self.window, self.batch * self.channels);
            all.each(&mut out, part, |_, group, out, alone| {
                let right = Taps {
                    data: &input.planes()[group * self.group_channels() * input.plane..],
                    input: &input,
                    sample: self.channels * input.plane,
                };
                product(sizes, &left(group), &right, out, alone);
            });
        }
        array(&shape, out)
    }

    fn depthwise_forward(&self, x: &[f32], weights: &[f32]) -> Buffer {
        let w = &self.window;
        let (in_len, out_len, k_len) = (w.input_len(), w.output_len(), w.kernel_len());
        let each = self.group_features();
        let mut out = Buffer::zeros(self.batch * self.features * out_len);
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

    fn depthwise_input(&self, weights: &[f32], g: &[f32]) -> Buffer {
        let w = &self.window;
        let (in_len, out_len, k_len) = (w.input_len(), w.output_len(), w.kernel_len());
        let each = self.group_features();
        let mut out = Buffer::zeros(self.batch * self.channels * in_len);
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

    fn depthwise_weight(&self, x: &[f32], g: &[f32]) -> Buffer {
        let w = &self.window;
        let (in_len, out_len, k_len) = (w.input_len(), w.output_len(), w.kernel_len());
        let each = self.group_features();
        let mut out = Buffer::zeros(self.features * k_len);
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

/// Columns of unrolled windows, `[planes, window, output]`, added to where their elements came from.
fn fold_onto(w: &Window, unrolled: &[f32], out: &mut [f32]) {
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

/// The planes that columns of unrolled windows, `[planes, window, output]`, add up to.
pub(crate) fn fold(window: &Window, planes: usize, unrolled: &[f32]) -> Buffer {
    let mut out = Buffer::zeros(planes * window.input_len());
    fold_onto(window, unrolled, &mut out);
    out
}

/// The elements of all windows over planes, `[planes, window, output]`; zero where a window reaches outside.
pub(crate) fn unfold(window: &Window, planes: usize, x: &[f32]) -> Buffer {
    let (in_len, out_len, k_len) = (window.input_len(), window.output_len(), window.kernel_len());
    let mut out = Buffer::zeros(planes * k_len * out_len);
    for_chunks(&mut out, k_len * out_len, |c, rows| {
        let plane = &x[c * in_len..][..in_len];
        for_taps(window, |tap, o, i, len| {
            let row = &mut rows[tap * out_len + o..][..len];
            let from = plane[i..].iter().step_by(window.stride[2]);
            for (to, &v) in row.iter_mut().zip(from) {
                *to = v;
            }
        });
    });
    out
}

fn product(sizes: Sizes, left: &dyn Panels, right: &dyn Panels, out: &mut [f32], alone: bool) {
    if alone {
        multiply_alone(sizes, left, right, out, false);
    } else {
        multiply(sizes, left, right, out, false);
    }
}

/// Planes of an input with its padding around, so that every element of every window is there; what no window
/// reaches is left out.
///
/// Where the padding would be much larger than input and windows together, which is a strange model, planes
/// stay as they are and each element is looked for.
struct Padded<'a> {
    planes: Planes<'a>,
    /// Where elements have to be looked for.
    bare: Option<Window>,
    /// Elements of one plane.
    plane: usize,
    /// From one window to the next, along each axis.
    steps: [usize; 3],
    output: [usize; 3],
    /// Where each element of a window lies from its first.
    taps: Vec<usize>,
}

enum Planes<'a> {
    Given(&'a [f32]),
    Made(Buffer),
}

impl<'a> Padded<'a> {
    fn new(x: &'a [f32], window: &Window, planes: usize) -> Self {
        let in_len = window.input_len();
        let reach = |k: usize| {
            let last = window.output[k].max(1) - 1;
            let windows = last.saturating_mul(window.stride[k]);
            let taps = (window.kernel[k] - 1).saturating_mul(window.dilation[k]);
            windows.saturating_add(taps).saturating_add(1)
        };
        let size = [reach(0), reach(1), reach(2)];
        let all = size.iter().fold(1usize, |n, &d| n.saturating_mul(d));
        let least = in_len.saturating_add(window.output_len().saturating_mul(window.kernel_len()));
        if all > least.saturating_mul(4).saturating_add(1 << 10) {
            return Self {
                planes: Planes::Given(x),
                bare: Some(*window),
                plane: in_len,
                steps: [0; 3],
                output: window.output,
                taps: vec![0; window.kernel_len()],
            };
        }
        let fits = (0..3).all(|k| window.pad[k] == 0 && size[k] <= window.input[k]);
        let size = if fits { window.input } else { size };
        let plane = size[0] * size[1] * size[2];
        let planes = match fits {
            true => Planes::Given(x),
            false => {
                let mut all = Buffer::unwritten(planes * plane);
                for_chunks(&mut all, plane, |k, to| {
                    pad_plane(&x[k * in_len..][..in_len], window, size, to);
                });
                Planes::Made(all)
            }
        };
        let mut taps = Vec::with_capacity(window.kernel_len());
        for d in 0..window.kernel[0] {
            for h in 0..window.kernel[1] {
                for w in 0..window.kernel[2] {
                    let [d, h, w] = [
                        d * window.dilation[0],
                        h * window.dilation[1],
                        w * window.dilation[2],
                    ];
                    taps.push((d * size[1] + h) * size[2] + w);
                }
            }
        }
        Self {
            planes,
            bare: None,
            plane,
            steps: [
                window.stride[0] * size[1] * size[2],
                window.stride[1] * size[2],
                window.stride[2],
            ],
            output: window.output,
            taps,
        }
    }

    fn planes(&self) -> &[f32] {
        match &self.planes {
            Planes::Given(planes) => planes,
            Planes::Made(planes) => planes,
        }
    }

    /// Calls `work(outputs before, first element of the first window, outputs)` for runs of neighbouring
    /// outputs along the last axis.
    fn runs(&self, outputs: Range<usize>, mut work: impl FnMut(usize, usize, usize)) {
        let [_, height, width] = self.output;
        let mut at = outputs.start;
        while at < outputs.end {
            let (row, w) = (at / width, at % width);
            let (d, h) = (row / height, row % height);
            let n = (width - w).min(outputs.end - at);
            let first = d * self.steps[0] + h * self.steps[1] + w * self.steps[2];
            work(at - outputs.start, first, n);
            at += n;
        }
    }
}

/// The element of a plane at one element of one window, zero outside.
fn looked_for(w: &Window, plane: &[f32], tap: usize, output: usize) -> f32 {
    let split = |k: usize, sizes: [usize; 3]| {
        let row = k / sizes[2];
        [row / sizes[1], row % sizes[1], k % sizes[2]]
    };
    let (o, k) = (split(output, w.output), split(tap, w.kernel));
    let at = (0..3).try_fold(0, |at, axis| {
        Some(at * w.input[axis] + w.source(axis, o[axis], k[axis])?)
    });
    at.and_then(|at| plane.get(at)).copied().unwrap_or(0.0)
}

/// One plane with its padding around, cut to `size`.
fn pad_plane(from: &[f32], window: &Window, size: [usize; 3], to: &mut [f32]) {
    to.fill(0.0);
    let [pd, ph, pw] = window.pad;
    let [id, ih, iw] = window.input;
    let width = iw.min(size[2].saturating_sub(pw));
    for d in 0..id.min(size[0].saturating_sub(pd)) {
        for h in 0..ih.min(size[1].saturating_sub(ph)) {
            let at = ((d + pd) * size[1] + h + ph) * size[2] + pw;
            let from = &from[(d * ih + h) * iw..][..width];
            to[at..at + width].copy_from_slice(from);
        }
    }
}

/// The windows as the right factor of a product: outputs by the elements of their windows.
struct Windows<'a> {
    /// The planes of one sample and group.
    data: &'a [f32],
    input: &'a Padded<'a>,
}

impl Panels for Windows<'_> {
    fn pack(&self, outer: Range<usize>, depth: Range<usize>, width: usize, to: &mut [f32]) {
        let input = self.input;
        let step = input.steps[2];
        let taps = input.taps.len();
        if outer.len() < width {
            to.fill(0.0);
        }
        if let Some(window) = &input.bare {
            for (to, k) in to.chunks_exact_mut(width).zip(depth) {
                let plane = &self.data[k / taps * input.plane..][..input.plane];
                for (to, o) in to.iter_mut().zip(outer.clone()) {
                    *to = looked_for(window, plane, k % taps, o);
                }
            }
            return;
        }
        input.runs(outer, |before, first, n| {
            let (mut channel, mut tap) = (depth.start / taps, depth.start % taps);
            for to in to.chunks_exact_mut(width) {
                let from = &self.data[channel * input.plane + input.taps[tap] + first..];
                let to = &mut to[before..before + n];
                if step == 1 {
                    copy(to, from);
                } else {
                    for (to, &v) in to.iter_mut().zip(from.iter().step_by(step)) {
                        *to = v;
                    }
                }
                tap += 1;
                if tap == taps {
                    (channel, tap) = (channel + 1, 0);
                }
            }
        });
    }
}

/// Copies as many elements as `to` has; a call of the library for a handful of them would cost more than they.
#[inline]
fn copy(to: &mut [f32], from: &[f32]) {
    const RUN: usize = 8;
    let from = &from[..to.len()];
    let (runs, rest) = to.split_at_mut(to.len() / RUN * RUN);
    for (to, from) in runs.chunks_exact_mut(RUN).zip(from.chunks_exact(RUN)) {
        to.copy_from_slice(from);
    }
    let at = runs.len();
    for (to, &v) in rest.iter_mut().zip(&from[at..]) {
        *to = v;
    }
}

/// The same factor the other way round: the elements of the windows by the outputs of all samples.
struct Taps<'a> {
    /// From the planes of a group in the first sample on.
    data: &'a [f32],
    input: &'a Padded<'a>,
    /// From one sample to the next.
    sample: usize,
}

impl Panels for Taps<'_> {
    fn pack(&self, outer: Range<usize>, depth: Range<usize>, width: usize, to: &mut [f32]) {
        let input = self.input;
        let taps = input.taps.len();
        let step = input.steps[2];
        let outputs: usize = input.output.iter().product();
        if outer.len() < width {
            to.fill(0.0);
        }
        if let Some(window) = &input.bare {
            for (to, at) in to.chunks_exact_mut(width).zip(depth) {
                let (sample, o) = (at / outputs, at % outputs);
                let data = &self.data[sample * self.sample..];
                for (to, k) in to.iter_mut().zip(outer.clone()) {
                    let plane = &data[k / taps * input.plane..][..input.plane];
                    *to = looked_for(window, plane, k % taps, o);
                }
            }
            return;
        }
        let places: Vec<usize> = outer
            .map(|k| k / taps * input.plane + input.taps[k % taps])
            .collect();
        let mut at = depth.start;
        while at < depth.end {
            let (sample, first) = (at / outputs, at % outputs);
            let end = outputs.min(first + depth.end - at);
            let data = &self.data[sample * self.sample..];
            let to = &mut to[(at - depth.start) * width..];
            input.runs(first..end, |before, first, n| {
                // A few outputs at a time, so that what is written stays in the first cache.
                const RUN: usize = 16;
                for start in (0..n).step_by(RUN) {
                    let n = RUN.min(n - start);
                    let to = &mut to[(before + start) * width..][..n * width];
                    for (k, place) in places.iter().enumerate() {
                        let from = data[place + first + start * step..].iter().step_by(step);
                        for (to, &v) in to[k..].iter_mut().step_by(width).zip(from) {
                            *to = v;
                        }
                    }
                }
            });
            at += end - first;
        }
    }
}

/// Weights of a group as the left factor of the gradient at the input: channels by features and by the
/// elements of the window from the last to the first.
struct Mirrored<'a> {
    data: &'a [f32],
    /// Elements of one feature.
    row: usize,
    taps: usize,
}

impl Panels for Mirrored<'_> {
    fn pack(&self, outer: Range<usize>, depth: Range<usize>, width: usize, to: &mut [f32]) {
        for (to, k) in to.chunks_exact_mut(width).zip(depth) {
            let (feature, tap) = (k / self.taps, k % self.taps);
            let from = &self.data[feature * self.row + self.taps - 1 - tap..];
            let (to, rest) = to.split_at_mut(outer.len());
            for (to, c) in to.iter_mut().zip(outer.clone()) {
                *to = from[c * self.taps];
            }
            rest.fill(0.0);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::full;

    fn wave(shape: &[usize], step: f32) -> Array {
        let n: usize = shape.iter().product();
        let data: Vec<f32> = (0..n).map(|k| (k as f32 * step).sin()).collect();
        array(shape, data)
    }

    /// The output by its definition.
    fn plain(c: &Convolution, x: &[f32], weights: &[f32]) -> Vec<f32> {
        let w = &c.window;
        let (in_len, out_len, taps) = (w.input_len(), w.output_len(), w.kernel_len());
        let (each, features) = (c.channels / c.groups, c.features / c.groups);
        let at = |k: usize| {
            let (n, f, o) = (
                k / (c.features * out_len),
                k / out_len % c.features,
                k % out_len,
            );
            let terms = (0..each * taps).map(|d| {
                let channel = f / features * each + d / taps;
                let plane = &x[(n * c.channels + channel) * in_len..][..in_len];
                weights[f * each * taps + d] * looked_for(w, plane, d % taps, o)
            });
            terms.sum()
        };
        (0..c.batch * c.features * out_len).map(at).collect()
    }

    fn dot(a: &Array, b: &Array) -> f64 {
        let pairs = Dense::new(a);
        let pairs = pairs.iter().zip(Dense::new(b).to_vec());
        pairs.map(|(&a, b)| f64::from(a) * f64::from(b)).sum()
    }

    #[test]
    fn all_ways_of_computing_agree_with_the_definition() {
        let window = |input: [usize; 3], output, kernel, stride, dilation, pad| Window {
            input,
            output,
            kernel,
            stride,
            dilation,
            pad,
        };
        let windows = [
            window([1, 7, 9], [1, 7, 9], [1, 3, 3], [1; 3], [1; 3], [0, 1, 1]),
            window(
                [1, 8, 9],
                [1, 4, 4],
                [1, 3, 3],
                [1, 2, 2],
                [1; 3],
                [0, 1, 0],
            ),
            window([1, 6, 5], [1, 3, 5], [1, 2, 1], [1, 2, 1], [1; 3], [0; 3]),
            window([1, 5, 6], [1, 5, 6], [1; 3], [1; 3], [1; 3], [0; 3]),
            window(
                [3, 4, 5],
                [4, 5, 3],
                [2, 2, 3],
                [1; 3],
                [1, 1, 2],
                [1, 1, 1],
            ),
            // More padding than the window reaches, and far too much of it.
            window([1, 4, 5], [1, 8, 5], [1, 3, 3], [1; 3], [1; 3], [0, 3, 1]),
            window(
                [1, 4, 5],
                [1, 3, 2],
                [1, 2, 2],
                [1, 900, 900],
                [1; 3],
                [0, 900, 0],
            ),
        ];
        for window in windows {
            for (channels, features, groups) in [(3, 5, 1), (4, 6, 2), (4, 8, 4)] {
                let c = Convolution {
                    batch: 2,
                    channels,
                    features,
                    groups,
                    window,
                };
                let x = wave(&[2, channels, window.input_len()], 0.37);
                let weights = wave(&[features, channels / groups, window.kernel_len()], 0.73);
                let y = c.forward(&x, &weights);
                let want = plain(&c, &Dense::new(&x), &Dense::new(&weights));
                for (&got, want) in Dense::new(&y).iter().zip(want) {
                    assert!((got - want).abs() < 1e-5, "{c:?}: {got} {want}");
                }
                // The output is linear in both, so the gradients give back the same inner product.
                let g = wave(&[2, features, window.output_len()], 0.91);
                let all = dot(&y, &g);
                let of_input = dot(&x, &c.input_gradient(&weights, &g));
                let of_weights = dot(&weights, &c.weight_gradient(&x, &g));
                assert!((of_input - all).abs() < 1e-4, "{c:?}: {of_input} {all}");
                assert!((of_weights - all).abs() < 1e-4, "{c:?}: {of_weights} {all}");
            }
        }
    }

    #[test]
    fn folding_is_the_transpose_of_unfolding() {
        let window = Window::new(&[6, 5], &[3, 3], &[2, 3], &[2, 1], &[1, 1], &[0, 0]);
        let x = wave(&[2, window.input_len()], 0.37);
        let columns = unfold(&window, 2, &Dense::new(&x));
        let other = wave(&[columns.len()], 0.53);
        let back = array(x.shape(), fold(&window, 2, &Dense::new(&other)));
        let columns = array(&[columns.len()], columns);
        assert!((dot(&columns, &other) - dot(&x, &back)).abs() < 1e-4);
        assert_eq!(dot(&full(&[3], 1.0), &full(&[3], 2.0)), 6.0);
    }
}
