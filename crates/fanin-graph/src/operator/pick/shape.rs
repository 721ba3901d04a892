//! Shapes of parts.

use super::{Slice, Split, TopK};
use crate::infer::{Found, Inferred, Operands, known};
use crate::operator::Setting;
use crate::shape::{geometry, normalize_axis};
use crate::{ElementType, HostData};

/// `Split`.
pub(crate) fn split(split: &Split, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    let untold = || vec![Inferred::typed(x.element); operands.outputs];
    let (Some(lengths), Some(shape)) = (operands.setting(&split.lengths, "split")?, x.shape) else {
        return Ok(untold());
    };
    let axis = normalize_axis(split.axis, shape.len())?;
    let parts = split.parts;
    if lengths.is_none() && parts != operands.outputs {
        return Err(format!(
            "attribute `num_outputs` is {parts} but the node has {} outputs",
            operands.outputs
        ));
    }
    let lengths = geometry::split(shape[axis], lengths.as_deref(), parts, split.uneven)?;
    if lengths.len() != operands.outputs {
        return Err(format!(
            "cuts {shape:?} into {lengths:?} but has {} outputs",
            operands.outputs
        ));
    }
    Ok(lengths
        .into_iter()
        .map(|length| {
            let mut part = shape.to_vec();
            part[axis] = length;
            Inferred::known(x.element, part)
        })
        .collect())
}

/// `Slice`.
pub(crate) fn slice(slice: &Slice, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let starts = known!(operands.setting(&slice.starts, "starts")?, x.element)
        .ok_or("`starts` is missing")?;
    let ends =
        known!(operands.setting(&slice.ends, "ends")?, x.element).ok_or("`ends` is missing")?;
    let axes = known!(operands.setting(&slice.axes, "axes")?, x.element);
    let steps = known!(operands.setting(&slice.steps, "steps")?, x.element);
    let shape = known!(x.shape, x.element);
    let windows = geometry::slice(shape, &starts, &ends, axes.as_deref(), steps.as_deref())?;
    let shape = windows.into_iter().map(|w| w.length).collect();
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Gather`.
pub(crate) fn gather(axis: i64, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let indices = operands.required(1, "indices")?;
    let (data, indices) = known!(x.shape.zip(indices.shape), x.element);
    let (_, shape) = geometry::gather(data, indices, axis)?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `GatherElements`.
pub(crate) fn gather_elements(axis: i64, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let indices = operands.required(1, "indices")?;
    let indices_shape = known!(indices.shape, x.element);
    if let Some(data) = x.shape {
        geometry::elements_axis(data, indices_shape, axis)?;
    }
    Ok(vec![Inferred::known(x.element, indices_shape.to_vec())])
}

/// `GatherND`.
pub(crate) fn gather_nd(batch: usize, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let indices = operands.required(1, "indices")?;
    let (data, indices) = known!(x.shape.zip(indices.shape), x.element);
    let (_, _, shape) = geometry::gather_nd(data, indices, batch)?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `TopK`.
pub(crate) fn top_k(top: &TopK, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let both = |shape: Option<Vec<usize>>| {
        Ok(vec![
            Inferred::new(x.element, shape.clone()),
            Inferred::new(Some(ElementType::I64), shape),
        ])
    };
    let k = match top.k {
        Setting::Given(k) => Some(k),
        Setting::Input(_) | Setting::Absent => {
            operands.required(1, "K")?;
            match operands.integers(1, "K")?.flatten().as_deref() {
                Some([k]) => Some(*k),
                Some(list) => {
                    return Err(format!(
                        "`K` holds {} numbers where one is wanted",
                        list.len()
                    ));
                }
                None => None,
            }
        }
    };
    let (Some(k), Some(shape)) = (k, x.shape) else {
        return both(None);
    };
    let axis = normalize_axis(top.axis, shape.len())?;
    let mut out = shape.to_vec();
    out[axis] = usize::try_from(k)
        .ok()
        .filter(|&k| k <= shape[axis])
        .ok_or_else(|| {
            format!(
                "cannot take {k} of the {} along axis {axis} of {shape:?}",
                shape[axis]
            )
        })?;
    both(Some(out))
}

/// `Compress`: as many as the condition lets through.
pub(crate) fn compress(axis: Option<i64>, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    let condition = operands.required(1, "condition")?;
    let constant = known!(condition.constant, x.element);
    let HostData::Bool(keep) = &constant.data else {
        return Err(format!("`condition` holds {} elements", constant.element));
    };
    let count = keep.iter().filter(|&&k| k).count();
    let shape = known!(x.shape, x.element);
    let out = match axis {
        Some(axis) => {
            let mut out = shape.to_vec();
            out[normalize_axis(axis, shape.len())?] = count;
            out
        }
        None => vec![count],
    };
    Ok(vec![Inferred::known(x.element, out)])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{all, attributes, first, floats, int, ints};
    use crate::{Attribute, Attributes, ElementType};

    #[test]
    fn gathers() {
        let axis = |axis| attributes([("axis", Attribute::Int(axis))]);
        assert_eq!(
            first(
                "Gather",
                13,
                axis(1),
                &[floats(&[2, 9, 4]), floats(&[3, 5])]
            )
            .unwrap(),
            [2, 3, 5, 4]
        );
        assert_eq!(
            first("Gather", 13, axis(0), &[floats(&[9, 4]), int(2)]).unwrap(),
            [4]
        );
        assert_eq!(
            first(
                "GatherElements",
                13,
                axis(1),
                &[floats(&[2, 9]), floats(&[2, 20])]
            )
            .unwrap(),
            [2, 20]
        );
        assert!(
            first(
                "GatherElements",
                13,
                axis(1),
                &[floats(&[2, 9]), floats(&[3, 2])]
            )
            .is_err()
        );
        let none = Attributes::default;
        assert_eq!(
            first(
                "GatherND",
                13,
                none(),
                &[floats(&[2, 3, 4]), floats(&[5, 2])]
            )
            .unwrap(),
            [5, 4]
        );
        let batch = || attributes([("batch_dims", Attribute::Int(1))]);
        assert_eq!(
            first(
                "GatherND",
                13,
                batch(),
                &[floats(&[2, 3, 4]), floats(&[2, 6, 1])]
            )
            .unwrap(),
            [2, 6, 4]
        );
        assert!(
            first(
                "GatherND",
                13,
                batch(),
                &[floats(&[2, 3, 4]), floats(&[3, 6, 1])]
            )
            .is_err()
        );
        assert!(first("GatherND", 13, none(), &[floats(&[2, 3]), floats(&[5, 3])]).is_err());
    }

    #[test]
    fn scatters_keep_the_shape_of_the_data() {
        let none = Attributes::default;
        let inputs = [floats(&[4, 5]), floats(&[2, 1]), floats(&[2, 5])];
        assert_eq!(first("ScatterND", 16, none(), &inputs).unwrap(), [4, 5]);
        let inputs = [floats(&[4, 5]), floats(&[2, 1]), floats(&[2, 4])];
        assert!(first("ScatterND", 16, none(), &inputs).is_err());
        let inputs = [floats(&[4, 5]), floats(&[2, 1]), floats(&[2, 2])];
        assert!(first("ScatterElements", 16, none(), &inputs).is_err());
    }

    #[test]
    fn found_indices_are_integers() {
        let found = all(
            "TopK",
            11,
            Attributes::default(),
            &[floats(&[2, 9]), ints(&[3])],
            2,
        )
        .unwrap();
        assert_eq!(found[1].shape, Some(vec![2, 3]));
        assert_eq!(found[1].element, Some(ElementType::I64));
        assert!(
            first(
                "TopK",
                11,
                Attributes::default(),
                &[floats(&[2]), ints(&[3])]
            )
            .is_err()
        );
        let dropped = attributes([("keepdims", Attribute::Int(0)), ("axis", Attribute::Int(1))]);
        assert_eq!(
            first("ArgMax", 13, dropped, &[floats(&[2, 9, 3])]).unwrap(),
            [2, 3]
        );
        let found = all("NonZero", 13, Attributes::default(), &[floats(&[2, 9])], 1).unwrap();
        assert_eq!(
            (found[0].element, &found[0].shape),
            (Some(ElementType::I64), &None)
        );
    }

    #[test]
    fn one_hot_adds_an_axis() {
        let inputs = [floats(&[2, 3]), int(7), floats(&[2])];
        assert_eq!(
            first("OneHot", 11, Attributes::default(), &inputs).unwrap(),
            [2, 3, 7]
        );
        let inputs = [floats(&[2, 3]), int(-7), floats(&[2])];
        assert!(first("OneHot", 11, Attributes::default(), &inputs).is_err());
    }
}
