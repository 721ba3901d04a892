//! LSTM, GRU and plain recurrent layers.
//!
//! At infinite width the units of a recurrent layer are independent copies of one process: its
//! pre-activations are Gaussian over time, with the covariance that the inputs and its own outputs
//! at earlier steps give them (mean field of RNNs: Chen, Pennington & Schoenholz 2018; of LSTMs and
//! GRUs: Gilboa et al. 2019; that weights used at every step change nothing but this covariance:
//! Yang 2019). The process is drawn a few thousand times, step by step, from fixed random numbers:
//! the second moments are right to some 0.5 %. Two samples are two such processes that share their
//! weights: Gaussian together, with the covariance between samples that the same recursion gives.

use std::rc::Rc;

use fanin_network::operator::{self, CellActivation, Direction, Recurrent};
use fanin_network::{Node, Operator, ValueId};

use super::back::{Arrival, Back, Flow};
use super::passing::is_rearrangement;
use super::{Context, Rule, Support, count, linear, shape};
use crate::band::{cosine_variance, layer_variance};
use crate::cross::Cross;
use crate::signal::{Shape, Signal, Steps, normalized};

impl Rule for Recurrent {
    fn support(&self) -> Support {
        let known = is_plain(self);
        Support {
            forward: known,
            backward: known && self.direction == Direction::Forward,
        }
    }

    /// All steps, and the last state.
    fn speaks_of(&self, output: usize) -> bool {
        output < 2
    }

    fn forward(&self, context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
        if node.output(0) == Some(output) {
            forward(context, node, self, output)
        } else {
            last(context, node, self, output)
        }
    }

    fn backward(&self, arrival: &Arrival<'_>) -> Option<Back> {
        if arrival.slot != 0 {
            return None;
        }
        let Arrival { context, node, .. } = *arrival;
        let flow = backward(context, node, self, arrival.output, &arrival.flow)?;
        // Through two weights: that of the state and that of the input.
        Some(arrival.through_weights(flow))
    }
}

/// Whether a layer steps with the usual activations over steps on the first axis.
fn is_plain(layer: &Recurrent) -> bool {
    use CellActivation::{Sigmoid, Tanh};
    let usual: &[CellActivation] = match layer.cell {
        operator::Cell::Lstm { input_forget } => {
            if input_forget {
                return false;
            }
            &[Sigmoid, Tanh, Tanh]
        }
        operator::Cell::Gru { .. } => &[Sigmoid, Tanh],
        operator::Cell::Rnn => &[Tanh],
    };
    !layer.batch_first
        && layer.clip.is_none()
        && (0..layer.direction.count()).all(|k| layer.activations_of(k) == usual)
}

/// Draws of the process.
const DRAWS: usize = 4096;

/// Sequences longer than this have no rule: the cost goes with the square.
const LONGEST: usize = 128;

/// Which layer.
#[derive(Clone, Copy, PartialEq)]
enum Cell {
    Lstm,
    Gru {
        /// Whether the reset gate meets the recurrent product rather than the state before it.
        after: bool,
    },
    Rnn,
}

/// A recurrent layer read from a node.
struct Layer<'a> {
    cell: Cell,
    time: usize,
    units: f64,
    /// The signals of the input and both weights.
    x: &'a Signal,
    w: &'a Signal,
    r: &'a Signal,
    features: f64,
    bias: Bias,
}

/// The biases of a layer.
#[derive(Clone, Copy, Default)]
struct Bias {
    /// Second moment of each of the two that every gate has, about its mean.
    second: f64,
    /// What both add to an LSTM's forget gate in the mean.
    forget: f64,
}

impl Bias {
    /// Of the node's fourth input. A mean is the forget gate's where a parameter says that it holds
    /// one; moments do not say whose it is otherwise.
    fn of(context: &Context<'_>, node: &Node) -> Option<Self> {
        let Some(id) = context.id(node, 3) else {
            return Some(Self::default());
        };
        let b = context.signal(node, 3)?;
        let elements = count(context.shape(node, 3)?);
        if b.mean * b.mean * elements <= 16.0 * b.second {
            let second = b.second;
            return Some(Self {
                second,
                forget: 0.0,
            });
        }
        let gated = matches!(&node.operator, Operator::Recurrent(layer)
            if matches!(layer.cell, operator::Cell::Lstm { .. }));
        if !gated || !holds_forget_gate(context, id) {
            return None;
        }
        // One of eight parts: the bias of W's products at the forget gate.
        let forget = 8.0 * b.mean;
        let second = (b.second - forget * forget / 8.0).max(0.0);
        Some(Self { second, forget })
    }
}

/// Whether a bias is made of a parameter that is known to hold a forget gate.
fn holds_forget_gate(context: &Context<'_>, bias: ValueId) -> bool {
    let mut open = vec![bias];
    // Slices and a concatenation per gate.
    for _ in 0..64 {
        let Some(id) = open.pop() else { return false };
        if let Some(parameter) = context.network.as_parameter(id) {
            if parameter.purpose.forget_gate.is_some() {
                return true;
            }
        } else if let Some(node) = context.network.value(id).producer {
            open.extend(context.network.node(node).inputs.iter().flatten());
        }
    }
    false
}

impl<'a> Layer<'a> {
    fn of(context: &Context<'a>, node: &Node, layer: &Recurrent) -> Option<Self> {
        let cell = match layer.cell {
            operator::Cell::Lstm { .. } => Cell::Lstm,
            operator::Cell::Gru {
                linear_before_reset,
            } => Cell::Gru {
                after: linear_before_reset,
            },
            operator::Cell::Rnn => Cell::Rnn,
        };
        // First states of zero are none; lengths and peepholes have no rule.
        let zero = |k: usize| {
            context.id(node, k).is_none()
                || (k == 5 || k == 6) && context.signal(node, k).is_some_and(|s| s.second == 0.0)
        };
        if !is_plain(layer) || !(4..node.inputs.len()).all(zero) {
            return None;
        }
        let (x, w, r) = (
            context.signal(node, 0)?,
            context.signal(node, 1)?,
            context.signal(node, 2)?,
        );
        let &[time, _, features] = context.shape(node, 0)? else {
            return None;
        };
        let units = *context.shape(node, 2)?.last()?;
        let sound = (1..=LONGEST).contains(&time) && units > 0 && w.parameter && r.parameter;
        let layer = Self {
            cell,
            time,
            units: units as f64,
            x,
            w,
            r,
            features: features as f64,
            bias: Bias::of(context, node)?,
        };
        sound.then_some(layer)
    }

    /// The process of one unit; of both samples of a pair where their covariance is known.
    fn process(&self) -> Option<Process<'_>> {
        let x = self.x;
        let within = match x.steps {
            Some(_) => 0.0,
            None => x.cross.within?,
        };
        let scale = self.features * self.w.second;
        let entry = move |list: &[Vec<f64>], t: usize, s: usize| {
            let known = list.get(t).and_then(|row| row.get(s));
            x.second * known.copied().unwrap_or(0.0)
        };
        let input = move |t: usize, s: usize| {
            scale
                * match &x.steps {
                    Some(steps) => entry(&steps.own, t, s),
                    None if t == s => x.second,
                    None => within,
                }
        };
        let pair: Option<Covariance<'_>> = match (&x.steps, x.cross.between, x.cross.far) {
            (Some(steps), ..) => steps.between.as_ref().map(|between| -> Covariance<'_> {
                Box::new(move |t, s| scale * entry(between, t, s))
            }),
            (None, Some(same), Some(other)) => Some(Box::new(move |t, s| {
                scale * if t == s { same } else { other }
            })),
            _ => None,
        };
        Some(Process {
            cell: self.cell,
            time: self.time,
            input: Box::new(input),
            pair,
            recurrent: self.units * self.r.second,
            bias: self.bias,
        })
    }
}

/// The output of a recurrent layer over all steps, [time, directions, batch, units].
fn forward(
    context: &Context<'_>,
    node: &Node,
    recurrent: &Recurrent,
    output: ValueId,
) -> Option<Signal> {
    let layer = Layer::of(context, node, recurrent)?;
    let (x, time) = (layer.x, layer.time);
    let states = layer.process()?.run().states;
    let own = |h: &Pair, power: i32| mean_of(h.iter().map(|h| mean(h, |h| h.powi(power))));
    let over_time = |power: i32| states.iter().map(|h| own(h, power)).sum::<f64>() / time as f64;
    let (second, fourth) = (over_time(2), over_time(4));
    let mut signal = Signal::gaussian(output, 0.0, second);
    signal.units = layer.units;
    signal.since = x.since;
    signal.gaussian = false;
    if second > 0.0 {
        signal.kurtosis = fourth / (second * second);
    }
    let table = |f: &Product| -> Vec<Vec<f64>> {
        let row = |a: &Pair| states.iter().map(|b| f(a, b)).collect();
        states.iter().map(row).collect()
    };
    // Mean over steps with themselves, and over those with others.
    let parts = |table: &[Vec<f64>]| {
        let all: f64 = table.iter().flatten().sum();
        let same: f64 = table
            .iter()
            .enumerate()
            .filter_map(|(t, row)| row.get(t))
            .sum();
        let n = time as f64;
        let other = if time > 1 {
            (all - same) / (n * n - n)
        } else {
            same
        };
        (same / n, other)
    };
    let products = table(&product);
    let between = states
        .first()
        .is_some_and(|pair| pair.len() == 2)
        .then(|| table(&crossed));
    let pairs = between.as_deref().map(parts);
    signal.cross = Cross {
        within: Some(parts(&products).1),
        between: pairs.map(|(same, _)| same),
        far: pairs.map(|(_, other)| other),
    };
    let onward = recurrent.direction == Direction::Forward;
    if second > 0.0 && onward {
        let relative = |table: Vec<Vec<f64>>| -> Rc<[Vec<f64>]> {
            let row = |row: Vec<f64>| row.into_iter().map(|p| p / second).collect();
            table.into_iter().map(row).collect()
        };
        let own = relative(products);
        let line = own
            .iter()
            .enumerate()
            .filter_map(|(t, row)| row.get(t).copied());
        signal.profile = normalized(vec![line.collect()]).1;
        signal.steps = Some(Steps {
            own,
            between: between.map(relative),
            axis: 0,
        });
    }
    let luck = |kurtosis: f64| layer_variance(kurtosis, layer.units);
    let variance = x.variance() + luck(3.0) + luck(signal.kurtosis);
    let batch = context.batch();
    signal.cosine_inherited = linear::inherited_cosine(context, x)
        + signal
            .cosine()
            .map_or(0.0, |c| cosine_variance(c, batch, 3.0, layer.units));
    Some(signal.with_variance(variance))
}

/// The state at the last step, a layer's second output, [directions, batch, units].
fn last(
    context: &Context<'_>,
    node: &Node,
    recurrent: &Recurrent,
    output: ValueId,
) -> Option<Signal> {
    let all = match node.output(0) {
        Some(all) => context.at(all)?.clone(),
        None => forward(context, node, recurrent, output)?,
    };
    let last = all.steps.as_ref()?.own.len().checked_sub(1)?;
    let mut signal = all.clone();
    shape::pick(&all, last, &mut signal);
    signal.shape = Shape::base(output);
    Some(signal)
}

/// From the gradient at a layer's output, all steps of the state or the last alone, to that at its
/// input.
///
/// Back from the last step, the gradient at a state is that handed to the output plus Rᵀ times that
/// at the pre-activations one step later, of the same law as if R were drawn anew (gradient
/// independence; Yang 2020, arXiv:2006.14548): Gaussian over time, with the covariance that this
/// recursion gives it, independent of the process forward. It is drawn along with that process,
/// whose gates and cells it meets unit by unit (Chen, Pennington & Schoenholz 2018; Gilboa et al.
/// 2019, of whose moments these are the finite sums).
fn backward(
    context: &Context<'_>,
    node: &Node,
    recurrent: &Recurrent,
    output: ValueId,
    from: &Flow,
) -> Option<Flow> {
    if recurrent.direction != Direction::Forward {
        return None;
    }
    let layer = Layer::of(context, node, recurrent)?;
    let time = layer.time;
    let given = match node.outputs.iter().position(|&id| id == Some(output))? {
        0 => handed(from, time)?,
        1 => {
            let mut given = vec![vec![0.0; time]; time];
            *given.last_mut()?.last_mut()? = from.second;
            given
        }
        _ => return None,
    };
    let process = Process {
        pair: None,
        ..layer.process()?
    };
    let run = process.run();
    let gradients = back(layer.cell, &run, layer.units * layer.r.second, &given);
    let scale = layer.units * layer.w.second;
    let table: Vec<Vec<f64>> = gradients
        .iter()
        .map(|a| gradients.iter().map(|b| scale * dot(a, b)).collect())
        .collect();
    let line: Vec<f64> = table
        .iter()
        .enumerate()
        .filter_map(|(t, row)| row.get(t).copied())
        .collect();
    let n = time as f64;
    let total: f64 = line.iter().sum();
    let second = total / n;
    if second.is_nan() || second <= 0.0 {
        return Some(Flow::of(0.0));
    }
    let other = (table.iter().flatten().sum::<f64>() - total) / (n * n - n).max(1.0);
    let row = |row: Vec<f64>| row.into_iter().map(|p| p / second).collect();
    Some(Flow {
        second,
        alike: Some(other / second),
        profile: normalized(vec![line]).1,
        steps: Some(table.into_iter().map(row).collect()),
        luck: layer_variance(3.0, layer.units),
        ..Flow::default()
    })
}

/// The covariance between steps of a gradient at a layer's output.
fn handed(from: &Flow, time: usize) -> Option<Vec<Vec<f64>>> {
    if let Some(steps) = from.steps.as_ref().filter(|steps| steps.len() == time) {
        let row = |row: &Vec<f64>| row.iter().map(|p| p * from.second).collect();
        return Some(steps.iter().map(row).collect());
    }
    let line = from.profile.as_ref().and_then(|profile| profile.first());
    let weight = |t: usize| line.and_then(|line| line.get(t)).copied().unwrap_or(1.0);
    let roots: f64 = (0..time).map(|t| weight(t).max(0.0).sqrt()).sum();
    let pairs = roots * roots - (0..time).map(weight).sum::<f64>();
    let n = time as f64;
    let alike = from.alike.map(|alike| {
        if pairs > 0.0 {
            alike * (n * n - n) / pairs
        } else {
            0.0
        }
    })?;
    let entry = |t: usize, s: usize| {
        let shared = if t == s { 1.0 } else { alike };
        from.second * shared * (weight(t) * weight(s)).max(0.0).sqrt()
    };
    Some(
        (0..time)
            .map(|t| (0..time).map(|s| entry(t, s)).collect())
            .collect(),
    )
}

/// A value of one unit in all draws, for each gate.
type PerGate = Vec<Vec<f64>>;

/// The gradients at the pre-activations that the input feeds, at each step in all draws, one list
/// per gate.
fn back(cell: Cell, run: &Run, recurrent: f64, given: &[Vec<f64>]) -> Vec<PerGate> {
    let time = run.tape.len();
    let (mut path, mut inner) = (Path::new(8), Path::new(9));
    // What reaches the pre-activations of R, those of the input, and what passes step to step.
    let (mut recurred, mut fed): (Vec<PerGate>, Vec<PerGate>) = Default::default();
    let mut carried = vec![0.0; DRAWS];
    for t in (0..time).rev() {
        let age = time - 1 - t;
        let covariance: Vec<f64> = (0..=age)
            .map(|past| {
                let s = time - 1 - past;
                let own = given
                    .get(t)
                    .and_then(|row| row.get(s))
                    .copied()
                    .unwrap_or(0.0);
                let later = match (age.checked_sub(1), past.checked_sub(1)) {
                    (Some(a), Some(b)) => recurred.get(a).zip(recurred.get(b)),
                    _ => None,
                };
                own + later.map_or(0.0, |(a, b)| recurrent * dot(a, b))
            })
            .collect();
        let mut arriving = path.step(&covariance);
        let Some(gates) = run.tape.get(t) else { break };
        let wide = |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..DRAWS).map(f).collect() };
        let at = |list: &[f64], k: usize| list.get(k).copied().unwrap_or(0.0);
        match (cell, gates) {
            (_, Gates::Rnn { h }) => {
                let d = wide(&|k| at(&arriving, k) * (1.0 - at(h, k).powi(2)));
                recurred.push(vec![d.clone()]);
                fed.push(vec![d]);
            }
            (
                _,
                Gates::Lstm {
                    i,
                    o,
                    f,
                    g,
                    before,
                    c,
                },
            ) => {
                // What the output hands the cell adds to what the next step's cell does.
                let cells = wide(&|k| {
                    at(&carried, k) + at(&arriving, k) * at(o, k) * (1.0 - at(c, k).powi(2))
                });
                let slope = |gate: f64| gate * (1.0 - gate);
                let list = vec![
                    wide(&|k| at(&cells, k) * at(g, k) * slope(at(i, k))),
                    wide(&|k| at(&arriving, k) * at(c, k) * slope(at(o, k))),
                    wide(&|k| at(&cells, k) * at(before, k) * slope(at(f, k))),
                    wide(&|k| at(&cells, k) * at(i, k) * (1.0 - at(g, k).powi(2))),
                ];
                carried = wide(&|k| at(&cells, k) * at(f, k));
                recurred.push(list.clone());
                fed.push(list);
            }
            (
                Cell::Gru { after },
                Gates::Gru {
                    z,
                    r,
                    n,
                    before,
                    back,
                },
            ) => {
                for (sum, carried) in arriving.iter_mut().zip(&carried) {
                    *sum += carried;
                }
                let slope = |gate: f64| gate * (1.0 - gate);
                let candidate =
                    wide(&|k| at(&arriving, k) * (1.0 - at(z, k)) * (1.0 - at(n, k).powi(2)));
                let update =
                    wide(&|k| at(&arriving, k) * (at(before, k) - at(n, k)) * slope(at(z, k)));
                let kept = wide(&|k| at(&arriving, k) * at(z, k));
                if after {
                    let reset = wide(&|k| at(&candidate, k) * at(back, k) * slope(at(r, k)));
                    let product = wide(&|k| at(&candidate, k) * at(r, k));
                    carried = kept;
                    recurred.push(vec![update.clone(), reset.clone(), product]);
                    fed.push(vec![update, reset, candidate]);
                } else {
                    // Through the candidate's own part of R to the state that was reset.
                    let mut covariance: Vec<f64> = fed
                        .iter()
                        .filter_map(|list| Some(recurrent * dot_one(list.get(2)?, &candidate)))
                        .collect();
                    covariance.push(recurrent * dot_one(&candidate, &candidate));
                    let inner = inner.step(&covariance);
                    let reset = wide(&|k| at(&inner, k) * at(before, k) * slope(at(r, k)));
                    carried = wide(&|k| at(&kept, k) + at(&inner, k) * at(r, k));
                    recurred.push(vec![update.clone(), reset.clone()]);
                    fed.push(vec![update, reset, candidate]);
                }
            }
            // The tape is this cell's.
            _ => break,
        }
    }
    fed.reverse();
    fed
}

/// Mean product over the draws, summed over gates.
fn dot(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    a.iter().zip(b).map(|(a, b)| dot_one(a, b)).sum()
}

/// Mean product over the draws.
fn dot_one(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / DRAWS as f64
}

/// A mean product of two steps.
type Product = dyn Fn(&[Vec<f64>], &[Vec<f64>]) -> f64;

/// A value of one unit in all draws, for one sample or a pair of samples.
type Pair = Vec<Vec<f64>>;

/// Mean product of two steps of one sample.
fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    mean_of(a.iter().zip(b).map(|(a, b)| dot_one(a, b)))
}

/// Mean product of two steps of two samples.
fn crossed(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    mean_of(a.iter().zip(b.iter().rev()).map(|(a, b)| dot_one(a, b)))
}

fn mean_of(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

fn mean(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    values.iter().map(|&x| f(x)).sum::<f64>() / values.len().max(1) as f64
}

/// A covariance between two steps.
type Covariance<'a> = Box<dyn Fn(usize, usize) -> f64 + 'a>;

/// The process of one unit.
struct Process<'a> {
    cell: Cell,
    time: usize,
    /// Covariance of W x between two steps of one sample.
    input: Covariance<'a>,
    /// The same of two samples, where it is known.
    pair: Option<Covariance<'a>>,
    /// What the covariance of the state is multiplied by in that of R h.
    recurrent: f64,
    bias: Bias,
}

/// A process that was drawn.
struct Run {
    /// The state at each step.
    states: Vec<Pair>,
    /// What the way back meets at each step, of the first sample.
    tape: Vec<Gates>,
}

/// Gates after their activations, and states.
enum Gates {
    Rnn {
        h: Vec<f64>,
    },
    Lstm {
        i: Vec<f64>,
        o: Vec<f64>,
        f: Vec<f64>,
        g: Vec<f64>,
        /// The cell before.
        before: Vec<f64>,
        /// tanh of the cell.
        c: Vec<f64>,
    },
    Gru {
        z: Vec<f64>,
        r: Vec<f64>,
        n: Vec<f64>,
        /// The state before.
        before: Vec<f64>,
        /// The recurrent product that the reset gate meets.
        back: Vec<f64>,
    },
}

/// Covariances of one step with all so far, of one sample and of two.
struct Row {
    own: Vec<f64>,
    pair: Option<Vec<f64>>,
}

impl Row {
    fn of(samples: usize, own: impl Iterator<Item = f64>, pair: impl Iterator<Item = f64>) -> Self {
        Self {
            own: own.collect(),
            pair: (samples == 2).then(|| pair.collect()),
        }
    }

    fn plus(&self, other: &Self, constant: f64) -> Self {
        let sum = |a: &[f64], b: &[f64]| -> Vec<f64> {
            a.iter().zip(b).map(|(a, b)| a + b + constant).collect()
        };
        Self {
            own: sum(&self.own, &other.own),
            pair: self
                .pair
                .as_ref()
                .zip(other.pair.as_ref())
                .map(|(a, b)| sum(a, b)),
        }
    }

    fn shifted(&self, constant: f64) -> Self {
        let shift = |list: &[f64]| list.iter().map(|x| x + constant).collect();
        Self {
            own: shift(&self.own),
            pair: self.pair.as_deref().map(shift),
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Process<'_> {
    fn run(&self) -> Run {
        let samples = if self.pair.is_some() { 2 } else { 1 };
        let mut gates: Vec<Paths> = (0..4).map(|k| Paths::new(k, samples)).collect();
        let (mut states, mut reset): (Vec<Pair>, Vec<Pair>) = Default::default();
        let mut cell = vec![vec![0.0; DRAWS]; samples];
        let mut tape = Vec::with_capacity(self.time);
        for t in 0..self.time {
            let inputs = Row::of(
                samples,
                (0..=t).map(|s| (self.input)(t, s)),
                (0..=t).map(|s| self.pair.as_ref().map_or(0.0, |pair| pair(t, s))),
            );
            // R h of the state one step before.
            let earlier = |f: &Product, s: usize| {
                let before = |t: usize| t.checked_sub(1).and_then(|t| states.get(t));
                before(t)
                    .zip(before(s))
                    .map_or(0.0, |(a, b)| self.recurrent * f(a, b))
            };
            let products = Row::of(
                samples,
                (0..=t).map(|s| earlier(&product, s)),
                (0..=t).map(|s| earlier(&crossed, s)),
            );
            let bias = self.bias.second;
            let both = inputs.plus(&products, 2.0 * bias);
            let last = t.checked_sub(1).and_then(|t| states.get(t)).cloned();
            let last = last.unwrap_or_else(|| vec![vec![0.0; DRAWS]; samples]);
            let mut draw = |gate: usize, row: &Row, f: &dyn Fn(f64) -> f64| -> Pair {
                let mut drawn = gates
                    .get_mut(gate)
                    .map(|path| path.step(row))
                    .unwrap_or_default();
                drawn.iter_mut().flatten().for_each(|x| *x = f(*x));
                drawn
            };
            let plain = |x: f64| x;
            let open = |x: f64| sigmoid(x + self.bias.forget);
            let mut made: Vec<(Vec<f64>, Gates)> = match self.cell {
                Cell::Rnn => draw(0, &both, &f64::tanh)
                    .into_iter()
                    .map(|h| (h.clone(), Gates::Rnn { h }))
                    .collect(),
                Cell::Lstm => {
                    let (i, o) = (draw(0, &both, &sigmoid), draw(1, &both, &sigmoid));
                    let (f, g) = (draw(2, &both, &open), draw(3, &both, &f64::tanh));
                    let lists = i.into_iter().zip(o).zip(f.into_iter().zip(g));
                    lists
                        .zip(&mut cell)
                        .map(|(((i, o), (f, g)), cell)| {
                            let before = cell.clone();
                            let parts = i.iter().zip(&f).zip(&g);
                            for (cell, ((i, f), g)) in cell.iter_mut().zip(parts) {
                                *cell = f * *cell + i * g;
                            }
                            let c: Vec<f64> = cell.iter().map(|c| c.tanh()).collect();
                            let h = o.iter().zip(&c).map(|(o, c)| o * c).collect();
                            (
                                h,
                                Gates::Lstm {
                                    i,
                                    o,
                                    f,
                                    g,
                                    before,
                                    c,
                                },
                            )
                        })
                        .collect()
                }
                Cell::Gru { after } => {
                    let (z, r) = (draw(0, &both, &sigmoid), draw(1, &both, &sigmoid));
                    let (own, back) = if after {
                        let own = inputs.shifted(bias);
                        let back = products.shifted(bias);
                        (draw(2, &own, &plain), draw(3, &back, &plain))
                    } else {
                        // The reset state takes the state's place: `reset` runs one step ahead.
                        let gated = |(r, h): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
                            r.iter().zip(h).map(|(r, h)| r * h).collect()
                        };
                        reset.push(r.iter().zip(&last).map(gated).collect());
                        let gated = |f: &Product, s: usize| {
                            let pair = reset.get(t).zip(reset.get(s));
                            pair.map_or(0.0, |(a, b)| self.recurrent * f(a, b))
                        };
                        let products = Row::of(
                            samples,
                            (0..=t).map(|s| gated(&product, s)),
                            (0..=t).map(|s| gated(&crossed, s)),
                        );
                        let own = inputs.plus(&products, 2.0 * bias);
                        let none = vec![vec![0.0; DRAWS]; samples];
                        (draw(2, &own, &plain), none)
                    };
                    let lists = z.into_iter().zip(r).zip(own.into_iter().zip(back));
                    lists
                        .zip(last)
                        .map(|(((z, r), (own, back)), before)| {
                            let parts = own.iter().zip(&r).zip(&back);
                            let n: Vec<f64> = parts
                                .map(|((own, r), back)| (own + r * back).tanh())
                                .collect();
                            let parts = z.iter().zip(&n).zip(&before);
                            let h = parts.map(|((z, n), h)| (1.0 - z) * n + z * h).collect();
                            (
                                h,
                                Gates::Gru {
                                    z,
                                    r,
                                    n,
                                    before,
                                    back,
                                },
                            )
                        })
                        .collect()
                }
            };
            made.truncate(samples);
            let (state, mut gates): (Pair, Vec<Gates>) = made.into_iter().unzip();
            states.push(state);
            tape.extend(gates.drain(..).next());
        }
        Run { states, tape }
    }
}

/// Draws of a Gaussian process for one sample or for a pair of exchangeable ones: their sum and
/// difference are independent processes.
struct Paths(Vec<Path>);

impl Paths {
    fn new(gate: u64, samples: usize) -> Self {
        Self(
            (0..samples as u64)
                .map(|k| Path::new(gate + 16 * k))
                .collect(),
        )
    }

    /// The next step, given its covariance with all steps so far and itself.
    fn step(&mut self, row: &Row) -> Pair {
        let (Some(pair), [sum, difference]) = (&row.pair, self.0.as_mut_slice()) else {
            return self.0.iter_mut().map(|path| path.step(&row.own)).collect();
        };
        let mixed = |sign: f64| -> Vec<f64> {
            let both = row.own.iter().zip(pair);
            both.map(|(own, pair)| 0.5 * (own + sign * pair)).collect()
        };
        let (a, b) = (sum.step(&mixed(1.0)), difference.step(&mixed(-1.0)));
        let half = |sign: f64| a.iter().zip(&b).map(|(a, b)| a + sign * b).collect();
        vec![half(1.0), half(-1.0)]
    }
}

/// Draws of a Gaussian process, extended step by step by the rows of its covariance.
struct Path {
    /// Independent standard Gaussians by step.
    fresh: Vec<Vec<f64>>,
    /// Rows of the covariance's Cholesky factor.
    factor: Vec<Vec<f64>>,
    numbers: Numbers,
}

impl Path {
    fn new(gate: u64) -> Self {
        Self {
            fresh: Vec::new(),
            factor: Vec::new(),
            numbers: Numbers(0x5851_F42D_4C95_7F2D ^ (gate << 32)),
        }
    }

    /// The next step, given its covariance with all steps so far and itself.
    fn step(&mut self, covariance: &[f64]) -> Vec<f64> {
        self.fresh.push(self.numbers.standard());
        let mut row: Vec<f64> = Vec::with_capacity(covariance.len());
        for (s, &c) in covariance.iter().enumerate() {
            let dot = |other: &[f64]| row.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
            let entry = match self.factor.get(s) {
                Some(other) => {
                    let pivot = other.get(s).copied().unwrap_or(0.0);
                    if pivot > 1e-9 {
                        (c - dot(other)) / pivot
                    } else {
                        0.0
                    }
                }
                None => (c - dot(&row)).max(0.0).sqrt(),
            };
            row.push(entry);
        }
        let mut values = vec![0.0; DRAWS];
        for (factor, fresh) in row.iter().zip(&self.fresh) {
            for (value, e) in values.iter_mut().zip(fresh) {
                *value += factor * e;
            }
        }
        self.factor.push(row);
        values
    }
}

/// Reproducible standard Gaussians: SplitMix64 and Box-Muller.
struct Numbers(u64);

impl Numbers {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 + 1e-17
    }

    /// As many as there are draws, shifted and scaled to mean 0 and mean square 1.
    fn standard(&mut self) -> Vec<f64> {
        let mut values = Vec::with_capacity(DRAWS);
        while values.len() < DRAWS {
            let radius = (-2.0 * self.uniform().ln()).sqrt();
            let (sin, cos) = (2.0 * std::f64::consts::PI * self.uniform()).sin_cos();
            values.extend([radius * cos, radius * sin]);
        }
        let scale = 1.0 / mean(&values, |x| x * x).sqrt().max(1e-9);
        let shift = mean(&values, |x| x);
        values.iter().map(|x| (x - shift) * scale).collect()
    }
}

impl Steps {
    /// Where an operation that moves elements leaves the steps; `None` if it takes them apart.
    pub(crate) fn moved(mut self, context: &Context<'_>, node: &Node) -> Option<Self> {
        let to = context.output_shape(node)?;
        let time = self.own.len();
        self.axis = match &node.operator {
            Operator::Transpose { perm } => {
                let axis = i64::try_from(self.axis).ok()?;
                perm.as_ref()?.iter().position(|&from| from == axis)?
            }
            _ if !is_rearrangement(&node.operator) || to.len() < 2 => return None,
            _ if to.get(self.axis) == Some(&time) => self.axis,
            _ => to.iter().position(|&size| size == time)?,
        };
        Some(self)
    }
}
