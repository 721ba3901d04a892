//! Operators that order elements along an axis.

use std::cmp::Ordering;

use super::call::{Call, Outcome, Stop, one_integer, tensor};
use super::kind::{Kind, any_kind};
use super::walk::lanes;
use super::{geometry, normalize_axis};
use crate::{Attribute, ElementType, HostData, HostTensor};

/// u64 elements past `i64::MAX` are held as negative numbers, which would come first.
fn orderable(x: &HostTensor) -> Result<(), Stop> {
    match &x.data {
        HostData::I64(v) if x.element == ElementType::U64 && v.iter().any(|&e| e < 0) => {
            Err(Stop::Unknown)
        }
        _ => Ok(()),
    }
}

pub(super) fn arg(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    orderable(x)?;
    let keep = call.attributes.int("keepdims", 1) != 0;
    let (axis, shape) = geometry::arg(&x.shape, call.attributes.int("axis", 0), keep)?;
    let total = call.size(&shape)?;
    let (outer, size, inner) = lanes(&x.shape, axis);
    if size == 0 && total > 0 {
        return Err(Stop::Wrong(format!(
            "axis {axis} of {:?} has no elements",
            x.shape
        )));
    }
    let last = call.attributes.int("select_last_index", 0) != 0;
    let wanted = if call.op == "ArgMax" {
        Ordering::Greater
    } else {
        Ordering::Less
    };
    let data = any_kind!(&x.data, v => {
        let mut out = Vec::with_capacity(total);
        for o in 0..outer {
            for i in 0..inner {
                let at = |k: usize| v[(o * size + k) * inner + i];
                let mut best = 0;
                for k in 1..size {
                    let order = at(k).order(at(best));
                    if order == wanted || (last && order == Ordering::Equal) {
                        best = k;
                    }
                }
                out.push(best as i64);
            }
        }
        out
    });
    Ok(vec![tensor(shape, ElementType::I64, HostData::I64(data))])
}

pub(super) fn top_k(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "X")?;
    orderable(x)?;
    let k = match call.attributes.get("k") {
        Some(Attribute::Int(k)) => *k,
        _ => one_integer(call.required(1, "K")?, "K")?,
    };
    let axis = normalize_axis(call.attributes.int("axis", -1), x.shape.len())?;
    let (outer, size, inner) = lanes(&x.shape, axis);
    let count = usize::try_from(k)
        .ok()
        .filter(|&k| k <= size)
        .ok_or_else(|| format!("cannot take {k} of an axis of {size}"))?;
    let mut shape = x.shape.clone();
    shape[axis] = count;
    let total = call.size(&shape)?;
    let largest = call.attributes.int("largest", 1) != 0;

    let mut picks = vec![0i64; total];
    macro_rules! pick {
        ($variant:ident, $v:expr) => {{
            let mut values = vec![Default::default(); total];
            let mut order: Vec<usize> = Vec::with_capacity(size);
            for o in 0..outer {
                for i in 0..inner {
                    let at = |k: usize| $v[(o * size + k) * inner + i];
                    order.clear();
                    order.extend(0..size);
                    // Stable, so that of equal elements the first comes first.
                    order.sort_by(|&a, &b| {
                        let order = at(a).order(at(b));
                        if largest { order.reverse() } else { order }
                    });
                    for (place, &k) in order.iter().take(count).enumerate() {
                        let to = (o * count + place) * inner + i;
                        values[to] = at(k);
                        picks[to] = k as i64;
                    }
                }
            }
            HostData::$variant(values)
        }};
    }
    let values = match &x.data {
        HostData::F32(v) => pick!(F32, v),
        HostData::F64(v) => pick!(F64, v),
        HostData::I64(v) => pick!(I64, v),
        HostData::Bool(v) => pick!(Bool, v),
    };
    Ok(vec![
        tensor(shape.clone(), x.element, values),
        tensor(shape, ElementType::I64, HostData::I64(picks)),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{f, i, named, one_with, run};
    use crate::Attributes;

    #[test]
    fn the_first_of_equals_wins() {
        let x = i(&[2, 3], &[5, 9, 9, 1, 1, 0]);
        let along = |last: i64| named([("axis", 1), ("keepdims", 0), ("select_last_index", last)]);
        assert_eq!(
            one_with("ArgMax", along(0), &[&x]).unwrap(),
            i(&[2], &[1, 0])
        );
        assert_eq!(
            one_with("ArgMax", along(1), &[&x]).unwrap(),
            i(&[2], &[2, 1])
        );
        assert_eq!(
            one_with("ArgMin", along(0), &[&x]).unwrap(),
            i(&[2], &[0, 2])
        );
        assert!(one_with("ArgMax", along(0), &[&i(&[2, 0], &[])]).is_err());
    }

    #[test]
    fn the_largest_in_order() {
        let x = f(&[4], &[1.0, 3.0, f32::NAN, 3.0]);
        let found = run("TopK", Attributes::default(), &[&x, &i(&[1], &[3])], 2).unwrap();
        assert_eq!(found[1], i(&[3], &[2, 1, 3]));
        let found = run("TopK", named([("largest", 0)]), &[&x, &i(&[1], &[2])], 2).unwrap();
        assert_eq!(found[0], f(&[2], &[1.0, 3.0]));
        assert_eq!(found[1], i(&[2], &[0, 1]));
        assert!(run("TopK", Attributes::default(), &[&x, &i(&[1], &[5])], 2).is_err());
    }
}
