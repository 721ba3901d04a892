//! Every element comes out once, in another place or shape.

pub(crate) mod fold;
pub(crate) mod shape;

use super::facts::{Class, Facts, Slots, UnitAxis};
use super::read::{Given, Row, onnx};
use super::{Operator, Setting};

/// `DepthToSpace` and `SpaceToDepth`: blocks of places become channels, or the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthSpace {
    /// Places of a block along each axis; at least one.
    pub block: usize,
    /// Whether channels become places.
    pub to_space: bool,
    /// Whether the channel is the slowest of the axes that a channel axis is made of (`CRD`), not the
    /// fastest (`DCR`).
    pub channel_first: bool,
}

/// `Reshape`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// The new sizes; -1 for what is left. An attribute before operator set 5, input 1 since.
    pub shape: Setting<Vec<i64>>,
    /// Whether 0 means no elements, not the input's size at that place.
    pub allow_zero: bool,
}

impl DepthSpace {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        if self.to_space {
            "DepthToSpace"
        } else {
            "SpaceToDepth"
        }
    }
}

/// Facts of all of them; the axis that counts units goes elsewhere.
pub(super) fn arranges() -> Facts {
    Facts::new(Class::Arranges, Slots::FIRST).linear()
}

/// Whether only axes of size one come or go, or order along an axis changes.
pub(super) fn arranges_in_place() -> Facts {
    arranges().units(UnitAxis::Kept)
}

pub(super) const ROWS: &[Row] = &[
    onnx("Reshape", |g| {
        Ok(Operator::Reshape(Reshape {
            shape: g.list("shape", 1),
            allow_zero: g.flag("allowzero", false),
        }))
    }),
    onnx("Flatten", |g| {
        let axis = g.int("axis", 1);
        Ok(Operator::Flatten { axis })
    }),
    onnx("Squeeze", |g| {
        let axes = g.list("axes", 1);
        Ok(Operator::Squeeze { axes })
    }),
    onnx("Unsqueeze", |g| {
        let axes = g.list("axes", 1);
        Ok(Operator::Unsqueeze { axes })
    }),
    onnx("Transpose", |g| {
        let perm = g.attributes.ints("perm").map(<[i64]>::to_vec);
        Ok(Operator::Transpose { perm })
    }),
    onnx("DepthToSpace", |g| {
        Ok(Operator::DepthSpace(DepthSpace {
            block: block(g)?,
            to_space: true,
            channel_first: g.word("mode", "DCR", &[("DCR", false), ("CRD", true)])?,
        }))
    }),
    onnx("SpaceToDepth", |g| {
        Ok(Operator::DepthSpace(DepthSpace {
            block: block(g)?,
            to_space: false,
            channel_first: g.word("mode", "DCR", &[("DCR", false), ("CRD", true)])?,
        }))
    }),
    onnx("ReverseSequence", |g| {
        Ok(Operator::ReverseSequence {
            batch_axis: g.int("batch_axis", 1),
            time_axis: g.int("time_axis", 0),
        })
    }),
];

fn block(g: &Given<'_>) -> Result<usize, String> {
    g.size("blocksize")?
        .filter(|&block| block > 0)
        .ok_or_else(|| "attribute `blocksize` is missing or 0".to_owned())
}
