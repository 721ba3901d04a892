//! Where a parameter meets the signal, with its axes followed on the way.

use std::collections::BTreeSet;
use std::ops::Range;

use fanin::Layout;

use super::view::View;
use super::{Feeds, Role};
use crate::parameter::is_float_only_by_type;
use crate::{NodeId, RecurrentKind, ValueId};

/// One use of a parameter.
#[derive(Clone, Debug)]
pub(super) struct Use {
    /// The parameter.
    pub(super) parameter: ValueId,
    /// The node at which it meets the signal.
    pub(super) node: NodeId,
    /// As which input.
    pub(super) slot: usize,
    /// The value that arrives there: the parameter, transposed, sliced or joined.
    pub(super) value: ValueId,
    /// For each axis of that value, the parameter's axes it is made of.
    pub(super) origins: Vec<Vec<usize>>,
    /// Rank of the parameter.
    pub(super) rank: usize,
    /// Ids known before the run by which rows were picked on the way.
    pub(super) picked_by: Option<ValueId>,
}

/// What a matcher says of one use.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) role: Role,
    pub(super) layout: Layout,
    pub(super) feeds: Feeds,
    pub(super) norm_follows: bool,
    pub(super) residual_branches: Option<usize>,
    pub(super) recurrent: Option<(RecurrentKind, usize)>,
    pub(super) forget_gate: Option<Range<usize>>,
    pub(super) because: String,
}

impl Verdict {
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

/// Every use of a parameter, in the order of execution.
pub(super) fn uses(view: &View<'_>, value: ValueId) -> Vec<Use> {
    let network = view.network;
    let rank = network.value(value).shape.as_ref().map_or(0, Vec::len);
    let start: Vec<Vec<usize>> = (0..rank).map(|axis| vec![axis]).collect();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![(value, start, None)];
    while let Some((id, origins, picked_by)) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let mut consumers = network.value(id).consumers.clone();
        consumers.dedup();
        for consumer in consumers {
            let node = network.node(consumer);
            let meets = node.outputs.iter().flatten().any(|&o| view.is_signal(o));
            for (slot, input) in node.inputs.iter().enumerate() {
                if *input != Some(id) || is_float_only_by_type(&node.op, slot) {
                    continue;
                }
                if meets {
                    found.push(Use {
                        parameter: value,
                        node: consumer,
                        slot,
                        value: id,
                        origins: origins.clone(),
                        rank,
                        picked_by,
                    });
                } else if !super::op::only_looks(&node.op) {
                    let ids = match node.op.as_str() {
                        "Gather" | "GatherND" | "GatherElements" if slot == 0 => {
                            network.input(consumer, 1)
                        }
                        _ => picked_by,
                    };
                    for output in node.outputs.iter().copied().flatten() {
                        let origins = follow(view, consumer, id, output, &origins);
                        open.push((output, origins, ids));
                    }
                }
            }
        }
    }
    found.sort_by_key(|found| (found.node, found.slot));
    found
}

/// The axes of a node's output in terms of the parameter's.
fn follow(
    view: &View<'_>,
    node: NodeId,
    input: ValueId,
    output: ValueId,
    origins: &[Vec<usize>],
) -> Vec<Vec<usize>> {
    let network = view.network;
    let from = view.shape(input);
    let to = view.shape(output);
    let node = network.node(node);
    if node.op == "Transpose" {
        let reversed: Vec<i64> = (0..origins.len() as i64).rev().collect();
        return node
            .attributes
            .ints("perm")
            .unwrap_or(&reversed)
            .iter()
            .map(|&axis| {
                usize::try_from(axis)
                    .ok()
                    .and_then(|axis| origins.get(axis).cloned())
                    .unwrap_or_default()
            })
            .collect();
    }
    if matches!(
        node.op.as_str(),
        "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten"
    ) {
        return regroup(from, to, origins);
    }
    // Everything else broadcasts from the right: cast, slice, concat, expand, sum, product.
    let shift = to.len().saturating_sub(origins.len());
    (0..to.len())
        .map(|axis| {
            axis.checked_sub(shift)
                .and_then(|axis| origins.get(axis).cloned())
                .unwrap_or_default()
        })
        .collect()
}

/// Matches the axes of two shapes of the same number of elements: the shortest runs of axes with
/// equal products are made of each other.
fn regroup(from: &[usize], to: &[usize], origins: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut result = vec![Vec::new(); to.len()];
    let (mut i, mut j) = (0usize, 0usize);
    while i < from.len() && j < to.len() {
        let (first_i, first_j) = (i, j);
        let mut left = from.get(i).copied().unwrap_or(1);
        let mut right = to.get(j).copied().unwrap_or(1);
        // An axis of one element comes and goes without being made of anything.
        if left == 1 && right != 1 {
            i += 1;
            continue;
        }
        if right == 1 && left != 1 {
            j += 1;
            continue;
        }
        i += 1;
        j += 1;
        while left != right {
            if left < right {
                let Some(&size) = from.get(i) else { break };
                left = left.saturating_mul(size);
                i += 1;
            } else {
                let Some(&size) = to.get(j) else { break };
                right = right.saturating_mul(size);
                j += 1;
            }
        }
        let group: Vec<usize> = (first_i..i)
            .filter(|&axis| from.get(axis) != Some(&1) || i - first_i == 1)
            .filter_map(|axis| origins.get(axis))
            .flatten()
            .copied()
            .collect();
        for axis in result.iter_mut().take(j).skip(first_j) {
            axis.clone_from(&group);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_followed_through_reshapes() {
        let own = |n: usize| (0..n).map(|a| vec![a]).collect::<Vec<_>>();
        assert_eq!(
            regroup(&[6, 4], &[2, 3, 4], &own(2)),
            [vec![0], vec![0], vec![1]]
        );
        assert_eq!(regroup(&[2, 3, 4], &[6, 4], &own(3)), [vec![0, 1], vec![2]]);
        assert_eq!(
            regroup(&[40], &[1, 40, 1, 1], &own(1))[1],
            [0],
            "a vector made a map of channels"
        );
        assert_eq!(
            regroup(&[128, 24], &[1, 128, 24], &own(2)),
            [vec![], vec![0], vec![1]],
            "an axis of one element is not made of a larger one"
        );
    }
}
