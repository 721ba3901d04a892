//! Products of small matrices, evaluated: rotary tables and position ids are made with them.

use std::collections::BTreeMap;

use super::Einsum;
use crate::evaluate::{
    Call, Outcome, Stop,
    kind::settle,
    mixed, not_defined, tensor,
    walk::{rows, steps},
};
use crate::shape::geometry::{self, Equation, Label, matmul as matmul_shape};
use crate::shape::{broadcast_shape, broadcast_strides};
use crate::{HostData, HostTensor};

/// Multiplications that one folded product may take; a larger one is left to the run.
const LARGEST_WORK: usize = 1 << 28;

fn work(sizes: &[usize]) -> Result<(), Stop> {
    match geometry::count(sizes) {
        Ok(n) if n <= LARGEST_WORK => Ok(()),
        _ => Err(Stop::Unknown),
    }
}

pub(crate) fn matmul(call: &Call<'_>) -> Outcome {
    let a = call.required(0, "A")?;
    let b = call.required(1, "B")?;
    let shape = matmul_shape(&a.shape, &b.shape)?;
    let total = call.size(&shape)?;
    let inner = a.shape.last().copied().unwrap_or(1);
    work(&[total, inner])?;
    let [m, k] = match a.shape[..] {
        [.., m, k] => [m, k],
        _ => [1, inner],
    };
    let n = if b.shape.len() > 1 {
        b.shape.last().copied().unwrap_or(1)
    } else {
        1
    };
    let batch = |t: &HostTensor| t.shape[..t.shape.len().saturating_sub(2)].to_vec();
    let (batch_a, batch_b) = (batch(a), batch(b));
    let joint = broadcast_shape(&batch_a, &batch_b).ok_or(Stop::Unknown)?;
    let strides_a = broadcast_strides(&batch_a, &joint);
    let strides_b = broadcast_strides(&batch_b, &joint);

    macro_rules! product {
        ($variant:ident, $a:expr, $b:expr, |$s:ident, $x:ident, $y:ident| $f:expr) => {{
            let mut out = vec![Default::default(); total];
            let mut place = 0;
            rows(
                &joint,
                [&strides_a, &strides_b],
                [0, 0],
                |at, length, step| {
                    for j in 0..length as isize {
                        let a = &$a[(at[0] + j * step[0]) as usize * m * k..][..m * k];
                        let b = &$b[(at[1] + j * step[1]) as usize * k * n..][..k * n];
                        let out = &mut out[place..place + m * n];
                        for i in 0..m {
                            for l in 0..k {
                                let $x = a[i * k + l];
                                for c in 0..n {
                                    let ($s, $y) = (out[i * n + c], b[l * n + c]);
                                    out[i * n + c] = $f;
                                }
                            }
                        }
                        place += m * n;
                    }
                },
            );
            HostData::$variant(out)
        }};
    }
    let data = match (&a.data, &b.data) {
        (HostData::F32(p), HostData::F32(q)) => product!(F32, p, q, |s, x, y| s + x * y),
        (HostData::F64(p), HostData::F64(q)) => product!(F64, p, q, |s, x, y| s + x * y),
        (HostData::I64(p), HostData::I64(q)) => {
            product!(I64, p, q, |s, x, y| i64::wrapping_add(
                s,
                i64::wrapping_mul(x, y)
            ))
        }
        (HostData::Bool(_), _) => return Err(not_defined(a)),
        _ => return Err(mixed(a, b)),
    };
    Ok(vec![tensor(shape, a.element, settle(a.element, data))])
}

pub(crate) fn einsum(einsum: &Einsum, call: &Call<'_>) -> Outcome {
    let operands: Vec<&HostTensor> = call.inputs.iter().copied().flatten().collect();
    let shapes: Vec<&[usize]> = operands.iter().map(|t| t.shape.as_slice()).collect();
    let equation = Equation::parse(&einsum.equation, &shapes)?;
    let shape = equation.shape();
    let total = call.size(&shape)?;
    let first = call.required(0, "Inputs")?;

    // One loop over the result's labels, then over the summed ones; products in f64 or i64.
    let mut order = equation.output.clone();
    order.extend(
        equation
            .sizes
            .keys()
            .filter(|l| !equation.output.contains(l)),
    );
    let sizes: Vec<usize> = order
        .iter()
        .map(|label| equation.sizes.get(label).copied().unwrap_or(1))
        .collect();
    work(&sizes)?;
    let strides: Vec<Vec<isize>> = operands
        .iter()
        .zip(&equation.inputs)
        .map(|(t, labels)| label_strides(t, labels, &order))
        .collect();
    let kept = shape.len();

    macro_rules! sum {
        ($variant:ident, $zero:expr, $mul:expr, $add:expr) => {{
            let mut data = Vec::with_capacity(operands.len());
            for t in &operands {
                let HostData::$variant(v) = &t.data else {
                    return Err(mixed(first, t));
                };
                data.push(v);
            }
            let mut out = vec![$zero; total];
            let mut to = steps(&shape);
            to.resize(order.len(), 0);
            // Walks the result and the first operand; the others follow the same counter.
            let mut counter = vec![0usize; order.len()];
            if !sizes.contains(&0) {
                loop {
                    let mut product = None;
                    for (v, strides) in data.iter().zip(&strides) {
                        let at: isize = counter
                            .iter()
                            .zip(strides)
                            .map(|(&c, &s)| c as isize * s)
                            .sum();
                        let x = v[at as usize];
                        product = Some(product.map_or(x, |p| $mul(p, x)));
                    }
                    let place: isize = counter
                        .iter()
                        .zip(&to)
                        .take(kept)
                        .map(|(&c, &s)| c as isize * s)
                        .sum();
                    let slot = &mut out[place as usize];
                    *slot = $add(*slot, product.unwrap_or($zero));
                    if !advance(&mut counter, &sizes) {
                        break;
                    }
                }
            }
            HostData::$variant(out)
        }};
    }
    let data = match &first.data {
        HostData::F32(_) => sum!(F32, 0f32, |p: f32, x: f32| p * x, |s: f32, p: f32| s + p),
        HostData::F64(_) => sum!(F64, 0f64, |p: f64, x: f64| p * x, |s: f64, p: f64| s + p),
        HostData::I64(_) => sum!(I64, 0i64, i64::wrapping_mul, i64::wrapping_add),
        HostData::Bool(_) => return Err(not_defined(first)),
    };
    Ok(vec![tensor(
        shape,
        first.element,
        settle(first.element, data),
    )])
}

/// How far each label of `order` moves in a tensor whose axes carry `labels`.
fn label_strides(tensor: &HostTensor, labels: &[Label], order: &[Label]) -> Vec<isize> {
    let mut by_label: BTreeMap<Label, isize> = BTreeMap::new();
    for ((&label, &stride), &size) in labels.iter().zip(&steps(&tensor.shape)).zip(&tensor.shape) {
        if size != 1 {
            // A label that comes twice walks the diagonal.
            *by_label.entry(label).or_insert(0) += stride;
        }
    }
    order
        .iter()
        .map(|label| by_label.get(label).copied().unwrap_or(0))
        .collect()
}

fn advance(counter: &mut [usize], sizes: &[usize]) -> bool {
    for (c, &size) in counter.iter_mut().zip(sizes).rev() {
        *c += 1;
        if *c < size {
            return true;
        }
        *c = 0;
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::Attribute;
    use crate::evaluate::testing::{counted, f, i, one, one_with};
    use crate::infer::testing::attributes;

    #[test]
    fn products_of_matrices_and_vectors() {
        let (a, b) = (counted(&[2, 3]), counted(&[3, 2]));
        assert_eq!(
            one("MatMul", &[&a, &b]).unwrap(),
            i(&[2, 2], &[10, 13, 28, 40])
        );
        let v = i(&[3], &[1, 1, 1]);
        assert_eq!(one("MatMul", &[&a, &v]).unwrap(), i(&[2], &[3, 12]));
        assert_eq!(one("MatMul", &[&v, &b]).unwrap(), i(&[2], &[6, 9]));
        assert_eq!(one("MatMul", &[&v, &v]).unwrap(), i(&[], &[3]));
        let stack = counted(&[2, 1, 3]);
        assert_eq!(
            one("MatMul", &[&stack, &b]).unwrap(),
            i(&[2, 1, 2], &[10, 13, 28, 40])
        );
        assert!(one("MatMul", &[&a, &a]).is_err());
    }

    #[test]
    fn equations() {
        let einsum = |equation: &str, inputs: &[&crate::HostTensor]| {
            let equation = attributes([("equation", Attribute::String(equation.to_owned()))]);
            one_with("Einsum", equation, inputs).unwrap()
        };
        let (a, b) = (counted(&[2, 3]), counted(&[3, 2]));
        assert_eq!(
            einsum("ij,jk->ik", &[&a, &b]),
            one("MatMul", &[&a, &b]).unwrap()
        );
        assert_eq!(einsum("ij->ji", &[&a]), one("Transpose", &[&a]).unwrap());
        assert_eq!(einsum("ii->i", &[&counted(&[2, 2])]), i(&[2], &[0, 3]));
        assert_eq!(einsum("ii", &[&counted(&[2, 2])]), i(&[], &[3]));
        let (p, q) = (f(&[2], &[1.0, 2.0]), f(&[2], &[3.0, 4.0]));
        assert_eq!(
            einsum("i,j->ij", &[&p, &q]),
            f(&[2, 2], &[3.0, 4.0, 6.0, 8.0])
        );
        let found = einsum("...ij,...jk->...ik", &[&counted(&[2, 1, 3]), &b]);
        assert_eq!(found, i(&[2, 1, 2], &[10, 13, 28, 40]));
    }
}
