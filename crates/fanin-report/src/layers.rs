//! The rows of a report: one per layer, that is per node that reads a weight.

use std::collections::{BTreeMap, BTreeSet};

use fanin_check::{Severity, ValueRow};
use fanin_network::{LayerWeight, Layers, Network, ValueId};
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
    let found = Layers::of(network);
    let nodes: BTreeSet<&str> = found
        .iter()
        .map(|layer| network.node(layer.node).name.as_str())
        .collect();
    let mut layers = Vec::new();
    for layer in found.iter() {
        let Some(weight) = layer.weight() else {
            continue;
        };
        let parameter = network.parameter(weight.parameter);
        let Some(&row) = rows.get(network.value(layer.output).name.as_str()) else {
            continue;
        };
        let after = activation_after(network, layer, &rows);
        let observed = |name: &str| observations.get(name).copied();
        let activated = after.value.map(|id| network.value(id).name.as_str());
        let part = part_of(weight, &parameter.shape);
        // Of a stack a finding that names another layer's node is that layer's.
        let own = |node: &str| node == row.node || part.is_empty() || !nodes.contains(node);
        let blamed = report
            .checkup
            .findings
            .iter()
            .filter(|f| f.node == row.node || f.parameter.as_deref() == Some(&parameter.name))
            .filter(|f| own(&f.node))
            .map(|f| f.severity)
            .max();
        let name = parameter.name.strip_suffix(".weight");
        layers.push(Layer {
            name: format!("{}{part}", name.unwrap_or(&parameter.name)),
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

/// Which part of its tensor a layer uses: the indices along the axes that are cut, in brackets; nothing
/// where it uses all of it.
fn part_of(weight: &LayerWeight, shape: &[usize]) -> String {
    let cut = weight.part.iter().zip(shape);
    let cut = cut.filter(|(range, size)| range.len() < **size);
    let index = |(range, _): (&std::ops::Range<usize>, &usize)| match range.len() {
        1 => range.start.to_string(),
        _ => format!("{}..{}", range.start, range.end),
    };
    let indices: Vec<String> = cut.map(index).collect();
    match indices.is_empty() {
        true => String::new(),
        false => format!("[{}]", indices.join(", ")),
    }
}

/// What was seen at the activation that follows a layer.
#[derive(Clone, Copy, Debug, Default)]
struct Activated {
    value: Option<ValueId>,
    zero: Option<f64>,
    saturated: Option<f64>,
}

/// What was seen behind the activation that a layer feeds: the share of zeros, or of what lies where it
/// is flat.
fn activation_after(
    network: &Network,
    layer: &fanin_network::Layer,
    rows: &BTreeMap<&str, &ValueRow>,
) -> Activated {
    let seen = layer.activation.and_then(|(_, after)| {
        let row = rows.get(network.value(after).name.as_str())?;
        Some((after, &row.forward))
    });
    match seen {
        Some((value, forward)) if forward.saturated_fraction.is_some() => Activated {
            value: Some(value),
            zero: None,
            saturated: forward.saturated_fraction,
        },
        Some((value, forward)) if forward.zero_fraction > 0.0 => Activated {
            value: Some(value),
            zero: Some(forward.zero_fraction),
            saturated: None,
        },
        _ => Activated::default(),
    }
}
