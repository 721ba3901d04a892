//! The identity and what is nearly one: casts, dropout, quantization; and the losses.

pub(crate) mod fold;
pub(crate) mod shape;

use super::facts::{Class, Facts, Slots, UnitAxis};
use super::read::{Given, Row, onnx};
use super::{Operator, Setting};
use crate::ElementType;

/// `Dropout`: the identity, or random zeros while training.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropout {
    /// The share that is set to zero: an attribute before operator set 12, input 1 since; 0.5 where
    /// absent.
    pub ratio: Setting<f32>,
    /// Whether the mask, the second output, is boolean: since operator set 10.
    pub boolean_mask: bool,
}

/// `QuantizeLinear` and `DequantizeLinear`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantize {
    /// The axis along which scales differ, negative counted from the end.
    pub axis: i64,
    /// Elements along the axis that share a scale; 0 where all of one index do.
    pub block_size: usize,
    /// The element type of the output, where the node states it.
    pub to: Option<ElementType>,
}

/// A loss over classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// From log probabilities (`NegativeLogLikelihoodLoss`), not from scores.
    pub of_log_probabilities: bool,
    /// How the targets' losses become one number.
    pub reduction: LossReduction,
    /// Targets of this class do not count.
    pub ignore_index: Option<i64>,
}

/// How the losses of all targets become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum LossReduction {
    None,
    Sum,
    Mean,
}

impl Loss {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        if self.of_log_probabilities {
            "NegativeLogLikelihoodLoss"
        } else {
            "SoftmaxCrossEntropyLoss"
        }
    }
}

/// The element type that a cast before operator set 6 names by a word.
fn by_word(word: &str) -> Option<ElementType> {
    Some(match word {
        "FLOAT" => ElementType::F32,
        "DOUBLE" => ElementType::F64,
        "FLOAT16" => ElementType::F16,
        "INT8" => ElementType::I8,
        "INT16" => ElementType::I16,
        "INT32" => ElementType::I32,
        "INT64" => ElementType::I64,
        "UINT8" => ElementType::U8,
        "UINT16" => ElementType::U16,
        "UINT32" => ElementType::U32,
        "UINT64" => ElementType::U64,
        "BOOL" => ElementType::Bool,
        _ => return None,
    })
}

/// Facts of the identity. A cast to an integer cuts off fractions, but networks cast back and forth
/// between floats; dropout is the identity in the mean.
pub(super) fn identity_facts() -> Facts {
    Facts::new(Class::Arranges, Slots::FIRST)
        .linear()
        .units(UnitAxis::Kept)
}

pub(super) fn quantize_facts() -> Facts {
    Facts::new(Class::Quantizes, Slots::FIRST).units(UnitAxis::Kept)
}

pub(super) fn loss_facts() -> Facts {
    Facts::new(Class::Loss, Slots::FIRST)
}

fn loss(g: &Given<'_>, of_log_probabilities: bool) -> Result<Operator, String> {
    let words = [
        ("mean", LossReduction::Mean),
        ("sum", LossReduction::Sum),
        ("none", LossReduction::None),
    ];
    Ok(Operator::Loss(Loss {
        of_log_probabilities,
        reduction: g.word("reduction", "mean", &words)?,
        ignore_index: g.stated_int("ignore_index"),
    }))
}

fn quantize(g: &Given<'_>) -> Result<Quantize, String> {
    Ok(Quantize {
        axis: g.int("axis", 1),
        block_size: g.size("block_size")?.unwrap_or(0),
        to: g.element("output_dtype"),
    })
}

pub(super) const ROWS: &[Row] = &[
    onnx("Identity", |_| Ok(Operator::Identity)),
    onnx("Cast", |g| {
        let to = g.element("to").or_else(|| by_word(&g.text("to", "")));
        Ok(Operator::Cast { to })
    }),
    onnx("CastLike", |_| Ok(Operator::CastLike)),
    onnx("Dropout", |g| {
        Ok(Operator::Dropout(Dropout {
            ratio: g.number("ratio", 1),
            boolean_mask: g.opset >= 10,
        }))
    }),
    onnx("QuantizeLinear", |g| {
        Ok(Operator::QuantizeLinear(quantize(g)?))
    }),
    onnx("DequantizeLinear", |g| {
        Ok(Operator::DequantizeLinear(quantize(g)?))
    }),
    onnx("SoftmaxCrossEntropyLoss", |g| loss(g, false)),
    onnx("NegativeLogLikelihoodLoss", |g| loss(g, true)),
];
