//! Where a parameter stands: all that a recipe may look at.

use fanin::{Activation, Axis, Fans};
use fanin_network::{
    Enters, Feeds, Layer, LayerWeight, Layers, Network, Parameter, ParameterId, Reads,
    RecurrentKind, Role,
};

/// What holds for the network as a whole, found once.
pub(crate) struct Facts<'a> {
    /// The network's layers.
    pub(crate) layers: Layers,
    /// The largest number of branches that add into one stream.
    pub(crate) branches: Option<usize>,
    /// Positions of the activation halves of gated units among the parameters.
    gates: Vec<(usize, Activation)>,
    /// Embeddings of tokens.
    embeddings: Vec<&'a Parameter>,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(network: &'a Network) -> Self {
        let parameters = || network.parameters.iter();
        Self {
            layers: Layers::of(network),
            branches: parameters()
                .filter_map(|p| p.purpose.residual_branches)
                .filter(|&n| n > 0)
                .max()
                .or_else(|| {
                    let scales = parameters()
                        .filter(|p| p.purpose.role == Role::BranchScale)
                        .count();
                    (scales > 0).then_some(scales)
                }),
            gates: parameters()
                .enumerate()
                .filter_map(|(k, p)| match (p.purpose.role, p.purpose.feeds) {
                    (Role::Gate, Feeds::Activation(activation)) => Some((k, activation)),
                    _ => None,
                })
                .collect(),
            embeddings: parameters()
                .filter(|p| p.purpose.role == Role::Embedding)
                .collect(),
        }
    }
}

/// One parameter and what is known around it.
pub(crate) struct Place<'a> {
    pub(crate) network: &'a Network,
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) parameter: &'a Parameter,
    /// Its position in the network's list.
    pub(crate) index: usize,
    /// Its fans, if its layout has them.
    pub(crate) fans: Option<Fans>,
}

impl<'a> Place<'a> {
    pub(crate) fn new(
        network: &'a Network,
        facts: &'a Facts<'a>,
        index: usize,
        parameter: &'a Parameter,
    ) -> Self {
        Self {
            network,
            facts,
            parameter,
            index,
            fans: parameter.layout.fans(&parameter.shape).ok(),
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.parameter.purpose.role
    }

    pub(crate) fn feeds(&self) -> Feeds {
        self.parameter.purpose.feeds
    }

    /// Whether it has the two axes that a fan needs.
    pub(crate) fn is_matrix(&self) -> bool {
        self.parameter.shape.len() >= 2 && self.fans.is_some()
    }

    /// Whether it is the matrix of a linear layer with as many outputs as inputs.
    pub(crate) fn is_square(&self) -> bool {
        matches!(self.parameter.shape.as_slice(), [a, b] if a == b)
            && self.fans.is_some_and(|fans| fans.fan_in == fans.fan_out)
    }

    /// Product of the sizes of all axes of one kind.
    pub(crate) fn size_of(&self, axis: Axis) -> usize {
        self.parameter
            .layout
            .axes
            .iter()
            .zip(&self.parameter.shape)
            .filter(|(kind, _)| **kind == axis)
            .fold(1, |n, (_, size)| n.saturating_mul(*size))
    }

    /// Size of the last axis: the width of an embedding.
    pub(crate) fn width(&self) -> usize {
        self.parameter.shape.last().copied().unwrap_or(1)
    }

    /// Operator and hidden size, for parameters of recurrent layers.
    pub(crate) fn recurrent(&self) -> Option<(RecurrentKind, usize)> {
        self.parameter.purpose.recurrent
    }

    /// The number of residual branches, if this parameter ends one.
    pub(crate) fn branches(&self) -> Option<usize> {
        self.parameter.purpose.residual_branches.filter(|&n| n > 0)
    }

    /// The layer it is the weight of, or belongs to the weight of.
    pub(crate) fn layer(&self) -> Option<&'a Layer> {
        let role = self.role();
        let using = || self.facts.layers.using(ParameterId::from(self.index));
        using()
            .find(|layer| {
                let mut own = layer.weights.iter();
                own.any(|w| w.parameter.index() == self.index && w.role == role)
            })
            .or_else(|| using().next())
    }

    /// What it is to its layer.
    pub(crate) fn as_weight(&self) -> Option<&'a LayerWeight> {
        let mut weights = self.layer()?.weights.iter();
        weights.find(|weight| weight.parameter.index() == self.index)
    }

    /// What it multiplies.
    pub(crate) fn reads(&self) -> Reads {
        self.layer().map_or(Reads::Unknown, |layer| layer.reads)
    }

    /// How many layers a signal passes around this weight with no norm and no sum between them.
    pub(crate) fn layers_in_a_row(&self) -> usize {
        self.layer().map_or(0, |layer| layer.in_a_row)
    }

    /// How it enters the computation.
    pub(crate) fn enters(&self) -> Enters {
        fanin_network::enters(self.network, self.parameter)
    }

    /// Whether it is a scale stored as its distance from one.
    pub(crate) fn is_offset_from_one(&self) -> bool {
        fanin_network::is_offset_from_one(self.network, self.parameter)
    }

    /// Whether its branch has a learned scale of its own.
    pub(crate) fn meets_branch_scale(&self) -> bool {
        self.layer().is_some_and(|layer| layer.meets_branch_scale)
    }

    /// Whether what it makes, once squashed, multiplies another signal.
    pub(crate) fn gates_a_signal(&self) -> bool {
        self.layer().is_some_and(|layer| layer.gates_a_signal)
    }

    /// The weight of the layer to whose output this bias is added, or whose weight this is a factor on.
    pub(crate) fn weight(&self) -> Option<Place<'a>> {
        let layers = &self.facts.layers;
        let layer = match self.role() {
            Role::WeightScale => self.layer(),
            _ => layers.of_bias(ParameterId::from(self.index)),
        };
        let index = layer?.weight()?.parameter.index();
        let weight = self.network.parameters.get(index)?;
        Some(Place::new(self.network, self.facts, index, weight))
    }

    /// The activation on the other half of the gated unit that this value half belongs to: that of
    /// the nearest gate in the order of the run.
    pub(crate) fn gate(&self) -> Option<Activation> {
        self.facts
            .gates
            .iter()
            .min_by_key(|(k, _)| k.abs_diff(self.index))
            .map(|(_, activation)| *activation)
    }

    /// The token embedding whose rows have the same width as this table's.
    pub(crate) fn embedding(&self) -> Option<&'a Parameter> {
        self.facts
            .embeddings
            .iter()
            .find(|p| p.shape.last() == self.parameter.shape.last())
            .copied()
    }

    /// What the graph says about its place, for the beginning of a reason.
    pub(crate) fn because(&self) -> String {
        let because = self.parameter.purpose.because.trim();
        if because.is_empty() {
            self.role().to_string().replace('_', " ")
        } else {
            because.to_owned()
        }
    }
}
