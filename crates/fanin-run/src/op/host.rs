//! Operators whose results are integers, booleans or sizes: computed in plain memory.

use std::sync::Arc;

use fanin_network::HostTensor;
use fanin_network::evaluate::evaluate as known;

use super::{Answer, Call};
use crate::value::Item;

/// The outputs by the evaluator that folds constants; `None` where it does not know the operator.
pub(super) fn evaluate(call: &Call<'_>) -> Result<Option<Vec<Item>>, String> {
    let inputs: Vec<Option<Arc<HostTensor>>> = call
        .inputs
        .iter()
        .map(|i| i.as_ref().map(Item::tensor).transpose())
        .collect::<Result<_, _>>()?;
    let inputs: Vec<Option<&HostTensor>> = inputs.iter().map(Option::as_deref).collect();
    let outputs = known(&call.node.operator, &inputs, call.outputs())?;
    Ok(outputs.map(|all| all.into_iter().map(Item::host).collect()))
}

/// An operator no gradient goes through.
pub(super) fn plain(call: &Call<'_>) -> Answer {
    evaluate(call)?
        .ok_or_else(|| "element types or sizes of the inputs are not supported".to_owned())
}

/// The sizes of some axes; no elements are read for it.
pub(super) fn shape(start: i64, end: Option<i64>, call: &Call<'_>) -> Answer {
    let shape = call.required(0)?.shape();
    let rank = shape.len() as i64;
    let bound = |v: i64| (if v < 0 { v + rank } else { v }).clamp(0, rank) as usize;
    let start = bound(start);
    let end = bound(end.unwrap_or(rank)).max(start);
    let part: Vec<i64> = shape[start..end].iter().map(|&d| d as i64).collect();
    Ok(HostTensor::i64(vec![part.len()], part)
        .map(Item::host)
        .into_iter()
        .collect())
}

/// How many elements there are; none is read for it.
pub(super) fn size(call: &Call<'_>) -> Answer {
    let n: usize = call.required(0)?.shape().iter().product();
    Ok(HostTensor::i64(Vec::new(), vec![n as i64])
        .map(Item::host)
        .into_iter()
        .collect())
}
