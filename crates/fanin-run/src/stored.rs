//! The buffers that the model stores.

use fanin_network::{ElementType, HostTensor, Network, Payload, Value};

use crate::error::RunError;

/// The elements of a buffer.
pub(crate) fn buffer(
    network: &Network,
    value: &Value,
    payload: &Payload,
) -> Result<HostTensor, RunError> {
    let fail = |message: String| {
        RunError::Network(format!(
            "stored tensor `{}` cannot be read: {message}",
            value.name
        ))
    };
    let shape = value.shape.as_deref();
    let shape = shape.ok_or_else(|| fail("the model states no shape".to_owned()))?;
    let element = value.element.unwrap_or(ElementType::F32);
    network
        .elements(payload, shape, element)
        .map_err(|e| fail(e.to_string()))
}
