//! Products that sum over axes: matrix products and `Einsum`.

use fanin_network::operator::{Gemm, MatMul};

use super::unary::fused;
use super::{Answer, Call, one};
use crate::kernel::elementwise::{add_to, affine};
use crate::kernel::index::take;
use crate::kernel::linear::matmul;
use crate::kernel::reduce::sum_over;
use crate::kernel::shape::{broadcast, permute, reshape};
use crate::tape::Var;

fn scaled(v: Var, factor: f32) -> Var {
    match factor {
        1.0 => v,
        factor => affine(&v, factor, 0.0),
    }
}

/// The product, and onnxruntime's with operands turned and a factor.
pub(super) fn matmul_op(product: MatMul, call: &Call<'_>) -> Answer {
    let operand = |k: usize, turned: bool, batch: bool| -> Result<Var, String> {
        let v = call.var(k)?;
        let rank = v.dims().len();
        // A vector has nothing to turn, as in onnxruntime.
        if !batch && (!turned || rank < 2) {
            return Ok(v);
        }
        let mut order: Vec<usize> = (0..rank).collect();
        if batch {
            if rank < 3 {
                return Err(format!(
                    "input {k} must have three axes for its batch axis to move"
                ));
            }
            let first = order.remove(0);
            order.insert(rank - 2, first);
        }
        if turned {
            order.swap(rank - 2, rank - 1);
        }
        Ok(permute(&v, &order))
    };
    let a = operand(0, product.transpose_a, product.transpose_batch_a)?;
    let b = operand(1, product.transpose_b, product.transpose_batch_b)?;
    one(scaled(matmul(&a, &b)?, product.alpha))
}

pub(super) fn gemm(gemm: &Gemm, call: &Call<'_>) -> Answer {
    let operand = |k: usize, turned: bool| -> Result<Var, String> {
        let v = call.var(k)?;
        if v.dims().len() != 2 {
            return Err(format!("input {k} must have two axes"));
        }
        Ok(if turned { permute(&v, &[1, 0]) } else { v })
    };
    let (a, b) = (operand(0, gemm.transpose_a)?, operand(1, gemm.transpose_b)?);
    let product = scaled(matmul(&a, &b)?, gemm.alpha);
    let sum = match call.optional(2)? {
        None => product,
        Some(c) => {
            let shape = product.dims();
            let sum = add_to(product, &scaled(c, gemm.beta))?;
            if sum.dims() != shape {
                return Err(format!(
                    "input 2 does not broadcast to the product's shape {shape:?}"
                ));
            }
            sum
        }
    };
    one(fused(gemm.activation, sum))
}

/// A value whose axes are named.
struct Term {
    value: Var,
    labels: Vec<u16>,
}

impl Term {
    /// Merges axes of the same name into their diagonal.
    fn diagonal(self) -> Self {
        let Self {
            mut value,
            mut labels,
        } = self;
        while let Some((i, j)) = repeated(&labels) {
            let shape = value.dims();
            let n: usize = shape.iter().product();
            let mut strides = vec![1usize; shape.len()];
            for k in (0..shape.len().saturating_sub(1)).rev() {
                strides[k] = strides[k + 1] * shape[k + 1];
            }
            let on = |p: usize| (p / strides[i]) % shape[i] == (p / strides[j]) % shape[j];
            let positions: Vec<usize> = (0..n).filter(|&p| on(p)).collect();
            let mut result = shape.clone();
            result.remove(j);
            value = take(&value, &result, positions);
            labels.remove(j);
        }
        Self { value, labels }
    }

    /// Sums away the axes that nobody else names.
    fn without(self, keep: impl Fn(u16) -> bool) -> Self {
        let gone: Vec<bool> = self.labels.iter().map(|&l| !keep(l)).collect();
        if !gone.contains(&true) {
            return self;
        }
        let summed = sum_over(&self.value, &gone);
        let labels: Vec<u16> = self.labels.into_iter().filter(|&l| keep(l)).collect();
        let shape: Vec<usize> = summed
            .dims()
            .iter()
            .zip(&gone)
            .filter(|&(_, g)| !g)
            .map(|(&d, _)| d)
            .collect();
        Self {
            value: reshape(&summed, &shape),
            labels,
        }
    }

    fn size(&self, label: u16) -> Option<usize> {
        self.labels
            .iter()
            .position(|&l| l == label)
            .map(|k| self.value.dims()[k])
    }

    /// The axes in the given order; names it does not have become axes of size 1.
    fn arranged(&self, order: &[u16]) -> Var {
        let own: Vec<usize> = order
            .iter()
            .filter_map(|l| self.labels.iter().position(|m| m == l))
            .collect();
        let moved = permute(&self.value, &own);
        let shape: Vec<usize> = order.iter().map(|&l| self.size(l).unwrap_or(1)).collect();
        reshape(&moved, &shape)
    }
}

fn repeated(labels: &[u16]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|i| {
        (i + 1..labels.len())
            .find(|&j| labels[i] == labels[j])
            .map(|j| (i, j))
    })
}

/// Names of the axes an ellipsis stands for, counted from its end so that they broadcast.
const ELLIPSIS: u16 = 1 << 8;

fn parse(term: &str, rank: Option<usize>) -> Result<Vec<u16>, String> {
    let wrong = || format!("the term `{term}` does not fit its operand");
    let (head, tail) = match term.split_once("...") {
        Some((head, tail)) => (head, Some(tail)),
        None => (term, None),
    };
    let letters = |text: &str| -> Result<Vec<u16>, String> {
        text.chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| {
                if c.is_ascii_alphabetic() {
                    Ok(c as u16)
                } else {
                    Err(wrong())
                }
            })
            .collect()
    };
    let (head, tail_letters) = (letters(head)?, tail.map(letters).transpose()?);
    let named = head.len() + tail_letters.as_ref().map_or(0, Vec::len);
    let mut labels = head;
    if let Some(tail) = tail_letters {
        let hidden = match rank {
            Some(rank) => rank.checked_sub(named).ok_or_else(wrong)?,
            None => 0,
        };
        labels.extend((0..hidden).rev().map(|k| ELLIPSIS + k as u16));
        labels.extend(tail);
    }
    if rank.is_some_and(|r| r != labels.len()) {
        return Err(wrong());
    }
    Ok(labels)
}

pub(super) fn einsum(equation: &str, call: &Call<'_>) -> Answer {
    let (left, right) = match equation.split_once("->") {
        Some((l, r)) => (l, Some(r)),
        None => (equation, None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != call.inputs.len() {
        return Err(format!(
            "the equation `{equation}` has {} terms for {} inputs",
            terms.len(),
            call.inputs.len()
        ));
    }
    let mut operands = Vec::new();
    for (k, term) in terms.iter().enumerate() {
        let value = call.var(k)?;
        let labels = parse(term, Some(value.dims().len()))?;
        operands.push(Term { value, labels });
    }
    let mut hidden: Vec<u16> = operands
        .iter()
        .flat_map(|t| &t.labels)
        .copied()
        .filter(|&l| l >= ELLIPSIS)
        .collect();
    hidden.sort_unstable_by(|a, b| b.cmp(a));
    hidden.dedup();
    let output: Vec<u16> = match right {
        Some(text) => {
            let mut labels = Vec::new();
            let (head, tail) = text
                .split_once("...")
                .map_or((text, None), |(h, t)| (h, Some(t)));
            labels.extend(parse(head, None)?);
            if let Some(tail) = tail {
                labels.extend(&hidden);
                labels.extend(parse(tail, None)?);
            }
            labels
        }
        None => {
            // The names that occur once, in alphabetical order, after the ellipsis.
            let all: Vec<u16> = operands
                .iter()
                .flat_map(|t| t.labels.clone())
                .filter(|&l| l < ELLIPSIS)
                .collect();
            let mut once: Vec<u16> = all
                .iter()
                .copied()
                .filter(|l| all.iter().filter(|m| *m == l).count() == 1)
                .collect();
            once.sort_unstable();
            [hidden, once].concat()
        }
    };
    for label in &output {
        if !operands.iter().any(|t| t.labels.contains(label)) {
            return Err(format!(
                "the equation `{equation}` puts out an axis that no term has"
            ));
        }
    }
    let agree = |label: u16| {
        let mut known = operands
            .iter()
            .flat_map(|t| {
                let shape = t.value.dims();
                t.labels
                    .iter()
                    .zip(shape)
                    .filter(move |&(&l, _)| l == label)
                    .map(|(_, d)| d)
                    .collect::<Vec<_>>()
            })
            .filter(|&d| d != 1);
        let first = known.next();
        known.all(|d| Some(d) == first)
    };
    if let Some(bad) = operands
        .iter()
        .flat_map(|t| &t.labels)
        .find(|&&l| !agree(l))
    {
        return Err(format!(
            "an axis named `{}` has two sizes",
            char::from_u32(u32::from(*bad)).unwrap_or('?')
        ));
    }
    let mut operands: Vec<Term> = operands.into_iter().map(Term::diagonal).collect();
    operands.reverse();
    let mut total = operands.pop().ok_or("there is nothing to multiply")?;
    while let Some(next) = operands.pop() {
        let later = |l: u16| output.contains(&l) || operands.iter().any(|t| t.labels.contains(&l));
        total = contract(total, next, later)?;
    }
    let total = total.without(|l| output.contains(&l));
    one(total.arranged(&output))
}

/// Multiplies two terms and sums over what neither the output nor a later term names.
fn contract(a: Term, b: Term, keep: impl Fn(u16) -> bool) -> Result<Term, String> {
    let a = a.without(|l| keep(l) || b.labels.contains(&l));
    let b = b.without(|l| keep(l) || a.labels.contains(&l));
    let shared: Vec<u16> = a
        .labels
        .iter()
        .copied()
        .filter(|l| b.labels.contains(l))
        .collect();
    let (batch, summed): (Vec<u16>, Vec<u16>) = shared.iter().partition(|&&l| keep(l));
    let only = |t: &Term, o: &Term| {
        t.labels
            .iter()
            .copied()
            .filter(|l| !o.labels.contains(l))
            .collect::<Vec<_>>()
    };
    let (rows, columns) = (only(&a, &b), only(&b, &a));
    let size = |l: &u16| a.size(*l).unwrap_or(1).max(b.size(*l).unwrap_or(1));
    let product = |labels: &[u16]| labels.iter().map(size).product::<usize>();
    // Axes of size 1 in one term only are broadcast before they are multiplied.
    let spread = |t: &Term, order: &[u16]| {
        let v = t.arranged(order);
        let shape: Vec<usize> = order.iter().map(size).collect();
        broadcast(&v, &shape)
    };
    let left = spread(&a, &[&batch[..], &rows, &summed].concat());
    let right = spread(&b, &[&batch[..], &summed, &columns].concat());
    let (n, m, k, p) = (
        product(&batch),
        product(&rows),
        product(&summed),
        product(&columns),
    );
    let out = matmul(&reshape(&left, &[n, m, k]), &reshape(&right, &[n, k, p]))?;
    let labels = [batch, rows, columns].concat();
    let shape: Vec<usize> = labels.iter().map(size).collect();
    Ok(Term {
        value: reshape(&out, &shape),
        labels,
    })
}

/// `Det` by elimination with pivots; its gradient is `det * inverse transposed`.
pub(super) fn determinant(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let [lead @ .., n, m] = shape.as_slice() else {
        return Err("at least two axes are needed".to_owned());
    };
    if n != m || *n == 0 {
        return Err("the last two axes must be equal".to_owned());
    }
    let n = *n;
    let flat = reshape(&x, &[lead.iter().product(), n * n]);
    let out = crate::kernel::rows::last_axis(
        &flat,
        1,
        move |x, y| y[0] = cofactors(x, n).0 as f32,
        move |row, dx| {
            let (_, cofactors) = cofactors(row.x, n);
            for (d, c) in dx.iter_mut().zip(cofactors) {
                *d = row.g[0] * c as f32;
            }
        },
    );
    one(reshape(&out, lead))
}

/// The determinant of a matrix and its cofactors (each the determinant of the rest).
fn cofactors(x: &[f32], n: usize) -> (f64, Vec<f64>) {
    let wide: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
    let det = eliminate(wide.clone(), n);
    let mut all = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            let minor: Vec<f64> = (0..n * n)
                .filter(|p| p / n != i && p % n != j)
                .map(|p| wide[p])
                .collect();
            all[i * n + j] = if (i + j) % 2 == 0 { 1.0 } else { -1.0 } * eliminate(minor, n - 1);
        }
    }
    (det, all)
}

fn eliminate(mut a: Vec<f64>, n: usize) -> f64 {
    let mut det = 1.0;
    for c in 0..n {
        let Some(p) = (c..n).max_by(|&i, &j| a[i * n + c].abs().total_cmp(&a[j * n + c].abs()))
        else {
            return det;
        };
        if a[p * n + c] == 0.0 {
            return 0.0;
        }
        if p != c {
            for k in 0..n {
                a.swap(p * n + k, c * n + k);
            }
            det = -det;
        }
        det *= a[c * n + c];
        for r in c + 1..n {
            let f = a[r * n + c] / a[c * n + c];
            for k in c..n {
                a[r * n + k] -= f * a[c * n + k];
            }
        }
    }
    det
}
