//! Recurrent layers: the `LSTM`, `GRU` and `RNN` operators, and plain recurrence written out step by
//! step.

use fanin::Axis;

use super::linear::feeds;
use super::reading::{Reading, Use};
use super::residual::Streams;
use super::view::View;
use super::walk::{sources, trace};
use super::{Feeds, Role, forget, layout, op};
use crate::operator::Cell;
use crate::{NodeId, Operator, RecurrentKind, ValueId};

/// Weights and bias of a recurrent operator.
///
/// W is `[directions, gates · hidden, input]`, R `[directions, gates · hidden, hidden]`, B
/// `[directions, 2 · gates · hidden]`. Parts of them may come from parameters of their own, one per
/// direction or gate.
pub(super) fn operator(view: &View<'_>, found: &Use) -> Option<Reading> {
    let node = view.network.node(found.node);
    let Operator::Recurrent(recurrent) = &node.operator else {
        return None;
    };
    let kind = match recurrent.cell {
        Cell::Lstm { .. } => RecurrentKind::Lstm,
        Cell::Gru { .. } => RecurrentKind::Gru,
        Cell::Rnn => RecurrentKind::Rnn,
    };
    let hidden = recurrent.hidden.filter(|&hidden| hidden > 0).or_else(|| {
        let recurrent = view.network.input(found.node, 2)?;
        view.shape(recurrent).last().copied()
    })?;
    let (role, meaning, what) = match found.slot {
        1 => (
            Role::RecurrentInput,
            vec![Axis::Stack, Axis::Output, Axis::Input],
            "from the input into the gates of",
        ),
        2 => (
            Role::RecurrentHidden,
            vec![Axis::Stack, Axis::Output, Axis::Input],
            "from the state into the gates of",
        ),
        3 => (
            Role::RecurrentBias,
            vec![Axis::Stack, Axis::Output],
            "bias of the gates of",
        ),
        _ => return None,
    };
    let axes = found.carry(&meaning);
    let width = axes
        .iter()
        .zip(view.shape(found.parameter).iter().copied())
        .filter(|(axis, _)| **axis == Axis::Output)
        .map(|(_, size)| size)
        .product::<usize>();
    let mut layout = layout::plain(axes);
    if hidden > 0 && width % hidden == 0 && width / hidden > 1 {
        layout.fused = vec![hidden; width / hidden];
    }
    let is_lstm_bias = kind == RecurrentKind::Lstm && role == Role::RecurrentBias;
    Some(Reading {
        recurrent: Some((kind, hidden)),
        forget_gate: is_lstm_bias
            .then(|| forget::gate(view, found.parameter, found.value, hidden))
            .flatten(),
        ..Reading::new(
            role,
            layout,
            format!("{what} {} `{}`", recurrent.cell.name(), node.name),
        )
    })
}

/// A linear layer whose own output, through a sum and an activation, is its next input: recurrence
/// written out step by step.
pub(super) fn unrolled(view: &View<'_>, streams: &Streams, found: &[Use]) -> Option<Reading> {
    let mut layers: Vec<&Use> = found
        .iter()
        .filter(|u| view.is_layer(u.node) && u.part.is_carrier())
        .collect();
    let first = *layers.first()?;
    // Of a stack the matrices are used one by one.
    let own = first.part.axes.region();
    layers.retain(|other| other.part.axes.region() == own);
    let second = *layers.get(1)?;
    let linear = |u: &Use| {
        matches!(
            view.network.node(u.node).operator,
            Operator::MatMul(_) | Operator::Gemm(_)
        )
    };
    if !linear(first) || !linear(second) || !feeds_itself(view, streams, first.node, second.node) {
        return None;
    }
    let output = view.network.output(first.node)?;
    let met = trace(view, &streams.sums, output);
    let (feeds, _) = feeds(view, &met);
    let hidden = view.shape(output).last().copied()?;
    let meaning = super::linear::meaning(view, first)?;
    let mut layout = layout::plain(first.carry(&meaning));
    layout.fused = super::linear::pieces(view, first, &layout);
    if let Ok(fans) = layout::plain(meaning).fans(view.shape(first.value)) {
        super::linear::state_sides(&mut layout, view.shape(first.parameter), fans);
    }
    Some(Reading {
        feeds,
        recurrent: Some((RecurrentKind::Rnn, hidden)),
        ..Reading::new(
            Role::RecurrentHidden,
            layout,
            format!(
                "from the state to the next state, {} steps written out",
                layers.len()
            ),
        )
    })
}

/// Whether the input of a later use is the output of an earlier one, with an activation but no other
/// layer between.
fn feeds_itself(view: &View<'_>, streams: &Streams, earlier: NodeId, later: NodeId) -> bool {
    let mut open: Vec<(ValueId, usize)> =
        view.signals(later).into_iter().map(|id| (id, 0)).collect();
    while let Some((id, activations)) = open.pop() {
        let found = sources(view, &streams.sums, id);
        if found.layers.contains(&earlier) {
            // A state meets what is new at each step; a weight that is used twice in a row does not.
            let terms = found.layers.len() + found.activated.len() + found.others.len();
            return activations > 0 && terms > 1;
        }
        if activations < 1 {
            open.extend(
                found
                    .activated
                    .into_iter()
                    .map(|entry| (entry, activations + 1)),
            );
        }
    }
    false
}

/// Whether a layer's output is added to what comes from the state: the input weight of a written-out
/// recurrence.
pub(super) fn joins_state(
    view: &View<'_>,
    hidden: &[NodeId],
    verdict: &Reading,
    node: NodeId,
) -> bool {
    if hidden.is_empty()
        || !matches!(verdict.feeds, Feeds::Activation(_))
        || verdict.role != Role::Weight
    {
        return false;
    }
    let Some(output) = view.network.output(node) else {
        return false;
    };
    let mut open = vec![output];
    let mut steps = 0usize;
    while let Some(id) = open.pop() {
        steps += 1;
        if steps > 512 {
            return false;
        }
        for &consumer in &view.network.value(id).consumers {
            let next = view.network.node(consumer);
            if op::adds(next) && view.signals(consumer).len() == 2 {
                let other = view.signals(consumer).into_iter().find(|&o| o != id);
                let from_state = other.is_some_and(|other| {
                    sources(view, &Default::default(), other)
                        .layers
                        .iter()
                        .any(|layer| hidden.contains(layer))
                });
                if from_state {
                    return true;
                }
            }
            if op::moves(next) || op::adds(next) {
                open.extend(next.outputs.iter().copied().flatten());
            }
        }
    }
    false
}
