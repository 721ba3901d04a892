//! Attention and rotary embedding.

use super::elementwise::same;
use super::operation::{Found, Inferred, Operation, known};

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
pub(super) fn attention(operation: &Operation<'_>) -> Found {
    let q = operation.required(0, "Q")?;
    let k = operation.required(1, "K")?;
    let v = operation.required(2, "V")?;
    let (Some(q_shape), Some(k_shape), Some(v_shape)) = (q.shape, k.shape, v.shape) else {
        return Ok([q.element, k.element, v.element, q.element]
            .map(Inferred::typed)
            .to_vec());
    };
    let q_heads = operation.size_attribute("q_num_heads")?;
    let kv_heads = operation.size_attribute("kv_num_heads")?;
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
    let past = |k: usize| operation.shape(k).and_then(|s| s.get(2).copied());
    let whole = if operation.has(4) {
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
pub(super) fn rotary(operation: &Operation<'_>) -> Found {
    let x = operation.required(0, "X")?;
    let shape = known!(x.shape, x.element);
    if !matches!(shape.len(), 3 | 4) {
        return Err(format!("wants three or four axes, got {shape:?}"));
    }
    same(operation)
}

/// `MultiHeadAttention` (com.microsoft) on separate three-axis inputs: the value's width per token.
pub(super) fn multi_head(operation: &Operation<'_>) -> Found {
    let q = operation.required(0, "query")?;
    let shape = match (q.shape, operation.shape(2)) {
        (Some(&[batch, length, _]), Some(&[_, _, width])) => Some(vec![batch, length, width]),
        _ => None,
    };
    Ok(vec![Inferred::new(q.element, shape)])
}

#[cfg(test)]
mod tests {
    use crate::infer::testing::{Given, all, attributes, first, floats};
    use crate::{Attribute, Attributes};

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
}
