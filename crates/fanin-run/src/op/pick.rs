//! Gathering and scattering by index.

use fanin_network::operator::{Reduction, Scatter, Setting, TopK};
use fanin_network::{ElementType, HostData, HostTensor};

use super::{Answer, Call, axis, one};
use crate::array::count;
use crate::kernel::index::{Combine, Picks, pick, scatter, take};
use crate::kernel::shape::reshape;
use crate::value::Item;

/// An index counted from the end where negative, within a size.
fn index(i: i64, size: usize) -> Result<usize, String> {
    let at = if i < 0 { i + size as i64 } else { i };
    usize::try_from(at)
        .ok()
        .filter(|&a| a < size)
        .ok_or_else(|| format!("index {i} is outside of the {size} there are"))
}

pub(super) fn gather(at: i64, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let from = x.dims();
    let at = axis(at, from.len())?;
    let indices = call.tensor(1)?;
    let list = indices.to_i64().ok_or("the indices must be integers")?;
    let picks = list
        .iter()
        .map(|&i| index(i, from[at]))
        .collect::<Result<Vec<_>, _>>()?;
    let shape = [&from[..at], &indices.shape, &from[at + 1..]].concat();
    count(&shape)?;
    one(reshape(&pick(&x, at, Picks::single(picks)), &shape))
}

fn combine(reduction: Reduction) -> Combine {
    match reduction {
        Reduction::None => Combine::Replace,
        Reduction::Add => Combine::Add,
        Reduction::Mul => Combine::Multiply,
        Reduction::Max => Combine::Max,
        Reduction::Min => Combine::Min,
    }
}

pub(super) fn scatter_elements(operator: &Scatter, call: &Call<'_>) -> Answer {
    let (x, updates) = (call.var(0)?, call.var(2)?);
    let shape = x.dims();
    let at = axis(operator.axis, shape.len())?;
    let indices = call.tensor(1)?;
    let fits = indices.shape == updates.dims()
        && indices.shape.len() == shape.len()
        && (0..shape.len()).all(|k| k == at || indices.shape[k] <= shape[k]);
    if !fits {
        return Err("indices and updates must have one shape, which fits into the data".to_owned());
    }
    let list = indices.to_i64().ok_or("the indices must be integers")?;
    let mut strides = vec![1usize; shape.len()];
    for k in (0..shape.len().saturating_sub(1)).rev() {
        strides[k] = strides[k + 1] * shape[k + 1];
    }
    let mut place = vec![0usize; shape.len()];
    let mut positions = Vec::with_capacity(list.len());
    for &i in &list {
        let i = index(i, shape[at])?;
        let flat = (0..shape.len())
            .map(|k| strides[k] * if k == at { i } else { place[k] })
            .sum();
        positions.push(flat);
        for k in (0..shape.len()).rev() {
            place[k] += 1;
            if place[k] < indices.shape[k] {
                break;
            }
            place[k] = 0;
        }
    }
    one(scatter(
        &x,
        positions,
        &updates,
        combine(operator.reduction),
    ))
}

pub(super) fn scatter_nd(reduction: Reduction, call: &Call<'_>) -> Answer {
    let (x, updates) = (call.var(0)?, call.var(2)?);
    let shape = x.dims();
    let indices = call.tensor(1)?;
    let list = indices.to_i64().ok_or("the indices must be integers")?;
    let (&depth, lead) = indices
        .shape
        .split_last()
        .ok_or("the indices must have an axis")?;
    if depth > shape.len() {
        return Err(format!(
            "indices of {depth} numbers are too long for {} axes",
            shape.len()
        ));
    }
    let tail: usize = shape[depth..].iter().product();
    if updates.dims() != [lead, &shape[depth..]].concat() {
        return Err(format!(
            "updates must have shape {:?}",
            [lead, &shape[depth..]].concat()
        ));
    }
    let mut positions = Vec::with_capacity(updates.len());
    let tuples = lead.iter().product::<usize>();
    for t in 0..tuples {
        let mut flat = 0;
        for (k, &i) in list[t * depth..(t + 1) * depth].iter().enumerate() {
            flat = flat * shape[k] + index(i, shape[k])?;
        }
        positions.extend(flat * tail..(flat + 1) * tail);
    }
    one(scatter(&x, positions, &updates, combine(reduction)))
}

pub(super) fn top_k(top: &TopK, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let at = axis(top.axis, shape.len())?;
    let k = match top.k {
        Setting::Given(k) => k,
        Setting::Input(slot) => call
            .integers(slot)?
            .and_then(|k| k.first().copied())
            .unwrap_or(0),
        Setting::Absent => 1,
    };
    let k = usize::try_from(k)
        .ok()
        .filter(|&k| k <= shape[at])
        .ok_or_else(|| format!("cannot take {k} of {}", shape[at]))?;
    let largest = top.largest;
    let data = crate::array::Dense::new(x.array());
    let inner: usize = shape[at + 1..].iter().product();
    let outer: usize = shape[..at].iter().product();
    let mut result = shape.clone();
    result[at] = k;
    let mut positions = vec![0usize; outer * k * inner];
    let mut indices = vec![0i64; positions.len()];
    for o in 0..outer {
        for i in 0..inner {
            let place = |j: usize| (o * shape[at] + j) * inner + i;
            let mut order: Vec<usize> = (0..shape[at]).collect();
            // Stable, so that equal values keep their order.
            order.sort_by(|&a, &b| {
                let (a, b) = (data[place(a)], data[place(b)]);
                if largest {
                    b.total_cmp(&a)
                } else {
                    a.total_cmp(&b)
                }
            });
            for (j, &from) in order.iter().take(k).enumerate() {
                let to = (o * k + j) * inner + i;
                positions[to] = place(from);
                indices[to] = from as i64;
            }
        }
    }
    let indices = HostTensor::new(result.clone(), ElementType::I64, HostData::I64(indices))
        .ok_or("the result's shape does not fit")?;
    Ok(vec![
        Item::Float(take(&x, &result, positions)),
        Item::host(indices),
    ])
}
