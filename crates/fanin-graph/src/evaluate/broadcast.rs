//! Elements in the same place of two tensors that broadcast.

use super::call::{Call, Stop};
use super::walk::rows;
use crate::HostTensor;
use crate::shape::{broadcast_all, broadcast_strides};

/// `f` of each pair, both read as `out`, to which they broadcast.
pub(crate) fn zip<A: Copy, B: Copy, O>(
    a: (&[A], &[usize]),
    b: (&[B], &[usize]),
    out: &[usize],
    f: impl Fn(A, B) -> O,
) -> Vec<O> {
    let total = out.iter().product();
    let ((a, a_shape), (b, b_shape)) = (a, b);
    if a.len() == total && b.len() == total {
        return a.iter().zip(b).map(|(&x, &y)| f(x, y)).collect();
    }
    if let ([y], true) = (b, a.len() == total) {
        return a.iter().map(|&x| f(x, *y)).collect();
    }
    if let ([x], true) = (a, b.len() == total) {
        return b.iter().map(|&y| f(*x, y)).collect();
    }
    let strides_a = broadcast_strides(a_shape, out);
    let strides_b = broadcast_strides(b_shape, out);
    let mut result = Vec::with_capacity(total);
    rows(
        out,
        [&strides_a, &strides_b],
        [0, 0],
        |[at_a, at_b], length, [step_a, step_b]| {
            result.extend((0..length as isize).map(|k| {
                f(
                    a[(at_a + k * step_a) as usize],
                    b[(at_b + k * step_b) as usize],
                )
            }));
        },
    );
    result
}

/// The shape two operands broadcast to, within the limit.
pub(crate) fn joint(call: &Call<'_>, a: &HostTensor, b: &HostTensor) -> Result<Vec<usize>, Stop> {
    let shape = broadcast_all([a.shape.as_slice(), b.shape.as_slice()])?;
    call.size(&shape)?;
    Ok(shape)
}
/// Two operands of numbers: one expression for integers, one for floats.
macro_rules! on_numbers {
    ($a:expr, $b:expr, $out:expr, |$x:ident, $y:ident| int $int:expr, float $float:expr) => {
        match (&$a.data, &$b.data) {
            ($crate::HostData::I64(p), $crate::HostData::I64(q)) => $crate::HostData::I64(
                $crate::evaluate::zip((p, &$a.shape), (q, &$b.shape), $out, |$x, $y| $int),
            ),
            ($crate::HostData::F32(p), $crate::HostData::F32(q)) => $crate::HostData::F32(
                $crate::evaluate::zip((p, &$a.shape), (q, &$b.shape), $out, |$x, $y| $float),
            ),
            ($crate::HostData::F64(p), $crate::HostData::F64(q)) => $crate::HostData::F64(
                $crate::evaluate::zip((p, &$a.shape), (q, &$b.shape), $out, |$x, $y| $float),
            ),
            ($crate::HostData::Bool(_), $crate::HostData::Bool(_)) => {
                return Err($crate::evaluate::not_defined($a))
            }
            _ => return Err($crate::evaluate::mixed($a, $b)),
        }
    };
}
pub(crate) use on_numbers;
