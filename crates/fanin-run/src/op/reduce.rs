//! Reductions over axes.

use super::{Answer, Call, Operator, axes, one};
use crate::array::full;
use crate::kernel::elementwise::{map, unary, zip};
use crate::kernel::reduce::{mean_over, sum_over};
use crate::kernel::rows::{RowGradient, along, gather_axes, last_axis};
use crate::kernel::shape::reshape;
use crate::tape::{Var, record};

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "ReduceSum" => |call| over(call, sum_over),
        "ReduceMean" => |call| over(call, mean_over),
        "ReduceSumSquare" => |call| over(call, |x, m| sum_over(&square(x), m)),
        "ReduceL1" => |call| {
            over(call, |x, m| {
                sum_over(
                    &unary(x, f32::abs, |x| if x == 0.0 { 0.0 } else { x.signum() }),
                    m,
                )
            })
        },
        "ReduceL2" => |call| {
            over(call, |x, m| {
                by_rows(x, m, norm, |row, dx| {
                    for (d, &x) in dx.iter_mut().zip(row.x) {
                        *d = if row.y[0] == 0.0 {
                            0.0
                        } else {
                            row.g[0] * x / row.y[0]
                        };
                    }
                })
            })
        },
        "ReduceLogSum" => |call| over(call, |x, m| unary(&sum_over(x, m), f32::ln, |s| 1.0 / s)),
        "ReduceLogSumExp" => |call| {
            over(call, |x, m| {
                by_rows(x, m, log_sum_exp, |row, dx| {
                    for (d, &x) in dx.iter_mut().zip(row.x) {
                        *d = row.g[0] * (x - row.y[0]).exp();
                    }
                })
            })
        },
        "ReduceMax" => |call| {
            over(call, |x, m| {
                by_rows(
                    x,
                    m,
                    |x| x.iter().copied().fold(f32::NEG_INFINITY, nan_max),
                    share,
                )
            })
        },
        "ReduceMin" => |call| {
            over(call, |x, m| {
                by_rows(
                    x,
                    m,
                    |x| -x.iter().map(|v| -v).fold(f32::NEG_INFINITY, nan_max),
                    share,
                )
            })
        },
        "ReduceProd" => |call| {
            over(call, |x, m| {
                by_rows(x, m, |x| x.iter().product(), product_gradient)
            })
        },
        "CumSum" => cum_sum,
        _ => return None,
    })
}

fn square(x: &Var) -> Var {
    let kept = x.array().clone();
    record(&[x], map(x.array(), |v| v * v), move |g, _| {
        vec![Some(zip(&g, &kept, |g, x| 2.0 * g * x))]
    })
}

fn norm(x: &[f32]) -> f32 {
    x.iter()
        .map(|&v| f64::from(v) * f64::from(v))
        .sum::<f64>()
        .sqrt() as f32
}

fn log_sum_exp(x: &[f32]) -> f32 {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if max.is_infinite() {
        return max;
    }
    max + x.iter().map(|&v| (v - max).exp()).sum::<f32>().ln()
}

fn nan_max(a: f32, b: f32) -> f32 {
    if a.is_nan() || a > b { a } else { b }
}

/// The extreme's gradient, shared evenly among those that reach it.
fn share(row: &RowGradient<'_>, dx: &mut [f32]) {
    let n = row.x.iter().filter(|&&x| x == row.y[0]).count().max(1) as f32;
    for (d, &x) in dx.iter_mut().zip(row.x) {
        *d = if x == row.y[0] { row.g[0] / n } else { 0.0 };
    }
}

/// Each factor's gradient is the product of the others, taken from both sides so that zeros are exact.
fn product_gradient(row: &RowGradient<'_>, dx: &mut [f32]) {
    let mut before = row.g[0];
    for (d, &x) in dx.iter_mut().zip(row.x) {
        *d = before;
        before *= x;
    }
    let mut after = 1.0;
    for (d, &x) in dx.iter_mut().zip(row.x).rev() {
        *d *= after;
        after *= x;
    }
}

/// A reduction that needs whole rows: the axes are brought last and merged.
fn by_rows(
    x: &Var,
    marked: &[bool],
    f: impl Fn(&[f32]) -> f32 + Sync,
    backward: impl Fn(&RowGradient<'_>, &mut [f32]) + Send + Sync + 'static,
) -> Var {
    let shape: Vec<usize> = x
        .dims()
        .iter()
        .zip(marked)
        .map(|(&d, &m)| if m { 1 } else { d })
        .collect();
    let rows = gather_axes(x, marked);
    reshape(&last_axis(&rows, 1, |x, y| y[0] = f(x), backward), &shape)
}

/// Reads axes and flags, applies a reduction that keeps axes, and drops them where asked.
fn over(call: &Call<'_>, f: impl FnOnce(&Var, &[bool]) -> Var) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let list = call.integers_or(1, "axes")?.filter(|l| !l.is_empty());
    let marked = match list {
        Some(list) => axes(&list, shape.len())?,
        None if call.attributes().int("noop_with_empty_axes", 0) != 0 => vec![false; shape.len()],
        None => vec![true; shape.len()],
    };
    let reduced = match of_nothing(&call.node.op) {
        Some(value) if shape.iter().zip(&marked).any(|(&d, &m)| m && d == 0) => {
            let kept: Vec<usize> = shape
                .iter()
                .zip(&marked)
                .map(|(&d, &m)| if m { 1 } else { d })
                .collect();
            Var::constant(full(&kept, value))
        }
        _ => f(&x, &marked),
    };
    if call.attributes().int("keepdims", 1) != 0 {
        return one(reduced);
    }
    let kept: Vec<usize> = shape
        .iter()
        .zip(&marked)
        .filter(|&(_, &m)| !m)
        .map(|(&d, _)| d)
        .collect();
    one(reshape(&reduced, &kept))
}

/// What a reduction of no elements gives.
fn of_nothing(op: &str) -> Option<f32> {
    Some(match op {
        "ReduceProd" => 1.0,
        "ReduceMax" | "ReduceLogSum" | "ReduceLogSumExp" => f32::NEG_INFINITY,
        "ReduceMin" => f32::INFINITY,
        "ReduceMean" => f32::NAN,
        "ReduceSum" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" => 0.0,
        _ => return None,
    })
}

fn cum_sum(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let at = call
        .integers(1)?
        .and_then(|v| v.first().copied())
        .ok_or("the axis is missing")?;
    let at = super::axis(at, x.dims().len())?;
    let exclusive = call.attributes().int("exclusive", 0) != 0;
    let reverse = call.attributes().int("reverse", 0) != 0;
    one(along(&x, at, |x| {
        let width = x.dims().last().copied().unwrap_or(1);
        last_axis(
            x,
            width,
            move |x, y| running_sum(x, y, exclusive, reverse),
            move |row, dx| running_sum(row.g, dx, exclusive, !reverse),
        )
    }))
}

fn running_sum(x: &[f32], y: &mut [f32], exclusive: bool, reverse: bool) {
    let mut total = 0.0;
    let mut step = |y: &mut f32, x: f32| {
        if exclusive {
            *y = total;
            total += x;
        } else {
            total += x;
            *y = total;
        }
    };
    if reverse {
        y.iter_mut().zip(x).rev().for_each(|(y, &x)| step(y, x));
    } else {
        y.iter_mut().zip(x).for_each(|(y, &x)| step(y, x));
    }
}
