//! Attention: the softmax of scores, and the mixture of values by it.
//!
//! Scores q·k/√d over random projections are Gaussian; of their variance σ² only the part that
//! differs between keys, σ² (1 − what keys have in common), moves a softmax. With S = E Σ p² of
//! its row, a mixture Σ p v has the second moment S (E v² − w) + w, w the mean product of values at
//! two places: attention averages away what places do not share, and after a few layers of it
//! alone nothing else is left (Dong, Cordonnier & Loukas 2021; covariances as in Hron et al. 2020).

use fanin_network::{HostTensor, Network, Node, ValueId};

use super::{Context, linear, shape};
use crate::cross::Cross;
use crate::signal::{Signal, disjoint, union};
use crate::softmax::Softmax;

/// Rows longer than this are not looked at pair by pair.
const LONGEST: usize = 2048;

/// Numbers of keys at which the softmax is integrated; between them it is interpolated.
const KNOTS: usize = 6;

/// The output of a softmax over keys, or of a mixture by one.
pub(crate) fn forward(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    match node.op.as_str() {
        "Softmax" if node.domain.is_empty() => probabilities(context, node, output),
        "MatMul" => mixture(context, node, output),
        _ => None,
    }
}

fn producer(network: &Network, value: ValueId) -> Option<&Node> {
    network.value(value).producer.map(|id| network.node(id))
}

/// The matrix product of queries and keys that scores come from, through a mask and factors, and
/// the mask.
fn origin<'a>(
    context: &Context<'a>,
    mut value: ValueId,
) -> Option<(&'a Node, ValueId, Option<&'a HostTensor>)> {
    let network = context.network;
    let mut mask = None;
    let mut scaled = value;
    for _ in 0..8 {
        let node = producer(network, value)?;
        let input = |k: usize| node.inputs.get(k).copied().flatten();
        match node.op.as_str() {
            "MatMul" => return Some((node, scaled, mask)),
            "Add" if mask.is_none() => {
                let (a, b) = (input(0)?, input(1)?);
                let (data, other) = if context.network.constant(b).is_some() {
                    (a, b)
                } else {
                    (b, a)
                };
                mask = Some(context.network.constant(other)?);
                value = data;
                scaled = data;
            }
            "Div" | "Mul" => {
                let first = input(0)?;
                value = if context.scalar(node, 1).is_some() {
                    first
                } else if context.scalar(node, 0).is_some() {
                    input(1)?
                } else {
                    return None;
                };
            }
            _ if shape::is_identity(node) => value = input(0)?,
            _ => return None,
        }
    }
    None
}

/// How many keys the rows see, and how much two rows share.
struct Rows {
    /// Keys of each row.
    open: Vec<usize>,
    /// Mean over pairs of different rows of |A ∩ B|/(|A| |B|).
    shared: f64,
}

impl Rows {
    fn new(queries: usize, keys: usize, mask: Option<&HostTensor>) -> Option<Self> {
        let Some(mask) = mask else {
            return Some(Self {
                open: vec![keys; queries],
                shared: 1.0 / keys.max(1) as f64,
            });
        };
        if keys > LONGEST || queries > LONGEST {
            return None;
        }
        let elements = mask.to_f32();
        // One mask for all samples and heads.
        if elements.len() != queries * keys || keys == 0 {
            return None;
        }
        let rows: Vec<Vec<u64>> = elements
            .chunks(keys)
            .map(|row| {
                let mut bits = vec![0u64; keys.div_ceil(64)];
                for (j, _) in row.iter().enumerate().filter(|&(_, &x)| x > -1e4) {
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
        Some(Self { open, shared })
    }

    /// The mean over rows of `f` of their number of keys n over n, interpolated in ln n.
    fn mean(&self, f: impl Fn(f64) -> f64) -> f64 {
        let most = self.open.iter().copied().max().unwrap_or(1) as f64;
        let least = self.open.iter().copied().min().unwrap_or(1) as f64;
        if most == least {
            return f(most) / most;
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
        each.sum::<f64>() / self.open.len().max(1) as f64
    }
}

/// The scores a softmax reads.
struct Scores<'a> {
    /// The signals of queries and keys.
    q: &'a Signal,
    k: &'a Signal,
    /// Of the scores, before a mask.
    signal: &'a Signal,
    /// Dimensions of a head.
    head: f64,
    /// The part of the scores' variance that differs between keys.
    variance: f64,
    mask: Option<&'a HostTensor>,
}

impl<'a> Scores<'a> {
    fn of(context: &Context<'a>, softmax: &Node) -> Option<Self> {
        let rank = context.shape(softmax, 0)?.len();
        if context.axis(softmax, "axis", -1, rank)? + 1 != rank {
            return None;
        }
        let (product, scaled, mask) = origin(context, context.id(softmax, 0)?)?;
        let map = linear::map(context, product)?;
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
            q,
            k,
            signal,
            head: (map.edges / map.outputs.max(1.0)).max(1.0),
            variance: signal.second * apart,
            mask,
        })
    }

    /// E Σ p² of a row of `n` keys.
    ///
    /// Queries differ in length: over the d dimensions of a head, whose covariance the projections
    /// of queries and keys each spread by 1 + d/D, the variance of a row's scores varies by 2/d of
    /// that. A softmax gains more from long ones than it loses to short ones.
    fn square_sum(&self, n: f64) -> f64 {
        let uneven = 1.0 + self.head / self.q.units.max(self.head);
        let swing = (2.0 / self.head * uneven * uneven).sqrt().min(0.9);
        let at = |stretch: f64| Softmax::new((self.variance * stretch).sqrt(), n).square_sum();
        0.5 * (at(1.0 + swing) + at(1.0 - swing))
    }
}

fn probabilities(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let &[.., queries, keys] = context.shape(node, 0)? else {
        return None;
    };
    let scores = Scores::of(context, node)?;
    let (q, k) = (scores.q, scores.k);
    let rows = Rows::new(queries, keys, scores.mask)?;
    let n = keys as f64;
    // n Σ p² of a row of n keys varies slowly with n: what is interpolated.
    let rows_squared = rows.mean(|n| n * scores.square_sum(n));
    let own = rows.mean(|_| 1.0);
    let squares = rows_squared / own;
    let overlap = |equal: f64, correlation: f64| equal * squares.powf(correlation.clamp(0.0, 1.0));
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
    signal.units = scores.signal.units;
    signal.since = scores.signal.since;
    signal.origins = scores.signal.origins.clone();
    let variance = scores.variance;
    // ln Σ p² moves with the variance of the scores as far as that is not small.
    let lever = (variance * variance).min(1.0);
    Some(signal.with_variance(lever * scores.signal.variance()))
}

fn mixture(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    let mut value = context.id(node, 0)?;
    while let Some(before) = producer(context.network, value).filter(|n| shape::is_identity(n)) {
        value = before.inputs.first().copied().flatten()?;
    }
    let softmax = producer(context.network, value)?;
    if softmax.op != "Softmax" {
        return None;
    }
    let (p, v) = (context.at(value)?, context.signal(node, 1)?);
    if v.parameter || !disjoint(&p.origins, &v.origins) {
        return None;
    }
    let keys = *context.shape(node, 0)?.last()? as f64;
    let within = v.cross.within?;
    // Σ p² of a row, or Σ p p' of two, mixes equal places and different ones.
    let mixed = |rows: f64, same: f64, other: f64| {
        let share = (keys * rows).min(1.0);
        share * same + (1.0 - share) * other
    };
    // Keys that score high lie along the query: Σ p x leans that way by σ²/D of E x² (E x e^(a·x) =
    // a E e^(a·x) of a standard Gaussian x).
    let scores = Scores::of(context, softmax)?;
    let lean = scores.variance / scores.q.units.max(1.0) * (1.0 - keys * p.second).max(0.0);
    let second = mixed(p.second, v.second, within) + lean * (v.second - within).max(0.0);
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
    Some(signal.with_variance(luck * luck))
}
