//! Where a bias holds the forget gate of an LSTM.
//!
//! ONNX keeps the biases in the order input, output, forget, cell, those of W before those of R.
//! Exporters keep the framework's own order in the parameter (PyTorch's is input, forget, cell,
//! output) and write slices and joins that rearrange it, so the place is found by sending the
//! positions themselves through these operations.

use std::collections::BTreeMap;
use std::ops::Range;

use super::op::moves;
use super::view::View;
use crate::evaluate::{LARGEST_RESULT, evaluate};
use crate::{HostData, HostTensor, Operator, ValueId};

/// Values on the way from a bias to its operator are few.
const MOST_VALUES: usize = 256;

/// The range along the parameter's last axis whose elements arrive as the forget gate among the
/// biases of W; `None` where they are not in one piece, or elsewhere.
pub(super) fn gate(
    view: &View<'_>,
    parameter: ValueId,
    arriving: ValueId,
    hidden: usize,
) -> Option<Range<usize>> {
    let mut tensors = BTreeMap::new();
    let sent = positions(view, parameter, arriving, &mut tensors)?;
    let HostData::I64(sent_positions) = &sent.data else {
        return None;
    };
    let width = *sent.shape.last()?;
    if hidden == 0 || Some(width) != hidden.checked_mul(8) {
        return None;
    }
    let forget = sent_positions
        .chunks(width)
        .flat_map(|biases| biases.get(2 * hidden..3 * hidden).unwrap_or(&[]));
    let own: Vec<usize> = forget
        .filter_map(|&position| usize::try_from(position).ok())
        .collect();
    let last = *view.shape(parameter).last()?;
    let rows = view
        .shape(parameter)
        .iter()
        .product::<usize>()
        .checked_div(last)?;
    let start = own.iter().map(|position| position % last).min()?;
    let range = start..start.checked_add(hidden)?;
    let inside = own
        .iter()
        .all(|position| range.contains(&(position % last)));
    (inside && range.end <= last && own.len() == rows * hidden).then_some(range)
}

/// A value with each element of the parameter replaced by its position, and all others by -1.
fn positions(
    view: &View<'_>,
    parameter: ValueId,
    id: ValueId,
    known: &mut BTreeMap<ValueId, HostTensor>,
) -> Option<HostTensor> {
    if let Some(tensor) = known.get(&id) {
        return Some(tensor.clone());
    }
    if known.len() > MOST_VALUES {
        return None;
    }
    let value = view.network.value(id);
    let shape = value.shape.clone()?;
    let elements = fanin_graph::element_count(&shape).filter(|&n| n <= LARGEST_RESULT)?;
    let tensor = match value.producer {
        _ if id == parameter => HostTensor::i64(shape, (0..elements as i64).collect())?,
        Some(producer) => {
            let node = view.network.node(producer);
            let joins = matches!(node.operator, Operator::Concat { .. });
            if !moves(node) && !joins {
                return None;
            }
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for (k, input) in node.inputs.iter().enumerate() {
                inputs.push(match input {
                    None => None,
                    // Starts, sizes and axes are what they are; data are positions.
                    Some(input) if k > 0 && !joins => Some(view.network.constant(*input)?.clone()),
                    Some(input) => Some(positions(view, parameter, *input, known)?),
                });
            }
            let inputs: Vec<Option<&HostTensor>> = inputs.iter().map(Option::as_ref).collect();
            let outputs = node.outputs.len();
            let results = evaluate(&node.operator, &inputs, outputs).ok()??;
            let at = node.outputs.iter().position(|output| *output == Some(id))?;
            results.into_iter().nth(at)?
        }
        None => HostTensor::i64(shape, vec![-1; elements])?,
    };
    known.insert(id, tensor.clone());
    Some(tensor)
}
