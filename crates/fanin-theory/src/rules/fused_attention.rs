//! Attention in one operator: ONNX's, and onnxruntime's on projected inputs, with fewer key heads, and
//! with the projection in it.
//!
//! What it computes is what [`super::attention`] says of scores, softmax and mixture; here it is read
//! which input is what. A key head that several query heads share receives the gradients of all.

use fanin_network::operator::{
    Attention, GroupQueryAttention, MultiHeadAttention, ProjectedAttention,
};
use fanin_network::{Node, ValueId};

use super::attention::{Mask, Scores, to_keys, to_queries};
use super::back::{Arrival, Back, Flow};
use super::{Context, Rule, arithmetic, linear};
use crate::quadrature::Grid;
use crate::signal::{Profile, Signal, disjoint, mixed_profile};

/// Attention as one operator states it.
struct Joint<'a> {
    scores: Scores<'a>,
    v: Signal,
    /// Dimensions of a head of the values.
    dimensions: f64,
    /// Query heads that share a key head.
    group: f64,
    /// Factor on the scores.
    scale: f64,
    /// Mean square slope of the bound on the scores.
    slope: f64,
}

/// What is read off an operator before anything is computed.
struct Stated<'a> {
    /// Signals of queries, keys, values.
    signals: [Signal; 3],
    queries: usize,
    keys: usize,
    /// Query heads and key heads.
    heads: [usize; 2],
    /// Dimensions of a head of queries and of values.
    dimensions: [usize; 2],
    scale: Option<f32>,
    softcap: f32,
    mask: Mask<'a>,
}

impl<'a> Stated<'a> {
    fn joint(self, output: ValueId) -> Option<Joint<'a>> {
        let [q, k, v] = self.signals;
        let centred = |s: &Signal| s.gaussian && s.mean * s.mean <= 0.01 * s.second;
        let known = [&q, &k, &v].iter().all(|s| !s.parameter && s.second > 0.0);
        if !known || !centred(&q) || !centred(&k) || self.keys == 0 || self.queries == 0 {
            return None;
        }
        let [heads, key_heads] = self.heads;
        let [head, dimensions] = self.dimensions.map(|n| n as f64);
        let scale = match self.scale {
            Some(scale) => f64::from(scale),
            None => 1.0 / head.max(1.0).sqrt(),
        };
        let second = scale * scale * head * q.second * k.second;
        let apart = (1.0 - k.cross.within? / k.second).max(0.0);
        let Capped {
            second,
            seen,
            slope,
        } = Capped::new(second, f64::from(self.softcap));
        let mut signal = Signal::gaussian(output, 0.0, second);
        signal.units = heads as f64;
        signal.since = q.since.max(k.since);
        signal.inherited = (q.variance().sqrt() + k.variance().sqrt()).powi(2);
        Some(Joint {
            scores: Scores {
                variance: seen * apart,
                q,
                k,
                signal,
                head: head.max(1.0),
                mask: self.mask,
                queries: self.queries,
                keys: self.keys,
            },
            v,
            dimensions,
            group: (heads / key_heads.max(1)).max(1) as f64,
            scale,
            slope,
        })
    }
}

/// What scores of N(0, `second`) become, bounded as f(s) = c tanh(s/c).
///
/// A softmax of bounded scores is that of Gaussian ones of the variance ln(E e^2f/(E e^f)²), of which
/// n Σ p² is the same; and of slopes those count that p weighs.
struct Capped {
    /// Second moment of the scores.
    second: f64,
    /// Variance that the softmax sees.
    seen: f64,
    /// Mean square slope.
    slope: f64,
}

impl Capped {
    fn new(second: f64, cap: f64) -> Self {
        if cap <= 0.0 {
            return Self {
                second,
                seen: second,
                slope: 1.0,
            };
        }
        let grid = Grid::new(0.0, second.sqrt());
        let each = |f: &dyn Fn(f64) -> f64| -> Vec<f64> {
            grid.nodes.iter().map(|x| f((x / cap).tanh())).collect()
        };
        let mean = |f: &dyn Fn(f64) -> f64| grid.moment(&each(f), 1);
        let weight = mean(&|t| (2.0 * cap * t).exp());
        let slopes = mean(&|t| (2.0 * cap * t).exp() * (1.0 - t * t).powi(2));
        let seen = (weight / mean(&|t| (cap * t).exp()).powi(2)).ln();
        Self {
            second: mean(&|t| (cap * t).powi(2)),
            seen: seen.max(0.0),
            slope: slopes / weight,
        }
    }
}

impl Joint<'_> {
    fn forward(&self, output: ValueId) -> Option<Signal> {
        let rows = self.scores.rows()?;
        let p = self.scores.probabilities(&rows, output);
        let mut signal = self.scores.mixture(&rows, &p, &self.v, output)?;
        signal.origins = [output.0].into();
        Some(signal)
    }

    /// The gradients at queries, keys and values.
    fn backward(&self, arrival: &Arrival<'_>) -> Option<[Flow; 3]> {
        let (context, from) = (arrival.context, &arrival.flow);
        let scores = &self.scores;
        let p = scores.probabilities(&scores.rows()?, arrival.output);
        let mut v = scores.to_values(context, &p, from)?;
        v.second *= self.group;
        let mut flow = scores.to_scores(context, &p, &self.v, self.dimensions, from)?;
        flow.second *= self.slope;
        let scale = self.scale * self.scale * flow.second;
        let (queries, keys) = (scores.queries, scores.keys);
        let mut q = to_queries(context, &scores.k, scale * keys as f64, &flow)?;
        let terms = queries as f64 * self.group;
        let mut k = to_keys(&scores.q, [queries, keys], scale * terms, &flow)?;
        (q.luck, k.luck) = (q.luck + flow.luck, k.luck + flow.luck);
        Some([q, k, v])
    }
}

/// The gradient at an input of which parts of these shares of its elements have these gradients.
fn packed(parts: &[(f64, &Flow)]) -> Flow {
    let second = |part: &(f64, &Flow)| part.0 * part.1.second;
    let total: f64 = parts.iter().map(second).sum();
    let mean = |f: &dyn Fn(&Flow) -> Option<f64>| -> Option<f64> {
        let mut sum = 0.0;
        for part in parts {
            sum += second(part) * f(part.1)?;
        }
        (total > 0.0).then(|| sum / total)
    };
    let profiles: Vec<(f64, Option<&Profile>)> = parts
        .iter()
        .map(|part| (second(part), part.1.profile.as_ref()))
        .collect();
    Flow {
        second: total,
        alike: mean(&|flow| flow.alike),
        profile: mixed_profile(&profiles),
        luck: mean(&|flow| Some(flow.luck)).unwrap_or(0.0),
        ..Flow::default()
    }
}

/// Signals of three inputs that depend on weights of their own.
fn three(context: &Context<'_>, node: &Node) -> Option<[Signal; 3]> {
    let [q, k, v] = [0, 1, 2].map(|slot| context.signal(node, slot).cloned());
    let (q, k, v) = (q?, k?, v?);
    let apart = disjoint(&q.origins, &k.origins)
        && disjoint(&q.origins, &v.origins)
        && disjoint(&k.origins, &v.origins);
    apart.then_some([q, k, v])
}

/// Places, heads and dimensions of a head of an input, [batch, heads, places, dimensions] or [batch,
/// places, heads · dimensions].
fn sizes(shape: &[usize], heads: Option<usize>) -> Option<[usize; 3]> {
    match *shape {
        [_, heads, places, dimensions] => Some([places, heads, dimensions]),
        [_, places, all] => {
            let heads = heads.filter(|&heads| heads > 0 && all % heads == 0)?;
            Some([places, heads, all / heads])
        }
        _ => None,
    }
}

/// A band of so many places; negative for all.
fn reach(window: i64) -> Option<usize> {
    usize::try_from(window).ok()
}

fn absent(context: &Context<'_>, node: &Node, slots: &[usize]) -> bool {
    slots.iter().all(|&slot| context.id(node, slot).is_none())
}

trait Fused {
    fn stated<'a>(&self, context: &Context<'a>, node: &Node) -> Option<Stated<'a>>;

    /// The parts of an input that are queries, keys and values: the share of its elements of each.
    fn shares(&self, context: &Context<'_>, node: &Node, slot: usize) -> Option<[f64; 3]> {
        let _ = (context, node);
        let mut shares = [0.0; 3];
        *shares.get_mut(slot)? = 1.0;
        Some(shares)
    }
}

impl Fused for Attention {
    fn stated<'a>(&self, context: &Context<'a>, node: &Node) -> Option<Stated<'a>> {
        if !absent(context, node, &[4, 5, 6]) {
            return None;
        }
        let [queries, heads, head] = sizes(context.shape(node, 0)?, self.query_heads)?;
        let [keys, key_heads, _] = sizes(context.shape(node, 1)?, self.key_heads)?;
        let [_, _, dimensions] = sizes(context.shape(node, 2)?, self.key_heads)?;
        let (before, behind) = (reach(self.left_window), reach(self.right_window));
        let behind = if self.causal { Some(0) } else { behind };
        let band = before.is_some() || behind.is_some();
        let mask = match context.id(node, 3) {
            None if band => Mask::Band(before, behind),
            None => Mask::None,
            // Of two masks together nothing is known.
            Some(_) if band => return None,
            Some(mask) => {
                let mask = context.network.constant(mask)?;
                let [.., rows, columns] = mask.shape.as_slice() else {
                    return None;
                };
                if [*rows, *columns] != [queries, keys] {
                    return None;
                }
                Mask::Known(mask)
            }
        };
        Some(Stated {
            signals: three(context, node)?,
            queries,
            keys,
            heads: [heads, key_heads],
            dimensions: [head, dimensions],
            scale: self.scale,
            softcap: self.softcap,
            mask,
        })
    }
}

impl Fused for MultiHeadAttention {
    fn stated<'a>(&self, context: &Context<'a>, node: &Node) -> Option<Stated<'a>> {
        if !absent(context, node, &[4, 5, 6, 7]) {
            return None;
        }
        let [queries, heads, head] = sizes(context.shape(node, 0)?, Some(self.heads))?;
        let [keys, _, _] = sizes(context.shape(node, 1)?, Some(self.heads))?;
        let [_, _, dimensions] = sizes(context.shape(node, 2)?, Some(self.heads))?;
        let mut signals = three(context, node)?;
        if context.id(node, 3).is_some() {
            let bias = context.signal(node, 3)?;
            signals = signals.map(|x| {
                let id = x.shape.base;
                arithmetic::sum(&x, bias, 1.0, id)
            });
        }
        Some(Stated {
            signals,
            queries,
            keys,
            heads: [heads, heads],
            dimensions: [head, dimensions],
            scale: self.scale,
            softcap: 0.0,
            mask: causal(self.causal),
        })
    }
}

fn causal(causal: bool) -> Mask<'static> {
    if causal {
        Mask::Band(None, Some(0))
    } else {
        Mask::None
    }
}

impl Fused for GroupQueryAttention {
    fn stated<'a>(&self, context: &Context<'a>, node: &Node) -> Option<Stated<'a>> {
        let empty = |slot: usize| {
            let shape = context.shape(node, slot);
            context.id(node, slot).is_none() || shape.is_some_and(|shape| shape.contains(&0))
        };
        // Turning keys changes what they have in common: see the rotary embedding's own rule.
        if !empty(3) || !empty(4) || self.rotary {
            return None;
        }
        let heads = [self.heads, self.key_heads];
        let (signals, queries, keys, head) = if context.id(node, 1).is_none() {
            // All three in one: parts of one layer's output are independent.
            let &[_, places, all] = context.shape(node, 0)? else {
                return None;
            };
            let x = context.signal(node, 0)?.clone();
            let head = all / (self.heads + 2 * self.key_heads);
            ([x.clone(), x.clone(), x], places, places, head)
        } else {
            let [queries, _, head] = sizes(context.shape(node, 0)?, Some(self.heads))?;
            let [keys, _, _] = sizes(context.shape(node, 1)?, Some(self.key_heads))?;
            (three(context, node)?, queries, keys, head)
        };
        Some(Stated {
            signals,
            queries,
            keys,
            heads,
            dimensions: [head, head],
            scale: self.scale,
            softcap: self.softcap,
            mask: Mask::Band(reach(self.left_window), Some(0)),
        })
    }

    fn shares(&self, context: &Context<'_>, node: &Node, slot: usize) -> Option<[f64; 3]> {
        if context.id(node, 1).is_some() {
            let mut shares = [0.0; 3];
            *shares.get_mut(slot)? = 1.0;
            return Some(shares);
        }
        let all = (self.heads + 2 * self.key_heads).max(1) as f64;
        let part = |heads: usize| heads as f64 / all;
        let key = part(self.key_heads);
        (slot == 0).then(|| [part(self.heads), key, key])
    }
}

/// The widths of queries, keys and values.
fn widths(
    attention: &ProjectedAttention,
    context: &Context<'_>,
    node: &Node,
) -> Option<[usize; 3]> {
    let all = *context.shape(node, 1)?.last()?;
    match attention.hidden.as_deref() {
        Some(&[q, k, v]) => Some([q, k, v]),
        Some(_) => None,
        None => Some([all / 3; 3]),
    }
}

impl Fused for ProjectedAttention {
    fn stated<'a>(&self, context: &Context<'a>, node: &Node) -> Option<Stated<'a>> {
        if !absent(context, node, &[3, 4, 5]) {
            return None;
        }
        let (x, w) = (context.signal(node, 0)?, context.signal(node, 1)?);
        let &[_, places, features] = context.shape(node, 0)? else {
            return None;
        };
        if x.parameter || !w.parameter || self.heads == 0 {
            return None;
        }
        let [q, _, v] = widths(self, context, node)?;
        let factor = features as f64 * w.second;
        let bias = context.signal(node, 2).filter(|bias| bias.second > 0.0);
        let projected = |width: usize| {
            let id = x.shape.base;
            let mut signal = Signal::gaussian(id, 0.0, factor * x.second);
            signal.cross = x.cross.map(|product| factor * product);
            signal.cosine_inherited = linear::inherited_cosine(context, x);
            signal.units = width as f64;
            signal.since = x.since;
            signal.inherited = x.variance();
            match bias {
                Some(bias) => arithmetic::sum(&signal, bias, 1.0, id),
                None => signal,
            }
        };
        Some(Stated {
            signals: [projected(q), projected(q), projected(v)],
            queries: places,
            keys: places,
            heads: [self.heads, self.heads],
            dimensions: [q / self.heads, v / self.heads],
            scale: self.scale,
            softcap: 0.0,
            mask: causal(self.causal),
        })
    }
}

macro_rules! fused {
    ($($rule:ty),*) => {$(
        impl Rule for $rule {
            fn forward(
                &self,
                context: &Context<'_>,
                node: &Node,
                output: ValueId,
            ) -> Option<Signal> {
                self.stated(context, node)?.joint(output)?.forward(output)
            }

            fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
                let Arrival { context, node, slot, .. } = *arrival;
                let shares = self.shares(context, node, slot)?;
                let joint = self.stated(context, node)?.joint(arrival.output)?;
                let flows = joint.backward(arrival)?;
                if let Some(only) = shares.iter().position(|&share| share == 1.0) {
                    let [q, k, v] = flows;
                    let flow = [q, k, v].into_iter().nth(only)?;
                    return Some(arrival.gaussian(flow));
                }
                let parts: Vec<(f64, &Flow)> = shares.into_iter().zip(&flows).collect();
                Some(arrival.gaussian(packed(&parts)))
            }
        }
    )*};
}

fused!(Attention, MultiHeadAttention, GroupQueryAttention);

impl Rule for ProjectedAttention {
    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        self.stated(context, node)?.joint(output)?.forward(output)
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        let Arrival { context, node, .. } = *arrival;
        if arrival.slot != 0 {
            return None;
        }
        let w = context.signal(node, 1)?;
        let widths = widths(self, context, node)?;
        let flows = self
            .stated(context, node)?
            .joint(arrival.output)?
            .backward(arrival)?;
        let parts: Vec<(f64, &Flow)> = widths
            .iter()
            .map(|&width| width as f64 * w.second)
            .zip(&flows)
            .collect();
        Some(arrival.through_weights(packed(&parts)))
    }
}
