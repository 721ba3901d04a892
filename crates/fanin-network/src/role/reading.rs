//! Where a parameter meets the signal, and what a matcher reads off one such place.

use std::ops::Range;

use fanin::{Axis, Layout};

use super::{Feeds, Role};
use crate::layer::chain::Part;
use crate::{NodeId, RecurrentKind, ValueId};

/// One use of a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// The parameter.
    pub(crate) parameter: ValueId,
    /// The node at which it meets the signal.
    pub(crate) node: NodeId,
    /// As which input.
    pub(crate) slot: usize,
    /// The value that arrives there: the parameter, transposed, sliced or joined.
    pub(crate) value: ValueId,
    /// What of that value it is.
    pub(crate) part: Part,
    /// Rank of the parameter.
    pub(crate) rank: usize,
}

impl Use {
    /// Whether another use of the same parameter is one of the same part of it.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (own, region) = (self.part.axes.region(), other.part.axes.region());
        own.iter()
            .zip(&region)
            .all(|(a, b)| a.start < b.end && b.start < a.end)
    }

    /// Carries the meaning of the axes of the value over to the parameter.
    pub(super) fn carry(&self, meaning: &[Axis]) -> Vec<Axis> {
        let mut axes: Vec<Option<Axis>> = vec![None; self.rank];
        for (axis, origin) in meaning.iter().zip(self.part.axes.origins()) {
            for o in origin {
                if let Some(slot) = axes.get_mut(o) {
                    slot.get_or_insert(*axis);
                }
            }
        }
        // Of a product of tensors each has one side of its own; the other side is between them.
        let between = if axes.contains(&Some(Axis::Output)) {
            Axis::Input
        } else {
            Axis::Output
        };
        for &summed in &self.part.summed {
            if let Some(slot) = axes.get_mut(summed) {
                slot.get_or_insert(between);
            }
        }
        axes.into_iter()
            .map(|axis| axis.unwrap_or(Axis::Stack))
            .collect()
    }
}

/// What a matcher says of one use.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) role: Role,
    pub(crate) layout: Layout,
    pub(crate) feeds: Feeds,
    pub(crate) norm_follows: bool,
    pub(crate) residual_branches: Option<usize>,
    pub(crate) recurrent: Option<(RecurrentKind, usize)>,
    pub(crate) forget_gate: Option<Range<usize>>,
    pub(crate) because: String,
}

impl Reading {
    pub(super) fn new(role: Role, layout: Layout, because: String) -> Self {
        Self {
            role,
            layout,
            feeds: Feeds::Linear,
            norm_follows: false,
            residual_branches: None,
            recurrent: None,
            forget_gate: None,
            because,
        }
    }
}
