//! Reductions over axes and running sums, evaluated.

use super::{Reduce, ReduceKind};
use crate::evaluate::{
    Call, Outcome, Stop,
    kind::{Kind, settle},
    not_defined, one_integer, tensor,
    walk::{lanes, rows, steps},
};
use crate::shape::{broadcast_strides, geometry, normalize_axis};
use crate::{ElementType, HostData, HostTensor};

/// Folds the elements of `x` that share a place in the result.
fn gather_up<T: Copy, A: Copy>(
    x: &[T],
    shape: &[usize],
    mask: &[bool],
    start: A,
    f: impl Fn(A, T) -> A,
) -> Vec<A> {
    let kept: Vec<usize> = shape
        .iter()
        .zip(mask)
        .map(|(&size, &gone)| if gone { 1 } else { size })
        .collect();
    let mut to = steps(&kept);
    for (step, &gone) in to.iter_mut().zip(mask) {
        if gone {
            *step = 0;
        }
    }
    let own = steps(shape);
    let mut out = vec![start; kept.iter().product()];
    rows(
        shape,
        [&own, &to],
        [0, 0],
        |[at, place], length, [step, go]| {
            if go == 0 {
                let mut sum = out[place as usize];
                for k in 0..length as isize {
                    sum = f(sum, x[(at + k * step) as usize]);
                }
                out[place as usize] = sum;
            } else {
                for k in 0..length as isize {
                    let slot = &mut out[(place + k * go) as usize];
                    *slot = f(*slot, x[(at + k * step) as usize]);
                }
            }
        },
    );
    out
}

pub(crate) fn reduce(reduce: &Reduce, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let axes = call.setting(&reduce.axes, "axes")?;
    let (keep, none) = (reduce.keep, reduce.none_without_axes);
    let (mask, shape) = geometry::reduce(&x.shape, axes.as_deref(), keep, none)?;
    call.size(&shape)?;
    // Elements that go into one place of the result.
    let each: usize = x
        .shape
        .iter()
        .zip(&mask)
        .filter(|&(_, &gone)| gone)
        .map(|(&size, _)| size)
        .product();
    let data = match &x.data {
        HostData::F32(v) => HostData::F32(float(reduce.kind, v, &x.shape, &mask, each)?),
        HostData::F64(v) => HostData::F64(float(reduce.kind, v, &x.shape, &mask, each)?),
        HostData::I64(v) => HostData::I64(integer(reduce.kind, x, v, &mask, each)?),
        HostData::Bool(v) => HostData::Bool(match reduce.kind {
            ReduceKind::Min => gather_up(v, &x.shape, &mask, true, Kind::least),
            ReduceKind::Max => gather_up(v, &x.shape, &mask, false, Kind::most),
            _ => return Err(not_defined(x)),
        }),
    };
    let data = settle(x.element, data);
    Ok(vec![tensor(shape, x.element, data)])
}

/// What float reductions need of f32 and f64; sums are taken in f64.
trait Real: Kind + Into<f64> {
    const LOWEST: Self;
    const HIGHEST: Self;
    fn from_f64(x: f64) -> Self;
}

impl Real for f32 {
    const LOWEST: Self = f32::NEG_INFINITY;
    const HIGHEST: Self = f32::INFINITY;
    fn from_f64(x: f64) -> Self {
        x as f32
    }
}

impl Real for f64 {
    const LOWEST: Self = f64::NEG_INFINITY;
    const HIGHEST: Self = f64::INFINITY;
    fn from_f64(x: f64) -> Self {
        x
    }
}

fn float<T: Real>(
    kind: ReduceKind,
    v: &[T],
    shape: &[usize],
    mask: &[bool],
    each: usize,
) -> Result<Vec<T>, Stop> {
    let sum = |f: fn(f64) -> f64, after: &dyn Fn(f64) -> f64| -> Vec<T> {
        gather_up(v, shape, mask, 0.0, |s: f64, x: T| s + f(x.into()))
            .into_iter()
            .map(|s| T::from_f64(after(s)))
            .collect()
    };
    let same = |x: f64| x;
    Ok(match kind {
        ReduceKind::Sum => sum(same, &same),
        ReduceKind::Mean => sum(same, &|s| s / each as f64),
        ReduceKind::L1 => sum(f64::abs, &same),
        ReduceKind::L2 => sum(|x| x * x, &f64::sqrt),
        ReduceKind::SumSquare => sum(|x| x * x, &same),
        ReduceKind::LogSum => sum(same, &f64::ln),
        ReduceKind::LogSumExp => {
            // Relative to the largest element, so that no exponential overflows.
            let top = gather_up(v, shape, mask, f64::NEG_INFINITY, |m: f64, x: T| {
                m.most(x.into())
            });
            let finite: Vec<f64> = top
                .iter()
                .map(|&m| if m.is_finite() { m } else { 0.0 })
                .collect();
            let shifted = shifted_exponentials(v, shape, mask, &finite);
            shifted
                .iter()
                .zip(&finite)
                .map(|(&s, &m)| T::from_f64(s.ln() + m))
                .collect()
        }
        ReduceKind::Prod => gather_up(v, shape, mask, 1.0, |s: f64, x: T| s * x.into())
            .into_iter()
            .map(T::from_f64)
            .collect(),
        ReduceKind::Min => gather_up(v, shape, mask, T::HIGHEST, T::least),
        ReduceKind::Max => gather_up(v, shape, mask, T::LOWEST, T::most),
    })
}

/// Sums of `exp(x - top)` per place of the result.
fn shifted_exponentials<T: Real>(v: &[T], shape: &[usize], mask: &[bool], top: &[f64]) -> Vec<f64> {
    let kept: Vec<usize> = shape
        .iter()
        .zip(mask)
        .map(|(&size, &gone)| if gone { 1 } else { size })
        .collect();
    let to = broadcast_strides(&kept, shape);
    let mut shifted = Vec::with_capacity(v.len());
    rows(
        shape,
        [&steps(shape), &to],
        [0, 0],
        |[at, place], length, [step, go]| {
            shifted.extend((0..length as isize).map(|k| {
                let x: f64 = v[(at + k * step) as usize].into();
                (x - top[(place + k * go) as usize]).exp()
            }));
        },
    );
    gather_up(&shifted, shape, mask, 0.0, |s: f64, x| s + x)
}

fn integer(
    kind: ReduceKind,
    x: &HostTensor,
    v: &[i64],
    mask: &[bool],
    each: usize,
) -> Result<Vec<i64>, Stop> {
    let shape = x.shape.as_slice();
    let unsigned = x.element == ElementType::U64;
    if unsigned && v.iter().any(|&e| e < 0) {
        return Err(Stop::Unknown);
    }
    let sum = |f: fn(i64) -> i64| gather_up(v, shape, mask, 0i64, |s, x| s.wrapping_add(f(x)));
    let real = |sums: Vec<i64>, f: fn(f64) -> f64| -> Vec<i64> {
        sums.into_iter().map(|s| f(s as f64) as i64).collect()
    };
    let (lowest, highest) = match x.element {
        ElementType::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        ElementType::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        ElementType::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        ElementType::U8 => (0, i64::from(u8::MAX)),
        ElementType::U16 => (0, i64::from(u16::MAX)),
        ElementType::U32 => (0, i64::from(u32::MAX)),
        ElementType::U64 => (0, i64::MAX),
        _ => (i64::MIN, i64::MAX),
    };
    Ok(match kind {
        ReduceKind::Sum => sum(|x| x),
        ReduceKind::Mean => {
            if each == 0 {
                return Err(Stop::Wrong(format!(
                    "has no mean of integers over no elements of {shape:?}"
                )));
            }
            sum(|x| x).into_iter().map(|s| s / each as i64).collect()
        }
        ReduceKind::L1 => sum(i64::wrapping_abs),
        ReduceKind::L2 => real(sum(|x| x.wrapping_mul(x)), f64::sqrt),
        ReduceKind::SumSquare => sum(|x| x.wrapping_mul(x)),
        ReduceKind::LogSum => real(sum(|x| x), f64::ln),
        ReduceKind::LogSumExp => gather_up(v, shape, mask, 0.0, |s: f64, x| s + (x as f64).exp())
            .into_iter()
            .map(|s| s.ln() as i64)
            .collect(),
        ReduceKind::Prod => gather_up(v, shape, mask, 1i64, i64::wrapping_mul),
        ReduceKind::Min => gather_up(v, shape, mask, highest, i64::min),
        ReduceKind::Max => gather_up(v, shape, mask, lowest, i64::max),
    })
}

pub(crate) fn cum_sum(exclusive: bool, reverse: bool, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "x")?;
    let axis = one_integer(call.required(1, "axis")?, "axis")?;
    let axis = normalize_axis(axis, x.shape.len())?;
    call.size(&x.shape)?;
    let (outer, size, inner) = lanes(&x.shape, axis);

    fn run<T: Kind>(
        v: &[T],
        (outer, size, inner): (usize, usize, usize),
        exclusive: bool,
        reverse: bool,
    ) -> Vec<T> {
        let mut out = v.to_vec();
        for o in 0..outer {
            for i in 0..inner {
                let mut sum = T::default();
                for k in 0..size {
                    let k = if reverse { size - 1 - k } else { k };
                    let at = (o * size + k) * inner + i;
                    let next = sum.add(v[at]);
                    out[at] = if exclusive { sum } else { next };
                    sum = next;
                }
            }
        }
        out
    }
    let at = (outer, size, inner);
    let data = match &x.data {
        HostData::F32(v) => HostData::F32(run(v, at, exclusive, reverse)),
        HostData::F64(v) => HostData::F64(run(v, at, exclusive, reverse)),
        HostData::I64(v) => HostData::I64(run(v, at, exclusive, reverse)),
        HostData::Bool(_) => return Err(not_defined(x)),
    };
    let data = settle(x.element, data);
    Ok(vec![tensor(x.shape.clone(), x.element, data)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::ElementType;
    use crate::evaluate::testing::{b, counted, f, i, named, narrow, one, one_with};
    use crate::shape::strides;

    #[test]
    fn reductions_of_integers() {
        let x = i(&[2, 3], &[1, -2, 3, 4, 5, -6]);
        let axis = i(&[1], &[1]);
        let reduce = |op: &str| one(op, &[&x, &axis]).unwrap().to_i64().unwrap();
        assert_eq!(reduce("ReduceSum"), [2, 3]);
        assert_eq!(reduce("ReduceProd"), [-6, -120]);
        assert_eq!(reduce("ReduceMin"), [-2, -6]);
        assert_eq!(reduce("ReduceMax"), [3, 5]);
        assert_eq!(reduce("ReduceMean"), [0, 1]);
        assert_eq!(reduce("ReduceL1"), [6, 15]);
        assert_eq!(reduce("ReduceSumSquare"), [14, 77]);
    }

    #[test]
    fn reductions_of_floats() {
        let x = f(&[4], &[1.0, 2.0, 3.0, 1000.0]);
        assert_eq!(one("ReduceLogSumExp", &[&x]).unwrap(), f(&[1], &[1000.0]));
        let flat = named([("keepdims", 0)]);
        assert_eq!(
            one_with("ReduceL2", flat, &[&f(&[2], &[3.0, 4.0])]).unwrap(),
            f(&[], &[5.0])
        );
        let empty = f(&[0], &[]);
        assert_eq!(
            one("ReduceMax", &[&empty]).unwrap(),
            f(&[1], &[f32::NEG_INFINITY])
        );
        assert_eq!(one("ReduceSum", &[&empty]).unwrap(), f(&[1], &[0.0]));
        assert_eq!(
            one("ReduceMax", &[&b(&[2], &[0, 1])]).unwrap(),
            b(&[1], &[1])
        );
        let wide = narrow(ElementType::U8, &[200, 100]);
        assert_eq!(
            one("ReduceSum", &[&wide]).unwrap(),
            narrow(ElementType::U8, &[44])
        );
    }

    #[test]
    fn running_sums() {
        let x = i(&[4], &[1, 2, 3, 4]);
        let axis = i(&[], &[-1]);
        let sum = |exclusive, reverse| {
            let options = named([("exclusive", exclusive), ("reverse", reverse)]);
            one_with("CumSum", options, &[&x, &axis])
                .unwrap()
                .to_i64()
                .unwrap()
        };
        assert_eq!(sum(0, 0), [1, 3, 6, 10]);
        assert_eq!(sum(1, 0), [0, 1, 3, 6]);
        assert_eq!(sum(0, 1), [10, 9, 7, 4]);
        assert_eq!(sum(1, 1), [9, 7, 4, 0]);
    }

    proptest! {
        /// Against adding up element by element.
        #[test]
        fn a_sum_is_a_sum(
            shape in prop::collection::vec(0usize..4, 1..5),
            chosen in prop::collection::vec(any::<bool>(), 5),
        ) {
            let axes: Vec<i64> = (0..shape.len()).filter(|&k| chosen[k]).map(|k| k as i64).collect();
            let x = counted(&shape);
            let options = named([("noop_with_empty_axes", 1)]);
            let found = one_with("ReduceSum", options, &[&x, &i(&[axes.len()], &axes)]).unwrap();
            let kept = strides(&found.shape);
            let own = strides(&shape);
            let mut wanted = vec![0i64; found.len()];
            for (place, x) in x.to_i64().unwrap().into_iter().enumerate() {
                let to: usize = (0..shape.len())
                    .filter(|k| !chosen[*k])
                    .map(|k| place / own[k] % shape[k] * kept[k])
                    .sum();
                wanted[to] += x;
            }
            prop_assert_eq!(found.to_i64().unwrap(), wanted);
        }
    }
}
