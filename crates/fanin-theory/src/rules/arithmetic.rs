//! Sums and products of independent values.
//!
//! Two values are independent if each depends on random weights of its own: the two ends of a
//! residual block, a gate and what it gates. Values that share an origin without being functions
//! of one Gaussian value have no rule, but for a statistic of a value's units and the value itself,
//! as norms are spelled out: x less its mean over n units has E[x²] − E[mean²], x over the root of
//! its mean square has E[x²]/E[square], and a gradient loses one direction of n each time.

use fanin_network::operator::{Binary, Fused, Unary, Variadic};
use fanin_network::{Node, Operator, ValueId};

use super::back::{Arrival, Back, Flow};
use super::{Context, Rule, Support, activation, reduce};
use crate::band::of_sum;
use crate::cross::Cross;
use crate::signal::{Shape, Signal, disjoint, kurtosis, mixed_profile, union};

impl Rule for Binary {
    fn support(&self) -> Support {
        let known = !matches!(self, Self::Mod { .. });
        Support {
            forward: known,
            backward: known,
        }
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        if let Some(signal) = activation::forward(context, node) {
            return Some(signal);
        }
        if let Some(statistic) = Statistic::of(context, node) {
            return statistic.applied(*self, output);
        }
        match self {
            Self::Add => fold(context, node, output, |a, b, id| sum(a, b, 1.0, id)),
            Self::Sub => fold(context, node, output, |a, b, id| sum(a, b, -1.0, id)),
            Self::Mul => fold(context, node, output, product),
            Self::Div => fold(context, node, output, quotient).filter(Signal::is_known),
            Self::Pow | Self::Mod { .. } => None,
        }
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if let Some(back) = activation::backward(arrival) {
            return back;
        }
        if let Some(statistic) = Statistic::of(arrival.context, arrival.node) {
            return statistic.back(*self, arrival);
        }
        match self {
            // What a mask of unknown shape is added to keeps its own.
            Self::Add => of_sum_back(arrival, arrival.ratio.unwrap_or(1.0)),
            Self::Sub => of_sum_back(arrival, arrival.ratio?),
            Self::Mul => of_product_back(arrival),
            Self::Div => of_quotient_back(arrival),
            Self::Pow | Self::Mod { .. } => None,
        }
    }
}

impl Rule for Variadic {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        activation::forward(context, node).or_else(|| match self {
            Self::Sum => fold(context, node, output, |a, b, id| sum(a, b, 1.0, id)),
            Self::Mean => {
                let total = fold(context, node, output, |a, b, id| sum(a, b, 1.0, id))?;
                Some(scaled(total, 1.0 / node.inputs.len().max(1) as f64, output))
            }
            Self::Max | Self::Min => None,
        })
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if let Some(back) = activation::backward(arrival) {
            return back;
        }
        match self {
            Self::Sum => of_sum_back(arrival, arrival.ratio?),
            Self::Mean => {
                let n = arrival.node.inputs.len().max(1) as f64;
                let copies = arrival.ratio?;
                let flow = arrival.times(copies / (n * n));
                let flow = if copies == 1.0 {
                    flow
                } else {
                    Flow::of(flow.second)
                };
                Some(arrival.gaussian(flow))
            }
            Self::Max | Self::Min => None,
        }
    }
}

/// GELU of the sum of a value and a vector.
pub(crate) struct BiasGelu;

impl BiasGelu {
    fn gelu(node: &Node) -> Fused {
        let tanh = matches!(node.operator, Operator::BiasGelu { tanh: true });
        Fused::Unary(Unary::Gelu { tanh })
    }
}

impl Rule for BiasGelu {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let (x, bias) = (context.signal(node, 0)?, context.signal(node, 1)?);
        let total = sum(x, bias, 1.0, output);
        activation::fused(&total, Self::gelu(node), output).filter(|_| bias.parameter)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        let slope = activation::fused_slope(arrival.out, Self::gelu(arrival.node));
        Some(arrival.gaussian(Flow {
            profile: arrival.flow.profile.clone(),
            ..Flow::of(arrival.flow.second * slope)
        }))
    }
}

/// A value times a number.
pub(crate) fn scaled(x: Signal, factor: f64, output: ValueId) -> Signal {
    let square = factor * factor;
    Signal {
        mean: factor * x.mean,
        second: square * x.second,
        cross: x.cross.map(|product| square * product),
        shape: Shape::base(output),
        ..x
    }
}

/// The gradient at a term of a sum, of which each element has so many copies.
fn of_sum_back(arrival: &Arrival<'_>, copies: f64) -> Option<Back> {
    if copies != 1.0 {
        let flow = Flow::of(arrival.flow.second * copies);
        return Some(arrival.gaussian(flow));
    }
    if arrival.out.shape.base == arrival.signal.shape.base {
        return Some(Back::Same);
    }
    Some(arrival.gaussian(arrival.flow.clone()))
}

/// The gradient at a factor of a product.
fn of_product_back(arrival: &Arrival<'_>) -> Option<Back> {
    let copies = arrival.ratio?;
    let mut factor = 1.0;
    let mut alike = arrival.flow.alike;
    let slots = 0..arrival.node.inputs.len();
    for other in slots.filter(|&other| other != arrival.slot) {
        let other = arrival.signal_at(other)?;
        factor *= other.second;
        alike = match other.cross.within {
            Some(within) if other.second > 0.0 => alike.map(|a| a * within / other.second),
            _ => None,
        };
    }
    let flow = Flow {
        second: arrival.flow.second * copies * factor,
        alike,
        profile: arrival.flow.profile.clone(),
        ..Flow::default()
    };
    // Only where the rule forward took them as independent.
    (arrival.out.shape.base == arrival.output).then(|| arrival.gaussian(flow))
}

/// The gradient at either side of a quotient by what hardly varies.
fn of_quotient_back(arrival: &Arrival<'_>) -> Option<Back> {
    let copies = arrival.ratio?;
    let (x, y) = (arrival.signal_at(0)?, arrival.signal_at(1)?);
    if arrival.out.shape.base != arrival.output || !is_steady(y) {
        return None;
    }
    let factor = match arrival.slot {
        0 => 1.0 / y.second,
        _ => x.second / (y.second * y.second),
    };
    let flow = arrival.times(copies * factor);
    let flow = if copies == 1.0 {
        flow
    } else {
        Flow::of(flow.second)
    };
    Some(arrival.gaussian(flow))
}

/// Whether a value hardly varies about a mean that is not zero.
fn is_steady(x: &Signal) -> bool {
    x.second > 0.0 && x.spread() <= STEADY * x.second
}

/// The largest share of a second moment that varies where the value counts as steady.
const STEADY: f64 = 0.05;

/// A value and a statistic of its own units at each place, which broadcasts to it.
struct Statistic<'a> {
    /// The slot of the value.
    slot: usize,
    value: &'a Signal,
    statistic: &'a Signal,
    /// Units that share it.
    units: f64,
}

impl<'a> Statistic<'a> {
    fn of(context: &Context<'a>, node: &Node) -> Option<Self> {
        let of = |slot: usize| {
            let (value, statistic) = (context.signal(node, slot)?, context.signal(node, 1 - slot)?);
            let (whole, part) = (context.shape(node, slot)?, context.shape(node, 1 - slot)?);
            let axis = reduce::unit_axis(whole.len())?;
            let fits = whole.len() == part.len()
                && part.get(axis) == Some(&1)
                && whole
                    .iter()
                    .zip(part)
                    .enumerate()
                    .all(|(k, (a, b))| k == axis || a == b);
            let shared = !value.parameter
                && !statistic.parameter
                && statistic.units == 1.0
                && !disjoint(&value.origins, &statistic.origins);
            let units = *whole.get(axis)? as f64;
            (fits && shared && units > 1.0).then_some(Self {
                slot,
                value,
                statistic,
                units,
            })
        };
        of(0).or_else(|| of(1))
    }

    /// Whether it is small next to the value, as a mean over many units is.
    fn is_small(&self) -> bool {
        self.statistic.spread() <= STEADY * self.value.second
    }

    /// The statistic where what it is a function of is at its mean: that x has there is by what it is
    /// divided, and no other.
    fn size(&self) -> f64 {
        let (grid, nodes) = self.statistic.on_grid();
        let off = |at: &usize| {
            grid.nodes
                .get(*at)
                .map_or(f64::MAX, |x| (x - grid.mean).abs())
        };
        let middle = (0..nodes.len()).min_by(|a, b| off(a).total_cmp(&off(b)));
        match middle.and_then(|at| nodes.get(at)) {
            Some(value) if self.statistic.shape.nodes.is_some() => value.abs(),
            _ => self.statistic.second.sqrt(),
        }
    }

    fn applied(&self, binary: Binary, output: ValueId) -> Option<Signal> {
        let (x, y) = (self.value, self.statistic);
        let known = match binary {
            Binary::Sub => self.slot == 0 && self.is_small(),
            Binary::Mul => is_steady(y),
            Binary::Div => self.slot == 0 && is_steady(y),
            Binary::Add | Binary::Pow | Binary::Mod { .. } => false,
        };
        if !known {
            return None;
        }
        let mut signal = match binary {
            Binary::Sub => {
                // Only the mean over units goes.
                let mut signal =
                    Signal::gaussian(output, x.mean - y.mean, (x.second - y.second).max(0.0));
                signal.cross = x.cross.zip(y.cross, |own, mean| own - mean);
                signal.cosine_inherited = x.cosine_inherited;
                signal.profile = x.profile.clone();
                signal
            }
            _ => {
                let factor = match binary {
                    Binary::Div => 1.0 / self.size(),
                    _ => self.size(),
                };
                let mut signal = scaled(x.clone(), factor, output);
                signal.profile = None;
                signal
            }
        };
        signal.units = x.units;
        signal.since = x.since;
        signal.origins = x.origins.clone();
        signal.gaussian = x.gaussian;
        Some(match binary {
            Binary::Sub => signal.with_variance(x.variance()),
            // The luck of the value is the statistic's too.
            _ => signal.with_variance(0.0),
        })
    }

    /// The gradient at the value; at the statistic it starts again from the measurement.
    fn back(&self, binary: Binary, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != self.slot || arrival.out.shape.base != arrival.output {
            return None;
        }
        let kept = 1.0 - 1.0 / self.units;
        let factor = match binary {
            Binary::Sub => 1.0,
            Binary::Mul => self.size().powi(2),
            Binary::Div => 1.0 / self.size().powi(2),
            Binary::Add | Binary::Pow | Binary::Mod { .. } => return None,
        };
        Some(arrival.gaussian(arrival.times(factor * kept)))
    }
}

fn fold(
    context: &Context<'_>,
    node: &Node,
    output: ValueId,
    step: impl Fn(&Signal, &Signal, ValueId) -> Signal,
) -> Option<Signal> {
    let mut total = placed(context, node, 0, context.signal(node, 0)?);
    for k in 1..node.inputs.len() {
        let next = context.signal(node, k)?;
        let next = &placed(context, node, k, next);
        if !next.parameter && !total.parameter && !disjoint(&total.origins, &next.origins) {
            return None;
        }
        total = step(&total, next, output);
    }
    Some(total)
}

/// A sum of independent values: second moments add, and twice the product of the means.
pub(crate) fn sum(a: &Signal, b: &Signal, sign: f64, output: ValueId) -> Signal {
    // Adding zeros (a fresh bias, the zero end of a branch) changes nothing.
    for (zero, other) in [(b, a), (a, b)] {
        if zero.second == 0.0 && !(std::ptr::eq(other, b) && sign < 0.0) {
            return other.clone();
        }
    }
    let mean = a.mean + sign * b.mean;
    let second = a.second + b.second + 2.0 * sign * a.mean * b.mean;
    let mut signal = combined(a, b, output, mean, second);
    signal.kurtosis = kurtosis(mean, second);
    let means = 2.0 * sign * a.mean * b.mean;
    signal.cross = a.cross.zip(b.cross, |x, y| x + y + means);
    signal.cosine_inherited = shared(a, b, second);
    let parts = [
        (a.second, a.profile.as_ref()),
        (b.second, b.profile.as_ref()),
    ];
    signal.profile = mixed_profile(&parts);
    signal.gaussian = a.gaussian && b.gaussian;
    signal.with_variance(of_sum([(a.second, a.variance()), (b.second, b.variance())]))
}

/// A product of independent values: means and second moments multiply.
fn product(a: &Signal, b: &Signal, output: ValueId) -> Signal {
    let mut signal = combined(a, b, output, a.mean * b.mean, a.second * b.second);
    signal.kurtosis = a.kurtosis * b.kurtosis;
    signal.cross = a.cross.zip(b.cross, |x, y| x * y);
    signal.profile = match (&a.profile, &b.profile) {
        (one, None) | (None, one) => one.clone(),
        // Two branches of one block fade alike.
        (Some(one), Some(_)) => Some(one.clone()),
    };
    // c = c_a c_b.
    let (x, y) = (a.cosine().unwrap_or(1.0), b.cosine().unwrap_or(1.0));
    signal.cosine_inherited = y * y * a.cosine_inherited + x * x * b.cosine_inherited;
    // A scale that hardly varies leaves a Gaussian.
    let steady = |s: &Signal| s.parameter && s.spread() <= 0.01 * s.second;
    signal.gaussian = (a.gaussian && steady(b)) || (b.gaussian && steady(a));
    let deviation = a.variance().sqrt() + b.variance().sqrt();
    signal.with_variance(deviation * deviation)
}

/// A quotient by a value that hardly varies; not finite where it does.
fn quotient(a: &Signal, b: &Signal, output: ValueId) -> Signal {
    if !is_steady(b) {
        return Signal::gaussian(output, f64::NAN, f64::NAN);
    }
    let mut inverse = b.clone();
    inverse.mean = 1.0 / b.mean;
    inverse.second = 1.0 / b.second;
    inverse.cross = b.cross.map(|product| product / (b.second * b.second));
    product(a, &inverse, output)
}

/// The variance of the cosine of a sum: a mean of the parts' cosines weighted by their second
/// moments, the parts' luck added as if they shared all of it.
fn shared(a: &Signal, b: &Signal, second: f64) -> f64 {
    if second <= 0.0 {
        return 0.0;
    }
    let part = |x: &Signal| x.second / second * x.cosine_inherited.max(0.0).sqrt();
    (part(a) + part(b)).powi(2)
}

/// A parameter as the output sees it: one per channel is common to all places; one per place
/// differs between them.
fn placed(context: &Context<'_>, node: &Node, k: usize, signal: &Signal) -> Signal {
    let mut seen = signal.clone();
    let Some((shape, whole)) = context.shape(node, k).zip(context.output_shape(node)) else {
        return seen;
    };
    if !signal.parameter {
        return seen;
    }
    let missing = whole.len().saturating_sub(shape.len());
    let varies = |axis: usize| {
        axis.checked_sub(missing)
            .and_then(|axis| shape.get(axis))
            .is_some_and(|&size| size > 1)
    };
    let of_places = match whole.len() {
        0..=2 => false,
        3 => varies(1) && varies(2),
        rank => (2..rank).any(varies),
    };
    if of_places {
        let common = Some(signal.mean * signal.mean);
        seen.cross.within = common;
        seen.cross.far = common;
    }
    if whole.len() > 1 && varies(0) {
        seen.cross = Cross::UNKNOWN;
    }
    seen
}

fn combined(a: &Signal, b: &Signal, output: ValueId, mean: f64, second: f64) -> Signal {
    let mut signal = Signal::gaussian(output, mean, second);
    signal.units = if a.parameter {
        b.units
    } else if b.parameter {
        a.units
    } else {
        a.units.min(b.units)
    };
    signal.since = a.since.max(b.since);
    signal.parameter = a.parameter && b.parameter;
    signal.origins = match (a.parameter, b.parameter) {
        (true, false) => b.origins.clone(),
        (false, true) => a.origins.clone(),
        _ => union(&a.origins, &b.origins),
    };
    signal
}
