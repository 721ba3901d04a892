//! Operators that look at a signal without passing its elements on.

pub(crate) mod fold;
pub(crate) mod shape;

use super::Operator;
use super::facts::{Class, Facts, Slots};
use super::read::{Given, Row, onnx};

/// `ArgMax` and `ArgMin`: where the largest or smallest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Whether it is the largest, not the smallest.
    pub largest: bool,
    /// The axis, negative counted from the end.
    pub axis: i64,
    /// Whether the axis stays, with size one.
    pub keep: bool,
    /// Whether of equals the last is taken, not the first.
    pub last: bool,
}

impl Arg {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        if self.largest { "ArgMax" } else { "ArgMin" }
    }
}

/// Facts of all of them. `OneHot` takes its ids for elements and `Unique` gives its input's elements,
/// but in places that depend on them.
pub(super) fn looks() -> Facts {
    Facts::new(Class::Looks, Slots::NONE)
}

fn arg(g: &Given<'_>, largest: bool) -> Result<Operator, String> {
    Ok(Operator::Arg(Arg {
        largest,
        axis: g.int("axis", 0),
        keep: g.flag("keepdims", true),
        last: g.flag("select_last_index", false),
    }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("Shape", |g| {
        Ok(Operator::Shape {
            start: g.int("start", 0),
            end: g.stated_int("end"),
        })
    }),
    onnx("Size", |_| Ok(Operator::Size)),
    onnx("ArgMax", |g| arg(g, true)),
    onnx("ArgMin", |g| arg(g, false)),
    onnx("NonZero", |_| Ok(Operator::NonZero)),
    onnx("OneHot", |g| {
        let axis = g.int("axis", -1);
        Ok(Operator::OneHot { axis })
    }),
    onnx("Unique", |g| {
        Ok(Operator::Unique {
            axis: g.stated_int("axis"),
            sorted: g.flag("sorted", true),
        })
    }),
    onnx("NonMaxSuppression", |g| {
        let center_box = g.flag("center_point_box", false);
        Ok(Operator::NonMaxSuppression { center_box })
    }),
];
