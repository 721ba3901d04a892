//! Attention in one operator, and rotary embedding.

use fanin_network::HostData;
use fanin_network::operator::{
    Attention, GroupQueryAttention, MultiHeadAttention, Rotary, ScoresOutput,
};

use super::movement::concat_vars;
use super::unary::tanh;
use super::{Answer, Call};
use crate::array::{Array, Dense, array, count, dims};
use crate::kernel::elementwise::{add, affine, multiply, select, subtract};
use crate::kernel::index::{Picks, pick};
use crate::kernel::linear::matmul;
use crate::kernel::rows::{map_rows, softmax};
use crate::kernel::shape::{
    Range, broadcast, concat, narrow, pad, permute, reshape, slice, split, zeros,
};
use crate::op::one;
use crate::tape::Var;
use crate::value::{Item, to_array};

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

/// The way back.
fn beside_one_another(v: &Var) -> Result<Var, String> {
    let [b, heads, t, width] = four(v)?;
    Ok(reshape(&permute(v, &[0, 2, 1, 3]), &[b, t, heads * width]))
}

/// Query, key and value as `[batch, heads, time, width]`.
struct Heads {
    query: Var,
    key: Var,
    value: Var,
}

/// The sizes of attention.
struct Sizes {
    batch: usize,
    heads: usize,
    /// Places of the query.
    time: usize,
    /// Places of key and value.
    keys: usize,
    /// Features of a query's head.
    width: usize,
}

impl Heads {
    /// The sizes, where the three go together; keys and values may have fewer heads.
    fn sizes(&self) -> Result<Sizes, String> {
        let ([b, heads, t, width], [kb, kv_heads, s, k_width], [vb, v_heads, vs, _]) =
            (four(&self.query)?, four(&self.key)?, four(&self.value)?);
        let fits = b == kb && b == vb && kv_heads == v_heads && s == vs && width == k_width;
        if !fits || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(format!(
                "query {:?}, key {:?} and value {:?} (batch, heads, time, width) do not go together",
                self.query.dims(),
                self.key.dims(),
                self.value.dims()
            ));
        }
        count(&[b, heads, t, s])?;
        Ok(Sizes {
            batch: b,
            heads,
            time: t,
            keys: s,
            width,
        })
    }
}

/// What attention comes to: the output, `[batch, heads, time, width]`, and the scores on the way.
struct Attended {
    output: Var,
    raw: Var,
    capped: Var,
    masked: Var,
    weights: Var,
}

/// Softmax of the scaled products of query and key, times the value. `bias` is added to the scores before.
fn attend(
    heads: &Heads,
    scale: Option<f32>,
    softcap: f32,
    bias: Option<&Var>,
) -> Result<Attended, String> {
    let sizes = heads.sizes()?;
    let (mut k, mut v) = (heads.key.clone(), heads.value.clone());
    let [b, kv_heads, s, width] = four(&k)?;
    let each = sizes.heads / kv_heads;
    if each > 1 {
        let repeat = |v: &Var, w: usize| {
            let spread = broadcast(
                &reshape(v, &[b, kv_heads, 1, s, w]),
                &[b, kv_heads, each, s, w],
            );
            reshape(&spread, &[b, sizes.heads, s, w])
        };
        let v_width = four(&v)?[3];
        k = repeat(&k, width);
        v = repeat(&v, v_width);
    }
    let scale = scale.unwrap_or(1.0 / (sizes.width.max(1) as f32).sqrt());
    // The scale is shared out between both factors, as the standard says.
    let root = scale.sqrt();
    let keys = permute(&affine(&k, root, 0.0), &[0, 1, 3, 2]);
    let raw = matmul(&affine(&heads.query, root, 0.0), &keys)?;
    let capped = if softcap > 0.0 {
        affine(&tanh(&affine(&raw, 1.0 / softcap, 0.0)), softcap, 0.0)
    } else {
        raw.clone()
    };
    let masked = match bias {
        Some(bias) => {
            let masked = add(&capped, bias)?;
            if masked.dims() != capped.dims() {
                return Err(format!(
                    "the mask {:?} does not broadcast to the scores {:?}",
                    bias.dims(),
                    capped.dims()
                ));
            }
            masked
        }
        None => capped.clone(),
    };
    let mut weights = softmax(&masked);
    if let Some(bias) = bias {
        weights = without_masked_rows(&weights, bias.array())?;
    }
    let output = matmul(&weights, &v)?;
    Ok(Attended {
        output,
        raw,
        capped,
        masked,
        weights,
    })
}

/// ONNX's operator.
pub(super) fn attention(operator: &Attention, call: &Call<'_>) -> Answer {
    let (mut query, mut key, mut value) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let flat = query.dims().len() == 3;
    if flat {
        let of_keys = operator.key_heads.unwrap_or(0);
        query = by_heads(&query, operator.query_heads.unwrap_or(0))?;
        key = by_heads(&key, of_keys)?;
        value = by_heads(&value, of_keys)?;
    }
    let mut past = 0;
    if let (Some(pk), Some(pv)) = (call.optional(4)?, call.optional(5)?) {
        past = pk.dims().get(2).copied().unwrap_or(0);
        key = concat_vars(&[pk, key], 2)?;
        value = concat_vars(&[pv, value], 2)?;
    }
    let heads = Heads { query, key, value };
    let bias = bias(operator, call, &heads.sizes()?, past)?;
    let seen = attend(&heads, operator.scale, operator.softcap, bias.as_ref())?;
    let y = match flat {
        true => beside_one_another(&seen.output)?,
        false => seen.output,
    };
    let inner = match operator.scores {
        ScoresOutput::Raw => seen.raw,
        ScoresOutput::Capped => seen.capped,
        ScoresOutput::Masked => seen.masked,
        ScoresOutput::Weights => seen.weights,
    };
    let all = [y, heads.key, heads.value, inner];
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

/// What is added to a score: nothing, or what hides it.
fn blocked(keep: bool) -> f32 {
    if keep { 0.0 } else { f32::NEG_INFINITY }
}

/// A sum of parts, of which there may be none.
#[derive(Default)]
struct Bias(Option<Var>);

impl Bias {
    fn join(&mut self, part: Var) -> Result<(), String> {
        self.0 = Some(match &self.0 {
            Some(total) => add(total, &part)?,
            None => part,
        });
        Ok(())
    }

    /// Hides what `keep(query, key)` does not keep, for queries from `past` on.
    fn keep(
        &mut self,
        sizes: &Sizes,
        past: usize,
        keep: impl Fn(i64, i64) -> bool,
    ) -> Result<(), String> {
        let (t, s) = (sizes.time as i64, sizes.keys as i64);
        let each = (0..t).flat_map(|i| (0..s).map(move |j| (i + past as i64, j)));
        let all: Vec<f32> = each.map(|(i, j)| blocked(keep(i, j))).collect();
        self.join(Var::constant(array(&[sizes.time, sizes.keys], all)))
    }
}

/// What is added to the scores: the mask, causality, padding of the keys; `None` where nothing is.
fn bias(
    operator: &Attention,
    call: &Call<'_>,
    sizes: &Sizes,
    past: usize,
) -> Result<Option<Var>, String> {
    let (b, t, s) = (sizes.batch, sizes.time, sizes.keys);
    let mut total = Bias::default();
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
        total.join(mask)?;
    }
    let lengths = call.integers(6)?;
    let (left, right) = (operator.left_window, operator.right_window);
    let near = |i: i64, j: i64| (left < 0 || j >= i - left) && (right < 0 || j <= i + right);
    // Where lengths are given and nothing is past, the queries are the last of each sample's places.
    let mut keep = |wanted: bool, keep: &dyn Fn(i64, i64) -> bool| match &lengths {
        _ if !wanted => Ok(()),
        Some(lengths) if past == 0 => {
            let (t, s) = (t as i64, s as i64);
            let places = lengths
                .iter()
                .flat_map(|&l| (0..t).flat_map(move |i| (0..s).map(move |j| (i + l - t, j))));
            let all: Vec<f32> = places.map(|(i, j)| blocked(keep(i, j))).collect();
            let shape = [lengths.len(), 1, t as usize, s as usize];
            total.join(Var::constant(array(&shape, all)))
        }
        _ => total.keep(sizes, past, keep),
    };
    keep(operator.causal, &|i, j| j <= i)?;
    keep(left >= 0 || right >= 0, &near)?;
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
        total.join(Var::constant(array(&[b, 1, 1, s], all)))?;
    }
    Ok(total.0)
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

/// onnxruntime's operator on projected inputs, which may come in one tensor.
pub(super) fn multi_head(operator: &MultiHeadAttention, call: &Call<'_>) -> Answer {
    let n = operator.heads;
    let (query, key, value) = (call.var(0)?, call.optional(1)?, call.optional(2)?);
    let bias = call.optional(3)?;
    // Interleaved tensors: [batch, time, heads, 2 or 3, width].
    let part = |v: &Var, of: usize| -> Result<Vec<Var>, String> {
        match v.dims()[..] {
            [b, t, heads, parts, width] if heads == n && parts == of => {
                let parts = split(v, 3, &vec![1; of]);
                let each = parts.iter().map(|p| reshape(p, &[b, t, n * width]));
                Ok(each.collect())
            }
            _ => Err(format!(
                "a packed input must have shape [batch, time, {n}, {of}, width], not {:?}",
                v.dims()
            )),
        }
    };
    let (query, key, value) = match (key, value) {
        (Some(key), Some(value)) => (query, key, value),
        (Some(key), None) => {
            let [key, value] = <[Var; 2]>::try_from(part(&key, 2)?).map_err(|_| "key and value")?;
            (query, key, value)
        }
        (None, _) => {
            let [query, key, value] =
                <[Var; 3]>::try_from(part(&query, 3)?).map_err(|_| "query, key and value")?;
            (query, key, value)
        }
    };
    // Key and value may be split into heads already.
    let width = |v: &Var| match v.dims()[..] {
        [_, _, width] => width,
        [_, heads, _, width] => heads * width,
        _ => 0,
    };
    let widths = [width(&query), width(&key), width(&value)];
    let biases = match &bias {
        Some(bias) if bias.dims() == [widths.iter().sum::<usize>()] => split(bias, 0, &widths),
        Some(bias) => {
            return Err(format!(
                "the bias must have {} elements, not shape {:?}",
                widths.iter().sum::<usize>(),
                bias.dims()
            ));
        }
        None => Vec::new(),
    };
    let with_heads = |v: Var, k: usize| -> Result<Var, String> {
        match (v.dims().len(), biases.get(k)) {
            (4, None) => Ok(v),
            (4, Some(bias)) => add(&v, &reshape(bias, &[n, 1, widths[k] / n.max(1)])),
            (_, None) => by_heads(&v, n),
            (_, Some(bias)) => by_heads(&add(&v, bias)?, n),
        }
    };
    let query = with_heads(query, 0)?;
    let (mut key, mut value) = (with_heads(key, 1)?, with_heads(value, 2)?);
    let mut past = 0;
    if let (Some(pk), Some(pv)) = (call.optional(6)?, call.optional(7)?) {
        past = pk.dims().get(2).copied().unwrap_or(0);
        key = concat_vars(&[pk, key], 2)?;
        value = concat_vars(&[pv, value], 2)?;
    }
    let heads = Heads { query, key, value };
    let sizes = heads.sizes()?;
    let mut bias = Bias::default();
    if let Some(extra) = call.optional(5)? {
        bias.join(extra)?;
    }
    if call.item(4).is_some() {
        bias.join(padding(operator.mask_value, call, &sizes)?)?;
    }
    if operator.causal {
        bias.keep(&sizes, past, |i, j| j <= i)?;
    }
    let seen = attend(&heads, operator.scale, 0.0, bias.0.as_ref())?;
    let all = [
        beside_one_another(&seen.output)?,
        heads.key,
        heads.value,
        seen.raw,
    ];
    Ok(all
        .into_iter()
        .take(call.outputs())
        .map(Item::Float)
        .collect())
}

/// onnxruntime's mask in input 4: which keys count, per sample or per query, or how many do.
fn padding(hidden: f32, call: &Call<'_>, sizes: &Sizes) -> Result<Var, String> {
    let mask = call.tensor(4)?;
    let list = mask.to_i64().ok_or("the mask must be integers")?;
    let Sizes {
        batch: b,
        time: t,
        keys: s,
        ..
    } = *sizes;
    let number = |kept: bool| if kept { 0.0 } else { hidden };
    let (shape, all): (Vec<usize>, Vec<f32>) = if mask.shape == [b] {
        let kept = list
            .iter()
            .flat_map(|&l| (0..s as i64).map(move |j| number(j < l)));
        (vec![b, 1, 1, s], kept.collect())
    } else if mask.shape == [b, s] {
        let kept = list.iter().map(|&m| number(m != 0));
        (vec![b, 1, 1, s], kept.collect())
    } else if mask.shape == [b, t, s] {
        let kept = list.iter().map(|&m| number(m != 0));
        (vec![b, 1, t, s], kept.collect())
    } else {
        return Err(format!(
            "a mask of shape {:?} is not run; [{b}], [{b}, {s}] and [{b}, {t}, {s}] are",
            mask.shape
        ));
    };
    Ok(Var::constant(array(&shape, all)))
}

/// onnxruntime's operator with fewer heads for keys and values, causal, with rotation and a cache.
pub(super) fn group_query(operator: &GroupQueryAttention, call: &Call<'_>) -> Answer {
    let (n, kv) = (operator.heads, operator.key_heads);
    let query = call.var(0)?;
    let (query, key, value) = match (call.optional(1)?, call.optional(2)?) {
        (Some(key), Some(value)) => (query, key, value),
        _ => {
            let shape = query.dims();
            let [_, _, all] = shape[..] else {
                return Err("a packed input must have three axes".to_owned());
            };
            let heads = n.saturating_add(kv.saturating_mul(2));
            if heads == 0 || !all.is_multiple_of(heads) {
                return Err(format!("{all} features do not divide into {heads} heads"));
            }
            let width = all / heads;
            let parts = split(&query, 2, &[n * width, kv * width, kv * width]);
            let [query, key, value] =
                <[Var; 3]>::try_from(parts).map_err(|_| "query, key and value")?;
            (query, key, value)
        }
    };
    let query = by_heads(&query, n)?;
    let (mut key, mut value) = (by_heads(&key, kv)?, by_heads(&value, kv)?);
    let (b, t) = (four(&query)?[0], four(&query)?[2]);
    let cache = match (call.optional(3)?, call.optional(4)?) {
        (Some(k), Some(v)) if k.len() > 0 => Some((k, v)),
        _ => None,
    };
    let past = cache
        .as_ref()
        .map_or(0, |(k, _)| k.dims().get(2).copied().unwrap_or(0));
    if let Some(last) = call.integers(5)?
        && (last.len() != b || last.iter().any(|&l| l < 0 || l as usize + 1 != past + t))
        && past > 0
    {
        return Err(format!(
            "lengths {last:?} beside a cache of {past} places and {t} new ones: a cache that is not              full is not run"
        ));
    }
    let mut query = query;
    if operator.rotary {
        let positions = match call.item(9) {
            Some(_) => {
                let ids = call.tensor(9)?;
                (ids.to_i64().unwrap_or_default(), ids.shape.clone())
            }
            None => ((past as i64..(past + t) as i64).collect(), vec![1, t]),
        };
        let tables = [call.var(7)?, call.var(8)?];
        let [cos, sin] = picked(tables, &positions.0, &positions.1)?;
        let turn = |v: &Var| -> Result<Var, String> {
            let wide = permute(v, &[0, 2, 1, 3]);
            let width = four(&wide)?[3];
            let turned = cos.dims().last().map_or(0, |half| 2 * half).min(width);
            let wide = rotated(&wide, &cos, &sin, turned, operator.interleaved)?;
            Ok(permute(&wide, &[0, 2, 1, 3]))
        };
        (query, key) = (turn(&query)?, turn(&key)?);
    }
    if let Some((k, v)) = cache {
        key = concat_vars(&[k, key], 2)?;
        value = concat_vars(&[v, value], 2)?;
    }
    let heads = Heads { query, key, value };
    let sizes = heads.sizes()?;
    let mut bias = Bias::default();
    if let Some(extra) = call.optional(10)? {
        bias.join(extra)?;
    }
    // The window counts the place itself.
    let window = operator.left_window;
    bias.keep(&sizes, past, |i, j| {
        j <= i && (window < 0 || j > i - window)
    })?;
    let seen = attend(&heads, operator.scale, operator.softcap, bias.0.as_ref())?;
    let all = [beside_one_another(&seen.output)?, heads.key, heads.value];
    Ok(all
        .into_iter()
        .take(call.outputs())
        .map(Item::Float)
        .collect())
}

/// Rows of the tables of cosines and sines at these positions.
fn picked(tables: [Var; 2], positions: &[i64], shape: &[usize]) -> Result<[Var; 2], String> {
    let row = |table: Var| -> Result<Var, String> {
        let dims = table.dims();
        let Some((&rows, row)) = dims.split_first() else {
            return Err("a table must have rows".to_owned());
        };
        let inside = positions.iter().filter_map(|&i| usize::try_from(i).ok());
        let list: Vec<usize> = inside.filter(|&i| i < rows).collect();
        if list.len() != positions.len() {
            return Err(format!(
                "a position is outside of the {rows} rows of the table"
            ));
        }
        let shape = [shape, row].concat();
        Ok(reshape(&pick(&table, 0, Picks::single(list)), &shape))
    };
    let [cos, sin] = tables;
    Ok([row(cos)?, row(sin)?])
}

/// The first `turned` features of `[batch, time, heads, width]` turned by the tables, `[1 or batch, time,
/// turned / 2]`.
fn rotated(
    wide: &Var,
    cos: &Var,
    sin: &Var,
    turned: usize,
    interleaved: bool,
) -> Result<Var, String> {
    let [b, t, _, width] = four(wide)?;
    let half = turned / 2;
    let table = |v: &Var| match v.dims()[..] {
        [pb, pt, w] if w == half && pt == t && (pb == b || pb == 1) => {
            Ok(reshape(v, &[pb, pt, 1, w]))
        }
        _ => Err(format!(
            "the tables give {:?} where [{b}, {t}, {half}] is needed",
            v.dims()
        )),
    };
    let (cos, sin) = (table(cos)?, table(sin)?);
    let part = |first: usize, step: isize| {
        let d = wide.dims();
        let mut ranges: Vec<Range> = d.iter().map(|&len| Range::whole(len)).collect();
        ranges[3] = Range {
            start: first,
            len: half,
            step,
        };
        slice(wide, &ranges)
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
    let rest = narrow(wide, 3, 2 * half, width - 2 * half);
    Ok(if rest.len() == 0 {
        rotated
    } else {
        concat(&[&rotated, &rest], 3)
    })
}

/// ONNX's operator and onnxruntime's.
pub(super) fn rotary(operator: &Rotary, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let tables = [call.var(operator.tables[0])?, call.var(operator.tables[1])?];
    // onnxruntime takes the width of a head from the tables where no heads are stated.
    let of_tables = tables[0].dims().last().map_or(0, |&half| 2 * half);
    let heads = match (operator.heads, operator.positions, &shape[..]) {
        (0, 1, [_, _, w]) if of_tables > 0 && w.is_multiple_of(of_tables) => w / of_tables,
        (heads, ..) => heads,
    };
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
    let turned = match operator.width {
        0 => width,
        n if n <= width => n,
        n => {
            return Err(format!(
                "rotary_embedding_dim {n} is more than the width {width}"
            ));
        }
    };
    let [cos, sin] = match call.item(operator.positions) {
        None => tables,
        Some(_) => {
            let ids = call.tensor(operator.positions)?;
            let list = ids.to_i64().ok_or("the positions must be integers")?;
            match (operator.positions, &list[..]) {
                // onnxruntime: one number is the first position of all samples.
                (1, &[first]) if t > 1 || b > 1 => {
                    let all: Vec<i64> = (0..t as i64).map(|k| first.saturating_add(k)).collect();
                    picked(tables, &all, &[1, t])?
                }
                _ => picked(tables, &list, &ids.shape)?,
            }
        }
    };
    let y = rotated(&wide, &cos, &sin, turned, operator.interleaved)?;
    one(match shape.len() {
        4 => permute(&y, &[0, 2, 1, 3]),
        _ => reshape(&y, &shape),
    })
}
