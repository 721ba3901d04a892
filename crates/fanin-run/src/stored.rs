//! What a run starts from: the buffers that the model stores, the weights that it is given.

use fanin_network::{ElementType, HostTensor, Network, Parameter, Payload, Value, Weights};

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

/// The elements of a parameter among the weights, in the shape that the model needs.
pub(crate) fn weight<'a>(
    parameter: &Parameter,
    weights: &'a Weights,
) -> Result<&'a HostTensor, RunError> {
    let fail = |message: String| RunError::Parameter {
        name: parameter.name.clone(),
        message,
    };
    let tensor = weights.get(&parameter.name).ok_or_else(|| {
        fail("has no weights; give a file that has a tensor of this name".to_owned())
    })?;
    if tensor.shape != parameter.shape {
        return Err(fail(format!(
            "the weights have shape {:?}, the model needs {:?}",
            tensor.shape, parameter.shape
        )));
    }
    Ok(tensor)
}
