//! Values element by element: functions of one, and of two that broadcast.

use crate::array::{Array, Dense, dims, for_chunks, full};
use crate::kernel::map::{axes, broadcast_map, broadcast_shape, map, map_over, zip, zip_over};
use crate::kernel::reduce::sum_to;
use crate::tape::{Var, record};

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
