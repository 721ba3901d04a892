//! Elementwise functions of one Gaussian value.
//!
//! A value that is an elementwise function of a Gaussian one is held by its values on a quadrature
//! grid over that Gaussian. Each further elementwise operation acts node by node, so that an
//! activation spelled out in primitive operations (GELU through `Erf`, SiLU as x·sigmoid(x), Mish)
//! needs no rule of its own: the moments come out of the same grid.

use std::rc::Rc;

use fanin::Activation;
use fanin_network::Node;

use super::Context;
use crate::dual::Dual;
use crate::quadrature::Grid;
use crate::signal::Signal;

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
pub(crate) struct Operands<'a> {
    /// One per input.
    pub(crate) list: Vec<Operand>,
    /// The grid they are on.
    pub(crate) grid: Grid,
    /// The widest signal among the inputs.
    pub(crate) signal: &'a Signal,
}

/// Collects the operands; `None` if the inputs are functions of different Gaussian values or of none.
pub(crate) fn operands<'a>(context: &Context<'a>, node: &Node) -> Option<Operands<'a>> {
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
        let slope = node.op == "PRelu" && k == 1;
        if signal.parameter && (slope || context.shape(node, k).is_some_and(is_single)) {
            list.push(Operand::Scalar(signal.mean));
            continue;
        }
        if signal.parameter {
            return None;
        }
        match &found {
            None => {
                let (grid, nodes) = signal.on_grid();
                list.push(Operand::Nodes(nodes));
                found = Some((grid, signal));
            }
            Some((grid, first)) if first.shape.base == signal.shape.base => {
                // A value of fewer elements would be copied along axes: not the same Gaussian.
                let first_id = context.network.value(first.shape.base).shape.as_deref();
                if first_id.map(super::count)
                    != context
                        .network
                        .value(*id)
                        .shape
                        .as_deref()
                        .map(super::count)
                {
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
    let function = Function::of(node)?;
    let operands = operands(context, node)?;
    let values: Rc<[f64]> = (0..operands.grid.nodes.len())
        .map(|at| function.value(&operands.list, at))
        .collect();
    let second = operands.grid.moment(&values, 2);
    if !second.is_finite() {
        return None;
    }
    let mut signal = operands.signal.clone();
    signal.mean = operands.grid.moment(&values, 1);
    signal.second = second;
    signal.kurtosis = if second > 0.0 {
        operands.grid.moment(&values, 4) / (second * second)
    } else {
        1.0
    };
    if let Some(base) = context.at(operands.signal.shape.base) {
        let dual = Dual::new(&operands.grid, &values);
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
    let lean = operands.grid.lean(&values);
    let power = if second > 0.0 { lean / second } else { 0.0 };
    signal.profile = context
        .at(operands.signal.shape.base)
        .and_then(|base| base.profile.as_ref())
        .map(|profile| {
            let bent = |line: &Vec<f64>| line.iter().map(|x| x.powf(power)).collect();
            super::attribute::normalized(profile.iter().map(bent).collect()).1
        })
        .unwrap_or_default();
    signal.steps = None;
    signal.gaussian = function.is_affine() && signal.gaussian;
    signal.shape.nodes = Some(values);
    signal.shape.grid = Some(operands.grid);
    Some(signal)
}

/// An elementwise operation.
pub(crate) enum Function {
    /// A named activation of the first input.
    Named(Activation),
    /// x for x ≥ 0, slope · x below; the slope is the second input.
    PRelu,
    /// Between the second and the third input, each of which may be absent.
    Clip(f64, f64),
    /// A primitive operation.
    Primitive(Primitive),
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Primitive {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
    Neg,
    Abs,
    Sqrt,
    Exp,
    Log,
    Reciprocal,
    Cos,
}

impl Function {
    /// The function that a node applies; `None` if it is not elementwise or not known.
    pub(crate) fn of(node: &Node) -> Option<Self> {
        if let Some(activation) = named(node) {
            return Some(Self::Named(activation));
        }
        if !node.domain.is_empty() {
            return None;
        }
        let primitive = match node.op.as_str() {
            "PRelu" => return Some(Self::PRelu),
            "Clip" => {
                let bound = |name, open| {
                    node.attributes
                        .get(name)
                        .map_or(open, |_| f64::from(node.attributes.float(name, 0.0)))
                };
                return Some(Self::Clip(
                    bound("min", f64::NEG_INFINITY),
                    bound("max", f64::INFINITY),
                ));
            }
            "Add" | "Sum" => Primitive::Add,
            "Sub" => Primitive::Sub,
            "Mul" => Primitive::Mul,
            "Div" => Primitive::Div,
            "Pow" => Primitive::Pow,
            "Min" => Primitive::Min,
            "Max" => Primitive::Max,
            "Neg" => Primitive::Neg,
            "Abs" => Primitive::Abs,
            "Sqrt" => Primitive::Sqrt,
            "Exp" => Primitive::Exp,
            "Log" => Primitive::Log,
            "Reciprocal" => Primitive::Reciprocal,
            "Cos" => Primitive::Cos,
            _ => return None,
        };
        Some(Self::Primitive(primitive))
    }

    fn is_affine(&self) -> bool {
        use Primitive::{Add, Div, Mul, Neg, Sub};
        matches!(self, Self::Primitive(Add | Sub | Mul | Div | Neg))
    }

    /// The function at one node of the grid.
    pub(crate) fn value(&self, operands: &[Operand], at: usize) -> f64 {
        let get = |k: usize| operands.get(k).map_or(f64::NAN, |operand| operand.at(at));
        let all = || operands.iter().map(|operand| operand.at(at));
        let x = get(0);
        match self {
            Self::Named(activation) => activation.eval(x),
            Self::PRelu => {
                if x >= 0.0 {
                    x
                } else {
                    get(1) * x
                }
            }
            // f64::max and min skip the NaN of an absent bound.
            Self::Clip(low, high) => x.max(low.max(get(1))).min(high.min(get(2))),
            Self::Primitive(primitive) => match primitive {
                Primitive::Add => all().sum(),
                Primitive::Sub => x - get(1),
                Primitive::Mul => x * get(1),
                Primitive::Div => x / get(1),
                Primitive::Pow => x.powf(get(1)),
                Primitive::Min => all().fold(f64::INFINITY, f64::min),
                Primitive::Max => all().fold(f64::NEG_INFINITY, f64::max),
                Primitive::Neg => -x,
                Primitive::Abs => x.abs(),
                Primitive::Sqrt => x.sqrt(),
                Primitive::Exp => x.exp(),
                Primitive::Log => x.ln(),
                Primitive::Reciprocal => 1.0 / x,
                Primitive::Cos => x.cos(),
            },
        }
    }

    /// The derivative by the k-th input at one node of the grid.
    pub(crate) fn slope(&self, operands: &[Operand], k: usize, at: usize) -> f64 {
        let get = |k: usize| operands.get(k).map_or(f64::NAN, |operand| operand.at(at));
        let x = get(0);
        let picked = |best: f64| f64::from(u8::from(get(k) == best));
        match self {
            Self::Named(activation) => activation.derivative(x),
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
            Self::Primitive(primitive) => match (primitive, k) {
                (Primitive::Add, _) | (Primitive::Sub, 0) => 1.0,
                (Primitive::Sub, _) | (Primitive::Neg, _) => -1.0,
                (Primitive::Mul, 0) => get(1),
                (Primitive::Mul, _) => x,
                (Primitive::Div, 0) => 1.0 / get(1),
                (Primitive::Div, _) => -x / (get(1) * get(1)),
                (Primitive::Pow, 0) => get(1) * x.powf(get(1) - 1.0),
                (Primitive::Pow, _) => x.powf(get(1)) * x.ln(),
                (Primitive::Min | Primitive::Max, _) => picked(self.value(operands, at)),
                (Primitive::Abs, _) => x.signum(),
                (Primitive::Sqrt, _) => 0.5 / x.sqrt(),
                (Primitive::Exp, _) => x.exp(),
                (Primitive::Log, _) => 1.0 / x,
                (Primitive::Reciprocal, _) => -1.0 / (x * x),
                (Primitive::Cos, _) => -x.sin(),
            },
        }
    }
}

/// The activation that one node is, with its attributes at ONNX's defaults.
fn named(node: &Node) -> Option<Activation> {
    let float = |name: &str, default: f32| f64::from(node.attributes.float(name, default));
    if !node.domain.is_empty() && node.domain != "com.microsoft" {
        return None;
    }
    Some(match node.op.as_str() {
        "Relu" => Activation::Relu,
        "LeakyRelu" => Activation::LeakyRelu {
            slope: float("alpha", 0.01),
        },
        "Elu" => Activation::Elu {
            alpha: float("alpha", 1.0),
        },
        "Celu" => Activation::Celu {
            alpha: float("alpha", 1.0),
        },
        // Attributes other than the published ones have no name of their own.
        "Selu" if node.attributes.0.is_empty() => Activation::Selu,
        "Gelu" if node.attributes.str("approximate", "none") == "tanh" => Activation::GeluTanh,
        "Gelu" => Activation::Gelu,
        "FastGelu" if node.inputs.len() == 1 => Activation::GeluTanh,
        "Swish" if float("alpha", 1.0) == 1.0 => Activation::Silu,
        "Mish" => Activation::Mish,
        "Softplus" => Activation::Softplus,
        "Softsign" => Activation::Softsign,
        "Tanh" => Activation::Tanh,
        "Sigmoid" => Activation::Sigmoid,
        "HardSigmoid" => Activation::HardSigmoid {
            alpha: float("alpha", 0.2),
            beta: float("beta", 0.5),
        },
        "HardSwish" => Activation::HardSwish,
        "Erf" => Activation::Erf,
        "Sin" => Activation::Sin,
        _ => return None,
    })
}
