//! Operators that make tensors out of sizes and scalars.

use super::operation::{Found, Inferred, Operation, known};
use crate::fold::geometry;
use crate::{Attribute, ElementType};

/// `Constant`: as its attribute says.
pub(super) fn constant(operation: &Operation<'_>) -> Found {
    let get = |name: &str| operation.attributes.get(name);
    let one = |element, shape| Ok(vec![Inferred::known(Some(element), shape)]);
    if let Some(Attribute::Tensor(value)) = get("value") {
        one(value.element, value.shape.clone())
    } else if get("value_int").is_some() {
        one(ElementType::I64, vec![])
    } else if get("value_float").is_some() {
        one(ElementType::F32, vec![])
    } else if let Some(Attribute::Ints(list)) = get("value_ints") {
        one(ElementType::I64, vec![list.len()])
    } else if let Some(Attribute::Floats(list)) = get("value_floats") {
        one(ElementType::F32, vec![list.len()])
    } else {
        Ok(vec![Inferred::default()])
    }
}

/// `ConstantOfShape`.
pub(super) fn constant_of_shape(operation: &Operation<'_>) -> Found {
    operation.required(0, "input")?;
    let element = match operation.attributes.get("value") {
        Some(Attribute::Tensor(value)) => Some(value.element),
        _ => Some(ElementType::F32),
    };
    let sizes = known!(operation.integers(0, "input")?.flatten(), element);
    Ok(vec![Inferred::known(
        element,
        geometry::sizes(&sizes, "input")?,
    )])
}

/// `Range`: how long it is depends on the scalars, and then it is folded as a whole.
pub(super) fn range(operation: &Operation<'_>) -> Found {
    let start = operation.required(0, "start")?;
    let inputs = [
        start.constant,
        operation.required(1, "limit")?.constant,
        operation.required(2, "delta")?.constant,
    ];
    let evaluated =
        crate::fold::evaluate("Range", operation.opset, operation.attributes, &inputs, 1);
    let shape = if inputs.contains(&None) {
        None
    } else {
        evaluated?.and_then(|results| results.into_iter().next().map(|t| t.shape))
    };
    Ok(vec![Inferred::new(start.element, shape)])
}

/// `EyeLike`, `RandomNormalLike`, `RandomUniformLike`, `Bernoulli`: as the input, perhaps of another
/// type.
pub(super) fn like(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    if let (Some(shape), "EyeLike") = (x.shape, operation.op)
        && shape.len() != 2
    {
        return Err(format!("wants a matrix, got shape {shape:?}"));
    }
    Ok(vec![Inferred::new(
        operation.element_attribute("dtype").or(x.element),
        x.shape.map(<[_]>::to_vec),
    )])
}

/// `RandomNormal`, `RandomUniform`: the shape is an attribute.
pub(super) fn random(operation: &Operation<'_>) -> Found {
    let element = operation
        .element_attribute("dtype")
        .or(Some(ElementType::F32));
    let shape = operation
        .attributes
        .ints("shape")
        .ok_or("attribute `shape` is missing")?;
    Ok(vec![Inferred::known(
        element,
        geometry::sizes(shape, "shape")?,
    )])
}

/// `Multinomial`: draws per row.
pub(super) fn multinomial(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    let element = operation
        .element_attribute("dtype")
        .or(Some(ElementType::I32));
    let draws = operation.size_attribute("sample_size")?.unwrap_or(1);
    match known!(x.shape, element) {
        [rows, _] => Ok(vec![Inferred::known(element, vec![*rows, draws])]),
        shape => Err(format!("wants a matrix of scores, got shape {shape:?}")),
    }
}

/// `HannWindow` and its like.
pub(super) fn window(operation: &Operation<'_>) -> Found {
    operation.required(0, "size")?;
    let element = operation
        .element_attribute("output_datatype")
        .or(Some(ElementType::F32));
    let sizes = known!(operation.integers(0, "size")?.flatten(), element);
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
