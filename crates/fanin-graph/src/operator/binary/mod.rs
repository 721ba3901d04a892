//! Several signals that meet element by element, and tests and bits of elements.

pub(crate) mod fold;
pub(crate) mod shape;

use super::Operator;
use super::facts::{Class, Facts, Parity, Slots, UnitAxis};
use super::read::{Row, onnx};

/// A function of two inputs that broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    /// The sign is the divisor's, or the dividend's where `fmod` is set.
    Mod {
        fmod: bool,
    },
}

/// A function of any number of inputs that broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum Variadic {
    Sum,
    Mean,
    Max,
    Min,
}

/// A comparison of two inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Booleans, from booleans or as a test of each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum Logic {
    And,
    Or,
    Xor,
    Not,
    IsNaN,
    /// Which infinities count.
    IsInf {
        positive: bool,
        negative: bool,
    },
}

/// Bits of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum Bitwise {
    And,
    Or,
    Xor,
    Not,
    /// By the amount in the second input.
    Shift {
        left: bool,
    },
}

impl Binary {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Pow => "Pow",
            Self::Mod { .. } => "Mod",
        }
    }

    /// The units of the larger operand are the output's; which one that is, the shapes tell.
    pub(super) fn facts(self) -> Facts {
        let facts = |class| Facts::new(class, Slots::BOTH).units(UnitAxis::Kept);
        match self {
            Self::Add | Self::Sub => facts(Class::Sums).linear(),
            Self::Mul => facts(Class::Multiplies)
                .of_degree(2.0)
                .of_parity(Parity::Even),
            Self::Div => facts(Class::Multiplies)
                .of_degree(0.0)
                .of_parity(Parity::Even),
            Self::Pow => facts(Class::Multiplies),
            Self::Mod { .. } => facts(Class::Multiplies)
                .of_degree(1.0)
                .of_parity(Parity::Odd),
        }
    }
}

impl Variadic {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "Sum",
            Self::Mean => "Mean",
            Self::Max => "Max",
            Self::Min => "Min",
        }
    }

    pub(super) fn facts(self) -> Facts {
        let facts = |class| Facts::new(class, Slots::All).units(UnitAxis::Kept);
        match self {
            Self::Sum | Self::Mean => facts(Class::Sums).linear(),
            Self::Max | Self::Min => facts(Class::Chooses).of_degree(1.0),
        }
    }
}

impl Compare {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::Less => "Less",
            Self::LessOrEqual => "LessOrEqual",
            Self::Greater => "Greater",
            Self::GreaterOrEqual => "GreaterOrEqual",
        }
    }
}

impl Logic {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::And => "And",
            Self::Or => "Or",
            Self::Xor => "Xor",
            Self::Not => "Not",
            Self::IsNaN => "IsNaN",
            Self::IsInf { .. } => "IsInf",
        }
    }
}

impl Bitwise {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::And => "BitwiseAnd",
            Self::Or => "BitwiseOr",
            Self::Xor => "BitwiseXor",
            Self::Not => "BitwiseNot",
            Self::Shift { .. } => "BitShift",
        }
    }
}

/// Comparisons, logic and bits: their elements are no measure of the signal's.
pub(super) fn looks() -> Facts {
    Facts::new(Class::Looks, Slots::NONE)
}

/// `Where`: the condition is no signal.
pub(super) fn choice_facts() -> Facts {
    Facts::new(Class::Chooses, Slots::These(&[1, 2]))
        .linear()
        .units(UnitAxis::Kept)
}

pub(super) const ROWS: &[Row] = &[
    onnx("Add", |_| Ok(Operator::Binary(Binary::Add))),
    onnx("Sub", |_| Ok(Operator::Binary(Binary::Sub))),
    onnx("Mul", |_| Ok(Operator::Binary(Binary::Mul))),
    onnx("Div", |_| Ok(Operator::Binary(Binary::Div))),
    onnx("Pow", |_| Ok(Operator::Binary(Binary::Pow))),
    onnx("Mod", |g| {
        let fmod = g.flag("fmod", false);
        Ok(Operator::Binary(Binary::Mod { fmod }))
    }),
    onnx("Sum", |_| Ok(Operator::Variadic(Variadic::Sum))),
    onnx("Mean", |_| Ok(Operator::Variadic(Variadic::Mean))),
    onnx("Max", |_| Ok(Operator::Variadic(Variadic::Max))),
    onnx("Min", |_| Ok(Operator::Variadic(Variadic::Min))),
    onnx("Where", |_| Ok(Operator::Where)),
    onnx("Equal", |_| Ok(Operator::Compare(Compare::Equal))),
    onnx("Less", |_| Ok(Operator::Compare(Compare::Less))),
    onnx("LessOrEqual", |_| {
        Ok(Operator::Compare(Compare::LessOrEqual))
    }),
    onnx("Greater", |_| Ok(Operator::Compare(Compare::Greater))),
    onnx("GreaterOrEqual", |_| {
        Ok(Operator::Compare(Compare::GreaterOrEqual))
    }),
    onnx("And", |_| Ok(Operator::Logic(Logic::And))),
    onnx("Or", |_| Ok(Operator::Logic(Logic::Or))),
    onnx("Xor", |_| Ok(Operator::Logic(Logic::Xor))),
    onnx("Not", |_| Ok(Operator::Logic(Logic::Not))),
    onnx("IsNaN", |_| Ok(Operator::Logic(Logic::IsNaN))),
    onnx("IsInf", |g| {
        Ok(Operator::Logic(Logic::IsInf {
            positive: g.flag("detect_positive", true),
            negative: g.flag("detect_negative", true),
        }))
    }),
    onnx("BitwiseAnd", |_| Ok(Operator::Bitwise(Bitwise::And))),
    onnx("BitwiseOr", |_| Ok(Operator::Bitwise(Bitwise::Or))),
    onnx("BitwiseXor", |_| Ok(Operator::Bitwise(Bitwise::Xor))),
    onnx("BitwiseNot", |_| Ok(Operator::Bitwise(Bitwise::Not))),
    onnx("BitShift", |g| {
        let left = g.text("direction", "") == "LEFT";
        Ok(Operator::Bitwise(Bitwise::Shift { left }))
    }),
];
