//! Pooling.

use fanin_network::{ElementType, HostData, HostTensor};

use super::convolution::{output_size, pads, per_axis};
use super::{Answer, Call, Operator, one, sizes};
use crate::array::count;
use crate::kernel::elementwise::unary;
use crate::kernel::geometry::{Spatial, Window, three};
use crate::kernel::pool::{divisors, max_pool, sum_pool};
use crate::kernel::reduce::{mean_over, sum_over};
use crate::kernel::rows::last_axis;
use crate::kernel::shape::reshape;
use crate::tape::Var;
use crate::value::Item;

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "MaxPool" => maximum,
        "AveragePool" => average,
        "LpPool" => lp,
        "GlobalAveragePool" => |call| {
            let x = call.var(0)?;
            one(mean_over(&x, &space(&x)?))
        },
        "GlobalMaxPool" => global_maximum,
        "GlobalLpPool" => |call| {
            let (x, p) = (call.var(0)?, call.attributes().int("p", 2));
            let sum = sum_over(&power(&x, p), &space(&x)?);
            one(root(&sum, p))
        },
        _ => return None,
    })
}

/// The spatial axes.
fn space(x: &Var) -> Result<Vec<bool>, String> {
    let rank = x.dims().len();
    if rank < 2 || x.dims()[2..].contains(&0) {
        return Err(
            "a batch axis, a channel axis and spatial axes with elements are needed".to_owned(),
        );
    }
    Ok((0..rank).map(|k| k >= 2).collect())
}

/// |x|^p.
fn power(x: &Var, p: i64) -> Var {
    let p = p as i32;
    unary(
        x,
        move |x| x.abs().powi(p),
        move |x| {
            if x == 0.0 {
                0.0
            } else {
                p as f32 * x.abs().powi(p - 1) * x.signum()
            }
        },
    )
}

/// x^(1/p).
fn root(x: &Var, p: i64) -> Var {
    let e = 1.0 / p as f32;
    unary(
        x,
        move |x| x.powf(e),
        move |x| if x == 0.0 { 0.0 } else { e * x.powf(e - 1.0) },
    )
}

fn global_maximum(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    space(&x)?;
    let rows = reshape(&x, &[shape[0], shape[1], shape[2..].iter().product()]);
    let largest =
        last_axis(
            &rows,
            1,
            |x, y| {
                y[0] = x.iter().copied().fold(f32::NEG_INFINITY, |a, b| {
                    if a.is_nan() || a > b { a } else { b }
                })
            },
            |row, dx| {
                // One place takes it all, as in torch.
                dx.fill(0.0);
                if let Some(k) = row.x.iter().position(|&x| x == row.y[0]) {
                    dx[k] = row.g[0];
                }
            },
        );
    let mut kept = shape;
    kept[2..].fill(1);
    one(reshape(&largest, &kept))
}

/// The window of a pooling operator and the size of its output.
fn window(call: &Call<'_>, x: &Var) -> Result<(Window, Vec<usize>, Spatial), String> {
    let shape = x.dims();
    let rank = shape
        .len()
        .checked_sub(2)
        .filter(|r| (1..=3).contains(r))
        .ok_or("a batch axis, a channel axis and one to three spatial axes are needed")?;
    let input = &shape[2..];
    let kernel = sizes(
        call.attributes()
            .ints("kernel_shape")
            .ok_or("kernel_shape is missing")?,
        "kernel_shape",
    )?;
    if kernel.len() != rank || kernel.contains(&0) {
        return Err(format!(
            "kernel_shape {kernel:?} must have {rank} numbers of at least 1"
        ));
    }
    let stride = per_axis(call, "strides", rank, 1)?;
    let dilation = per_axis(call, "dilations", rank, 1)?;
    let pads = pads(call, input, &kernel, &stride, &dilation)?;
    let spatial = Spatial {
        kernel,
        stride,
        dilation,
        pads,
    };
    let output = output_size(input, &spatial, call.attributes().int("ceil_mode", 0) != 0)?;
    count(&[&shape[..2], &output[..]].concat())?;
    Ok((spatial.window(input, &output), output, spatial))
}

fn maximum(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let (window, output, _) = window(call, &x)?;
    if u32::try_from(window.input_len()).is_err() {
        return Err("a channel has too many elements".to_owned());
    }
    let (y, places) = max_pool(&x, &window, &output);
    let shape = y.dims();
    let mut outputs = vec![Item::Float(y)];
    if call.wants(1) {
        let (planes, channel) = (window.output_len().max(1), window.input_len());
        let column_major = call.attributes().int("storage_order", 0) != 0;
        let indices = places
            .iter()
            .enumerate()
            .map(|(k, &p)| {
                let p = p as usize;
                let p = if column_major {
                    // Positions within a channel counted with the first axis fastest.
                    let [d, h, w] = window.input;
                    let (i, j, l) = (p / (h * w), p / w % h, p % w);
                    (l * h + j) * d + i
                } else {
                    p
                };
                (k / planes * channel + p) as i64
            })
            .collect();
        outputs.extend(
            HostTensor::new(shape, ElementType::I64, HostData::I64(indices)).map(Item::host),
        );
    }
    Ok(outputs)
}

fn average(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let (window, output, spatial) = window(call, &x)?;
    let padded = (call.attributes().int("count_include_pad", 0) != 0).then(|| {
        let sizes: Vec<usize> = x.dims()[2..]
            .iter()
            .zip(&spatial.pads)
            .map(|(&d, p)| d + p.0 + p.1)
            .collect();
        three(&sizes, 1)
    });
    one(sum_pool(&x, &window, &output, divisors(&window, padded)))
}

fn lp(call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let (window, output, _) = window(call, &x)?;
    let p = call.attributes().int("p", 2);
    let sum = sum_pool(
        &power(&x, p),
        &window,
        &output,
        vec![1.0; window.output_len()],
    );
    one(root(&sum, p))
}
