//! Gated units: one half meets an activation, the other is multiplied by it.

use fanin::Activation;

use super::residual::Streams;
use super::view::View;
use super::walk::{Encounter, What, sources};
use super::{Feeds, Role};
use crate::{NodeId, ValueId};

/// What a layer is to a gated unit.
#[derive(Clone, Debug)]
pub(super) struct Gated {
    pub(super) role: Role,
    pub(super) feeds: Feeds,
    /// Whether gate and value are made by one weight.
    pub(super) fused: bool,
    pub(super) because: String,
}

/// Whether a layer makes the gate or the value of a gated unit. Gates of channels (squeeze and
/// excitation) are none: there the other factor is not made from the same input.
pub(super) fn gated(
    view: &View<'_>,
    streams: &Streams,
    layer: NodeId,
    met: &[Encounter],
) -> Option<Gated> {
    for encounter in met {
        match encounter.what {
            What::Activation(activation, output) => {
                let mut partners = factors(view, output)
                    .into_iter()
                    .filter_map(|other| partner(view, streams, layer, other, true));
                if let Some(value) = partners.next() {
                    let fused = value == layer;
                    let because = if fused {
                        format!("makes gate and value of a gated unit; the gate meets {activation}")
                    } else {
                        format!("gates another layer through {activation}")
                    };
                    return Some(Gated {
                        role: Role::Gate,
                        feeds: Feeds::Activation(activation),
                        fused,
                        because,
                    });
                }
            }
            What::Product { other, .. } => {
                let Some((activation, entry)) = activation_behind(view, other) else {
                    continue;
                };
                let Some(gate) = partner(view, streams, layer, entry, false) else {
                    continue;
                };
                if gate == layer {
                    continue; // the gate half of the same weight decides
                }
                return Some(Gated {
                    role: Role::GateValue,
                    feeds: Feeds::Linear,
                    fused: false,
                    because: format!("is multiplied by a gate that meets {activation}"),
                });
            }
            _ => {}
        }
    }
    None
}

/// The other factors of the products that a value enters, through changes of shape, where both
/// factors have the same shape.
fn factors(view: &View<'_>, value: ValueId) -> Vec<ValueId> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(id) = open.pop() {
        for &consumer in &view.network.value(id).consumers {
            let node = view.network.node(consumer);
            if super::op::is_mul(node) {
                found.extend(
                    view.signals(consumer)
                        .into_iter()
                        .find(|&other| other != id)
                        .filter(|&other| view.shape(other) == view.shape(id)),
                );
            } else if super::op::rearranges(node) {
                open.extend(node.outputs.iter().copied().flatten());
            }
        }
    }
    found
}

/// The activation that a factor comes out of.
fn activation_behind(view: &View<'_>, factor: ValueId) -> Option<(Activation, ValueId)> {
    view.activated_by(view.arranged_from(factor))
        .or_else(|| view.activated_by(factor))
}

/// The layer that makes the other factor from the same input as this one.
fn partner(
    view: &View<'_>,
    streams: &Streams,
    layer: NodeId,
    other: ValueId,
    linear: bool,
) -> Option<NodeId> {
    let found = sources(view, &streams.sums, other);
    if linear && (!found.activated.is_empty() || !found.others.is_empty()) {
        return None;
    }
    let [candidate] = found.layers[..] else {
        return None;
    };
    let entry = |node: NodeId| {
        view.signals(node)
            .first()
            .map(|&input| view.arranged_from(input))
    };
    (candidate == layer || entry(candidate).is_some() && entry(candidate) == entry(layer))
        .then_some(candidate)
}
