//! Softmax and its kin.

use super::{Answer, Call, Operator, axis, one};
use crate::array::{Dense, array};
use crate::kernel::elementwise::{binary, divide};
use crate::kernel::rows::{along, last_axis, log_softmax, map_rows, softmax};
use crate::kernel::shape::reshape;
use crate::tape::Var;

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "Softmax" => |call| over(call, softmax),
        "LogSoftmax" => |call| over(call, log_softmax),
        "Hardmax" => |call| over(call, hardmax),
        "LpNormalization" => lp_normalization,
        _ => return None,
    })
}

/// Before operator set 13 all axes from the given one on are taken together; since, that one alone.
fn over(call: &Call<'_>, f: fn(&Var) -> Var) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    if shape.is_empty() {
        return one(reshape(&f(&reshape(&x, &[1])), &[]));
    }
    if call.opset() >= 13 {
        return one(along(&x, call.axis("axis", -1, shape.len())?, f));
    }
    let at = call.attributes().int("axis", 1);
    let at = if at == shape.len() as i64 {
        shape.len()
    } else {
        axis(at, shape.len())?
    };
    let flat = [shape[..at].iter().product(), shape[at..].iter().product()];
    one(reshape(&f(&reshape(&x, &flat)), &shape))
}

fn hardmax(x: &Var) -> Var {
    let width = x.dims().last().copied().unwrap_or(1);
    let rows = map_rows(&Dense::new(x.array()), width, width, |x, y| {
        let mut best = 0;
        for (k, &v) in x.iter().enumerate() {
            if v > x[best] {
                best = k;
            }
        }
        y.fill(0.0);
        y[best] = 1.0;
    });
    Var::constant(array(&x.dims(), rows))
}

fn lp_normalization(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let at = call.axis("axis", -1, x.dims().len())?;
    let p = call.attributes().int("p", 2);
    let norm = along(&x, at, |x| match p {
        1 => last_axis(
            x,
            1,
            |x, y| y[0] = x.iter().map(|v| v.abs()).sum(),
            |row, dx| {
                for (d, &x) in dx.iter_mut().zip(row.x) {
                    *d = if x == 0.0 { 0.0 } else { row.g[0] * x.signum() };
                }
            },
        ),
        _ => last_axis(
            x,
            1,
            |x, y| y[0] = x.iter().map(|v| v * v).sum::<f32>().sqrt(),
            |row, dx| {
                for (d, &x) in dx.iter_mut().zip(row.x) {
                    *d = if row.y[0] == 0.0 {
                        0.0
                    } else {
                        row.g[0] * x / row.y[0]
                    };
                }
            },
        ),
    });
    // A row of zeros stays zeros.
    let safe = binary(
        &norm,
        &Var::constant(crate::array::full(&[1], 1.0)),
        |n, one| if n == 0.0 { one } else { n },
        |n, _| if n == 0.0 { 0.0 } else { 1.0 },
        |_, _| 0.0,
    )?;
    one(divide(&x, &safe)?)
}
