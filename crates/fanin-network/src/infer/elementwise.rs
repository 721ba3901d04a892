//! Operators whose output has the shape of an input, or the shape the inputs broadcast to.

use super::operation::{Found, Inferred, Operation, known};
use crate::ElementType;
use crate::fold::geometry;
use crate::fold::normalize_axis;

/// The first output is as the first input.
pub(super) fn same(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    Ok(vec![Inferred::new(x.element, x.shape.map(<[_]>::to_vec))])
}

/// As the first input, but booleans.
pub(super) fn same_boolean(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    Ok(vec![Inferred::new(
        Some(ElementType::Bool),
        x.shape.map(<[_]>::to_vec),
    )])
}

/// As the first input along a valid axis.
pub(super) fn same_with_axis(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    if let Some(shape) = x.shape {
        let default = match operation.op {
            "Softmax" | "LogSoftmax" | "Hardmax" if operation.opset < 13 => 1,
            _ => -1,
        };
        let axis = operation.attributes.int("axis", default);
        // Before opset 13 softmax read its input as a matrix, and the rank itself was a place to
        // cut it.
        let cut = operation.opset < 13 && i64::try_from(shape.len()) == Ok(axis);
        if !shape.is_empty() && !cut {
            normalize_axis(axis, shape.len()).map_err(|e| format!("{e} (shape {shape:?})"))?;
        }
    }
    same(operation)
}

/// The shape that inputs `first..` broadcast to, `None` where one is not known.
fn broadcast(operation: &Operation<'_>, first: usize) -> Result<Option<Vec<usize>>, String> {
    let shapes: Option<Vec<&[usize]>> = operation
        .inputs
        .iter()
        .skip(first)
        .flatten()
        .map(|input| input.shape)
        .collect();
    shapes
        .map(|shapes| {
            let mut all: Vec<usize> = Vec::new();
            for shape in &shapes {
                all = crate::fold::broadcast_shape(&all, shape).ok_or_else(|| {
                    match shapes.as_slice() {
                        [a, b] => format!("shapes {a:?} and {b:?} do not broadcast"),
                        _ => format!("shapes {shapes:?} do not broadcast"),
                    }
                })?;
            }
            Ok(all)
        })
        .transpose()
}

/// All inputs broadcast; the type of the first.
pub(super) fn variadic(operation: &Operation<'_>) -> Found {
    operation.required(0, "data_0")?;
    Ok(vec![Inferred::new(
        operation
            .inputs
            .iter()
            .flatten()
            .find_map(|input| input.element),
        broadcast(operation, 0)?,
    )])
}

/// Two inputs broadcast; the type of the first.
pub(super) fn binary(operation: &Operation<'_>) -> Found {
    let a = operation.required(0, "A")?;
    let b = operation.required(1, "B")?;
    // The exponent of `Pow` and the amount of `BitShift` may be of another type.
    let element = match operation.op {
        "Pow" | "BitShift" => a.element,
        _ => a.element.or(b.element),
    };
    Ok(vec![Inferred::new(element, broadcast(operation, 0)?)])
}

/// Two inputs broadcast to booleans.
pub(super) fn comparison(operation: &Operation<'_>) -> Found {
    operation.required(0, "A")?;
    operation.required(1, "B")?;
    Ok(vec![Inferred::new(
        Some(ElementType::Bool),
        broadcast(operation, 0)?,
    )])
}

/// `Where`: all three broadcast; the type of the second.
pub(super) fn select(operation: &Operation<'_>) -> Found {
    operation.required(0, "condition")?;
    let x = operation.required(1, "X")?;
    let y = operation.required(2, "Y")?;
    Ok(vec![Inferred::new(
        x.element.or(y.element),
        broadcast(operation, 0)?,
    )])
}

/// `PRelu`: the slope broadcasts to the input, not the other way.
pub(super) fn prelu(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    let slope = operation.required(1, "slope")?;
    if let (Some(shape), Some(slope)) = (x.shape, slope.shape)
        && crate::fold::broadcast_shape(shape, slope).as_deref() != Some(shape)
    {
        return Err(format!(
            "slope {slope:?} does not broadcast to the input {shape:?}"
        ));
    }
    same(operation)
}

/// `Clip`: bounds are scalars.
pub(super) fn clip(operation: &Operation<'_>) -> Found {
    for (k, name) in [(1, "min"), (2, "max")] {
        if let Some(shape) = operation.shape(k)
            && geometry::count(shape)? != 1
        {
            return Err(format!(
                "`{name}` has shape {shape:?} where a scalar is wanted"
            ));
        }
    }
    same(operation)
}

/// `Dropout`: the mask is boolean from opset 10 on.
pub(super) fn dropout(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "data")?;
    let shape = x.shape.map(<[_]>::to_vec);
    let mask = if operation.opset < 10 {
        x.element
    } else {
        Some(ElementType::Bool)
    };
    Ok(vec![
        Inferred::new(x.element, shape.clone()),
        Inferred::new(mask, shape),
    ])
}

/// `Cast`.
pub(super) fn cast(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    Ok(vec![Inferred::new(
        operation.element_attribute("to"),
        x.shape.map(<[_]>::to_vec),
    )])
}

/// `CastLike`.
pub(super) fn cast_like(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "input")?;
    let like = operation.required(1, "target_type")?;
    Ok(vec![Inferred::new(
        like.element,
        x.shape.map(<[_]>::to_vec),
    )])
}

/// `QuantizeLinear`: the type of the zero point, u8 without one.
pub(super) fn quantize(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "x")?;
    let element = operation
        .element(2)
        .or(operation.element_attribute("output_dtype"))
        .or((!operation.has(2)).then_some(ElementType::U8));
    Ok(vec![Inferred::new(element, x.shape.map(<[_]>::to_vec))])
}

/// `DequantizeLinear`: the type of the scale.
pub(super) fn dequantize(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "x")?;
    let scale = operation.required(1, "x_scale")?;
    Ok(vec![Inferred::new(
        scale.element,
        x.shape.map(<[_]>::to_vec),
    )])
}

/// `BiasGelu`: a vector added along the last axis.
pub(super) fn bias_gelu(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "A")?;
    let shape = known!(x.shape, x.element);
    if let (Some(&last), true) = (shape.last(), operation.has(1)) {
        operation.expect_shape(1, "B", &[last])?;
    }
    same(operation)
}

/// Losses over classes: reduced to a scalar, or one number per target; log probabilities as the
/// scores.
pub(super) fn loss(operation: &Operation<'_>) -> Found {
    let scores = operation.required(0, "scores")?;
    let labels = operation.required(1, "labels")?;
    if let (Some(scores), Some(labels)) = (scores.shape, labels.shape) {
        let fits = scores.len() >= 2
            && labels.first() == scores.first()
            && labels.get(1..) == scores.get(2..);
        if !fits {
            return Err(format!(
                "labels {labels:?} do not fit scores {scores:?}: classes lie along axis 1"
            ));
        }
    }
    let shape = match operation.attributes.str("reduction", "mean") {
        "none" => labels.shape.map(<[_]>::to_vec),
        _ => Some(vec![]),
    };
    Ok(vec![
        Inferred::new(scores.element, shape),
        Inferred::new(scores.element, scores.shape.map(<[_]>::to_vec)),
    ])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{Given, all, attributes, first, floats, int};
    use crate::{Attribute, Attributes, ElementType};

    fn none() -> Attributes {
        Attributes::default()
    }

    #[test]
    fn unary_operators_keep_the_shape() {
        for op in ["Relu", "Erf", "Softplus", "Gelu", "LRN", "Identity"] {
            assert_eq!(first(op, 20, none(), &[floats(&[2, 3])]).unwrap(), [2, 3]);
        }
    }

    #[test]
    fn binary_operators_broadcast() {
        let shape = first("Add", 20, none(), &[floats(&[8, 1, 6]), floats(&[7, 1])]);
        assert_eq!(shape.unwrap(), [8, 7, 6]);
        let error = first("Mul", 20, none(), &[floats(&[2, 3]), floats(&[4])]).unwrap_err();
        assert_eq!(error, "shapes [2, 3] and [4] do not broadcast");
        let error = first("Sub", 20, none(), &[floats(&[2])]).unwrap_err();
        assert_eq!(error, "input 1 (`B`) is missing");
    }

    #[test]
    fn comparisons_are_boolean() {
        let found = all("Less", 20, none(), &[floats(&[2, 1]), floats(&[3])], 1).unwrap();
        assert_eq!(found[0].element, Some(ElementType::Bool));
        assert_eq!(found[0].shape, Some(vec![2, 3]));
    }

    #[test]
    fn variadic_operators_broadcast_all() {
        let shape = first(
            "Sum",
            20,
            none(),
            &[floats(&[2, 1]), floats(&[3]), floats(&[5, 1, 1])],
        );
        assert_eq!(shape.unwrap(), [5, 2, 3]);
    }

    #[test]
    fn a_slope_broadcasts_one_way() {
        assert!(first("PRelu", 20, none(), &[floats(&[2, 3, 4]), floats(&[3, 1])]).is_ok());
        assert!(first("PRelu", 20, none(), &[floats(&[3, 4]), floats(&[2, 3, 4])]).is_err());
    }

    #[test]
    fn the_dropout_mask_became_boolean_in_opset_10() {
        for (opset, element) in [(7, ElementType::F32), (10, ElementType::Bool)] {
            let found = all("Dropout", opset, none(), &[floats(&[2])], 2).unwrap();
            assert_eq!(found[1].element, Some(element));
            assert_eq!(found[1].shape, Some(vec![2]));
        }
    }

    #[test]
    fn an_axis_out_of_range_is_refused() {
        let axis = |axis| attributes([("axis", Attribute::Int(axis))]);
        assert!(first("Softmax", 13, axis(-2), &[floats(&[2, 3])]).is_ok());
        assert!(first("Softmax", 13, axis(2), &[floats(&[2, 3])]).is_err());
        // The rank itself was a place to cut before opset 13.
        assert!(first("Softmax", 11, axis(2), &[floats(&[2, 3])]).is_ok());
    }

    #[test]
    fn cast_changes_only_the_type() {
        let to = attributes([("to", Attribute::Int(10))]);
        let found = all("Cast", 13, to, &[floats(&[2])], 1).unwrap();
        assert_eq!(found[0].element, Some(ElementType::F16));
        let found = all("CastLike", 15, none(), &[floats(&[2]), int(3)], 1).unwrap();
        assert_eq!(found[0].element, Some(ElementType::I64));
    }

    #[test]
    fn bounds_of_clip_are_scalars() {
        let inputs = [floats(&[2]), Given::Absent, floats(&[3])];
        assert!(
            first("Clip", 13, none(), &inputs)
                .unwrap_err()
                .contains("`max`")
        );
    }

    #[test]
    fn a_loss_is_a_scalar_unless_it_is_not_reduced() {
        let inputs = [floats(&[2, 5, 7]), floats(&[2, 7])];
        let op = "SoftmaxCrossEntropyLoss";
        let found = all(op, 13, none(), &inputs, 2).unwrap();
        assert_eq!(found[0].shape, Some(vec![]));
        assert_eq!(found[1].shape, Some(vec![2, 5, 7]));
        let each = attributes([("reduction", Attribute::String("none".to_owned()))]);
        assert_eq!(first(op, 13, each, &inputs).unwrap(), [2, 7]);
        assert!(first(op, 13, none(), &[floats(&[2, 5]), floats(&[3])]).is_err());
    }
}
