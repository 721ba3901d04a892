//! Shapes of pools.

use super::{MaxRoiPool, Pool, RoiAlign};
use crate::ElementType;
use crate::infer::{Found, Inferred, Operands, known};
use crate::operator::window::{Spread, Window};
use crate::shape::geometry;

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
pub(crate) fn pool(pool: &Pool, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let shape = known!(x.shape, x.element);
    let (head, tail) = spatial(shape)?;
    let kernel = pool.window.stated_kernel(tail.len())?;
    let out = [head, &pool.window.resolve(kernel, tail)?.output].concat();
    Ok(vec![
        Inferred::known(x.element, out.clone()),
        Inferred::known(Some(ElementType::I64), out),
    ])
}

/// `GlobalAveragePool` and its like: every spatial axis becomes 1.
pub(crate) fn global(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let shape = known!(x.shape, x.element);
    if shape.len() < 2 {
        return Err(format!("wants [batch, channels, …], got {shape:?}"));
    }
    let mut out = shape.to_vec();
    out[2..].fill(1);
    Ok(vec![Inferred::known(x.element, out)])
}

/// `MaxUnpool`: as large as the pool it undoes, or as stated.
pub(crate) fn unpool(window: &Window, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    operands.required(1, "I")?;
    let stated = known!(operands.integers(2, "output_shape")?, x.element);
    if let Some(stated) = stated {
        return Ok(vec![Inferred::known(
            x.element,
            geometry::sizes(&stated, "output_shape")?,
        )]);
    }
    let shape = known!(x.shape, x.element);
    let (head, tail) = spatial(shape)?;
    let kernel = window.stated_kernel(tail.len())?;
    let sliding = window.resolve_transposed(kernel, tail, &Spread::default())?;
    let out = [head, &sliding.output].concat();
    Ok(vec![Inferred::known(x.element, out)])
}

/// `RoiAlign`.
pub(crate) fn align(align: &RoiAlign, operands: &Operands<'_>) -> Found {
    regions(&[align.height, align.width], operands)
}

/// `MaxRoiPool`.
pub(crate) fn max_regions(pool: &MaxRoiPool, operands: &Operands<'_>) -> Found {
    regions(&pool.pooled_shape, operands)
}

/// One map of this size per region.
fn regions(size: &[usize], operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let rois = operands.required(1, "rois")?;
    let (shape, rois) = known!(x.shape.zip(rois.shape), x.element);
    let (&[_, channels, _, _], &[count, _]) = (shape, rois) else {
        return Err(format!(
            "wants maps and a list of regions, got {shape:?} and {rois:?}"
        ));
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
