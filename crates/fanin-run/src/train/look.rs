//! What is seen in a step that was asked to look.

use serde::Serialize;

/// What is seen in one step: the size of every gradient, and the units that no longer answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Look {
    /// Every parameter, in the network's order.
    pub parameters: Vec<ParameterLook>,
    /// Every activation that makes exact zeros or has flat ends, in the order of execution.
    pub units: Vec<UnitLook>,
}

/// A parameter and its gradient, before the step changed it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterLook {
    /// Its name.
    pub parameter: String,
    /// Root of the mean square of its elements.
    pub rms: f64,
    /// Root of the mean square of the gradient of the loss; `None` where none reaches.
    pub gradient_rms: Option<f64>,
}

/// What the outputs of one activation did on the batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnitLook {
    /// The node.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Root of the mean square of its outputs.
    pub rms: f64,
    /// Share of units that are zero in every sample and place, for operators that make exact zeros.
    pub dead: Option<f64>,
    /// Share of outputs in the flat part of the operator, as in [`crate::Forward`].
    pub saturated: Option<f64>,
}
