//! One number for whole axes, and running sums.

pub(crate) mod fold;
pub(crate) mod shape;

use super::facts::{Class, Facts, Parity, Slots, UnitAxis};
use super::read::{Given, Row, onnx};
use super::{Axes, Operator};

/// One number for all elements along some axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// What is taken.
    pub kind: ReduceKind,
    /// The axes: an attribute in older operator sets, input 1 in newer ones; all where absent or
    /// empty, unless `none_without_axes`.
    pub axes: Axes,
    /// Whether the axes stay, with size one.
    pub keep: bool,
    /// Whether no axes means no reduction.
    pub none_without_axes: bool,
}

/// What a reduction takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum ReduceKind {
    Sum,
    Mean,
    Prod,
    Min,
    Max,
    L1,
    L2,
    SumSquare,
    LogSum,
    LogSumExp,
}

impl Reduce {
    /// ONNX's name.
    pub fn name(&self) -> &'static str {
        match self.kind {
            ReduceKind::Sum => "ReduceSum",
            ReduceKind::Mean => "ReduceMean",
            ReduceKind::Prod => "ReduceProd",
            ReduceKind::Min => "ReduceMin",
            ReduceKind::Max => "ReduceMax",
            ReduceKind::L1 => "ReduceL1",
            ReduceKind::L2 => "ReduceL2",
            ReduceKind::SumSquare => "ReduceSumSquare",
            ReduceKind::LogSum => "ReduceLogSum",
            ReduceKind::LogSumExp => "ReduceLogSumExp",
        }
    }

    /// Which axis is left to count units depends on the axes. `ReduceProd` is homogeneous too, of a
    /// degree that depends on the sizes.
    pub(super) fn facts(&self) -> Facts {
        let facts = Facts::new(Class::Reduces, Slots::FIRST);
        let infinite = f64::INFINITY;
        match self.kind {
            ReduceKind::Sum | ReduceKind::Mean => facts.linear(),
            ReduceKind::Min | ReduceKind::Max => facts.of_degree(1.0),
            ReduceKind::L1 | ReduceKind::L2 => facts
                .of_degree(1.0)
                .of_parity(Parity::Even)
                .between(0.0, infinite),
            ReduceKind::SumSquare => facts
                .of_degree(2.0)
                .of_parity(Parity::Even)
                .between(0.0, infinite),
            ReduceKind::Prod | ReduceKind::LogSum | ReduceKind::LogSumExp => facts,
        }
    }
}

/// `CumSum`: a sum of all before, of as many elements as came in.
pub(super) fn cumulative_facts() -> Facts {
    Facts::new(Class::Reduces, Slots::FIRST)
        .linear()
        .units(UnitAxis::Kept)
}

fn reduce(g: &Given<'_>, kind: ReduceKind) -> Result<Operator, String> {
    Ok(Operator::Reduce(Reduce {
        kind,
        axes: g.list("axes", 1),
        keep: g.flag("keepdims", true),
        none_without_axes: g.flag("noop_with_empty_axes", false),
    }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("ReduceSum", |g| reduce(g, ReduceKind::Sum)),
    onnx("ReduceMean", |g| reduce(g, ReduceKind::Mean)),
    onnx("ReduceProd", |g| reduce(g, ReduceKind::Prod)),
    onnx("ReduceMin", |g| reduce(g, ReduceKind::Min)),
    onnx("ReduceMax", |g| reduce(g, ReduceKind::Max)),
    onnx("ReduceL1", |g| reduce(g, ReduceKind::L1)),
    onnx("ReduceL2", |g| reduce(g, ReduceKind::L2)),
    onnx("ReduceSumSquare", |g| reduce(g, ReduceKind::SumSquare)),
    onnx("ReduceLogSum", |g| reduce(g, ReduceKind::LogSum)),
    onnx("ReduceLogSumExp", |g| reduce(g, ReduceKind::LogSumExp)),
    onnx("CumSum", |g| {
        Ok(Operator::CumSum {
            exclusive: g.flag("exclusive", false),
            reverse: g.flag("reverse", false),
        })
    }),
];
