//! Sums and products of independent values.
//!
//! Two values are independent if each depends on random weights of its own: the two ends of a
//! residual block, a gate and what it gates. Values that share an origin without being functions
//! of one Gaussian value have no rule.

use fanin_network::operator::{Binary, Variadic};
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back, Flow};
use super::{Context, Rule, activation};
use crate::band::of_sum;
use crate::cross::Cross;
use crate::signal::{Signal, disjoint, kurtosis, mixed_profile, union};

impl Rule for Binary {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        activation::forward(context, node).or_else(|| match self {
            Self::Add => fold(context, node, output, |a, b, id| sum(a, b, 1.0, id)),
            Self::Sub => fold(context, node, output, |a, b, id| sum(a, b, -1.0, id)),
            Self::Mul => fold(context, node, output, product),
            Self::Div | Self::Pow | Self::Mod { .. } => None,
        })
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if let Some(back) = activation::backward(arrival) {
            return back;
        }
        match self {
            // What a mask of unknown shape is added to keeps its own.
            Self::Add => of_sum_back(arrival, arrival.ratio.unwrap_or(1.0)),
            Self::Sub => of_sum_back(arrival, arrival.ratio?),
            Self::Mul => of_product_back(arrival),
            Self::Div | Self::Pow | Self::Mod { .. } => None,
        }
    }
}

impl Rule for Variadic {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        activation::forward(context, node).or_else(|| match self {
            Self::Sum => fold(context, node, output, |a, b, id| sum(a, b, 1.0, id)),
            Self::Mean | Self::Max | Self::Min => None,
        })
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if let Some(back) = activation::backward(arrival) {
            return back;
        }
        match self {
            Self::Sum => of_sum_back(arrival, arrival.ratio?),
            Self::Mean | Self::Max | Self::Min => None,
        }
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
