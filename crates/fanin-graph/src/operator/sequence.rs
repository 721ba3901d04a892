//! Sequences of tensors.

use super::Operator;
use super::facts::{Class, Facts, Slots};
use super::read::{Row, onnx};
use crate::ElementType;

/// What is done with a sequence of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// A tensor cut along an axis; input 1 gives the length of a part, or all of them.
    Split {
        /// The axis, negative counted from the end.
        axis: i64,
        /// Whether the axis stays where no lengths are given.
        keep: bool,
    },
    /// The tensor at one place.
    At,
    /// A sequence of the inputs.
    Construct,
    /// A sequence of nothing.
    Empty {
        /// The element type of what will be in it.
        to: ElementType,
    },
    /// How many tensors it has.
    Length,
    /// All tensors beside one another.
    Concat {
        /// The axis, negative counted from the end.
        axis: i64,
        /// Whether the axis is new.
        new_axis: bool,
    },
}

impl Sequence {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Split { .. } => "SplitToSequence",
            Self::At => "SequenceAt",
            Self::Construct => "SequenceConstruct",
            Self::Empty { .. } => "SequenceEmpty",
            Self::Length => "SequenceLength",
            Self::Concat { .. } => "ConcatFromSequence",
        }
    }

    pub(super) fn facts(self) -> Facts {
        match self {
            Self::Split { .. } | Self::At => Facts::new(Class::Picks, Slots::FIRST).linear(),
            Self::Construct => Facts::new(Class::Joins, Slots::All).linear(),
            Self::Concat { .. } => Facts::new(Class::Joins, Slots::FIRST).linear(),
            Self::Length => Facts::new(Class::Looks, Slots::NONE),
            Self::Empty { .. } => Facts::new(Class::Generates, Slots::NONE),
        }
    }
}

pub(super) const ROWS: &[Row] = &[
    onnx("SplitToSequence", |g| {
        Ok(Operator::Sequence(Sequence::Split {
            axis: g.int("axis", 0),
            keep: g.flag("keepdims", true),
        }))
    }),
    onnx("SequenceAt", |_| Ok(Operator::Sequence(Sequence::At))),
    onnx("SequenceConstruct", |_| {
        Ok(Operator::Sequence(Sequence::Construct))
    }),
    onnx("SequenceEmpty", |g| {
        Ok(Operator::Sequence(Sequence::Empty {
            to: g.element("dtype").unwrap_or(ElementType::F32),
        }))
    }),
    onnx("SequenceLength", |_| {
        Ok(Operator::Sequence(Sequence::Length))
    }),
    onnx("ConcatFromSequence", |g| {
        Ok(Operator::Sequence(Sequence::Concat {
            axis: g.int("axis", 0),
            new_axis: g.flag("new_axis", false),
        }))
    }),
];
