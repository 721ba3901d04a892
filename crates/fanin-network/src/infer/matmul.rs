//! Matrix products.

use super::operation::{Found, Inferred, Operation, known};
use crate::ElementType;
use crate::fold::broadcast_shape;
use crate::fold::geometry::{self, Einsum};

/// `MatMul` and `MatMulInteger`.
pub(super) fn matmul(operation: &Operation<'_>) -> Found {
    let a = operation.required(0, "A")?;
    let b = operation.required(1, "B")?;
    let element = match operation.op {
        "MatMulInteger" => Some(ElementType::I32),
        _ => a.element.or(b.element),
    };
    let (a, b) = known!(a.shape.zip(b.shape), element);
    Ok(vec![Inferred::known(element, geometry::matmul(a, b)?)])
}

/// `FusedMatMul` (com.microsoft): a product whose operands may come transposed.
pub(super) fn fused_matmul(operation: &Operation<'_>) -> Found {
    let a = operation.required(0, "A")?;
    let b = operation.required(1, "B")?;
    let element = a.element.or(b.element);
    for name in ["transBatchA", "transBatchB"] {
        if operation.attributes.int(name, 0) != 0 {
            return Ok(vec![Inferred::typed(element)]);
        }
    }
    let turned = |shape: &[usize], name: &str| {
        let mut shape = shape.to_vec();
        let rank = shape.len();
        if operation.attributes.int(name, 0) != 0 && rank >= 2 {
            shape.swap(rank - 2, rank - 1);
        }
        shape
    };
    let (a, b) = known!(a.shape.zip(b.shape), element);
    let shape = geometry::matmul(&turned(a, "transA"), &turned(b, "transB"))?;
    Ok(vec![Inferred::known(element, shape)])
}

/// `Gemm`: `A B + C`, both perhaps transposed.
pub(super) fn gemm(operation: &Operation<'_>) -> Found {
    let a = operation.required(0, "A")?;
    let b = operation.required(1, "B")?;
    let element = a.element.or(b.element);
    let (a, b) = known!(a.shape.zip(b.shape), element);
    let ([a0, a1], [b0, b1]) = (a, b) else {
        return Err(format!("wants two matrices, got shapes {a:?} and {b:?}"));
    };
    let turn_a = operation.attributes.int("transA", 0) != 0;
    let turn_b = operation.attributes.int("transB", 0) != 0;
    let (rows, inner_a) = if turn_a { (*a1, *a0) } else { (*a0, *a1) };
    let (inner_b, columns) = if turn_b { (*b1, *b0) } else { (*b0, *b1) };
    if inner_a != inner_b {
        return Err(format!(
            "cannot multiply {a:?}{} and {b:?}{}: the inner sizes {inner_a} and {inner_b} differ",
            if turn_a { " transposed" } else { "" },
            if turn_b { " transposed" } else { "" },
        ));
    }
    let shape = vec![rows, columns];
    if let Some(c) = operation.shape(2)
        && broadcast_shape(&shape, c).as_ref() != Some(&shape)
    {
        return Err(format!(
            "C {c:?} does not broadcast to the product {shape:?}"
        ));
    }
    Ok(vec![Inferred::known(element, shape)])
}

/// `Einsum`.
pub(super) fn einsum(operation: &Operation<'_>) -> Found {
    let first = operation.required(0, "Inputs")?;
    let shapes: Option<Vec<&[usize]>> = operation
        .inputs
        .iter()
        .flatten()
        .map(|input| input.shape)
        .collect();
    let shapes = known!(shapes, first.element);
    let equation = Einsum::parse(operation.attributes.str("equation", ""), &shapes)?;
    Ok(vec![Inferred::known(first.element, equation.shape())])
}

/// `Det`: matrices become numbers.
pub(super) fn determinant(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    match known!(x.shape, x.element) {
        [outer @ .., rows, columns] if rows == columns => {
            Ok(vec![Inferred::known(x.element, outer.to_vec())])
        }
        shape => Err(format!("wants square matrices, got shape {shape:?}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{attributes, first, floats};
    use crate::{Attribute, Attributes};

    fn matmul(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
        first("MatMul", 13, Attributes::default(), &[floats(a), floats(b)])
    }

    #[test]
    fn matmul_is_numpys() {
        assert_eq!(matmul(&[2, 3], &[3, 4]).unwrap(), [2, 4]);
        assert_eq!(matmul(&[5, 1, 2, 3], &[7, 3, 4]).unwrap(), [5, 7, 2, 4]);
        assert_eq!(matmul(&[3], &[3]).unwrap(), [0usize; 0]);
        assert_eq!(matmul(&[3], &[6, 3, 4]).unwrap(), [6, 4]);
        assert_eq!(matmul(&[6, 2, 3], &[3]).unwrap(), [6, 2]);
    }

    #[test]
    fn products_that_do_not_fit_are_refused() {
        let error = matmul(&[2, 3], &[4, 5]).unwrap_err();
        assert!(
            error.contains("[2, 3]") && error.contains("[4, 5]"),
            "{error}"
        );
        assert!(matmul(&[], &[4, 5]).is_err());
        assert!(matmul(&[2, 3], &[]).is_err());
        assert!(matmul(&[2, 2, 3], &[5, 3, 4]).is_err());
    }

    #[test]
    fn gemm_turns_its_operands() {
        let turned = || attributes([("transB", Attribute::Int(1))]);
        let gemm = |b: &[usize], c: &[usize]| {
            first(
                "Gemm",
                13,
                turned(),
                &[floats(&[2, 3]), floats(b), floats(c)],
            )
        };
        assert_eq!(gemm(&[4, 3], &[4]).unwrap(), [2, 4]);
        assert!(gemm(&[3, 4], &[4]).unwrap_err().contains("transposed"));
        assert!(gemm(&[4, 3], &[5]).unwrap_err().contains("C [5]"));
    }

    #[test]
    fn einsum_reads_its_equation() {
        let einsum = |equation: &str, shapes: &[&[usize]]| {
            let equation = attributes([("equation", Attribute::String(equation.to_owned()))]);
            let inputs: Vec<_> = shapes.iter().map(|s| floats(s)).collect();
            first("Einsum", 12, equation, &inputs)
        };
        assert_eq!(
            einsum("bij, bjk -> bik", &[&[5, 2, 3], &[5, 3, 4]]).unwrap(),
            [5, 2, 4]
        );
        assert_eq!(
            einsum("...ij,...jk", &[&[8, 2, 3], &[7, 1, 3, 4]]).unwrap(),
            [7, 8, 2, 4]
        );
        assert_eq!(einsum("ii->i", &[&[3, 3]]).unwrap(), [3]);
        assert_eq!(einsum("ba", &[&[2, 3]]).unwrap(), [3, 2]);
        assert_eq!(einsum("i,i", &[&[4], &[4]]).unwrap(), [0usize; 0]);
        assert!(einsum("ij,jk->ik", &[&[2, 3], &[4, 5]]).is_err());
        assert!(einsum("ij->ijk", &[&[2, 3]]).is_err());
        assert!(einsum("ij", &[&[2, 3, 4]]).is_err());
        assert!(einsum("i", &[&[2], &[3]]).is_err());
    }
}
