//! Layers that follow each other with nothing between them that sets a scale anew.

use crate::operator::Class;
use crate::role::view::View;
use crate::{NodeId, Role, ValueId, ValueKind};

/// For each node the number of layers in a row around it.
pub(super) struct Rows {
    row: Vec<usize>,
    layers: Vec<usize>,
}

impl Rows {
    pub(super) fn at(&self, node: NodeId) -> usize {
        let row = self.row.get(node.index());
        row.and_then(|&row| self.layers.get(row))
            .copied()
            .unwrap_or(0)
    }
}

/// Counts, for every node, the layers of the row it is in.
pub(super) fn in_a_row(view: &View<'_>) -> Rows {
    let network = view.network;
    let mut rows = Rows {
        row: Vec::with_capacity(network.nodes.len()),
        layers: Vec::new(),
    };
    let mut plain = Vec::with_capacity(network.nodes.len());
    for index in 0..network.nodes.len() {
        let id = NodeId::from(index);
        let (is_plain, is_layer) = is_plain(view, id);
        plain.push(is_plain);
        let before = alone(view, id)
            .and_then(|value| network.value(value).producer)
            .filter(|before| is_plain && plain.get(before.index()) == Some(&true))
            .and_then(|before| rows.row.get(before.index()).copied());
        let row = before.unwrap_or_else(|| {
            rows.layers.push(0);
            rows.layers.len() - 1
        });
        rows.row.push(row);
        if let Some(count) = rows.layers.get_mut(row) {
            *count += usize::from(is_layer);
        }
    }
    rows
}

/// The one signal that a node reads beside what is stored, if nobody else reads it.
fn alone(view: &View<'_>, id: NodeId) -> Option<ValueId> {
    let signals = view.signals(id);
    let [one] = signals[..] else { return None };
    let value = view.network.value(one);
    let computed = matches!(value.kind, ValueKind::Computed);
    (computed && value.consumers.len() == 1).then_some(one)
}

/// Whether a node is a layer, or a bias or activation behind one; and whether it is a layer.
fn is_plain(view: &View<'_>, id: NodeId) -> (bool, bool) {
    let network = view.network;
    let class = network.node(id).operator.facts().class;
    let mut roles = view
        .read_at(id)
        .filter_map(|found| Some(network.as_parameter(found.parameter)?.purpose.role))
        .peekable();
    let (mut own, mut layer) = (true, false);
    for role in &mut roles {
        match role {
            Role::Weight | Role::OutputHead => layer = true,
            Role::Bias | Role::WeightScale | Role::LowRankDown | Role::LowRankUp => {}
            _ => own = false,
        }
    }
    let plain = own && class != Class::Norm && class != Class::Softmax;
    (plain, plain && layer)
}
