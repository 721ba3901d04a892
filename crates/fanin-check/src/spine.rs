//! The spine: the values that every way from the input to the output passes.
//!
//! What happens inside a residual branch reaches the output only together with the stream, so the
//! scale of one branch is no fault by itself; what happens on the spine is unavoidable. In a plain
//! chain every value is on it, in a residual network the sums.

use std::collections::BTreeMap;

use fanin_network::{Network, Node, NodeId, Parameter, ValueId};
use fanin_run::{Observation, Trace};
use fanin_theory::band::{layer_variance, width};

/// E x⁴ / (E x²)² of rectified Gaussian units, the heaviest tail among common activations: the
/// band of a healthy network's walk is reckoned with it.
const RECTIFIED: f64 = 6.0;

/// What the node that puts a value out does to its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Where the spine starts.
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

/// One value on the spine.
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
pub(crate) struct Spine<'a> {
    pub(crate) places: Vec<Place<'a>>,
}

impl<'a> Spine<'a> {
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
    weight: Option<ValueId>,
}

/// Finds the spine of a network that was run.
pub(crate) fn spine<'a>(
    network: &'a Network,
    trace: &'a Trace,
    observations: &BTreeMap<&'a str, &'a Observation>,
) -> Spine<'a> {
    let seen = |id: ValueId| observations.get(network.value(id).name.as_str()).copied();
    let Some((start, end)) = ends(network, trace, observations) else {
        return Spine::default();
    };
    let tracks = tracks(network, trace, &seen, start);
    let scale_free = scale_free(network, &tracks, end);
    let order = on_the_way(network, &tracks, end);

    // A value is passed by all ways if no edge from before it leads past it.
    let position: BTreeMap<ValueId, usize> =
        order.iter().enumerate().map(|(at, &id)| (id, at)).collect();
    let mut places = Vec::new();
    let (mut furthest, mut variance) = (0, 0.0);
    for (at, &id) in order.iter().enumerate() {
        if furthest <= at
            && let (Some(track), Some(seen)) = (tracks.get(&id), seen(id))
        {
            if matches!(track.step, Step::Layer | Step::Joint) {
                variance += layer_variance(RECTIFIED, width(&seen.shape));
            }
            places.push(Place {
                seen,
                step: track.step,
                weight: track
                    .weight
                    .and_then(|weight| parameter_of(network, weight)),
                reference: track.reference,
                stretch: track.stretch,
                scale_free: scale_free.get(&id).copied().unwrap_or(false),
                variance,
            });
        }
        for consumer in &network.value(id).consumers {
            for output in network.node(*consumer).outputs.iter().flatten() {
                furthest = furthest.max(position.get(output).copied().unwrap_or(0));
            }
        }
    }
    Spine { places }
}

/// The value where signals start (the first floating input, or what the first ids pick from an
/// embedding) and the output.
fn ends<'a>(
    network: &Network,
    trace: &Trace,
    observations: &BTreeMap<&'a str, &'a Observation>,
) -> Option<(ValueId, ValueId)> {
    let named = |name: &str| {
        let at = network.values.iter().position(|value| value.name == name)?;
        Some(ValueId::from(at))
    };
    let end = named(&trace.output.value)?;
    let input = network.inputs.iter().copied().find(|&id| {
        observations.contains_key(network.value(id).name.as_str())
            && !network.value(id).consumers.is_empty()
    });
    let start = input.or_else(|| {
        let picks = |node: &&Node| {
            let first = node.inputs.first().copied().flatten();
            node.op == "Gather" && first.is_some_and(|id| parameter_of(network, id).is_some())
        };
        network
            .nodes
            .iter()
            .find(picks)?
            .outputs
            .first()
            .copied()
            .flatten()
    })?;
    Some((start, end))
}

/// The parameter that a value is, or is in another shape.
pub(crate) fn parameter_of(network: &Network, id: ValueId) -> Option<&Parameter> {
    if let Some(parameter) = network.as_parameter(id) {
        return Some(parameter);
    }
    let node = network.node(network.value(id).producer?);
    let moves = matches!(
        node.op.as_str(),
        "Transpose" | "Reshape" | "Cast" | "Identity" | "Squeeze" | "Unsqueeze"
    );
    let first = node.inputs.first().copied().flatten()?;
    if moves {
        network.as_parameter(first)
    } else {
        None
    }
}

/// Follows references from the start through every value that depends on it.
fn tracks<'a>(
    network: &Network,
    trace: &Trace,
    seen: &impl Fn(ValueId) -> Option<&'a Observation>,
    start: ValueId,
) -> BTreeMap<ValueId, Track> {
    let mut tracks = BTreeMap::new();
    let mut stretches = 0;
    let rms = |id: ValueId| seen(id).map(|seen| seen.forward.rms);
    if let Some(own) = rms(start) {
        let step = Step::Start;
        tracks.insert(
            start,
            Track {
                reference: own,
                stretch: 0,
                step,
                weight: None,
            },
        );
    }
    for node in &network.nodes {
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
        for output in node.outputs.iter().flatten() {
            let Some(own) = rms(*output) else { continue };
            if tracks.contains_key(output) {
                continue;
            }
            let mut track = Track {
                step: Step::Plain,
                weight: None,
                ..main
            };
            let kind = kind(network, node, several);
            track.step = kind;
            match kind {
                Step::Layer => track.weight = weight_of(network, node),
                Step::Joint => track.weight = last_weight(network, &arriving),
                Step::Reset => {
                    stretches += 1;
                    track.stretch = stretches;
                    track.reference = normed_rms(network, trace, node, own);
                }
                Step::Neutral => {
                    let before = rms(source).unwrap_or(0.0);
                    if before > 0.0 && own > 0.0 {
                        track.reference *= own / before;
                    }
                }
                Step::Plain if is_bounded(&node.op) => {
                    track.reference = track.reference.min(1.0);
                }
                Step::Start | Step::Plain => {}
            }
            tracks.insert(*output, track);
        }
    }
    tracks
}

fn kind(network: &Network, node: &Node, several: bool) -> Step {
    if is_reset(network, node) {
        return Step::Reset;
    }
    match node.op.as_str() {
        "Gemm" | "MatMul" | "Conv" | "ConvTranspose" if weight_of(network, node).is_some() => {
            Step::Layer
        }
        // Attention averages values by weights that sum to one.
        "MatMul" | "Gemm" | "Einsum" => Step::Neutral,
        _ if several => Step::Joint,
        "Mul" | "Div" if by_number(network, node) => Step::Neutral,
        // What is concatenated with constants or parameters (a class token) is a part of the result,
        // and how large its share of the gradient is no weight decides.
        "Concat" | "MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" | "LpPool"
        | "GlobalLpPool" | "ReduceMean" | "ReduceSum" | "ReduceMax" | "Pad" | "Resize"
        | "Upsample" | "Slice" | "Split" | "Gather" => Step::Neutral,
        _ => Step::Plain,
    }
}

pub(crate) fn weight_of(network: &Network, node: &Node) -> Option<ValueId> {
    let two = node.inputs.iter().take(2).flatten().copied();
    let mut weights = two.filter(|&id| parameter_of(network, id).is_some());
    weights.next()
}

/// The last weight before a joint on any of the ways that meet there.
fn last_weight(network: &Network, arriving: &[(ValueId, Track)]) -> Option<ValueId> {
    arriving
        .iter()
        .filter_map(|(id, _)| {
            let mut id = *id;
            for _ in 0..8 {
                let producer = network.value(id).producer?;
                let node = network.node(producer);
                if let Some(weight) = weight_of(network, node).filter(|_| is_linear(node)) {
                    return Some((producer, weight));
                }
                id = node.inputs.first().copied().flatten()?;
            }
            None
        })
        .max_by_key(|(producer, _)| *producer)
        .map(|(_, weight)| weight)
}

pub(crate) fn is_linear(node: &Node) -> bool {
    matches!(
        node.op.as_str(),
        "Gemm" | "MatMul" | "Conv" | "ConvTranspose"
    )
}

fn by_number(network: &Network, node: &Node) -> bool {
    let mut others = node.inputs.iter().flatten();
    others.any(|&id| network.constant(id).is_some_and(|tensor| tensor.len() == 1))
}

fn is_bounded(op: &str) -> bool {
    matches!(
        op,
        "Tanh" | "Sigmoid" | "HardSigmoid" | "Softsign" | "Erf" | "Sin" | "Cos"
    )
}

fn is_norm(op: &str) -> bool {
    matches!(
        op,
        "BatchNormalization"
            | "GroupNormalization"
            | "InstanceNormalization"
            | "LayerNormalization"
            | "RMSNormalization"
            | "SimplifiedLayerNormalization"
            | "SkipLayerNormalization"
            | "SkipSimplifiedLayerNormalization"
            | "MeanVarianceNormalization"
            | "LpNormalization"
    )
}

fn is_reset(network: &Network, node: &Node) -> bool {
    is_norm(&node.op)
        || matches!(
            node.op.as_str(),
            "Softmax" | "LogSoftmax" | "LSTM" | "GRU" | "RNN" | "Attention" | "MultiHeadAttention"
        )
        || divides_by_statistic(network, node)
}

/// Whether a node ends a normalization spelled out in primitive operations: x divided by, or
/// multiplied by the reciprocal of, the root of a mean.
fn divides_by_statistic(network: &Network, node: &Node) -> bool {
    let reaches = |id: ValueId, inverse: bool| -> bool {
        let (mut id, mut inverted, mut rooted) = (id, !inverse, false);
        for _ in 0..8 {
            let Some(producer) = network.value(id).producer else {
                return false;
            };
            let step = network.node(producer);
            match step.op.as_str() {
                "Reciprocal" => inverted = true,
                "Sqrt" => rooted = true,
                "Pow" => (inverted, rooted) = (true, true),
                "Div" => {
                    inverted = true;
                    let Some(below) = step.inputs.get(1).copied().flatten() else {
                        return false;
                    };
                    id = below;
                    continue;
                }
                "Add" | "Max" | "Clip" | "Cast" | "Expand" | "Identity" => {}
                "ReduceL2" => return inverted,
                "ReduceMean" | "ReduceSum" | "ReduceSumSquare" => return inverted && rooted,
                _ => return false,
            }
            let next = step
                .inputs
                .iter()
                .flatten()
                .find(|&&input| network.constant(input).is_none());
            let Some(&next) = next else { return false };
            id = next;
        }
        false
    };
    let at = |k: usize| node.inputs.get(k).copied().flatten();
    match node.op.as_str() {
        "Div" => at(1).is_some_and(|id| reaches(id, false)),
        "Mul" => [at(0), at(1)]
            .into_iter()
            .flatten()
            .any(|id| reaches(id, true)),
        _ => false,
    }
}

/// The rms that a normalization should leave: that of its scale, unless its shift is larger. What
/// was seen is less only where the input hardly varies against ε.
fn normed_rms(network: &Network, trace: &Trace, node: &Node, own: f64) -> f64 {
    let scale = node.inputs.get(1).copied().flatten();
    let scale = scale.filter(|_| is_norm(&node.op));
    let parameter = scale.and_then(|id| network.as_parameter(id));
    let seen = parameter.and_then(|scale| trace.parameters.iter().find(|p| p.name == scale.name));
    seen.map_or(own, |scale| scale.rms.max(own))
}

/// Whether the scale of each value makes no difference, for those on the way to the end.
fn scale_free(
    network: &Network,
    tracks: &BTreeMap<ValueId, Track>,
    end: ValueId,
) -> BTreeMap<ValueId, bool> {
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
            .all(|&consumer| leads_to_norm(network, tracks, &free, id, consumer));
        free.insert(id, !consumers.is_empty() && all && id != end);
    }
    free
}

fn leads_to_norm(
    network: &Network,
    tracks: &BTreeMap<ValueId, Track>,
    free: &BTreeMap<ValueId, bool>,
    from: ValueId,
    consumer: NodeId,
) -> bool {
    let node = network.node(consumer);
    if is_norm(&node.op) {
        return node.inputs.first().copied().flatten() == Some(from);
    }
    // Within a spelled-out normalization the statistic and the value it divides both are free.
    if divides_by_statistic(network, node) {
        return true;
    }
    let homogeneous = is_linear(node)
        || matches!(
            node.op.as_str(),
            "Relu"
                | "LeakyRelu"
                | "PRelu"
                | "Add"
                | "Sub"
                | "Sum"
                | "Concat"
                | "Reshape"
                | "Flatten"
                | "Transpose"
                | "Squeeze"
                | "Unsqueeze"
                | "Identity"
                | "Dropout"
                | "Cast"
                | "MaxPool"
                | "AveragePool"
                | "GlobalAveragePool"
                | "GlobalMaxPool"
                | "ReduceMean"
                | "ReduceSum"
                | "ReduceL2"
                | "ReduceSumSquare"
                | "Slice"
                | "Split"
                | "Gather"
                | "Pad"
                | "Resize"
                | "Upsample"
                | "Sqrt"
                | "Pow"
                | "Expand"
        )
        || (matches!(node.op.as_str(), "Mul" | "Div")
            && node
                .inputs
                .iter()
                .flatten()
                .all(|id| *id == from || !tracks.contains_key(id)));
    homogeneous
        && node
            .outputs
            .iter()
            .flatten()
            .filter(|output| tracks.contains_key(output))
            .all(|output| free.get(output).copied().unwrap_or(false))
}

/// The tracked values from which the end can be reached, in the order of execution.
fn on_the_way(network: &Network, tracks: &BTreeMap<ValueId, Track>, end: ValueId) -> Vec<ValueId> {
    let mut reaching: std::collections::BTreeSet<ValueId> = std::collections::BTreeSet::new();
    if tracks.contains_key(&end) {
        reaching.insert(end);
    }
    for node in network.nodes.iter().rev() {
        let leads = |id: &ValueId| reaching.contains(id);
        if node.outputs.iter().flatten().any(leads) {
            let tracked = node.inputs.iter().flatten().copied();
            reaching.extend(tracked.filter(|id| tracks.contains_key(id)));
        }
    }
    let computed: Vec<ValueId> = network
        .nodes
        .iter()
        .flat_map(|node| node.outputs.iter().flatten().copied())
        .filter(|id| reaching.contains(id))
        .collect();
    let given = reaching
        .iter()
        .copied()
        .filter(|id| network.value(*id).producer.is_none());
    given.chain(computed).collect()
}
