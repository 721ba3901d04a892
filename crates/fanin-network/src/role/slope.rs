//! Slopes of learned activations.

use super::reading::{Reading, Use};
use super::view::View;
use super::{Feeds, Role, layout};
use crate::Operator;

/// The slope of a learned activation.
pub(super) fn slope(view: &View<'_>, found: &Use) -> Option<Reading> {
    let node = view.network.node(found.node);
    if node.operator != Operator::PRelu || found.slot != 1 {
        return None;
    }
    Some(Reading {
        feeds: Feeds::Linear,
        ..Reading::new(
            Role::ActivationSlope,
            layout::vector(found.rank),
            format!("slope of the learned activation `{}`", node.name),
        )
    })
}
