//! The rows of a report: one per layer, that is per node that reads a weight.

use std::collections::{BTreeMap, BTreeSet};

use fanin_check::{Severity, ValueRow};
use fanin_network::{Network, NodeId, ValueId, ValueKind};
use fanin_run::{Histogram, Observation};
use fanin_theory::CosineBand;

use crate::Report;

/// One layer: a node that reads a parameter of two or more axes, and what was seen of its output.
#[derive(Clone, Debug)]
pub(crate) struct Layer<'a> {
    /// The weight's name without a trailing `.weight`, or the node's name.
    pub name: String,
    /// The weight's full name.
    pub parameter: &'a str,
    /// What the weight was filled with.
    pub initializer: Option<&'a str>,
    /// The measured row of the node's first output.
    pub row: &'a ValueRow,
    /// Shares seen at the activation this layer feeds.
    pub zero: Option<f64>,
    /// Share in the flat part of the activation this layer feeds.
    pub saturated: Option<f64>,
    /// How the values are distributed behind the activation this layer feeds, or as they leave it.
    pub values: Option<&'a Histogram>,
    /// How the gradient at this layer's output is distributed.
    pub gradients: Option<&'a Histogram>,
    /// The expected cosine between samples at this layer's output.
    pub cosine: Option<CosineBand>,
    /// The gravest finding that blames this layer.
    pub blamed: Option<Severity>,
}

/// The layers in order of execution.
pub(crate) fn layers<'a>(report: &Report<'a>) -> Vec<Layer<'a>> {
    let network = report.network;
    let rows: BTreeMap<&str, &ValueRow> = report
        .checkup
        .values
        .iter()
        .map(|row| (row.value.as_str(), row))
        .collect();
    let initializers: BTreeMap<&str, &str> = report
        .checkup
        .parameters
        .iter()
        .filter_map(|p| Some((p.name.as_str(), p.initializer.as_deref()?)))
        .collect();
    let observations: BTreeMap<&str, &Observation> = report
        .checkup
        .trace
        .values
        .iter()
        .map(|seen| (seen.value.as_str(), seen))
        .collect();
    let cosines: BTreeMap<&str, CosineBand> = report
        .checkup
        .prediction
        .values
        .iter()
        .filter_map(|expected| Some((expected.value.as_str(), expected.cosine?)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut layers = Vec::new();
    for (index, node) in network.nodes.iter().enumerate() {
        let Some(parameter) = node.inputs.iter().flatten().find_map(|&v| {
            weight_behind(network, v).filter(|p| p.shape.iter().filter(|&&d| d > 1).count() > 1)
        }) else {
            continue;
        };
        let Some(output) = network.output(NodeId::from(index)) else {
            continue;
        };
        // A node that only rearranges the weight is not the layer; the one that uses it is.
        if weight_behind(network, output).is_some() {
            continue;
        }
        let Some(&row) = rows.get(network.value(output).name.as_str()) else {
            continue;
        };
        if !seen.insert(row.value.as_str()) {
            continue;
        }
        let after = activation_after(network, output, &rows);
        let observed = |name: &str| observations.get(name).copied();
        let activated = after.value.map(|id| network.value(id).name.as_str());
        let blamed = report
            .checkup
            .findings
            .iter()
            .filter(|f| f.node == row.node || f.parameter.as_deref() == Some(&parameter.name))
            .map(|f| f.severity)
            .max();
        layers.push(Layer {
            name: parameter
                .name
                .strip_suffix(".weight")
                .unwrap_or(&parameter.name)
                .to_owned(),
            parameter: &parameter.name,
            initializer: initializers.get(parameter.name.as_str()).copied(),
            row,
            zero: after.zero,
            saturated: after.saturated,
            values: observed(activated.unwrap_or(&row.value))
                .and_then(|seen| seen.forward.histogram.as_ref()),
            gradients: observed(&row.value)
                .and_then(|seen| seen.backward.as_ref()?.histogram.as_ref()),
            cosine: cosines.get(row.value.as_str()).copied(),
            blamed,
        });
    }
    layers
}

/// The parameter a value is, looking through nodes that only rearrange it.
fn weight_behind(network: &Network, value: ValueId) -> Option<&fanin_network::Parameter> {
    let mut value = value;
    for _ in 0..8 {
        if let ValueKind::Parameter(parameter) = network.value(value).kind {
            return Some(network.parameter(parameter));
        }
        let node = network.value(value).producer?;
        match network.node(node).op.as_str() {
            "Transpose" | "Reshape" | "Cast" | "Identity" | "Squeeze" | "Unsqueeze" | "Flatten" => {
                value = network.input(node, 0)?;
            }
            _ => return None,
        }
    }
    None
}

/// What was seen at the activation that follows a layer.
#[derive(Clone, Copy, Debug, Default)]
struct Activated {
    value: Option<ValueId>,
    zero: Option<f64>,
    saturated: Option<f64>,
}

/// What was seen at the first operator after this value that makes zeros or saturates, a few
/// steps along a path without branches.
fn activation_after(
    network: &Network,
    mut value: ValueId,
    rows: &BTreeMap<&str, &ValueRow>,
) -> Activated {
    for _ in 0..4 {
        let [next] = network.value(value).consumers[..] else {
            break;
        };
        let Some(output) = network.output(next) else {
            break;
        };
        value = output;
        let Some(row) = rows.get(network.value(value).name.as_str()) else {
            break;
        };
        if row.forward.saturated_fraction.is_some() {
            return Activated {
                value: Some(value),
                zero: None,
                saturated: row.forward.saturated_fraction,
            };
        }
        if row.forward.zero_fraction > 0.0 && row.op != "Reshape" {
            return Activated {
                value: Some(value),
                zero: Some(row.forward.zero_fraction),
                saturated: None,
            };
        }
    }
    Activated::default()
}
