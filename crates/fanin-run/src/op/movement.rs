//! Operators that only move elements, or add constant ones.

use fanin_network::evaluate::evaluate;
use fanin_network::operator::{Axes, DepthSpace, Pad, PadMode, Reshape, Slice, Split};
use fanin_network::{ElementType, HostData, HostTensor};

use super::{Answer, Call, axes, axis, one, sizes};
use crate::array::{count, dims};
use crate::kernel::index::{Picks, pick, take};
use crate::kernel::map::broadcast_shape;
use crate::kernel::shape::{Range, broadcast, concat, pad, permute, reshape, slice, split};
use crate::tape::Var;
use crate::value::Item;

pub(super) fn reshape_op(operator: &Reshape, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let asked = call
        .list(&operator.shape)?
        .ok_or("the new shape is missing")?;
    let keep_zero = operator.allow_zero;
    let from = x.dims();
    let mut shape = Vec::with_capacity(asked.len());
    let mut open = None;
    for (k, &d) in asked.iter().enumerate() {
        shape.push(match d {
            -1 if open.is_none() => {
                open = Some(k);
                1
            }
            0 if !keep_zero => *from.get(k).ok_or_else(|| {
                format!("the new shape {asked:?} copies axis {k}, which is not there")
            })?,
            d => usize::try_from(d)
                .map_err(|_| format!("the new shape {asked:?} has a size under -1 or two of -1"))?,
        });
    }
    if let Some(k) = open {
        let rest = count(&shape)?;
        if rest == 0 || !x.len().is_multiple_of(rest) {
            return Err(format!(
                "{} elements do not divide into shape {asked:?}",
                x.len()
            ));
        }
        shape[k] = x.len() / rest;
    }
    if count(&shape)? != x.len() {
        return Err(format!(
            "{} elements do not fit the new shape {asked:?}",
            x.len()
        ));
    }
    one(reshape(&x, &shape))
}

pub(super) fn flatten(at: i64, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let at = if at == shape.len() as i64 {
        shape.len()
    } else {
        axis(at, shape.len())?
    };
    one(reshape(
        &x,
        &[shape[..at].iter().product(), shape[at..].iter().product()],
    ))
}

pub(super) fn squeeze(gone: &Axes, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let gone = match call.list(gone)? {
        Some(list) => axes(&list, shape.len())?,
        None => shape.iter().map(|&d| d == 1).collect(),
    };
    if let Some(k) = (0..shape.len()).find(|&k| gone[k] && shape[k] != 1) {
        return Err(format!(
            "axis {k} has size {} and cannot be squeezed away",
            shape[k]
        ));
    }
    let kept: Vec<usize> = shape
        .iter()
        .zip(gone)
        .filter(|&(_, g)| !g)
        .map(|(&d, _)| d)
        .collect();
    one(reshape(&x, &kept))
}

pub(super) fn unsqueeze(new: &Axes, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let list = call.list(new)?.ok_or("the axes are missing")?;
    let from = x.dims();
    let new = axes(&list, from.len() + list.len())?;
    if new.iter().filter(|&&n| n).count() != list.len() {
        return Err(format!("the axes {list:?} name one twice"));
    }
    let mut old = from.into_iter();
    let shape: Vec<usize> = new
        .iter()
        .map(|&n| if n { 1 } else { old.next().unwrap_or(1) })
        .collect();
    one(reshape(&x, &shape))
}

pub(super) fn transpose(perm: Option<&[i64]>, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let rank = x.dims().len();
    let order = match perm {
        Some(perm) => perm
            .iter()
            .map(|&p| axis(p, rank))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut seen = order.clone();
    seen.sort_unstable();
    if seen != (0..rank).collect::<Vec<_>>() {
        return Err(format!(
            "perm {order:?} does not name each of the {rank} axes once"
        ));
    }
    one(permute(&x, &order))
}

pub(super) fn concat_op(axis: i64, call: &Call<'_>) -> Answer {
    let parts = (0..call.inputs.len())
        .map(|k| call.var(k))
        .collect::<Result<Vec<_>, _>>()?;
    one(concat_vars(&parts, axis)?)
}

pub(super) fn concat_vars(parts: &[Var], at: i64) -> Result<Var, String> {
    let first = parts
        .first()
        .ok_or("there is nothing to concatenate")?
        .dims();
    let at = axis(at, first.len())?;
    for part in parts {
        let shape = part.dims();
        let fits =
            shape.len() == first.len() && (0..shape.len()).all(|k| k == at || shape[k] == first[k]);
        if !fits {
            return Err(format!(
                "shapes {first:?} and {shape:?} must agree in all axes but {at}"
            ));
        }
    }
    Ok(concat(&parts.iter().collect::<Vec<_>>(), at))
}

pub(super) fn split_op(operator: &Split, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let at = axis(operator.axis, shape.len())?;
    let parts = match call.list(&operator.lengths)? {
        Some(list) => sizes(&list, "split")?,
        None => even_parts(shape[at], operator.parts)?,
    };
    if parts.iter().sum::<usize>() != shape[at] {
        return Err(format!(
            "the parts {parts:?} do not add up to axis {at} of size {}",
            shape[at]
        ));
    }
    Ok(split(&x, at, &parts).into_iter().map(Item::Float).collect())
}

/// As even as possible, the last part smaller.
fn even_parts(size: usize, parts: usize) -> Result<Vec<usize>, String> {
    if parts == 0 {
        return Err("the number of parts is missing".to_owned());
    }
    let each = size.div_ceil(parts);
    Ok((0..parts)
        .map(|k| each.min(size.saturating_sub(k * each)))
        .collect())
}

pub(super) fn slice_op(operator: &Slice, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let starts = call
        .list(&operator.starts)?
        .ok_or("the starts are missing")?;
    let ends = call.list(&operator.ends)?.ok_or("the ends are missing")?;
    let list = call.list(&operator.axes)?;
    let list = list.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.list(&operator.steps)?;
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || list.len() != starts.len() || steps.len() != starts.len() {
        return Err(format!(
            "starts {starts:?}, ends {ends:?}, axes {list:?} and steps {steps:?} must be of one length"
        ));
    }
    let mut ranges: Vec<Range> = shape
        .iter()
        .map(|&len| Range {
            start: 0,
            len,
            step: 1,
        })
        .collect();
    for k in 0..starts.len() {
        let at = axis(list[k], shape.len())?;
        ranges[at] = range(shape[at], starts[k], ends[k], steps[k])?;
    }
    one(slice(&x, &ranges))
}

/// The indices that a start, an end and a step select, clamped as ONNX says.
fn range(size: usize, start: i64, end: i64, step: i64) -> Result<Range, String> {
    if step == 0 {
        return Err("a step must not be 0".to_owned());
    }
    let size = size as i64;
    let from_end = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let start = from_end(start).clamp(low.max(0), high.max(0));
    // An end far below zero means "to the first", which -1 itself cannot say.
    let end = if step < 0 && end < -size {
        -1
    } else {
        from_end(end).clamp(low, high)
    };
    let len = if step > 0 {
        (end - start + step - 1) / step
    } else {
        (start - end - step - 1) / -step
    };
    Ok(Range {
        start: usize::try_from(start).unwrap_or(0),
        len: if size == 0 {
            0
        } else {
            usize::try_from(len).unwrap_or(0)
        },
        step: isize::try_from(step.clamp(-size.max(1), size.max(1))).unwrap_or(1),
    })
}

pub(super) fn expand(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let asked = sizes(
        &call.integers(1)?.ok_or("the shape is missing")?,
        "the shape",
    )?;
    one(broadcast(&x, &broadcast_shape(&x.dims(), &asked)?))
}

pub(super) fn tile(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let repeats = sizes(
        &call.integers(1)?.ok_or("the repeats are missing")?,
        "repeats",
    )?;
    if repeats.len() != shape.len() {
        return Err(format!("repeats {repeats:?} must have one number per axis"));
    }
    let all: Vec<usize> = shape
        .iter()
        .zip(&repeats)
        .map(|(&d, &r)| {
            d.checked_mul(r)
                .ok_or_else(|| "the result is too large".to_owned())
        })
        .collect::<Result<_, _>>()?;
    count(&all)?;
    let mut x = x;
    for (k, &r) in repeats.iter().enumerate() {
        if r != 1 {
            x = pick(&x, k, Picks::single((0..all[k]).map(|i| i % shape[k])));
        }
    }
    one(x)
}

pub(super) fn pad_op(operator: &Pad, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let rank = shape.len();
    let list = call.list(&operator.pads)?.ok_or("the pads are missing")?;
    let chosen = match call.list(&operator.axes)? {
        Some(axes) => axes
            .iter()
            .map(|&a| axis(a, rank))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if list.len() != 2 * chosen.len() {
        return Err(format!("pads {list:?} must have two numbers per axis"));
    }
    let mut pads = vec![(0i64, 0i64); rank];
    for (k, &at) in chosen.iter().enumerate() {
        pads[at] = (list[k], list[k + chosen.len()]);
    }
    for (&d, p) in shape.iter().zip(&pads) {
        let size = (d as i64).checked_add(p.0).and_then(|s| s.checked_add(p.1));
        if size.is_none_or(|s| s < 0) || p.0 < -(d as i64) || p.1 < -(d as i64) {
            return Err(format!(
                "pads {list:?} take away more than there is, or are too large"
            ));
        }
    }
    let target: Vec<usize> = shape
        .iter()
        .zip(&pads)
        .map(|(&d, p)| (d as i64 + p.0 + p.1) as usize)
        .collect();
    count(&target)?;
    // Negative pads cut; what is left is padded.
    let ranges: Vec<Range> = shape
        .iter()
        .zip(&pads)
        .map(|(&d, p)| {
            let (before, after) = ((-p.0).max(0) as usize, (-p.1).max(0) as usize);
            Range {
                start: before.min(d),
                len: d.saturating_sub(before + after),
                step: 1,
            }
        })
        .collect();
    let added: Vec<(usize, usize)> = pads
        .iter()
        .map(|p| (p.0.max(0) as usize, p.1.max(0) as usize))
        .collect();
    let mut x = slice(&x, &ranges);
    match operator.mode {
        PadMode::Constant => {
            let value = call.number(&operator.value)?.unwrap_or(0.0);
            one(pad(&x, &added, value))
        }
        mode => {
            for (k, &(before, after)) in added.iter().enumerate() {
                if (before, after) != (0, 0) {
                    let d = dims(x.array())[k];
                    if d == 0 || (mode == PadMode::Reflect && d == 1) {
                        return Err(format!("axis {k} has too few elements to pad from"));
                    }
                    let source = |i: i64| border(i, d as i64, mode);
                    let all = (-(before as i64)..(d + after) as i64).map(source);
                    x = pick(&x, k, Picks::single(all));
                }
            }
            one(x)
        }
    }
}

/// The element that stands at place `i` outside of `0..size`.
fn border(i: i64, size: i64, mode: PadMode) -> usize {
    let at = match mode {
        PadMode::Edge | PadMode::Constant => i.clamp(0, size - 1),
        PadMode::Wrap => i.rem_euclid(size),
        PadMode::Reflect => {
            let period = 2 * (size - 1);
            let at = i.rem_euclid(period);
            if at < size { at } else { period - at }
        }
    };
    at as usize
}

pub(super) fn depth_space(blocks: DepthSpace, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let [n, c, h, w] = x.dims()[..] else {
        return Err("four axes are needed".to_owned());
    };
    let b = blocks.block;
    let too_large = || format!("a block of {b} by {b} is too large");
    let area = b
        .checked_mul(b)
        .filter(|&area| area > 0)
        .ok_or_else(too_large)?;
    if blocks.to_space {
        if !c.is_multiple_of(area) {
            return Err(format!(
                "{c} channels do not divide into blocks of {b} by {b}"
            ));
        }
        let c = c / area;
        let y = match blocks.channel_first {
            true => permute(&reshape(&x, &[n, c, b, b, h, w]), &[0, 1, 4, 2, 5, 3]),
            false => permute(&reshape(&x, &[n, b, b, c, h, w]), &[0, 3, 4, 1, 5, 2]),
        };
        return one(reshape(&y, &[n, c, h * b, w * b]));
    }
    if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
        return Err(format!("height {h} and width {w} do not divide by {b}"));
    }
    let order = match blocks.channel_first {
        true => [0, 1, 3, 5, 2, 4],
        false => [0, 3, 5, 1, 2, 4],
    };
    let y = permute(&reshape(&x, &[n, c, h / b, b, w / b, b]), &order);
    one(reshape(&y, &[n, c * area, h / b, w / b]))
}

pub(super) fn reverse_sequence(batch: i64, time: i64, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let lengths = sizes(
        &call.integers(1)?.ok_or("the lengths are missing")?,
        "lengths",
    )?;
    let shape = x.dims();
    if shape.len() < 2 {
        return Err("at least two axes are needed".to_owned());
    }
    let (time, batch) = (axis(time, 2)?, axis(batch, 2)?);
    if time == batch || lengths.len() != shape[batch] || lengths.iter().any(|&l| l > shape[time]) {
        return Err(
            "the time and batch axes must be 0 and 1, with one length per sample within the time"
                .to_owned(),
        );
    }
    let inner: usize = shape[2..].iter().product();
    let mut positions = Vec::with_capacity(x.len());
    for i in 0..shape[0] {
        for j in 0..shape[1] {
            let (t, b) = if time == 0 { (i, j) } else { (j, i) };
            let t = if t < lengths[b] {
                lengths[b] - 1 - t
            } else {
                t
            };
            let row = if time == 0 {
                t * shape[1] + b
            } else {
                b * shape[1] + t
            };
            positions.extend(row * inner..(row + 1) * inner);
        }
    }
    one(take(&x, &shape, positions))
}

pub(super) fn trilu(upper: bool, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let [.., h, w] = shape[..] else {
        return Err("at least two axes are needed".to_owned());
    };
    let k = call
        .integers(1)?
        .and_then(|k| k.first().copied())
        .unwrap_or(0);
    let kept: Vec<f32> = (0..h as i64)
        .flat_map(|i| {
            (0..w as i64).map(move |j| {
                if upper {
                    j >= i.saturating_add(k)
                } else {
                    j <= i.saturating_add(k)
                }
            })
        })
        .map(|inside| if inside { 1.0 } else { 0.0 })
        .collect();
    let mask = crate::array::array(&[h, w], kept);
    one(crate::kernel::elementwise::select(
        &mask,
        &x,
        &crate::kernel::shape::zeros(&[1]),
    )?)
}

pub(super) fn center_crop_pad(chosen: Option<&[i64]>, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let target = sizes(
        &call.integers(1)?.ok_or("the shape is missing")?,
        "the shape",
    )?;
    let chosen = match chosen {
        Some(list) => list
            .iter()
            .map(|&a| axis(a, shape.len()))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).collect(),
    };
    if target.len() != chosen.len() {
        return Err(format!("the shape {target:?} must have one size per axis"));
    }
    let mut ranges: Vec<Range> = shape
        .iter()
        .map(|&len| Range {
            start: 0,
            len,
            step: 1,
        })
        .collect();
    let mut pads = vec![(0, 0); shape.len()];
    let mut result = shape.clone();
    for (&at, &size) in chosen.iter().zip(&target) {
        let d = shape[at];
        result[at] = size;
        if size < d {
            ranges[at] = Range {
                start: (d - size) / 2,
                len: size,
                step: 1,
            };
        } else {
            pads[at] = ((size - d) / 2, (size - d) - (size - d) / 2);
        }
    }
    count(&result)?;
    one(pad(&slice(&x, &ranges), &pads, 0.0))
}

/// Moves elements as the evaluator of integers moves their positions: for operators whose meaning
/// is intricate and whose speed matters little.
pub(super) fn by_positions(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let positions = HostTensor::new(
        shape,
        ElementType::I64,
        HostData::I64((0..x.len() as i64).collect()),
    )
    .ok_or("the input's shape is not that of its elements")?;
    let rest: Vec<_> = call
        .inputs
        .iter()
        .skip(1)
        .map(|i| i.as_ref().map(Item::tensor).transpose())
        .collect::<Result<_, _>>()?;
    let mut inputs = vec![Some(&positions)];
    inputs.extend(rest.iter().map(Option::as_deref));
    let moved = evaluate(&call.node.operator, &inputs, call.outputs())?
        .ok_or("sizes or element types of the inputs are not supported")?;
    moved
        .into_iter()
        .map(|t| {
            let places = t.to_i64().unwrap_or_default();
            let places = places
                .into_iter()
                .map(|p| usize::try_from(p).unwrap_or(0))
                .collect();
            Ok(Item::Float(take(&x, &t.shape, places)))
        })
        .collect()
}
