//! What the arguments of shape operators mean: pure arithmetic on sizes.
//!
//! The evaluator moves elements by it and the inference rules read shapes off it, so the two cannot
//! disagree. Every list may come from a model file: nothing here trusts a length or a value.

use std::collections::BTreeMap;

use super::{axis_mask, broadcast_shape, normalize_axis};
use crate::host::element_count;

/// Number of elements, or a sentence.
pub(crate) fn count(shape: &[usize]) -> Result<usize, String> {
    element_count(shape)
        .ok_or_else(|| format!("shape {shape:?} has more elements than can be counted"))
}

/// Sizes as given in a tensor or an attribute.
pub(crate) fn sizes(list: &[i64], name: &str) -> Result<Vec<usize>, String> {
    list.iter()
        .map(|&d| usize::try_from(d).map_err(|_| format!("`{name}` {list:?} has a negative size")))
        .collect()
}

/// `Shape`: the sizes of the axes `start..end`.
pub(crate) fn axes_between(shape: &[usize], start: i64, end: Option<i64>) -> Vec<i64> {
    let rank = shape.len() as i64;
    let bound = |x: i64| if x < 0 { x.saturating_add(rank) } else { x }.clamp(0, rank);
    let (start, end) = (bound(start), bound(end.unwrap_or(rank)));
    shape
        .iter()
        .map(|&d| d as i64)
        .take(usize::try_from(end).unwrap_or(0))
        .skip(usize::try_from(start).unwrap_or(0))
        .collect()
}

/// `Reshape`: 0 copies the size of that axis (unless `allow_zero`), one -1 takes what is left.
pub(crate) fn reshape(
    shape: &[usize],
    target: &[i64],
    allow_zero: bool,
) -> Result<Vec<usize>, String> {
    let mut out = Vec::with_capacity(target.len());
    let mut open = None;
    for (k, &size) in target.iter().enumerate() {
        match size {
            -1 if open.is_none() => {
                open = Some(k);
                out.push(1);
            }
            -1 => return Err(format!("target shape {target:?} has more than one -1")),
            0 if !allow_zero => out.push(*shape.get(k).ok_or_else(|| {
                format!("target shape {target:?} copies axis {k}, which {shape:?} does not have")
            })?),
            size => out
                .push(usize::try_from(size).map_err(|_| {
                    format!("target shape {target:?} has the negative size {size}")
                })?),
        }
    }
    let have = count(shape)?;
    let want = count(&out)?;
    match open {
        Some(k) if want != 0 && have % want == 0 => out[k] = have / want,
        None if have == want => {}
        _ => {
            return Err(format!(
                "cannot reshape {shape:?} ({have} elements) to {target:?}"
            ));
        }
    }
    Ok(out)
}

/// `Flatten`: the axes before `axis` as one, the others as one. `axis` may be the rank itself.
pub(crate) fn flatten(shape: &[usize], axis: i64) -> Result<Vec<usize>, String> {
    let axis = if i64::try_from(shape.len()) == Ok(axis) {
        shape.len()
    } else {
        normalize_axis(axis, shape.len())?
    };
    Ok(vec![count(&shape[..axis])?, count(&shape[axis..])?])
}

/// `Squeeze`: drops the named axes of size 1, or all of them.
pub(crate) fn squeeze(shape: &[usize], axes: Option<&[i64]>) -> Result<Vec<usize>, String> {
    let Some(axes) = axes else {
        return Ok(shape.iter().copied().filter(|&d| d != 1).collect());
    };
    let mask = axis_mask(axes, shape.len())?;
    let mut out = Vec::with_capacity(shape.len());
    for (&size, dropped) in shape.iter().zip(mask) {
        if !dropped {
            out.push(size);
        } else if size != 1 {
            return Err(format!(
                "cannot drop axes {axes:?} of {shape:?}: one of them has size {size}, not 1"
            ));
        }
    }
    Ok(out)
}

/// `Unsqueeze`: new axes of size 1 at these places of the result.
pub(crate) fn unsqueeze(shape: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let mut old = shape.iter();
    Ok(axis_mask(axes, shape.len() + axes.len())?
        .into_iter()
        .map(|new| {
            if new {
                1
            } else {
                old.next().copied().unwrap_or(1)
            }
        })
        .collect())
}

/// `Transpose`: which axis of the input each axis of the result is.
pub(crate) fn permutation(rank: usize, perm: Option<&[i64]>) -> Result<Vec<usize>, String> {
    let Some(perm) = perm else {
        return Ok((0..rank).rev().collect());
    };
    if perm.len() != rank {
        return Err(format!(
            "perm {perm:?} does not fit a tensor of {rank} axes"
        ));
    }
    axis_mask(perm, rank)?;
    perm.iter()
        .map(|&axis| normalize_axis(axis, rank))
        .collect()
}

/// What `Slice` takes along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// First element.
    pub(crate) start: usize,
    /// Distance between elements, negative when going backwards.
    pub(crate) step: i64,
    /// Number of elements.
    pub(crate) length: usize,
}

/// `Slice`: a window per axis of the input.
pub(crate) fn slice(
    shape: &[usize],
    starts: &[i64],
    ends: &[i64],
    axes: Option<&[i64]>,
    steps: Option<&[i64]>,
) -> Result<Vec<Cut>, String> {
    let mut windows: Vec<Cut> = shape
        .iter()
        .map(|&length| Cut {
            start: 0,
            step: 1,
            length,
        })
        .collect();
    let every: Vec<i64> = (0i64..).take(starts.len()).collect();
    let axes = axes.unwrap_or(&every);
    let ones = vec![1; starts.len()];
    let steps = steps.unwrap_or(&ones);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(format!(
            "starts {starts:?}, ends {ends:?}, axes {axes:?} and steps {steps:?} differ in length"
        ));
    }
    axis_mask(axes, shape.len())?;
    for (k, &axis) in axes.iter().enumerate() {
        let axis = normalize_axis(axis, shape.len())?;
        windows[axis] = window(shape[axis], starts[k], ends[k], steps[k])?;
    }
    Ok(windows)
}

fn window(size: usize, start: i64, end: i64, step: i64) -> Result<Cut, String> {
    if step == 0 {
        return Err("a step of 0 never ends".to_owned());
    }
    let n = size as i128;
    let from_front = |x: i64| i128::from(x) + if x < 0 { n } else { 0 };
    let (start, distance) = if step > 0 {
        let start = from_front(start).clamp(0, n);
        let end = from_front(end).clamp(0, n);
        (start, end - start)
    } else {
        let start = from_front(start).clamp(-1, n - 1);
        let end = from_front(end).clamp(-1, n - 1);
        (start, start - end)
    };
    let stride = i128::from(step.unsigned_abs());
    let length = if distance > 0 {
        (distance + stride - 1) / stride
    } else {
        0
    };
    Ok(Cut {
        start: usize::try_from(start).unwrap_or(0),
        step,
        // Not more than `size`, so it fits.
        length: usize::try_from(length).unwrap_or(0),
    })
}

/// `Split`: the sizes of the parts. Without sizes the axis is cut into `parts` equal ones; from
/// opset 18 on (`uneven`) the last may be smaller.
pub(crate) fn split(
    size: usize,
    lengths: Option<&[i64]>,
    parts: usize,
    uneven: bool,
) -> Result<Vec<usize>, String> {
    if let Some(lengths) = lengths {
        let lengths = sizes(lengths, "split")?;
        let sum = lengths.iter().try_fold(0usize, |n, &d| n.checked_add(d));
        if sum != Some(size) {
            return Err(format!("cannot split an axis of {size} into {lengths:?}"));
        }
        return Ok(lengths);
    }
    let error = || format!("cannot split an axis of {size} into {parts} parts");
    if parts == 0 || (!uneven && !size.is_multiple_of(parts)) {
        return Err(error());
    }
    let length = size.div_ceil(parts);
    let mut left = size;
    (0..parts)
        .map(|k| {
            let part = if k + 1 == parts { left } else { length };
            left = left.checked_sub(part).ok_or_else(error)?;
            Ok(part)
        })
        .collect()
}

/// `Concat`: the shape of the joined tensors.
pub(crate) fn concat(shapes: &[&[usize]], axis: i64) -> Result<(usize, Vec<usize>), String> {
    let first = *shapes.first().ok_or("has no inputs")?;
    let axis = normalize_axis(axis, first.len())?;
    let mut out = first.to_vec();
    for shape in &shapes[1..] {
        let fits = shape.len() == first.len()
            && (0..first.len()).all(|k| k == axis || shape[k] == first[k]);
        if !fits {
            return Err(format!(
                "cannot join {first:?} and {shape:?} along axis {axis}: the other axes differ"
            ));
        }
        out[axis] = out[axis]
            .checked_add(shape[axis])
            .ok_or("the joined axis is too long to count")?;
    }
    Ok((axis, out))
}

/// `Tile`: each axis repeated.
pub(crate) fn tile(shape: &[usize], repeats: &[i64]) -> Result<Vec<usize>, String> {
    if shape.len() != repeats.len() {
        return Err(format!("repeats {repeats:?} do not fit shape {shape:?}"));
    }
    shape
        .iter()
        .zip(sizes(repeats, "repeats")?)
        .map(|(&size, n)| {
            size.checked_mul(n)
                .ok_or_else(|| format!("repeats {repeats:?} of {shape:?} are too many to count"))
        })
        .collect()
}

/// What `Pad` adds.
pub(crate) struct Padding {
    /// Before and after each axis; negative amounts cut off.
    pub(crate) amounts: Vec<(i64, i64)>,
    /// The sizes that result.
    pub(crate) shape: Vec<usize>,
}

/// `Pad`: the list has all that goes before the axes, then all that goes after them.
pub(crate) fn pads(shape: &[usize], pads: &[i64], axes: Option<&[i64]>) -> Result<Padding, String> {
    let every: Vec<i64> = (0i64..).take(shape.len()).collect();
    let axes = axes.unwrap_or(&every);
    if pads.len() != 2 * axes.len() {
        return Err(format!(
            "pads {pads:?} want {} numbers for shape {shape:?}",
            2 * axes.len()
        ));
    }
    axis_mask(axes, shape.len())?;
    let mut amounts = vec![(0, 0); shape.len()];
    for (k, &axis) in axes.iter().enumerate() {
        amounts[normalize_axis(axis, shape.len())?] = (pads[k], pads[k + axes.len()]);
    }
    let padded = shape
        .iter()
        .zip(&amounts)
        .map(|(&size, &(before, after))| {
            usize::try_from(size as i128 + i128::from(before) + i128::from(after))
                .map_err(|_| format!("pads {pads:?} cut off more than {shape:?} has"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Padding {
        amounts,
        shape: padded,
    })
}

/// Reductions: which axes go, and the shape that is left.
pub(crate) fn reduce(
    shape: &[usize],
    axes: Option<&[i64]>,
    keep: bool,
    empty_means_none: bool,
) -> Result<(Vec<bool>, Vec<usize>), String> {
    let mask = match axes {
        Some(axes) if !axes.is_empty() => axis_mask(axes, shape.len())?,
        _ => vec![!empty_means_none; shape.len()],
    };
    let out = shape
        .iter()
        .zip(&mask)
        .filter(|&(_, &gone)| keep || !gone)
        .map(|(&size, &gone)| if gone { 1 } else { size })
        .collect();
    Ok((mask, out))
}

/// `ArgMax`, `ArgMin`: the shape without the axis, or with it as 1.
pub(crate) fn arg(shape: &[usize], axis: i64, keep: bool) -> Result<(usize, Vec<usize>), String> {
    let axis = normalize_axis(axis, shape.len())?;
    let (_, out) = reduce(shape, Some(&[axis as i64]), keep, false)?;
    Ok((axis, out))
}

/// `Gather`: the axis replaced by the axes of the indices.
pub(crate) fn gather(
    data: &[usize],
    indices: &[usize],
    axis: i64,
) -> Result<(usize, Vec<usize>), String> {
    let axis = normalize_axis(axis, data.len())?;
    let out = [&data[..axis], indices, &data[axis + 1..]].concat();
    Ok((axis, out))
}

/// `GatherElements` and `ScatterElements`: whether the indices fit the data.
pub(crate) fn elements_axis(data: &[usize], indices: &[usize], axis: i64) -> Result<usize, String> {
    let axis = normalize_axis(axis, data.len())?;
    let fits =
        data.len() == indices.len() && (0..data.len()).all(|k| k == axis || indices[k] <= data[k]);
    if fits {
        Ok(axis)
    } else {
        Err(format!(
            "indices {indices:?} do not fit data {data:?} along axis {axis}"
        ))
    }
}

/// `GatherND`: the number of axes that one index tuple fixes, and the shape of the result.
pub(crate) fn gather_nd(
    data: &[usize],
    indices: &[usize],
    batch: usize,
) -> Result<(usize, usize, Vec<usize>), String> {
    let wrong = || format!("indices {indices:?} with batch_dims {batch} do not fit data {data:?}");
    let (&depth, outer) = indices.split_last().ok_or_else(wrong)?;
    let rest = batch.checked_add(depth).filter(|&r| r <= data.len());
    let (Some(rest), true) = (rest, batch <= outer.len() && depth > 0) else {
        return Err(wrong());
    };
    if data[..batch] != outer[..batch] {
        return Err(wrong());
    }
    Ok((batch, depth, [outer, &data[rest..]].concat()))
}

/// `ScatterND`: the number of axes that one index tuple fixes.
pub(crate) fn scatter_nd(
    data: &[usize],
    indices: &[usize],
    updates: &[usize],
) -> Result<usize, String> {
    let fits = indices.split_last().and_then(|(&depth, outer)| {
        let tail = data.get(depth..)?;
        (updates.len() == outer.len() + tail.len()
            && updates.starts_with(outer)
            && updates.ends_with(tail))
        .then_some(depth)
    });
    fits.ok_or_else(|| {
        format!("updates {updates:?} do not fit data {data:?} at indices {indices:?}")
    })
}

/// `OneHot`: the place and shape of the new axis.
pub(crate) fn one_hot(
    indices: &[usize],
    depth: usize,
    axis: i64,
) -> Result<(usize, Vec<usize>), String> {
    let axis = normalize_axis(axis, indices.len() + 1)?;
    let mut out = indices.to_vec();
    out.insert(axis, depth);
    Ok((axis, out))
}

/// `MatMul`: `numpy.matmul`. Gives the result's shape; a vector counts as a row on the left and as a
/// column on the right, and that axis is left out of the result.
pub(crate) fn matmul(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let ([.., inner_a], true) = (a, !b.is_empty()) else {
        return Err(format!(
            "cannot multiply {a:?} and {b:?}: a scalar is no matrix"
        ));
    };
    let inner_b = b[b.len().saturating_sub(2)];
    if *inner_a != inner_b {
        return Err(format!(
            "cannot multiply {a:?} and {b:?}: the inner sizes {inner_a} and {inner_b} differ"
        ));
    }
    let batch = |s: &[usize]| s[..s.len().saturating_sub(2)].to_vec();
    let mut out = broadcast_shape(&batch(a), &batch(b)).ok_or_else(|| {
        format!("cannot multiply {a:?} and {b:?}: the leading axes do not broadcast")
    })?;
    if let [.., rows, _] = a {
        out.push(*rows);
    }
    if let [.., _, columns] = b {
        out.push(*columns);
    }
    Ok(out)
}

/// One axis of an `Einsum` operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Label {
    /// The k-th axis that `...` stands for, counted from the last.
    Ellipsis(usize),
    /// A letter.
    Letter(char),
}

/// An `Einsum` equation with the sizes of its operands put in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Equation {
    /// The labels of each operand's axes.
    pub(crate) inputs: Vec<Vec<Label>>,
    /// The labels of the result's axes.
    pub(crate) output: Vec<Label>,
    /// The size of each label.
    pub(crate) sizes: BTreeMap<Label, usize>,
}

impl Equation {
    /// Parses an equation for operands of these shapes.
    pub(crate) fn parse(equation: &str, shapes: &[&[usize]]) -> Result<Self, String> {
        let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text.as_str(), None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != shapes.len() {
            return Err(format!(
                "equation `{equation}` has {} terms for {} inputs",
                terms.len(),
                shapes.len()
            ));
        }
        let mut inputs = Vec::with_capacity(terms.len());
        let mut sizes = BTreeMap::new();
        let mut widest = 0;
        for (term, shape) in terms.iter().zip(shapes) {
            let letters = term.chars().filter(|c| *c != '.').count();
            let hidden = shape.len().checked_sub(letters);
            let labels = hidden
                .and_then(|hidden| labels(term, hidden))
                .filter(|labels| labels.len() == shape.len())
                .ok_or_else(|| {
                    format!("term `{term}` of equation `{equation}` does not fit shape {shape:?}")
                })?;
            for (&label, &size) in labels.iter().zip(*shape) {
                if let Label::Ellipsis(k) = label {
                    widest = widest.max(k + 1);
                }
                let known = sizes.entry(label).or_insert(size);
                if *known == 1 {
                    *known = size;
                } else if size != 1 && size != *known {
                    return Err(format!(
                        "equation `{equation}` gives one axis the sizes {known} and {size} in {shapes:?}"
                    ));
                }
            }
            inputs.push(labels);
        }
        let output = match right {
            Some(right) => labels(right, widest)
                .ok_or_else(|| format!("cannot read the result of equation `{equation}`"))?,
            None => {
                let mut output: Vec<Label> = (0..widest).rev().map(Label::Ellipsis).collect();
                // Letters are already in order in the map.
                output.extend(sizes.keys().copied().filter(|label| {
                    matches!(label, Label::Letter(_))
                        && inputs.iter().flatten().filter(|l| *l == label).count() == 1
                }));
                output
            }
        };
        if let Some(Label::Letter(letter)) = output.iter().find(|l| !sizes.contains_key(l)) {
            return Err(format!(
                "equation `{equation}` puts out `{letter}`, which no input has"
            ));
        }
        Ok(Self {
            inputs,
            output,
            sizes,
        })
    }

    /// The size of each axis of the result.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.output
            .iter()
            .map(|label| self.sizes.get(label).copied().unwrap_or(1))
            .collect()
    }
}

/// The labels of one term, `hidden` of them behind `...`.
fn labels(term: &str, hidden: usize) -> Option<Vec<Label>> {
    let letters = |part: &str| -> Option<Vec<Label>> {
        part.chars()
            .map(|c| c.is_ascii_alphabetic().then_some(Label::Letter(c)))
            .collect()
    };
    match term.split_once("...") {
        None => letters(term),
        Some((before, after)) => {
            let mut all = letters(before)?;
            all.extend((0..hidden).rev().map(Label::Ellipsis));
            all.extend(letters(after)?);
            Some(all)
        }
    }
}
