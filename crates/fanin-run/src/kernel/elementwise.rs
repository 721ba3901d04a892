//! Element by element: functions of one value, and of two that broadcast.

use crate::array::{Array, CHUNK, Dense, array, count, dims, filled, for_chunks, full};
use crate::kernel::reduce::sum_to;
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// `f` of every element; without a tape.
pub(crate) fn map(x: &Array, f: impl Fn(f32) -> f32 + Sync) -> Array {
    let x = Dense::new(x);
    let out = filled(x.len(), |start, out| {
        for (o, &v) in out.iter_mut().zip(&x[start..]) {
            *o = f(v);
        }
    });
    array(&dims(x.array()), out)
}

/// `f` of every pair of elements of two arrays of the same shape; without a tape.
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
fn map_over(mut x: Array, f: impl Fn(f32) -> f32 + Sync) -> Array {
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

/// A function whose derivative is a function of its input.
pub(crate) fn unary(
    x: &Var,
    f: impl Fn(f32) -> f32 + Sync,
    derivative: impl Fn(f32) -> f32 + Send + Sync + 'static,
) -> Var {
    let output = map(x.array(), f);
    let kept = x.array().clone();
    record(&[x], output, move |g, _| {
        vec![Some(zip_over(g, &kept, |g, x| g * derivative(x)))]
    })
}

/// A function whose derivative is a function of its output, which then is what is kept.
pub(crate) fn unary_of_output(
    x: &Var,
    f: impl Fn(f32) -> f32 + Sync,
    derivative: impl Fn(f32) -> f32 + Send + Sync + 'static,
) -> Var {
    let output = map(x.array(), f);
    let kept = output.clone();
    record(&[x], output, move |g, _| {
        vec![Some(zip_over(g, &kept, |g, y| g * derivative(y)))]
    })
}

/// `scale * x + shift`.
pub(crate) fn affine(x: &Var, scale: f32, shift: f32) -> Var {
    let output = map(x.array(), |v| scale * v + shift);
    record(&[x], output, move |g, _| {
        vec![Some(map_over(g, |g| g * scale))]
    })
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
struct Axis {
    size: usize,
    a: usize,
    b: usize,
}

/// The axes of a broadcast, outermost first, with those merged that both operands walk evenly.
fn axes(shape: &[usize], a: &[usize], b: &[usize]) -> Vec<Axis> {
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

/// `f` of every pair of elements, broadcast to `shape`; without a tape.
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

/// A function of two values that broadcast; `da` and `db` are its derivatives.
pub(crate) fn binary(
    a: &Var,
    b: &Var,
    f: impl Fn(f32, f32) -> f32 + Sync,
    da: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
    db: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
) -> Result<Var, String> {
    let shape = broadcast_shape(&a.dims(), &b.dims())?;
    let output = broadcast_map(&shape, a.array(), b.array(), f);
    let (x, y) = (a.array().clone(), b.array().clone());
    Ok(record(&[a, b], output, move |g, wanted| {
        vec![
            wanted[0].then(|| {
                let slope = broadcast_map(&shape, &x, &y, &da);
                sum_to(&zip(&g, &slope, |g, d| g * d), x.shape())
            }),
            wanted[1].then(|| {
                let slope = broadcast_map(&shape, &x, &y, &db);
                sum_to(&zip(&g, &slope, |g, d| g * d), y.shape())
            }),
        ]
    }))
}

/// `a + b`.
pub(crate) fn add(a: &Var, b: &Var) -> Result<Var, String> {
    linear_pair(a, b, 1.0)
}

/// `a + b` of a value that nobody else holds, in its memory where its shape stays.
pub(crate) fn add_to(a: Var, b: &Var) -> Result<Var, String> {
    let shape = broadcast_shape(&a.dims(), &b.dims())?;
    if shape != a.array().shape() {
        return add(&a, b);
    }
    let (place, mut sum) = a.take();
    if !sum.is_sole() {
        return add(&place.with(sum), b);
    }
    let addend = Dense::new(b.array());
    let axes = axes(&shape, &shape, b.array().shape());
    if let (Some((inner, outer)), false) = (axes.split_last(), sum.len() == 0) {
        for_chunks(sum.elements_mut(), inner.size, |row, out| {
            let mut rest = row;
            let mut at = 0;
            for axis in outer.iter().rev() {
                at += rest % axis.size * axis.b;
                rest /= axis.size;
            }
            let addend = &addend[at..];
            if inner.b == 1 {
                for (o, &v) in out.iter_mut().zip(addend) {
                    *o += v;
                }
            } else {
                let v = addend[0];
                for o in out {
                    *o += v;
                }
            }
        });
    } else if let (Some(o), Some(&v)) = (sum.elements_mut().first_mut(), addend.first()) {
        *o += v;
    }
    let like = b.dims();
    Ok(record(&[&place, b], sum, move |g, wanted| {
        vec![
            wanted[0].then(|| g.clone()),
            wanted[1].then(|| sum_to(&g, &like)),
        ]
    }))
}

/// `a - b`.
pub(crate) fn subtract(a: &Var, b: &Var) -> Result<Var, String> {
    linear_pair(a, b, -1.0)
}

/// `a + sign * b`; keeps nothing.
fn linear_pair(a: &Var, b: &Var, sign: f32) -> Result<Var, String> {
    let shape = broadcast_shape(&a.dims(), &b.dims())?;
    let output = if sign > 0.0 {
        broadcast_map(&shape, a.array(), b.array(), |x, y| x + y)
    } else {
        broadcast_map(&shape, a.array(), b.array(), |x, y| x - y)
    };
    let (da, db) = (a.dims(), b.dims());
    Ok(record(&[a, b], output, move |g, wanted| {
        vec![
            wanted[0].then(|| sum_to(&g, &da)),
            wanted[1].then(|| {
                let g = sum_to(&g, &db);
                if sign > 0.0 { g } else { map(&g, |g| -g) }
            }),
        ]
    }))
}

/// `a * b`.
pub(crate) fn multiply(a: &Var, b: &Var) -> Result<Var, String> {
    let shape = broadcast_shape(&a.dims(), &b.dims())?;
    let output = broadcast_map(&shape, a.array(), b.array(), |x, y| x * y);
    // Each factor is kept only for the other's gradient.
    let x = b.tracked().then(|| a.array().clone());
    let y = a.tracked().then(|| b.array().clone());
    let (da, db) = (a.dims(), b.dims());
    Ok(record(&[a, b], output, move |g, wanted| {
        let to = |other: &Option<Array>, like: &[usize]| {
            other
                .as_ref()
                .map(|o| sum_to(&broadcast_map(&shape, &g, o, |g, o| g * o), like))
        };
        vec![
            wanted[0].then(|| to(&y, &da)).flatten(),
            wanted[1].then(|| to(&x, &db)).flatten(),
        ]
    }))
}

/// `a / b`.
pub(crate) fn divide(a: &Var, b: &Var) -> Result<Var, String> {
    binary(a, b, |x, y| x / y, |_, y| 1.0 / y, |x, y| -x / (y * y))
}

/// `condition ? a : b`, the condition already broadcast to `shape` (1 and 0).
pub(crate) fn select(condition: &Array, a: &Var, b: &Var) -> Result<Var, String> {
    let shape = broadcast_shape(&broadcast_shape(&a.dims(), &b.dims())?, &dims(condition))?;
    let mask = broadcast_map(&shape, &full(&shape, 0.0), condition, |_, c| c);
    // The branch not taken may be NaN or infinite, so it is chosen, never multiplied by zero.
    let taken = broadcast_map(
        &shape,
        &mask,
        a.array(),
        |c, x| if c != 0.0 { x } else { 0.0 },
    );
    let other = broadcast_map(
        &shape,
        &mask,
        b.array(),
        |c, y| if c != 0.0 { 0.0 } else { y },
    );
    // One of the two is +0 or the value itself at each place: their sum is the choice.
    let output = zip(&taken, &other, |x, y| x + y);
    let (da, db) = (a.dims(), b.dims());
    Ok(record(&[a, b], output, move |g, wanted| {
        vec![
            wanted[0].then(|| sum_to(&zip(&g, &mask, |g, c| if c != 0.0 { g } else { 0.0 }), &da)),
            wanted[1].then(|| sum_to(&zip(&g, &mask, |g, c| if c != 0.0 { 0.0 } else { g }), &db)),
        ]
    }))
}
