//! Batch normalization as one operation.

use rayon::prelude::*;

use crate::array::{Dense, array};
use crate::kernel::reduce::sum;
use crate::pool::Buffer;
use crate::tape::{Var, record};

/// Mean and biased variance per channel of `[batch, channels, space]`.
pub(crate) fn channel_moments(
    x: &[f32],
    batch: usize,
    channels: usize,
    space: usize,
) -> Vec<(f64, f64)> {
    let n = (batch * space) as f64;
    (0..channels)
        .into_par_iter()
        .map(|c| {
            let planes = || (0..batch).map(|b| &x[(b * channels + c) * space..][..space]);
            let mean = planes().map(sum).sum::<f64>() / n;
            let m = mean as f32;
            let mut square = 0.0f64;
            let mut shift = 0.0f64;
            for plane in planes() {
                let mut lanes = [0.0f64; 8];
                let mut firsts = [0.0f64; 8];
                for part in plane.chunks(8) {
                    for ((l, f), &v) in lanes.iter_mut().zip(&mut firsts).zip(part) {
                        let d = f64::from(v - m);
                        *l += d * d;
                        *f += d;
                    }
                }
                square += lanes.iter().sum::<f64>();
                shift += firsts.iter().sum::<f64>();
            }
            // The shift corrects for the mean having been rounded to f32.
            (mean, (square / n - (shift / n) * (shift / n)).max(0.0))
        })
        .collect()
}

/// Batch normalization of `[batch, channels, space...]` by the batch's own biased moments.
pub(crate) fn batch_norm(x: &Var, scale: &Var, shift: &Var, epsilon: f32) -> Var {
    let shape = x.dims();
    let (batch, channels) = (shape[0], shape[1]);
    let space: usize = shape[2..].iter().product();
    let input = Dense::new(x.array());
    let (gamma, beta) = (Dense::new(scale.array()), Dense::new(shift.array()));
    let moments: Vec<(f32, f32)> = channel_moments(&input, batch, channels, space)
        .into_iter()
        .map(|(mean, variance)| {
            (
                mean as f32,
                (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32,
            )
        })
        .collect();
    let mut out = Buffer::unwritten(input.len());
    if !out.is_empty() {
        crate::array::for_chunks(&mut out, space, |k, out| {
            let c = k % channels;
            let (mean, inverse) = moments[c];
            let (a, b) = (inverse * gamma[c], beta[c]);
            for (o, &v) in out.iter_mut().zip(&input[k * space..]) {
                *o = (v - mean) * a + b;
            }
        });
    }
    record(&[x, scale, shift], array(&shape, out), move |g, wanted| {
        let g = Dense::new(&g);
        let n = (batch * space) as f64;
        // Per channel: sums of the gradient, and of the gradient times the normalized input.
        let sums: Vec<(f64, f64)> = (0..channels)
            .into_par_iter()
            .map(|c| {
                let (mean, inverse) = moments[c];
                let mut total = (0.0f64, 0.0f64);
                for b in 0..batch {
                    let at = (b * channels + c) * space;
                    let (x, g) = (&input[at..][..space], &g[at..][..space]);
                    let mut plain = [0.0f64; 8];
                    let mut along = [0.0f64; 8];
                    for (x, g) in x.chunks(8).zip(g.chunks(8)) {
                        for (((p, a), &x), &g) in plain.iter_mut().zip(&mut along).zip(x).zip(g) {
                            *p += f64::from(g);
                            *a += f64::from(g * ((x - mean) * inverse));
                        }
                    }
                    total.0 += plain.iter().sum::<f64>();
                    total.1 += along.iter().sum::<f64>();
                }
                total
            })
            .collect();
        let dx = wanted[0].then(|| {
            let mut dx = Buffer::unwritten(input.len());
            crate::array::for_chunks(&mut dx, space, |k, dx| {
                let c = k % channels;
                let (mean, inverse) = moments[c];
                let (plain, along) = ((sums[c].0 / n) as f32, (sums[c].1 / n) as f32);
                let a = inverse * gamma[c];
                let at = k * space;
                for ((d, &x), &g) in dx.iter_mut().zip(&input[at..]).zip(&g[at..]) {
                    *d = a * (g - plain - (x - mean) * inverse * along);
                }
            });
            array(&shape, dx)
        });
        let vector = |f: fn(&(f64, f64)) -> f64| {
            array(
                &[channels],
                sums.iter().map(|s| f(s) as f32).collect::<Vec<_>>(),
            )
        };
        vec![
            dx,
            wanted[1].then(|| vector(|s| s.1)),
            wanted[2].then(|| vector(|s| s.0)),
        ]
    })
}
