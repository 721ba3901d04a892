//! Shapes of reductions over axes.

use super::Reduce;
use crate::infer::{Found, Inferred, Operands, known};
use crate::shape::geometry;

/// `ReduceSum` and its like.
pub(crate) fn reduce(reduce: &Reduce, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "data")?;
    let axes = known!(operands.setting(&reduce.axes, "axes")?, x.element);
    let shape = known!(x.shape, x.element);
    let (keep, none) = (reduce.keep, reduce.none_without_axes);
    let (_, shape) = geometry::reduce(shape, axes.as_deref(), keep, none)?;
    Ok(vec![Inferred::known(x.element, shape)])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{Given, attributes, first, floats, ints};
    use crate::{Attribute, Attributes};

    fn reduce(opset: i64, attributes: Attributes, inputs: &[Given]) -> Result<Vec<usize>, String> {
        first("ReduceMean", opset, attributes, inputs)
    }

    #[test]
    fn axes_of_each_version() {
        let axes = || {
            attributes([
                ("axes", Attribute::Ints(vec![-1])),
                ("keepdims", Attribute::Int(0)),
            ])
        };
        assert_eq!(reduce(13, axes(), &[floats(&[2, 3])]).unwrap(), [2]);
        assert_eq!(
            reduce(18, Attributes::default(), &[floats(&[2, 3]), ints(&[1])]).unwrap(),
            [2, 1]
        );
        assert_eq!(
            reduce(18, Attributes::default(), &[floats(&[2, 3])]).unwrap(),
            [1, 1]
        );
        let noop = || attributes([("noop_with_empty_axes", Attribute::Int(1))]);
        assert_eq!(
            reduce(18, noop(), &[floats(&[2, 3]), ints(&[])]).unwrap(),
            [2, 3]
        );
        assert!(reduce(18, noop(), &[floats(&[2, 3]), ints(&[2])]).is_err());
    }
}
