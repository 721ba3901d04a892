//! What the weight of a layer multiplies.

use fanin::Activation;

use crate::role::view::View;
use crate::{Feeds, NodeId, Role, ValueId, ValueKind};

/// What a weight multiplies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reads {
    /// The output of an activation.
    Activation(Activation),
    /// The network's input, a normalized value, a residual stream, a gated product: something whose
    /// second moment is one as far as a plan can arrange it.
    Unit,
    /// The graph does not tell.
    Unknown,
}

/// What the nearest layers before a value feed, on all ways to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Nearest {
    /// Whether a way ends at an input of the network.
    input: bool,
    /// What is fed: nothing known, one thing, or several.
    fed: Fed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Fed {
    #[default]
    Nothing,
    One(Option<Activation>),
    Several,
}

impl Fed {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, fed) | (fed, Self::Nothing) => fed,
            (a, b) if a == b => a,
            _ => Self::Several,
        }
    }
}

impl Nearest {
    fn and(self, other: Self) -> Self {
        Self {
            input: self.input || other.input,
            fed: self.fed.and(other.fed),
        }
    }
}

/// Parameters that are passed by on the way: they shift what a layer made, they do not make it.
fn is_passed(role: Role) -> bool {
    matches!(
        role,
        Role::Bias
            | Role::NormShift
            | Role::ActivationSlope
            | Role::AttentionBias
            | Role::PositionEmbedding
    )
}

/// For every value what the nearest layers before it feed.
pub(super) fn nearest(view: &View<'_>) -> Vec<Nearest> {
    let network = view.network;
    let mut nearest: Vec<Nearest> = network
        .values
        .iter()
        .map(|value| Nearest {
            input: matches!(value.kind, ValueKind::Input),
            fed: Fed::Nothing,
        })
        .collect();
    for (index, node) in network.nodes.iter().enumerate() {
        let id = NodeId::from(index);
        let mut here = Nearest::default();
        for found in view.read_at(id) {
            let Some(parameter) = network.as_parameter(found.parameter) else {
                continue;
            };
            let purpose = &parameter.purpose;
            if is_passed(purpose.role) {
                continue;
            }
            here.fed = here.fed.and(Fed::One(match purpose.feeds {
                // A gated product is arranged to have unit second moment.
                _ if matches!(purpose.role, Role::Gate | Role::GateValue) => None,
                Feeds::Activation(activation) => Some(activation),
                _ => None,
            }));
        }
        if here.fed == Fed::Nothing {
            here = node
                .inputs
                .iter()
                .flatten()
                .filter(|&&input| view.is_signal(input))
                .filter_map(|input| nearest.get(input.index()))
                .fold(here, |all, one| all.and(*one));
        }
        for output in node.outputs.iter().flatten() {
            if let Some(own) = nearest.get_mut(output.index()) {
                *own = here;
            }
        }
    }
    nearest
}

/// What the weight at a node multiplies.
pub(super) fn reads(view: &View<'_>, nearest: &[Nearest], node: NodeId) -> Reads {
    let signals = view.signals(node).into_iter();
    let near = |id: ValueId| nearest.get(id.index()).copied();
    let found = signals
        .filter_map(near)
        .fold(Nearest::default(), Nearest::and);
    match found.fed {
        Fed::Nothing if found.input => Reads::Unit,
        Fed::Nothing => Reads::Unknown,
        Fed::One(Some(activation)) if !found.input => Reads::Activation(activation),
        Fed::One(_) | Fed::Several => Reads::Unit,
    }
}
