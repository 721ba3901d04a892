//! What several families do with elements.

use super::call::{Call, Stop, tensor};
use super::kind::same_kind;
use super::walk::copy;
use crate::{ElementType, HostData, HostTensor};

/// A strided copy of a tensor.
pub(crate) fn restride(
    call: &Call<'_>,
    x: &HostTensor,
    base: isize,
    shape: Vec<usize>,
    strides: &[isize],
) -> Result<HostTensor, Stop> {
    call.size(&shape)?;
    let data = same_kind!(&x.data, v => copy(v, base, &shape, strides));
    Ok(tensor(shape, x.element, data))
}

/// u64 elements past `i64::MAX` are held as negative numbers, which would come first.
pub(crate) fn orderable(x: &HostTensor) -> Result<(), Stop> {
    match &x.data {
        HostData::I64(v) if x.element == ElementType::U64 && v.iter().any(|&e| e < 0) => {
            Err(Stop::Unknown)
        }
        _ => Ok(()),
    }
}
