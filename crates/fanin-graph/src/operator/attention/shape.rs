//! Shapes of attention and rotary embedding.

use super::{Attention, GroupQueryAttention, ProjectedAttention};
use crate::infer::{Found, Inferred, Operands, known, same};

/// `[batch, heads, length, width]` of an input of three or four axes.
fn heads(
    shape: &[usize],
    count: Option<usize>,
    name: &str,
    attribute: &str,
) -> Result<[usize; 4], String> {
    match (shape, count) {
        (&[batch, heads, length, width], _) => Ok([batch, heads, length, width]),
        (&[batch, length, hidden], Some(heads)) if heads > 0 && hidden % heads == 0 => {
            Ok([batch, heads, length, hidden / heads])
        }
        (&[_, _, _], _) => Err(format!(
            "`{name}` {shape:?} cannot be cut into {count:?} heads (attribute `{attribute}`)"
        )),
        _ => Err(format!("`{name}` wants three or four axes, got {shape:?}")),
    }
}

/// `Attention` (opset 23): output, present key and value, and the scores.
pub(crate) fn attention(attention: &Attention, operands: &Operands<'_>) -> Found {
    let q = operands.required(0, "Q")?;
    let k = operands.required(1, "K")?;
    let v = operands.required(2, "V")?;
    let (Some(q_shape), Some(k_shape), Some(v_shape)) = (q.shape, k.shape, v.shape) else {
        return Ok([q.element, k.element, v.element, q.element]
            .map(Inferred::typed)
            .to_vec());
    };
    let q_heads = attention.query_heads;
    let kv_heads = attention.key_heads;
    let [batch, heads_q, length, width] = heads(q_shape, q_heads, "Q", "q_num_heads")?;
    let [batch_k, heads_k, length_k, width_k] = heads(k_shape, kv_heads, "K", "kv_num_heads")?;
    let [batch_v, heads_v, length_v, width_v] = heads(v_shape, kv_heads, "V", "kv_num_heads")?;
    let fits = width == width_k
        && length_k == length_v
        && heads_k == heads_v
        && batch == batch_k
        && batch == batch_v
        && heads_k > 0
        && heads_q % heads_k == 0;
    if !fits {
        return Err(format!(
            "query {q_shape:?}, key {k_shape:?} and value {v_shape:?} do not fit together"
        ));
    }
    let past = |k: usize| operands.shape(k).and_then(|s| s.get(2).copied());
    let whole = if operands.has(4) {
        past(4).map(|past| past.saturating_add(length_k))
    } else {
        Some(length_k)
    };
    let y = if q_shape.len() == 4 {
        vec![batch, heads_q, length, width_v]
    } else {
        let hidden = heads_q
            .checked_mul(width_v)
            .ok_or("has more heads than can be counted")?;
        vec![batch, length, hidden]
    };
    Ok(vec![
        Inferred::known(q.element, y),
        Inferred::new(k.element, whole.map(|n| vec![batch, heads_k, n, width_k])),
        Inferred::new(v.element, whole.map(|n| vec![batch, heads_v, n, width_v])),
        Inferred::new(q.element, whole.map(|n| vec![batch, heads_q, length, n])),
    ])
}

/// `RotaryEmbedding`: turns pairs of features; heads of an even width.
pub(crate) fn rotary(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    let shape = known!(x.shape, x.element);
    if !matches!(shape.len(), 3 | 4) {
        return Err(format!("wants three or four axes, got {shape:?}"));
    }
    same(operands)
}

/// `MultiHeadAttention` (com.microsoft): `[batch, length, heads * width of the value]`. Query, key and
/// value come apart as `[batch, length, hidden]`, or packed as `[batch, length, heads, 3, width]`.
pub(crate) fn multi_head(operands: &Operands<'_>) -> Found {
    let q = operands.required(0, "query")?;
    let (value, k) = (operands.shape(2), operands.shape(1));
    let shape = match (q.shape, k, value) {
        (Some(&[batch, length, heads, 3, width]), ..)
        | (Some(&[batch, length, _]), Some(&[_, _, heads, 2, width]), _)
        | (Some(&[batch, length, _]), _, Some(&[_, heads, _, width])) => heads
            .checked_mul(width)
            .map(|hidden| vec![batch, length, hidden]),
        (Some(&[batch, length, _]), _, Some(&[_, _, hidden])) => Some(vec![batch, length, hidden]),
        _ => None,
    };
    Ok(vec![Inferred::new(q.element, shape)])
}

/// `GroupQueryAttention` (com.microsoft): as wide as the query, which holds key and value too where
/// they are left out. How long the cache is depends on the run.
pub(crate) fn group_query(attention: &GroupQueryAttention, operands: &Operands<'_>) -> Found {
    let q = operands.required(0, "query")?;
    let shape = match q.shape {
        Some(&[batch, length, hidden]) if operands.has(1) => Some(vec![batch, length, hidden]),
        Some(&[batch, length, hidden]) => {
            let all = attention
                .key_heads
                .checked_mul(2)
                .and_then(|n| n.checked_add(attention.heads))
                .filter(|&all| hidden.is_multiple_of(all))
                .ok_or_else(|| {
                    format!(
                        "`query` of width {hidden} cannot be cut into {} heads and twice {} for key \
                         and value",
                        attention.heads, attention.key_heads
                    )
                })?;
            Some(vec![batch, length, hidden / all * attention.heads])
        }
        Some(shape) => return Err(format!("`query` wants three axes, got {shape:?}")),
        None => None,
    };
    Ok(vec![Inferred::new(q.element, shape)])
}

/// `Attention` (com.microsoft): a weight `[input, query + key + value]`.
pub(crate) fn projected(attention: &ProjectedAttention, operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "input")?;
    let weight = operands.required(1, "weights")?;
    let (shape, weight) = known!(x.shape.zip(weight.shape), x.element);
    let (&[batch, length, input], &[inner, columns]) = (shape, weight) else {
        return Err(format!(
            "wants an input of three axes and a matrix, got {shape:?} and {weight:?}"
        ));
    };
    if inner != input {
        return Err(format!(
            "weight {weight:?} does not fit the {input} features of the input {shape:?}"
        ));
    }
    let width = match attention.hidden.as_deref() {
        Some(&[_, _, value]) => value,
        _ => columns / 3,
    };
    Ok(vec![Inferred::known(x.element, vec![batch, length, width])])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{Given, all, attributes, first, floats};
    use crate::infer::{Operand, Operands, output_shapes};
    use crate::{Attribute, Attributes, ElementType, Operator};

    #[test]
    fn heads_in_their_own_axis_or_folded_in() {
        let inputs = [
            floats(&[2, 8, 5, 16]),
            floats(&[2, 4, 7, 16]),
            floats(&[2, 4, 7, 10]),
        ];
        let found = all("Attention", 23, Attributes::default(), &inputs, 4).unwrap();
        let shapes: Vec<_> = found.into_iter().map(|o| o.shape.unwrap()).collect();
        assert_eq!(
            shapes,
            [
                vec![2, 8, 5, 10],
                vec![2, 4, 7, 16],
                vec![2, 4, 7, 10],
                vec![2, 8, 5, 7]
            ]
        );

        let heads = || {
            attributes([
                ("q_num_heads", Attribute::Int(8)),
                ("kv_num_heads", Attribute::Int(4)),
            ])
        };
        let inputs = [
            floats(&[2, 5, 128]),
            floats(&[2, 7, 64]),
            floats(&[2, 7, 40]),
        ];
        assert_eq!(
            first("Attention", 23, heads(), &inputs).unwrap(),
            [2, 5, 80]
        );
        let inputs = [
            floats(&[2, 5, 129]),
            floats(&[2, 7, 64]),
            floats(&[2, 7, 40]),
        ];
        assert!(first("Attention", 23, heads(), &inputs).is_err());
    }

    #[test]
    fn the_past_lengthens_the_keys() {
        let past = || floats(&[2, 4, 3, 16]);
        let now = || floats(&[2, 4, 5, 16]);
        let inputs = [now(), now(), now(), Given::Absent, past(), past()];
        let found = all("Attention", 23, Attributes::default(), &inputs, 4).unwrap();
        assert_eq!(found[1].shape, Some(vec![2, 4, 8, 16]));
        assert_eq!(found[3].shape, Some(vec![2, 4, 5, 8]));
    }

    #[test]
    fn fused_attention_of_onnxruntime() {
        let shape = |name: &str, stated: Attributes, inputs: &[&[usize]]| {
            let operator =
                Operator::parse("com.microsoft", name, 1, &stated, inputs.len(), 1).unwrap();
            let inputs: Vec<Option<Operand<'_>>> = inputs
                .iter()
                .map(|shape| {
                    (!shape.is_empty()).then_some(Operand {
                        element: Some(ElementType::F32),
                        shape: Some(shape),
                        constant: None,
                    })
                })
                .collect();
            let operands = Operands {
                inputs: &inputs,
                outputs: 1,
            };
            output_shapes(&operator, &operands).map(|found| found[0].shape.clone().unwrap())
        };
        let heads = |key: i64| {
            attributes([
                ("num_heads", Attribute::Int(8)),
                ("kv_num_heads", Attribute::Int(key)),
            ])
        };
        let multi = |inputs: &[&[usize]]| shape("MultiHeadAttention", heads(8), inputs).unwrap();
        assert_eq!(multi(&[&[2, 5, 64], &[2, 7, 64], &[2, 7, 32]]), [2, 5, 32]);
        assert_eq!(multi(&[&[2, 5, 8, 3, 16]]), [2, 5, 128]);
        assert_eq!(multi(&[&[2, 5, 64], &[2, 7, 8, 2, 16]]), [2, 5, 128]);
        let grouped = |inputs: &[&[usize]]| shape("GroupQueryAttention", heads(2), inputs);
        assert_eq!(
            grouped(&[&[2, 5, 64], &[2, 5, 16], &[2, 5, 16]]).unwrap(),
            [2, 5, 64]
        );
        assert_eq!(grouped(&[&[2, 5, 96]]).unwrap(), [2, 5, 64]);
        assert!(grouped(&[&[2, 5, 97]]).is_err());
        let projected = |inputs: &[&[usize]]| shape("Attention", heads(8), inputs);
        assert_eq!(projected(&[&[2, 5, 24], &[24, 72]]).unwrap(), [2, 5, 24]);
        assert!(projected(&[&[2, 5, 24], &[25, 72]]).is_err());
    }
}
