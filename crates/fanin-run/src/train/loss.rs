//! The loss of an output against its target, and the gradient of it.

use fanin_network::{HostData, HostTensor};
use rayon::prelude::*;

use crate::array::{Array, CHUNK, Dense, array, dims};

/// What the targets are, which decides the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Integers: mean cross entropy in nats over the class axis, which is the last or axis 1;
    /// binary cross entropy where the output has one score per target. The output is read as
    /// scores; a softmax or sigmoid at the network's end is taken as part of the loss.
    Classes,
    /// Numbers: mean squared error over all elements.
    Values,
}

/// How an output compares with its target.
pub(super) struct Score {
    pub(super) loss: f64,
    pub(super) accuracy: Option<f64>,
    pub(super) gradient: Option<Array>,
}

/// Sums over a part of the targets.
#[derive(Clone, Copy, Default)]
struct Part {
    loss: f64,
    hits: usize,
}

/// Loss, accuracy and, where asked for, the gradient at the output; one sentence where the target
/// does not fit.
pub(super) fn score(
    output: &Array,
    target: &HostTensor,
    objective: Objective,
    gradient: bool,
) -> Result<Score, String> {
    let shape = dims(output);
    let y = Dense::new(output);
    if y.is_empty() {
        return Err(format!("the output has shape {shape:?}, which is empty"));
    }
    match (objective, &target.data) {
        (Objective::Values, HostData::F32(t)) => mean_square(&y, &shape, t, target, gradient),
        (Objective::Values, HostData::F64(_)) => {
            mean_square(&y, &shape, &target.to_f32(), target, gradient)
        }
        (Objective::Values, _) => {
            Err("the targets are integers where the loss needs numbers; give floats".to_owned())
        }
        (Objective::Classes, HostData::I64(t)) => match class_axis(&shape, &target.shape) {
            Some((axis, classes)) if classes > 1 => cross_entropy(&y, &shape, axis, t, gradient),
            Some(_) => binary(&y, &shape, t, gradient),
            None => Err(format!(
                "the targets have shape {:?}, which is not that of the output, {shape:?}, without its class axis (the last, or axis 1)",
                target.shape
            )),
        },
        (Objective::Classes, _) => Err(
            "the targets are no integers where the loss needs classes; give integer class numbers"
                .to_owned(),
        ),
    }
}

/// The axis of classes and its size; size 1 where each target has one score.
fn class_axis(output: &[usize], target: &[usize]) -> Option<(usize, usize)> {
    if output == target {
        return Some((output.len(), 1));
    }
    let without = |axis: usize| {
        let kept = output.iter().enumerate().filter(|&(k, _)| k != axis);
        kept.map(|(_, &d)| d).eq(target.iter().copied())
    };
    let last = output.len().checked_sub(1)?;
    let fits = |axis: usize| (axis <= last && without(axis)).then(|| (axis, output[axis]));
    // `[batch, classes, places...]` is how maps lie; of `[batch, n, n]` the last axis is taken.
    fits(last).or_else(|| fits(1))
}

fn mean_square(
    y: &[f32],
    shape: &[usize],
    t: &[f32],
    target: &HostTensor,
    gradient: bool,
) -> Result<Score, String> {
    if t.len() != y.len() || !same_but_ones(shape, &target.shape) {
        return Err(format!(
            "the targets have shape {:?}, the output has {shape:?}",
            target.shape
        ));
    }
    let n = y.len() as f64;
    let parts: Vec<f64> = y
        .par_chunks(CHUNK)
        .zip(t.par_chunks(CHUNK))
        .map(|(y, t)| {
            let pairs = y.iter().zip(t);
            pairs
                .map(|(&y, &t)| (f64::from(y) - f64::from(t)).powi(2))
                .sum()
        })
        .collect();
    let gradient = gradient.then(|| {
        let scale = (2.0 / n) as f32;
        let d: Vec<f32> = y.iter().zip(t).map(|(&y, &t)| (y - t) * scale).collect();
        array(shape, d)
    });
    Ok(Score {
        loss: parts.iter().sum::<f64>() / n,
        accuracy: None,
        gradient,
    })
}

/// Whether two shapes are equal once axes of size 1 are left out.
fn same_but_ones(a: &[usize], b: &[usize]) -> bool {
    let real = |s: &[usize]| s.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
    real(a) == real(b)
}

fn cross_entropy(
    y: &[f32],
    shape: &[usize],
    axis: usize,
    t: &[i64],
    gradient: bool,
) -> Result<Score, String> {
    let classes = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    if let Some(wrong) = t.iter().find(|&&t| t >= classes as i64) {
        return Err(format!(
            "class {wrong} is out of range: the output has {classes} classes, numbered from 0"
        ));
    }
    let counted = t.iter().filter(|&&t| t >= 0).count();
    if counted == 0 {
        return Err("all targets are negative, so that none counts".to_owned());
    }
    let block = classes * inner;
    let scale = (1.0 / counted as f64) as f32;
    let mut d = vec![0.0f32; if gradient { y.len() } else { 0 }];
    let least = (CHUNK / block).max(1);
    let one = |y: &[f32], t: &[i64], d: Option<&mut [f32]>| places(y, t, d, inner, scale);
    let parts: Vec<Part> = if gradient {
        y.par_chunks(block)
            .zip(t.par_chunks(inner))
            .zip(d.par_chunks_mut(block))
            .with_min_len(least)
            .map(|((y, t), d)| one(y, t, Some(d)))
            .collect()
    } else {
        y.par_chunks(block)
            .zip(t.par_chunks(inner))
            .with_min_len(least)
            .map(|(y, t)| one(y, t, None))
            .collect()
    };
    Ok(total(&parts, counted, gradient.then(|| array(shape, d))))
}

/// The mean of what the parts add up to, in their order.
fn total(parts: &[Part], counted: usize, gradient: Option<Array>) -> Score {
    let n = counted as f64;
    Score {
        loss: parts.iter().map(|p| p.loss).sum::<f64>() / n,
        accuracy: Some(parts.iter().map(|p| p.hits).sum::<usize>() as f64 / n),
        gradient,
    }
}

/// Cross entropy of `[classes, inner]` scores against `inner` targets.
fn places(y: &[f32], t: &[i64], mut d: Option<&mut [f32]>, inner: usize, scale: f32) -> Part {
    let mut part = Part::default();
    for (place, &t) in t.iter().enumerate() {
        let Ok(t) = usize::try_from(t) else { continue };
        let scores = || y[place..].iter().step_by(inner);
        let mut max = f32::NEG_INFINITY;
        let mut best = 0;
        for (k, &v) in scores().enumerate() {
            if v > max {
                (max, best) = (v, k);
            }
        }
        let mut sum = 0.0f64;
        let hit = y[place + t * inner];
        match &mut d {
            Some(d) => {
                for (d, &v) in d[place..].iter_mut().step_by(inner).zip(scores()) {
                    let e = (v - max).exp();
                    sum += f64::from(e);
                    *d = e;
                }
                let factor = (1.0 / sum) as f32 * scale;
                for d in d[place..].iter_mut().step_by(inner) {
                    *d *= factor;
                }
                d[place + t * inner] -= scale;
            }
            None => sum = scores().map(|&v| f64::from((v - max).exp())).sum(),
        }
        part.loss += sum.ln() - f64::from(hit - max);
        part.hits += usize::from(best == t && hit == max);
    }
    part
}

fn binary(y: &[f32], shape: &[usize], t: &[i64], gradient: bool) -> Result<Score, String> {
    if t.len() != y.len() {
        return Err(format!(
            "there are {} targets for the {} scores of the output, {shape:?}",
            t.len(),
            y.len()
        ));
    }
    if let Some(wrong) = t.iter().find(|&&t| t > 1) {
        return Err(format!(
            "class {wrong} is out of range: the output has one score, which tells 0 from 1"
        ));
    }
    let counted = t.iter().filter(|&&t| t >= 0).count();
    if counted == 0 {
        return Err("all targets are negative, so that none counts".to_owned());
    }
    let mut part = Part::default();
    let mut d = vec![0.0f32; y.len()];
    for ((&y, &t), d) in y.iter().zip(t).zip(&mut d) {
        if t < 0 {
            continue;
        }
        let (z, t) = (f64::from(y), t as f64);
        part.loss += z.max(0.0) - z * t + (-z.abs()).exp().ln_1p();
        part.hits += usize::from((z > 0.0) == (t > 0.5));
        *d = ((1.0 / (1.0 + (-z).exp()) - t) / counted as f64) as f32;
    }
    Ok(total(&[part], counted, gradient.then(|| array(shape, d))))
}
