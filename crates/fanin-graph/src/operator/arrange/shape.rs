//! Shapes of what arranges elements.

use super::{DepthSpace, Reshape};
use crate::infer::{Found, Inferred, Operands, known};
use crate::operator::Axes;
use crate::shape::geometry;

/// `Reshape`.
pub(crate) fn reshape(reshape: &Reshape, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let target = known!(operands.setting(&reshape.shape, "shape")?, x.element);
    let target = target.ok_or("input 1 (`shape`) is missing")?;
    let shape = known!(x.shape, x.element);
    let shape = geometry::reshape(shape, &target, reshape.allow_zero)?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Flatten`.
pub(crate) fn flatten(axis: i64, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    let shape = known!(x.shape, x.element);
    let shape = geometry::flatten(shape, axis)?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Squeeze`.
pub(crate) fn squeeze(axes: &Axes, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let axes = known!(operands.setting(axes, "axes")?, x.element);
    let shape = known!(x.shape, x.element);
    let shape = geometry::squeeze(shape, axes.as_deref())?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Unsqueeze`.
pub(crate) fn unsqueeze(axes: &Axes, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let axes = known!(operands.setting(axes, "axes")?, x.element);
    let axes = axes.ok_or("input 1 (`axes`) is missing")?;
    let shape = known!(x.shape, x.element);
    let shape = geometry::unsqueeze(shape, &axes)?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Transpose`.
pub(crate) fn transpose(perm: Option<&[i64]>, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let shape = known!(x.shape, x.element);
    let perm = geometry::permutation(shape.len(), perm)?;
    let shape = perm.into_iter().map(|axis| shape[axis]).collect();
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `DepthToSpace` and `SpaceToDepth`.
pub(crate) fn depth_space(depth: &DepthSpace, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    let shape = known!(x.shape, x.element);
    let block = depth.block;
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
    let shape = if depth.to_space {
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
