//! Matrix products, by burn.

use burn_backend::ops::FloatTensorOps;
use burn_flex::Flex;

use crate::array::{Array, count, dims};
use crate::kernel::elementwise::broadcast_shape;
use crate::kernel::reduce::sum_to;
use crate::kernel::shape::reshape;
use crate::tape::{Var, record};

/// The product of two arrays of matrices of the same rank; without a tape.
pub(crate) fn product(a: &Array, b: &Array) -> Array {
    let (da, db) = (dims(a), dims(b));
    let rank = da.len();
    let (m, k, n) = (da[rank - 2], da[rank - 1], db[rank - 1]);
    if m == 0 || k == 0 || n == 0 || da.contains(&0) || db.contains(&0) {
        let mut shape: Vec<usize> = da
            .iter()
            .zip(&db)
            .map(|(&x, &y)| if x == 1 { y } else { x })
            .collect();
        shape[rank - 2] = m;
        shape[rank - 1] = n;
        return crate::array::full(&shape, 0.0);
    }
    Flex::float_matmul(a.clone(), b.clone())
}

/// The last two axes exchanged, as a view.
pub(crate) fn transposed(a: &Array) -> Array {
    let rank = dims(a).len();
    a.transpose(rank - 2, rank - 1)
}

/// The product of two values by numpy's rules for `matmul`, vectors and broadcasting included.
pub(crate) fn matmul(a: &Var, b: &Var) -> Result<Var, String> {
    let (da, db) = (a.dims(), b.dims());
    let no = || {
        format!(
            "matrices of shapes {da:?} and {db:?} cannot be multiplied: the last axis of the first must equal the last but one of the second"
        )
    };
    match (da.as_slice(), db.as_slice()) {
        ([], _) | (_, []) => Err(no()),
        ([k], [l]) if k == l => {
            let out = pair(&reshape(a, &[1, *k]), &reshape(b, &[*k, 1]));
            Ok(reshape(&out, &[]))
        }
        ([_], [_]) => Err(no()),
        ([k], _) => {
            let out = matmul(&reshape(a, &[1, *k]), b)?;
            let mut shape = out.dims();
            shape.remove(shape.len() - 2);
            Ok(reshape(&out, &shape))
        }
        (_, [k]) => {
            let out = matmul(a, &reshape(b, &[*k, 1]))?;
            let mut shape = out.dims();
            shape.pop();
            Ok(reshape(&out, &shape))
        }
        ([batch @ .., m, k], [rest @ .., l, n]) => {
            if k != l {
                return Err(no());
            }
            if rest.iter().all(|&d| d == 1) && (rest.len() <= batch.len()) {
                // One matrix for all: a single tall product.
                let rows: usize = batch.iter().product::<usize>() * m;
                let out = pair(&reshape(a, &[rows, *k]), &reshape(b, &[*k, *n]));
                return Ok(reshape(&out, &[batch, &[*m, *n][..]].concat()));
            }
            let shape = broadcast_shape(batch, rest)?;
            count(&[&shape[..], &[*m, *n]].concat())?;
            let lift = |v: &Var, s: &[usize]| {
                let ones = vec![1; shape.len() + 2 - s.len()];
                reshape(v, &[&ones[..], s].concat())
            };
            Ok(pair(&lift(a, &da), &lift(b, &db)))
        }
    }
}

/// The product of two values of the same rank, at least 2, whose shapes fit.
fn pair(a: &Var, b: &Var) -> Var {
    let (x, y) = (a.array().clone(), b.array().clone());
    record(&[a, b], product(a.array(), b.array()), move |g, wanted| {
        vec![
            wanted[0].then(|| sum_to(&product_like(&x, &g, &transposed(&y)), &dims(&x))),
            wanted[1].then(|| sum_to(&product_like(&y, &transposed(&x), &g), &dims(&y))),
        ]
    })
}

/// The product of two arrays of matrices, each of its matrices lying in memory as those of `like` do:
/// of a view that exchanges the axes of a weight, the gradient comes back as such a view, and the
/// weight's own is in order without a copy.
fn product_like(like: &Array, a: &Array, b: &Array) -> Array {
    let strides = like.layout().strides();
    match strides {
        [.., row, column] if row.unsigned_abs() < column.unsigned_abs() => {
            transposed(&product(&transposed(b), &transposed(a)))
        }
        _ => product(a, b),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::array::{Dense, array};
    use crate::kernel::shape::permute;

    #[test]
    fn the_gradient_of_a_transposed_weight_lies_as_the_weight_does() {
        // y = x Wᵀ with W of shape [3, 2]: at a gradient of ones, row k of W's is the sum of x's rows.
        let x = array(&[2, 2], vec![1.0, 2.0, 10.0, 20.0]);
        let seen: Arc<Mutex<Option<Array>>> = Arc::default();
        let slot = Arc::clone(&seen);
        let leaf = Var::leaf(array(&[3, 2], vec![0.5; 6]));
        let weight = record(&[&leaf], leaf.array().clone(), move |g, _| {
            *slot.lock().unwrap() = Some(g.clone());
            vec![Some(g)]
        });
        let y = matmul(&Var::constant(x), &permute(&weight, &[1, 0])).unwrap();
        let loss = record(&[&y], array(&[1], vec![0.0]), |_, _| {
            vec![Some(array(&[2, 3], vec![1.0; 6]))]
        });
        loss.backward();
        let gradient = seen.lock().unwrap().take().unwrap();
        assert!(gradient.is_contiguous());
        assert_eq!(*Dense::new(&gradient), [11.0, 22.0, 11.0, 22.0, 11.0, 22.0]);
    }
}
