//! Shapes of matrix products.

use super::{Einsum, Gemm, MatMul};
use crate::ElementType;
use crate::infer::{Found, Inferred, Operands, known};
use crate::shape::broadcast_shape;
use crate::shape::geometry::{self, Equation};

/// `MatMulInteger`.
pub(crate) fn integer(operands: &Operands<'_>) -> Found {
    let element = Some(ElementType::I32);
    let a = operands.required(0, "A")?;
    let b = operands.required(1, "B")?;
    let (a, b) = known!(a.shape.zip(b.shape), element);
    Ok(vec![Inferred::known(element, geometry::matmul(a, b)?)])
}

/// `MatMul`, whose operands may come transposed.
pub(crate) fn matmul(product: &MatMul, operands: &Operands<'_>) -> Found {
    let a = operands.required(0, "A")?;
    let b = operands.required(1, "B")?;
    let element = a.element.or(b.element);
    if product.transpose_batch_a || product.transpose_batch_b {
        return Ok(vec![Inferred::typed(element)]);
    }
    let turned = |shape: &[usize], swapped: bool| {
        let mut shape = shape.to_vec();
        let rank = shape.len();
        if swapped && rank >= 2 {
            shape.swap(rank - 2, rank - 1);
        }
        shape
    };
    let (a, b) = known!(a.shape.zip(b.shape), element);
    let shape = geometry::matmul(
        &turned(a, product.transpose_a),
        &turned(b, product.transpose_b),
    )?;
    Ok(vec![Inferred::known(element, shape)])
}

/// `Gemm`: `A B + C`, both perhaps transposed.
pub(crate) fn gemm(gemm: &Gemm, operands: &Operands<'_>) -> Found {
    let a = operands.required(0, "A")?;
    let b = operands.required(1, "B")?;
    let element = a.element.or(b.element);
    let (a, b) = known!(a.shape.zip(b.shape), element);
    let ([a0, a1], [b0, b1]) = (a, b) else {
        return Err(format!("wants two matrices, got shapes {a:?} and {b:?}"));
    };
    let (turn_a, turn_b) = (gemm.transpose_a, gemm.transpose_b);
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
    if let Some(c) = operands.shape(2)
        && broadcast_shape(&shape, c).as_ref() != Some(&shape)
    {
        return Err(format!(
            "C {c:?} does not broadcast to the product {shape:?}"
        ));
    }
    Ok(vec![Inferred::known(element, shape)])
}

/// `Einsum`.
pub(crate) fn einsum(einsum: &Einsum, operands: &Operands<'_>) -> Found {
    let first = operands.required(0, "Inputs")?;
    let shapes: Option<Vec<&[usize]>> = operands
        .inputs
        .iter()
        .flatten()
        .map(|input| input.shape)
        .collect();
    let shapes = known!(shapes, first.element);
    let equation = Equation::parse(&einsum.equation, &shapes)?;
    Ok(vec![Inferred::known(first.element, equation.shape())])
}

/// `Det`: matrices become numbers.
pub(crate) fn determinant(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
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
