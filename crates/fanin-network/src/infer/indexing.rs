//! Operators that pick or put elements by index, or find indices.

use super::elementwise::same;
use super::operation::{Found, Inferred, Operation, known};
use crate::fold::{geometry, normalize_axis};
use crate::{Attribute, ElementType, HostData};

/// `Gather`.
pub(super) fn gather(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let indices = operation.required(1, "indices")?;
    let (data, indices) = known!(x.shape.zip(indices.shape), x.element);
    let (_, shape) = geometry::gather(data, indices, operation.attributes.int("axis", 0))?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `GatherElements`.
pub(super) fn gather_elements(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let indices = operation.required(1, "indices")?;
    let indices_shape = known!(indices.shape, x.element);
    if let Some(data) = x.shape {
        geometry::elements_axis(data, indices_shape, operation.attributes.int("axis", 0))?;
    }
    Ok(vec![Inferred::known(x.element, indices_shape.to_vec())])
}

/// `GatherND`.
pub(super) fn gather_nd(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let indices = operation.required(1, "indices")?;
    let (data, indices) = known!(x.shape.zip(indices.shape), x.element);
    let batch = operation.attributes.int("batch_dims", 0);
    let (_, _, shape) = geometry::gather_nd(data, indices, batch)?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Scatter`, `ScatterElements`, `ScatterND`.
pub(super) fn scatter(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let indices = operation.required(1, "indices")?;
    let updates = operation.required(2, "updates")?;
    if let (Some(data), Some(indices), Some(updates)) = (x.shape, indices.shape, updates.shape) {
        if operation.op == "ScatterND" {
            geometry::scatter_nd(data, indices, updates)?;
        } else {
            geometry::elements_axis(data, indices, operation.attributes.int("axis", 0))?;
            if indices != updates {
                return Err(format!(
                    "indices {indices:?} and updates {updates:?} differ in shape"
                ));
            }
        }
    }
    same(operation)
}

/// `OneHot`.
pub(super) fn one_hot(operation: &Operation<'_>) -> Found {
    let indices = operation.required(0, "indices")?;
    let depth = operation.required(1, "depth")?;
    let values = operation.required(2, "values")?;
    let depth = known!(depth.constant, values.element);
    // The depth may come as a float.
    let size = match &depth.data {
        HostData::F32(v) if v.len() == 1 => v[0] as i64,
        HostData::F64(v) if v.len() == 1 => v[0] as i64,
        HostData::I64(v) if v.len() == 1 => v[0],
        _ => {
            return Err(format!(
                "`depth` has shape {:?} where one number is wanted",
                depth.shape
            ));
        }
    };
    let size =
        usize::try_from(size).map_err(|_| format!("`depth` {size} is no number of classes"))?;
    let shape = known!(indices.shape, values.element);
    let (_, shape) = geometry::one_hot(shape, size, operation.attributes.int("axis", -1))?;
    Ok(vec![Inferred::known(values.element, shape)])
}

/// `ArgMax`, `ArgMin`.
pub(super) fn arg(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let element = Some(ElementType::I64);
    let shape = known!(x.shape, element);
    let keep = operation.attributes.int("keepdims", 1) != 0;
    let (_, shape) = geometry::arg(shape, operation.attributes.int("axis", 0), keep)?;
    Ok(vec![Inferred::known(element, shape)])
}

/// `TopK`.
pub(super) fn top_k(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    let both = |shape: Option<Vec<usize>>| {
        Ok(vec![
            Inferred::new(x.element, shape.clone()),
            Inferred::new(Some(ElementType::I64), shape),
        ])
    };
    let k = match operation.attributes.get("k") {
        Some(Attribute::Int(k)) => Some(*k),
        _ => {
            operation.required(1, "K")?;
            match operation.integers(1, "K")?.flatten().as_deref() {
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
    let axis = normalize_axis(operation.attributes.int("axis", -1), shape.len())?;
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

/// `NonZero`: how many there are is known only with the elements.
pub(super) fn non_zero(operation: &Operation<'_>) -> Found {
    operation.required(0, "X")?;
    Ok(vec![Inferred::typed(Some(ElementType::I64))])
}

/// `Compress`: as many as the condition lets through.
pub(super) fn compress(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    let condition = operation.required(1, "condition")?;
    let constant = known!(condition.constant, x.element);
    let HostData::Bool(keep) = &constant.data else {
        return Err(format!("`condition` holds {} elements", constant.element));
    };
    let count = keep.iter().filter(|&&k| k).count();
    let shape = known!(x.shape, x.element);
    let out = match operation.attributes.get("axis") {
        Some(Attribute::Int(axis)) => {
            let mut out = shape.to_vec();
            out[normalize_axis(*axis, shape.len())?] = count;
            out
        }
        _ => vec![count],
    };
    Ok(vec![Inferred::known(x.element, out)])
}

/// `Unique`, `NonMaxSuppression`: sizes depend on the elements.
pub(super) fn unknown_integers(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    let integers = Inferred::typed(Some(ElementType::I64));
    if operation.op == "Unique" {
        let mut outputs = vec![Inferred::typed(x.element)];
        outputs.resize(operation.outputs.max(1), integers);
        return Ok(outputs);
    }
    Ok(vec![integers])
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
