//! Matrix products of arrays.

use rayon::prelude::*;

use crate::array::{Array, Dense, array, count, dims, full};
use crate::kernel::map::broadcast_shape;
use crate::kernel::product::{PARALLEL, Sizes, Strided, multiply, multiply_alone};
use crate::kernel::reduce::sum_to;
use crate::kernel::shape::reshape;
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// The product of two arrays of matrices of the same rank, whose other axes broadcast; without a tape.
pub(crate) fn product(a: &Array, b: &Array) -> Array {
    let (da, db) = (a.shape(), b.shape());
    let matrices = da.len() - 2;
    let sizes = Sizes {
        rows: da[matrices],
        columns: db[matrices + 1],
        depth: da[matrices + 1],
    };
    let pairs = da.iter().zip(db).take(matrices);
    let batch: Vec<usize> = pairs.map(|(&x, &y)| if x == 1 { y } else { x }).collect();
    let shape = [&batch[..], &[sizes.rows, sizes.columns]].concat();
    let (a, b) = (Matrices::new(a), Matrices::new(b));
    let one = sizes.rows * sizes.columns;
    let mut out = Buffer::unwritten(shape.iter().product());
    if out.is_empty() || sizes.depth == 0 {
        return full(&shape, 0.0);
    }
    let number = out.len() / one;
    let threads = rayon::current_num_threads();
    let of = |k: usize| (a.rows(&batch, k), b.columns(&batch, k));
    if number < threads || number == 1 || sizes.multiplications() < PARALLEL / 64 {
        // A few large ones, each shared out; or so small that many go into one task.
        let all = sizes.multiplications().saturating_mul(number);
        if number > 1 && all >= PARALLEL && sizes.multiplications() < PARALLEL {
            let each = (PARALLEL / 8 / sizes.multiplications().max(1)).max(1);
            out.par_chunks_mut(one * each)
                .enumerate()
                .for_each(|(block, out)| {
                    for (k, out) in out.chunks_mut(one).enumerate() {
                        let (a, b) = of(block * each + k);
                        multiply_alone(sizes, &a, &b, out, false);
                    }
                });
        } else {
            for (k, out) in out.chunks_mut(one).enumerate() {
                let (a, b) = of(k);
                multiply(sizes, &a, &b, out, false);
            }
        }
    } else {
        out.par_chunks_mut(one).enumerate().for_each(|(k, out)| {
            let (a, b) = of(k);
            multiply_alone(sizes, &a, &b, out, false);
        });
    }
    array(&shape, out)
}

/// An array read as matrices.
struct Matrices(Array);

impl Matrices {
    /// As it lies, unless it is read backward.
    fn new(a: &Array) -> Self {
        let forward = a.layout().strides.iter().all(|&s| s >= 0);
        Self(if forward {
            a.clone()
        } else {
            Dense::new(a).array().clone()
        })
    }

    /// The matrix of one place of the batch: its elements, and the steps of its rows and columns.
    fn at(&self, batch: &[usize], place: usize) -> (&[f32], usize, usize) {
        let layout = self.0.layout();
        let step = |axis: usize| layout.strides[axis].unsigned_abs();
        let mut rest = place;
        let mut first = 0;
        for (axis, &size) in batch.iter().enumerate().rev() {
            if layout.shape[axis] != 1 {
                first += rest % size * step(axis);
            }
            rest /= size;
        }
        let elements = self.0.tail().get(first..).unwrap_or_default();
        (elements, step(batch.len()), step(batch.len() + 1))
    }

    /// As the left factor, whose rows are the result's.
    fn rows(&self, batch: &[usize], place: usize) -> Strided<'_> {
        let (data, outer, depth) = self.at(batch, place);
        Strided {
            data,
            outer,
            depth,
            pieces: None,
        }
    }

    /// As the right factor, whose columns are the result's.
    fn columns(&self, batch: &[usize], place: usize) -> Strided<'_> {
        let (data, depth, outer) = self.at(batch, place);
        Strided {
            data,
            outer,
            depth,
            pieces: None,
        }
    }
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
    match like.layout().strides[..] {
        [.., row, column] if row.unsigned_abs() < column.unsigned_abs() => {
            transposed(&product(&transposed(b), &transposed(a)))
        }
        _ => product(a, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::shape::permute;

    fn wave(shape: &[usize], step: f32) -> Array {
        let n: usize = shape.iter().product();
        let data: Vec<f32> = (0..n).map(|k| (k as f32 * step).sin()).collect();
        array(shape, data)
    }

    #[test]
    fn batches_broadcast_and_views_are_read_as_they_lie() {
        for (batch_a, batch_b) in [
            (vec![3, 4], vec![3, 4]),
            (vec![1, 4], vec![3, 1]),
            (vec![40, 1], vec![1, 1]),
            (vec![], vec![]),
        ] {
            let (m, k, n) = (9, 11, 7);
            let views = [
                wave(&[&batch_a[..], &[m, k]].concat(), 0.37),
                transposed(&wave(&[&batch_a[..], &[k, m]].concat(), 0.37)),
                wave(&[&batch_a[..], &[m, 3 * k]].concat(), 0.37).stepped(
                    batch_a.len() + 1,
                    3 * k - 1,
                    k,
                    -2,
                ),
            ];
            let b = wave(&[&batch_b[..], &[k, n]].concat(), 0.73);
            for a in views {
                let c = product(&a, &b);
                let (a, b, c) = (Dense::new(&a), Dense::new(&b), Dense::new(&c));
                for (at, &got) in c.iter().enumerate() {
                    let (place, i, j) = (at / (m * n), at / n % m, at % n);
                    // All batches here have two axes or none.
                    let of = |batch: &[usize]| match batch {
                        [x, y] => {
                            (place / c.array().shape()[1] % x) * y
                                + place % c.array().shape()[1] % y
                        }
                        _ => 0,
                    };
                    let (pa, pb) = (of(&batch_a) * m * k, of(&batch_b) * k * n);
                    let want: f32 = (0..k).map(|d| a[pa + i * k + d] * b[pb + d * n + j]).sum();
                    assert!(
                        (got - want).abs() < 1e-5,
                        "{batch_a:?} {batch_b:?} {at}: {got} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_gradient_of_a_transposed_weight_lies_as_the_weight_does() {
        // y = x Wᵀ with W of shape [3, 2]: at a gradient of ones, row k of W's is the sum of x's rows.
        let x = array(&[2, 2], vec![1.0, 2.0, 10.0, 20.0]);
        let weight = Var::leaf(array(&[3, 2], vec![0.5; 6]), 0);
        let y = matmul(&Var::constant(x), &permute(&weight, &[1, 0])).unwrap();
        let mut seen = None;
        y.backward(array(&[2, 3], vec![1.0; 6]), |_, g| seen = Some(g.clone()));
        let gradient = seen.unwrap();
        assert!(gradient.is_ordered());
        assert_eq!(*Dense::new(&gradient), [11.0, 22.0, 11.0, 22.0, 11.0, 22.0]);
    }
}
