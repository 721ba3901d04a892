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
            wanted[0].then(|| sum_to(&product(&g, &transposed(&y)), &dims(&x))),
            wanted[1].then(|| sum_to(&product(&transposed(&x), &g), &dims(&y))),
        ]
    })
}
