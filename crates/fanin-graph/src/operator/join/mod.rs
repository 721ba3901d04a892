//! Elements beside one another, repeated, or with a border.

pub(crate) mod fold;
pub(crate) mod shape;

use super::facts::{Class, Facts, Slots, UnitAxis};
use super::read::{Given, Row, onnx};
use super::{Axes, Operator, Setting};

/// `Pad`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// What is put around.
    pub mode: PadMode,
    /// Before each axis, then after each: an attribute before operator set 11, input 1 since.
    pub pads: Setting<Vec<i64>>,
    /// What constant padding is: an attribute before operator set 11, input 2 since; 0 where absent.
    pub value: Setting<f32>,
    /// The axes that are padded, from input 3; all where absent.
    pub axes: Axes,
}

/// What `Pad` puts around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum PadMode {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

/// How an update meets what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum Reduction {
    None,
    Add,
    Mul,
    Max,
    Min,
}

/// `ScatterElements`: updates put where indices along one axis say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scatter {
    /// The axis, negative counted from the end.
    pub axis: i64,
    /// How an update meets what is there.
    pub reduction: Reduction,
}

/// `TensorScatter`: updates put into a cache at places per sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorScatter {
    /// The axis of the places, negative counted from the end.
    pub axis: i64,
    /// Whether places behind the end go on at the beginning.
    pub circular: bool,
}

/// `Concat`: all inputs beside one another.
pub(super) fn concat_facts() -> Facts {
    Facts::new(Class::Joins, Slots::All).linear()
}

/// Copies of the elements; the units stay where they are.
pub(super) fn repeats() -> Facts {
    Facts::new(Class::Repeats, Slots::FIRST)
        .linear()
        .units(UnitAxis::Kept)
}

impl Pad {
    pub(super) fn facts(&self) -> Facts {
        let facts = pads();
        match (self.mode, &self.value) {
            (PadMode::Constant, Setting::Given(value)) if *value != 0.0 => {
                Facts::new(Class::Pads, Slots::FIRST).units(UnitAxis::Kept)
            }
            // A border of zeros is what networks use; a constant from an input is taken for one.
            _ => facts,
        }
    }
}

/// A border around the elements; the units stay where they are.
pub(super) fn pads() -> Facts {
    Facts::new(Class::Pads, Slots::FIRST)
        .linear()
        .units(UnitAxis::Kept)
}

/// Updates are a signal beside the data.
pub(super) fn scatter_facts() -> Facts {
    Facts::new(Class::Joins, Slots::These(&[0, 2]))
        .of_degree(1.0)
        .units(UnitAxis::Kept)
}

/// `TensorScatter`: a cache and what is new in it.
pub(super) fn cache_facts() -> Facts {
    Facts::new(Class::Joins, Slots::BOTH)
        .linear()
        .units(UnitAxis::Kept)
}

fn reduction(g: &Given<'_>) -> Result<Reduction, String> {
    g.word(
        "reduction",
        "none",
        &[
            ("none", Reduction::None),
            ("add", Reduction::Add),
            ("mul", Reduction::Mul),
            ("max", Reduction::Max),
            ("min", Reduction::Min),
        ],
    )
}

fn scatter(g: &Given<'_>) -> Result<Operator, String> {
    Ok(Operator::ScatterElements(Scatter {
        axis: g.int("axis", 0),
        reduction: reduction(g)?,
    }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("Concat", |g| {
        let axis = g.int("axis", 1);
        Ok(Operator::Concat { axis })
    }),
    onnx("Expand", |_| Ok(Operator::Expand)),
    onnx("Tile", |_| Ok(Operator::Tile)),
    onnx("Pad", |g| {
        Ok(Operator::Pad(Pad {
            mode: g.word(
                "mode",
                "constant",
                &[
                    ("constant", PadMode::Constant),
                    ("reflect", PadMode::Reflect),
                    ("edge", PadMode::Edge),
                    ("wrap", PadMode::Wrap),
                ],
            )?,
            pads: match g.list("pads", 1) {
                // Before operator set 2 the list had another name.
                Setting::Absent => g.list("paddings", usize::MAX),
                pads => pads,
            },
            value: g.number("value", 2),
            axes: g.input(3),
        }))
    }),
    onnx("CenterCropPad", |g| {
        let axes = g.attributes.ints("axes").map(<[i64]>::to_vec);
        Ok(Operator::CenterCropPad { axes })
    }),
    onnx("Scatter", scatter),
    onnx("ScatterElements", scatter),
    onnx("ScatterND", |g| {
        let reduction = reduction(g)?;
        Ok(Operator::ScatterND { reduction })
    }),
    onnx("TensorScatter", |g| {
        let words = [("linear", false), ("circular", true)];
        Ok(Operator::TensorScatter(TensorScatter {
            axis: g.int("axis", -2),
            circular: g.word("mode", "linear", &words)?,
        }))
    }),
];
