//! Shapes of what is made.

use super::{Random, RandomShape, Taper};
use crate::infer::{Found, Inferred, Operands, known};
use crate::shape::geometry;
use crate::{ElementType, HostTensor, Operator};

/// `Constant`: as it states.
pub(crate) fn constant(value: Option<&HostTensor>) -> Found {
    Ok(vec![value.map_or_else(Inferred::default, |value| {
        Inferred::known(Some(value.element), value.shape.clone())
    })])
}

/// `ConstantOfShape`.
pub(crate) fn constant_of_shape(value: Option<&HostTensor>, operands: &Operands<'_>) -> Found {
    operands.required(0, "input")?;
    let element = Some(value.map_or(ElementType::F32, |value| value.element));
    let sizes = known!(operands.integers(0, "input")?.flatten(), element);
    Ok(vec![Inferred::known(
        element,
        geometry::sizes(&sizes, "input")?,
    )])
}

/// `Range`: how long it is depends on the scalars, and then it is folded as a whole.
pub(crate) fn range(operands: &Operands<'_>) -> Found {
    let start = operands.required(0, "start")?;
    let inputs = [
        start.constant,
        operands.required(1, "limit")?.constant,
        operands.required(2, "delta")?.constant,
    ];
    let shape = if inputs.contains(&None) {
        None
    } else {
        let evaluated = crate::evaluate::evaluate(&Operator::Range, &inputs, 1)?;
        evaluated.and_then(|results| results.into_iter().next().map(|t| t.shape))
    };
    Ok(vec![Inferred::new(start.element, shape)])
}

/// Random numbers: as the input, or as stated.
pub(crate) fn random(random: &Random, operands: &Operands<'_>) -> Found {
    match &random.shape {
        RandomShape::As(shape) => Ok(vec![Inferred::known(
            random.to.or(Some(ElementType::F32)),
            shape.clone(),
        )]),
        RandomShape::Like => {
            let x = operands.required(0, "input")?;
            let shape = x.shape.map(<[_]>::to_vec);
            Ok(vec![Inferred::new(random.to.or(x.element), shape)])
        }
    }
}

/// `EyeLike`: as the input, perhaps of another type.
pub(crate) fn eye_like(to: Option<ElementType>, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    if let Some(shape) = x.shape
        && shape.len() != 2
    {
        return Err(format!("wants a matrix, got shape {shape:?}"));
    }
    Ok(vec![Inferred::new(
        to.or(x.element),
        x.shape.map(<[_]>::to_vec),
    )])
}

/// `Multinomial`: draws per row.
pub(crate) fn multinomial(draws: usize, to: ElementType, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    let element = Some(to);
    match known!(x.shape, element) {
        [rows, _] => Ok(vec![Inferred::known(element, vec![*rows, draws])]),
        shape => Err(format!("wants a matrix of scores, got shape {shape:?}")),
    }
}

/// `HannWindow` and its like.
pub(crate) fn window(taper: &Taper, operands: &Operands<'_>) -> Found {
    operands.required(0, "size")?;
    let element = Some(taper.to);
    let sizes = known!(operands.integers(0, "size")?.flatten(), element);
    Ok(vec![Inferred::known(
        element,
        geometry::sizes(&sizes, "size")?,
    )])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{all, attributes, first, floats, int, ints};
    use crate::{Attribute, Attributes, ElementType, HostTensor};

    #[test]
    fn sizes_make_shapes() {
        let none = Attributes::default;
        assert_eq!(
            first("ConstantOfShape", 9, none(), &[ints(&[2, 0])]).unwrap(),
            [2, 0]
        );
        assert!(first("ConstantOfShape", 9, none(), &[ints(&[-2])]).is_err());
        assert_eq!(
            first("Range", 11, none(), &[int(10), int(0), int(-3)]).unwrap(),
            [4]
        );
        assert!(first("Range", 11, none(), &[int(1), int(2), int(0)]).is_err());
        let shape = attributes([("shape", Attribute::Ints(vec![3, 4]))]);
        assert_eq!(first("RandomNormal", 1, shape, &[]).unwrap(), [3, 4]);
        let value = HostTensor::i64(vec![1], vec![7]).unwrap();
        let value = attributes([("value", Attribute::Tensor(value))]);
        let found = all("ConstantOfShape", 9, value, &[ints(&[2])], 1).unwrap();
        assert_eq!(found[0].element, Some(ElementType::I64));
        assert!(first("EyeLike", 9, none(), &[floats(&[2])]).is_err());
    }
}
