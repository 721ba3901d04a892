//! The second moment of every gradient, carried from the output back.
//!
//! A gradient is assumed independent of the forward values and, at a linear map, Gaussian of mean
//! zero across units: exact for infinite width where no weight is used twice.

use std::rc::Rc;

use fanin_network::{Network, Node, ValueId};

use crate::Measured;
use crate::band::{self, layer_variance, of_sum};
use crate::length_map::LengthMap;
use crate::rules::{Context, activation, count, linear, norm, pool, shape};
use crate::signal::{Profile, Signal, mixed_profile};

/// What theory expects of the gradient at a value.
#[derive(Clone, Debug)]
pub(crate) struct Gradient {
    /// Independent Gaussian gradients, each times a function of the value's base.
    terms: Vec<Term>,
    /// Variance of the log second moment that layers after this one have left.
    inherited: f64,
    /// Its second moment over the places of a map, relative to its mean.
    profile: Option<Profile>,
}

/// One independent Gaussian gradient of unit variance, named by `sink`, times an amplitude.
#[derive(Clone, Debug)]
struct Term {
    sink: u32,
    amplitude: Amplitude,
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
    result: Vec<Option<(f64, f64)>>,
    sinks: u32,
}

impl Pass<'_> {
    fn signal(&self, id: ValueId) -> Option<&Signal> {
        self.context.signals.get(id.index())?.as_ref()
    }

    /// A Gaussian gradient of its own with this mean square.
    fn fresh(&mut self, second: f64, inherited: f64) -> Gradient {
        self.sinks += 1;
        let term = Term {
            sink: self.sinks,
            amplitude: Amplitude::Even(second.max(0.0).sqrt()),
        };
        Gradient {
            terms: vec![term],
            inherited,
            profile: None,
        }
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
            self.result[index] = Some((rms * rms, 0.0));
            self.settled[index] = Some(self.fresh(rms * rms, known));
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
            profile: profile.clone(),
        };
        let (second, kurtosis) = moments(&total, |y, p| grid.moment(y, p));
        if !second.is_finite() {
            return;
        }
        let variance = (inherited + layer_variance(kurtosis, width)).max(0.0);
        self.result[index] = Some((second, variance));
        self.settled[index] = Some(if signal.shape.base == id {
            Gradient {
                profile,
                ..self.fresh(second, variance - layer_variance(3.0, width))
            }
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
        let split = node.op == "Split";
        if outputs.len() > 1 && !split {
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
        let copies = sizes(output)? / sizes(id)?.max(1.0);

        if let Some(map) = linear::map(&self.context, node) {
            if k == 2 {
                return None;
            }
            let w = self.context.signal(node, map.weight)?;
            if k != map.data || !w.parameter {
                // Between two computed values (attention), gradients are not independent of them.
                return None;
            }
            let (through, profile) = map.spread(gradient.profile.as_ref(), true);
            let edges = through * map.edges / map.inputs.max(1.0);
            let factor = map.factor * map.factor * edges * w.second;
            return Some(Gradient {
                profile,
                ..self.fresh(second * factor, variance)
            });
        }
        if norm::is(node) {
            if k != 0 {
                return None;
            }
            let factor = norm::of(&self.context, node)?.factor(&self.context, node)?;
            return Some(Gradient {
                profile: gradient.profile,
                ..self.fresh(second * factor, variance - layer_variance(3.0, width))
            });
        }
        let out = self.signal(output)?.clone();
        if let (Some(function), Some(operands)) = (
            activation::Function::of(node),
            activation::operands(&self.context, node),
        ) {
            if out.shape.base != signal.shape.base {
                return None;
            }
            let slopes: Rc<[f64]> = (0..operands.grid.nodes.len())
                .map(|at| function.slope(&operands.list, k, at))
                .collect();
            return Some(gradient.times(&slopes, 1.0));
        }
        if shape::is_identity(node) {
            return Some(gradient);
        }
        let same_base = out.shape.base == signal.shape.base && copies == 1.0;
        let plain = variance - layer_variance(3.0, width);
        match node.op.as_str() {
            "Add" | "Sum" | "Sub" => {
                if same_base {
                    return Some(gradient);
                }
                let profile = gradient.profile.filter(|_| copies == 1.0);
                Some(Gradient {
                    profile,
                    ..self.fresh(second * copies, plain)
                })
            }
            "Mul" => {
                let mut factor = 1.0;
                for other in (0..node.inputs.len()).filter(|&other| other != k) {
                    factor *= self.context.signal(node, other)?.second;
                }
                // Only where the rule forward took them as independent.
                (out.shape.base == output).then(|| self.fresh(second * copies * factor, plain))
            }
            "Concat" => Some(self.fresh(second, plain)),
            "Gather" | "Slice" | "Split" | "Pad" if k == 0 => {
                // Every element of the smaller one meets one of the larger.
                Some(self.fresh(second * copies.min(1.0), plain))
            }
            _ if k == 0 && shape::is_rearrangement(node) => Some(self.fresh(second, plain)),
            _ if k == 0 && shape::is_copying(node) => Some(self.fresh(second * copies, plain)),
            _ if k == 0 => {
                let factor = pool::backward(&self.context, node)?;
                Some(self.fresh(second * factor, plain))
            }
            _ => None,
        }
    }
}

impl Gradient {
    /// Every term times a function given at the nodes and a number.
    fn times(&self, slopes: &Rc<[f64]>, factor: f64) -> Self {
        let terms = self.terms.iter().map(|term| Term {
            sink: term.sink,
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
        }
    }
}

impl Amplitude {
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
