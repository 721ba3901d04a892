//! Convolution and transposed convolution.

use super::{Answer, Call, Operator, one, sizes};
use crate::array::{count, dims, reshaped};
use crate::kernel::convolution::Convolution;
use crate::kernel::elementwise::add;
use crate::kernel::geometry::Spatial;
use crate::kernel::shape::reshape;
use crate::tape::{Var, record};

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "Conv" => convolve,
        "ConvTranspose" => convolve_transposed,
        _ => return None,
    })
}

/// A list with one number per spatial axis.
pub(super) fn per_axis(
    call: &Call<'_>,
    name: &str,
    rank: usize,
    default: usize,
) -> Result<Vec<usize>, String> {
    let list = match call.attributes().ints(name) {
        Some(list) => sizes(list, name)?,
        None => vec![default; rank],
    };
    if list.len() != rank || (default > 0 && list.contains(&0)) {
        return Err(format!(
            "{name} {list:?} must have {rank} numbers of at least 1"
        ));
    }
    Ok(list)
}

/// How the borders are padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AutoPad {
    /// As the attribute `pads` says.
    Stated,
    /// Not at all.
    Valid,
    /// To the input's size over the stride, the odd element after.
    SameUpper,
    /// The same with the odd element before.
    SameLower,
}

pub(super) fn auto_pad(call: &Call<'_>) -> Result<AutoPad, String> {
    Ok(match call.attributes().str("auto_pad", "NOTSET") {
        "NOTSET" | "" => AutoPad::Stated,
        "VALID" => AutoPad::Valid,
        "SAME_UPPER" => AutoPad::SameUpper,
        "SAME_LOWER" => AutoPad::SameLower,
        other => return Err(format!("auto_pad `{other}` is not known")),
    })
}

/// Padding before and after each spatial axis as stated.
pub(super) fn stated_pads(call: &Call<'_>, rank: usize) -> Result<Vec<(usize, usize)>, String> {
    let list = match call.attributes().ints("pads") {
        Some(list) => sizes(list, "pads")?,
        None => vec![0; 2 * rank],
    };
    if list.len() != 2 * rank {
        return Err(format!("pads {list:?} must have {} numbers", 2 * rank));
    }
    Ok((0..rank).map(|k| (list[k], list[k + rank])).collect())
}

/// Splits an amount of padding into before and after.
pub(super) fn halves(total: usize, auto: AutoPad) -> (usize, usize) {
    match auto {
        AutoPad::SameLower => (total - total / 2, total / 2),
        _ => (total / 2, total - total / 2),
    }
}

/// Padding for a sliding window over an input of the given size.
pub(super) fn pads(
    call: &Call<'_>,
    input: &[usize],
    kernel: &[usize],
    stride: &[usize],
    dilation: &[usize],
) -> Result<Vec<(usize, usize)>, String> {
    let auto = auto_pad(call)?;
    Ok(match auto {
        AutoPad::Stated => stated_pads(call, input.len())?,
        AutoPad::Valid => vec![(0, 0); input.len()],
        AutoPad::SameUpper | AutoPad::SameLower => (0..input.len())
            .map(|k| {
                let output = input[k].div_ceil(stride[k]);
                let span = (output.max(1) - 1) * stride[k] + (kernel[k] - 1) * dilation[k] + 1;
                halves(span.saturating_sub(input[k]), auto)
            })
            .collect(),
    })
}

/// The size of the output along each axis; an error where the window does not fit.
pub(super) fn output_size(
    input: &[usize],
    spatial: &Spatial,
    ceil: bool,
) -> Result<Vec<usize>, String> {
    (0..input.len())
        .map(|k| {
            let (before, after) = spatial.pads[k];
            let window = (spatial.kernel[k] - 1)
                .checked_mul(spatial.dilation[k])
                .and_then(|w| w.checked_add(1))
                .ok_or("the window is too large")?;
            let padded = input[k]
                .checked_add(before)
                .and_then(|n| n.checked_add(after))
                .ok_or("the padding is too large")?;
            let room = padded.checked_sub(window).ok_or_else(|| {
                format!("a window of {window} does not fit into axis {k} of size {} with padding {before} and {after}", input[k])
            })?;
            let stride = spatial.stride[k];
            let mut n = if ceil { room.div_ceil(stride) + 1 } else { room / stride + 1 };
            // A window must start inside the input or the padding before it.
            if ceil && (n - 1) * stride >= input[k] + before {
                n -= 1;
            }
            Ok(n)
        })
        .collect()
}

fn with_bias(call: &Call<'_>, y: Var, features: usize) -> Answer {
    let Some(bias) = call.optional(2)? else {
        return one(y);
    };
    if bias.dims() != [features] {
        return Err(format!("the bias must have shape [{features}]"));
    }
    let mut wide = vec![1; y.dims().len()];
    wide[1] = features;
    one(add(&y, &reshape(&bias, &wide))?)
}

/// Shapes of input and weights that convolutions share: spatial rank, groups.
fn ranks(call: &Call<'_>, x: &[usize], w: &[usize]) -> Result<(usize, usize), String> {
    let rank = x.len().checked_sub(2).filter(|r| (1..=3).contains(r) && w.len() == x.len()).ok_or(
        "input and weights must both have a batch (or feature) axis, a channel axis and one to three spatial axes",
    )?;
    let groups = usize::try_from(call.attributes().int("group", 1))
        .ok()
        .filter(|&g| g > 0);
    let groups = groups.ok_or("group must be at least 1")?;
    if let Some(stated) = call.attributes().ints("kernel_shape")
        && sizes(stated, "kernel_shape")? != w[2..]
    {
        return Err(format!(
            "kernel_shape {stated:?} is not that of the weights"
        ));
    }
    if w[2..].contains(&0) {
        return Err("the kernel has no elements".to_owned());
    }
    Ok((rank, groups))
}

fn convolve(call: &Call<'_>) -> Answer {
    let (x, w) = (call.var(0)?, call.var(1)?);
    let (dx, dw) = (x.dims(), w.dims());
    let (rank, groups) = ranks(call, &dx, &dw)?;
    if dx[1] != dw[1] * groups || !dw[0].is_multiple_of(groups) {
        return Err(format!(
            "weights {dw:?} in {groups} groups take {} channels, the input has {}",
            dw[1] * groups,
            dx[1]
        ));
    }
    let stride = per_axis(call, "strides", rank, 1)?;
    let dilation = per_axis(call, "dilations", rank, 1)?;
    let pads = pads(call, &dx[2..], &dw[2..], &stride, &dilation)?;
    let spatial = Spatial {
        kernel: dw[2..].to_vec(),
        stride,
        dilation,
        pads,
    };
    let output = output_size(&dx[2..], &spatial, false)?;
    let shape = [&[dx[0], dw[0]], &output[..]].concat();
    count(&shape)?;
    let plan = Convolution {
        batch: dx[0],
        channels: dx[1],
        features: dw[0],
        groups,
        window: spatial.window(&dx[2..], &output),
    };
    let (kx, kw) = (x.array().clone(), w.array().clone());
    let y = reshaped(&plan.forward(&kx, &kw), &shape);
    let y = record(&[&x, &w], y, move |g, wanted| {
        vec![
            wanted[0].then(|| reshaped(&plan.input_gradient(&kw, &g), &dims(&kx))),
            wanted[1].then(|| reshaped(&plan.weight_gradient(&kx, &g), &dims(&kw))),
        ]
    });
    with_bias(call, y, dw[0])
}

/// The gradient of a convolution, run forward: what was its output is the input here.
fn convolve_transposed(call: &Call<'_>) -> Answer {
    let (x, w) = (call.var(0)?, call.var(1)?);
    let (dx, dw) = (x.dims(), w.dims());
    let (rank, groups) = ranks(call, &dx, &dw)?;
    if dx[1] != dw[0] || !dw[0].is_multiple_of(groups) {
        return Err(format!(
            "weights {dw:?} in {groups} groups take {} channels, the input has {}",
            dw[0], dx[1]
        ));
    }
    let stride = per_axis(call, "strides", rank, 1)?;
    let dilation = per_axis(call, "dilations", rank, 1)?;
    let extra = per_axis(call, "output_padding", rank, 0)?;
    let auto = auto_pad(call)?;
    let features = dw[1] * groups;
    let full: Vec<usize> = (0..rank)
        .map(|k| {
            (dx[2 + k].max(1) - 1)
                .checked_mul(stride[k])
                .and_then(|n| n.checked_add((dw[2 + k] - 1) * dilation[k] + 1 + extra[k]))
                .ok_or_else(|| "the result is too large".to_owned())
        })
        .collect::<Result<_, _>>()?;
    let asked = match call.attributes().ints("output_shape") {
        // Some models state batch and channels too.
        Some(list) => Some(sizes(
            &list[list.len().saturating_sub(rank)..],
            "output_shape",
        )?),
        None if matches!(auto, AutoPad::SameUpper | AutoPad::SameLower) => {
            Some((0..rank).map(|k| dx[2 + k] * stride[k]).collect())
        }
        None => None,
    };
    let (pads, output): (Vec<(usize, usize)>, Vec<usize>) = match asked {
        Some(asked) if asked.len() == rank => {
            // Too much is cut, as padding; too little is left zero at the end.
            let pads = (0..rank)
                .map(|k| halves(full[k].saturating_sub(asked[k]), auto))
                .collect();
            (pads, asked)
        }
        Some(asked) => return Err(format!("output_shape {asked:?} must have {rank} numbers")),
        None => {
            let pads = if auto == AutoPad::Valid {
                vec![(0, 0); rank]
            } else {
                stated_pads(call, rank)?
            };
            let output = (0..rank)
                .map(|k| {
                    full[k]
                        .checked_sub(pads[k].0 + pads[k].1)
                        .filter(|&n| n > 0)
                        .ok_or_else(|| format!("padding {:?} leaves nothing of axis {k}", pads[k]))
                })
                .collect::<Result<_, _>>()?;
            (pads, output)
        }
    };
    let shape = [&[dx[0], features], &output[..]].concat();
    count(&shape)?;
    let spatial = Spatial {
        kernel: dw[2..].to_vec(),
        stride,
        dilation,
        pads,
    };
    let plan = Convolution {
        batch: dx[0],
        channels: features,
        features: dx[1],
        groups,
        window: spatial.window(&output, &dx[2..]),
    };
    let (kx, kw) = (x.array().clone(), w.array().clone());
    let y = reshaped(&plan.input_gradient(&kw, &kx), &shape);
    let y = record(&[&x, &w], y, move |g, wanted| {
        vec![
            wanted[0].then(|| reshaped(&plan.forward(&g, &kw), &dims(&kx))),
            wanted[1].then(|| reshaped(&plan.weight_gradient(&g, &kx), &dims(&kw))),
        ]
    });
    with_bias(call, y, features)
}
