//! Parts, evaluated.

use super::{Slice, Split, TopK};
use crate::evaluate::{
    Call, Outcome, Stop, integers,
    kind::{Kind, any_kind, same_kind},
    not_defined, one_integer, orderable, restride, tensor,
    walk::{lanes, rows, steps},
};
use crate::operator::Setting;
use crate::shape::{geometry, normalize_axis, strides};
use crate::{ElementType, HostData};

pub(crate) fn slice(slice: &Slice, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let missing = |name: &str| format!("`{name}` is missing");
    let starts = call
        .setting(&slice.starts, "starts")?
        .ok_or_else(|| missing("starts"))?;
    let ends = call
        .setting(&slice.ends, "ends")?
        .ok_or_else(|| missing("ends"))?;
    let axes = call.setting(&slice.axes, "axes")?;
    let steps_given = call.setting(&slice.steps, "steps")?;
    let windows = geometry::slice(
        &x.shape,
        &starts,
        &ends,
        axes.as_deref(),
        steps_given.as_deref(),
    )?;
    let own = steps(&x.shape);
    let shape: Vec<usize> = windows.iter().map(|w| w.length).collect();
    let strides: Vec<isize> = own
        .iter()
        .zip(&windows)
        // A window of one element never steps, so a huge step cannot overflow.
        .map(|(&s, w)| if w.length > 1 { s * w.step as isize } else { 0 })
        .collect();
    let base = if shape.contains(&0) {
        0
    } else {
        own.iter()
            .zip(&windows)
            .map(|(&s, w)| s * w.start as isize)
            .sum()
    };
    Ok(vec![restride(call, x, base, shape, &strides)?])
}

pub(crate) fn split(split: &Split, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let axis = normalize_axis(split.axis, x.shape.len())?;
    let lengths = call.setting(&split.lengths, "split")?;
    let parts = split.parts;
    if lengths.is_none() && parts != call.outputs {
        return Err(Stop::Wrong(format!(
            "attribute `num_outputs` is {parts} but there are {} outputs",
            call.outputs
        )));
    }
    let lengths = geometry::split(x.shape[axis], lengths.as_deref(), parts, split.uneven)?;
    let own = steps(&x.shape);
    let mut start = 0;
    let mut results = Vec::with_capacity(lengths.len());
    for length in lengths {
        let mut shape = x.shape.clone();
        shape[axis] = length;
        results.push(restride(call, x, start, shape, &own)?);
        start += own[axis] * length as isize;
    }
    Ok(results)
}

pub(crate) fn trilu(upper: bool, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let shift = match call.input(1) {
        Some(k) => i128::from(one_integer(k, "k")?),
        None => 0,
    };
    let Some(row_axis) = x.shape.len().checked_sub(2) else {
        return Err(Stop::Wrong(format!(
            "wants matrices, got shape {:?}",
            x.shape
        )));
    };
    call.size(&x.shape)?;
    let (_, rows, columns) = lanes(&x.shape, row_axis);
    let mut data = x.data.clone();
    if rows * columns > 0 {
        any_kind!(&mut data, v => {
            for matrix in v.chunks_exact_mut(rows * columns) {
                for (i, row) in matrix.chunks_exact_mut(columns).enumerate() {
                    // The first column on or above the diagonal that `k` shifts.
                    let edge = i as i128 + shift + i128::from(!upper);
                    let edge = usize::try_from(edge.clamp(0, columns as i128)).unwrap_or(0);
                    let cleared = if upper { &mut row[..edge] } else { &mut row[edge..] };
                    cleared.fill(Default::default());
                }
            }
        });
    }
    Ok(vec![tensor(x.shape.clone(), x.element, data)])
}

pub(crate) fn top_k(top: &TopK, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "X")?;
    orderable(x)?;
    let k = match top.k {
        Setting::Given(k) => k,
        Setting::Input(_) | Setting::Absent => one_integer(call.required(1, "K")?, "K")?,
    };
    let axis = normalize_axis(top.axis, x.shape.len())?;
    let (outer, size, inner) = lanes(&x.shape, axis);
    let count = usize::try_from(k)
        .ok()
        .filter(|&k| k <= size)
        .ok_or_else(|| format!("cannot take {k} of an axis of {size}"))?;
    let mut shape = x.shape.clone();
    shape[axis] = count;
    let total = call.size(&shape)?;
    let largest = top.largest;

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

/// An index counted from the front.
pub(crate) fn resolve(index: i64, size: usize) -> Result<usize, String> {
    let from_front = if index < 0 {
        index.saturating_add(size as i64)
    } else {
        index
    };
    usize::try_from(from_front)
        .ok()
        .filter(|&i| i < size)
        .ok_or_else(|| format!("index {index} is out of range for an axis of {size}"))
}

pub(crate) fn gather(axis: i64, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let (axis, shape) = geometry::gather(&x.shape, &indices.shape, axis)?;
    let total = call.size(&shape)?;
    let (outer, size, inner) = lanes(&x.shape, axis);
    let picks = integers(indices, "indices")?
        .into_iter()
        .map(|index| resolve(index, size))
        .collect::<Result<Vec<_>, _>>()?;
    let data = same_kind!(&x.data, v => {
        let mut out = Vec::with_capacity(total);
        for o in 0..outer {
            for &pick in &picks {
                let start = (o * size + pick) * inner;
                out.extend_from_slice(&v[start..start + inner]);
            }
        }
        out
    });
    Ok(vec![tensor(shape, x.element, data)])
}

/// For every place of `indices`, the offset of the element of `data` that it names along `axis`.
pub(crate) fn element_offsets(
    data: &[usize],
    indices: &[usize],
    picks: &[i64],
    axis: usize,
) -> Result<Vec<usize>, String> {
    let own = steps(indices);
    let mut there = steps(data);
    let along = there[axis] as usize;
    there[axis] = 0;
    let mut offsets = Vec::with_capacity(picks.len());
    let mut wrong = None;
    rows(
        indices,
        [&own, &there],
        [0, 0],
        |[at, base], length, [step, move_by]| {
            for k in 0..length as isize {
                match resolve(picks[(at + k * step) as usize], data[axis]) {
                    Ok(pick) => offsets.push((base + k * move_by) as usize + pick * along),
                    Err(message) => wrong = Some(message),
                }
            }
        },
    );
    wrong.map_or(Ok(offsets), Err)
}

pub(crate) fn gather_elements(axis: i64, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let axis = geometry::elements_axis(&x.shape, &indices.shape, axis)?;
    call.size(&indices.shape)?;
    let picks = integers(indices, "indices")?;
    let offsets = element_offsets(&x.shape, &indices.shape, &picks, axis)?;
    let data = same_kind!(&x.data, v => offsets.into_iter().map(|k| v[k]).collect());
    Ok(vec![tensor(indices.shape.clone(), x.element, data)])
}

/// For every index tuple, the offset that it names in the axes of `data` from `first` on.
pub(crate) fn tuple_offsets(
    data: &[usize],
    first: usize,
    depth: usize,
    picks: &[i64],
) -> Result<Vec<usize>, String> {
    let strides = strides(data);
    picks
        .chunks_exact(depth.max(1))
        .map(|tuple| {
            tuple.iter().enumerate().try_fold(0, |sum, (k, &index)| {
                Ok(sum + resolve(index, data[first + k])? * strides[first + k])
            })
        })
        .collect()
}

pub(crate) fn gather_nd(batch: usize, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let (batch, depth, shape) = geometry::gather_nd(&x.shape, &indices.shape, batch)?;
    let total = call.size(&shape)?;
    let picks = integers(indices, "indices")?;
    let offsets = tuple_offsets(&x.shape, batch, depth, &picks)?;
    let block: usize = x.shape[batch + depth..].iter().product();
    let per_batch: usize = x.shape[batch..].iter().product();
    let batches: usize = x.shape[..batch].iter().product();
    let tuples_per_batch = offsets.len() / batches.max(1);
    let data = same_kind!(&x.data, v => {
        let mut out = Vec::with_capacity(total);
        for (k, offset) in offsets.into_iter().enumerate() {
            let start = k / tuples_per_batch.max(1) * per_batch + offset;
            out.extend_from_slice(&v[start..start + block]);
        }
        out
    });
    Ok(vec![tensor(shape, x.element, data)])
}

pub(crate) fn compress(axis: Option<i64>, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let condition = call.required(1, "condition")?;
    let HostData::Bool(keep) = &condition.data else {
        return Err(not_defined(condition));
    };
    let (outer, size, inner, axis) = match axis {
        Some(axis) => {
            let axis = normalize_axis(axis, x.shape.len())?;
            let (outer, size, inner) = lanes(&x.shape, axis);
            (outer, size, inner, Some(axis))
        }
        None => (1, x.len(), 1, None),
    };
    if keep.len() > size {
        return Err(Stop::Wrong(format!(
            "condition {:?} is longer than the axis of {size}",
            condition.shape
        )));
    }
    let picks: Vec<usize> = (0..keep.len()).filter(|&k| keep[k]).collect();
    let shape = match axis {
        Some(axis) => {
            let mut shape = x.shape.clone();
            shape[axis] = picks.len();
            shape
        }
        None => vec![picks.len()],
    };
    let total = call.size(&shape)?;
    let data = same_kind!(&x.data, v => {
        let mut out = Vec::with_capacity(total);
        for o in 0..outer {
            for &pick in &picks {
                let start = (o * size + pick) * inner;
                out.extend_from_slice(&v[start..start + inner]);
            }
        }
        out
    });
    Ok(vec![tensor(shape, x.element, data)])
}

#[cfg(test)]
mod tests {
    use crate::evaluate::testing::{b, counted, f, i, named, one, one_with};

    #[test]
    fn rows_by_index() {
        let x = counted(&[3, 2]);
        assert_eq!(
            one("Gather", &[&x, &i(&[2], &[-1, 0])]).unwrap(),
            i(&[2, 2], &[4, 5, 0, 1])
        );
        let axis = || named([("axis", 1)]);
        assert_eq!(
            one_with("Gather", axis(), &[&x, &i(&[], &[1])]).unwrap(),
            i(&[3], &[1, 3, 5])
        );
        let error = one("Gather", &[&x, &i(&[1], &[3])]).unwrap_err();
        assert_eq!(error, "index 3 is out of range for an axis of 3");
        assert!(one("Gather", &[&x, &i(&[1], &[i64::MIN])]).is_err());
        assert!(
            one("Gather", &[&x, &f(&[1], &[0.0])])
                .unwrap_err()
                .contains("integers")
        );
    }

    #[test]
    fn single_elements_by_index() {
        let axis = named([("axis", 1)]);
        let found = one_with(
            "GatherElements",
            axis,
            &[&counted(&[2, 3]), &i(&[2, 2], &[2, 0, -1, 1])],
        );
        assert_eq!(found.unwrap(), i(&[2, 2], &[2, 0, 5, 4]));
        let found = one("GatherElements", &[&counted(&[3, 2]), &i(&[1, 2], &[2, 1])]);
        assert_eq!(found.unwrap(), i(&[1, 2], &[4, 3]));
    }

    #[test]
    fn blocks_by_index_tuples() {
        let x = counted(&[2, 2, 2]);
        let found = one("GatherND", &[&x, &i(&[2, 2], &[0, 1, 1, -2])]);
        assert_eq!(found.unwrap(), i(&[2, 2], &[2, 3, 4, 5]));
        let batch = named([("batch_dims", 1)]);
        let found = one_with("GatherND", batch, &[&x, &i(&[2, 1], &[1, 0])]);
        assert_eq!(found.unwrap(), i(&[2, 2], &[2, 3, 4, 5]));
        assert!(one("GatherND", &[&x, &i(&[1, 2], &[0, 2])]).is_err());
    }

    #[test]
    fn places_that_are_not_zero() {
        let found = one("NonZero", &[&b(&[2, 3], &[1, 0, 1, 0, 1, 0])]);
        assert_eq!(found.unwrap(), i(&[2, 3], &[0, 0, 1, 0, 2, 1]));
        assert_eq!(one("NonZero", &[&i(&[0, 3], &[])]).unwrap().shape, [2, 0]);
    }

    #[test]
    fn a_condition_lets_rows_through() {
        let axis = named([("axis", 0)]);
        let found = one_with("Compress", axis, &[&counted(&[3, 2]), &b(&[2], &[0, 1])]);
        assert_eq!(found.unwrap(), i(&[1, 2], &[2, 3]));
        let found = one("Compress", &[&counted(&[3, 2]), &b(&[4], &[0, 1, 0, 1])]);
        assert_eq!(found.unwrap(), i(&[2], &[1, 3]));
    }
}
