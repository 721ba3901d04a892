//! Tables: rows picked by ids, rows per position, tokens of their own.

use super::reading::{Reading, Use};
use super::view::View;
use super::{Role, layout, op};
use crate::{Operator, ValueId, ValueKind};

/// A table whose rows are picked, or rows added to or laid beside the signal.
pub(super) fn table(view: &View<'_>, found: &Use) -> Option<Reading> {
    let network = view.network;
    let node = network.node(found.node);
    let embedding =
        |role, because: String| Some(Reading::new(role, layout::embedding(found.rank), because));
    match (&node.operator, found.slot) {
        (Operator::Gather { .. } | Operator::GatherND { .. }, 0) => {
            let ids = network.input(found.node, 1)?;
            if counts_positions(view, ids) {
                embedding(
                    Role::PositionEmbedding,
                    format!("rows picked by position at `{}`", node.name),
                )
            } else {
                embedding(
                    Role::Embedding,
                    format!("rows picked by ids at `{}`", node.name),
                )
            }
        }
        _ if op::adds(node) || op::shifts(node) => {
            // Ids that are all the same pick a type, ids that count pick a position.
            if let Some(ids) = found.part.picked_by
                && network.constant(ids).is_some_and(|ids| {
                    let ids = ids.to_f32();
                    ids.len() > 1 && ids.iter().all(|&id| Some(&id) == ids.first())
                })
            {
                return embedding(
                    Role::Embedding,
                    format!(
                        "one row, picked by ids that are all equal, added at `{}`",
                        node.name
                    ),
                );
            }
            let wide = view.shape(found.value).iter().filter(|&&d| d > 1).count();
            (wide >= 2 || found.part.picked_by.is_some()).then(|| {
                Reading::new(
                    Role::PositionEmbedding,
                    layout::rows(found.rank),
                    format!("rows added per position at `{}`", node.name),
                )
            })
        }
        (Operator::Concat { .. }, _) => Some(Reading::new(
            Role::PositionEmbedding,
            layout::rows(found.rank),
            format!(
                "a token of its own, laid beside the signal at `{}`",
                node.name
            ),
        )),
        (Operator::Where, 1 | 2) => Some(Reading::new(
            Role::PositionEmbedding,
            layout::rows(found.rank),
            format!("a token put in the place of others at `{}`", node.name),
        )),
        _ => None,
    }
}

/// Whether ids are positions: an input that says so, or sums over ones.
fn counts_positions(view: &View<'_>, ids: ValueId) -> bool {
    let mut id = ids;
    for _ in 0..16 {
        let value = view.network.value(id);
        if matches!(value.kind, ValueKind::Input) {
            return value.name.to_ascii_lowercase().contains("position");
        }
        let Some(node) = view.producer(id) else {
            return false;
        };
        if matches!(node.operator, Operator::CumSum { .. }) {
            return true;
        }
        let Some(&signal) = value
            .producer
            .map(|producer| view.signals(producer))
            .unwrap_or_default()
            .first()
        else {
            return false;
        };
        id = signal;
    }
    false
}
