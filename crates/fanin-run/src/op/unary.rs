//! Functions of each element: activations, roots, exponentials and trigonometry.

use fanin_network::operator::{Clip, Fused, Unary};
use libm::erff as erf;

use super::{Answer, Call, one};
use crate::kernel::elementwise::{add, affine, binary, unary, unary_of_output};
use crate::kernel::map::map;
use crate::tape::Var;

/// A function of each element.
pub(super) fn apply(function: Unary, x: &Var) -> Var {
    match function {
        Unary::Abs => unary(x, f32::abs, sign),
        Unary::Acos => unary(x, f32::acos, |x| -1.0 / (1.0 - x * x).sqrt()),
        Unary::Acosh => unary(x, f32::acosh, |x| 1.0 / (x * x - 1.0).sqrt()),
        Unary::Asin => unary(x, f32::asin, |x| 1.0 / (1.0 - x * x).sqrt()),
        Unary::Asinh => unary(x, f32::asinh, |x| 1.0 / (x * x + 1.0).sqrt()),
        Unary::Atan => unary(x, f32::atan, |x| 1.0 / (1.0 + x * x)),
        Unary::Atanh => unary(x, f32::atanh, |x| 1.0 / (1.0 - x * x)),
        Unary::Ceil => flat(x, f32::ceil),
        Unary::Celu { alpha } => celu(x, alpha),
        Unary::Cos => unary(x, f32::cos, |x| -x.sin()),
        Unary::Cosh => unary(x, f32::cosh, f32::sinh),
        Unary::Elu { alpha } => elu(x, alpha),
        Unary::Erf => {
            const SLOPE: f32 = std::f32::consts::FRAC_2_SQRT_PI;
            unary(x, erf, |x| SLOPE * (-x * x).exp())
        }
        Unary::Exp => unary_of_output(x, f32::exp, |y| y),
        Unary::Floor => flat(x, f32::floor),
        Unary::Gelu { tanh: false } => gelu(x),
        Unary::Gelu { tanh: true } => gelu_tanh(x),
        Unary::HardSigmoid { alpha, beta } => hard_sigmoid(x, alpha, beta),
        Unary::HardSwish => hard_swish(x),
        Unary::LeakyRelu { alpha } => leaky_relu(x, alpha),
        Unary::Log => unary(x, f32::ln, |x| 1.0 / x),
        Unary::Mish => mish(x),
        Unary::Neg => affine(x, -1.0, 0.0),
        Unary::Reciprocal => unary_of_output(x, |x| 1.0 / x, |y| -y * y),
        Unary::Relu => relu(x),
        Unary::Round => flat(x, f32::round_ties_even),
        Unary::Selu { alpha, gamma } => selu(x, alpha, gamma),
        Unary::Shrink { lambda, bias } => shrink(x, lambda, bias),
        Unary::Sigmoid => sigmoid(x),
        Unary::Sign => flat(x, sign),
        Unary::Sin => unary(x, f32::sin, f32::cos),
        Unary::Sinh => unary(x, f32::sinh, f32::cosh),
        Unary::Softplus => softplus(x),
        Unary::Softsign => softsign(x),
        Unary::Sqrt => unary_of_output(x, f32::sqrt, |y| 0.5 / y),
        Unary::Swish { alpha } => swish(x, alpha),
        Unary::Tan => unary_of_output(x, f32::tan, |y| 1.0 + y * y),
        Unary::Tanh => tanh(x),
        Unary::ThresholdedRelu { alpha } => thresholded_relu(x, alpha),
    }
}

/// The activation that a product or a convolution ends with, if it has one.
pub(super) fn fused(activation: Option<Fused>, x: Var) -> Var {
    match activation {
        None => x,
        Some(Fused::Unary(function)) => apply(function, &x),
        Some(Fused::Clip { low, high }) => cut(&x, low, high),
    }
}

fn sign(x: f32) -> f32 {
    if x == 0.0 || x.is_nan() {
        x
    } else {
        x.signum()
    }
}

/// A step function: its derivative is zero wherever it has one, so nothing goes on the tape.
fn flat(x: &Var, f: fn(f32) -> f32) -> Var {
    Var::constant(map(x.array(), f))
}

/// `1 / (1 + exp(-x))`.
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

pub(super) fn relu(x: &Var) -> Var {
    // NaN must not become zero.
    unary_of_output(
        x,
        |x| if x < 0.0 { 0.0 } else { x },
        |y| if y > 0.0 { 1.0 } else { 0.0 },
    )
}

pub(super) fn leaky_relu(x: &Var, slope: f32) -> Var {
    unary(
        x,
        |x| if x < 0.0 { slope * x } else { x },
        move |x| if x > 0.0 { 1.0 } else { slope },
    )
}

pub(super) fn elu(x: &Var, alpha: f32) -> Var {
    unary(
        x,
        |x| if x < 0.0 { alpha * x.exp_m1() } else { x },
        move |x| if x > 0.0 { 1.0 } else { alpha * x.exp() },
    )
}

pub(super) fn sigmoid(x: &Var) -> Var {
    unary_of_output(x, logistic, |y| y * (1.0 - y))
}

pub(super) fn tanh(x: &Var) -> Var {
    unary_of_output(x, f32::tanh, |y| 1.0 - y * y)
}

pub(super) fn softplus(x: &Var) -> Var {
    unary(x, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), logistic)
}

pub(super) fn softsign(x: &Var) -> Var {
    unary(x, |x| x / (1.0 + x.abs()), |x| (1.0 + x.abs()).powi(-2))
}

pub(super) fn hard_sigmoid(x: &Var, alpha: f32, beta: f32) -> Var {
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

pub(super) fn thresholded_relu(x: &Var, alpha: f32) -> Var {
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

fn selu(x: &Var, alpha: f32, gamma: f32) -> Var {
    unary(
        x,
        |x| gamma * if x > 0.0 { x } else { alpha * x.exp_m1() },
        move |x| gamma * if x > 0.0 { 1.0 } else { alpha * x.exp() },
    )
}

fn celu(x: &Var, alpha: f32) -> Var {
    unary(
        x,
        |x| {
            if x > 0.0 {
                x
            } else {
                alpha * (x / alpha).exp_m1()
            }
        },
        move |x| if x > 0.0 { 1.0 } else { (x / alpha).exp() },
    )
}

/// `x * Phi(x)`.
fn gelu(x: &Var) -> Var {
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
fn gelu_tanh(x: &Var) -> Var {
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

fn mish(x: &Var) -> Var {
    let soft = |x: f32| x.max(0.0) + (-x.abs()).exp().ln_1p();
    unary(
        x,
        |x| x * soft(x).tanh(),
        move |x| {
            let t = soft(x).tanh();
            t + x * (1.0 - t * t) * logistic(x)
        },
    )
}

fn hard_swish(x: &Var) -> Var {
    unary(
        x,
        |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        |x| match x {
            x if x <= -3.0 => 0.0,
            x if x >= 3.0 => 1.0,
            x => x / 3.0 + 0.5,
        },
    )
}

fn shrink(x: &Var, lambda: f32, bias: f32) -> Var {
    unary(
        x,
        |x| match x {
            x if x < -lambda => x + bias,
            x if x > lambda => x - bias,
            _ => 0.0,
        },
        move |x| if x.abs() > lambda { 1.0 } else { 0.0 },
    )
}

/// Elements cut to a range. At the bounds the gradient passes, as in torch.
pub(super) fn cut(x: &Var, low: f32, high: f32) -> Var {
    unary(
        x,
        |x| if x.is_nan() { x } else { x.max(low).min(high) },
        move |x| if x >= low && x <= high { 1.0 } else { 0.0 },
    )
}

pub(super) fn clip(clip: &Clip, call: &Call<'_>) -> Answer {
    let low = call.number(&clip.low)?.unwrap_or(f32::NEG_INFINITY);
    let high = call.number(&clip.high)?.unwrap_or(f32::INFINITY);
    one(cut(&call.var(0)?, low, high))
}

pub(super) fn prelu(call: &Call<'_>) -> Answer {
    one(binary(
        &call.var(0)?,
        &call.var(1)?,
        |x, s| if x < 0.0 { s * x } else { x },
        |x, s| if x > 0.0 { 1.0 } else { s },
        |x, _| if x < 0.0 { x } else { 0.0 },
    )?)
}

/// GELU of a sum with a bias, which may be left out.
pub(super) fn bias_gelu(tanh: bool, call: &Call<'_>) -> Answer {
    let x = call.var(0)?;
    let x = match call.optional(1)? {
        Some(bias) => add(&x, &bias)?,
        None => x,
    };
    one(apply(Unary::Gelu { tanh }, &x))
}
