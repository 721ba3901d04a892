//! Pooling over sliding windows.

use rayon::prelude::*;

use crate::array::{Dense, array};
use crate::kernel::geometry::Window;
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// Shape of the result: `[batch, channels, output...]` with the spatial axes of `x`.
fn result_shape(x: &Var, output: &[usize]) -> Vec<usize> {
    let shape = x.dims();
    [&shape[..2], output].concat()
}

/// The largest element of each window, and its flat position in its channel.
///
/// A window that lies in the padding alone gives -inf and no position.
pub(crate) fn max_pool(x: &Var, window: &Window, output: &[usize]) -> (Var, Vec<u32>) {
    let from = x.dims();
    let shape = result_shape(x, output);
    let input = Dense::new(x.array());
    let (in_len, out_len) = (window.input_len(), window.output_len());
    let mut out = Buffer::unwritten(shape.iter().product());
    let mut places = vec![u32::MAX; out.len()];
    if !out.is_empty() {
        out.par_chunks_mut(out_len)
            .zip(places.par_chunks_mut(out_len))
            .enumerate()
            .for_each(|(c, (out, places))| {
                let plane = &input[c * in_len..][..in_len];
                for_outputs(window, |o, taps| {
                    let mut best = f32::NEG_INFINITY;
                    let mut place = u32::MAX;
                    taps.each(|i| {
                        let v = plane[i];
                        // NaN wins, as in torch: it must not vanish.
                        if v > best || place == u32::MAX || v.is_nan() {
                            best = v;
                            place = i as u32;
                        }
                    });
                    out[o] = best;
                    places[o] = place;
                });
            });
    }
    let kept = places.clone();
    let value = record(&[x], array(&shape, out), move |g, _| {
        let g = Dense::new(&g);
        let mut dx = Buffer::zeros(from.iter().product());
        if in_len > 0 && out_len > 0 {
            dx.par_chunks_mut(in_len).enumerate().for_each(|(c, dx)| {
                let at = c * out_len;
                for (&p, &g) in kept[at..at + out_len].iter().zip(&g[at..]) {
                    if let Some(d) = dx.get_mut(p as usize) {
                        *d += g;
                    }
                }
            });
        }
        vec![Some(array(&from, dx))]
    });
    (value, places)
}

/// The sum of each window divided by `divisor(output)`.
pub(crate) fn sum_pool(x: &Var, window: &Window, output: &[usize], divisors: Vec<f32>) -> Var {
    let from = x.dims();
    let shape = result_shape(x, output);
    let input = Dense::new(x.array());
    let (in_len, out_len) = (window.input_len(), window.output_len());
    let mut out = Buffer::unwritten(shape.iter().product());
    if !out.is_empty() {
        out.par_chunks_mut(out_len)
            .enumerate()
            .for_each(|(c, out)| {
                let plane = &input[c * in_len..][..in_len];
                for_outputs(window, |o, taps| {
                    let mut total = 0.0f32;
                    taps.each(|i| total += plane[i]);
                    out[o] = total / divisors[o];
                });
            });
    }
    let window = *window;
    record(&[x], array(&shape, out), move |g, _| {
        let g = Dense::new(&g);
        let mut dx = Buffer::zeros(from.iter().product());
        if in_len > 0 && out_len > 0 {
            dx.par_chunks_mut(in_len).enumerate().for_each(|(c, dx)| {
                let g = &g[c * out_len..][..out_len];
                for_outputs(&window, |o, taps| {
                    let share = g[o] / divisors[o];
                    taps.each(|i| dx[i] += share);
                });
            });
        }
        vec![Some(array(&from, dx))]
    })
}

/// What each window's sum is divided by: elements of the window inside the input, or inside the
/// input and its padding where `padding` gives the size of both together.
pub(crate) fn divisors(window: &Window, padded: Option<[usize; 3]>) -> Vec<f32> {
    let along = |axis: usize| -> Vec<usize> {
        (0..window.output[axis])
            .map(|o| {
                (0..window.kernel[axis])
                    .filter(|&k| match padded {
                        Some(size) => {
                            o * window.stride[axis] + k * window.dilation[axis] < size[axis]
                        }
                        None => window.source(axis, o, k).is_some(),
                    })
                    .count()
            })
            .collect()
    };
    let (d, h, w) = (along(0), along(1), along(2));
    let mut all = Vec::with_capacity(window.output_len());
    for &d in &d {
        for &h in &h {
            for &w in &w {
                all.push((d * h * w).max(1) as f32);
            }
        }
    }
    all
}

/// The inputs of one window, axis by axis.
struct Taps<'a> {
    axes: [&'a [usize]; 3],
    input: [usize; 3],
}

impl Taps<'_> {
    fn each(&self, mut work: impl FnMut(usize)) {
        for &d in self.axes[0] {
            for &h in self.axes[1] {
                let row = (d * self.input[1] + h) * self.input[2];
                for &w in self.axes[2] {
                    work(row + w);
                }
            }
        }
    }
}

fn for_outputs(window: &Window, mut work: impl FnMut(usize, &Taps<'_>)) {
    let along = |axis: usize| -> Vec<Vec<usize>> {
        (0..window.output[axis])
            .map(|o| {
                (0..window.kernel[axis])
                    .filter_map(|k| window.source(axis, o, k))
                    .collect()
            })
            .collect()
    };
    let (ds, hs, ws) = (along(0), along(1), along(2));
    let mut o = 0;
    for d in &ds {
        for h in &hs {
            for w in &ws {
                work(
                    o,
                    &Taps {
                        axes: [d, h, w],
                        input: window.input,
                    },
                );
                o += 1;
            }
        }
    }
}
