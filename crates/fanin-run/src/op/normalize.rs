//! Normalizations.

use super::{Answer, Call, Mode, Operator, axes, one};
use crate::array::array;
use crate::kernel::elementwise::{add, affine, multiply, unary};
use crate::kernel::geometry::Window;
use crate::kernel::normalize::{batch_norm, channel_moments};
use crate::kernel::pool::sum_pool;
use crate::kernel::rows::{gather_axes, standardize};
use crate::kernel::shape::{permute, reshape};
use crate::tape::Var;
use crate::value::Item;

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "BatchNormalization" => batch_normalization,
        "InstanceNormalization" => instance_normalization,
        "GroupNormalization" => group_normalization,
        "LayerNormalization" => layer_normalization,
        "RMSNormalization" | "SimplifiedLayerNormalization" => rms_normalization,
        "MeanVarianceNormalization" => mean_variance_normalization,
        "LRN" => local_response_normalization,
        _ => return None,
    })
}

/// Normalizations of the `com.microsoft` domain.
pub(super) fn microsoft(op: &str) -> Option<Operator> {
    Some(match op {
        "SkipLayerNormalization" => |call| skip_normalization(call, true),
        "SkipSimplifiedLayerNormalization" => |call| skip_normalization(call, false),
        "SimplifiedLayerNormalization" => rms_normalization,
        _ => return None,
    })
}

fn batch_normalization(call: &Call<'_>) -> Answer {
    let (x, scale, shift) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let shape = x.dims();
    let channels = *shape.get(1).ok_or("at least two axes are needed")?;
    for (k, v) in [(1, &scale), (2, &shift)] {
        if v.dims() != [channels] {
            return Err(format!("input {k} must have shape [{channels}]"));
        }
    }
    let epsilon = call.attributes().float("epsilon", 1e-5);
    let stored = call.attributes().int("training_mode", 0) == 0 && call.mode == Mode::AsWritten;
    if stored {
        let (mean, variance) = (call.var(3)?, call.var(4)?);
        let mut wide = vec![1; shape.len()];
        wide[1] = channels;
        let inverse = unary(&variance, move |v| 1.0 / (v + epsilon).sqrt(), |_| 0.0);
        let factor = multiply(&scale, &inverse)?;
        let offset = add(&shift, &affine(&multiply(&mean, &factor)?, -1.0, 0.0))?;
        let y = multiply(&x, &reshape(&factor, &wide))?;
        return one(add(&y, &reshape(&offset, &wide))?);
    }
    if shape.contains(&0) {
        return Err("there is nothing to take statistics of".to_owned());
    }
    let y = batch_norm(&x, &scale, &shift, epsilon);
    let mut outputs = vec![Item::Float(y)];
    if call.outputs() > 1 {
        // The statistics as training would store them; no gradient goes through.
        let momentum = call.attributes().float("momentum", 0.9);
        let data = crate::array::Dense::new(x.array());
        let moments = channel_moments(&data, shape[0], channels, shape[2..].iter().product());
        let blend = |k: usize, now: Vec<f32>| -> Result<Item, String> {
            let old = call.var(k)?;
            let now = Var::constant(array(&[channels], now));
            let new = add(
                &affine(&old, momentum, 0.0),
                &affine(&now, 1.0 - momentum, 0.0),
            )?;
            Ok(Item::Float(Var::constant(new.array().clone())))
        };
        outputs.push(blend(3, moments.iter().map(|m| m.0 as f32).collect())?);
        outputs.push(blend(4, moments.iter().map(|m| m.1 as f32).collect())?);
    }
    Ok(outputs)
}

/// `[batch, channels, space...]` standardized over the elements of each of `groups` per sample.
fn by_groups(x: &Var, groups: usize, epsilon: f32) -> Result<Var, String> {
    let shape = x.dims();
    let (n, c) = match shape[..] {
        [n, c, ..] => (n, c),
        _ => return Err("at least two axes are needed".to_owned()),
    };
    if groups == 0 || !c.is_multiple_of(groups) {
        return Err(format!("{c} channels do not divide into {groups} groups"));
    }
    let width = x.len() / (n * groups).max(1);
    let rows = standardize(&reshape(x, &[n * groups, width]), epsilon, true);
    Ok(reshape(&rows, &shape))
}

/// `y * scale + shift` per channel of axis 1.
fn per_channel(y: &Var, scale: &Var, shift: &Var) -> Answer {
    let mut wide = vec![1; y.dims().len()];
    wide[1] = y.dims()[1];
    for v in [scale, shift] {
        if v.len() != wide[1] {
            return Err(format!("scale and shift must have {} elements", wide[1]));
        }
    }
    one(add(
        &multiply(y, &reshape(scale, &wide))?,
        &reshape(shift, &wide),
    )?)
}

fn instance_normalization(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let channels = *x.dims().get(1).ok_or("at least two axes are needed")?;
    let y = by_groups(&x, channels, call.attributes().float("epsilon", 1e-5))?;
    per_channel(&y, &call.var(1)?, &call.var(2)?)
}

fn group_normalization(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let groups = usize::try_from(call.attributes().int("num_groups", 1)).unwrap_or(0);
    let y = by_groups(&x, groups, call.attributes().float("epsilon", 1e-5))?;
    let (scale, shift) = (call.var(1)?, call.var(2)?);
    let channels = y.dims()[1];
    if scale.len() == groups && groups != channels {
        // Operator set 18 states scale and shift per group; 21 mends that to per channel.
        let each = |v: &Var| {
            let spread = crate::kernel::shape::broadcast(
                &reshape(v, &[groups, 1]),
                &[groups, channels / groups],
            );
            reshape(&spread, &[channels])
        };
        return per_channel(&y, &each(&scale), &each(&shift));
    }
    per_channel(&y, &scale, &shift)
}

/// The axes from `at` on merged into rows.
fn rows_from(x: &Var, at: usize) -> Var {
    let shape = x.dims();
    reshape(
        x,
        &[shape[..at].iter().product(), shape[at..].iter().product()],
    )
}

fn layer_normalization(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let at = call.axis("axis", -1, shape.len())?;
    let epsilon = call.attributes().float("epsilon", 1e-5);
    let mut y = reshape(&standardize(&rows_from(&x, at), epsilon, true), &shape);
    if let Some(scale) = call.optional(1)? {
        y = multiply(&y, &scale)?;
    }
    if let Some(shift) = call.optional(2)? {
        y = add(&y, &shift)?;
    }
    if y.dims() != shape {
        return Err("scale and shift do not broadcast to the input's shape".to_owned());
    }
    let mut outputs = vec![Item::Float(y)];
    if call.outputs() > 1 {
        let rows = rows_from(&x, at);
        let width = rows.dims()[1];
        let data = crate::array::Dense::new(rows.array());
        let moments = |f: fn((f32, f32)) -> f32| {
            let all = crate::kernel::rows::map_rows(&data, width, 1, |x, y| {
                y[0] = f(crate::kernel::rows::row_moments(x, epsilon, true));
            });
            let mut kept = shape.clone();
            kept[at..].fill(1);
            Item::Float(Var::constant(array(&kept, all)))
        };
        outputs.push(moments(|m| m.0));
        outputs.push(moments(|m| m.1));
    }
    Ok(outputs)
}

fn rms_normalization(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let at = call.axis("axis", -1, shape.len())?;
    let rows = standardize(
        &rows_from(&x, at),
        call.attributes().float("epsilon", 1e-5),
        false,
    );
    let y = multiply(&reshape(&rows, &shape), &call.var(1)?)?;
    if y.dims() != shape {
        return Err("the scale does not broadcast to the input's shape".to_owned());
    }
    one(y)
}

fn skip_normalization(call: &Call<'_>, center: bool) -> Answer {
    let mut x = add(&call.var(0)?, &call.var(1)?)?;
    let shift = if center { call.optional(3)? } else { None };
    if let Some(bias) = call.optional(if center { 4 } else { 3 })? {
        x = add(&x, &bias)?;
    }
    let shape = x.dims();
    let at = shape
        .len()
        .checked_sub(1)
        .ok_or("at least one axis is needed")?;
    let rows = standardize(
        &rows_from(&x, at),
        call.attributes().float("epsilon", 1e-12),
        center,
    );
    let mut y = multiply(&reshape(&rows, &shape), &call.var(2)?)?;
    if let Some(shift) = shift {
        y = add(&y, &shift)?;
    }
    let mut outputs = vec![Item::Float(y)];
    if call.outputs() > 3 {
        let unused = || Item::Float(crate::kernel::shape::zeros(&[1]));
        outputs.extend([unused(), unused(), Item::Float(x)]);
    }
    Ok(outputs)
}

fn mean_variance_normalization(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let list = call
        .attributes()
        .ints("axes")
        .map_or_else(|| vec![0, 2, 3], <[i64]>::to_vec);
    let marked = axes(&list, shape.len())?;
    let kept = (0..shape.len()).filter(|&k| !marked[k]);
    let order: Vec<usize> = kept
        .chain((0..shape.len()).filter(|&k| marked[k]))
        .collect();
    let mut inverse = vec![0; order.len()];
    for (to, &from) in order.iter().enumerate() {
        inverse[from] = to;
    }
    let moved: Vec<usize> = order.iter().map(|&k| shape[k]).collect();
    // The standard divides by the deviation plus 1e-9; under the root that is far below f32.
    let rows = standardize(&gather_axes(&x, &marked), 1e-18, true);
    one(permute(&reshape(&rows, &moved), &inverse))
}

fn local_response_normalization(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    let size = usize::try_from(call.attributes().int("size", 0)).unwrap_or(0);
    let [n, c, ref space @ ..] = shape[..] else {
        return Err("at least two axes are needed".to_owned());
    };
    if size == 0 {
        return Err("the attribute `size` is missing".to_owned());
    }
    let alpha = call.attributes().float("alpha", 1e-4);
    let beta = call.attributes().float("beta", 0.75);
    let bias = call.attributes().float("bias", 1.0);
    let s: usize = space.iter().product();
    // A sum over neighbouring channels is a window sliding along the channel axis.
    let square = unary(&reshape(&x, &[n, 1, c, s]), |x| x * x, |x| 2.0 * x);
    let window = Window {
        input: [1, c, s],
        output: [1, c, s],
        kernel: [1, size, 1],
        stride: [1; 3],
        dilation: [1; 3],
        pad: [0, (size - 1) / 2, 0],
    };
    let sum = sum_pool(&square, &window, &[c, s], vec![1.0; c * s]);
    let scale = alpha / size as f32;
    let power = unary(
        &sum,
        move |v| (bias + scale * v).powf(-beta),
        move |v| -beta * scale * (bias + scale * v).powf(-beta - 1.0),
    );
    one(multiply(&x, &reshape(&power, &shape))?)
}
