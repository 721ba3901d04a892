//! Convolution and transposed convolution.

use fanin_network::operator::{Conv, Sliding, Spread};

use super::unary::fused;
use super::{Answer, Call, one};
use crate::array::{count, dims, reshaped};
use crate::kernel::convolution::Convolution;
use crate::kernel::elementwise::add_to;
use crate::kernel::geometry::Window;
use crate::kernel::shape::reshape;
use crate::tape::{Var, record};

/// The window over the wide side (the input, or a transposed convolution's output) of these sizes that
/// leads to `narrow` places; `None` where padding cuts elements, which the window cannot say.
pub(super) fn window(sliding: &Sliding, wide: &[usize], narrow: &[usize]) -> Option<Window> {
    let before = sliding.pads.iter().map(|p| usize::try_from(p.0).ok());
    let pads = before.collect::<Option<Vec<usize>>>()?;
    Some(Window::new(
        wide,
        narrow,
        &sliding.kernel,
        &sliding.strides,
        &sliding.dilations,
        &pads,
    ))
}

/// What is said where padding cuts elements.
pub(super) const CUT: &str = "padding must not be negative";

/// Input, weights and the number of spatial axes.
fn operands(call: &Call<'_>) -> Result<(Var, Var, Vec<usize>, Vec<usize>), String> {
    let (x, w) = (call.var(0)?, call.var(1)?);
    let (dx, dw) = (x.dims(), w.dims());
    if !(3..=5).contains(&dx.len()) || dw.len() != dx.len() {
        return Err(
            "input and weights must both have a batch (or feature) axis, a channel axis and one to three spatial axes"
                .to_owned(),
        );
    }
    Ok((x, w, dx, dw))
}

pub(super) fn conv(conv: &Conv, call: &Call<'_>) -> Answer {
    let y = match &conv.transposed {
        None => convolved(conv, call)?,
        Some(spread) => transposed(conv, spread, call)?,
    };
    let features = y.dims()[1];
    let mut y = with_bias(call.optional(2)?, y, features)?;
    if conv.fused
        && let Some(other) = call.optional(3)?
    {
        let shape = y.dims();
        y = add_to(y, &other)?;
        if y.dims() != shape {
            return Err(format!("input 3 must have shape {shape:?}"));
        }
    }
    one(fused(conv.activation, y))
}

pub(super) fn with_bias(bias: Option<Var>, y: Var, features: usize) -> Result<Var, String> {
    let Some(bias) = bias else {
        return Ok(y);
    };
    if bias.dims() != [features] {
        return Err(format!("the bias must have shape [{features}]"));
    }
    let mut wide = vec![1; y.dims().len()];
    wide[1] = features;
    add_to(y, &reshape(&bias, &wide))
}

fn convolved(conv: &Conv, call: &Call<'_>) -> Result<Var, String> {
    let (x, w, dx, dw) = operands(call)?;
    let groups = conv.group;
    if groups == 0 || dx[1] != dw[1] * groups || !dw[0].is_multiple_of(groups) {
        return Err(format!(
            "weights {dw:?} in {groups} groups take {} channels, the input has {}",
            dw[1] * groups,
            dx[1]
        ));
    }
    let sliding = conv.window.resolve(&dw[2..], &dx[2..])?;
    let shape = [&[dx[0], dw[0]], &sliding.output[..]].concat();
    count(&shape)?;
    let plan = Convolution {
        batch: dx[0],
        channels: dx[1],
        features: dw[0],
        groups,
        window: window(&sliding, &dx[2..], &sliding.output).ok_or(CUT)?,
    };
    let (kx, kw) = (x.array().clone(), w.array().clone());
    let y = reshaped(&plan.forward(&kx, &kw), &shape);
    Ok(record(&[&x, &w], y, move |g, wanted| {
        vec![
            wanted[0].then(|| reshaped(&plan.input_gradient(&kw, &g), &dims(&kx))),
            wanted[1].then(|| reshaped(&plan.weight_gradient(&kx, &g), &dims(&kw))),
        ]
    }))
}

/// The gradient of a convolution, run forward: what was its output is the input here.
fn transposed(conv: &Conv, spread: &Spread, call: &Call<'_>) -> Result<Var, String> {
    let (x, w, dx, dw) = operands(call)?;
    let groups = conv.group;
    if groups == 0 || dx[1] != dw[0] || !dw[0].is_multiple_of(groups) {
        return Err(format!(
            "weights {dw:?} in {groups} groups take {} channels, the input has {}",
            dw[0], dx[1]
        ));
    }
    let features = dw[1] * groups;
    let sliding = conv.window.resolve_transposed(&dw[2..], &dx[2..], spread)?;
    let output = &sliding.output;
    let shape = [&[dx[0], features], &output[..]].concat();
    count(&shape)?;
    let plan = Convolution {
        batch: dx[0],
        channels: features,
        features: dx[1],
        groups,
        window: window(&sliding, output, &dx[2..]).ok_or(CUT)?,
    };
    let (kx, kw) = (x.array().clone(), w.array().clone());
    let y = reshaped(&plan.input_gradient(&kw, &kx), &shape);
    Ok(record(&[&x, &w], y, move |g, wanted| {
        vec![
            wanted[0].then(|| reshaped(&plan.forward(&g, &kw), &dims(&kx))),
            wanted[1].then(|| reshaped(&plan.weight_gradient(&g, &kx), &dims(&kw))),
        ]
    }))
}
