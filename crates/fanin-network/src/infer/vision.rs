//! Sampling grids.

use super::operation::{Found, Inferred, Operation, known};
use crate::fold::geometry;

/// `GridSample`: the grid's places of the input's channels.
pub(super) fn grid_sample(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    let grid = operation.required(1, "grid")?;
    let (shape, grid) = known!(x.shape.zip(grid.shape), x.element);
    let fits = shape.len() >= 3
        && grid.len() == shape.len()
        && grid[0] == shape[0]
        && grid[grid.len() - 1] == shape.len() - 2;
    if !fits {
        return Err(format!("grid {grid:?} does not fit the input {shape:?}"));
    }
    let mut out = shape[..2].to_vec();
    out.extend(&grid[1..grid.len() - 1]);
    Ok(vec![Inferred::known(x.element, out)])
}

/// `AffineGrid`: a grid for images of `size` `[batch, channels, …]`.
pub(super) fn affine_grid(operation: &Operation<'_>) -> Found {
    let theta = operation.required(0, "theta")?;
    operation.required(1, "size")?;
    let size = known!(operation.integers(1, "size")?.flatten(), theta.element);
    let size = geometry::sizes(&size, "size")?;
    let [batch, _, spatial @ ..] = size.as_slice() else {
        return Err(format!(
            "`size` is {size:?} where [batch, channels, …] is wanted"
        ));
    };
    let mut out = vec![*batch];
    out.extend(spatial);
    out.push(spatial.len());
    Ok(vec![Inferred::known(theta.element, out)])
}

#[cfg(test)]
mod tests {
    use crate::Attributes;
    use crate::infer::testing::{first, floats, ints};

    #[test]
    fn grids() {
        let none = Attributes::default;
        let found = first(
            "GridSample",
            20,
            none(),
            &[floats(&[2, 3, 8, 8]), floats(&[2, 4, 5, 2])],
        );
        assert_eq!(found.unwrap(), [2, 3, 4, 5]);
        let found = first(
            "GridSample",
            20,
            none(),
            &[floats(&[2, 3, 8, 8]), floats(&[2, 4, 5, 3])],
        );
        assert!(found.is_err());
        let found = first(
            "AffineGrid",
            20,
            none(),
            &[floats(&[2, 2, 3]), ints(&[2, 3, 6, 7])],
        );
        assert_eq!(found.unwrap(), [2, 6, 7, 2]);
    }
}
