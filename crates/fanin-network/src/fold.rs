//! The evaluator by an operator's name, for callers that do not yet hold a parsed one.

pub use fanin_graph::evaluate::LARGEST_RESULT;
pub use fanin_graph::shape::{broadcast_shape, broadcast_strides, normalize_axis, strides};

use crate::{Attributes, HostTensor, Operator};

/// [`fanin_graph::evaluate::evaluate`] of an operator of ONNX's own domain.
///
/// # Errors
///
/// As there, and where an attribute means nothing for the operator.
pub fn evaluate(
    op: &str,
    opset: i64,
    attributes: &Attributes,
    inputs: &[Option<&HostTensor>],
    outputs: usize,
) -> Result<Option<Vec<HostTensor>>, String> {
    let operator = Operator::parse("", op, opset, attributes, inputs.len(), outputs)?;
    fanin_graph::evaluate::evaluate(&operator, inputs, outputs)
}
