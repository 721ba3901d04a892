//! The main path: the values that every way from the input to the output passes.
//!
//! What happens inside a residual branch reaches the output only together with the stream, so the
//! scale of one branch is no fault by itself; what happens on the main path is unavoidable. In a plain
//! chain every value is on it, in a residual network the sums.

use std::collections::BTreeMap;

use fanin_network::operator::{Binary, Class, Holds};
use fanin_network::{
    Layer, LayerKind, Layers, Network, Node, NodeId, Operator, Parameter, ValueId, main_path,
};
use fanin_run::{Observation, Trace};
use fanin_theory::band::{layer_variance, width};

/// E x⁴ / (E x²)² of rectified Gaussian units, the heaviest tail among common activations: the
/// band of a healthy network's walk is reckoned with it.
const RECTIFIED: f64 = 6.0;

/// What the node that puts a value out does to its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Where the main path starts.
    Start,
    /// Goes through a weight: a new layer begins.
    Layer,
    /// Several ways meet: a new layer begins.
    Joint,
    /// Sets the scale anew: a normalization, a softmax, a recurrent layer.
    Reset,
    /// Changes the scale by its nature and not by any weight: pooling, constant factors.
    Neutral,
    /// Anything else: activations, biases, reshaping.
    Plain,
}

/// One value on the main path.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    /// What was seen there.
    pub(crate) seen: &'a Observation,
    pub(crate) step: Step,
    /// The weight that the step goes through; at joints the last one of the branches.
    pub(crate) weight: Option<&'a Parameter>,
    /// The rms that weights of critical scale would leave here: that of the last reset.
    pub(crate) reference: f64,
    /// Counts resets; only levels of one stretch compare.
    pub(crate) stretch: u32,
    /// Whether the scale here makes no difference, because every way on is normalized before any
    /// activation that has a scale of its own.
    pub(crate) scale_free: bool,
    /// Variance of the log second moment that the layers up to here leave to luck.
    pub(crate) variance: f64,
}

/// The values every way passes, in order, and where the head begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct MainPath<'a> {
    pub(crate) places: Vec<Place<'a>>,
}

impl<'a> MainPath<'a> {
    /// The places before the last layer: what the hidden layers make.
    pub(crate) fn trunk(&self) -> &[Place<'a>] {
        let head = self
            .places
            .iter()
            .rposition(|place| place.step == Step::Layer);
        self.places.get(..head.unwrap_or(0)).unwrap_or(&[])
    }

    /// The weight that makes the output.
    pub(crate) fn head(&self) -> Option<&Place<'a>> {
        self.places.iter().rfind(|place| place.step == Step::Layer)
    }
}

/// What is known of each value on the way.
#[derive(Clone, Copy, Debug)]
struct Track {
    reference: f64,
    stretch: u32,
    step: Step,
    /// The layer that begins here, or at a joint the last one of the branches.
    layer: Option<NodeId>,
    /// The last layer on the way here.
    last: Option<NodeId>,
}

/// What the walks along a network look at.
struct Ways<'a, 'b> {
    network: &'a Network,
    layers: &'b Layers,
    trace: &'a Trace,
    observations: &'b BTreeMap<&'a str, &'a Observation>,
}

/// Finds the main path of a network that was run.
pub(crate) fn find<'a>(
    network: &'a Network,
    layers: &Layers,
    trace: &'a Trace,
    observations: &BTreeMap<&'a str, &'a Observation>,
) -> MainPath<'a> {
    let ways = Ways {
        network,
        layers,
        trace,
        observations,
    };
    let Some((start, end)) = ways.ends() else {
        return MainPath::default();
    };
    let tracks = ways.tracks(start);
    let scale_free = ways.scale_free(&tracks, end);
    let mut places = Vec::new();
    let mut variance = 0.0;
    for id in main_path(network, |id| tracks.contains_key(&id), end) {
        let (Some(track), Some(seen)) = (tracks.get(&id), ways.seen(id)) else {
            continue;
        };
        if matches!(track.step, Step::Layer | Step::Joint) {
            variance += layer_variance(RECTIFIED, width(&seen.shape));
        }
        let layer = track.layer.and_then(|node| layers.at(node));
        places.push(Place {
            seen,
            step: track.step,
            weight: layer.and_then(|layer| weight_of(network, layer)),
            reference: track.reference,
            stretch: track.stretch,
            scale_free: scale_free.get(&id).copied().unwrap_or(false),
            variance,
        });
    }
    MainPath { places }
}

/// The parameter that carries the weight of a layer.
pub(crate) fn weight_of<'a>(network: &'a Network, layer: &Layer) -> Option<&'a Parameter> {
    let parameter = layer.weight()?.parameter;
    network.parameters.get(parameter.index())
}

impl<'a> Ways<'a, '_> {
    fn seen(&self, id: ValueId) -> Option<&'a Observation> {
        let name = self.network.value(id).name.as_str();
        self.observations.get(name).copied()
    }

    fn rms(&self, id: ValueId) -> Option<f64> {
        self.seen(id).map(|seen| seen.forward.rms)
    }

    /// The product with a weight that a node is.
    fn product(&self, id: NodeId) -> Option<&Layer> {
        let layer = self.layers.at(id)?;
        (layer.kind == LayerKind::Product).then_some(layer)
    }

    /// The value where signals start (the first floating input, or what the first ids pick from an
    /// embedding) and the output.
    fn ends(&self) -> Option<(ValueId, ValueId)> {
        let network = self.network;
        let named = |name: &str| {
            let at = network.values.iter().position(|value| value.name == name)?;
            Some(ValueId::from(at))
        };
        let end = named(&self.trace.output.value)?;
        let input = network
            .inputs
            .iter()
            .copied()
            .find(|&id| self.seen(id).is_some() && !network.value(id).consumers.is_empty());
        let lookup = |layer: &&Layer| layer.kind == LayerKind::Lookup;
        let start = input.or_else(|| Some(self.layers.iter().find(lookup)?.output))?;
        Some((start, end))
    }

    /// Follows references from the start through every value that depends on it.
    fn tracks(&self, start: ValueId) -> BTreeMap<ValueId, Track> {
        let mut tracks = BTreeMap::new();
        let mut stretches = 0;
        if let Some(own) = self.rms(start) {
            let track = Track {
                reference: own,
                stretch: 0,
                step: Step::Start,
                layer: None,
                last: None,
            };
            tracks.insert(start, track);
        }
        for (index, node) in self.network.nodes.iter().enumerate() {
            let id = NodeId::from(index);
            let arriving: Vec<(ValueId, Track)> = node
                .inputs
                .iter()
                .flatten()
                .filter_map(|id| Some((*id, *tracks.get(id)?)))
                .collect();
            // The widest scale among what arrives is the one that matters.
            let main = arriving
                .iter()
                .max_by(|(_, a), (_, b)| a.reference.total_cmp(&b.reference))
                .copied();
            let Some((source, main)) = main else { continue };
            let several = arriving.iter().any(|(id, _)| *id != source);
            // Along the first input the way back is the shortest.
            let last = arriving.first().and_then(|(_, track)| track.last);
            for output in node.outputs.iter().flatten() {
                let Some(own) = self.rms(*output) else {
                    continue;
                };
                if tracks.contains_key(output) {
                    continue;
                }
                let mut track = Track {
                    step: self.step(id, *output, several),
                    layer: None,
                    last,
                    ..main
                };
                match track.step {
                    Step::Layer => (track.layer, track.last) = (Some(id), Some(id)),
                    Step::Joint => {
                        track.layer = arriving.iter().filter_map(|(_, track)| track.last).max();
                    }
                    Step::Reset => {
                        stretches += 1;
                        track.stretch = stretches;
                        track.reference = self.normed_rms(node, own);
                    }
                    Step::Neutral => {
                        let before = self.rms(source).unwrap_or(0.0);
                        if before > 0.0 && own > 0.0 {
                            track.reference *= own / before;
                        }
                    }
                    Step::Plain if is_bounded(node) => {
                        track.reference = track.reference.min(1.0);
                    }
                    Step::Start | Step::Plain => {}
                }
                tracks.insert(*output, track);
            }
        }
        tracks
    }

    /// What the node that puts a value out does to its scale.
    fn step(&self, id: NodeId, output: ValueId, several: bool) -> Step {
        let node = self.network.node(id);
        let class = node.operator.facts().class;
        if self.is_reset(node, class, output) {
            return Step::Reset;
        }
        match class {
            Class::Linear if self.product(id).is_some() => Step::Layer,
            // Attention averages values by weights that sum to one.
            Class::Linear => Step::Neutral,
            _ if several => Step::Joint,
            Class::Multiplies if self.by_number(node) => Step::Neutral,
            // What is concatenated with constants or parameters (a class token) is a part of the
            // result, and how large its share of the gradient is no weight decides.
            Class::Joins
            | Class::Pools
            | Class::Reduces
            | Class::Pads
            | Class::Resamples
            | Class::Picks => Step::Neutral,
            _ => Step::Plain,
        }
    }

    fn is_reset(&self, node: &Node, class: Class, output: ValueId) -> bool {
        is_norm(node)
            || matches!(class, Class::Softmax | Class::Recurrent | Class::Attention)
            || self.layers.is_normalized(output)
    }

    fn by_number(&self, node: &Node) -> bool {
        let network = self.network;
        let mut others = node.inputs.iter().flatten();
        others.any(|&id| network.constant(id).is_some_and(|tensor| tensor.len() == 1))
    }

    /// The rms that a normalization should leave: that of its scale, unless its shift is larger. What
    /// was seen is less only where the input hardly varies against ε.
    fn normed_rms(&self, node: &Node, own: f64) -> f64 {
        let facts = node.operator.facts();
        let mut weights = facts.weights.iter();
        let scale = weights.find(|weight| weight.holds == Holds::Scale);
        let scale = scale.and_then(|scale| self.layers.stored(node.input(scale.slot)?));
        let parameter = scale.map(|scale| self.network.parameter(scale));
        let seen =
            parameter.and_then(|scale| self.trace.parameters.iter().find(|p| p.name == scale.name));
        seen.map_or(own, |scale| scale.rms.max(own))
    }

    /// Whether the scale of each value makes no difference, for those on the way to the end.
    fn scale_free(
        &self,
        tracks: &BTreeMap<ValueId, Track>,
        end: ValueId,
    ) -> BTreeMap<ValueId, bool> {
        let network = self.network;
        let mut free: BTreeMap<ValueId, bool> = BTreeMap::new();
        let computed = network
            .nodes
            .iter()
            .rev()
            .flat_map(|node| node.outputs.iter().flatten());
        let given = tracks
            .keys()
            .filter(|id| network.value(**id).producer.is_none());
        for &id in computed.chain(given) {
            if !tracks.contains_key(&id) {
                continue;
            }
            let consumers = &network.value(id).consumers;
            let all = consumers
                .iter()
                .all(|&consumer| self.leads_to_norm(tracks, &free, id, consumer));
            free.insert(id, !consumers.is_empty() && all && id != end);
        }
        free
    }

    fn leads_to_norm(
        &self,
        tracks: &BTreeMap<ValueId, Track>,
        free: &BTreeMap<ValueId, bool>,
        from: ValueId,
        consumer: NodeId,
    ) -> bool {
        let node = self.network.node(consumer);
        if is_norm(node) {
            return node.input(0) == Some(from);
        }
        let outputs = || node.outputs.iter().flatten();
        // Within a spelled-out normalization the statistic and the value it divides both are free.
        if outputs().any(|&output| self.layers.is_normalized(output)) {
            return true;
        }
        let facts = node.operator.facts();
        let homogeneous = match facts.class {
            Class::Linear => true,
            Class::Multiplies => {
                let mut inputs = node.inputs.iter().flatten();
                node.operator == Operator::Binary(Binary::Pow)
                    || inputs.all(|id| *id == from || !tracks.contains_key(id))
            }
            _ => facts.homogeneous(),
        };
        homogeneous
            && outputs()
                .filter(|output| tracks.contains_key(output))
                .all(|output| free.get(output).copied().unwrap_or(false))
    }
}

/// Whether what a function puts out has at most size one.
fn is_bounded(node: &Node) -> bool {
    let facts = node.operator.facts();
    facts.range.0 >= -1.0 && facts.range.1 <= 1.0
}

/// Whether a node takes the scale of its signal away.
fn is_norm(node: &Node) -> bool {
    let facts = node.operator.facts();
    facts.class == Class::Norm && facts.degree == Some(0.0)
}
