//! Arrays element by element, without a tape: functions of one, and of two that broadcast.

use crate::array::{Array, CHUNK, Dense, array, count, dims, filled, for_chunks};
use crate::pool::Buffer;

/// `f` of every element.
pub(crate) fn map(x: &Array, f: impl Fn(f32) -> f32 + Sync) -> Array {
    let x = Dense::new(x);
    let out = filled(x.len(), |start, out| {
        for (o, &v) in out.iter_mut().zip(&x[start..]) {
            *o = f(v);
        }
    });
    array(&dims(x.array()), out)
}

/// `f` of every pair of elements of two arrays of the same shape.
pub(crate) fn zip(a: &Array, b: &Array, f: impl Fn(f32, f32) -> f32 + Sync) -> Array {
    let (a, b) = (Dense::new(a), Dense::new(b));
    let out = filled(a.len(), |start, out| {
        for ((o, &x), &y) in out.iter_mut().zip(&a[start..]).zip(&b[start..]) {
            *o = f(x, y);
        }
    });
    array(&dims(a.array()), out)
}

/// `f` of every element, written over it where nobody else reads it.
pub(crate) fn map_over(mut x: Array, f: impl Fn(f32) -> f32 + Sync) -> Array {
    if !x.is_sole() {
        return map(&x, f);
    }
    for_chunks(x.elements_mut(), CHUNK, |_, x| {
        for x in x {
            *x = f(*x);
        }
    });
    x
}

/// `f` of every pair of elements, written over those of `a` where nobody else reads them.
pub(crate) fn zip_over(mut a: Array, b: &Array, f: impl Fn(f32, f32) -> f32 + Sync) -> Array {
    if !a.is_sole() {
        return zip(&a, b, f);
    }
    let b = Dense::new(b);
    for_chunks(a.elements_mut(), CHUNK, |k, a| {
        for (a, &b) in a.iter_mut().zip(&b[k * CHUNK..]) {
            *a = f(*a, b);
        }
    });
    a
}

/// `a + b` of two arrays of the same shape, in the memory of one of them where that is free.
pub(crate) fn sum(mut a: Array, mut b: Array) -> Array {
    match !a.is_sole() && b.is_sole() {
        true => zip_over(b, &a, |b, a| a + b),
        false => zip_over(a, &b, |a, b| a + b),
    }
}

/// The shape two shapes broadcast to, by numpy's rules.
pub(crate) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], k: usize| (k + s.len()).checked_sub(rank).map_or(1, |k| s[k]);
    let shape = (0..rank)
        .map(|k| match (at(a, k), at(b, k)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(format!(
                "shapes {a:?} and {b:?} do not broadcast; make them equal or 1 in each axis"
            )),
        })
        .collect::<Result<Vec<_>, _>>()?;
    count(&shape)?;
    Ok(shape)
}

/// One axis of a loop over two operands: its size and how far each operand moves.
pub(crate) struct Axis {
    pub(crate) size: usize,
    pub(crate) a: usize,
    pub(crate) b: usize,
}

/// The axes of a broadcast, outermost first, with those merged that both operands walk evenly.
pub(crate) fn axes(shape: &[usize], a: &[usize], b: &[usize]) -> Vec<Axis> {
    let strides = |s: &[usize]| {
        let mut strides = vec![0; shape.len()];
        let mut step = 1;
        for k in (0..s.len()).rev() {
            if s[k] != 1 {
                strides[k + shape.len() - s.len()] = step;
            }
            step *= s[k];
        }
        strides
    };
    let (sa, sb) = (strides(a), strides(b));
    let mut merged: Vec<Axis> = Vec::new();
    for k in (0..shape.len()).rev() {
        if shape[k] == 1 {
            continue;
        }
        match merged.last_mut() {
            Some(inner) if sa[k] == inner.a * inner.size && sb[k] == inner.b * inner.size => {
                inner.size *= shape[k];
            }
            _ => merged.push(Axis {
                size: shape[k],
                a: sa[k],
                b: sb[k],
            }),
        }
    }
    merged.reverse();
    merged
}

/// `f` of every pair of elements, broadcast to `shape`.
pub(crate) fn broadcast_map(
    shape: &[usize],
    a: &Array,
    b: &Array,
    f: impl Fn(f32, f32) -> f32 + Sync,
) -> Array {
    let (a, b) = (Dense::new(a), Dense::new(b));
    let axes = axes(shape, &dims(a.array()), &dims(b.array()));
    let Some((inner, outer)) = axes.split_last() else {
        let one = a.first().zip(b.first()).map(|(&x, &y)| f(x, y));
        return array(shape, one.into_iter().collect::<Vec<_>>());
    };
    let mut out = Buffer::unwritten(shape.iter().product());
    if out.is_empty() {
        return array(shape, out);
    }
    // Long rows are cut, so that one broadcast row still runs in parallel.
    let width = if inner.size > 2 * CHUNK && inner.size.is_multiple_of(CHUNK) {
        CHUNK
    } else {
        inner.size
    };
    let cuts = inner.size / width;
    for_chunks(&mut out, width, |k, out| {
        let (mut row, cut) = (k / cuts, k % cuts);
        let (mut i, mut j) = (cut * width * inner.a, cut * width * inner.b);
        for axis in outer.iter().rev() {
            let at = row % axis.size;
            row /= axis.size;
            i += at * axis.a;
            j += at * axis.b;
        }
        match (inner.a, inner.b) {
            (1, 1) => {
                for ((o, &x), &y) in out.iter_mut().zip(&a[i..]).zip(&b[j..]) {
                    *o = f(x, y);
                }
            }
            (1, _) => {
                let y = b[j];
                for (o, &x) in out.iter_mut().zip(&a[i..]) {
                    *o = f(x, y);
                }
            }
            (_, 0) => out.fill(f(a[i], b[j])),
            _ => {
                let x = a[i];
                for (o, &y) in out.iter_mut().zip(&b[j..]) {
                    *o = f(x, y);
                }
            }
        }
    });
    array(shape, out)
}
