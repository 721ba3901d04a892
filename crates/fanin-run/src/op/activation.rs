//! Activations: functions of one value with parameters of their own.

use super::{Answer, Call, Operator, one};
use crate::kernel::elementwise::{add, binary, unary, unary_of_output};
use crate::tape::Var;
use libm::erff as erf;

pub(super) fn find(op: &str) -> Option<Operator> {
    Some(match op {
        "Relu" => |call| one(relu(&call.var(0)?)),
        "LeakyRelu" => |call| {
            one(leaky_relu(
                &call.var(0)?,
                call.attributes().float("alpha", 0.01),
            ))
        },
        "PRelu" => prelu,
        "Elu" => |call| one(elu(&call.var(0)?, call.attributes().float("alpha", 1.0))),
        "Selu" => selu,
        "Celu" => celu,
        "Gelu" => |call| match call.attributes().str("approximate", "none") {
            "tanh" => one(gelu_tanh(&call.var(0)?)),
            _ => one(gelu(&call.var(0)?)),
        },
        "Mish" => mish,
        "Softplus" => |call| one(softplus(&call.var(0)?)),
        "Softsign" => |call| one(softsign(&call.var(0)?)),
        "Sigmoid" => |call| one(sigmoid(&call.var(0)?)),
        "Tanh" => |call| one(tanh(&call.var(0)?)),
        "HardSigmoid" => |call| {
            let (alpha, beta) = (
                call.attributes().float("alpha", 0.2),
                call.attributes().float("beta", 0.5),
            );
            one(hard_sigmoid(&call.var(0)?, alpha, beta))
        },
        "HardSwish" => hard_swish,
        "Swish" => |call| one(swish(&call.var(0)?, call.attributes().float("alpha", 1.0))),
        "ThresholdedRelu" => |call| {
            one(thresholded_relu(
                &call.var(0)?,
                call.attributes().float("alpha", 1.0),
            ))
        },
        "Shrink" => shrink,
        "Clip" => clip,
        _ => return None,
    })
}

/// Activations of the `com.microsoft` domain.
pub(super) fn microsoft(op: &str) -> Option<Operator> {
    Some(match op {
        "Gelu" => |call| one(gelu(&call.var(0)?)),
        "BiasGelu" => |call| one(gelu(&add(&call.var(0)?, &call.var(1)?)?)),
        "FastGelu" => |call| {
            let x = call.var(0)?;
            match call.optional(1)? {
                Some(bias) => one(gelu_tanh(&add(&x, &bias)?)),
                None => one(gelu_tanh(&x)),
            }
        },
        "QuickGelu" => |call| {
            one(swish(
                &call.var(0)?,
                call.attributes().float("alpha", 1.702),
            ))
        },
        _ => return None,
    })
}

/// `1 / (1 + exp(-x))`.
pub(crate) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

pub(crate) fn relu(x: &Var) -> Var {
    // NaN must not become zero.
    unary_of_output(
        x,
        |x| if x < 0.0 { 0.0 } else { x },
        |y| if y > 0.0 { 1.0 } else { 0.0 },
    )
}

pub(crate) fn leaky_relu(x: &Var, slope: f32) -> Var {
    unary(
        x,
        |x| if x < 0.0 { slope * x } else { x },
        move |x| if x > 0.0 { 1.0 } else { slope },
    )
}

pub(crate) fn elu(x: &Var, alpha: f32) -> Var {
    unary(
        x,
        |x| if x < 0.0 { alpha * x.exp_m1() } else { x },
        move |x| if x > 0.0 { 1.0 } else { alpha * x.exp() },
    )
}

pub(crate) fn sigmoid(x: &Var) -> Var {
    unary_of_output(x, logistic, |y| y * (1.0 - y))
}

pub(crate) fn tanh(x: &Var) -> Var {
    unary_of_output(x, f32::tanh, |y| 1.0 - y * y)
}

pub(crate) fn softplus(x: &Var) -> Var {
    unary(x, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), logistic)
}

pub(crate) fn softsign(x: &Var) -> Var {
    unary(x, |x| x / (1.0 + x.abs()), |x| (1.0 + x.abs()).powi(-2))
}

pub(crate) fn hard_sigmoid(x: &Var, alpha: f32, beta: f32) -> Var {
    unary(
        x,
        |x| (alpha * x + beta).clamp(0.0, 1.0),
        move |x| {
            if (0.0..=1.0).contains(&(alpha * x + beta)) {
                alpha
            } else {
                0.0
            }
        },
    )
}

pub(crate) fn thresholded_relu(x: &Var, alpha: f32) -> Var {
    unary(
        x,
        |x| if x > alpha { x } else { 0.0 },
        move |x| if x > alpha { 1.0 } else { 0.0 },
    )
}

fn swish(x: &Var, alpha: f32) -> Var {
    unary(
        x,
        |x| x * logistic(alpha * x),
        move |x| {
            let s = logistic(alpha * x);
            s + alpha * x * s * (1.0 - s)
        },
    )
}

fn prelu(call: &Call<'_>) -> Answer {
    one(binary(
        &call.var(0)?,
        &call.var(1)?,
        |x, s| if x < 0.0 { s * x } else { x },
        |x, s| if x > 0.0 { 1.0 } else { s },
        |x, _| if x < 0.0 { x } else { 0.0 },
    )?)
}

fn selu(call: &Call<'_>) -> Answer {
    let alpha = call.attributes().float("alpha", 1.673_263_2);
    let gamma = call.attributes().float("gamma", 1.050_701);
    one(unary(
        &call.var(0)?,
        |x| gamma * if x > 0.0 { x } else { alpha * x.exp_m1() },
        move |x| gamma * if x > 0.0 { 1.0 } else { alpha * x.exp() },
    ))
}

fn celu(call: &Call<'_>) -> Answer {
    let alpha = call.attributes().float("alpha", 1.0);
    one(unary(
        &call.var(0)?,
        |x| {
            if x > 0.0 {
                x
            } else {
                alpha * (x / alpha).exp_m1()
            }
        },
        move |x| if x > 0.0 { 1.0 } else { (x / alpha).exp() },
    ))
}

/// `x * Phi(x)`.
pub(crate) fn gelu(x: &Var) -> Var {
    const HALF_ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;
    // 1 / sqrt(2 pi)
    const DENSITY: f32 = 0.398_942_3;
    unary(
        x,
        |x| 0.5 * x * (1.0 + erf(x * HALF_ROOT)),
        |x| 0.5 * (1.0 + erf(x * HALF_ROOT)) + x * DENSITY * (-0.5 * x * x).exp(),
    )
}

/// The usual approximation of GELU by tanh.
pub(crate) fn gelu_tanh(x: &Var) -> Var {
    // sqrt(2 / pi)
    const SCALE: f32 = 0.797_884_6;
    const CUBE: f32 = 0.044_715;
    unary(
        x,
        |x| 0.5 * x * (1.0 + (SCALE * (x + CUBE * x * x * x)).tanh()),
        |x| {
            let t = (SCALE * (x + CUBE * x * x * x)).tanh();
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * SCALE * (1.0 + 3.0 * CUBE * x * x)
        },
    )
}

fn mish(call: &Call<'_>) -> Answer {
    let soft = |x: f32| x.max(0.0) + (-x.abs()).exp().ln_1p();
    one(unary(
        &call.var(0)?,
        |x| x * soft(x).tanh(),
        move |x| {
            let t = soft(x).tanh();
            t + x * (1.0 - t * t) * logistic(x)
        },
    ))
}

fn hard_swish(call: &Call<'_>) -> Answer {
    one(unary(
        &call.var(0)?,
        |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        |x| match x {
            x if x <= -3.0 => 0.0,
            x if x >= 3.0 => 1.0,
            x => x / 3.0 + 0.5,
        },
    ))
}

fn shrink(call: &Call<'_>) -> Answer {
    let lambda = call.attributes().float("lambd", 0.5);
    let bias = call.attributes().float("bias", 0.0);
    one(unary(
        &call.var(0)?,
        |x| match x {
            x if x < -lambda => x + bias,
            x if x > lambda => x - bias,
            _ => 0.0,
        },
        move |x| if x.abs() > lambda { 1.0 } else { 0.0 },
    ))
}

/// `Clip`, and `Relu6` which is written as one. At the bounds the gradient passes, as in torch.
fn clip(call: &Call<'_>) -> Answer {
    let low = call.number_or(1, "min")?.unwrap_or(f32::NEG_INFINITY);
    let high = call.number_or(2, "max")?.unwrap_or(f32::INFINITY);
    one(unary(
        &call.var(0)?,
        |x| if x.is_nan() { x } else { x.max(low).min(high) },
        move |x| if x >= low && x <= high { 1.0 } else { 0.0 },
    ))
}
