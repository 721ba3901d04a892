//! Sums over axes.

use rayon::prelude::*;

use crate::array::{Array, CHUNK, Dense, array, dims, for_chunks, full, reshaped};
use crate::kernel::map::{broadcast_map, map};
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// Rows of a column sum that are added in f32 before they go into the f64 total.
const BLOCK: usize = 64;

/// The sum of a slice in f64, by eight interleaved partial sums in a fixed order.
pub(crate) fn sum(x: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let parts = x.chunks_exact(8);
    let rest = parts.remainder();
    for part in parts {
        for (lane, &v) in lanes.iter_mut().zip(part) {
            *lane += f64::from(v);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&v| f64::from(v)).sum::<f64>()
}

/// Sums over the middle axis of `[outer, middle, inner]`.
fn sum_middle(x: &[f32], outer: usize, middle: usize, inner: usize) -> Buffer {
    let mut out = Buffer::zeros(outer * inner);
    if out.is_empty() || middle == 0 {
        return out;
    }
    if inner == 1 {
        // A few long rows are cut into pieces, many short ones shared out; little work is no reason to
        // wake other threads.
        if x.len() <= CHUNK {
            for (o, row) in out.iter_mut().zip(x.chunks(middle)) {
                *o = sum(row) as f32;
            }
        } else if outer < 16 && middle > 4 * CHUNK {
            for (o, row) in out.iter_mut().zip(x.chunks(middle)) {
                let parts: Vec<f64> = row.par_chunks(CHUNK).map(sum).collect();
                *o = parts.iter().sum::<f64>() as f32;
            }
        } else {
            let rows = (CHUNK / middle).max(1);
            out.par_chunks_mut(rows)
                .zip(x.par_chunks(rows * middle))
                .for_each(|(out, part)| {
                    for (o, row) in out.iter_mut().zip(part.chunks(middle)) {
                        *o = sum(row) as f32;
                    }
                });
        }
        return out;
    }
    let columns = |first: usize, out: &mut [f32], x: &[f32]| {
        let mut total = vec![0.0f64; out.len()];
        let mut partial = vec![0.0f32; out.len()];
        for block in 0..middle.div_ceil(BLOCK) {
            partial.fill(0.0);
            for r in block * BLOCK..((block + 1) * BLOCK).min(middle) {
                let start = r * inner + first;
                for (p, &v) in partial.iter_mut().zip(&x[start..]) {
                    *p += v;
                }
            }
            for (t, &p) in total.iter_mut().zip(&partial) {
                *t += f64::from(p);
            }
        }
        for (o, &t) in out.iter_mut().zip(&total) {
            *o = t as f32;
        }
    };
    if outer == 1 && x.len() <= CHUNK {
        columns(0, &mut out, x);
    } else if outer == 1 {
        // Columns are shared out in blocks wide enough for whole cache lines.
        let width = (inner.div_ceil(8)).max(64);
        out.par_chunks_mut(width)
            .enumerate()
            .for_each(|(k, out)| columns(k * width, out, x));
    } else {
        for_chunks(&mut out, inner, |k, out| {
            columns(0, out, &x[k * middle * inner..][..middle * inner]);
        });
    }
    out
}

/// Sums over `axes` and keeps them with size 1; without a tape.
pub(crate) fn sum_axes(x: &Array, axes: &[bool]) -> Array {
    let shape = dims(x);
    let kept: Vec<usize> = shape
        .iter()
        .zip(axes)
        .map(|(&d, &r)| if r { 1 } else { d })
        .collect();
    if kept == shape {
        return x.clone();
    }
    let mut data = Dense::new(x);
    // Runs of neighbouring summed axes, innermost first: each is one pass.
    let mut current = shape;
    let mut k = current.len();
    while k > 0 {
        if !axes[k - 1] {
            k -= 1;
            continue;
        }
        let end = k;
        while k > 0 && axes[k - 1] {
            k -= 1;
        }
        let outer = current[..k].iter().product();
        let middle = current[k..end].iter().product();
        let inner = current[end..].iter().product();
        let out = sum_middle(&data, outer, middle, inner);
        current[k..end].fill(1);
        data = Dense::new(&array(&current, out));
    }
    reshaped(data.array(), &kept)
}

/// Sums a gradient back to the shape that was broadcast.
pub(crate) fn sum_to(x: &Array, shape: &[usize]) -> Array {
    let from = dims(x);
    if from == shape {
        return x.clone();
    }
    let lead = from.len() - shape.len();
    let axes: Vec<bool> = (0..from.len())
        .map(|k| k < lead || (shape[k - lead] == 1 && from[k] != 1))
        .collect();
    reshaped(&sum_axes(x, &axes), shape)
}

/// An array broadcast to a larger shape, as a copy.
pub(crate) fn expand(x: &Array, shape: &[usize]) -> Array {
    if dims(x) == shape {
        return x.clone();
    }
    broadcast_map(shape, x, &full(&[1], 0.0), |x, _| x)
}

/// Sum over `axes`, kept with size 1.
pub(crate) fn sum_over(x: &Var, axes: &[bool]) -> Var {
    let shape = x.dims();
    record(&[x], sum_axes(x.array(), axes), move |g, _| {
        vec![Some(expand(&g, &shape))]
    })
}

/// Mean over `axes`, kept with size 1.
pub(crate) fn mean_over(x: &Var, axes: &[bool]) -> Var {
    let shape = x.dims();
    let n: usize = shape
        .iter()
        .zip(axes)
        .filter(|&(_, &r)| r)
        .map(|(&d, _)| d)
        .product();
    let scale = 1.0 / n as f32;
    let output = map(&sum_axes(x.array(), axes), |v| v * scale);
    record(&[x], output, move |g, _| {
        vec![Some(expand(&map(&g, |g| g * scale), &shape))]
    })
}
