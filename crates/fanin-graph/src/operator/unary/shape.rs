//! Shapes of functions of each element.

use crate::infer::{Found, Operands, known, same};
use crate::shape::{broadcast_shape, geometry};

/// `PRelu`: the slope broadcasts to the input, not the other way.
pub(crate) fn prelu(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let slope = operands.required(1, "slope")?;
    if let (Some(shape), Some(slope)) = (x.shape, slope.shape)
        && broadcast_shape(shape, slope).as_deref() != Some(shape)
    {
        return Err(format!(
            "slope {slope:?} does not broadcast to the input {shape:?}"
        ));
    }
    same(operands)
}

/// `Clip`: bounds are scalars.
pub(crate) fn clip(operands: &Operands<'_>) -> Found {
    for (k, name) in [(1, "min"), (2, "max")] {
        if let Some(shape) = operands.shape(k)
            && geometry::count(shape)? != 1
        {
            return Err(format!(
                "`{name}` has shape {shape:?} where a scalar is wanted"
            ));
        }
    }
    same(operands)
}

/// `BiasGelu`: a vector added along the last axis.
pub(crate) fn bias_gelu(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "A")?;
    let shape = known!(x.shape, x.element);
    if let (Some(&last), true) = (shape.last(), operands.has(1)) {
        operands.expect_shape(1, "B", &[last])?;
    }
    same(operands)
}
