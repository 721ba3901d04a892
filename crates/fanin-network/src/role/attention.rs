//! Attention: the layers that make query, key and value, and the one that takes the result.
//!
//! Found from the softmax outward: before it two signals are contracted to scores (query and key),
//! after it the probabilities are contracted with the value. Scaling, masks, heads, rotations and
//! repeated keys lie between and are looked through. The `Attention` operator says the same in one
//! node.

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Reading, Use};
use super::residual::Streams;
use super::view::View;
use super::walk::sources;
use super::{Role, layout, op};
use crate::operator::{Binary, SoftmaxKind, Unary, Variadic};
use crate::{Node, NodeId, Operator, ValueId};

/// What a layer is to attention.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) query: bool,
    pub(super) key: bool,
    pub(super) value: bool,
    pub(super) output: bool,
    /// The node at the heart: the softmax or the `Attention` operator.
    pub(super) heart: String,
}

impl Part {
    /// The role of the layer's weight.
    pub(super) fn role(&self) -> Role {
        match (self.query, self.key, self.value, self.output) {
            (false, false, false, _) => Role::AttentionOutput,
            (true, false, false, _) => Role::AttentionQuery,
            (false, true, false, _) => Role::AttentionKey,
            (false, false, true, _) => Role::AttentionValue,
            _ => Role::AttentionQkv,
        }
    }

    /// Number of projections in one weight.
    pub(super) fn projections(&self) -> usize {
        [self.query, self.key, self.value]
            .into_iter()
            .filter(|&is| is)
            .count()
    }

    /// Says it in words.
    pub(super) fn because(&self) -> String {
        let names: Vec<&str> = [
            (self.query, "query"),
            (self.key, "key"),
            (self.value, "value"),
        ]
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name))
        .collect();
        match names.split_last() {
            None => format!("takes what attention `{}` puts out", self.heart),
            Some((last, [])) => format!("makes the {last} of attention `{}`", self.heart),
            Some((last, rest)) => format!(
                "makes {} and {last} of attention `{}` in one weight",
                rest.join(", "),
                self.heart
            ),
        }
    }
}

/// All attention of a network.
#[derive(Debug, Default)]
pub(super) struct Attentions {
    /// By layer.
    parts: BTreeMap<NodeId, Part>,
    /// Nodes between the scores and the softmax.
    scores: BTreeSet<NodeId>,
}

/// Query, key and value as they enter, and what comes out.
struct Heart {
    name: String,
    query: ValueId,
    key: ValueId,
    value: ValueId,
    output: ValueId,
}

impl Attentions {
    pub(super) fn of(view: &View<'_>, streams: &Streams) -> Self {
        let mut all = Self::default();
        for index in 0..view.network.nodes.len() {
            let id = NodeId::from(index);
            let node = view.network.node(id);
            let heart = if matches!(&node.operator, Operator::Softmax(s) if s.kind == SoftmaxKind::Soft)
            {
                all.around_softmax(view, id)
            } else if op::attends(node) {
                operator(view, id)
            } else {
                None
            };
            if let Some(heart) = heart {
                all.enter(view, streams, &heart);
            }
        }
        all
    }

    /// What a layer is to attention.
    pub(super) fn part(&self, layer: NodeId) -> Option<&Part> {
        self.parts.get(&layer)
    }

    /// Whether a node lies between the scores and the softmax.
    fn is_score(&self, node: NodeId) -> bool {
        self.scores.contains(&node)
    }

    fn enter(&mut self, view: &View<'_>, streams: &Streams, heart: &Heart) {
        let mut layers: BTreeMap<NodeId, Part> = BTreeMap::new();
        for (which, entering) in [heart.query, heart.key, heart.value]
            .into_iter()
            .enumerate()
        {
            for layer in sources(view, &streams.sums, entering).layers {
                let part = layers.entry(layer).or_default();
                match which {
                    0 => part.query = true,
                    1 => part.key = true,
                    _ => part.value = true,
                }
            }
        }
        for layer in takers(view, heart.output) {
            layers.entry(layer).or_default().output = true;
        }
        for (layer, mut part) in layers {
            part.heart.clone_from(&heart.name);
            // The first to claim a layer keeps it: the heart nearest to it.
            let known = self.parts.entry(layer).or_default();
            if known.heart.is_empty() || known.projections() == 0 && part.projections() > 0 {
                *known = part;
            }
        }
    }

    fn around_softmax(&mut self, view: &View<'_>, softmax: NodeId) -> Option<Heart> {
        let network = view.network;
        let mut between = vec![softmax];
        // Back to the scores.
        let mut id = network.input(softmax, 0)?;
        let scores = loop {
            let producer = network.value(id).producer?;
            let node = network.node(producer);
            let signals = view.signals(producer);
            if contracts(node) && signals.len() == 2 {
                break producer;
            }
            between.push(producer);
            if op::shifts(node) || op::scales(node) || node.operator == Operator::Where {
                // A mask made of the input's padding is a signal, too; the scores are the operand
                // that comes from a contraction.
                id = *signals
                    .iter()
                    .find(|&&operand| leads_to_contraction(view, operand))?;
            } else if op::rearranges(node) || bounds(node) {
                id = *signals.first()?;
            } else {
                return None;
            }
        };
        // On to the contraction with the value.
        let mut open = vec![network.output(softmax)?];
        let mut steps = 0usize;
        let (context, probabilities) = 'found: loop {
            let id = open.pop()?;
            steps += 1;
            if steps > 32 {
                return None;
            }
            for &consumer in &network.value(id).consumers {
                let node = network.node(consumer);
                if contracts(node) && view.signals(consumer).len() == 2 {
                    break 'found (consumer, id);
                }
                if op::rearranges(node)
                    || op::is_mul(node)
                    || matches!(node.operator, Operator::Where | Operator::Expand)
                {
                    open.extend(node.outputs.iter().copied().flatten());
                }
            }
        };
        let operands = view.signals(context);
        let value = *operands.iter().find(|&&o| o != probabilities)?;
        let pair = view.signals(scores);
        let (&left, &right) = (pair.first()?, pair.get(1)?);
        let (query, key) = if normalizes_rows_of_left(view, scores, softmax) {
            (left, right)
        } else {
            (right, left)
        };
        self.scores.extend(between);
        Some(Heart {
            name: network.node(softmax).name.clone(),
            query,
            key,
            value,
            output: network.output(context)?,
        })
    }
}

/// A product of matrices without a sum of its own, as scores and contexts are.
fn contracts(node: &Node) -> bool {
    matches!(node.operator, Operator::MatMul(_) | Operator::Einsum(_))
}

/// Bounds scores.
fn bounds(node: &Node) -> bool {
    matches!(
        node.operator,
        Operator::Clip(_)
            | Operator::Unary(Unary::Tanh)
            | Operator::Variadic(Variadic::Max | Variadic::Min)
    )
}

/// Whether a value comes from a contraction of two signals through scaling and masks.
fn leads_to_contraction(view: &View<'_>, id: ValueId) -> bool {
    /// Scores have a handful of operations before the softmax.
    const FAR: usize = 64;
    let mut seen = BTreeSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if !seen.insert(id) || seen.len() > FAR {
            continue;
        }
        let Some(producer) = view.network.value(id).producer else {
            continue;
        };
        let node = view.network.node(producer);
        let signals = view.signals(producer);
        if contracts(node) {
            if signals.len() == 2 {
                return true;
            }
        } else if op::rearranges(node)
            || op::shifts(node)
            || op::scales(node)
            || bounds(node)
            || node.operator == Operator::Where
        {
            open.extend(signals);
        }
    }
    false
}

/// Whether the softmax runs over the axis that the right operand of the scores brings, so that the
/// left one is the query.
fn normalizes_rows_of_left(view: &View<'_>, scores: NodeId, softmax: NodeId) -> bool {
    let network = view.network;
    let node = network.node(scores);
    if let Operator::Einsum(einsum) = &node.operator {
        if let Some((operands, result)) = einsum.terms()
            && let [left, _, ..] = operands[..]
            && let Some(last) = result.chars().last()
        {
            return !left.contains(last);
        }
        return true;
    }
    let Operator::Softmax(softmax) = &network.node(softmax).operator else {
        return true;
    };
    let rank = network
        .output(scores)
        .map_or(0, |output| view.shape(output).len());
    softmax.axis == -1
        || usize::try_from(softmax.axis) == Ok(rank.saturating_sub(1))
        || softmax.flattened
}

fn operator(view: &View<'_>, id: NodeId) -> Option<Heart> {
    let network = view.network;
    Some(Heart {
        name: network.node(id).name.clone(),
        query: network.input(id, 0)?,
        key: network.input(id, 1)?,
        value: network.input(id, 2)?,
        output: network.output(id)?,
    })
}

/// The layers that read what attention puts out, through changes of shape and gating.
fn takers(view: &View<'_>, output: ValueId) -> Vec<NodeId> {
    let network = view.network;
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![output];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        for &consumer in &network.value(id).consumers {
            let node = network.node(consumer);
            if view.is_layer(consumer) {
                found.push(consumer);
            } else if op::moves(node)
                || op::normalizes(node)
                || op::is_mul(node)
                || matches!(node.operator, Operator::Concat { .. })
            {
                open.extend(node.outputs.iter().copied().flatten());
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What is added to the scores: relative positions.
pub(super) fn bias(view: &View<'_>, attentions: &Attentions, found: &Use) -> Option<Reading> {
    let node = view.network.node(found.node);
    let added = match &node.operator {
        Operator::Where => attentions.is_score(found.node),
        Operator::Attention(_) => found.slot == 3,
        Operator::MultiHeadAttention(_) => found.slot == 5,
        _ => op::shifts(node) && attentions.is_score(found.node),
    };
    let is_add = |node: &Node| node.operator == Operator::Binary(Binary::Add);
    // The table may reach the scores in a sum with a mask.
    let added = added
        || (is_add(node) || node.operator == Operator::Where)
            && view.network.output(found.node).is_some_and(|output| {
                view.network
                    .value(output)
                    .consumers
                    .iter()
                    .any(|&c| attentions.is_score(c) && is_add(view.network.node(c)))
                    && !leads_to_contraction(view, output)
            });
    added.then(|| {
        Reading::new(
            Role::AttentionBias,
            layout::vector(found.rank),
            format!("added to the attention scores at `{}`", node.name),
        )
    })
}
