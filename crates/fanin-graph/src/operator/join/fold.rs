//! What puts elements beside others, evaluated.

use super::{Pad, PadMode, Reduction, Scatter};
use crate::evaluate::{
    Call, Outcome, Stop, integers,
    kind::{Kind, same_kind, same_kinds, settle},
    mixed, restride, tensor,
    walk::{copy, steps},
};
use crate::operator::Setting;
use crate::operator::pick::fold::{element_offsets, tuple_offsets};
use crate::shape::geometry::{self, Padding};
use crate::shape::{broadcast_shape, broadcast_strides, strides};
use crate::{ElementType, HostData, HostTensor};

pub(crate) fn concat(axis: i64, call: &Call<'_>) -> Outcome {
    let tensors: Vec<&HostTensor> = call.inputs.iter().copied().flatten().collect();
    let shapes: Vec<&[usize]> = tensors.iter().map(|t| t.shape.as_slice()).collect();
    let (axis, shape) = geometry::concat(&shapes, axis)?;
    let total = call.size(&shape)?;
    let first = tensors[0];

    macro_rules! join {
        ($variant:ident) => {{
            let mut parts = Vec::with_capacity(tensors.len());
            for t in &tensors {
                let HostData::$variant(v) = &t.data else {
                    return Err(mixed(first, t));
                };
                parts.push((v.as_slice(), t.shape[axis..].iter().product::<usize>()));
            }
            let mut out = Vec::with_capacity(total);
            for k in 0..shape[..axis].iter().product() {
                for (part, chunk) in &parts {
                    out.extend_from_slice(&part[k * chunk..(k + 1) * chunk]);
                }
            }
            HostData::$variant(out)
        }};
    }
    let data = match first.data {
        HostData::F32(_) => join!(F32),
        HostData::F64(_) => join!(F64),
        HostData::I64(_) => join!(I64),
        HostData::Bool(_) => join!(Bool),
    };
    Ok(vec![tensor(shape, first.element, data)])
}

pub(crate) fn expand(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let target = call.integers(1, "shape")?;
    let target = target.ok_or_else(|| "input 1 (`shape`) is missing".to_owned())?;
    let target = geometry::sizes(&target, "shape")?;
    let shape = broadcast_shape(&x.shape, &target)
        .ok_or_else(|| format!("shape {:?} does not expand to {target:?}", x.shape))?;
    let strides = broadcast_strides(&x.shape, &shape);
    Ok(vec![restride(call, x, 0, shape, &strides)?])
}

pub(crate) fn tile(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let repeats = call.integers(1, "repeats")?;
    let repeats = repeats.ok_or_else(|| "input 1 (`repeats`) is missing".to_owned())?;
    let shape = geometry::tile(&x.shape, &repeats)?;
    let total = call.size(&shape)?;
    if total == 0 {
        let data = same_kind!(&x.data, _v => Vec::new());
        return Ok(vec![tensor(shape, x.element, data)]);
    }
    // Each axis becomes two: the repeats, which do not move, and the axis itself.
    let own = steps(&x.shape);
    let mut doubled = Vec::with_capacity(2 * own.len());
    let mut strides = Vec::with_capacity(2 * own.len());
    for (k, &size) in x.shape.iter().enumerate() {
        doubled.extend([shape[k] / size, size]);
        strides.extend([0, own[k]]);
    }
    let data = same_kind!(&x.data, v => copy(v, 0, &doubled, &strides));
    Ok(vec![tensor(shape, x.element, data)])
}

pub(crate) fn pad(pad: &Pad, call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let mode = pad.mode;
    let pads = call.setting(&pad.pads, "pads")?;
    let pads = pads.ok_or_else(|| "`pads` is missing".to_owned())?;
    let axes = call.setting(&pad.axes, "axes")?;
    let Padding { amounts, shape } = geometry::pads(&x.shape, &pads, axes.as_deref())?;
    call.size(&shape)?;

    // Where each place along each axis comes from; `None` where the filling goes.
    let mut maps: Vec<Vec<Option<usize>>> = Vec::with_capacity(shape.len());
    for ((&from, &to), &(before, _)) in x.shape.iter().zip(&shape).zip(&amounts) {
        let n = i64::try_from(from).map_err(|_| Stop::Unknown)?;
        if n == 0 && to > 0 && mode != PadMode::Constant {
            return Err(Stop::Wrong(format!(
                "cannot pad an axis without elements of {:?} in mode {mode:?}",
                x.shape
            )));
        }
        let place = |k: usize| -> Option<Option<usize>> {
            let at = (k as i64).checked_sub(before)?;
            let at = match mode {
                PadMode::Constant => return Some(usize::try_from(at).ok().filter(|&a| a < from)),
                PadMode::Edge => at.clamp(0, n - 1),
                PadMode::Wrap => at.rem_euclid(n),
                PadMode::Reflect if n == 1 => 0,
                PadMode::Reflect => {
                    let at = at.rem_euclid(2 * (n - 1));
                    at.min(2 * (n - 1) - at)
                }
            };
            Some(usize::try_from(at).ok())
        };
        let map: Option<Vec<_>> = (0..to).map(place).collect();
        maps.push(map.ok_or_else(|| format!("has pads {pads:?} that cannot be counted"))?);
    }

    let filling = match &pad.value {
        Setting::Given(v) => tensor(vec![], ElementType::F32, HostData::F32(vec![*v])),
        setting => match setting.slot().and_then(|slot| call.input(slot)) {
            Some(value) => value.clone(),
            None => tensor(
                vec![],
                x.element,
                same_kind!(&x.data, _v => vec![Default::default()]),
            ),
        },
    };
    let data = same_kinds!(&x.data, &filling.data, v, fill => {
        let fill = fill.first().copied().unwrap_or_default();
        take(v, &x.shape, &maps, fill)
    })
    .ok_or_else(|| mixed(x, &filling))?;
    Ok(vec![tensor(shape, x.element, data)])
}

/// The elements that `maps` name along each axis, `fill` where one names none.
fn take<T: Copy>(source: &[T], shape: &[usize], maps: &[Vec<Option<usize>>], fill: T) -> Vec<T> {
    let Some((inner, outer)) = maps.split_last() else {
        return source.to_vec();
    };
    let own = strides(shape);
    let total = maps.iter().map(Vec::len).product();
    let mut out = Vec::with_capacity(total);
    if total == 0 {
        return out;
    }
    let mut counter = vec![0usize; outer.len()];
    while out.len() < total {
        let base = counter
            .iter()
            .zip(outer)
            .zip(&own)
            .try_fold(0, |sum, ((&k, map), &stride)| Some(sum + map[k]? * stride));
        out.extend(inner.iter().map(|at| match (base, at) {
            (Some(base), Some(at)) => source[base + at],
            _ => fill,
        }));
        for (k, map) in counter.iter_mut().zip(outer).rev() {
            *k += 1;
            if *k < map.len() {
                break;
            }
            *k = 0;
        }
    }
    out
}

impl Reduction {
    fn apply<T: Kind>(self, old: T, new: T) -> T {
        match self {
            Self::None => new,
            Self::Add => old.add(new),
            Self::Mul => old.mul(new),
            Self::Max => old.most(new),
            Self::Min => old.least(new),
        }
    }
}

/// `data` with blocks of `block` updates put in at `offsets`.
fn put(
    meeting: Reduction,
    call: &Call<'_>,
    data: &HostTensor,
    updates: &HostTensor,
    offsets: &[usize],
    block: usize,
) -> Outcome {
    call.size(&data.shape)?;
    let result: Option<HostData> = same_kinds!(&data.data, &updates.data, old, new => {
        let mut out = old.clone();
        if block > 0 {
            for (&offset, new) in offsets.iter().zip(new.chunks_exact(block)) {
                for (old, &new) in out[offset..offset + block].iter_mut().zip(new) {
                    *old = meeting.apply(*old, new);
                }
            }
        }
        out
    });
    let result = result.ok_or_else(|| mixed(data, updates))?;
    Ok(vec![tensor(
        data.shape.clone(),
        data.element,
        settle(data.element, result),
    )])
}

pub(crate) fn scatter_elements(scatter: &Scatter, call: &Call<'_>) -> Outcome {
    let data = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let updates = call.required(2, "updates")?;
    let axis = geometry::elements_axis(&data.shape, &indices.shape, scatter.axis)?;
    if indices.shape != updates.shape {
        return Err(Stop::Wrong(format!(
            "indices {:?} and updates {:?} differ in shape",
            indices.shape, updates.shape
        )));
    }
    let picks = integers(indices, "indices")?;
    let offsets = element_offsets(&data.shape, &indices.shape, &picks, axis)?;
    put(scatter.reduction, call, data, updates, &offsets, 1)
}

pub(crate) fn scatter_nd(reduction: Reduction, call: &Call<'_>) -> Outcome {
    let data = call.required(0, "data")?;
    let indices = call.required(1, "indices")?;
    let updates = call.required(2, "updates")?;
    let depth = geometry::scatter_nd(&data.shape, &indices.shape, &updates.shape)?;
    let block = data.shape[depth..].iter().product();
    let offsets = if depth == 0 {
        let tuples = indices.shape.iter().rev().skip(1).product();
        vec![0; tuples]
    } else {
        tuple_offsets(&data.shape, 0, depth, &integers(indices, "indices")?)?
    };
    put(reduction, call, data, updates, &offsets, block)
}

#[cfg(test)]
mod tests {
    use crate::Attribute;
    use crate::evaluate::testing::{counted, i, named, one, one_with};
    use crate::infer::testing::attributes;

    #[test]
    fn blocks_are_put_in() {
        let found = one(
            "ScatterND",
            &[
                &counted(&[3, 2]),
                &i(&[2, 1], &[2, -3]),
                &i(&[2, 2], &[10, 11, 12, 13]),
            ],
        );
        assert_eq!(found.unwrap(), i(&[3, 2], &[12, 13, 2, 3, 10, 11]));
        let found = one(
            "ScatterND",
            &[&counted(&[2]), &i(&[1, 1], &[2]), &i(&[1], &[9])],
        );
        assert!(found.is_err());
    }

    #[test]
    fn elements_that_meet_are_reduced() {
        let by = |reduction: &str| {
            let reduction = attributes([("reduction", Attribute::String(reduction.to_owned()))]);
            let inputs = [&i(&[3], &[1, 2, 3]), &i(&[2], &[1, 1]), &i(&[2], &[5, 7])];
            one_with("ScatterElements", reduction, &inputs)
        };
        assert_eq!(by("none").unwrap(), i(&[3], &[1, 7, 3]));
        assert_eq!(by("add").unwrap(), i(&[3], &[1, 14, 3]));
        assert_eq!(by("mul").unwrap(), i(&[3], &[1, 70, 3]));
        assert_eq!(by("max").unwrap(), i(&[3], &[1, 7, 3]));
        assert_eq!(by("min").unwrap(), i(&[3], &[1, 2, 3]));
        assert!(by("sometimes").is_err());
        let axis = named([("axis", 1)]);
        let inputs = [
            &counted(&[2, 2]),
            &i(&[2, 1], &[1, 0]),
            &i(&[2, 1], &[8, 9]),
        ];
        assert_eq!(
            one_with("ScatterElements", axis, &inputs).unwrap(),
            i(&[2, 2], &[0, 8, 9, 3])
        );
    }
}
