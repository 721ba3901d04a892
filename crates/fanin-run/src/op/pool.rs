//! Pooling.

use fanin_network::operator::{GlobalPool, Pool, PoolKind};
use fanin_network::{ElementType, HostData, HostTensor};

use super::convolution::{CUT, window};
use super::{Answer, Call, one};
use crate::array::count;
use crate::kernel::elementwise::unary;
use crate::kernel::geometry::{Window, three};
use crate::kernel::pool::{divisors, max_pool, sum_pool};
use crate::kernel::reduce::{mean_over, sum_over};
use crate::kernel::rows::last_axis;
use crate::kernel::shape::reshape;
use crate::tape::Var;
use crate::value::Item;

pub(super) fn global(pool: GlobalPool, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let space = space(&x)?;
    one(match pool {
        GlobalPool::Average => mean_over(&x, &space),
        GlobalPool::Max => global_maximum(&x),
        GlobalPool::Lp { p } => root(&sum_over(&power(&x, p), &space), p),
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

fn global_maximum(x: &Var) -> Var {
    let shape = x.dims();
    let rows = reshape(x, &[shape[0], shape[1], shape[2..].iter().product()]);
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
    reshape(&largest, &kept)
}

pub(super) fn pool(pool: &Pool, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let shape = x.dims();
    if !(3..=5).contains(&shape.len()) {
        return Err(
            "a batch axis, a channel axis and one to three spatial axes are needed".to_owned(),
        );
    }
    let input = &shape[2..];
    let sliding = pool
        .window
        .resolve(pool.window.stated_kernel(input.len())?, input)?;
    let output = &sliding.output;
    count(&[&shape[..2], &output[..]].concat())?;
    let window = window(&sliding, input, output).ok_or(CUT)?;
    match pool.kind {
        PoolKind::Max { column_major } => maximum(&x, &window, output, column_major, call),
        PoolKind::Average { count_include_pad } => {
            let padded = count_include_pad.then(|| {
                let sizes = input.iter().zip(&sliding.pads);
                let sizes = sizes.map(|(&d, p)| d.saturating_add_signed((p.0 + p.1) as isize));
                three(&sizes.collect::<Vec<_>>(), 1)
            });
            one(sum_pool(&x, &window, output, divisors(&window, padded)))
        }
        PoolKind::Lp { p } => {
            let ones = vec![1.0; window.output_len()];
            one(root(&sum_pool(&power(&x, p), &window, output, ones), p))
        }
    }
}

fn maximum(
    x: &Var,
    window: &Window,
    output: &[usize],
    column_major: bool,
    call: &Call<'_>,
) -> Answer {
    if u32::try_from(window.input_len()).is_err() {
        return Err("a channel has too many elements".to_owned());
    }
    let (y, places) = max_pool(x, window, output);
    let shape = y.dims();
    let mut outputs = vec![Item::Float(y)];
    if call.wants(1) {
        let (planes, channel) = (window.output_len().max(1), window.input_len());
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
