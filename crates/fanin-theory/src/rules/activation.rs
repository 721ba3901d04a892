//! Elementwise functions of one Gaussian value.
//!
//! A value that is an elementwise function of a Gaussian one is held by its values on a quadrature
//! grid over that Gaussian. Each further elementwise operation acts node by node, so that an
//! activation spelled out in primitive operations (GELU through `Erf`, SiLU as x·sigmoid(x), Mish)
//! needs no rule of its own: the moments come out of the same grid.

use std::rc::Rc;

use fanin::Activation;
use fanin_network::operator::{Binary, Clip, Fused, Setting, Unary, Variadic};
use fanin_network::{Node, Operator, ValueId};

use super::back::{Arrival, Back};
use super::{Context, Rule};
use crate::dual::Dual;
use crate::quadrature::Grid;
use crate::signal::{Shape, Signal, normalized};

/// What an elementwise operation reads at one place: nodes on the grid, or one number for all.
#[derive(Clone)]
pub(crate) enum Operand {
    /// A function of the Gaussian, by its values at the nodes.
    Nodes(Rc<[f64]>),
    /// The same number everywhere.
    Scalar(f64),
}

impl Operand {
    /// The number at one node.
    pub(crate) fn at(&self, node: usize) -> f64 {
        match self {
            Self::Nodes(values) => values.get(node).copied().unwrap_or(0.0),
            Self::Scalar(value) => *value,
        }
    }
}

/// The operands of an elementwise node whose inputs are functions of one Gaussian value and
/// numbers, with the grid and one of the signals on it.
struct Operands<'a> {
    /// One per input.
    list: Vec<Operand>,
    /// The grid they are on.
    grid: Grid,
    /// The widest signal among the inputs.
    signal: &'a Signal,
}

/// Collects the operands; `None` if the inputs are functions of different Gaussian values or of none.
fn operands<'a>(context: &Context<'a>, node: &Node) -> Option<Operands<'a>> {
    let mut found: Option<(Grid, &'a Signal)> = None;
    let mut list = Vec::with_capacity(node.inputs.len());
    for (k, input) in node.inputs.iter().enumerate() {
        let Some(id) = input else {
            list.push(Operand::Scalar(f64::NAN));
            continue;
        };
        if let Some(number) = context.scalar(node, k) {
            list.push(Operand::Scalar(number));
            continue;
        }
        let signal = context.signal(node, k)?;
        let slope = matches!(node.operator, Operator::PRelu) && k == 1;
        if signal.parameter && (slope || context.shape(node, k).is_some_and(is_single)) {
            list.push(Operand::Scalar(signal.mean));
            continue;
        }
        match &found {
            None => {
                let (grid, nodes) = signal.on_grid();
                list.push(Operand::Nodes(nodes));
                found = Some((grid, signal));
            }
            Some((grid, first)) if first.shape.base == signal.shape.base => {
                // A value of fewer elements would be copied along axes: not the same Gaussian.
                let count = |id: ValueId| {
                    let shape = context.network.value(id).shape.as_deref();
                    shape.map(super::count)
                };
                if count(first.shape.base) != count(*id) {
                    return None;
                }
                let nodes = signal.shape.nodes.clone();
                list.push(Operand::Nodes(nodes.unwrap_or(grid.nodes.clone())));
            }
            Some(_) => return None,
        }
    }
    let (grid, signal) = found?;
    Some(Operands { list, grid, signal })
}

fn is_single(shape: &[usize]) -> bool {
    shape.iter().product::<usize>() == 1
}

/// The output of an elementwise function of one Gaussian value.
pub(crate) fn forward(context: &Context<'_>, node: &Node) -> Option<Signal> {
    let function = Function::of(&node.operator)?;
    let operands = operands(context, node)?;
    let values: Rc<[f64]> = (0..operands.grid.nodes.len())
        .map(|at| function.value(&operands.list, at))
        .collect();
    let base = context.at(operands.signal.shape.base);
    let mut signal = applied(operands.signal, base, operands.grid, values)?;
    signal.gaussian = function.is_affine() && operands.signal.gaussian;
    Some(signal)
}

/// The gradient at an input of an elementwise function; the outer `None` where the inputs are no
/// functions of one Gaussian value.
pub(crate) fn backward(arrival: &Arrival<'_>) -> Option<Option<Back>> {
    let function = Function::of(&arrival.node.operator)?;
    let operands = operands(arrival.context, arrival.node)?;
    if arrival.out.shape.base != arrival.signal.shape.base {
        return Some(None);
    }
    let slopes = (0..operands.grid.nodes.len())
        .map(|at| function.slope(&operands.list, arrival.slot, at))
        .collect();
    Some(Some(Back::Times(slopes)))
}

/// What a signal becomes that is these values at the nodes of a grid over its base.
fn applied(from: &Signal, base: Option<&Signal>, grid: Grid, values: Rc<[f64]>) -> Option<Signal> {
    let second = grid.moment(&values, 2);
    if !second.is_finite() {
        return None;
    }
    let mut signal = from.clone();
    signal.mean = grid.moment(&values, 1);
    signal.second = second;
    signal.kurtosis = if second > 0.0 {
        grid.moment(&values, 4) / (second * second)
    } else {
        1.0
    };
    if let Some(base) = base {
        let dual = Dual::new(&grid, &values);
        let spread = base.spread();
        let correlation = |product: f64| {
            if spread > 0.0 {
                (product - base.mean * base.mean) / spread
            } else {
                1.0
            }
        };
        signal.cross = base.cross.map(|product| dual.at(correlation(product)));
        let slope = match base.cross.between {
            Some(product) if spread > 0.0 && second > 0.0 => {
                dual.slope(correlation(product)) * base.second / (spread * second)
            }
            _ => 0.0,
        };
        signal.cosine_inherited = slope * slope * base.cosine_inherited;
    }
    // A place of second moment (1 + ε) q has E f² larger by (1 + ε)^e, e = E f² (z² − 1)/(2 E f²).
    let lean = grid.lean(&values);
    let power = if second > 0.0 { lean / second } else { 0.0 };
    signal.profile = base
        .and_then(|base| base.profile.as_ref())
        .map(|profile| {
            let bent = |line: &Vec<f64>| line.iter().map(|x| x.powf(power)).collect();
            normalized(profile.iter().map(bent).collect()).1
        })
        .unwrap_or_default();
    signal.steps = None;
    signal.gaussian = false;
    signal.shape.nodes = Some(values);
    signal.shape.grid = Some(grid);
    Some(signal)
}

/// What a function of each element makes of a value.
pub(crate) fn function(
    context: &Context<'_>,
    x: &Signal,
    f: impl Fn(f64) -> f64,
) -> Option<Signal> {
    let (grid, nodes) = x.on_grid();
    let values = nodes.iter().map(|&x| f(x)).collect();
    applied(x, context.at(x.shape.base), grid, values)
}

/// What a near Gaussian signal becomes in an activation that is fused into the operator it comes
/// from, of which the graph does not hold it.
pub(crate) fn fused(from: &Signal, activation: Fused, output: ValueId) -> Option<Signal> {
    let function = Function::fused(activation);
    let mut from = from.clone();
    from.shape = Shape::base(output);
    let (grid, nodes) = from.on_grid();
    let operand = [Operand::Nodes(nodes)];
    let values = (0..grid.nodes.len())
        .map(|at| function.value(&operand, at))
        .collect();
    applied(&from, Some(&from), grid, values)
}

/// The mean square of the slope of a fused activation, at its output.
pub(crate) fn fused_slope(out: &Signal, activation: Fused) -> f64 {
    let function = Function::fused(activation);
    let Some(grid) = &out.shape.grid else {
        return 1.0;
    };
    let operand = [Operand::Nodes(grid.nodes.clone())];
    let slopes: Vec<f64> = (0..grid.nodes.len())
        .map(|at| function.slope(&operand, 0, at))
        .collect();
    grid.moment(&slopes, 2)
}

macro_rules! elementwise {
    ($($rule:ty),*) => {$(
        impl Rule for $rule {
            fn forward(&self, context: &Context<'_>, node: &Node, _: ValueId) -> Option<Signal> {
                forward(context, node)
            }

            fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
                backward(arrival).flatten()
            }
        }
    )*};
}

elementwise!(Unary, Clip, PRelu);

/// `PRelu`: x for x ≥ 0, slope · x below; the slope is the second input.
pub(crate) struct PRelu;

/// An elementwise operation.
#[derive(Clone, Copy)]
pub(crate) enum Function {
    /// Of the first input alone.
    Unary(Unary),
    /// x for x ≥ 0, slope · x below; the slope is the second input.
    PRelu,
    /// Between two bounds, and between the second and the third input, each of which may be absent.
    Clip(f64, f64),
    /// Of two inputs.
    Binary(Binary),
    /// Of any number of inputs.
    Variadic(Variadic),
}

impl Function {
    /// The function that an operator applies; `None` if it is not elementwise.
    pub(crate) fn of(operator: &Operator) -> Option<Self> {
        Some(match operator {
            Operator::Unary(unary) => Self::Unary(*unary),
            Operator::PRelu => Self::PRelu,
            Operator::Clip(Clip { low, high }) => {
                let bound = |setting: &Setting<f32>, open: f64| {
                    setting.given().map_or(open, |&bound| f64::from(bound))
                };
                Self::Clip(bound(low, f64::NEG_INFINITY), bound(high, f64::INFINITY))
            }
            Operator::Binary(binary) => Self::Binary(*binary),
            Operator::Variadic(variadic) => Self::Variadic(*variadic),
            _ => return None,
        })
    }

    fn fused(activation: Fused) -> Self {
        match activation {
            Fused::Unary(unary) => Self::Unary(unary),
            Fused::Clip { low, high } => Self::Clip(low.into(), high.into()),
        }
    }

    fn is_affine(self) -> bool {
        match self {
            Self::Unary(Unary::Neg)
            | Self::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div)
            | Self::Variadic(Variadic::Sum | Variadic::Mean) => true,
            Self::Unary(_)
            | Self::PRelu
            | Self::Clip(..)
            | Self::Binary(Binary::Pow | Binary::Mod { .. })
            | Self::Variadic(Variadic::Max | Variadic::Min) => false,
        }
    }

    /// The function at one node of the grid.
    pub(crate) fn value(self, operands: &[Operand], at: usize) -> f64 {
        let get = |k: usize| operands.get(k).map_or(f64::NAN, |operand| operand.at(at));
        let all = || operands.iter().map(|operand| operand.at(at));
        let x = get(0);
        match self {
            Self::Unary(unary) => value(unary, x),
            Self::PRelu => {
                if x >= 0.0 {
                    x
                } else {
                    get(1) * x
                }
            }
            // f64::max and min skip the NaN of an absent bound.
            Self::Clip(low, high) => x.max(low.max(get(1))).min(high.min(get(2))),
            Self::Binary(binary) => {
                let y = get(1);
                match binary {
                    Binary::Add => x + y,
                    Binary::Sub => x - y,
                    Binary::Mul => x * y,
                    Binary::Div => x / y,
                    Binary::Pow => x.powf(y),
                    Binary::Mod { fmod: true } => x % y,
                    Binary::Mod { fmod: false } => x - y * (x / y).floor(),
                }
            }
            Self::Variadic(variadic) => match variadic {
                Variadic::Sum => all().sum(),
                Variadic::Mean => all().sum::<f64>() / operands.len().max(1) as f64,
                Variadic::Min => all().fold(f64::INFINITY, f64::min),
                Variadic::Max => all().fold(f64::NEG_INFINITY, f64::max),
            },
        }
    }

    /// The derivative by the k-th input at one node of the grid.
    pub(crate) fn slope(self, operands: &[Operand], k: usize, at: usize) -> f64 {
        let get = |k: usize| operands.get(k).map_or(f64::NAN, |operand| operand.at(at));
        let x = get(0);
        match self {
            Self::Unary(unary) => slope(unary, x),
            Self::PRelu => {
                if x >= 0.0 {
                    1.0
                } else {
                    get(1)
                }
            }
            Self::Clip(low, high) => {
                let inside = low.max(get(1)) < x && x < high.min(get(2));
                f64::from(u8::from(inside))
            }
            Self::Binary(binary) => {
                let y = get(1);
                match (binary, k) {
                    (Binary::Add, _) | (Binary::Sub | Binary::Mod { .. }, 0) => 1.0,
                    (Binary::Sub, _) => -1.0,
                    (Binary::Mul, 0) => y,
                    (Binary::Mul, _) => x,
                    (Binary::Div, 0) => 1.0 / y,
                    (Binary::Div, _) => -x / (y * y),
                    (Binary::Pow, 0) => y * x.powf(y - 1.0),
                    (Binary::Pow, _) => x.powf(y) * x.ln(),
                    (Binary::Mod { fmod: true }, _) => -(x / y).trunc(),
                    (Binary::Mod { fmod: false }, _) => -(x / y).floor(),
                }
            }
            Self::Variadic(variadic) => match variadic {
                Variadic::Sum => 1.0,
                Variadic::Mean => 1.0 / operands.len().max(1) as f64,
                Variadic::Min | Variadic::Max => {
                    f64::from(u8::from(get(k) == self.value(operands, at)))
                }
            },
        }
    }
}

/// A function of one number.
fn value(unary: Unary, x: f64) -> f64 {
    if let Some(activation) = named(unary) {
        return activation.eval(x);
    }
    let or = |condition: bool, other: f64| if condition { x } else { other };
    match unary {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sqrt => x.sqrt(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Cos => x.cos(),
        // Its moments are infinite.
        Unary::Tan => f64::NAN,
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Asin => x.asin(),
        Unary::Acos => x.acos(),
        Unary::Atan => x.atan(),
        Unary::Asinh => x.asinh(),
        Unary::Acosh => x.acosh(),
        Unary::Atanh => x.atanh(),
        Unary::Ceil => x.ceil(),
        Unary::Floor => x.floor(),
        Unary::Round => x.round_ties_even(),
        Unary::Sign => f64::from(i8::from(x > 0.0)) - f64::from(i8::from(x < 0.0)),
        Unary::Selu { alpha, gamma } => {
            let (alpha, gamma) = (f64::from(alpha), f64::from(gamma));
            gamma * or(x > 0.0, alpha * x.exp_m1())
        }
        Unary::Swish { alpha } => x * Activation::Sigmoid.eval(f64::from(alpha) * x),
        Unary::ThresholdedRelu { alpha } => or(x > f64::from(alpha), 0.0),
        Unary::Shrink { lambda, bias } => {
            let (lambda, bias) = (f64::from(lambda), f64::from(bias));
            if x < -lambda {
                x + bias
            } else if x > lambda {
                x - bias
            } else {
                0.0
            }
        }
        // These have a name above.
        Unary::Relu
        | Unary::LeakyRelu { .. }
        | Unary::Elu { .. }
        | Unary::Celu { .. }
        | Unary::Gelu { .. }
        | Unary::Mish
        | Unary::Softplus
        | Unary::Softsign
        | Unary::Tanh
        | Unary::Sigmoid
        | Unary::HardSigmoid { .. }
        | Unary::HardSwish
        | Unary::Erf
        | Unary::Sin => f64::NAN,
    }
}

/// Its derivative.
fn slope(unary: Unary, x: f64) -> f64 {
    if let Some(activation) = named(unary) {
        return activation.derivative(x);
    }
    match unary {
        Unary::Neg => -1.0,
        Unary::Abs => x.signum(),
        Unary::Sqrt => 0.5 / x.sqrt(),
        Unary::Exp => x.exp(),
        Unary::Log => 1.0 / x,
        Unary::Reciprocal => -1.0 / (x * x),
        Unary::Cos => -x.sin(),
        Unary::Tan => 1.0 + x.tan().powi(2),
        Unary::Sinh => x.cosh(),
        Unary::Cosh => x.sinh(),
        Unary::Asin => 1.0 / (1.0 - x * x).sqrt(),
        Unary::Acos => -1.0 / (1.0 - x * x).sqrt(),
        Unary::Atan => 1.0 / (1.0 + x * x),
        Unary::Asinh => 1.0 / (1.0 + x * x).sqrt(),
        Unary::Acosh => 1.0 / (x * x - 1.0).sqrt(),
        Unary::Atanh => 1.0 / (1.0 - x * x),
        Unary::Ceil | Unary::Floor | Unary::Round | Unary::Sign => 0.0,
        Unary::Selu { alpha, gamma } => {
            let (alpha, gamma) = (f64::from(alpha), f64::from(gamma));
            gamma * if x > 0.0 { 1.0 } else { alpha * x.exp() }
        }
        Unary::Swish { alpha } => {
            let alpha = f64::from(alpha);
            let gate = Activation::Sigmoid.eval(alpha * x);
            gate + alpha * x * gate * (1.0 - gate)
        }
        Unary::ThresholdedRelu { alpha } => f64::from(u8::from(x > f64::from(alpha))),
        Unary::Shrink { lambda, .. } => f64::from(u8::from(x.abs() > f64::from(lambda))),
        // These have a name above.
        Unary::Relu
        | Unary::LeakyRelu { .. }
        | Unary::Elu { .. }
        | Unary::Celu { .. }
        | Unary::Gelu { .. }
        | Unary::Mish
        | Unary::Softplus
        | Unary::Softsign
        | Unary::Tanh
        | Unary::Sigmoid
        | Unary::HardSigmoid { .. }
        | Unary::HardSwish
        | Unary::Erf
        | Unary::Sin => f64::NAN,
    }
}

/// ONNX's parameters of SELU are the published ones in single precision.
const SELU: (f32, f32) = (1.673_263_2, 1.050_701);

/// The activation of `fanin` that a function is.
fn named(unary: Unary) -> Option<Activation> {
    Some(match unary {
        Unary::Relu => Activation::Relu,
        Unary::LeakyRelu { alpha } => Activation::LeakyRelu {
            slope: alpha.into(),
        },
        Unary::Elu { alpha } => Activation::Elu {
            alpha: alpha.into(),
        },
        Unary::Celu { alpha } => Activation::Celu {
            alpha: alpha.into(),
        },
        Unary::Selu { alpha, gamma } if (alpha, gamma) == SELU => Activation::Selu,
        Unary::Gelu { tanh: true } => Activation::GeluTanh,
        Unary::Gelu { tanh: false } => Activation::Gelu,
        Unary::Swish { alpha: 1.0 } => Activation::Silu,
        Unary::Mish => Activation::Mish,
        Unary::Softplus => Activation::Softplus,
        Unary::Softsign => Activation::Softsign,
        Unary::Tanh => Activation::Tanh,
        Unary::Sigmoid => Activation::Sigmoid,
        Unary::HardSigmoid { alpha, beta } => Activation::HardSigmoid {
            alpha: alpha.into(),
            beta: beta.into(),
        },
        Unary::HardSwish => Activation::HardSwish,
        Unary::Erf => Activation::Erf,
        Unary::Sin => Activation::Sin,
        Unary::Selu { .. }
        | Unary::Swish { .. }
        | Unary::Abs
        | Unary::Acos
        | Unary::Acosh
        | Unary::Asin
        | Unary::Asinh
        | Unary::Atan
        | Unary::Atanh
        | Unary::Ceil
        | Unary::Cos
        | Unary::Cosh
        | Unary::Exp
        | Unary::Floor
        | Unary::Log
        | Unary::Neg
        | Unary::Reciprocal
        | Unary::Round
        | Unary::Shrink { .. }
        | Unary::Sign
        | Unary::Sinh
        | Unary::Sqrt
        | Unary::Tan
        | Unary::ThresholdedRelu { .. } => return None,
    })
}
