//! Linear maps: dense layers, convolutions, transposed convolutions, embeddings.
//!
//! A product of independent x and w of mean zero has E[y²] = n E[w²] E[x²], where n is the number
//! of terms in one sum. Counted over the whole tensor that is edges / outputs, edges being the
//! pairs of an input and an output element that a weight joins; taps that fall into zero padding
//! join none, so n is smaller where there is padding. Backward the same edges lead from outputs to
//! inputs: E[δx²] = (edges / inputs) E[w²] E[δy²].

use std::rc::Rc;

use fanin_network::operator::{Conv, Gemm, MatMul};
use fanin_network::{Node, ValueId};

use super::back::{Arrival, Back, Flow};
use super::map::{Map, Slide};
use super::window::Taps;
use super::{Context, Rule, activation, arithmetic, attention, count};
use crate::band::{cosine_variance, layer_variance};
use crate::cross::Cross;
use crate::signal::{Signal, disjoint, mixed_profile};

impl Rule for Gemm {
    fn map(&self, context: &Context<'_>, node: &Node) -> Option<Map> {
        let (data, weight) = weight_side(context, node)?;
        let &[rows, columns] = context.shape(node, 0)? else {
            return None;
        };
        let terms = if self.transpose_a { rows } else { columns };
        let output = context.output_shape(node)?;
        let units = output.get(if weight == 1 { 1 } else { 0 })?;
        Some(Map {
            data,
            weight,
            edges: count(output) * terms as f64,
            outputs: count(output),
            inputs: count(context.shape(node, data)?),
            units: *units as f64,
            factor: f64::from(self.alpha),
            bias: Some((2, f64::from(self.beta))),
            added: None,
            activation: self.activation,
            window: None,
        })
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        of_input(context, node, &self.map(context, node)?, output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        backward(arrival, &self.map(arrival.context, arrival.node)?)
    }
}

impl Rule for MatMul {
    fn map(&self, context: &Context<'_>, node: &Node) -> Option<Map> {
        let (data, weight) = weight_side(context, node)?;
        let first = context.shape(node, 0)?;
        let contracted = match (self.transpose_a, self.transpose_batch_a) {
            (true, true) => first.first(),
            (true, false) if first.len() > 1 => first.iter().rev().nth(1),
            _ => first.last(),
        };
        let terms = *contracted? as f64;
        let output = context.output_shape(node)?;
        let units = if context.signal(node, weight)?.parameter {
            let batch = match weight {
                0 => self.transpose_batch_a,
                _ => self.transpose_batch_b,
            };
            // Where the batch axis lies between the matrix's, no operand is a plain weight.
            if batch {
                return None;
            }
            let sides = context.shape(node, weight)?;
            let second_last = || sides.iter().rev().nth(1).unwrap_or(&1);
            *match (weight, self.transpose_a, self.transpose_b) {
                (1, _, false) | (0, true, _) => sides.last()?,
                _ => second_last(),
            } as f64
        } else {
            heads_of_scores(context, node, data, weight)?
        };
        Some(Map {
            data,
            weight,
            edges: count(output) * terms,
            outputs: count(output),
            inputs: count(context.shape(node, data)?),
            units,
            factor: f64::from(self.alpha),
            bias: None,
            added: None,
            activation: None,
            window: None,
        })
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        let linear = || of_input(context, node, &self.map(context, node)?, output);
        linear().or_else(|| attention::mixture(context, node, output))
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        match self.map(arrival.context, arrival.node) {
            Some(map) => backward(arrival, &map),
            None => attention::mixture_back(arrival),
        }
    }
}

impl Rule for Conv {
    fn map(&self, context: &Context<'_>, node: &Node) -> Option<Map> {
        let input = context.shape(node, 0)?;
        let weight = context.shape(node, 1)?;
        let output = context.output_shape(node)?;
        let kernel = weight.get(2..)?;
        let (from, to) = (input.get(2..)?, output.get(2..)?);
        if kernel.len() != from.len() || kernel.len() != to.len() {
            return None;
        }
        let batch = *input.first()? as f64;
        // [out, in / groups, ...] for a convolution, [in, out / groups, ...] for a transposed one:
        // either way the product of the first two axes is the number of channel pairs.
        let pairs = *weight.first()? as f64 * *weight.get(1)? as f64;
        let (taps, units) = match &self.transposed {
            None => {
                let sliding = self.window.resolve(kernel, from).ok()?;
                (Taps::new(sliding, from, to), *weight.first()? as f64)
            }
            Some(spread) => {
                let sliding = self.window.resolve_transposed(kernel, from, spread).ok()?;
                let units = self.group as f64 * *weight.get(1)? as f64;
                (Taps::new(sliding, to, from), units)
            }
        };
        Some(Map {
            data: 0,
            weight: 1,
            edges: batch * pairs * taps.edges(),
            outputs: count(output),
            inputs: count(input),
            units,
            factor: 1.0,
            bias: Some((2, 1.0)),
            added: self.fused.then_some(3),
            activation: self.activation,
            window: Some(Slide {
                taps,
                transposed: self.transposed.is_some(),
            }),
        })
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        of_input(context, node, &self.map(context, node)?, output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        backward(arrival, &self.map(arrival.context, arrival.node)?)
    }
}

/// Which of the first two inputs is the weight: the parameter, or failing that the second.
pub(crate) fn weight_side(context: &Context<'_>, node: &Node) -> Option<(usize, usize)> {
    let (a, b) = (context.signal(node, 0)?, context.signal(node, 1)?);
    Some(if a.parameter && !b.parameter {
        (1, 0)
    } else {
        (0, 1)
    })
}

/// Draws of a product of two computed values, such as attention's queries and keys: one per head.
/// They are independent only if each is near Gaussian of mean zero through weights of its own.
pub(crate) fn heads_of_scores(
    context: &Context<'_>,
    node: &Node,
    data: usize,
    weight: usize,
) -> Option<f64> {
    let (a, b) = (context.signal(node, data)?, context.signal(node, weight)?);
    let centred = |s: &Signal| s.gaussian && s.mean * s.mean <= 0.01 * s.second;
    if !centred(a) || !centred(b) || !disjoint(&a.origins, &b.origins) {
        return None;
    }
    let output = context.output_shape(node)?;
    let heads = output.get(1).filter(|_| output.len() >= 4);
    Some(heads.copied().unwrap_or(1) as f64)
}

/// The gradient at an input of a linear map.
pub(crate) fn backward(arrival: &Arrival<'_>, map: &Map) -> Option<Back> {
    let Arrival { node, slot, .. } = *arrival;
    if map.bias.is_some_and(|(bias, _)| bias == slot) {
        return None;
    }
    let slope = map
        .activation
        .map(|f| activation::fused_slope(arrival.out, f));
    let flow = match slope {
        // What places have in common behind the slopes is not known.
        Some(slope) => Flow {
            profile: arrival.flow.profile.clone(),
            ..Flow::of(arrival.flow.second * slope)
        },
        None => arrival.flow.clone(),
    };
    if map.added == Some(slot) {
        return Some(arrival.gaussian(flow));
    }
    let w = arrival.context.signal(node, map.weight)?;
    if !w.parameter {
        let flow = attention::to_projection(arrival.context, node, slot, &flow)?;
        return Some(arrival.gaussian(flow));
    }
    if slot != map.data {
        return None;
    }
    let (through, profile) = map.spread(flow.profile.as_ref(), true);
    let edges = through * map.edges / map.inputs.max(1.0);
    let factor = map.factor * map.factor * edges * w.second;
    Some(
        arrival.through_weights(Flow {
            second: flow.second * factor,
            alike: flow
                .alike
                .filter(|_| map.data == 0)
                .map(|alike| alike * map.common_taps(true)),
            across: flow.across * map.shared_taps(true),
            profile,
            ..Flow::default()
        }),
    )
}

/// The output of a linear map of a node's own input.
pub(crate) fn of_input(
    context: &Context<'_>,
    node: &Node,
    map: &Map,
    output: ValueId,
) -> Option<Signal> {
    forward(context, node, map, context.signal(node, map.data)?, output)
}

/// The output of a linear map of a value, bias, what is added and activation included.
pub(crate) fn forward(
    context: &Context<'_>,
    node: &Node,
    map: &Map,
    x: &Signal,
    output: ValueId,
) -> Option<Signal> {
    let mut signal = biased(context, node, map, x, output)?;
    if let Some(added) = map.added.filter(|&k| context.id(node, k).is_some()) {
        let added = context.signal(node, added)?;
        if !disjoint(&signal.origins, &added.origins) {
            return None;
        }
        signal = arithmetic::sum(&signal, added, 1.0, output);
    }
    match map.activation {
        Some(activation) => activation::fused(&signal, activation, output),
        None => Some(signal),
    }
}

/// The output of a linear map with its bias.
fn biased(
    context: &Context<'_>,
    node: &Node,
    map: &Map,
    x: &Signal,
    output: ValueId,
) -> Option<Signal> {
    let w = context.signal(node, map.weight)?;
    // A map that fades towards its padded border loses less there than an even one.
    let (through, profile) = map.spread(x.profile.as_ref(), false);
    let terms = through * map.edges / map.outputs.max(1.0);
    // Weights of mean zero leave n E[w²] E[x y]; what mean they have adds up coherently.
    let square = w.mean * w.mean;
    let product_of = |terms: f64, x_y: f64| {
        let coherent = terms * (x_y - x.mean * x.mean) + (terms * x.mean).powi(2);
        map.factor * map.factor * ((w.second - square).max(0.0) * terms * x_y + square * coherent)
    };
    let product = |x_y: f64| product_of(terms, x_y);
    // Two places near a padded border have fewer taps inside in common than one has.
    let apart = |x_y: f64| product_of(terms * map.common_taps(false), x_y);
    let mean = map.factor * terms * w.mean * x.mean;
    let mut signal = Signal::gaussian(output, mean, product(x.second));
    signal.cross = if w.parameter {
        Cross {
            within: x.cross.within.map(apart),
            between: x.cross.between.map(product),
            far: x.cross.far.map(apart),
        }
    } else {
        // Scores of computed queries and keys: different places see different keys.
        scores(x, w, map.factor * map.factor * terms)
    };
    signal.cosine_inherited = inherited_cosine(context, x);
    signal.profile = profile;
    signal.units = map.units;
    signal.since = x.since.max(w.since);
    signal.inherited = if w.parameter {
        x.variance()
    } else {
        (x.variance().sqrt() + w.variance().sqrt()).powi(2)
    };
    let bias = map
        .bias
        .and_then(|(slot, beta)| Some((context.signal(node, slot)?, beta)));
    match bias {
        Some((bias, beta)) if bias.second > 0.0 => {
            let mean = signal.mean + beta * bias.mean;
            let cross = 2.0 * signal.mean * beta * bias.mean;
            let second = signal.second + cross + beta * beta * bias.second;
            let mut sum = Signal::gaussian(output, mean, second);
            sum.units = signal.units;
            sum.since = signal.since;
            sum.profile = mixed_profile(&[
                (signal.second, signal.profile.as_ref()),
                (beta * beta * bias.second, None),
            ]);
            // One bias for all places and samples.
            let common = cross + beta * beta * bias.second;
            sum.cross = signal.cross.map(|product| product + common);
            let share = if second > 0.0 {
                signal.second / second
            } else {
                0.0
            };
            sum.cosine_inherited = signal.cosine_inherited * share * share;
            let parts = [
                (signal.second, signal.variance()),
                (beta * beta * bias.second, layer_variance(3.0, map.units)),
            ];
            Some(sum.with_variance(crate::band::of_sum(parts)))
        }
        _ => Some(signal),
    }
}

/// What is left to luck in the cosine at an input of a linear map.
pub(crate) fn inherited_cosine(context: &Context<'_>, x: &Signal) -> f64 {
    let own = x.cosine().map_or(0.0, |cosine| {
        cosine_variance(cosine, context.batch(), x.kurtosis, x.units)
    });
    // A measured start is known, luck and all.
    let known = x.since == Some(x.shape.base) && x.shape.nodes.is_none();
    x.cosine_inherited + if known { 0.0 } else { own }
}

/// Mean products of scores q·k: over independent random projections of q and k the covariance of
/// two scores is the product of what their queries and what their keys have in common (Hron et al.
/// 2020). Pairs of places are pairs of queries here, each meeting the same key place.
fn scores(q: &Signal, k: &Signal, factor: f64) -> Cross {
    let product = |a: Option<f64>, b: Option<f64>| Some(factor * a? * b?);
    Cross {
        within: product(q.cross.within, Some(k.second)),
        between: product(q.cross.between, k.cross.between),
        far: product(q.cross.far, k.cross.between),
    }
}

/// Rows of a table picked by ids.
///
/// What rows picked by different ids have in common is the square of the table's mean; how often
/// two places pick the same row is read off ids that are known, is 1/rows for ids drawn uniformly,
/// and otherwise, between samples, measured.
pub(crate) fn embedding(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let table = context.signal(node, 0).filter(|table| table.parameter)?;
    let shape = context.shape(node, 0)?;
    let (rows, width) = (*shape.first()? as f64, *shape.last()? as f64);
    let common = table.mean * table.mean;
    let picked = |same: f64| Some(common + same * (table.second - common));
    let ids = context.id(node, 1)?;
    let one = |shape: &[usize]| shape.iter().product::<usize>() == 1;
    // One that is known cuts a part out of a stack.
    if context.network.constant(ids).is_some() && context.shape(node, 1).is_some_and(one) {
        return None;
    }
    let cross = match context.network.constant(ids) {
        // The same for every sample.
        Some(ids) => {
            let within = picked(same_pairs(&ids.to_i64()?));
            Cross {
                within,
                between: Some(table.second),
                far: within,
            }
        }
        None if context.measured.drawn => Cross {
            within: picked(1.0 / rows.max(1.0)),
            between: picked(1.0 / rows.max(1.0)),
            far: picked(1.0 / rows.max(1.0)),
        },
        None => Cross {
            between: context.cosine(output).map(|cosine| cosine * table.second),
            ..Cross::UNKNOWN
        },
    };
    let mut signal = Signal::gaussian(output, table.mean, table.second);
    signal.units = width;
    signal.cross = cross;
    signal.kurtosis = table.kurtosis;
    signal.origins = Rc::from([output.0]);
    Some(signal)
}

/// Of all pairs of different places, the share whose ids are the same.
fn same_pairs(ids: &[i64]) -> f64 {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let n = sorted.len() as f64;
    let equal: f64 = sorted
        .chunk_by(|a, b| a == b)
        .map(|run| run.len() as f64 * (run.len() as f64 - 1.0))
        .sum();
    if n > 1.0 {
        equal / (n * (n - 1.0))
    } else {
        1.0
    }
}
