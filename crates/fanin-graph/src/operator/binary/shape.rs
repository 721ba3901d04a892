//! Shapes that inputs broadcast to.

use crate::ElementType;
use crate::infer::{Found, Inferred, Operands};
use crate::shape::broadcast_shape;

/// As the first input, but booleans.
pub(crate) fn same_boolean(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    Ok(vec![Inferred::new(
        Some(ElementType::Bool),
        x.shape.map(<[_]>::to_vec),
    )])
}

/// The shape that the first `count` inputs broadcast to, `None` where one is not known.
fn broadcast(operands: &Operands<'_>, count: usize) -> Result<Option<Vec<usize>>, String> {
    let shapes: Option<Vec<&[usize]>> = operands
        .inputs
        .iter()
        .take(count)
        .flatten()
        .map(|input| input.shape)
        .collect();
    shapes
        .map(|shapes| {
            let mut all: Vec<usize> = Vec::new();
            for shape in &shapes {
                all = broadcast_shape(&all, shape).ok_or_else(|| match shapes.as_slice() {
                    [a, b] => format!("shapes {a:?} and {b:?} do not broadcast"),
                    _ => format!("shapes {shapes:?} do not broadcast"),
                })?;
            }
            Ok(all)
        })
        .transpose()
}

/// All inputs broadcast; the type of the first.
pub(crate) fn variadic(operands: &Operands<'_>) -> Found {
    operands.required(0, "data_0")?;
    Ok(vec![Inferred::new(
        operands
            .inputs
            .iter()
            .flatten()
            .find_map(|input| input.element),
        broadcast(operands, usize::MAX)?,
    )])
}

/// Two inputs broadcast; the type of the first.
pub(crate) fn binary(operands: &Operands<'_>) -> Found {
    let a = operands.required(0, "A")?;
    let b = operands.required(1, "B")?;
    let element = a.element.or(b.element);
    Ok(vec![Inferred::new(element, broadcast(operands, 2)?)])
}

/// Two inputs broadcast; the second, an exponent or an amount, may be of another type.
pub(crate) fn by_amount(operands: &Operands<'_>) -> Found {
    let a = operands.required(0, "A")?;
    operands.required(1, "B")?;
    Ok(vec![Inferred::new(a.element, broadcast(operands, 2)?)])
}

/// Two inputs broadcast to booleans.
pub(crate) fn comparison(operands: &Operands<'_>) -> Found {
    operands.required(0, "A")?;
    operands.required(1, "B")?;
    Ok(vec![Inferred::new(
        Some(ElementType::Bool),
        broadcast(operands, 2)?,
    )])
}

/// `Where`: all three broadcast; the type of the second.
pub(crate) fn select(operands: &Operands<'_>) -> Found {
    operands.required(0, "condition")?;
    let x = operands.required(1, "X")?;
    let y = operands.required(2, "Y")?;
    Ok(vec![Inferred::new(
        x.element.or(y.element),
        broadcast(operands, 3)?,
    )])
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
