//! Matrix products.

pub(crate) mod fold;
pub(crate) mod shape;

use fanin::Axis;

use super::Operator;
use super::facts::{Class, Facts, Holds, Parity, Slots, UnitAxis, WeightAxes};
use super::read::{Given, Row, microsoft, onnx};
use super::unary::{Fused, Unary};

/// `MatMul`, and onnxruntime's fused one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatMul {
    /// Whether the last two axes of the first operand are swapped.
    pub transpose_a: bool,
    /// Whether the last two axes of the second operand are swapped.
    pub transpose_b: bool,
    /// Whether the first axis of the first operand moves before its last.
    pub transpose_batch_a: bool,
    /// Whether the first axis of the second operand moves before its last.
    pub transpose_batch_b: bool,
    /// Factor on the product.
    pub alpha: f32,
}

/// `Gemm`: `alpha A B + beta C` of matrices, and onnxruntime's with an activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gemm {
    /// Whether A is transposed.
    pub transpose_a: bool,
    /// Whether B is transposed.
    pub transpose_b: bool,
    /// Factor on the product.
    pub alpha: f32,
    /// Factor on C.
    pub beta: f32,
    /// What the sum meets in the same operator.
    pub activation: Option<Fused>,
}

/// `Einsum`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Einsum {
    /// The equation, without spaces.
    pub equation: String,
}

impl MatMul {
    /// The plain product.
    pub const PLAIN: Self = Self {
        transpose_a: false,
        transpose_b: false,
        transpose_batch_a: false,
        transpose_batch_b: false,
        alpha: 1.0,
    };

    /// ONNX's name, or onnxruntime's where ONNX has none.
    pub fn name(self) -> &'static str {
        if self == Self::PLAIN {
            "MatMul"
        } else {
            "FusedMatMul"
        }
    }

    pub(super) fn facts(self) -> Facts {
        let product = product_facts();
        if self.transpose_batch_a || self.transpose_batch_b {
            // Where the batch axis lies between the matrix's, no operand is a plain weight.
            return product;
        }
        product
            .weight(
                0,
                Holds::Weight,
                matrix(!self.transpose_a),
                UnitAxis::BeforeLast,
            )
            .weight(1, Holds::Weight, matrix(self.transpose_b), UnitAxis::Last)
    }
}

impl Gemm {
    /// ONNX's name, or onnxruntime's where ONNX has none.
    pub fn name(self) -> &'static str {
        match self.activation {
            None => "Gemm",
            Some(_) => "FusedGemm",
        }
    }

    pub(super) fn facts(self) -> Facts {
        let mut facts = product_facts()
            .weight(
                0,
                Holds::Weight,
                matrix(!self.transpose_a),
                UnitAxis::BeforeLast,
            )
            .weight(1, Holds::Weight, matrix(self.transpose_b), UnitAxis::Last)
            .weight(2, Holds::Bias, WeightAxes::Broadcast, UnitAxis::Last);
        facts = with_activation(facts, self.activation);
        facts
    }
}

/// Facts of a linear operator whose output meets an activation in the same operator.
pub(super) fn with_activation(mut facts: Facts, activation: Option<Fused>) -> Facts {
    if let Some(activation) = activation {
        let own = activation.facts();
        facts.degree = match (facts.degree, own.degree) {
            (Some(a), Some(b)) => Some(a * b),
            _ => None,
        };
        facts.parity = if own.parity == Parity::Odd {
            facts.parity
        } else {
            Parity::Neither
        };
        facts.range = own.range;
        facts.zeros = own.zeros;
        facts.flat = own.flat;
    }
    facts
}

/// A product of two signals is of degree two; where one operand is a weight it stays as it is, and
/// the signal that is left has degree one.
fn product_facts() -> Facts {
    Facts::new(Class::Linear, Slots::BOTH)
        .of_degree(2.0)
        .of_parity(Parity::Even)
        .units(UnitAxis::Last)
}

/// A matrix `[.., output, input]` or `[.., input, output]`.
fn matrix(output_first: bool) -> WeightAxes {
    WeightAxes::Matrix { output_first }
}

impl Einsum {
    /// The letters of the operands and of the result; `None` where the equation leaves the result to
    /// be worked out.
    pub fn terms(&self) -> Option<(Vec<&str>, &str)> {
        let (operands, result) = self.equation.split_once("->")?;
        Some((operands.split(',').collect(), result))
    }

    /// What the axes of an operand mean as a weight: what only it and the result have is output, what
    /// the result does not have is input, what all have holds one matrix each.
    pub fn meaning(&self, slot: usize) -> Option<Vec<Axis>> {
        let (terms, result) = self.terms()?;
        let own = terms.get(slot)?;
        if own.contains('.') {
            return None;
        }
        let in_other = |letter: char| {
            terms
                .iter()
                .enumerate()
                .any(|(k, term)| k != slot && term.contains(letter))
        };
        Some(
            own.chars()
                .map(|letter| match (in_other(letter), result.contains(letter)) {
                    (true, true) => Axis::Stack,
                    (false, true) => Axis::Output,
                    _ => Axis::Input,
                })
                .collect(),
        )
    }

    /// The axis of the output that counts the units of an operand read as a weight.
    fn units(&self, slot: usize) -> UnitAxis {
        let units = || {
            let (terms, result) = self.terms()?;
            let (own, meaning) = (terms.get(slot)?, self.meaning(slot)?);
            let letter = own
                .chars()
                .zip(meaning)
                .find_map(|(letter, axis)| (axis == Axis::Output).then_some(letter))?;
            let behind = result.chars().rev().position(|l| l == letter)?;
            Some(match (behind, result.find(letter)?) {
                (0, _) => UnitAxis::Last,
                (_, 1) => UnitAxis::Channel,
                (1, _) => UnitAxis::BeforeLast,
                _ => UnitAxis::Unknown,
            })
        };
        units().unwrap_or(UnitAxis::Unknown)
    }

    fn facts(&self) -> Facts {
        let operands = self.terms().map_or(1, |(terms, _)| terms.len());
        let degree = u8::try_from(operands).unwrap_or(u8::MAX);
        let mut facts = Facts::new(
            if operands > 1 {
                Class::Linear
            } else {
                Class::Reduces
            },
            Slots::All,
        )
        .of_degree(degree.into())
        .of_parity(if degree.is_multiple_of(2) {
            Parity::Even
        } else {
            Parity::Odd
        });
        if operands > 1 {
            for slot in 0..operands {
                if let Some(axes) = self.meaning(slot) {
                    let axes = WeightAxes::Named(axes);
                    facts = facts.weight(slot, Holds::Weight, axes, self.units(slot));
                }
            }
        }
        facts
    }
}

/// `MatMulInteger`: integers with zero points in inputs 2 and 3.
pub(super) fn integer_facts() -> Facts {
    MatMul::PLAIN.facts()
}

pub(super) fn einsum_facts(einsum: &Einsum) -> Facts {
    einsum.facts()
}

/// `Det`: a product of as many factors as the matrix has rows.
pub(super) fn determinant_facts() -> Facts {
    Facts::new(Class::Other, Slots::FIRST)
}

fn gemm(g: &Given<'_>, activation: Option<Fused>) -> Result<Operator, String> {
    Ok(Operator::Gemm(Gemm {
        transpose_a: g.flag("transA", false),
        transpose_b: g.flag("transB", false),
        alpha: g.float("alpha", 1.0),
        beta: g.float("beta", 1.0),
        activation,
    }))
}

fn fused(g: &Given<'_>) -> Result<Operator, String> {
    Ok(Operator::MatMul(MatMul {
        transpose_a: g.flag("transA", false),
        transpose_b: g.flag("transB", false),
        transpose_batch_a: g.flag("transBatchA", false),
        transpose_batch_b: g.flag("transBatchB", false),
        alpha: g.float("alpha", 1.0),
    }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("MatMul", |_| Ok(Operator::MatMul(MatMul::PLAIN))),
    onnx("MatMulInteger", |_| Ok(Operator::MatMulInteger)),
    onnx("Gemm", |g| gemm(g, None)),
    onnx("Einsum", |g| {
        let mut equation = g.text("equation", "");
        equation.retain(|c| !c.is_whitespace());
        Ok(Operator::Einsum(Einsum { equation }))
    }),
    onnx("Det", |_| Ok(Operator::Det)),
    microsoft("FusedMatMul", fused),
    microsoft("TransposeMatMul", fused),
    microsoft("FusedGemm", |g| {
        let parameters: Vec<f32> = ["activation_alpha", "activation_beta", "activation_gamma"]
            .iter()
            .map_while(|name| g.stated_float(name))
            .collect();
        let activation = Unary::fused(&g.text("activation", ""), &parameters)?;
        gemm(g, activation)
    }),
];
