//! Shapes of what puts elements beside others.

use super::Pad;
use crate::infer::{Found, Inferred, Operands, known, same};
use crate::shape::{broadcast_shape, geometry, normalize_axis};

/// `Expand`.
pub(crate) fn expand(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    operands.required(1, "shape")?;
    let target = known!(operands.integers(1, "shape")?.flatten(), x.element);
    let shape = known!(x.shape, x.element);
    let target = geometry::sizes(&target, "shape")?;
    let shape = broadcast_shape(shape, &target)
        .ok_or_else(|| format!("shape {shape:?} does not expand to {target:?}"))?;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `Concat`.
pub(crate) fn concat(axis: i64, operands: &Operands<'_>) -> Found {
    operands.required(0, "inputs")?;
    let inputs = || operands.inputs.iter().flatten();
    let element = inputs().find_map(|input| input.element);
    let shapes: Option<Vec<&[usize]>> = inputs().map(|input| input.shape).collect();
    let shapes = known!(shapes, element);
    let (_, shape) = geometry::concat(&shapes, axis)?;
    Ok(vec![Inferred::known(element, shape)])
}

/// `Tile`.
pub(crate) fn tile(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    operands.required(1, "repeats")?;
    let repeats = known!(operands.integers(1, "repeats")?.flatten(), x.element);
    let shape = known!(x.shape, x.element);
    Ok(vec![Inferred::known(
        x.element,
        geometry::tile(shape, &repeats)?,
    )])
}

/// `Pad`, all modes.
pub(crate) fn pad(pad: &Pad, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let pads =
        known!(operands.setting(&pad.pads, "pads")?, x.element).ok_or("`pads` is missing")?;
    let axes = known!(operands.setting(&pad.axes, "axes")?, x.element);
    let shape = known!(x.shape, x.element);
    let shape = geometry::pads(shape, &pads, axes.as_deref())?.shape;
    Ok(vec![Inferred::known(x.element, shape)])
}

/// `CenterCropPad`: the named axes cut or padded to these sizes.
pub(crate) fn center_crop_pad(axes: Option<&[i64]>, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input_data")?;
    operands.required(1, "shape")?;
    let sizes = known!(operands.integers(1, "shape")?.flatten(), x.element);
    let shape = known!(x.shape, x.element);
    let sizes = geometry::sizes(&sizes, "shape")?;
    let every: Vec<i64> = (0i64..).take(shape.len()).collect();
    let axes = axes.unwrap_or(&every);
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

/// `ScatterElements` along this axis, or `ScatterND` where there is none.
pub(crate) fn scatter(axis: Option<i64>, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let indices = operands.required(1, "indices")?;
    let updates = operands.required(2, "updates")?;
    if let (Some(data), Some(indices), Some(updates)) = (x.shape, indices.shape, updates.shape) {
        if let Some(axis) = axis {
            geometry::elements_axis(data, indices, axis)?;
            if indices != updates {
                return Err(format!(
                    "indices {indices:?} and updates {updates:?} differ in shape"
                ));
            }
        } else {
            geometry::scatter_nd(data, indices, updates)?;
        }
    }
    same(operands)
}
