//! Operators that pick elements by index.

use super::call::{Call, Outcome, Stop, integers, tensor};
use super::kind::{Kind, any_kind, same_kind};
use super::walk::{lanes, rows, steps};
use super::{geometry, normalize_axis, strides};
use crate::{ElementType, HostData};

/// An index counted from the front.
pub(super) fn resolve(index: i64, size: usize) -> Result<usize, String> {
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

pub(super) fn gather(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let axis = call.attributes.int("axis", 0);
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
pub(super) fn element_offsets(
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

pub(super) fn gather_elements(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let axis = call.attributes.int("axis", 0);
    let axis = geometry::elements_axis(&x.shape, &indices.shape, axis)?;
    call.size(&indices.shape)?;
    let picks = integers(indices, "indices")?;
    let offsets = element_offsets(&x.shape, &indices.shape, &picks, axis)?;
    let data = same_kind!(&x.data, v => offsets.into_iter().map(|k| v[k]).collect());
    Ok(vec![tensor(indices.shape.clone(), x.element, data)])
}

/// For every index tuple, the offset that it names in the axes of `data` from `first` on.
pub(super) fn tuple_offsets(
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

pub(super) fn gather_nd(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let batch = call.attributes.int("batch_dims", 0);
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

pub(super) fn non_zero(call: &Call<'_>) -> Outcome {
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

pub(super) fn compress(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let condition = call.required(1, "condition")?;
    let HostData::Bool(keep) = &condition.data else {
        return Err(super::call::not_defined(condition));
    };
    let (outer, size, inner, axis) = match call.attributes.get("axis") {
        Some(crate::Attribute::Int(axis)) => {
            let axis = normalize_axis(*axis, x.shape.len())?;
            let (outer, size, inner) = lanes(&x.shape, axis);
            (outer, size, inner, Some(axis))
        }
        _ => (1, x.len(), 1, None),
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
    use super::super::testing::{b, counted, f, i, named, one, one_with};

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
