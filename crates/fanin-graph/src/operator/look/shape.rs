//! Shapes of what looks at a signal.

use super::Arg;
use crate::infer::{Found, Inferred, Operands, known};
use crate::shape::geometry;
use crate::{ElementType, HostData};

/// `OneHot`.
pub(crate) fn one_hot(axis: i64, operands: &Operands<'_>) -> Found {
    let indices = operands.required(0, "indices")?;
    let depth = operands.required(1, "depth")?;
    let values = operands.required(2, "values")?;
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
    let (_, shape) = geometry::one_hot(shape, size, axis)?;
    Ok(vec![Inferred::known(values.element, shape)])
}

/// `ArgMax`, `ArgMin`.
pub(crate) fn arg(arg: &Arg, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let element = Some(ElementType::I64);
    let shape = known!(x.shape, element);
    let (_, shape) = geometry::arg(shape, arg.axis, arg.keep)?;
    Ok(vec![Inferred::known(element, shape)])
}

/// `NonZero`, `NonMaxSuppression`: how many there are is known only with the elements.
pub(crate) fn non_zero(operands: &Operands<'_>) -> Found {
    operands.required(0, "X")?;
    Ok(vec![Inferred::typed(Some(ElementType::I64))])
}

/// `Unique`: how many there are depends on the elements.
pub(crate) fn unique(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let mut outputs = vec![Inferred::typed(x.element)];
    outputs.resize(
        operands.outputs.max(1),
        Inferred::typed(Some(ElementType::I64)),
    );
    Ok(outputs)
}

/// `Size`.
pub(crate) fn size(operands: &Operands<'_>) -> Found {
    operands.required(0, "data")?;
    Ok(vec![Inferred::known(Some(ElementType::I64), vec![])])
}

/// `Shape`.
pub(crate) fn shape(start: i64, end: Option<i64>, operands: &Operands<'_>) -> Found {
    let element = Some(ElementType::I64);
    let shape = known!(operands.required(0, "data")?.shape, element);
    let count = geometry::axes_between(shape, start, end).len();
    Ok(vec![Inferred::known(element, vec![count])])
}
