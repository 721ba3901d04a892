//! `LSTM`, `GRU`, `RNN`.

pub(crate) mod shape;

use super::Operator;
use super::facts::{Class, Facts, Holds, Slots, UnitAxis, WeightAxes};
use super::read::{Given, Row, onnx};

/// A layer that steps through time.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// What a step does.
    pub cell: Cell,
    /// Hidden size, where the node states it; it also follows from the weights.
    pub hidden: Option<usize>,
    /// Which way it goes.
    pub direction: Direction,
    /// Whether the batch is the first axis, not the time.
    pub batch_first: bool,
    /// The activations of each direction in turn: gates, then candidate, then output.
    pub activations: Vec<CellActivation>,
    /// Bound on what enters an activation.
    pub clip: Option<f32>,
}

/// What a step of a recurrent layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Long short-term memory; gates in the order input, output, forget, cell.
    Lstm {
        /// Whether the forget gate is one minus the input gate.
        input_forget: bool,
    },
    /// Gated recurrent unit; gates in the order update, reset, hidden.
    Gru {
        /// Whether the reset gate multiplies the state's product, not the state.
        linear_before_reset: bool,
    },
    /// One activation.
    Rnn,
}

/// Which way a recurrent layer goes through time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are their own names")]
pub enum Direction {
    Forward,
    Reverse,
    Bidirectional,
}

/// An activation of a recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants and their fields are ONNX's")]
pub enum CellActivation {
    Sigmoid,
    Tanh,
    Relu,
    Affine { alpha: f32, beta: f32 },
    LeakyRelu { alpha: f32 },
    ThresholdedRelu { alpha: f32 },
    ScaledTanh { alpha: f32, beta: f32 },
    HardSigmoid { alpha: f32, beta: f32 },
    Elu { alpha: f32 },
    Softsign,
    Softplus,
}

impl Cell {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lstm { .. } => "LSTM",
            Self::Gru { .. } => "GRU",
            Self::Rnn => "RNN",
        }
    }

    /// Number of gates that are stacked in a weight.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm { .. } => 4,
            Self::Gru { .. } => 3,
            Self::Rnn => 1,
        }
    }

    fn default_activations(self) -> &'static [CellActivation] {
        use CellActivation::{Sigmoid, Tanh};
        match self {
            Self::Lstm { .. } => &[Sigmoid, Tanh, Tanh],
            Self::Gru { .. } => &[Sigmoid, Tanh],
            Self::Rnn => &[Tanh],
        }
    }
}

impl Direction {
    /// Number of directions.
    pub fn count(self) -> usize {
        match self {
            Self::Forward | Self::Reverse => 1,
            Self::Bidirectional => 2,
        }
    }
}

impl Recurrent {
    /// The activations of the k-th direction.
    pub fn activations_of(&self, direction: usize) -> &[CellActivation] {
        let each = self.cell.default_activations().len();
        self.activations
            .get(direction * each..(direction + 1) * each)
            .unwrap_or_default()
    }

    /// The initial state is a signal, as a decoder's comes from an encoder.
    pub(super) fn facts(&self) -> Facts {
        let gates = self.cell.gates();
        let rows = || WeightAxes::Gates { gates };
        let last = UnitAxis::Last;
        let lstm = matches!(self.cell, Cell::Lstm { .. });
        let signal = if lstm {
            Slots::These(&[0, 5, 6])
        } else {
            Slots::These(&[0, 5])
        };
        let mut facts = Facts::new(Class::Recurrent, signal)
            .units(last)
            .weight(1, Holds::InputWeight, rows(), last)
            .weight(2, Holds::StateWeight, rows(), last)
            .weight(3, Holds::GateBias, rows(), last)
            .weight(5, Holds::InitialState, WeightAxes::Broadcast, last);
        if lstm {
            facts = facts
                .weight(6, Holds::InitialState, WeightAxes::Broadcast, last)
                .weight(7, Holds::Peephole, rows(), last);
        }
        let output = self.activations_of(0).last();
        if lstm || matches!(self.cell, Cell::Gru { .. }) || output.is_some() {
            facts = match output {
                Some(CellActivation::Tanh | CellActivation::Softsign) => facts.between(-1.0, 1.0),
                Some(CellActivation::Sigmoid | CellActivation::HardSigmoid { .. }) => {
                    facts.between(0.0, 1.0)
                }
                _ => facts,
            };
        }
        facts
    }
}

/// The activations of all directions; `activation_alpha` and `activation_beta` are handed out in turn
/// to those that take one.
fn activations(
    g: &Given<'_>,
    cell: Cell,
    direction: Direction,
) -> Result<Vec<CellActivation>, String> {
    let defaults = cell.default_activations();
    let wanted = defaults.len() * direction.count();
    let Some(names) = g.attributes.strings("activations") else {
        return Ok(defaults.iter().copied().cycle().take(wanted).collect());
    };
    if names.len() != wanted {
        return Err(format!(
            "{wanted} activations are needed, {} are given",
            names.len()
        ));
    }
    let stated = |name: &str| {
        g.attributes
            .floats(name)
            .unwrap_or_default()
            .iter()
            .copied()
    };
    let (mut alphas, mut betas) = (stated("activation_alpha"), stated("activation_beta"));
    let mut alpha = |default: f32| alphas.next().unwrap_or(default);
    let mut beta = |default: f32| betas.next().unwrap_or(default);
    names
        .iter()
        .map(|name| {
            use CellActivation as A;
            Ok(match name.to_ascii_lowercase().as_str() {
                "sigmoid" => A::Sigmoid,
                "tanh" => A::Tanh,
                "relu" => A::Relu,
                "softsign" => A::Softsign,
                "softplus" => A::Softplus,
                "leakyrelu" => A::LeakyRelu { alpha: alpha(0.01) },
                "thresholdedrelu" => A::ThresholdedRelu { alpha: alpha(1.0) },
                "elu" => A::Elu { alpha: alpha(1.0) },
                "affine" => A::Affine {
                    alpha: alpha(1.0),
                    beta: beta(0.0),
                },
                "scaledtanh" => A::ScaledTanh {
                    alpha: alpha(1.0),
                    beta: beta(1.0),
                },
                "hardsigmoid" => A::HardSigmoid {
                    alpha: alpha(0.2),
                    beta: beta(0.5),
                },
                _ => {
                    return Err(format!(
                        "activation `{name}` of a recurrent layer is not known"
                    ));
                }
            })
        })
        .collect()
}

fn recurrent(g: &Given<'_>, cell: Cell) -> Result<Operator, String> {
    let stated = g.text("direction", "forward");
    let direction = match stated.as_str() {
        "forward" => Direction::Forward,
        "reverse" => Direction::Reverse,
        "bidirectional" => Direction::Bidirectional,
        other => return Err(format!("does not know the direction `{other}`")),
    };
    Ok(Operator::Recurrent(Recurrent {
        cell,
        hidden: g.size("hidden_size")?,
        direction,
        batch_first: g.flag("layout", false),
        activations: activations(g, cell, direction)?,
        clip: g.stated_float("clip"),
    }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("LSTM", |g| {
        let input_forget = g.flag("input_forget", false);
        recurrent(g, Cell::Lstm { input_forget })
    }),
    onnx("GRU", |g| {
        let linear_before_reset = g.flag("linear_before_reset", false);
        recurrent(
            g,
            Cell::Gru {
                linear_before_reset,
            },
        )
    }),
    onnx("RNN", |g| recurrent(g, Cell::Rnn)),
];
