//! Attention and rotary embedding as single operators.

use fanin_network::HostData;

use super::{Answer, Call, Operator, one};
use crate::array::{Array, Dense, array, count, dims};
use crate::kernel::elementwise::{add, affine, multiply, select, subtract};
use crate::kernel::index::{Picks, pick};
use crate::kernel::linear::matmul;
use crate::kernel::rows::{map_rows, softmax};
use crate::kernel::shape::{Range, broadcast, concat, narrow, pad, permute, reshape, slice, zeros};
use crate::op::activation::tanh;
use crate::tape::Var;
use crate::value::{Item, to_array};

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "Attention" => attention,
        "RotaryEmbedding" => rotary_embedding,
        _ => return None,
    })
}

/// `[batch, time, heads * width]` as `[batch, heads, time, width]`.
fn by_heads(v: &Var, heads: usize) -> Result<Var, String> {
    match v.dims()[..] {
        [b, t, w] if heads > 0 && w.is_multiple_of(heads) => Ok(permute(
            &reshape(v, &[b, t, heads, w / heads]),
            &[0, 2, 1, 3],
        )),
        _ => Err(format!(
            "the last axis of {:?} does not divide into {heads} heads",
            v.dims()
        )),
    }
}

fn attention(call: &Call<'_>) -> Answer {
    let (mut q, mut k, mut v) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let flat = q.dims().len() == 3;
    if flat {
        let heads = |name: &str| usize::try_from(call.attributes().int(name, 0)).unwrap_or(0);
        let (q_heads, kv_heads) = (heads("q_num_heads"), heads("kv_num_heads"));
        q = by_heads(&q, q_heads)?;
        k = by_heads(&k, kv_heads)?;
        v = by_heads(&v, kv_heads)?;
    }
    let mut past = 0;
    if let (Some(pk), Some(pv)) = (call.optional(4)?, call.optional(5)?) {
        past = pk.dims().get(2).copied().unwrap_or(0);
        k = super::movement::concat_vars(&[pk, k], 2)?;
        v = super::movement::concat_vars(&[pv, v], 2)?;
    }
    let (present_k, present_v) = (k.clone(), v.clone());
    let ([b, heads, t, width], [kb, kv_heads, s, k_width], [vb, v_heads, vs, v_width]) =
        (four(&q)?, four(&k)?, four(&v)?);
    let fits = b == kb && b == vb && kv_heads == v_heads && s == vs && width == k_width;
    if !fits || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        return Err(format!(
            "query {:?}, key {:?} and value {:?} (batch, heads, time, width) do not go together",
            q.dims(),
            k.dims(),
            v.dims()
        ));
    }
    count(&[b, heads, t, s])?;
    let each = heads / kv_heads;
    if each > 1 {
        let repeat = |v: &Var, w: usize| {
            let spread = broadcast(
                &reshape(v, &[b, kv_heads, 1, s, w]),
                &[b, kv_heads, each, s, w],
            );
            reshape(&spread, &[b, heads, s, w])
        };
        k = repeat(&k, width);
        v = repeat(&v, v_width);
    }
    let scale = match call.number_or(usize::MAX, "scale")? {
        Some(scale) => scale,
        None => 1.0 / (width.max(1) as f32).sqrt(),
    };
    // The scale is shared out between both factors, as the standard says.
    let root = scale.sqrt();
    let keys = permute(&affine(&k, root, 0.0), &[0, 1, 3, 2]);
    let mut scores = matmul(&affine(&q, root, 0.0), &keys)?;
    let raw = scores.clone();
    let cap = call.attributes().float("softcap", 0.0);
    if cap > 0.0 {
        scores = affine(&tanh(&affine(&scores, 1.0 / cap, 0.0)), cap, 0.0);
    }
    let capped = scores.clone();
    let bias = bias(call, [b, heads, t, s], past)?;
    if let Some(bias) = &bias {
        scores = add(&scores, bias)?;
        if scores.dims() != [b, heads, t, s] {
            return Err(format!(
                "the mask {:?} does not broadcast to the scores {:?}",
                bias.dims(),
                [b, heads, t, s]
            ));
        }
    }
    let mut weights = softmax(&scores);
    if let Some(bias) = &bias {
        weights = without_masked_rows(&weights, bias.array())?;
    }
    let mut y = matmul(&weights, &v)?;
    if flat {
        y = reshape(&permute(&y, &[0, 2, 1, 3]), &[b, t, heads * v_width]);
    }
    let inner = match call.attributes().int("qk_matmul_output_mode", 0) {
        0 => raw,
        1 => capped,
        2 => scores,
        _ => weights,
    };
    let all = [y, present_k, present_v, inner];
    Ok(all
        .into_iter()
        .take(call.outputs())
        .map(Item::Float)
        .collect())
}

fn four(v: &Var) -> Result<[usize; 4], String> {
    v.dims()
        .try_into()
        .map_err(|d| format!("four axes (batch, heads, time, width) are needed, not {d:?}"))
}

/// What is added to the scores: the mask, causality, padding of the keys; `None` where nothing is.
fn bias(call: &Call<'_>, [b, _, t, s]: [usize; 4], past: usize) -> Result<Option<Var>, String> {
    let mut total: Option<Var> = None;
    let mut join = |part: Var| -> Result<(), String> {
        total = Some(match &total {
            Some(t) => add(t, &part)?,
            None => part,
        });
        Ok(())
    };
    let blocked = |keep: bool| if keep { 0.0 } else { f32::NEG_INFINITY };
    if let Some(item) = call.item(3) {
        let mask = match item {
            Item::Host(m) if matches!(m.data, HostData::Bool(_)) => {
                let kept: Vec<f32> = Dense::new(&to_array(m))
                    .iter()
                    .map(|&v| blocked(v != 0.0))
                    .collect();
                Var::constant(array(&m.shape, kept))
            }
            other => other.var()?,
        };
        // A mask may be shorter than the keys; what it does not reach is blocked.
        let shape = mask.dims();
        let mask = match shape.last() {
            Some(&last) if last < s && last > 1 => {
                let mut pads = vec![(0, 0); shape.len()];
                pads[shape.len() - 1].1 = s - last;
                pad(&mask, &pads, f32::NEG_INFINITY)
            }
            _ => mask,
        };
        join(mask)?;
    }
    let lengths = call.integers(6)?;
    if call.attributes().int("is_causal", 0) != 0 {
        let frontier = |offset: i64| {
            (0..t as i64).flat_map(move |i| (0..s as i64).map(move |j| blocked(j <= i + offset)))
        };
        match &lengths {
            Some(lengths) if past == 0 => {
                let all: Vec<f32> = lengths
                    .iter()
                    .flat_map(|&l| frontier(l - t as i64))
                    .collect();
                join(Var::constant(array(&[lengths.len(), 1, t, s], all)))?;
            }
            _ => join(Var::constant(array(
                &[t, s],
                frontier(past as i64).collect::<Vec<_>>(),
            )))?,
        }
    }
    let (left, right) = (
        call.attributes().int("left_window_size", -1),
        call.attributes().int("right_window_size", -1),
    );
    if left >= 0 || right >= 0 {
        let near = |offset: i64| {
            (0..t as i64).flat_map(move |i| {
                let at = i + offset;
                (0..s as i64).map(move |j| {
                    blocked((left < 0 || j >= at - left) && (right < 0 || j <= at + right))
                })
            })
        };
        match &lengths {
            Some(lengths) if past == 0 => {
                let all: Vec<f32> = lengths.iter().flat_map(|&l| near(l - t as i64)).collect();
                join(Var::constant(array(&[lengths.len(), 1, t, s], all)))?;
            }
            _ => join(Var::constant(array(
                &[t, s],
                near(past as i64).collect::<Vec<_>>(),
            )))?,
        }
    }
    if let Some(lengths) = lengths {
        if lengths.len() != b {
            return Err(format!(
                "{} key lengths are given for a batch of {b}",
                lengths.len()
            ));
        }
        let all: Vec<f32> = lengths
            .iter()
            .flat_map(|&l| (0..s as i64).map(move |j| blocked(j < l)))
            .collect();
        join(Var::constant(array(&[b, 1, 1, s], all)))?;
    }
    Ok(total)
}

/// A query that may look at no key at all gets zeros, not the NaN of an empty softmax.
fn without_masked_rows(weights: &Var, bias: &Array) -> Result<Var, String> {
    let shape = dims(bias);
    let width = shape.last().copied().unwrap_or(1);
    let open = map_rows(&Dense::new(bias), width, 1, |x, y| {
        y[0] = f32::from(u8::from(x.iter().any(|&v| v != f32::NEG_INFINITY)));
    });
    if open.iter().all(|&o| o != 0.0) {
        return Ok(weights.clone());
    }
    let mut kept = shape;
    if let Some(last) = kept.last_mut() {
        *last = 1;
    }
    select(&array(&kept, open), weights, &zeros(&[1]))
}

fn rotary_embedding(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let heads = usize::try_from(call.attributes().int("num_heads", 0)).unwrap_or(0);
    // To batch, time, heads, width.
    let wide = match shape[..] {
        [_, _, _, _] => permute(&x, &[0, 2, 1, 3]),
        [b, t, w] if heads > 0 && w.is_multiple_of(heads) => reshape(&x, &[b, t, heads, w / heads]),
        _ => {
            return Err(
                "the input must have four axes, or three and the attribute num_heads".to_owned(),
            );
        }
    };
    let [b, t, _, width] = four(&wide)?;
    let turned =
        match usize::try_from(call.attributes().int("rotary_embedding_dim", 0)).unwrap_or(0) {
            0 => width,
            n if n <= width => n,
            n => {
                return Err(format!(
                    "rotary_embedding_dim {n} is more than the width {width}"
                ));
            }
        };
    let half = turned / 2;
    let cache = |k: usize| -> Result<Var, String> {
        let table = call.var(k)?;
        let picked = match call.item(3) {
            None => table,
            Some(_) => {
                let ids = call.tensor(3)?;
                let dims = table.dims();
                let Some((&rows, row)) = dims.split_first() else {
                    return Err("a table must have rows".to_owned());
                };
                let list = ids.to_i64().unwrap_or_default();
                let list: Vec<usize> = list
                    .iter()
                    .filter_map(|&i| usize::try_from(i).ok())
                    .filter(|&i| i < rows)
                    .collect();
                if list.len() != ids.len() {
                    return Err(format!(
                        "a position is outside of the {rows} rows of the table"
                    ));
                }
                let shape = [&ids.shape[..], row].concat();
                reshape(&pick(&table, 0, Picks::single(list)), &shape)
            }
        };
        match picked.dims()[..] {
            [pb, pt, w] if w == half && pt == t && (pb == b || pb == 1) => {
                Ok(reshape(&picked, &[pb, pt, 1, w]))
            }
            _ => Err(format!(
                "the tables give {:?} where [{b}, {t}, {half}] is needed",
                picked.dims()
            )),
        }
    };
    let (cos, sin) = (cache(1)?, cache(2)?);
    let interleaved = call.attributes().int("interleaved", 0) != 0;
    let part = |first: usize, step: isize| {
        let whole = |len: usize| Range {
            start: 0,
            len,
            step: 1,
        };
        let d = wide.dims();
        slice(
            &wide,
            &[
                whole(d[0]),
                whole(d[1]),
                whole(d[2]),
                Range {
                    start: first,
                    len: half,
                    step,
                },
            ],
        )
    };
    let (x1, x2) = if interleaved {
        (part(0, 2), part(1, 2))
    } else {
        (part(0, 1), part(half, 1))
    };
    let real = subtract(&multiply(&cos, &x1)?, &multiply(&sin, &x2)?)?;
    let imaginary = add(&multiply(&sin, &x1)?, &multiply(&cos, &x2)?)?;
    let rotated = if interleaved {
        let column = |v: &Var| reshape(v, &[v.dims(), vec![1]].concat());
        let pairs = concat(&[&column(&real), &column(&imaginary)], 4);
        let mut d = real.dims();
        d[3] = 2 * half;
        reshape(&pairs, &d)
    } else {
        concat(&[&real, &imaginary], 3)
    };
    let rest = narrow(&wide, 3, 2 * half, width - 2 * half);
    let y = if rest.len() == 0 {
        rotated
    } else {
        concat(&[&rotated, &rest], 3)
    };
    one(match shape.len() {
        4 => permute(&y, &[0, 2, 1, 3]),
        _ => reshape(&y, &shape),
    })
}
