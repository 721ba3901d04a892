//! LSTM, GRU and plain recurrent layers.
//!
//! At infinite width the units of a recurrent layer are independent copies of one process: its
//! pre-activations are Gaussian over time, with the covariance that the inputs and its own outputs
//! at earlier steps give them (mean field of RNNs: Chen, Pennington & Schoenholz 2018; of LSTMs and
//! GRUs: Gilboa et al. 2019; that weights used at every step change nothing but this covariance:
//! Yang 2019). The process is drawn a few thousand times, step by step, from fixed random numbers:
//! the second moments are right to some 0.5 %.

use fanin_network::{Node, ValueId};

use super::{Context, count};
use crate::band::layer_variance;
use crate::signal::Signal;

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

/// The output of a recurrent layer over all steps, [time, directions, batch, units].
pub(crate) fn forward(context: &Context<'_>, node: &Node, output: ValueId) -> Option<Signal> {
    if !node.domain.is_empty() {
        return None;
    }
    let cell = match node.op.as_str() {
        "LSTM" => Cell::Lstm,
        "GRU" => Cell::Gru {
            after: node.attributes.int("linear_before_reset", 0) != 0,
        },
        "RNN" => Cell::Rnn,
        _ => return None,
    };
    let plain = node.attributes.int("layout", 0) == 0
        && ["activations", "clip", "input_forget"]
            .iter()
            .all(|name| node.attributes.get(name).is_none());
    // Lengths, first states, peepholes.
    if !plain || (4..node.inputs.len()).any(|k| context.id(node, k).is_some()) {
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
    let bias = match context.signal(node, 3) {
        // Forget gates that start open differ from the other gates, which moments do not say.
        Some(b) if b.mean * b.mean * count(context.shape(node, 3)?) > 16.0 * b.second => {
            return None;
        }
        Some(b) => b.second,
        None => 0.0,
    };
    if time == 0 || time > LONGEST || units == 0 || !w.parameter || !r.parameter {
        return None;
    }
    let within = match x.steps {
        Some(_) => 0.0,
        None => x.cross.within?,
    };
    let common = |t: usize, s: usize| match &x.steps {
        Some(steps) => {
            let known = steps.get(t).and_then(|row| row.get(s));
            x.second * known.copied().unwrap_or(0.0)
        }
        None if t == s => x.second,
        None => within,
    };
    let process = Process {
        cell,
        time,
        input: Box::new(|t, s| features as f64 * w.second * common(t, s)),
        recurrent: units as f64 * r.second,
        bias,
    };
    let states = process.run();
    let seconds: Vec<f64> = states.iter().map(|h| mean(h, |h| h * h)).collect();
    let second = seconds.iter().sum::<f64>() / time as f64;
    let fourth = states.iter().map(|h| mean(h, |h| h.powi(4))).sum::<f64>() / time as f64;
    let mut signal = Signal::gaussian(output, 0.0, second);
    signal.units = units as f64;
    signal.since = x.since;
    signal.gaussian = false;
    if second > 0.0 {
        signal.kurtosis = fourth / (second * second);
    }
    let products: Vec<Vec<f64>> = states
        .iter()
        .map(|a| states.iter().map(|b| product(a, b)).collect())
        .collect();
    let pairs = (time * time - time) as f64;
    let all: f64 = products.iter().flatten().sum();
    signal.cross.within = Some(if pairs > 0.0 {
        (all - time as f64 * second) / pairs
    } else {
        second
    });
    if second > 0.0 {
        let relative = |row: Vec<f64>| row.into_iter().map(|p| p / second).collect();
        signal.steps = Some(products.into_iter().map(relative).collect());
    }
    let own = layer_variance(3.0, units as f64) + layer_variance(signal.kurtosis, units as f64);
    let variance = x.variance() + own;
    Some(signal.with_variance(variance))
}

/// Mean product of two steps over the draws.
fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / DRAWS as f64
}

fn mean(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    values.iter().map(|&x| f(x)).sum::<f64>() / values.len().max(1) as f64
}

/// The process of one unit.
struct Process<'a> {
    cell: Cell,
    time: usize,
    /// Covariance of W x between two steps.
    input: Box<dyn Fn(usize, usize) -> f64 + 'a>,
    /// What the covariance of the state is multiplied by in that of R h.
    recurrent: f64,
    /// Second moment of each of the two biases.
    bias: f64,
}

impl Process<'_> {
    /// The state at each step, in all draws.
    fn run(&self) -> Vec<Vec<f64>> {
        let mut gates: Vec<Path> = (0..4).map(|k| Path::new(k as u64)).collect();
        let (mut states, mut reset): (Vec<Vec<f64>>, Vec<Vec<f64>>) = Default::default();
        let mut cell = vec![0.0; DRAWS];
        for t in 0..self.time {
            let before = |s: usize| s.checked_sub(1);
            // E h h' one step before, and the same of another list of states.
            let earlier = |list: &[Vec<f64>], s: usize| match (
                before(t).and_then(|t| list.get(t)),
                before(s).and_then(|s| list.get(s)),
            ) {
                (Some(a), Some(b)) => product(a, b),
                _ => 0.0,
            };
            let inputs: Vec<f64> = (0..=t).map(|s| (self.input)(t, s)).collect();
            let products: Vec<f64> = (0..=t)
                .map(|s| self.recurrent * earlier(&states, s))
                .collect();
            let both: Vec<f64> = inputs
                .iter()
                .zip(&products)
                .map(|(x, h)| x + h + 2.0 * self.bias)
                .collect();
            let last = before(t).and_then(|t| states.get(t)).cloned();
            let last = last.unwrap_or_else(|| vec![0.0; DRAWS]);
            let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
            let mut draw = |gate: usize, covariance: &[f64]| match gates.get_mut(gate) {
                Some(path) => path.step(covariance),
                None => Vec::new(),
            };
            let state: Vec<f64> = match self.cell {
                Cell::Rnn => draw(0, &both).iter().map(|p| p.tanh()).collect(),
                Cell::Lstm => {
                    let [i, o, f, g] = [0, 1, 2, 3].map(|gate| draw(gate, &both));
                    let gates = i.iter().zip(&o).zip(f.iter().zip(&g));
                    let mut state = Vec::with_capacity(DRAWS);
                    for (c, ((i, o), (f, g))) in cell.iter_mut().zip(gates) {
                        *c = sigmoid(*f) * *c + sigmoid(*i) * g.tanh();
                        state.push(sigmoid(*o) * c.tanh());
                    }
                    state
                }
                Cell::Gru { after } => {
                    let (z, r) = (draw(0, &both), draw(1, &both));
                    let gated: Vec<f64> =
                        r.iter().zip(&last).map(|(r, h)| sigmoid(*r) * h).collect();
                    let (own, back) = if after {
                        let own: Vec<f64> = inputs.iter().map(|x| x + self.bias).collect();
                        let back: Vec<f64> = products.iter().map(|h| h + self.bias).collect();
                        (draw(2, &own), draw(3, &back))
                    } else {
                        // The reset state takes the state's place: `reset` runs one step ahead.
                        reset.push(gated);
                        let covariance: Vec<f64> = inputs
                            .iter()
                            .enumerate()
                            .map(|(s, x)| {
                                let product = match (reset.get(t), reset.get(s)) {
                                    (Some(a), Some(b)) => product(a, b),
                                    _ => 0.0,
                                };
                                x + self.recurrent * product + 2.0 * self.bias
                            })
                            .collect();
                        (draw(2, &covariance), vec![0.0; DRAWS])
                    };
                    let parts = z.iter().zip(&r).zip(own.iter().zip(&back)).zip(&last);
                    parts
                        .map(|(((z, r), (own, back)), h)| {
                            let candidate = (own + sigmoid(*r) * back).tanh();
                            let z = sigmoid(*z);
                            (1.0 - z) * candidate + z * h
                        })
                        .collect()
                }
            };
            states.push(state);
        }
        states
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
            let value = radius * (2.0 * std::f64::consts::PI * self.uniform()).cos();
            values.push(value);
        }
        let scale = 1.0 / mean(&values, |x| x * x).sqrt().max(1e-9);
        let shift = mean(&values, |x| x);
        values.iter().map(|x| (x - shift) * scale).collect()
    }
}

/// A step picked of a value that differs between steps, or a value rearranged without moving them.
pub(crate) fn picked(context: &Context<'_>, node: &Node, moved: &mut Signal) {
    let Some(steps) = moved.steps.take() else {
        return;
    };
    let same_first = context
        .shape(node, 0)
        .zip(context.output_shape(node))
        .is_some_and(|(from, to)| from.first() == to.first() && from.len() > 1);
    match node.op.as_str() {
        "Transpose" => {
            let perm = node.attributes.ints("perm");
            if perm.is_some_and(|perm| perm.first() == Some(&0)) {
                moved.steps = Some(steps);
            }
        }
        "Reshape" | "Squeeze" | "Unsqueeze" | "Identity" | "Cast" if same_first => {
            moved.steps = Some(steps);
        }
        "Gather" if node.attributes.int("axis", 0) == 0 => {
            let index = context
                .id(node, 1)
                .and_then(|id| context.network.constant(id)?.to_i64());
            let Some(&[index]) = index.as_deref() else {
                return;
            };
            let at = if index < 0 {
                index + steps.len() as i64
            } else {
                index
            };
            let share = usize::try_from(at)
                .ok()
                .and_then(|at| steps.get(at)?.get(at));
            if let Some(share) = share {
                moved.second *= share;
                moved.cross = moved.cross.map(|product| product * share);
            }
        }
        _ => {}
    }
}
