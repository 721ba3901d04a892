//! Some elements of the first input come out.

pub(crate) mod fold;
pub(crate) mod shape;

use super::facts::{Class, Facts, Holds, Slots, UnitAxis, WeightAxes};
use super::read::{Row, onnx};
use super::{Axes, Operator, Setting};

/// `Slice`: attributes before operator set 10, inputs 1 to 4 since.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Where each part begins.
    pub starts: Setting<Vec<i64>>,
    /// Where each part ends.
    pub ends: Setting<Vec<i64>>,
    /// The axes that are cut; the first ones where absent.
    pub axes: Axes,
    /// The steps; 1 where absent.
    pub steps: Setting<Vec<i64>>,
}

/// `Split`.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The axis that is cut, negative counted from the end.
    pub axis: i64,
    /// The length of each part: an attribute before operator set 13, input 1 since. Equal parts where
    /// absent.
    pub lengths: Setting<Vec<i64>>,
    /// Number of parts: what `num_outputs` says, or the node's outputs.
    pub parts: usize,
    /// Whether the last part may be shorter: since operator set 18.
    pub uneven: bool,
}

/// `TopK`.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    /// The axis, negative counted from the end.
    pub axis: i64,
    /// How many: an attribute before operator set 10, input 1 since.
    pub k: Setting<i64>,
    /// Whether the largest are taken, not the smallest.
    pub largest: bool,
}

/// A part of the first input; how many units that are, the sizes tell.
pub(super) fn picks() -> Facts {
    Facts::new(Class::Picks, Slots::FIRST).linear()
}

/// A part in which the units stay where they are.
pub(super) fn picks_in_place() -> Facts {
    picks().units(UnitAxis::Kept)
}

/// `Gather`: the first input is a signal, or a table whose rows are picked by ids.
pub(super) fn gather_facts(axis: i64) -> Facts {
    picks().weight(0, Holds::Table, WeightAxes::Lookup { axis }, UnitAxis::Last)
}

/// `TopK`: which elements come out depends on them; the largest of -x are not minus the largest of x.
pub(super) fn top_facts() -> Facts {
    Facts::new(Class::Picks, Slots::FIRST).of_degree(1.0)
}

pub(super) const ROWS: &[Row] = &[
    onnx("Slice", |g| {
        Ok(Operator::Slice(Slice {
            starts: g.list("starts", 1),
            ends: g.list("ends", 2),
            axes: g.list("axes", 3),
            steps: g.input(4),
        }))
    }),
    onnx("Split", |g| {
        Ok(Operator::Split(Split {
            axis: g.int("axis", 0),
            lengths: g.list("split", 1),
            parts: g.size("num_outputs")?.unwrap_or(g.outputs),
            uneven: g.opset >= 18,
        }))
    }),
    onnx("Gather", |g| {
        let axis = g.int("axis", 0);
        Ok(Operator::Gather { axis })
    }),
    onnx("GatherElements", |g| {
        let axis = g.int("axis", 0);
        Ok(Operator::GatherElements { axis })
    }),
    onnx("GatherND", |g| {
        let batch_dims = g.size("batch_dims")?.unwrap_or(0);
        Ok(Operator::GatherND { batch_dims })
    }),
    onnx("Compress", |g| {
        let axis = g.stated_int("axis");
        Ok(Operator::Compress { axis })
    }),
    onnx("TopK", |g| {
        let k = match g.stated_int("k") {
            Some(k) => Setting::Given(k),
            None => g.input(1),
        };
        Ok(Operator::TopK(TopK {
            axis: g.int("axis", -1),
            k,
            largest: g.flag("largest", true),
        }))
    }),
    onnx("Trilu", |g| {
        let upper = g.flag("upper", true);
        Ok(Operator::Trilu { upper })
    }),
];
