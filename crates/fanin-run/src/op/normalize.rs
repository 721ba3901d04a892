//! Normalizations.

use fanin_network::operator::{LayerNorm, Norm};

use super::{Answer, Call, Mode, axes, axis, one};
use crate::array::array;
use crate::kernel::elementwise::{add, affine, binary, divide, multiply, unary};
use crate::kernel::geometry::Window;
use crate::kernel::normalize::{batch_norm, channel_moments};
use crate::kernel::pool::sum_pool;
use crate::kernel::rows::{along, gather_axes, last_axis, standardize};
use crate::kernel::shape::{permute, reshape};
use crate::tape::Var;
use crate::value::Item;

pub(super) fn norm(norm: &Norm, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    match norm {
        Norm::Batch {
            epsilon,
            momentum,
            training,
        } => {
            let stored = !training && call.mode == Mode::AsWritten;
            batch(*epsilon, *momentum, stored, &x, call)
        }
        Norm::Instance { epsilon } => {
            let channels = *x.dims().get(1).ok_or("at least two axes are needed")?;
            let y = by_groups(&x, channels, *epsilon)?;
            per_channel(&y, &call.var(1)?, &call.var(2)?)
        }
        Norm::Group {
            epsilon, groups, ..
        } => group(*epsilon, *groups, &x, call),
        Norm::Layer(layer) if layer.centered => layer_norm(layer, &x, call),
        Norm::Layer(layer) => rms_norm(layer, &x, call),
        Norm::Skip { epsilon, centered } => skip(*epsilon, *centered, call),
        Norm::MeanVariance { axes } => mean_variance(axes, &x),
        Norm::Lp { axis, p } => lp_normalization(*axis, *p, &x),
        Norm::LocalResponse {
            size,
            alpha,
            beta,
            bias,
        } => local_response(*size, [*alpha, *beta, *bias], &x),
    }
}

fn batch(epsilon: f32, momentum: f32, stored: bool, x: &Var, call: &Call<'_>) -> Answer {
    let (scale, shift) = (call.var(1)?, call.var(2)?);
    let shape = x.dims();
    let channels = *shape.get(1).ok_or("at least two axes are needed")?;
    for (k, v) in [(1, &scale), (2, &shift)] {
        if v.dims() != [channels] {
            return Err(format!("input {k} must have shape [{channels}]"));
        }
    }
    if stored {
        let (mean, variance) = (call.var(3)?, call.var(4)?);
        let mut wide = vec![1; shape.len()];
        wide[1] = channels;
        let inverse = unary(&variance, move |v| 1.0 / (v + epsilon).sqrt(), |_| 0.0);
        let factor = multiply(&scale, &inverse)?;
        let offset = add(&shift, &affine(&multiply(&mean, &factor)?, -1.0, 0.0))?;
        let y = multiply(x, &reshape(&factor, &wide))?;
        return one(add(&y, &reshape(&offset, &wide))?);
    }
    if shape.contains(&0) {
        return Err("there is nothing to take statistics of".to_owned());
    }
    let y = batch_norm(x, &scale, &shift, epsilon);
    let mut outputs = vec![Item::Float(y)];
    if call.outputs() > 1 {
        // The statistics as training would store them; no gradient goes through.
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

fn group(epsilon: f32, groups: usize, x: &Var, call: &Call<'_>) -> Answer {
    let y = by_groups(x, groups, epsilon)?;
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

fn layer_norm(layer: &LayerNorm, x: &Var, call: &Call<'_>) -> Answer {
    let shape = x.dims();
    let at = axis(layer.axis, shape.len())?;
    let epsilon = layer.epsilon;
    let mut y = reshape(&standardize(&rows_from(x, at), epsilon, true), &shape);
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
        let rows = rows_from(x, at);
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

fn rms_norm(layer: &LayerNorm, x: &Var, call: &Call<'_>) -> Answer {
    let shape = x.dims();
    let at = axis(layer.axis, shape.len())?;
    let rows = standardize(&rows_from(x, at), layer.epsilon, false);
    let y = multiply(&reshape(&rows, &shape), &call.var(1)?)?;
    if y.dims() != shape {
        return Err("the scale does not broadcast to the input's shape".to_owned());
    }
    one(y)
}

fn skip(epsilon: f32, center: bool, call: &Call<'_>) -> Answer {
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
    let rows = standardize(&rows_from(&x, at), epsilon, center);
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

fn mean_variance(list: &[i64], x: &Var) -> Answer {
    let shape = x.dims();
    let marked = axes(list, shape.len())?;
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
    let rows = standardize(&gather_axes(x, &marked), 1e-18, true);
    one(permute(&reshape(&rows, &moved), &inverse))
}

fn local_response(size: usize, [alpha, beta, bias]: [f32; 3], x: &Var) -> Answer {
    let shape = x.dims();
    let [n, c, ref space @ ..] = shape[..] else {
        return Err("at least two axes are needed".to_owned());
    };
    let s: usize = space.iter().product();
    // A sum over neighbouring channels is a window sliding along the channel axis.
    let square = unary(&reshape(x, &[n, 1, c, s]), |x| x * x, |x| 2.0 * x);
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
    one(multiply(x, &reshape(&power, &shape))?)
}

/// Each row along an axis divided by its p-norm.
fn lp_normalization(at: i64, p: i64, x: &Var) -> Answer {
    let at = axis(at, x.dims().len())?;
    let norm = along(x, at, |x| match p {
        1 => last_axis(
            x,
            1,
            |x, y| y[0] = x.iter().map(|v| v.abs()).sum(),
            |row, dx| {
                for (d, &x) in dx.iter_mut().zip(row.x) {
                    *d = if x == 0.0 { 0.0 } else { row.g[0] * x.signum() };
                }
            },
        ),
        _ => last_axis(
            x,
            1,
            |x, y| y[0] = x.iter().map(|v| v * v).sum::<f32>().sqrt(),
            |row, dx| {
                for (d, &x) in dx.iter_mut().zip(row.x) {
                    *d = if row.y[0] == 0.0 {
                        0.0
                    } else {
                        row.g[0] * x / row.y[0]
                    };
                }
            },
        ),
    });
    // A row of zeros stays zeros.
    let safe = binary(
        &norm,
        &Var::constant(crate::array::full(&[1], 1.0)),
        |n, one| if n == 0.0 { one } else { n },
        |n, _| if n == 0.0 { 0.0 } else { 1.0 },
        |_, _| 0.0,
    )?;
    one(divide(x, &safe)?)
}
