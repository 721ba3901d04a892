//! Which activation a value meets, however the exporter spelled it.
//!
//! An activation is recognized by what it computes, not by how it is written: the elementwise
//! operations that start from one value and numbers alone are evaluated on a grid, and the curve
//! is compared with the curves of the activations fanin knows. `x · ½(1 + erf(x/√2))` is GELU in
//! whatever order its factors come, and `Clip(x, 0, 6)` is ReLU6.

use std::collections::{BTreeMap, BTreeSet};

use fanin::Activation;

pub use super::spelled::Recognized;
use crate::number::number;
use crate::operator::{Binary, Setting, Unary, Variadic};
use crate::{Network, Node, NodeId, Operator, ValueId};

/// The activation that the consumers of `value` form, if they form exactly one that fanin knows,
/// and the value that comes out of it. Consumers that form none (a next weight, a residual sum)
/// do not matter.
pub fn recognize(network: &Network, value: ValueId) -> Option<Recognized> {
    let mut found = recognize_all(network, value);
    match found.len() {
        1 => found.pop(),
        _ => None,
    }
}

/// Where the curves are compared. Not symmetric, dense where activations bend.
const GRID: &[f64] = &[
    -9.0, -6.5, -4.25, -3.5, -3.0, -2.6, -2.2, -1.9, -1.5, -1.2, -1.0, -0.85, -0.7, -0.5, -0.35,
    -0.2, -0.1, 0.05, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0, 1.1, 1.4, 1.7, 2.0, 2.5, 2.9, 3.3, 4.0,
    5.0, 6.2, 7.0, 10.0,
];
/// Curves closer than this (absolute, relative beyond 1) are the same; GELU and its tanh form are
/// 5e-4 apart, constants rounded to f32 shift a curve by 1e-6.
const TOLERANCE: f64 = 5e-5;
/// Longest spelling looked at; the longest in use (GELU by tanh) has 8 nodes.
const LONGEST: usize = 24;

/// All activations that the consumers of `value` form.
pub(super) fn recognize_all(network: &Network, value: ValueId) -> Vec<Recognized> {
    let spelling = Spelling::of(network, value);
    let mut found: Vec<Recognized> = Vec::new();
    for exit in spelling.exits(network) {
        let Some(recognized) = spelling.at(network, exit) else {
            continue;
        };
        if !found.iter().any(|r| r.output == recognized.output) {
            found.push(recognized);
        }
    }
    found
}

/// The elementwise operations that start from one value and numbers alone.
struct Spelling {
    entry: ValueId,
    /// The curve of each value.
    curves: BTreeMap<ValueId, Vec<f64>>,
    nodes: BTreeSet<NodeId>,
}

impl Spelling {
    fn of(network: &Network, entry: ValueId) -> Self {
        let mut spelling = Self {
            entry,
            curves: BTreeMap::from([(entry, GRID.to_vec())]),
            nodes: BTreeSet::new(),
        };
        let mut open: BTreeSet<NodeId> = network.value(entry).consumers.iter().copied().collect();
        while let Some(id) = open.pop_first() {
            if spelling.nodes.len() >= LONGEST {
                break;
            }
            let node = network.node(id);
            let (Some(output), Some(curve)) = (
                network.output(id),
                evaluate(network, node, &spelling.curves),
            ) else {
                continue;
            };
            spelling.nodes.insert(id);
            spelling.curves.insert(output, curve);
            open.extend(network.value(output).consumers.iter().copied());
        }
        spelling
    }

    /// Values through which the curve leaves.
    fn exits(&self, network: &Network) -> Vec<ValueId> {
        let mut exits: Vec<ValueId> = self
            .curves
            .keys()
            .copied()
            .filter(|&id| id != self.entry)
            .filter(|&id| {
                let consumers = &network.value(id).consumers;
                network.outputs.contains(&id)
                    || consumers.is_empty()
                    || consumers.iter().any(|consumer| {
                        !self.nodes.contains(consumer)
                            && !super::op::only_looks(network.node(*consumer))
                    })
            })
            .collect();
        exits.sort_by_key(|&id| network.value(id).producer);
        exits
    }

    /// The activation at this exit, or the last one that everything on the way to it passes.
    fn at(&self, network: &Network, exit: ValueId) -> Option<Recognized> {
        let between = self.between(network, exit, None);
        let mut candidates: Vec<ValueId> = between
            .iter()
            .filter_map(|&node| network.output(node))
            .filter(|&id| id != exit && !self.reaches(network, exit, id))
            .collect();
        candidates.push(exit);
        candidates.into_iter().rev().find_map(|id| {
            let activation = identify(self.curves.get(&id)?)?;
            Some(Recognized {
                activation,
                output: id,
                nodes: self.between(network, id, None).into_iter().collect(),
            })
        })
    }

    /// The nodes on the ways from the entry to a value, none of them through `without`.
    fn between(
        &self,
        network: &Network,
        to: ValueId,
        without: Option<ValueId>,
    ) -> BTreeSet<NodeId> {
        let mut nodes = BTreeSet::new();
        let mut open = vec![to];
        while let Some(id) = open.pop() {
            if id == self.entry || Some(id) == without {
                continue;
            }
            let Some(producer) = network.value(id).producer else {
                continue;
            };
            if self.nodes.contains(&producer) && nodes.insert(producer) {
                open.extend(
                    network
                        .node(producer)
                        .inputs
                        .iter()
                        .copied()
                        .flatten()
                        .filter(|input| self.curves.contains_key(input)),
                );
            }
        }
        nodes
    }

    /// Whether the entry reaches a value without passing another.
    fn reaches(&self, network: &Network, to: ValueId, without: ValueId) -> bool {
        self.between(network, to, Some(without))
            .iter()
            .any(|&node| network.node(node).inputs.contains(&Some(self.entry)))
    }
}

fn evaluate(
    network: &Network,
    node: &Node,
    curves: &BTreeMap<ValueId, Vec<f64>>,
) -> Option<Vec<f64>> {
    let operand = |slot: usize| -> Option<Vec<f64>> {
        let id = node.inputs.get(slot).copied().flatten()?;
        match curves.get(&id) {
            Some(curve) => Some(curve.clone()),
            None => number(network, id).map(|x| vec![x; GRID.len()]),
        }
    };
    let unary = |f: &dyn Fn(f64) -> f64| {
        let x = operand(0)?;
        Some(x.into_iter().map(f).collect::<Vec<f64>>())
    };
    let fold = |f: &dyn Fn(f64, f64) -> f64| {
        let mut result = operand(0)?;
        for slot in 1..node.inputs.len() {
            for (x, y) in result.iter_mut().zip(operand(slot)?) {
                *x = f(*x, y);
            }
        }
        Some(result)
    };
    match &node.operator {
        Operator::Identity | Operator::Dropout(_) | Operator::Cast { .. } | Operator::CastLike => {
            operand(0)
        }
        Operator::Binary(Binary::Add) | Operator::Variadic(Variadic::Sum) => fold(&|x, y| x + y),
        Operator::Binary(Binary::Sub) => fold(&|x, y| x - y),
        Operator::Binary(Binary::Mul) => fold(&|x, y| x * y),
        Operator::Binary(Binary::Div) => fold(&|x, y| x / y),
        Operator::Binary(Binary::Pow) => fold(&f64::powf),
        Operator::Variadic(Variadic::Max) => fold(&f64::max),
        Operator::Variadic(Variadic::Min) => fold(&f64::min),
        Operator::BiasGelu { tanh: true } if node.inputs.iter().flatten().count() == 1 => {
            unary(&|x| Activation::GeluTanh.eval(x))
        }
        Operator::Clip(clip) => {
            // A bound that is not known leaves the curve unknown.
            let bound = |setting: &Setting<f32>, open: f64| match setting {
                Setting::Given(x) => Some(f64::from(*x)),
                Setting::Absent => Some(open),
                Setting::Input(slot) => match node.input(*slot) {
                    Some(id) => number(network, id),
                    None => Some(open),
                },
            };
            let low = bound(&clip.low, f64::NEG_INFINITY)?;
            let high = bound(&clip.high, f64::INFINITY)?;
            unary(&|x| x.max(low).min(high))
        }
        Operator::Unary(function) => {
            let curve = curve(*function)?;
            unary(&*curve)
        }
        _ => None,
    }
}

/// The curve of a function of each element that activations are spelled with.
fn curve(function: Unary) -> Option<Box<dyn Fn(f64) -> f64>> {
    let wide = f64::from;
    Some(match function {
        Unary::Neg => Box::new(|x: f64| -x),
        Unary::Abs => Box::new(f64::abs),
        Unary::Exp => Box::new(f64::exp),
        Unary::Log => Box::new(f64::ln),
        Unary::Sqrt => Box::new(f64::sqrt),
        Unary::Reciprocal => Box::new(|x| 1.0 / x),
        Unary::Erf => Box::new(|x| Activation::Erf.eval(x)),
        Unary::Sin => Box::new(f64::sin),
        Unary::Tanh => Box::new(f64::tanh),
        Unary::Sigmoid => Box::new(sigmoid),
        Unary::Relu => Box::new(|x| x.max(0.0)),
        Unary::Softplus => Box::new(softplus),
        Unary::Softsign => Box::new(|x| x / (1.0 + x.abs())),
        Unary::Mish => Box::new(|x| x * softplus(x).tanh()),
        Unary::LeakyRelu { alpha } => {
            let slope = wide(alpha);
            Box::new(move |x| if x < 0.0 { slope * x } else { x })
        }
        Unary::ThresholdedRelu { alpha } => {
            let alpha = wide(alpha);
            Box::new(move |x| if x > alpha { x } else { 0.0 })
        }
        Unary::Elu { alpha } => {
            let alpha = wide(alpha);
            Box::new(move |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
        }
        Unary::Celu { alpha } => {
            let alpha = wide(alpha);
            Box::new(move |x| x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0))
        }
        Unary::Selu { alpha, gamma } => {
            let (alpha, gamma) = (wide(alpha), wide(gamma));
            Box::new(move |x| gamma * if x < 0.0 { alpha * x.exp_m1() } else { x })
        }
        Unary::HardSigmoid { alpha, beta } => {
            let (alpha, beta) = (wide(alpha), wide(beta));
            Box::new(move |x| (alpha * x + beta).clamp(0.0, 1.0))
        }
        Unary::HardSwish => Box::new(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        Unary::Swish { alpha } => {
            let alpha = wide(alpha);
            Box::new(move |x| x * sigmoid(alpha * x))
        }
        Unary::Gelu { tanh: true } => Box::new(|x| Activation::GeluTanh.eval(x)),
        Unary::Gelu { tanh: false } => Box::new(|x| Activation::Gelu.eval(x)),
        Unary::Acos
        | Unary::Acosh
        | Unary::Asin
        | Unary::Asinh
        | Unary::Atan
        | Unary::Atanh
        | Unary::Ceil
        | Unary::Cos
        | Unary::Cosh
        | Unary::Floor
        | Unary::Round
        | Unary::Shrink { .. }
        | Unary::Sign
        | Unary::Sinh
        | Unary::Tan => return None,
    })
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn closeness(curve: &[f64], expected: impl Fn(f64) -> f64) -> f64 {
    curve
        .iter()
        .zip(GRID)
        .map(|(&y, &x)| {
            let expected = expected(x);
            (y - expected).abs() / expected.abs().max(1.0)
        })
        .fold(0.0, |worst, error| {
            if error.is_nan() {
                f64::INFINITY
            } else {
                worst.max(error)
            }
        })
}

/// The value of the curve at a point of the grid.
fn sample(curve: &[f64], x: f64) -> f64 {
    GRID.iter()
        .zip(curve)
        .find(|(at, _)| **at == x)
        .map_or(f64::NAN, |(_, y)| *y)
}

/// The activation whose curve this is; the identity and other straight lines are none.
fn identify(curve: &[f64]) -> Option<Activation> {
    let slope = sample(curve, 1.0) - sample(curve, 0.05);
    let slope = slope / 0.95;
    let straight = GRID
        .iter()
        .zip(curve)
        .all(|(x, y)| (sample(curve, 1.0) + slope * (x - 1.0) - y).abs() < 1e-6 * (1.0 + y.abs()));
    if straight {
        return None;
    }
    candidates(curve)
        .into_iter()
        .map(|activation| (closeness(curve, |x| activation.eval(x)), activation))
        // x σ(1.702 x) is a GELU that was made to be cheap, 0.02 from the exact one.
        .chain([(
            closeness(curve, |x| x * sigmoid(1.702 * x)),
            Activation::Gelu,
        )])
        .filter(|(error, _)| *error < TOLERANCE)
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, activation)| activation)
}

/// The number that was meant by one that went through single precision.
fn meant(x: f64) -> f64 {
    const SIXTH: f64 = 1.0 / 6.0;
    if (x - SIXTH).abs() < 1e-7 {
        return SIXTH;
    }
    // The shortest decimal that rounds to the same single-precision number.
    (x as f32).to_string().parse().unwrap_or(x)
}

/// The activations fanin knows, those with a parameter fitted to two points of the curve.
fn candidates(curve: &[f64]) -> Vec<Activation> {
    let at = |x| sample(curve, x);
    // The sigmoid of a line: its slope follows from two values of the logit.
    let (low, high) = (at(-0.2), at(0.6));
    let alpha = (high - low) / 0.8;
    let mut known = vec![
        Activation::Relu,
        Activation::Selu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Mish,
        Activation::Softplus,
        Activation::Softsign,
        Activation::Tanh,
        Activation::HardTanh,
        Activation::Sigmoid,
        Activation::HardSwish,
        Activation::Clip {
            low: meant(at(-9.0)),
            high: meant(at(10.0)),
        },
        Activation::ReluSquared,
        Activation::Erf,
        Activation::Sin,
        Activation::LeakyRelu {
            slope: meant(-at(-1.0)),
        },
        Activation::Elu {
            alpha: meant(at(-9.0) / (-9f64).exp_m1()),
        },
        Activation::HardSigmoid {
            alpha: meant(alpha),
            beta: meant(low + 0.2 * alpha),
        },
    ];
    // celu(x) = a (exp(x/a) - 1) for negative x; a from its value at -9 by iteration, which
    // contracts because exp(-9/a) is small for every a in use.
    let limit = -at(-9.0);
    let alpha = (0..50).fold(limit, |alpha, _| limit / -(-9.0 / alpha).exp_m1());
    known.push(Activation::Celu {
        alpha: meant(alpha),
    });
    known.retain(|a| match *a {
        Activation::Celu { alpha } => alpha > 0.0,
        Activation::Clip { low, high } => low < high,
        _ => true,
    });
    known
}
