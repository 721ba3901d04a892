//! Softmax and its kin.

pub(crate) mod shape;

use super::Operator;
use super::facts::{Class, Facts, Slots, UnitAxis};
use super::read::{Given, Row, onnx};

/// Positive numbers that sum to one along an axis, or their logarithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// Which function.
    pub kind: SoftmaxKind,
    /// The axis, negative counted from the end.
    pub axis: i64,
    /// Whether all axes from `axis` on are taken together, and `axis` may be the rank itself: before
    /// operator set 13.
    pub flattened: bool,
}

/// Which softmax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftmaxKind {
    /// The exponentials over their sum.
    Soft,
    /// Its logarithm.
    Log,
    /// One at the largest, zero elsewhere.
    Hard,
}

impl Softmax {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self.kind {
            SoftmaxKind::Soft => "Softmax",
            SoftmaxKind::Log => "LogSoftmax",
            SoftmaxKind::Hard => "Hardmax",
        }
    }

    pub(super) fn facts(self) -> Facts {
        match self.kind {
            SoftmaxKind::Soft => Facts::new(Class::Softmax, Slots::FIRST)
                .between(0.0, 1.0)
                .units(UnitAxis::Kept),
            SoftmaxKind::Log => Facts::new(Class::Softmax, Slots::FIRST)
                .between(f64::NEG_INFINITY, 0.0)
                .units(UnitAxis::Kept),
            // Says where the largest is, and passes no gradient on.
            SoftmaxKind::Hard => Facts::new(Class::Looks, Slots::NONE).between(0.0, 1.0),
        }
    }
}

fn softmax(g: &Given<'_>, kind: SoftmaxKind) -> Result<Operator, String> {
    let flattened = g.opset < 13;
    Ok(Operator::Softmax(Softmax {
        kind,
        axis: g.int("axis", if flattened { 1 } else { -1 }),
        flattened,
    }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("Softmax", |g| softmax(g, SoftmaxKind::Soft)),
    onnx("LogSoftmax", |g| softmax(g, SoftmaxKind::Log)),
    onnx("Hardmax", |g| softmax(g, SoftmaxKind::Hard)),
];
