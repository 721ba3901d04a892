//! Operators whose results are integers, booleans or sizes: computed in plain memory.

use std::sync::Arc;

use fanin_network::{HostTensor, fold};

use super::{Answer, Call, Operator};
use crate::value::Item;

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "Shape" | "Size" => sizes,
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor"
        | "Not" | "IsNaN" | "IsInf" | "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor"
        | "BitwiseNot" | "Range" | "NonZero" | "ArgMax" | "ArgMin" | "Constant"
        | "ConstantOfShape" | "EyeLike" | "OneHot" => plain,
        _ => return None,
    })
}

/// The outputs by the evaluator that folds constants; `None` where it does not know the operator.
pub(super) fn evaluate(call: &Call<'_>) -> Result<Option<Vec<Item>>, String> {
    if !matches!(call.node.domain.as_str(), "" | "ai.onnx") {
        return Ok(None);
    }
    let inputs: Vec<Option<Arc<HostTensor>>> = call
        .inputs
        .iter()
        .map(|i| i.as_ref().map(Item::tensor).transpose())
        .collect::<Result<_, _>>()?;
    let inputs: Vec<Option<&HostTensor>> = inputs.iter().map(Option::as_deref).collect();
    let outputs = fold::evaluate(
        &call.node.op,
        call.opset(),
        call.attributes(),
        &inputs,
        call.outputs(),
    )?;
    Ok(outputs.map(|all| all.into_iter().map(Item::host).collect()))
}

/// An operator no gradient goes through.
fn plain(call: &Call<'_>) -> Answer {
    evaluate(call)?
        .ok_or_else(|| "element types or sizes of the inputs are not supported".to_owned())
}

/// `Shape` and `Size` read no elements, so none are copied for them.
fn sizes(call: &Call<'_>) -> Answer {
    let shape: Vec<i64> = call
        .required(0)?
        .shape()
        .iter()
        .map(|&d| d as i64)
        .collect();
    if call.node.op == "Size" {
        let n: i64 = shape.iter().product();
        return Ok(HostTensor::i64(Vec::new(), vec![n])
            .map(Item::host)
            .into_iter()
            .collect());
    }
    let rank = shape.len() as i64;
    let bound = |v: i64| (if v < 0 { v + rank } else { v }).clamp(0, rank) as usize;
    let start = bound(call.attributes().int("start", 0));
    let end = bound(call.attributes().int("end", rank)).max(start);
    let part = shape[start..end].to_vec();
    Ok(HostTensor::i64(vec![part.len()], part)
        .map(Item::host)
        .into_iter()
        .collect())
}
