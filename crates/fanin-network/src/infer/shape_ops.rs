//! Operators that change the shape and not the elements.

use super::operation::{Found, Inferred, Operation, known};
use crate::fold::{broadcast_shape, geometry, normalize_axis};
use crate::{Attribute, ElementType};

/// `Shape` and `Size`.
pub(super) fn shape(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let element = Some(ElementType::I64);
    if operation.op == "Size" {
        return Ok(vec![Inferred::known(element, vec![])]);
    }
    let shape = known!(x.shape, element);
    let sizes = crate::fold::shape_window(shape, operation.attributes);
    Ok(vec![Inferred::known(element, vec![sizes.len()])])
}

/// `Reshape`.
pub(super) fn reshape(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let target = known!(operation.list("shape", 1)?, x.element);
    let target = target.ok_or("input 1 (`shape`) is missing")?;
    let shape = known!(x.shape, x.element);
    let allow_zero = operation.attributes.int("allowzero", 0) != 0;
    let shape = geometry::reshape(shape, &target, allow_zero)?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Flatten`.
pub(super) fn flatten(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    let shape = known!(x.shape, x.element);
    let shape = geometry::flatten(shape, operation.attributes.int("axis", 1))?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Squeeze`.
pub(super) fn squeeze(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let axes = known!(operation.list("axes", 1)?, x.element);
    let shape = known!(x.shape, x.element);
    let shape = geometry::squeeze(shape, axes.as_deref())?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Unsqueeze`.
pub(super) fn unsqueeze(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let axes = known!(operation.list("axes", 1)?, x.element);
    let axes = axes.ok_or("input 1 (`axes`) is missing")?;
    let shape = known!(x.shape, x.element);
    let shape = geometry::unsqueeze(shape, &axes)?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Transpose`.
pub(super) fn transpose(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let shape = known!(x.shape, x.element);
    let perm = geometry::permutation(shape.len(), operation.attributes.ints("perm"))?;
    let shape = perm.into_iter().map(|axis| shape[axis]).collect();
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Expand`.
pub(super) fn expand(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    operation.required(1, "shape")?;
    let target = known!(operation.integers(1, "shape")?.flatten(), x.element);
    let shape = known!(x.shape, x.element);
    let target = geometry::sizes(&target, "shape")?;
    let shape = broadcast_shape(shape, &target)
        .ok_or_else(|| format!("shape {shape:?} does not expand to {target:?}"))?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Concat`.
pub(super) fn concat(operation: &Operation<'_>) -> Found {
    operation.required(0, "inputs")?;
    let inputs = || operation.inputs.iter().flatten();
    let element = inputs().find_map(|input| input.element);
    let shapes: Option<Vec<&[usize]>> = inputs().map(|input| input.shape).collect();
    let shapes = known!(shapes, element);
    let (_, shape) = geometry::concat(&shapes, operation.attributes.int("axis", 1))?;
    Ok(vec![Inferred::known(element, shape)])
}

/// `Split`.
pub(super) fn split(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    let untold = || vec![Inferred::typed(x.element); operation.outputs];
    let (Some(lengths), Some(shape)) = (operation.list("split", 1)?, x.shape) else {
        return Ok(untold());
    };
    let axis = normalize_axis(operation.attributes.int("axis", 0), shape.len())?;
    let parts = match operation.attributes.get("num_outputs") {
        Some(Attribute::Int(_)) => operation.size_attribute("num_outputs")?.unwrap_or(0),
        _ => operation.outputs,
    };
    if lengths.is_none() && parts != operation.outputs {
        return Err(format!(
            "attribute `num_outputs` is {parts} but the node has {} outputs",
            operation.outputs
        ));
    }
    let lengths = geometry::split(
        shape[axis],
        lengths.as_deref(),
        parts,
        operation.opset >= 18,
    )?;
    if lengths.len() != operation.outputs {
        return Err(format!(
            "cuts {shape:?} into {lengths:?} but has {} outputs",
            operation.outputs
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
pub(super) fn slice(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let starts = known!(operation.list("starts", 1)?, x.element).ok_or("`starts` is missing")?;
    let ends = known!(operation.list("ends", 2)?, x.element).ok_or("`ends` is missing")?;
    let axes = known!(operation.list("axes", 3)?, x.element);
    let steps = known!(operation.integers(4, "steps")?, x.element);
    let shape = known!(x.shape, x.element);
    let windows = geometry::slice(shape, &starts, &ends, axes.as_deref(), steps.as_deref())?;
    let shape = windows.into_iter().map(|w| w.length).collect();
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Tile`.
pub(super) fn tile(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    operation.required(1, "repeats")?;
    let repeats = known!(operation.integers(1, "repeats")?.flatten(), x.element);
    let shape = known!(x.shape, x.element);
    Ok(vec![Inferred::known(
        x.element,
        geometry::tile(shape, &repeats)?,
    )])
}

/// `Pad`, all modes.
pub(super) fn pad(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let pads = known!(operation.list("pads", 1)?, x.element).ok_or("`pads` is missing")?;
    let axes = known!(operation.integers(3, "axes")?, x.element);
    let shape = known!(x.shape, x.element);
    let shape = geometry::pads(shape, &pads, axes.as_deref())?.shape;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `CenterCropPad`: the named axes cut or padded to these sizes.
pub(super) fn center_crop_pad(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input_data")?;
    operation.required(1, "shape")?;
    let sizes = known!(operation.integers(1, "shape")?.flatten(), x.element);
    let shape = known!(x.shape, x.element);
    let sizes = geometry::sizes(&sizes, "shape")?;
    let every: Vec<i64> = (0i64..).take(shape.len()).collect();
    let axes = operation.attributes.ints("axes").unwrap_or(&every);
    if axes.len() != sizes.len() {
        return Err(format!(
            "sizes {sizes:?} do not fit axes {axes:?} of {shape:?}"
        ));
    }
    let mut out = shape.to_vec();
    for (&axis, size) in axes.iter().zip(sizes) {
        out[normalize_axis(axis, shape.len())?] = size;
    }
    Ok(vec![Inferred::known(x.element, out)])
}

/// `DepthToSpace` and `SpaceToDepth`.
pub(super) fn depth_space(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    let shape = known!(x.shape, x.element);
    let block = operation.size_attribute("blocksize")?.unwrap_or(0);
    let wrong = || format!("cannot move blocks of {block} in {shape:?}");
    let &[batch, channels, height, width] = shape else {
        return Err(wrong());
    };
    let square = block
        .checked_mul(block)
        .filter(|&s| s > 0)
        .ok_or_else(wrong)?;
    let times = |size: usize, by: usize| size.checked_mul(by).ok_or_else(wrong);
    let over = |size: usize, by: usize| {
        if size.is_multiple_of(by) {
            Ok(size / by)
        } else {
            Err(wrong())
        }
    };
    let shape = if operation.op == "DepthToSpace" {
        vec![
            batch,
            over(channels, square)?,
            times(height, block)?,
            times(width, block)?,
        ]
    } else {
        vec![
            batch,
            times(channels, square)?,
            over(height, block)?,
            over(width, block)?,
        ]
    };
    Ok(vec![Inferred::known(x.element, shape)])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{Given, all, attributes, first, floats, ints};
    use crate::{Attribute, Attributes};

    fn none() -> Attributes {
        Attributes::default()
    }

    #[test]
    fn reshape_copies_and_fills_in() {
        let reshape =
            |target: &[i64]| first("Reshape", 14, none(), &[floats(&[2, 3, 4]), ints(target)]);
        assert_eq!(reshape(&[0, -1]).unwrap(), [2, 12]);
        assert_eq!(reshape(&[4, 6]).unwrap(), [4, 6]);
        assert!(
            reshape(&[5, -1])
                .unwrap_err()
                .contains("[2, 3, 4] (24 elements)")
        );
        assert!(reshape(&[-1, -1]).is_err());
        assert!(reshape(&[1, 1, 1, 0]).is_err());
        assert!(reshape(&[-2, 3]).is_err());
        assert!(reshape(&[i64::MAX, i64::MAX]).is_err());
        let zero = attributes([("allowzero", Attribute::Int(1))]);
        let found = first("Reshape", 14, zero, &[floats(&[0, 3]), ints(&[3, 0])]);
        assert_eq!(found.unwrap(), [3, 0]);
    }

    #[test]
    fn a_reshape_to_an_unknown_shape_is_unknown() {
        let found = all("Reshape", 14, none(), &[floats(&[2, 3]), floats(&[2])], 1).unwrap();
        assert_eq!(found[0].shape, None);
    }

    #[test]
    fn axes_come_as_attribute_or_input() {
        let axes = || attributes([("axes", Attribute::Ints(vec![0, -1]))]);
        assert_eq!(
            first("Unsqueeze", 11, axes(), &[floats(&[2, 3])]).unwrap(),
            [1, 2, 3, 1]
        );
        let input = [floats(&[2, 3]), ints(&[0, -1])];
        assert_eq!(
            first("Unsqueeze", 13, none(), &input).unwrap(),
            [1, 2, 3, 1]
        );
        assert_eq!(
            first("Squeeze", 11, axes(), &[floats(&[1, 3, 1])]).unwrap(),
            [3]
        );
        assert_eq!(
            first("Squeeze", 13, none(), &[floats(&[1, 3, 1])]).unwrap(),
            [3]
        );
        assert!(first("Squeeze", 13, none(), &[floats(&[2, 3]), ints(&[0])]).is_err());
        assert!(first("Unsqueeze", 13, none(), &[floats(&[2]), ints(&[0, 0])]).is_err());
    }

    #[test]
    fn slices_clamp() {
        let slice = |s: i64, e: i64, step: i64| {
            let inputs = [
                floats(&[2, 10]),
                ints(&[s]),
                ints(&[e]),
                ints(&[1]),
                ints(&[step]),
            ];
            first("Slice", 13, none(), &inputs).map(|shape| shape[1])
        };
        assert_eq!(slice(0, i64::MAX, 1).unwrap(), 10);
        assert_eq!(slice(-3, 100, 2).unwrap(), 2);
        assert_eq!(slice(-1, i64::MIN, -1).unwrap(), 10);
        assert_eq!(slice(8, 2, 1).unwrap(), 0);
        assert_eq!(slice(0, 10, i64::MAX).unwrap(), 1);
        assert!(slice(0, 10, 0).is_err());
        let old = attributes([
            ("starts", Attribute::Ints(vec![1])),
            ("ends", Attribute::Ints(vec![-1])),
        ]);
        assert_eq!(first("Slice", 1, old, &[floats(&[5, 2])]).unwrap(), [3, 2]);
    }

    #[test]
    fn splits_of_each_version() {
        let sizes = |opset, attributes, inputs: &[Given], parts| {
            all("Split", opset, attributes, inputs, parts).map(|found| {
                found
                    .into_iter()
                    .map(|o| o.shape.unwrap()[0])
                    .collect::<Vec<_>>()
            })
        };
        let by = || attributes([("split", Attribute::Ints(vec![1, 4]))]);
        assert_eq!(sizes(11, by(), &[floats(&[5])], 2).unwrap(), [1, 4]);
        assert_eq!(
            sizes(13, none(), &[floats(&[5]), ints(&[2, 3])], 2).unwrap(),
            [2, 3]
        );
        assert_eq!(sizes(13, none(), &[floats(&[6])], 3).unwrap(), [2, 2, 2]);
        assert!(sizes(13, none(), &[floats(&[5])], 2).is_err());
        let parts = || attributes([("num_outputs", Attribute::Int(3))]);
        assert_eq!(sizes(18, parts(), &[floats(&[7])], 3).unwrap(), [3, 3, 1]);
        assert!(sizes(13, none(), &[floats(&[5]), ints(&[2, 2])], 2).is_err());
        assert!(sizes(13, none(), &[floats(&[5]), ints(&[6, -1])], 2).is_err());
    }

    #[test]
    fn joining_wants_equal_other_axes() {
        let axis = || attributes([("axis", Attribute::Int(-1))]);
        let found = first(
            "Concat",
            13,
            axis(),
            &[floats(&[2, 3]), floats(&[2, 0]), floats(&[2, 4])],
        );
        assert_eq!(found.unwrap(), [2, 7]);
        let error = first("Concat", 13, axis(), &[floats(&[2, 3]), floats(&[3, 3])]).unwrap_err();
        assert!(
            error.contains("[2, 3]") && error.contains("[3, 3]"),
            "{error}"
        );
    }

    #[test]
    fn the_rest() {
        let perm = attributes([("perm", Attribute::Ints(vec![2, 0, 1]))]);
        assert_eq!(
            first("Transpose", 13, perm, &[floats(&[2, 3, 4])]).unwrap(),
            [4, 2, 3]
        );
        let twice = attributes([("perm", Attribute::Ints(vec![0, 0]))]);
        assert!(first("Transpose", 13, twice, &[floats(&[2, 3])]).is_err());
        assert_eq!(
            first("Flatten", 13, none(), &[floats(&[2, 3, 4])]).unwrap(),
            [2, 12]
        );
        let axis = attributes([("axis", Attribute::Int(3))]);
        assert_eq!(
            first("Flatten", 13, axis, &[floats(&[2, 3, 4])]).unwrap(),
            [24, 1]
        );
        let found = first("Expand", 13, none(), &[floats(&[3, 1]), ints(&[2, 1, 4])]);
        assert_eq!(found.unwrap(), [2, 3, 4]);
        assert_eq!(
            first("Tile", 13, none(), &[floats(&[2, 3]), ints(&[1, 4])]).unwrap(),
            [2, 12]
        );
        let found = first(
            "Pad",
            18,
            none(),
            &[floats(&[2, 3]), ints(&[1, -1]), Given::Absent, ints(&[-1])],
        );
        assert_eq!(found.unwrap(), [2, 3]);
        let block = || attributes([("blocksize", Attribute::Int(2))]);
        assert_eq!(
            first("DepthToSpace", 13, block(), &[floats(&[1, 8, 2, 3])]).unwrap(),
            [1, 2, 4, 6]
        );
        assert_eq!(
            first("SpaceToDepth", 13, block(), &[floats(&[1, 2, 4, 6])]).unwrap(),
            [1, 8, 2, 3]
        );
        assert!(first("DepthToSpace", 13, block(), &[floats(&[1, 6, 2, 3])]).is_err());
        assert!(first("DepthToSpace", 13, none(), &[floats(&[1, 8, 2, 3])]).is_err());
    }
}
