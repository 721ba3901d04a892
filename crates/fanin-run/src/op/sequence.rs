//! Lists of tensors, as far as exporters use them: split, put together, picked from.

use fanin_network::HostTensor;
use fanin_network::operator::Sequence;

use super::{Answer, Call, axis, one, sizes};
use crate::kernel::shape::{reshape, split};
use crate::value::Item;

pub(super) fn sequence(sequence: Sequence, call: &Call<'_>) -> Answer {
    match sequence {
        Sequence::Split { axis, keep } => split_to_sequence(axis, keep, call),
        Sequence::At => at(call),
        Sequence::Construct => {
            let items = call.inputs.iter().flatten().cloned();
            Ok(vec![Item::Sequence(items.collect())])
        }
        Sequence::Empty { .. } => Ok(vec![Item::Sequence(Vec::new())]),
        Sequence::Length => {
            let n = list(call)?.len() as i64;
            let length = HostTensor::i64(Vec::new(), vec![n]).map(Item::host);
            Ok(length.into_iter().collect())
        }
        Sequence::Concat { axis, new_axis } => concat(axis, new_axis, call),
    }
}

fn list<'a>(call: &'a Call<'_>) -> Result<&'a [Item], String> {
    match call.required(0)? {
        Item::Sequence(items) => Ok(items),
        _ => Err("the first input must be a sequence".to_owned()),
    }
}

fn split_to_sequence(at: i64, keep: bool, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let at = axis(at, shape.len())?;
    let (parts, single) = match call.item(1) {
        None => (vec![1; shape[at]], true),
        Some(item) => {
            let list = sizes(&call.integers(1)?.unwrap_or_default(), "split")?;
            match (item.shape().is_empty(), list.first()) {
                (true, Some(&each)) if each > 0 => {
                    let n = shape[at].div_ceil(each);
                    (
                        (0..n).map(|k| each.min(shape[at] - k * each)).collect(),
                        false,
                    )
                }
                _ => (list, false),
            }
        }
    };
    if parts.iter().sum::<usize>() != shape[at] {
        return Err(format!(
            "the parts {parts:?} do not add up to axis {at} of size {}",
            shape[at]
        ));
    }
    let drop_axis = single && !keep;
    let mut shape = shape;
    shape.remove(at);
    let items = split(&x, at, &parts)
        .into_iter()
        .map(|v| Item::Float(if drop_axis { reshape(&v, &shape) } else { v }))
        .collect();
    Ok(vec![Item::Sequence(items)])
}

fn at(call: &Call<'_>) -> Answer {
    let items = list(call)?;
    let i = call
        .integers(1)?
        .and_then(|v| v.first().copied())
        .ok_or("the position is missing")?;
    let k = if i < 0 { i + items.len() as i64 } else { i };
    let item = usize::try_from(k).ok().and_then(|k| items.get(k)).cloned();
    item.map(|i| vec![i])
        .ok_or_else(|| format!("position {i} is outside of a sequence of {}", items.len()))
}

fn concat(at: i64, new_axis: bool, call: &Call<'_>) -> Answer {
    let mut parts = list(call)?
        .iter()
        .map(Item::var)
        .collect::<Result<Vec<_>, _>>()?;
    if new_axis {
        for part in &mut parts {
            let mut shape = part.dims();
            let k = axis(at, shape.len() + 1)?;
            shape.insert(k, 1);
            *part = reshape(part, &shape);
        }
    }
    one(super::movement::concat_vars(&parts, at)?)
}
