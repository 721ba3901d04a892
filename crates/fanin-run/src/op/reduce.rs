//! Reductions over axes.

use fanin_network::operator::{Reduce, ReduceKind};

use super::{Answer, Call, axes, one};
use crate::array::full;
use crate::kernel::elementwise::unary;
use crate::kernel::map::{map, zip};
use crate::kernel::reduce::{mean_over, sum_over};
use crate::kernel::rows::{RowGradient, along, gather_axes, last_axis};
use crate::kernel::shape::reshape;
use crate::tape::{Var, record};

/// One number for the marked axes, which stay with size 1.
fn reduced(kind: ReduceKind, x: &Var, m: &[bool]) -> Var {
    match kind {
        ReduceKind::Sum => sum_over(x, m),
        ReduceKind::Mean => mean_over(x, m),
        ReduceKind::SumSquare => sum_over(&square(x), m),
        ReduceKind::L1 => {
            let slope = |x: f32| if x == 0.0 { 0.0 } else { x.signum() };
            sum_over(&unary(x, f32::abs, slope), m)
        }
        ReduceKind::L2 => by_rows(x, m, norm, |row, dx| {
            for (d, &x) in dx.iter_mut().zip(row.x) {
                *d = if row.y[0] == 0.0 {
                    0.0
                } else {
                    row.g[0] * x / row.y[0]
                };
            }
        }),
        ReduceKind::LogSum => unary(&sum_over(x, m), f32::ln, |s| 1.0 / s),
        ReduceKind::LogSumExp => by_rows(x, m, log_sum_exp, |row, dx| {
            for (d, &x) in dx.iter_mut().zip(row.x) {
                *d = row.g[0] * (x - row.y[0]).exp();
            }
        }),
        ReduceKind::Max => {
            let largest = |x: &[f32]| x.iter().copied().fold(f32::NEG_INFINITY, nan_max);
            by_rows(x, m, largest, share)
        }
        ReduceKind::Min => {
            let smallest = |x: &[f32]| -x.iter().map(|v| -v).fold(f32::NEG_INFINITY, nan_max);
            by_rows(x, m, smallest, share)
        }
        ReduceKind::Prod => by_rows(x, m, |x| x.iter().product(), product_gradient),
    }
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

pub(super) fn reduce(reduce: &Reduce, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let list = call.list(&reduce.axes)?.filter(|l| !l.is_empty());
    let marked = match list {
        Some(list) => axes(&list, shape.len())?,
        None => vec![!reduce.none_without_axes; shape.len()],
    };
    let value = if shape.iter().zip(&marked).any(|(&d, &m)| m && d == 0) {
        let kept = shape.iter().zip(&marked);
        let kept: Vec<usize> = kept.map(|(&d, &m)| if m { 1 } else { d }).collect();
        Var::constant(full(&kept, of_nothing(reduce.kind)))
    } else {
        reduced(reduce.kind, &x, &marked)
    };
    if reduce.keep {
        return one(value);
    }
    let kept: Vec<usize> = shape
        .iter()
        .zip(&marked)
        .filter(|&(_, &m)| !m)
        .map(|(&d, _)| d)
        .collect();
    one(reshape(&value, &kept))
}

/// What a reduction of no elements gives.
fn of_nothing(kind: ReduceKind) -> f32 {
    match kind {
        ReduceKind::Prod => 1.0,
        ReduceKind::Max | ReduceKind::LogSum | ReduceKind::LogSumExp => f32::NEG_INFINITY,
        ReduceKind::Min => f32::INFINITY,
        ReduceKind::Mean => f32::NAN,
        ReduceKind::Sum | ReduceKind::L1 | ReduceKind::L2 | ReduceKind::SumSquare => 0.0,
    }
}

pub(super) fn cum_sum(exclusive: bool, reverse: bool, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let at = call
        .integers(1)?
        .and_then(|v| v.first().copied())
        .ok_or("the axis is missing")?;
    let at = super::axis(at, x.dims().len())?;
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
