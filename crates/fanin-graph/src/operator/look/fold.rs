//! What is seen of a signal, evaluated.

use std::cmp::Ordering;

use super::Arg;
use crate::evaluate::{
    Call, Outcome, Stop,
    kind::{Kind, any_kind, same_kind},
    one_integer, orderable, tensor,
    walk::lanes,
};
use crate::shape::{geometry, strides};
use crate::{ElementType, HostData, HostTensor};

pub(crate) fn arg(arg: &Arg, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    orderable(x)?;
    let (axis, shape) = geometry::arg(&x.shape, arg.axis, arg.keep)?;
    let total = call.size(&shape)?;
    let (outer, size, inner) = lanes(&x.shape, axis);
    if size == 0 && total > 0 {
        return Err(Stop::Wrong(format!(
            "axis {axis} of {:?} has no elements",
            x.shape
        )));
    }
    let last = arg.last;
    let wanted = if arg.largest {
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

pub(crate) fn non_zero(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "X")?;
    let found: Vec<usize> = any_kind!(&x.data, v => {
        v.iter()
            .enumerate()
            .filter(|(_, e)| !e.is_zero())
            .map(|(k, _)| k)
            .collect()
    });
    let shape = vec![x.shape.len(), found.len()];
    let total = call.size(&shape)?;
    let mut data = Vec::with_capacity(total);
    for (&stride, &size) in strides(&x.shape).iter().zip(&x.shape) {
        data.extend(
            found
                .iter()
                .map(|k| (k / stride.max(1) % size.max(1)) as i64),
        );
    }
    Ok(vec![tensor(shape, ElementType::I64, HostData::I64(data))])
}

pub(crate) fn shape(start: i64, end: Option<i64>, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let sizes = geometry::axes_between(&x.shape, start, end);
    Ok(vec![tensor(
        vec![sizes.len()],
        ElementType::I64,
        HostData::I64(sizes),
    )])
}

pub(crate) fn size(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let count = HostData::I64(vec![x.len() as i64]);
    Ok(vec![tensor(vec![], ElementType::I64, count)])
}

pub(crate) fn one_hot(axis: i64, call: &Call<'_>) -> Outcome {
    let indices = call.required(0, "indices")?;
    let depth = call.required(1, "depth")?;
    let values = call.required(2, "values")?;
    let whole = |t: &HostTensor| -> Vec<i64> {
        match &t.data {
            HostData::F32(v) => v.iter().map(|&x| x as i64).collect(),
            HostData::F64(v) => v.iter().map(|&x| x as i64).collect(),
            _ => t.to_i64().unwrap_or_default(),
        }
    };
    let depth = match whole(depth).as_slice() {
        [d] => *d,
        _ => one_integer(depth, "depth")?,
    };
    let depth =
        usize::try_from(depth).map_err(|_| format!("`depth` {depth} is no number of classes"))?;
    if values.len() != 2 {
        return Err(Stop::Wrong(format!(
            "`values` has shape {:?} where [off, on] is wanted",
            values.shape
        )));
    }
    let (axis, shape) = geometry::one_hot(&indices.shape, depth, axis)?;
    let total = call.size(&shape)?;
    let (_, _, inner) = lanes(&shape, axis);
    let hot = whole(indices);
    let data = same_kind!(&values.data, v => {
        let mut out = vec![v[0]; total];
        for (k, &index) in hot.iter().enumerate() {
            let class = if index < 0 { index.saturating_add(depth as i64) } else { index };
            if let Ok(class) = usize::try_from(class)
                && class < depth
            {
                out[(k / inner * depth + class) * inner + k % inner] = v[1];
            }
        }
        out
    });
    Ok(vec![tensor(shape, values.element, data)])
}

#[cfg(test)]
mod tests {
    use crate::Attributes;
    use crate::evaluate::testing::{f, i, named, one_with, run};

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
