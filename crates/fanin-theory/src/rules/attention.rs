//! Attention: the softmax of scores, and the mixture of values by it.
//!
//! Scores q·k/√d over random projections are Gaussian; of their variance σ² only the part that
//! differs between keys, σ² (1 − what keys have in common), moves a softmax. With S = E Σ p² of
//! its row, a mixture Σ p v has the second moment S (E v² − w) + w, w the mean product of values at
//! two places: attention averages away what places do not share, and after a few layers of it
//! alone nothing else is left (Dong, Cordonnier & Loukas 2021; covariances as in Hron et al. 2020).
//!
//! Backward a gradient δ at the mixtures reaches values as Σ p δ over the queries that see them, and
//! scores as J V δ with J = diag p − p pᵀ, the Jacobian of a softmax. J takes off what all values
//! have in common, so that the mean square of the row's gradient is d E δ² E‖J‖² (E v² − w), of
//! which queries receive a share by what differs between keys, and keys a share by the queries (the
//! gradient covariances of attention at initialization: Noci et al. 2022, arXiv:2206.03126, there at
//! small scores, for which ‖J‖² = (1 − 1/T)/T).

use std::rc::Rc;

use fanin_network::operator::{Binary, Softmax, SoftmaxKind};
use fanin_network::{HostData, HostTensor, Node, Operator, ValueId};

use super::back::{Arrival, Back, Flow, Scored};
use super::equation::{mixes, scores};
use super::map::map;
use super::passing::passes;
use super::{Context, Rule, Support, axis, log_softmax};
use crate::band::{cosine_variance, layer_variance};
use crate::cross::Cross;
use crate::signal::{Profile, Signal, disjoint, normalized, union};
use crate::softmax;

/// Rows longer than this are not looked at pair by pair.
const LONGEST: usize = 2048;

/// Size from which on a negative entry of a mask closes.
const MASKED: f64 = 1e4;

/// Numbers of keys at which the softmax is integrated; between them it is interpolated.
const KNOTS: usize = 6;

impl Rule for Softmax {
    fn support(&self) -> Support {
        let known = self.kind != SoftmaxKind::Hard;
        Support {
            forward: known,
            backward: known,
        }
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        if self.kind == SoftmaxKind::Log {
            return log_softmax::forward(*self, context, node, output);
        }
        let scores = Scores::of(context, node, *self)?;
        Some(scores.probabilities(&scores.rows()?, output))
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if self.kind == SoftmaxKind::Log {
            return log_softmax::backward(*self, arrival);
        }
        let scores = Scores::of(arrival.context, arrival.node, *self)?;
        let mixture = mixture_by(arrival.context, arrival.node)?;
        // The scores' rule reads the mixtures' gradient itself.
        let (from, variance) = (arrival.other)(mixture.output(0)?)?;
        let v = arrival.context.signal(mixture, 1)?;
        let dimensions = *arrival.context.shape(mixture, 1)?.last()? as f64;
        let flow = scores.to_scores(arrival.context, arrival.out, v, dimensions, &from)?;
        Some(Back::Gaussian(flow, arrival.inherited(variance)))
    }
}

fn producer<'a>(context: &Context<'a>, value: ValueId) -> Option<&'a Node> {
    let network = context.network;
    network.value(value).producer.map(|id| network.node(id))
}

/// Which keys a query may not see.
pub(crate) enum Mask<'a> {
    None,
    Known(&'a HostTensor),
    /// Those farther before or behind than this; `None` for any distance.
    Band(Option<usize>, Option<usize>),
}

/// All later ones.
const CAUSAL: Mask<'static> = Mask::Band(None, Some(0));

/// Queries and keys of scores.
fn square(context: &Context<'_>, scores: ValueId) -> Option<[usize; 2]> {
    match context.network.value(scores).shape.as_deref()? {
        &[.., queries, keys] => Some([queries, keys]),
        _ => None,
    }
}

/// A mask that the network computes at run time, by the measurement of the scores it is added to:
/// large negative numbers where it is closed, next to which scores count for nothing. A share
/// (1 − 1/T)/2 of closed ones is that of a causal mask.
fn computed_mask<'a>(context: &Context<'a>, scores: ValueId, value: ValueId) -> Option<Mask<'a>> {
    let [queries, keys] = square(context, scores)?;
    let moments = context
        .measured
        .values
        .get(&context.network.value(value).name)?;
    // Closed entries −M in a share s leave the mean −M s and the rms M √s.
    let share = (moments.mean / moments.rms).powi(2);
    let size = moments.rms * moments.rms / -moments.mean;
    let causal = 0.5 * (1.0 - 1.0 / keys as f64);
    let is_mask = size >= MASKED && moments.rms.is_finite();
    (is_mask && queries == keys && (share / causal - 1.0).abs() < 1e-3).then_some(CAUSAL)
}

/// The matrix product of queries and keys that scores come from, through a mask and factors, and
/// the mask.
fn origin<'a>(context: &Context<'a>, mut value: ValueId) -> Option<(&'a Node, ValueId, Mask<'a>)> {
    let mut mask = Mask::None;
    let mut scaled = value;
    for _ in 0..8 {
        let node = producer(context, value)?;
        let input = |k: usize| node.input(k);
        match &node.operator {
            operator if scores(operator) => return Some((node, scaled, mask)),
            Operator::Binary(Binary::Add) if matches!(mask, Mask::None) => {
                let (a, b) = (input(0)?, input(1)?);
                let constant = |id| context.network.constant(id).map(Mask::Known);
                let is_small = |id: ValueId| {
                    let signal = context.at(id);
                    signal.is_some_and(|s| s.second < MASKED * MASKED)
                };
                let (data, other) = match (constant(b), constant(a)) {
                    (Some(other), _) => (a, other),
                    (None, Some(other)) => (b, other),
                    (None, None) => {
                        let data = [a, b].into_iter().find(|&id| is_small(id))?;
                        (data, computed_mask(context, data, value)?)
                    }
                };
                mask = other;
                value = data;
                scaled = data;
            }
            Operator::Binary(Binary::Div | Binary::Mul) => {
                let first = input(0)?;
                value = if context.scalar(node, 1).is_some() {
                    first
                } else if context.scalar(node, 0).is_some() {
                    input(1)?
                } else {
                    return None;
                };
            }
            _ => value = input(passes(context.network, node)?)?,
        }
    }
    None
}

/// How many keys the rows see, and how much two rows share.
pub(crate) struct Rows {
    keys: usize,
    /// Keys of each row.
    open: Vec<usize>,
    /// Which keys each row sees, a bit each; `None` where each sees all.
    seen: Option<Vec<Vec<u64>>>,
    /// Mean over pairs of different rows of |A ∩ B|/(|A| |B|).
    shared: f64,
}

impl Rows {
    fn new(queries: usize, keys: usize, mask: &Mask<'_>) -> Option<Self> {
        let elements: Vec<f32>;
        let open: bool;
        let closed: &dyn Fn(usize, usize) -> bool = match mask {
            Mask::None => {
                return Some(Self {
                    keys,
                    open: vec![keys; queries],
                    seen: None,
                    shared: 1.0 / keys.max(1) as f64,
                });
            }
            Mask::Band(before, behind) => &|i, j| {
                before.is_some_and(|before| j + before < i)
                    || behind.is_some_and(|behind| j > i + behind)
            },
            Mask::Known(tensor) => {
                elements = tensor.to_f32();
                // One mask for all samples and heads, or copies of it.
                let first = elements.get(..queries * keys)?;
                if first.is_empty() || elements.chunks(first.len()).any(|other| other != first) {
                    return None;
                }
                // Numbers are added, truth values say what is open.
                open = matches!(tensor.data, HostData::Bool(_));
                &|i, j| {
                    let entry = elements.get(i * keys + j);
                    entry.is_some_and(|&x| {
                        if open {
                            x == 0.0
                        } else {
                            f64::from(x) <= -MASKED
                        }
                    })
                }
            }
        };
        if keys > LONGEST || queries > LONGEST || keys == 0 {
            return None;
        }
        let rows: Vec<Vec<u64>> = (0..queries)
            .map(|i| {
                let mut bits = vec![0u64; keys.div_ceil(64)];
                for j in (0..keys).filter(|&j| !closed(i, j)) {
                    if let Some(word) = bits.get_mut(j / 64) {
                        *word |= 1 << (j % 64);
                    }
                }
                bits
            })
            .collect();
        let size = |bits: &[u64]| bits.iter().map(|b| b.count_ones() as usize).sum::<usize>();
        let open: Vec<usize> = rows.iter().map(|bits| size(bits)).collect();
        if open.contains(&0) {
            return None;
        }
        let (mut shared, mut pairs) = (0.0, 0.0);
        for (i, (a, n)) in rows.iter().zip(&open).enumerate() {
            for (b, m) in rows.iter().zip(&open).skip(i + 1) {
                let both: u32 = a.iter().zip(b).map(|(x, y)| (x & y).count_ones()).sum();
                shared += f64::from(both) / (*n as f64 * *m as f64);
                pairs += 1.0;
            }
        }
        let shared = if pairs > 0.0 { shared / pairs } else { 1.0 };
        Some(Self {
            keys,
            open,
            seen: Some(rows),
            shared,
        })
    }

    /// `f` of their number of keys n over n, for each row; interpolated in ln n.
    fn each(&self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        let most = self.open.iter().copied().max().unwrap_or(1) as f64;
        let least = self.open.iter().copied().min().unwrap_or(1) as f64;
        if most == least {
            return vec![f(most) / most; self.open.len()];
        }
        let span = (most / least).ln();
        let knots: Vec<f64> = (0..=KNOTS)
            .map(|k| f((least.ln() + span * k as f64 / KNOTS as f64).exp()))
            .collect();
        let at = |n: f64| {
            let place = (n / least).ln() / span * KNOTS as f64;
            let k = (place.floor() as usize).min(KNOTS - 1);
            let part = place - k as f64;
            match knots.get(k..k + 2) {
                Some([a, b]) => a + part * (b - a),
                _ => 1.0,
            }
        };
        let each = self.open.iter().map(|&n| at(n as f64) / n as f64);
        each.collect()
    }

    /// The mean of that over rows.
    fn mean(&self, f: impl Fn(f64) -> f64) -> f64 {
        self.each(f).iter().sum::<f64>() / self.open.len().max(1) as f64
    }

    /// For each row the mean over the keys it sees of a number per key.
    fn averaged(&self, numbers: &[f64]) -> Vec<f64> {
        let Some(rows) = &self.seen else {
            let mean = numbers.iter().sum::<f64>() / numbers.len().max(1) as f64;
            return vec![mean; self.open.len()];
        };
        let each = rows.iter().zip(&self.open).map(|(bits, &open)| {
            let seen = numbers.iter().enumerate().filter(|&(j, _)| is_set(bits, j));
            seen.map(|(_, x)| x).sum::<f64>() / open.max(1) as f64
        });
        each.collect()
    }

    /// For each key the sum over the rows that see it of a number per row.
    fn gathered(&self, numbers: &[f64]) -> Vec<f64> {
        let Some(rows) = &self.seen else {
            return vec![numbers.iter().sum(); self.keys];
        };
        let mut sums = vec![0.0; self.keys];
        for (bits, x) in rows.iter().zip(numbers) {
            for (j, sum) in sums.iter_mut().enumerate() {
                if is_set(bits, j) {
                    *sum += x;
                }
            }
        }
        sums
    }
}

fn is_set(bits: &[u64], j: usize) -> bool {
    bits.get(j / 64)
        .is_some_and(|word| word >> (j % 64) & 1 == 1)
}

/// The scores a softmax reads.
pub(crate) struct Scores<'a> {
    /// The signals of queries and keys.
    pub(crate) q: Signal,
    pub(crate) k: Signal,
    /// Of the scores, before a mask.
    pub(crate) signal: Signal,
    /// Dimensions of a head.
    pub(crate) head: f64,
    /// The part of the scores' variance that differs between keys.
    pub(crate) variance: f64,
    pub(crate) mask: Mask<'a>,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
}

impl<'a> Scores<'a> {
    fn of(context: &Context<'a>, node: &Node, softmax: Softmax) -> Option<Self> {
        if softmax.kind != SoftmaxKind::Soft {
            return None;
        }
        let (product, scaled, mask) = origin(context, context.id(node, 0)?)?;
        // A mask of unknown shape leaves that of what is masked unknown too: it is the scores'.
        let rank = context.network.value(scaled).shape.as_deref()?.len();
        if axis(softmax.axis, rank)? + 1 != rank {
            return None;
        }
        let [queries, keys] = square(context, scaled)?;
        let map = map(context, product)?;
        let (q, k) = (
            context.signal(product, map.data)?,
            context.signal(product, map.weight)?,
        );
        let signal = context.at(scaled)?;
        if k.parameter || map.data != 0 || k.second <= 0.0 || q.second <= 0.0 {
            return None;
        }
        let apart = (1.0 - k.cross.within? / k.second).max(0.0);
        Some(Self {
            q: q.clone(),
            k: k.clone(),
            signal: signal.clone(),
            head: (map.edges / map.outputs.max(1.0)).max(1.0),
            variance: signal.second * apart,
            mask,
            queries,
            keys,
        })
    }

    /// What the rows that a gradient of these weights reaches leave to luck: ‖J‖² and Σ p² of one
    /// vary about as the variance of its scores does.
    fn luck(&self, context: &Context<'_>, weights: &[f64]) -> f64 {
        let squares: f64 = weights.iter().map(|u| u * u).sum();
        let rows = weights.iter().sum::<f64>().powi(2) / squares.max(f64::MIN_POSITIVE);
        let heads = (self.k.units / self.head).max(1.0);
        3.0 * self.variance.min(1.0) / (rows * heads * context.batch()).max(1.0)
    }

    pub(crate) fn rows(&self) -> Option<Rows> {
        Rows::new(self.queries, self.keys, &self.mask)
    }

    /// E Σ p² of a row of `n` keys.
    ///
    /// Queries differ in length: over the d dimensions of a head, whose covariance the projections
    /// of queries and keys each spread by 1 + d/D, the variance of a row's scores varies by 2/d of
    /// that. A softmax gains more from long ones than it loses to short ones.
    fn square_sum(&self, n: f64) -> f64 {
        self.over_rows(n, |softmax| softmax.square_sum())
    }

    /// E ‖J‖² of a row of `n` keys.
    fn jacobian(&self, n: f64) -> f64 {
        self.over_rows(n, |softmax| softmax.jacobian())
    }

    fn over_rows(&self, n: f64, f: impl Fn(softmax::Softmax) -> f64) -> f64 {
        let uneven = 1.0 + self.head / self.q.units.max(self.head);
        let swing = (2.0 / self.head * uneven * uneven).sqrt().min(0.9);
        let at = |stretch: f64| f(softmax::Softmax::new((self.variance * stretch).sqrt(), n));
        0.5 * (at(1.0 + swing) + at(1.0 - swing))
    }

    /// The softmax of the self.
    pub(crate) fn probabilities(&self, rows: &Rows, output: ValueId) -> Signal {
        let (q, k) = (&self.q, &self.k);
        let n = self.keys as f64;
        // n Σ p² of a row of n keys varies slowly with n: what is interpolated.
        let rows_squared = rows.mean(|n| n * self.square_sum(n));
        let own = rows.mean(|_| 1.0);
        let squares = rows_squared / own;
        let overlap =
            |equal: f64, correlation: f64| equal * squares.powf(correlation.clamp(0.0, 1.0));
        let queries_alike = |product: Option<f64>| product.map(|p| p / q.second);
        let keys_alike = k.cross.between.zip(k.cross.far).map(|(same, other)| {
            let apart = k.second - k.cross.within.unwrap_or(0.0);
            if apart > 0.0 {
                (same - other) / apart
            } else {
                0.0
            }
        });
        let mut signal = Signal::gaussian(output, 1.0 / n, own * squares / n);
        signal.cross = Cross {
            within: queries_alike(q.cross.within).map(|c| overlap(rows.shared, c) / n),
            between: queries_alike(q.cross.between)
                .zip(keys_alike)
                .map(|(c, d)| overlap(own, c * d) / n),
            far: queries_alike(q.cross.far)
                .zip(keys_alike)
                .map(|(c, d)| overlap(rows.shared, c * d) / n),
        };
        signal.gaussian = false;
        signal.units = self.signal.units;
        signal.since = self.signal.since;
        signal.origins = self.signal.origins.clone();
        let variance = self.variance;
        // ln Σ p² moves with the variance of the scores as far as that is not small.
        let lever = (variance * variance).min(1.0);
        signal.with_variance(lever * self.signal.variance())
    }

    /// The mixture of values by the softmax of the self.
    pub(crate) fn mixture(
        &self,
        rows: &Rows,
        p: &Signal,
        v: &Signal,
        output: ValueId,
    ) -> Option<Signal> {
        let keys = self.keys as f64;
        let within = v.cross.within?;
        // Σ p² of a row, or Σ p p' of two, mixes equal places and different ones.
        let mixed = |rows: f64, same: f64, other: f64| {
            let share = (keys * rows).min(1.0);
            share * same + (1.0 - share) * other
        };
        // Keys that score high lie along the query: Σ p x leans that way by σ²/D of E x² (E x e^(a·x) =
        // a E e^(a·x) of a standard Gaussian x).
        let lean = self.variance / self.q.units.max(1.0) * (1.0 - keys * p.second).max(0.0);
        let lean = lean * (v.second - within).max(0.0);
        // Rows that see few keys average away less, and those may be the keys that have most of their own.
        let seconds: Vec<f64> = rows
            .each(|n| n * self.square_sum(n))
            .iter()
            .zip(rows.averaged(&line(v.profile.as_ref(), self.keys)))
            .map(|(s, uneven)| mixed(s / keys, v.second * uneven, within) + lean)
            .collect();
        let second = seconds.iter().sum::<f64>() / seconds.len().max(1) as f64;
        let mut signal = Signal::gaussian(output, v.mean, second);
        let places = |rows: Option<f64>| Some(mixed(rows?, v.cross.between?, v.cross.far?));
        signal.cross = Cross {
            within: p.cross.within.map(|rows| mixed(rows, v.second, within)),
            between: places(p.cross.between),
            far: places(p.cross.far),
        };
        signal.units = v.units;
        signal.gaussian = v.gaussian;
        signal.since = p.since.max(v.since);
        signal.origins = union(&p.origins, &v.origins);
        let rest = if second > 0.0 {
            (v.second - within).max(0.0) * (keys * p.second).min(1.0) / second
        } else {
            0.0
        };
        let luck = v.variance().sqrt() + rest * p.variance().sqrt();
        signal.cosine_inherited = v.cosine_inherited;
        signal.profile = along(seconds);
        Some(signal.with_variance(luck * luck))
    }

    /// From the mixtures to the values mixed.
    pub(crate) fn to_values(&self, context: &Context<'_>, p: &Signal, from: &Flow) -> Option<Flow> {
        let (queries, keys) = (self.queries, self.keys);
        let rows = self.rows()?;
        let (q, n) = (queries as f64, keys as f64);
        let alike = from.alike?;
        // A row's Σ p² and, of what it hands to different keys, 1 − Σ p².
        let squares = rows.each(|n| n * self.square_sum(n));
        let weights = line(from.profile.as_ref(), queries);
        let own: Vec<f64> = squares
            .iter()
            .zip(&weights)
            .zip(&rows.open)
            .map(|((s, u), &open)| s * u / open as f64)
            .collect();
        // Σ over pairs of queries of p p' at one key: all pairs less a query with itself.
        let inverse = |power: i32| -> Vec<f64> {
            rows.open
                .iter()
                .map(|&open| (open as f64).powi(-power))
                .collect()
        };
        let pairs = p.cross.within.map_or(1.0, |w| w * n / rows.shared);
        let seconds: Vec<f64> = rows
            .gathered(&own)
            .iter()
            .zip(
                rows.gathered(&inverse(1))
                    .iter()
                    .zip(rows.gathered(&inverse(2))),
            )
            .map(|(own, (sum, square))| own + alike * pairs * (sum * sum - square))
            .collect();
        let relative = seconds.iter().sum::<f64>() / n;
        // All that a query hands out adds up to its own gradient.
        let apart: f64 = squares
            .iter()
            .zip(&weights)
            .map(|(s, u)| (1.0 - s) * u)
            .sum();
        let overlap = pairs * rows.shared;
        let other = apart + q * (q - 1.0) * alike * (1.0 - overlap);
        let alike = if n > 1.0 && relative > 0.0 {
            other / (n * (n - 1.0)) / relative
        } else {
            1.0
        };
        Some(Flow {
            second: from.second * relative,
            alike: Some(alike.clamp(-1.0, 1.0)),
            profile: along(seconds),
            luck: self.luck(context, &weights),
            ..Flow::default()
        })
    }

    /// From the mixtures by a softmax to the scores it reads.
    pub(crate) fn to_scores(
        &self,
        context: &Context<'_>,
        p: &Signal,
        v: &Signal,
        dimensions: f64,
        from: &Flow,
    ) -> Option<Flow> {
        let (queries, keys) = (self.queries, self.keys);
        let rows = self.rows()?;
        let n = keys as f64;
        let apart = dimensions * from.second * (v.second - v.cross.within?).max(0.0);
        let weights = line(from.profile.as_ref(), queries);
        let jacobians = rows.each(|n| n * self.jacobian(n));
        let sums: Vec<f64> = jacobians
            .iter()
            .zip(&weights)
            .map(|(jacobian, u)| apart * jacobian * u)
            .collect();
        let second = sums.iter().sum::<f64>() / (queries as f64 * n);
        let shares: Vec<f64> = sums
            .iter()
            .zip(&rows.open)
            .map(|(sum, &open)| sum / open as f64)
            .collect();
        let alike = from.alike.zip(p.cross.within).map(|(alike, pairs)| {
            let common = pairs * apart * alike * (1.0 - n * pairs).max(0.0);
            if second > 0.0 { common / second } else { 0.0 }
        });
        let squares = rows.each(|n| n * self.square_sum(n));
        let traces = squares.iter().zip(&weights);
        let traces: f64 = traces.map(|(s, u)| apart * u * (1.0 - s).powi(2)).sum();
        let total: f64 = sums.iter().sum();
        let scored = Scored {
            keys: along(rows.gathered(&shares)),
            trace: if total > 0.0 { traces / total } else { 0.0 },
            tilt: self.variance / (self.head * self.q.second),
        };
        Some(Flow {
            second,
            alike,
            profile: along(sums),
            scored: Some(Rc::new(scored)),
            luck: self.luck(context, &weights) + layer_variance(3.0, self.k.units),
            ..Flow::default()
        })
    }
}

/// The softmax that a node mixes values by, and its output.
fn softmax_of<'a>(context: &Context<'a>, node: &Node) -> Option<(&'a Node, Softmax, ValueId)> {
    if !mixes(&node.operator) {
        return None;
    }
    let mut value = context.id(node, 0)?;
    loop {
        let before = producer(context, value)?;
        if let Operator::Softmax(softmax) = before.operator
            && softmax.kind == SoftmaxKind::Soft
        {
            return Some((before, softmax, value));
        }
        let k = passes(context.network, before)?;
        value = before.input(k)?;
    }
}

/// The node that mixes values by a softmax.
fn mixture_by<'a>(context: &Context<'a>, softmax: &Node) -> Option<&'a Node> {
    let mut value = softmax.output(0)?;
    for _ in 0..8 {
        let consumers = &context.network.value(value).consumers;
        let mut readers = consumers.iter().map(|&id| context.network.node(id));
        let is_mixture = |node: &&Node| mixes(&node.operator) && node.input(0) == Some(value);
        if let Some(node) = readers.clone().find(is_mixture) {
            return Some(node);
        }
        let through = readers.find(|node| {
            let k = passes(context.network, node);
            k.and_then(|k| context.id(node, k)) == Some(value)
        })?;
        value = through.output(0)?;
    }
    None
}

/// The mixture of values by a softmax.
pub(crate) fn mixture(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let (softmax, kind, value) = softmax_of(context, node)?;
    let (p, v) = (context.at(value)?, context.signal(node, 1)?);
    if v.parameter || !disjoint(&p.origins, &v.origins) {
        return None;
    }
    let scores = Scores::of(context, softmax, kind)?;
    scores.mixture(&scores.rows()?, p, v, output)
}

/// The gradient at an input of a mixture.
pub(crate) fn mixture_back(arrival: &Arrival<'_>) -> Option<Back> {
    let Arrival { context, node, .. } = *arrival;
    let (softmax, kind, value) = softmax_of(context, node)?;
    if arrival.slot == 1 {
        let scores = Scores::of(context, softmax, kind)?;
        let flow = scores.to_values(context, context.at(value)?, &arrival.flow)?;
        return Some(arrival.gaussian(flow));
    }
    // The probabilities of a softmax: the scores' rule reads the mixtures' gradient itself.
    let v = context.signal(node, 1)?;
    let terms = *context.shape(node, 1)?.last()? as f64;
    Some(arrival.gaussian(Flow::of(arrival.flow.second * terms * v.second)))
}

/// A profile along a sequence of these second moments; `None` where all are alike.
fn along(seconds: Vec<f64>) -> Option<Profile> {
    normalized(vec![seconds]).1
}

/// `count` numbers of a profile along a sequence.
fn line(profile: Option<&Profile>, count: usize) -> Vec<f64> {
    let known = profile.and_then(|profile| profile.first());
    match known.filter(|line| line.len() == count) {
        Some(line) => line.clone(),
        None => vec![1.0; count],
    }
}

/// The mean square cosine between what two places have of their own, of keys.
///
/// With X the T places over D features, Xᵀ J X is what a query's gradient passes between values and
/// keys: tr (J G)² of their Gram matrix G = I + E, so that ‖J‖² comes with (tr J)² E cos². Each layer
/// of n units adds 1/n to that, as it does to the variance of a cosine between samples.
fn overlap(context: &Context<'_>, keys: &Signal) -> f64 {
    let cosine = keys.cosine().unwrap_or(0.0);
    let unit = cosine_variance(cosine, context.batch(), 3.0, 1.0);
    let layers = if unit > 0.0 {
        keys.cosine_inherited.max(0.0) / unit
    } else {
        0.0
    };
    // Between samples the input is measured, luck and all; between places it is as it was drawn.
    let start = keys
        .since
        .and_then(|id| context.network.value(id).shape.as_deref());
    let input = match start {
        Some(&[_, _, features]) => 1.0 / features.max(1) as f64,
        _ => 0.0,
    };
    (layers + input).min(1.0)
}

/// From the scores that a node puts out to its queries (k = 0) or keys.
pub(crate) fn to_projection(
    context: &Context<'_>,
    node: &Node,
    k: usize,
    from: &Flow,
) -> Option<Flow> {
    let map = map(context, node).filter(|map| map.data == 0)?;
    let (q, keys) = (context.signal(node, 0)?, context.signal(node, 1)?);
    let count = |k: usize| context.shape(node, k).map(super::count);
    let terms = map.edges / count(k)?.max(1.0);
    let scale = map.factor * map.factor * terms * from.second;
    let &[.., queries, places] = context.output_shape(node)? else {
        return None;
    };
    if keys.parameter || queries == 0 {
        return None;
    }
    if k == 0 {
        to_queries(context, keys, scale, from)
    } else {
        to_keys(q, [queries, places], scale, from)
    }
}

/// From scores to queries, times `scale`.
pub(crate) fn to_queries(
    context: &Context<'_>,
    keys: &Signal,
    scale: f64,
    from: &Flow,
) -> Option<Flow> {
    // The gradients of a row add up to zero: what its keys have in common drops out.
    let apart = (keys.second - keys.cross.within?).max(0.0);
    let trace = from.scored.as_ref().map_or(0.0, |scored| scored.trace);
    let together = 1.0 + overlap(context, keys) * trace;
    Some(Flow {
        second: scale * apart * together,
        alike: from.alike,
        profile: from.profile.clone(),
        luck: layer_variance(3.0, keys.units),
        ..Flow::default()
    })
}

/// From scores to keys, times `scale`.
pub(crate) fn to_keys(
    q: &Signal,
    [queries, keys]: [usize; 2],
    scale: f64,
    from: &Flow,
) -> Option<Flow> {
    let within = q.cross.within?;
    // Queries that see a key well lie along it, by C k of their covariance C: so far they are alike.
    let apart = (q.second - within).max(0.0);
    let tilt = from.scored.as_ref().map_or(0.0, |scored| scored.tilt);
    let along = apart * apart * tilt;
    let coherent = (queries as f64 - 1.0) * from.alike? * (within + along);
    Some(Flow {
        second: scale * (q.second + coherent).max(0.0),
        alike: Some(-1.0 / (keys as f64 - 1.0).max(1.0)),
        profile: from.scored.as_ref().and_then(|scored| scored.keys.clone()),
        luck: layer_variance(3.0, q.units),
        ..Flow::default()
    })
}
