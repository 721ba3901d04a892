//! Pools.

use super::operation::{Found, Inferred, Operation, known};
use super::window::Window;
use crate::ElementType;
use crate::fold::geometry;

/// An input `[batch, channels, …]` split after the channels.
fn spatial(shape: &[usize]) -> Result<(&[usize], &[usize]), String> {
    if shape.len() < 3 {
        return Err(format!(
            "wants [batch, channels, …] of three axes or more, got {shape:?}"
        ));
    }
    Ok(shape.split_at(2))
}

/// `MaxPool` (with indices), `AveragePool`, `LpPool`.
pub(super) fn pool(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    let shape = known!(x.shape, x.element);
    let (head, tail) = spatial(shape)?;
    let window = window(operation, tail)?;
    let out = [head, &window.slide(tail)?].concat();
    Ok(vec![
        Inferred::known(x.element, out.clone()),
        Inferred::known(Some(ElementType::I64), out),
    ])
}

fn window(operation: &Operation<'_>, spatial: &[usize]) -> Result<Window, String> {
    let kernel = operation
        .attributes
        .ints("kernel_shape")
        .ok_or("attribute `kernel_shape` is missing")?;
    if kernel.len() != spatial.len() {
        return Err(format!(
            "attribute `kernel_shape` is {kernel:?} but the spatial sizes are {spatial:?}"
        ));
    }
    Window::read(operation, geometry::sizes(kernel, "kernel_shape")?)
}

/// `GlobalAveragePool` and its like: every spatial axis becomes 1.
pub(super) fn global(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    let shape = known!(x.shape, x.element);
    if shape.len() < 2 {
        return Err(format!("wants [batch, channels, …], got {shape:?}"));
    }
    let mut out = shape.to_vec();
    out[2..].fill(1);
    Ok(vec![Inferred::known(x.element, out)])
}

/// `MaxUnpool`: as large as the pool it undoes, or as stated.
pub(super) fn unpool(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    operation.required(1, "I")?;
    let stated = known!(operation.integers(2, "output_shape")?, x.element);
    if let Some(stated) = stated {
        return Ok(vec![Inferred::known(
            x.element,
            geometry::sizes(&stated, "output_shape")?,
        )]);
    }
    let shape = known!(x.shape, x.element);
    let (head, tail) = spatial(shape)?;
    let window = window(operation, tail)?;
    let out = [head, &window.spread(tail, &[])?].concat();
    Ok(vec![Inferred::known(x.element, out)])
}

/// `RoiAlign` and `MaxRoiPool`: one map per region.
pub(super) fn regions(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    let rois = operation.required(1, "rois")?;
    let (shape, rois) = known!(x.shape.zip(rois.shape), x.element);
    let (&[_, channels, _, _], &[count, _]) = (shape, rois) else {
        return Err(format!(
            "wants maps and a list of regions, got {shape:?} and {rois:?}"
        ));
    };
    let size = match operation.attributes.ints("pooled_shape") {
        Some(stated) => geometry::sizes(stated, "pooled_shape")?,
        None => vec![
            operation.size_attribute("output_height")?.unwrap_or(1),
            operation.size_attribute("output_width")?.unwrap_or(1),
        ],
    };
    let mut out = vec![count, channels];
    out.extend(size);
    Ok(vec![Inferred::known(x.element, out)])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{all, attributes, first, floats};
    use crate::{Attribute, Attributes, ElementType};

    fn pool(size: usize, kernel: i64, stride: i64, pad: i64, ceil: bool) -> Vec<usize> {
        let attributes = attributes([
            ("kernel_shape", Attribute::Ints(vec![kernel])),
            ("strides", Attribute::Ints(vec![stride])),
            ("pads", Attribute::Ints(vec![pad, pad])),
            ("ceil_mode", Attribute::Int(ceil.into())),
        ]);
        first("MaxPool", 12, attributes, &[floats(&[1, 2, size])]).unwrap()
    }

    #[test]
    fn windows_round_down_or_up() {
        assert_eq!(pool(112, 3, 2, 1, false), [1, 2, 56]);
        assert_eq!(pool(13, 3, 2, 0, true), [1, 2, 6]);
        assert_eq!(pool(12, 3, 2, 0, true), [1, 2, 6]);
        // The last window would start in the padding, as torch counts too.
        assert_eq!(pool(2, 1, 2, 0, true), [1, 2, 1]);
        assert_eq!(pool(3, 2, 2, 1, true), [1, 2, 2]);
    }

    #[test]
    fn indices_are_integers() {
        let kernel = attributes([("kernel_shape", Attribute::Ints(vec![2, 2]))]);
        let found = all("MaxPool", 12, kernel, &[floats(&[1, 2, 4, 4])], 2).unwrap();
        assert_eq!(found[1].element, Some(ElementType::I64));
        assert_eq!(found[1].shape, Some(vec![1, 2, 3, 3]));
    }

    #[test]
    fn global_pools_leave_one_place() {
        let found = first(
            "GlobalAveragePool",
            1,
            Attributes::default(),
            &[floats(&[2, 3, 4, 5])],
        );
        assert_eq!(found.unwrap(), [2, 3, 1, 1]);
    }

    #[test]
    fn a_pool_wants_its_kernel() {
        let found = first(
            "AveragePool",
            11,
            Attributes::default(),
            &[floats(&[1, 2, 4])],
        );
        assert!(found.unwrap_err().contains("kernel_shape"));
        let flat = attributes([("kernel_shape", Attribute::Ints(vec![2, 2]))]);
        assert!(first("AveragePool", 11, flat, &[floats(&[1, 2, 4])]).is_err());
    }
}
