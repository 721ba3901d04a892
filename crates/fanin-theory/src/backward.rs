//! The second moment of every gradient, carried from the output back.
//!
//! A gradient is assumed independent of the forward values and, at a linear map, Gaussian of mean
//! zero across units: exact for infinite width where no weight is used twice.

use std::rc::Rc;

use fanin_network::{Network, Node, ValueId};

use crate::Measured;
use crate::band::{self, layer_variance, of_sum};
use crate::dual::Dual;
use crate::length_map::LengthMap;
use crate::quadrature::Grid;
use crate::rules::back::{Along, Arrival, Back, Flow, Scored};
use crate::rules::{self, Context, count, norm};
use crate::signal::{Profile, Signal, mixed_profile};

/// What theory expects of the gradient at a value.
#[derive(Clone, Debug)]
pub(crate) struct Gradient {
    /// Independent Gaussian gradients, each times a function of the value's base.
    terms: Vec<Term>,
    /// Variance of the log second moment that layers after this one have left.
    inherited: f64,
    /// Its second moment over the places of a map or a sequence, relative to its mean.
    profile: Option<Profile>,
    /// What only scores have.
    scored: Option<Rc<Scored>>,
    /// Mean products at two steps of a recurrent layer over its second moment.
    steps: Option<Rc<[Vec<f64>]>>,
}

/// Share of a gradient whose covariance between places may be unknown: it counts as none.
const UNKNOWN: f64 = 0.1;

/// One independent Gaussian gradient of unit variance, named by `sink`, times an amplitude.
#[derive(Clone, Debug)]
struct Term {
    sink: u32,
    amplitude: Amplitude,
    /// Correlation of the Gaussian between two places of one sample; `None` where unknown.
    alike: Option<f64>,
    /// The same between places of two samples.
    across: f64,
}

#[derive(Clone, Debug)]
enum Amplitude {
    Even(f64),
    Nodes(Rc<[f64]>),
}

/// Gradients of all values, by the value's position.
pub(crate) struct GradientMap {
    /// Mean square and variance of its log; `None` where no gradient reaches or nothing is known.
    pub(crate) gradients: Vec<Option<(f64, f64)>>,
    /// Whether the value starts from its own measurement.
    pub(crate) restarted: Vec<bool>,
}

/// Carries the gradient measured at the output back to every value.
pub(crate) fn gradient_map(
    network: &Network,
    measured: &Measured,
    forward: &LengthMap,
) -> GradientMap {
    let mut pass = Pass {
        context: Context {
            network,
            measured,
            signals: &forward.signals,
        },
        arriving: vec![Vec::new(); network.values.len()],
        unknown: vec![false; network.values.len()],
        settled: vec![None; network.values.len()],
        along: vec![None; network.values.len()],
        result: vec![None; network.values.len()],
        sinks: 0,
    };
    let start = measured.output.as_ref().and_then(|name| {
        let index = network
            .values
            .iter()
            .position(|value| &value.name == name)?;
        pass.unknown[index] = true;
        Some(index)
    });
    for node in network.nodes.iter().rev() {
        for output in node.outputs.iter().flatten() {
            pass.settle(*output, start);
        }
        for k in 0..node.inputs.len() {
            pass.through(node, k);
        }
    }
    for input in &network.inputs {
        pass.settle(*input, start);
    }
    GradientMap {
        gradients: pass.result,
        restarted: pass.unknown,
    }
}

struct Pass<'a> {
    context: Context<'a>,
    arriving: Vec<Vec<Gradient>>,
    unknown: Vec<bool>,
    settled: Vec<Option<Gradient>>,
    /// What gradients at the outputs of batch norms have in common with the output itself.
    along: Vec<Option<Along>>,
    result: Vec<Option<(f64, f64)>>,
    sinks: u32,
}

impl Pass<'_> {
    fn signal(&self, id: ValueId) -> Option<&Signal> {
        self.context.signals.get(id.index())?.as_ref()
    }

    /// A Gaussian gradient of its own.
    fn fresh(&mut self, flow: Flow, inherited: f64) -> Gradient {
        self.sinks += 1;
        let term = Term {
            sink: self.sinks,
            amplitude: Amplitude::Even(flow.second.max(0.0).sqrt()),
            alike: flow.alike,
            across: flow.across,
        };
        Gradient {
            terms: vec![term],
            inherited: inherited + flow.luck,
            profile: flow.profile,
            scored: flow.scored,
            steps: flow.steps,
        }
    }

    /// What a gradient at a value hands on.
    fn flow(&self, gradient: &Gradient, signal: &Signal, second: f64) -> Flow {
        Flow {
            second,
            alike: self.alike(gradient, signal),
            across: self.across(gradient, signal),
            profile: gradient.profile.clone(),
            scored: gradient.scored.clone(),
            steps: gradient.steps.clone(),
            luck: 0.0,
        }
    }

    /// Correlation of a value's base at two places of one sample, and of two samples.
    fn correlations(&self, signal: &Signal) -> (Option<f64>, Option<f64>) {
        let Some(base) = self.signal(signal.shape.base) else {
            return (None, None);
        };
        let spread = base.spread();
        let known = |product: Option<f64>| {
            let product = product.filter(|_| spread > 0.0)?;
            Some((product - base.mean * base.mean) / spread)
        };
        let across = base.cross.far.or(base.cross.between);
        (known(base.cross.within), known(across))
    }

    /// A gradient at a Gaussian value times the standardized value: its square and its products at
    /// two places, over the gradient's mean square.
    fn along(&self, gradient: &Gradient, signal: &Signal) -> Option<Along> {
        let (Some(within), Some(between)) = self.correlations(signal) else {
            return None;
        };
        let grid = signal.on_grid().0;
        let (mut total, mut own, mut pairs, mut across) = (0.0, 0.0, 0.0, 0.0);
        for term in &gradient.terms {
            let second = term.amplitude.second(&grid);
            let tilted: Vec<f64> = match &term.amplitude {
                Amplitude::Even(a) => grid.standard().iter().map(|z| a * z).collect(),
                Amplitude::Nodes(nodes) => {
                    let nodes = nodes.iter().zip(grid.standard());
                    nodes.map(|(a, z)| a * z).collect()
                }
            };
            total += second;
            own += grid.moment(&tilted, 2);
            let dual = Dual::new(&grid, &tilted);
            pairs += term.alike? * dual.at(within);
            across += term.across * dual.at(between);
        }
        (total > 0.0).then(|| Along {
            own: own / total,
            pairs: pairs / total,
            across: across / total,
        })
    }

    /// Mean product of a gradient at places of two samples over its mean square.
    fn across(&self, gradient: &Gradient, signal: &Signal) -> f64 {
        let correlation = self.correlations(signal).1;
        let grid = signal.on_grid().0;
        let (mut total, mut products) = (0.0, 0.0);
        for term in &gradient.terms {
            total += term.amplitude.second(&grid);
            products += match (&term.amplitude, correlation) {
                _ if term.across == 0.0 => 0.0,
                (Amplitude::Even(a), _) => term.across * a * a,
                (Amplitude::Nodes(nodes), Some(correlation)) => {
                    term.across * Dual::new(&grid, nodes).at(correlation)
                }
                (Amplitude::Nodes(_), None) => 0.0,
            };
        }
        if total > 0.0 { products / total } else { 0.0 }
    }

    /// Mean product of a gradient at two places of one sample over its mean square.
    fn alike(&self, gradient: &Gradient, signal: &Signal) -> Option<f64> {
        let correlation = self.correlations(signal).0;
        let grid = signal.on_grid().0;
        let (mut total, mut products, mut unknown) = (0.0, 0.0, 0.0);
        for term in &gradient.terms {
            let second = term.amplitude.second(&grid);
            total += second;
            match (term.alike, &term.amplitude, correlation) {
                (Some(0.0), ..) => {}
                (Some(alike), Amplitude::Even(_), _) => products += alike * second,
                (Some(alike), Amplitude::Nodes(nodes), Some(correlation)) => {
                    products += alike * Dual::new(&grid, nodes).at(correlation);
                }
                _ => unknown += second,
            }
        }
        (unknown <= UNKNOWN * total && total > 0.0).then(|| products / total)
    }

    /// All uses of a value have been seen: its gradient is their sum.
    fn settle(&mut self, id: ValueId, start: Option<usize>) {
        let index = id.index();
        if self.settled[index].is_some() {
            return;
        }
        let Some(signal) = self.signal(id).cloned() else {
            return;
        };
        let arriving = std::mem::take(&mut self.arriving[index]);
        let width = self.width(id, &signal);
        if self.unknown[index] || start == Some(index) {
            let name = &self.context.network.value(id).name;
            let Some(rms) = self.context.measured.gradients.get(name) else {
                return;
            };
            let known = -layer_variance(3.0, width);
            let flow = Flow {
                second: rms * rms,
                // The gradient at the output is drawn, each element by itself.
                alike: (start == Some(index)).then_some(0.0),
                ..Flow::default()
            };
            self.result[index] = Some((rms * rms, 0.0));
            self.settled[index] = Some(self.fresh(flow, known));
            return;
        }
        if arriving.is_empty() {
            return;
        }
        let grid = signal.on_grid().0;
        let second_of = |gradient: &Gradient| moments(gradient, |y, p| grid.moment(y, p)).0;
        let inherited = of_sum(
            arriving
                .iter()
                .map(|part| (second_of(part), part.inherited.max(0.0))),
        );
        // What a single use leaves may be less than nothing: a known start before an activation.
        let inherited = match arriving.as_slice() {
            [only] => only.inherited,
            _ => inherited,
        };
        let parts: Vec<(f64, Option<&Profile>)> = arriving
            .iter()
            .map(|part| (second_of(part), part.profile.as_ref()))
            .collect();
        let profile = mixed_profile(&parts);
        let (scored, steps) = match arriving.as_slice() {
            [only] => (only.scored.clone(), only.steps.clone()),
            _ => (None, None),
        };
        let mut terms: Vec<Term> = Vec::new();
        for term in arriving.into_iter().flat_map(|gradient| gradient.terms) {
            match terms.iter_mut().find(|old| old.sink == term.sink) {
                Some(old) => old.amplitude = old.amplitude.plus(&term.amplitude),
                None => terms.push(term),
            }
        }
        let total = Gradient {
            terms,
            inherited,
            profile,
            scored,
            steps,
        };
        let (second, kurtosis) = moments(&total, |y, p| grid.moment(y, p));
        if !second.is_finite() {
            return;
        }
        let variance = (inherited + layer_variance(kurtosis, width)).max(0.0);
        self.result[index] = Some((second, variance));
        let producer = self.context.network.value(id).producer;
        let producer = producer.map(|node| &self.context.network.node(node).operator);
        if producer.is_some_and(norm::is_per_unit) {
            self.along[index] = self.along(&total, &signal);
        }
        self.settled[index] = Some(if signal.shape.base == id {
            let flow = self.flow(&total, &signal, second);
            self.fresh(flow, variance - layer_variance(3.0, width))
        } else {
            total
        });
    }

    fn width(&self, id: ValueId, signal: &Signal) -> f64 {
        let by_shape = self
            .context
            .network
            .value(id)
            .shape
            .as_deref()
            .map_or(1.0, band::width);
        signal.units.max(by_shape)
    }

    /// Hands the gradient of a node's outputs to its k-th input.
    fn through(&mut self, node: &Node, k: usize) {
        let Some(id) = node.inputs.get(k).copied().flatten() else {
            return;
        };
        let Some(signal) = self.signal(id).filter(|signal| !signal.parameter).cloned() else {
            return;
        };
        let outputs: Vec<ValueId> = node
            .outputs
            .iter()
            .flatten()
            .copied()
            .filter(|output| self.settled[output.index()].is_some())
            .collect();
        if outputs.is_empty() {
            return;
        }
        let rule = rules::of(&node.operator);
        let position = |output: &ValueId| node.outputs.iter().position(|id| *id == Some(*output));
        let known = |output: &ValueId| {
            let position = position(output);
            rule.zip(position)
                .is_some_and(|(rule, at)| rule.speaks_of(at))
        };
        if outputs.len() > 1 && !outputs.iter().all(known) {
            self.unknown[id.index()] = true;
            return;
        }
        for output in outputs {
            match self.contribution(node, k, id, &signal, output) {
                Some(gradient) => self.arriving[id.index()].push(gradient),
                None => self.unknown[id.index()] = true,
            }
        }
    }

    fn contribution(
        &mut self,
        node: &Node,
        k: usize,
        id: ValueId,
        signal: &Signal,
        output: ValueId,
    ) -> Option<Gradient> {
        let (second, variance) = self.result.get(output.index()).copied().flatten()?;
        let gradient = self.settled.get(output.index())?.clone()?;
        let width = self.width(id, signal);
        let sizes = |id: ValueId| self.context.network.value(id).shape.as_deref().map(count);
        let ratio = sizes(output)
            .zip(sizes(id))
            .map(|(to, from)| to / from.max(1.0));
        let out = self.signal(output)?.clone();
        let flow = self.flow(&gradient, &out, second);
        let other = |id: ValueId| {
            let (second, variance) = self.result.get(id.index()).copied().flatten()?;
            let gradient = self.settled.get(id.index())?.as_ref()?;
            Some((self.flow(gradient, self.signal(id)?, second), variance))
        };
        let rule = rules::of(&node.operator)?;
        let back = rule.backward(&Arrival {
            context: &self.context,
            node,
            slot: k,
            signal,
            output,
            out: &out,
            flow,
            along: self.along.get(output.index()).copied().flatten(),
            ratio,
            variance,
            width,
            other: &other,
        })?;
        Some(match back {
            Back::Same => gradient,
            Back::Times(slopes) => gradient.times(&slopes, 1.0),
            Back::Gaussian(flow, inherited) => self.fresh(flow, inherited),
            Back::Uneven(seconds, inherited) => {
                let amplitudes = seconds.iter().map(|second| second.sqrt());
                self.sinks += 1;
                Gradient {
                    terms: vec![Term {
                        sink: self.sinks,
                        amplitude: Amplitude::Nodes(amplitudes.collect()),
                        alike: None,
                        across: 0.0,
                    }],
                    inherited,
                    profile: None,
                    scored: None,
                    steps: None,
                }
            }
        })
    }
}

impl Gradient {
    /// Every term times a function given at the nodes and a number.
    fn times(&self, slopes: &Rc<[f64]>, factor: f64) -> Self {
        let terms = self.terms.iter().map(|term| Term {
            sink: term.sink,
            alike: term.alike,
            across: term.across,
            amplitude: match &term.amplitude {
                Amplitude::Even(a) => {
                    Amplitude::Nodes(slopes.iter().map(|s| s * a * factor).collect())
                }
                Amplitude::Nodes(nodes) => Amplitude::Nodes(
                    nodes
                        .iter()
                        .zip(slopes.iter())
                        .map(|(a, s)| a * s * factor)
                        .collect(),
                ),
            },
        });
        Self {
            terms: terms.collect(),
            inherited: self.inherited,
            profile: self.profile.clone(),
            scored: self.scored.clone(),
            steps: None,
        }
    }
}

impl Amplitude {
    fn second(&self, grid: &Grid) -> f64 {
        match self {
            Self::Even(a) => a * a,
            Self::Nodes(nodes) => grid.moment(nodes, 2),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Even(a), Self::Even(b)) => Self::Even(a + b),
            (Self::Even(a), Self::Nodes(nodes)) | (Self::Nodes(nodes), Self::Even(a)) => {
                Self::Nodes(nodes.iter().map(|y| y + a).collect())
            }
            (Self::Nodes(x), Self::Nodes(y)) => {
                Self::Nodes(x.iter().zip(y.iter()).map(|(a, b)| a + b).collect())
            }
        }
    }
}

/// Mean square of a gradient and its kurtosis: each term is Gaussian times its amplitude.
fn moments(gradient: &Gradient, moment: impl Fn(&[f64], i32) -> f64) -> (f64, f64) {
    let (mut second, mut fourth) = (0.0, 0.0);
    for term in &gradient.terms {
        let (a, b) = match &term.amplitude {
            Amplitude::Even(a) => (a * a, a.powi(4)),
            Amplitude::Nodes(nodes) => (moment(nodes, 2), moment(nodes, 4)),
        };
        // Independent terms: E(x + y)⁴ = E x⁴ + 6 E x² E y² + E y⁴.
        fourth += 3.0 * b + 6.0 * second * a;
        second += a;
    }
    if second > 0.0 {
        (second, fourth / (second * second))
    } else {
        (0.0, 1.0)
    }
}
