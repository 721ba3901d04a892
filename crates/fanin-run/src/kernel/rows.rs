//! Functions of whole rows: an axis (or several) is brought last, and each row is mapped alone.

use crate::array::{Dense, array, dims, share_out};
use crate::kernel::shape::{permute, reshape};
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// Maps each row of `width` elements of `x` to a row of `out_width`, of which `f` writes every element; without
/// a tape.
pub(crate) fn map_rows(
    x: &[f32],
    width: usize,
    out_width: usize,
    f: impl Fn(&[f32], &mut [f32]) + Sync,
) -> Buffer {
    let rows = x.len().checked_div(width).unwrap_or(0);
    let mut out = Buffer::unwritten(rows * out_width);
    share_out(&mut out, out_width, width.max(out_width), &|k, out| {
        f(&x[k * width..(k + 1) * width], out);
    });
    out
}

/// What a row's pullback reads: the row, its result and the gradient there.
pub(crate) struct RowGradient<'a> {
    /// The input row.
    pub(crate) x: &'a [f32],
    /// The output row.
    pub(crate) y: &'a [f32],
    /// The gradient at the output row.
    pub(crate) g: &'a [f32],
}

/// A function of the last axis: rows of `width` become rows of `out_width`.
///
/// `backward` writes the gradient at the input row, every element of it.
pub(crate) fn last_axis(
    x: &Var,
    out_width: usize,
    forward: impl Fn(&[f32], &mut [f32]) + Sync,
    backward: impl Fn(&RowGradient<'_>, &mut [f32]) + Send + Sync + 'static,
) -> Var {
    let shape = x.dims();
    let width = shape.last().copied().unwrap_or(1);
    let input = Dense::new(x.array());
    let mut out_shape = shape.clone();
    if let Some(last) = out_shape.last_mut() {
        *last = out_width;
    }
    let rows = if width == 0 {
        // Rows of nothing have a sum, a norm, a count all the same.
        let count: usize = shape.iter().rev().skip(1).product();
        let mut rows = Buffer::zeros(count * out_width);
        let each = rows.chunks_mut(out_width.max(1));
        each.for_each(|row| forward(&[], row));
        rows
    } else {
        map_rows(&input, width, out_width, forward)
    };
    let output = array(&out_shape, rows);
    let kept = output.clone();
    record(&[x], output, move |g, _| {
        let (g, y) = (Dense::new(&g), Dense::new(&kept));
        vec![Some(array(
            &shape,
            row_gradients(&input, &y, &g, width, out_width, &backward),
        ))]
    })
}

fn row_gradients(
    x: &[f32],
    y: &[f32],
    g: &[f32],
    width: usize,
    out_width: usize,
    backward: impl Fn(&RowGradient<'_>, &mut [f32]) + Sync,
) -> Buffer {
    let mut dx = Buffer::unwritten(x.len());
    if dx.is_empty() || out_width == 0 {
        dx.fill(0.0);
        return dx;
    }
    share_out(&mut dx, width, width.max(out_width), &|k, dx| {
        let (own, other) = (
            k * width..(k + 1) * width,
            k * out_width..(k + 1) * out_width,
        );
        let row = RowGradient {
            x: &x[own],
            y: &y[other.clone()],
            g: &g[other],
        };
        backward(&row, dx);
    });
    dx
}

/// Applies `f` with `axis` brought last, and puts it back.
pub(crate) fn along(x: &Var, axis: usize, f: impl FnOnce(&Var) -> Var) -> Var {
    let rank = x.dims().len();
    if axis + 1 == rank {
        return f(x);
    }
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(axis, rank - 1);
    permute(&f(&permute(x, &order)), &order)
}

/// Brings the marked axes last and merges them: `[kept..., product of the marked]`.
pub(crate) fn gather_axes(x: &Var, axes: &[bool]) -> Var {
    let shape = x.dims();
    let kept = (0..shape.len()).filter(|&k| !axes[k]);
    let order: Vec<usize> = kept
        .clone()
        .chain((0..shape.len()).filter(|&k| axes[k]))
        .collect();
    let mut merged: Vec<usize> = kept.map(|k| shape[k]).collect();
    merged.push(
        shape
            .iter()
            .zip(axes)
            .filter(|&(_, &r)| r)
            .map(|(&d, _)| d)
            .product(),
    );
    let moved = if order.is_sorted() {
        x.clone()
    } else {
        permute(x, &order)
    };
    reshape(&moved, &merged)
}

/// Softmax of each row.
pub(crate) fn softmax(x: &Var) -> Var {
    let width = x.dims().last().copied().unwrap_or(1);
    let output = {
        let input = Dense::new(x.array());
        array(&x.dims(), map_rows(&input, width, width, softmax_row))
    };
    let kept = output.clone();
    record(&[x], output, move |g, _| {
        let (g, y) = (Dense::new(&g), Dense::new(&kept));
        let dx = row_gradients(&y, &y, &g, width, width, |row, dx| {
            // A row that is masked out altogether is NaN; where a later choice hides it from the
            // output no gradient comes back, and none must go on.
            if row.g.iter().all(|&g| g == 0.0) {
                dx.fill(0.0);
                return;
            }
            let dot: f32 = row.y.iter().zip(row.g).map(|(y, g)| y * g).sum();
            for ((d, &y), &g) in dx.iter_mut().zip(row.y).zip(row.g) {
                *d = y * (g - dot);
            }
        });
        vec![Some(array(&dims(&kept), dx))]
    })
}

fn softmax_row(x: &[f32], y: &mut [f32]) {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for (y, &x) in y.iter_mut().zip(x) {
        *y = (x - max).exp();
        total += *y;
    }
    let scale = 1.0 / total;
    for y in y.iter_mut() {
        *y *= scale;
    }
}

/// Logarithm of the softmax of each row.
pub(crate) fn log_softmax(x: &Var) -> Var {
    let width = x.dims().last().copied().unwrap_or(1);
    last_axis(
        x,
        width,
        |x, y| {
            let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = x.iter().map(|&v| (v - max).exp()).sum();
            let shift = max + total.ln();
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x - shift;
            }
        },
        |row, dx| {
            let total: f32 = row.g.iter().sum();
            for ((d, &y), &g) in dx.iter_mut().zip(row.y).zip(row.g) {
                *d = g - y.exp() * total;
            }
        },
    )
}

/// `(x - mean) / sqrt(var + epsilon)` of each row, or `x / sqrt(mean square + epsilon)` where
/// `center` is false.
pub(crate) fn standardize(x: &Var, epsilon: f32, center: bool) -> Var {
    let shape = x.dims();
    let width = shape.last().copied().unwrap_or(1);
    let input = Dense::new(x.array());
    let output = array(
        &shape,
        map_rows(&input, width, width, |x, y| {
            let (mean, inverse) = row_moments(x, epsilon, center);
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - mean) * inverse;
            }
        }),
    );
    let kept = output.clone();
    record(&[x], output, move |g, _| {
        let (g, y) = (Dense::new(&g), Dense::new(&kept));
        let dx = row_gradients(&input, &y, &g, width, width, |row, dx| {
            let n = row.x.len() as f32;
            let (_, inverse) = row_moments(row.x, epsilon, center);
            let along: f32 = row.g.iter().zip(row.y).map(|(g, y)| g * y).sum::<f32>() / n;
            let mean: f32 = if center {
                row.g.iter().sum::<f32>() / n
            } else {
                0.0
            };
            for ((d, &y), &g) in dx.iter_mut().zip(row.y).zip(row.g) {
                *d = (g - mean - y * along) * inverse;
            }
        });
        vec![Some(array(&shape, dx))]
    })
}

/// Mean (zero where not centered) and inverse standard deviation of a row.
pub(crate) fn row_moments(x: &[f32], epsilon: f32, center: bool) -> (f32, f32) {
    let n = x.len() as f64;
    let mean = if center {
        crate::kernel::reduce::sum(x) / n
    } else {
        0.0
    };
    let m = mean as f32;
    let mut lanes = [0.0f64; 8];
    for part in x.chunks(8) {
        for (lane, &v) in lanes.iter_mut().zip(part) {
            let d = f64::from(v - m);
            *lane += d * d;
        }
    }
    let variance = lanes.iter().sum::<f64>() / n;
    (m, (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32)
}
