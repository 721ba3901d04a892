//! Views and copies that only move elements.

use std::sync::{Arc, Mutex};

use crate::array::{Array, Dense, array, for_chunks, full, reshaped};
use crate::kernel::reduce::{expand, sum_to};
use crate::pool::Buffer;
use crate::tape::{Var, record, relay};

/// The same elements in another shape; a view where possible.
pub(crate) fn reshape(x: &Var, shape: &[usize]) -> Var {
    let from = x.dims();
    if from == shape {
        return x.clone();
    }
    record(&[x], reshaped(x.array(), shape), move |g, _| {
        vec![Some(reshaped(&g, &from))]
    })
}

/// Axes in another order, as a view.
pub(crate) fn permute(x: &Var, order: &[usize]) -> Var {
    if order.is_sorted() {
        return x.clone();
    }
    let mut inverse = vec![0; order.len()];
    for (to, &from) in order.iter().enumerate() {
        inverse[from] = to;
    }
    record(&[x], x.array().permute(order), move |g, _| {
        vec![Some(g.permute(&inverse))]
    })
}

/// Every `step`-th index of one axis from `start`, `len` of them; `step` may be negative. A view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// First index.
    pub(crate) start: usize,
    /// Indices taken.
    pub(crate) len: usize,
    /// From one index to the next.
    pub(crate) step: isize,
}

impl Range {
    /// All of an axis.
    pub(crate) fn whole(len: usize) -> Self {
        Self {
            start: 0,
            len,
            step: 1,
        }
    }
}

fn sliced(x: &Array, ranges: &[Range]) -> Array {
    if ranges.iter().any(|r| r.len == 0) {
        let shape: Vec<usize> = ranges.iter().map(|r| r.len).collect();
        return array(&shape, Vec::new());
    }
    let each = ranges.iter().enumerate();
    each.fold(x.clone(), |x, (axis, r)| {
        x.stepped(axis, r.start, r.len, r.step)
    })
}

/// A rectangular selection, one range per axis.
pub(crate) fn slice(x: &Var, ranges: &[Range]) -> Var {
    let from = x.dims();
    let whole = |(r, &d): (&Range, &usize)| {
        *r == Range {
            start: 0,
            len: d,
            step: 1,
        }
    };
    if ranges.iter().zip(&from).all(whole) {
        return x.clone();
    }
    let kept = ranges.to_vec();
    record(&[x], sliced(x.array(), ranges), move |g, _| {
        let mut out = Buffer::zeros(from.iter().product());
        scatter_ranges(&mut out, &from, &kept, &Dense::new(&g));
        vec![Some(array(&from, out))]
    })
}

/// Writes `g` into the places of `out` that `ranges` selects.
fn scatter_ranges(out: &mut [f32], shape: &[usize], ranges: &[Range], g: &[f32]) {
    let rank = shape.len();
    if g.is_empty() {
        return;
    }
    if rank == 0 {
        out.copy_from_slice(g);
        return;
    }
    let mut strides = vec![1usize; rank];
    for k in (0..rank - 1).rev() {
        strides[k] = strides[k + 1] * shape[k + 1];
    }
    let at = |k: usize, i: usize| {
        ((ranges[k].start as isize + ranges[k].step * i as isize) as usize) * strides[k]
    };
    // Trailing axes taken whole move in one piece.
    let mut first = rank;
    while first > 0
        && ranges[first - 1]
            == (Range {
                start: 0,
                len: shape[first - 1],
                step: 1,
            })
    {
        first -= 1;
    }
    let tail: usize = shape[first..].iter().product();
    // The axis before them moves in one piece too where its step is 1.
    let (run, axes) = match first.checked_sub(1) {
        Some(k) if ranges[k].step == 1 => (ranges[k].len * tail, k),
        _ => (tail, first),
    };
    let base = if axes < first { at(axes, 0) } else { 0 };
    let mut index = vec![0usize; axes];
    for piece in g.chunks(run) {
        let offset = base + (0..axes).map(|k| at(k, index[k])).sum::<usize>();
        out[offset..offset + run].copy_from_slice(piece);
        for k in (0..axes).rev() {
            index[k] += 1;
            if index[k] < ranges[k].len {
                break;
            }
            index[k] = 0;
        }
    }
}

/// A part of one axis.
pub(crate) fn narrow(x: &Var, axis: usize, start: usize, len: usize) -> Var {
    let ranges: Vec<Range> = x
        .dims()
        .iter()
        .enumerate()
        .map(|(k, &d)| match k == axis {
            true => Range {
                start,
                len,
                step: 1,
            },
            false => Range {
                start: 0,
                len: d,
                step: 1,
            },
        })
        .collect();
    slice(x, &ranges)
}

/// All parts of one axis, of these sizes; the gradients of the parts meet in one array.
pub(crate) fn split(x: &Var, axis: usize, sizes: &[usize]) -> Vec<Var> {
    let shape = x.dims();
    let starts: Vec<usize> = sizes
        .iter()
        .scan(0, |start, &size| {
            *start += size;
            Some(*start - size)
        })
        .collect();
    let part = |start: usize, size: usize| x.array().narrow(axis, start, size);
    if !x.tracked() {
        let parts = starts.iter().zip(sizes);
        return parts
            .map(|(&start, &size)| Var::constant(part(start, size)))
            .collect();
    }
    // A part's gradient as an array of the whole would cost parts times the whole. Instead each
    // part writes into one shared array, and a node without elements, which all parts have as
    // parent and whose step therefore runs after theirs, hands that array on.
    let shared: Arc<Mutex<Option<Buffer>>> = Arc::default();
    let (whole, from) = (Arc::clone(&shared), shape.clone());
    let hub = relay(&[x], array(&[0], Vec::new()), move |_, _| {
        let gradient = whole.lock().ok().and_then(|mut g| g.take());
        vec![gradient.map(|g| array(&from, g))]
    });
    let parts = starts.iter().zip(sizes).map(|(&start, &size)| {
        let (whole, shape) = (Arc::clone(&shared), shape.clone());
        record(&[&hub], part(start, size), move |g, _| {
            if let Ok(mut whole) = whole.lock() {
                let whole = whole.get_or_insert_with(|| Buffer::zeros(shape.iter().product()));
                let ranges: Vec<Range> = shape
                    .iter()
                    .enumerate()
                    .map(|(k, &d)| match k == axis {
                        true => Range {
                            start,
                            len: size,
                            step: 1,
                        },
                        false => Range {
                            start: 0,
                            len: d,
                            step: 1,
                        },
                    })
                    .collect();
                scatter_ranges(whole, &shape, &ranges, &Dense::new(&g));
            }
            vec![Some(array(&[0], Vec::new()))]
        })
    });
    parts.collect()
}

/// Arrays one after the other along an axis; shapes must agree elsewhere.
pub(crate) fn concat(parts: &[&Var], axis: usize) -> Var {
    if let [one] = parts {
        return (*one).clone();
    }
    let shapes: Vec<Vec<usize>> = parts.iter().map(|p| p.dims()).collect();
    let mut shape = shapes.first().cloned().unwrap_or_default();
    shape[axis] = shapes.iter().map(|s| s[axis]).sum();
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let row = shape[axis] * inner;
    let widths: Vec<usize> = shapes.iter().map(|s| s[axis] * inner).collect();
    let sources: Vec<Dense> = parts.iter().map(|p| Dense::new(p.array())).collect();
    let mut out = Buffer::unwritten(outer * row);
    for_chunks(&mut out, row, |o, mut out| {
        for (source, &w) in sources.iter().zip(&widths) {
            let (part, rest) = std::mem::take(&mut out).split_at_mut(w);
            part.copy_from_slice(&source[o * w..(o + 1) * w]);
            out = rest;
        }
    });
    record(parts, array(&shape, out), move |g, _| {
        let mut start = 0;
        shapes
            .iter()
            .map(|s| {
                let part = g.narrow(axis, start, s[axis]);
                start += s[axis];
                Some(part)
            })
            .collect()
    })
}

/// A value repeated to a larger shape by numpy's rules.
pub(crate) fn broadcast(x: &Var, shape: &[usize]) -> Var {
    let from = x.dims();
    if from == shape {
        return x.clone();
    }
    record(&[x], expand(x.array(), shape), move |g, _| {
        vec![Some(sum_to(&g, &from))]
    })
}

/// Zeros (or `value`) around a value: `pads` counts added elements before and after each axis.
pub(crate) fn pad(x: &Var, pads: &[(usize, usize)], value: f32) -> Var {
    if pads.iter().all(|&p| p == (0, 0)) {
        return x.clone();
    }
    let from = x.dims();
    let shape: Vec<usize> = from.iter().zip(pads).map(|(&d, p)| d + p.0 + p.1).collect();
    let ranges: Vec<Range> = from
        .iter()
        .zip(pads)
        .map(|(&len, p)| Range {
            start: p.0,
            len,
            step: 1,
        })
        .collect();
    let mut out = Buffer::unwritten(shape.iter().product());
    out.fill(value);
    scatter_ranges(&mut out, &shape, &ranges, &Dense::new(x.array()));
    record(&[x], array(&shape, out), move |g, _| {
        vec![Some(sliced(&g, &ranges))]
    })
}

/// Zeros of a shape, off the tape.
pub(crate) fn zeros(shape: &[usize]) -> Var {
    Var::constant(full(shape, 0.0))
}
