//! Operators that move elements without changing them.

use super::call::{Call, Outcome, Stop, mixed, one_integer, tensor};
use super::geometry::Padding;
use super::kind::{any_kind, same_kind};
use super::walk::{copy, lanes, steps};
use super::{broadcast_shape, broadcast_strides, geometry};
use crate::{Attribute, ElementType, HostData, HostTensor};

pub(super) fn identity(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    call.size(&x.shape)?;
    Ok(vec![x.clone()])
}

/// The same elements under another shape.
fn relabel(call: &Call<'_>, x: &HostTensor, shape: Vec<usize>) -> Outcome {
    call.size(&shape)?;
    Ok(vec![tensor(shape, x.element, x.data.clone())])
}

pub(super) fn reshape(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let target = call.list("shape", 1)?;
    let target = target.ok_or_else(|| "input 1 (`shape`) is missing".to_owned())?;
    let allow_zero = call.attributes.int("allowzero", 0) != 0;
    relabel(call, x, geometry::reshape(&x.shape, &target, allow_zero)?)
}

pub(super) fn flatten(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let axis = call.attributes.int("axis", 1);
    relabel(call, x, geometry::flatten(&x.shape, axis)?)
}

pub(super) fn squeeze(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let axes = call.list("axes", 1)?;
    relabel(call, x, geometry::squeeze(&x.shape, axes.as_deref())?)
}

pub(super) fn unsqueeze(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let axes = call.list("axes", 1)?;
    let axes = axes.ok_or_else(|| "input 1 (`axes`) is missing".to_owned())?;
    relabel(call, x, geometry::unsqueeze(&x.shape, &axes)?)
}

/// A strided copy of a tensor.
fn restride(
    call: &Call<'_>,
    x: &HostTensor,
    base: isize,
    shape: Vec<usize>,
    strides: &[isize],
) -> Result<HostTensor, Stop> {
    call.size(&shape)?;
    let data = same_kind!(&x.data, v => copy(v, base, &shape, strides));
    Ok(tensor(shape, x.element, data))
}

pub(super) fn transpose(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let perm = geometry::permutation(x.shape.len(), call.attributes.ints("perm"))?;
    let own = steps(&x.shape);
    let shape = perm.iter().map(|&axis| x.shape[axis]).collect();
    let strides: Vec<isize> = perm.iter().map(|&axis| own[axis]).collect();
    Ok(vec![restride(call, x, 0, shape, &strides)?])
}

pub(super) fn slice(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let missing = |name: &str| format!("`{name}` is missing");
    let starts = call.list("starts", 1)?.ok_or_else(|| missing("starts"))?;
    let ends = call.list("ends", 2)?.ok_or_else(|| missing("ends"))?;
    let axes = call.list("axes", 3)?;
    let steps_given = call.integers(4, "steps")?;
    let windows = geometry::slice(
        &x.shape,
        &starts,
        &ends,
        axes.as_deref(),
        steps_given.as_deref(),
    )?;
    let own = steps(&x.shape);
    let shape: Vec<usize> = windows.iter().map(|w| w.length).collect();
    let strides: Vec<isize> = own
        .iter()
        .zip(&windows)
        // A window of one element never steps, so a huge step cannot overflow.
        .map(|(&s, w)| if w.length > 1 { s * w.step as isize } else { 0 })
        .collect();
    let base = if shape.contains(&0) {
        0
    } else {
        own.iter()
            .zip(&windows)
            .map(|(&s, w)| s * w.start as isize)
            .sum()
    };
    Ok(vec![restride(call, x, base, shape, &strides)?])
}

pub(super) fn split(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let axis = super::normalize_axis(call.attributes.int("axis", 0), x.shape.len())?;
    let lengths = call.list("split", 1)?;
    let parts = match call.attributes.get("num_outputs") {
        Some(Attribute::Int(n)) => usize::try_from(*n).unwrap_or(0),
        _ => call.outputs,
    };
    if lengths.is_none() && parts != call.outputs {
        return Err(Stop::Wrong(format!(
            "attribute `num_outputs` is {parts} but there are {} outputs",
            call.outputs
        )));
    }
    let lengths = geometry::split(x.shape[axis], lengths.as_deref(), parts, call.opset >= 18)?;
    let own = steps(&x.shape);
    let mut start = 0;
    let mut results = Vec::with_capacity(lengths.len());
    for length in lengths {
        let mut shape = x.shape.clone();
        shape[axis] = length;
        results.push(restride(call, x, start, shape, &own)?);
        start += own[axis] * length as isize;
    }
    Ok(results)
}

pub(super) fn concat(call: &Call<'_>) -> Outcome {
    let tensors: Vec<&HostTensor> = call.inputs.iter().copied().flatten().collect();
    let shapes: Vec<&[usize]> = tensors.iter().map(|t| t.shape.as_slice()).collect();
    let (axis, shape) = geometry::concat(&shapes, call.attributes.int("axis", 1))?;
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

pub(super) fn expand(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let target = call.integers(1, "shape")?;
    let target = target.ok_or_else(|| "input 1 (`shape`) is missing".to_owned())?;
    let target = geometry::sizes(&target, "shape")?;
    let shape = broadcast_shape(&x.shape, &target)
        .ok_or_else(|| format!("shape {:?} does not expand to {target:?}", x.shape))?;
    let strides = broadcast_strides(&x.shape, &shape);
    Ok(vec![restride(call, x, 0, shape, &strides)?])
}

pub(super) fn tile(call: &Call<'_>) -> Outcome {
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

pub(super) fn pad(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "data")?;
    let mode = call.attributes.str("mode", "constant");
    let pads = call.list("pads", 1)?;
    let pads = pads.ok_or_else(|| "`pads` is missing".to_owned())?;
    let axes = call.integers(3, "axes")?;
    let Padding { amounts, shape } = geometry::pads(&x.shape, &pads, axes.as_deref())?;
    call.size(&shape)?;

    // Where each place along each axis comes from; `None` where the filling goes.
    let mut maps: Vec<Vec<Option<usize>>> = Vec::with_capacity(shape.len());
    for ((&from, &to), &(before, _)) in x.shape.iter().zip(&shape).zip(&amounts) {
        let n = i64::try_from(from).map_err(|_| Stop::Unknown)?;
        if n == 0 && to > 0 && mode != "constant" {
            return Err(Stop::Wrong(format!(
                "cannot pad an axis without elements of {:?} in mode {mode}",
                x.shape
            )));
        }
        let place = |k: usize| -> Option<Option<usize>> {
            let at = (k as i64).checked_sub(before)?;
            let at = match mode {
                "constant" => return Some(usize::try_from(at).ok().filter(|&a| a < from)),
                "edge" => at.clamp(0, n - 1),
                "wrap" => at.rem_euclid(n),
                "reflect" if n == 1 => 0,
                "reflect" => {
                    let at = at.rem_euclid(2 * (n - 1));
                    at.min(2 * (n - 1) - at)
                }
                _ => return None,
            };
            Some(usize::try_from(at).ok())
        };
        let map: Option<Vec<_>> = (0..to).map(place).collect();
        maps.push(map.ok_or_else(|| format!("does not know the mode `{mode}` of these pads"))?);
    }

    let filling = match call.attributes.get("value") {
        Some(Attribute::Float(v)) => tensor(vec![], ElementType::F32, HostData::F32(vec![*v])),
        _ => match call.input(2) {
            Some(value) => value.clone(),
            None => tensor(
                vec![],
                x.element,
                same_kind!(&x.data, _v => vec![Default::default()]),
            ),
        },
    };
    let data = super::kind::same_kinds!(&x.data, &filling.data, v, fill => {
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
    let own = super::strides(shape);
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

pub(super) fn trilu(call: &Call<'_>) -> Outcome {
    let x = call.required(0, "input")?;
    let shift = match call.input(1) {
        Some(k) => i128::from(one_integer(k, "k")?),
        None => 0,
    };
    let upper = call.attributes.int("upper", 1) != 0;
    let Some(row_axis) = x.shape.len().checked_sub(2) else {
        return Err(Stop::Wrong(format!(
            "wants matrices, got shape {:?}",
            x.shape
        )));
    };
    call.size(&x.shape)?;
    let (_, rows, columns) = lanes(&x.shape, row_axis);
    let mut data = x.data.clone();
    if rows * columns > 0 {
        any_kind!(&mut data, v => {
            for matrix in v.chunks_exact_mut(rows * columns) {
                for (i, row) in matrix.chunks_exact_mut(columns).enumerate() {
                    // The first column on or above the diagonal that `k` shifts.
                    let edge = i as i128 + shift + i128::from(!upper);
                    let edge = usize::try_from(edge.clamp(0, columns as i128)).unwrap_or(0);
                    let cleared = if upper { &mut row[..edge] } else { &mut row[edge..] };
                    cleared.fill(Default::default());
                }
            }
        });
    }
    Ok(vec![tensor(x.shape.clone(), x.element, data)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::strides;
    use super::super::testing::{counted, f, i, named, one, one_with, run};
    use crate::infer::testing::attributes;
    use crate::{Attribute, Attributes};

    #[test]
    fn a_transpose_moves_every_axis() {
        let perm = attributes([("perm", Attribute::Ints(vec![1, 2, 0]))]);
        let found = one_with("Transpose", perm, &[&counted(&[2, 1, 3])]);
        assert_eq!(found.unwrap(), i(&[1, 3, 2], &[0, 3, 1, 4, 2, 5]));
        let found = one("Transpose", &[&counted(&[2, 3])]);
        assert_eq!(found.unwrap(), i(&[3, 2], &[0, 3, 1, 4, 2, 5]));
    }

    #[test]
    fn joins_and_cuts_undo_each_other() {
        let x = counted(&[2, 3, 5]);
        let axis = || named([("axis", 2)]);
        let parts = run("Split", axis(), &[&x, &i(&[3], &[1, 0, 4])], 3).unwrap();
        assert_eq!(parts[0], i(&[2, 3, 1], &[0, 5, 10, 15, 20, 25]));
        assert_eq!(parts[1].shape, [2, 3, 0]);
        let parts: Vec<_> = parts.iter().collect();
        assert_eq!(one_with("Concat", axis(), &parts).unwrap(), x);
    }

    #[test]
    fn repeats_come_whole() {
        let found = one("Tile", &[&counted(&[2, 2]), &i(&[2], &[1, 2])]);
        assert_eq!(found.unwrap(), i(&[2, 4], &[0, 1, 0, 1, 2, 3, 2, 3]));
        let found = one("Tile", &[&counted(&[2, 2]), &i(&[2], &[0, 2])]).unwrap();
        assert_eq!(found.shape, [0, 4]);
        let found = one("Expand", &[&counted(&[2, 1]), &i(&[1], &[3])]);
        assert_eq!(found.unwrap(), i(&[2, 3], &[0, 0, 0, 1, 1, 1]));
    }

    #[test]
    fn padding_of_each_mode() {
        let x = counted(&[4]);
        let pads = i(&[2], &[2, 3]);
        let pad = |mode: &str| {
            let mode = attributes([("mode", Attribute::String(mode.to_owned()))]);
            one_with("Pad", mode, &[&x, &pads])
                .unwrap()
                .to_i64()
                .unwrap()
        };
        assert_eq!(pad("constant"), [0, 0, 0, 1, 2, 3, 0, 0, 0]);
        assert_eq!(pad("reflect"), [2, 1, 0, 1, 2, 3, 2, 1, 0]);
        assert_eq!(pad("edge"), [0, 0, 0, 1, 2, 3, 3, 3, 3]);
        assert_eq!(pad("wrap"), [2, 3, 0, 1, 2, 3, 0, 1, 2]);
        let found = one(
            "Pad",
            &[&counted(&[2, 3]), &i(&[4], &[0, -1, 1, 1]), &i(&[], &[7])],
        );
        assert_eq!(found.unwrap(), i(&[3, 3], &[1, 2, 7, 4, 5, 7, 7, 7, 7]));
        let found = one("Pad", &[&f(&[1], &[1.0]), &i(&[2], &[0, 1])]);
        assert_eq!(found.unwrap(), f(&[2], &[1.0, 0.0]));
    }

    #[test]
    fn triangles() {
        let x = i(&[2, 3], &[1; 6]);
        let trilu = |k: i64, upper: i64| {
            one_with("Trilu", named([("upper", upper)]), &[&x, &i(&[], &[k])])
                .unwrap()
                .to_i64()
                .unwrap()
        };
        assert_eq!(trilu(0, 1), [1, 1, 1, 0, 1, 1]);
        assert_eq!(trilu(1, 1), [0, 1, 1, 0, 0, 1]);
        assert_eq!(trilu(0, 0), [1, 0, 0, 1, 1, 0]);
        assert_eq!(trilu(-1, 0), [0, 0, 0, 1, 0, 0]);
        assert_eq!(trilu(i64::MAX, 1), [0; 6]);
        assert_eq!(trilu(i64::MIN, 1), [1; 6]);
        assert_eq!(trilu(i64::MAX, 0), [1; 6]);
    }

    #[test]
    fn endless_shapes_without_elements_are_left_alone() {
        let endless = i(&[1 << 60, 0], &[]);
        let index = i(&[0], &[]);
        let axis = || named([("axis", 1)]);
        let inputs = [Some(&endless), Some(&index)];
        let found = super::super::evaluate("Gather", 20, &axis(), &inputs, 1);
        assert_eq!(found, Ok(None));
        let (empty, pads) = (i(&[0, 1], &[]), i(&[4], &[0, 0, 0, 1 << 60]));
        let inputs = [Some(&empty), Some(&pads)];
        let found = super::super::evaluate("Pad", 20, &Attributes::default(), &inputs, 1);
        assert_eq!(found, Ok(None));
        let parts = named([("num_outputs", 1 << 60)]);
        assert!(run("Split", parts, &[&i(&[0], &[])], 2).is_err());
    }

    #[test]
    fn a_result_past_the_limit_is_not_computed() {
        let found = super::super::evaluate(
            "Expand",
            20,
            &Attributes::default(),
            &[Some(&counted(&[1])), Some(&i(&[2], &[1 << 40, 1 << 40]))],
            1,
        );
        assert_eq!(found, Ok(None));
    }

    proptest! {
        /// Against Python's own definition of a slice, index by index.
        #[test]
        fn a_slice_is_pythons(
            size in 0usize..7,
            start in -9i64..9,
            end in -9i64..9,
            step in prop_oneof![-4i64..0, 1i64..4],
        ) {
            let n = size as i64;
            let fix = |x: i64| if x < 0 { x + n } else { x };
            let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
            let (mut at, stop) = (fix(start).clamp(low, high), fix(end).clamp(low, high));
            let mut wanted = Vec::new();
            while if step > 0 { at < stop } else { at > stop } {
                wanted.extend([2 * at, 2 * at + 1]);
                at += step;
            }
            let found = one("Slice", &[
                &counted(&[size, 2]), &i(&[1], &[start]), &i(&[1], &[end]), &i(&[1], &[0]), &i(&[1], &[step]),
            ]).unwrap();
            prop_assert_eq!(found.to_i64().unwrap(), wanted);
        }

        #[test]
        fn a_transpose_is_a_relabelling(
            shape in prop::collection::vec(1usize..4, 4),
            perm in Just(vec![0i64, 1, 2, 3]).prop_shuffle(),
        ) {
            let x = counted(&shape);
            let attribute = attributes([("perm", Attribute::Ints(perm.clone()))]);
            let found = one_with("Transpose", attribute, &[&x]).unwrap();
            let own = strides(&shape);
            for (place, value) in found.to_i64().unwrap().into_iter().enumerate() {
                let from: usize = strides(&found.shape).iter().zip(&found.shape).zip(&perm)
                    .map(|((&s, &d), &axis)| place / s % d * own[axis as usize])
                    .sum();
                prop_assert_eq!(value, from as i64);
            }
        }
    }
}
