//! Softmax and its kin.

use fanin_network::operator::{Softmax, SoftmaxKind};

use super::{Answer, Call, axis, one};
use crate::array::{Dense, array};
use crate::kernel::rows::{along, log_softmax, map_rows, softmax};
use crate::kernel::shape::reshape;
use crate::tape::Var;

pub(super) fn softmax_op(operator: &Softmax, call: &Call<'_>) -> Answer {
    let f = match operator.kind {
        SoftmaxKind::Soft => softmax,
        SoftmaxKind::Log => log_softmax,
        SoftmaxKind::Hard => hardmax,
    };
    let x = call.var(0)?;
    let shape = x.dims();
    if shape.is_empty() {
        return one(reshape(&f(&reshape(&x, &[1])), &[]));
    }
    if !operator.flattened {
        return one(along(&x, axis(operator.axis, shape.len())?, f));
    }
    let at = if operator.axis == shape.len() as i64 {
        shape.len()
    } else {
        axis(operator.axis, shape.len())?
    };
    let flat = [shape[..at].iter().product(), shape[at..].iter().product()];
    one(reshape(&f(&reshape(&x, &flat)), &shape))
}

fn hardmax(x: &Var) -> Var {
    let width = x.dims().last().copied().unwrap_or(1);
    let rows = map_rows(&Dense::new(x.array()), width, width, |x, y| {
        let mut best = 0;
        for (k, &v) in x.iter().enumerate() {
            if v > x[best] {
                best = k;
            }
        }
        y.fill(0.0);
        y[best] = 1.0;
    });
    Var::constant(array(&x.dims(), rows))
}
