//! Shapes of what is worked out along one axis.

use crate::infer::{Found, Operands, same};
use crate::shape::normalize_axis;

/// As the first input along a valid axis. Where all axes from it on are taken together
/// (`flattened`), the rank itself is a place to cut.
pub(crate) fn along(axis: i64, flattened: bool, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    if let Some(shape) = x.shape {
        let cut = flattened && i64::try_from(shape.len()) == Ok(axis);
        if !shape.is_empty() && !cut {
            normalize_axis(axis, shape.len()).map_err(|e| format!("{e} (shape {shape:?})"))?;
        }
    }
    same(operands)
}
