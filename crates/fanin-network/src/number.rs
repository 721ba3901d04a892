//! Tensors that are one number.

use crate::{HostData, Network, ValueId};

/// The number a value is known to be everywhere.
pub(crate) fn number(network: &Network, id: ValueId) -> Option<f64> {
    let tensor = network.constant(id)?;
    let elements = tensor.to_f32();
    let first = *elements.first()?;
    if let HostData::F64(wide) = &tensor.data {
        return wide
            .iter()
            .all(|x| Some(x) == wide.first())
            .then(|| wide.first().copied())?;
    }
    elements
        .iter()
        .all(|&x| x == first)
        .then_some(f64::from(first))
}
