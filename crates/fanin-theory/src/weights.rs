//! Weights that are made of parameters before they meet the signal.
//!
//! A weight may be cast, transposed, cut out of a stack, put together of parts, normalized (g·v/‖v‖,
//! W/σ) or a sum (W + BA) before a product reads it. It is a weight all the same: what counts are the
//! moments of what arrives there.

use fanin_network::operator::{Class, Holds};
use fanin_network::{Network, Node, ValueKind};

/// What a value is made of.
#[derive(Clone, Copy, Default)]
struct Made {
    /// Nothing that changes from run to run.
    fixed: bool,
    /// At least one parameter.
    trained: bool,
    /// A product of two values that are trained.
    product: bool,
}

/// For each value whether it is computed from parameters and constants alone and meets the signal as
/// a weight, a bias or a scale.
///
/// A product of parameters in three axes or more stays what it is, as learned queries through a
/// projection are: places that differ, not one weight.
pub(crate) fn made_of_parameters(network: &Network) -> Vec<bool> {
    let mut made: Vec<Made> = network
        .values
        .iter()
        .map(|value| match value.kind {
            ValueKind::Parameter(_) => Made {
                fixed: true,
                trained: true,
                product: false,
            },
            ValueKind::Buffer(_) | ValueKind::Constant(_) => Made {
                fixed: true,
                ..Made::default()
            },
            ValueKind::Input | ValueKind::Computed => Made::default(),
        })
        .collect();
    for node in &network.nodes {
        let whole = of_node(node, &made);
        for output in node.outputs.iter().flatten() {
            if let Some(slot) = made.get_mut(output.index()) {
                *slot = whole;
            }
        }
    }
    let mut weights = vec![false; network.values.len()];
    for node in network.nodes.iter().rev() {
        let onward = node
            .outputs
            .iter()
            .flatten()
            .any(|output| weights.get(output.index()) == Some(&true));
        let facts = node.operator.facts();
        let inputs = node.inputs.iter().enumerate();
        for (slot, id) in inputs.filter_map(|(slot, id)| Some((slot, (*id)?))) {
            let value = network.value(id);
            let Some(own) = made.get(id.index()).filter(|own| own.fixed && own.trained) else {
                continue;
            };
            let output = node.outputs.iter().flatten().next();
            let inside = output.is_some_and(|output| made[output.index()].fixed);
            let read = if inside {
                onward
            } else {
                let holds = facts.at(slot).map(|weight| weight.holds);
                let rank = value.shape.as_ref().map_or(0, Vec::len);
                match holds {
                    None | Some(Holds::Table) => false,
                    Some(Holds::Weight) => !own.product || rank <= 2 || facts.at(0).is_none(),
                    Some(_) => true,
                }
            };
            let computed = matches!(value.kind, ValueKind::Computed);
            if let Some(weight) = weights.get_mut(id.index()) {
                *weight |= read && computed;
            }
        }
    }
    weights
}

/// What the outputs of a node are made of.
fn of_node(node: &Node, made: &[Made]) -> Made {
    let inputs = || {
        let ids = node.inputs.iter().flatten();
        ids.map(|id| made.get(id.index()).copied().unwrap_or_default())
    };
    let class = node.operator.class();
    let trained = inputs().filter(|own| own.trained).count();
    Made {
        fixed: class != Class::Generates && inputs().all(|own| own.fixed),
        trained: trained > 0,
        product: inputs().any(|own| own.product) || class == Class::Linear && trained > 1,
    }
}
