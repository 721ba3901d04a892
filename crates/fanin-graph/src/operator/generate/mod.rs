//! Elements made of sizes, scalars and random numbers.

pub(crate) mod fold;
pub(crate) mod shape;

use super::Operator;
use super::facts::{Class, Facts, Slots};
use super::read::{Given, Row, onnx};
use crate::{Attribute, ElementType, HostData, HostTensor};

/// Random numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Random {
    /// What is drawn from.
    pub from: Draw,
    /// Whose sizes they have.
    pub shape: RandomShape,
    /// The element type, where the node states it.
    pub to: Option<ElementType>,
    /// The seed, where the node states it.
    pub seed: Option<f32>,
}

/// What random numbers are drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draw {
    /// A normal distribution.
    Normal {
        /// Its mean.
        mean: f32,
        /// Its standard deviation.
        scale: f32,
    },
    /// A uniform distribution.
    Uniform {
        /// Its lower end.
        low: f32,
        /// Its upper end.
        high: f32,
    },
    /// One with the probability that the input gives, else zero.
    Bernoulli,
}

/// Whose sizes random numbers have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RandomShape {
    /// These.
    As(Vec<usize>),
    /// The first input's.
    Like,
}

/// A window of signal processing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taper {
    /// Which one.
    pub kind: TaperKind,
    /// Whether it is one period of a longer one, not symmetric.
    pub periodic: bool,
    /// The element type.
    pub to: ElementType,
}

/// Which window of signal processing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are ONNX's")]
pub enum TaperKind {
    Hann,
    Hamming,
    Blackman,
}

impl Random {
    /// ONNX's name.
    pub fn name(&self) -> &'static str {
        match (self.from, &self.shape) {
            (Draw::Normal { .. }, RandomShape::As(_)) => "RandomNormal",
            (Draw::Normal { .. }, RandomShape::Like) => "RandomNormalLike",
            (Draw::Uniform { .. }, RandomShape::As(_)) => "RandomUniform",
            (Draw::Uniform { .. }, RandomShape::Like) => "RandomUniformLike",
            (Draw::Bernoulli, _) => "Bernoulli",
        }
    }
}

impl Taper {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self.kind {
            TaperKind::Hann => "HannWindow",
            TaperKind::Hamming => "HammingWindow",
            TaperKind::Blackman => "BlackmanWindow",
        }
    }
}

/// Facts of all of them: no input passes its elements on.
pub(super) fn generates() -> Facts {
    Facts::new(Class::Generates, Slots::NONE)
}

/// The tensor that a `Constant` node states; `None` for strings and sparse tensors.
fn constant(g: &Given<'_>) -> Option<HostTensor> {
    let get = |name: &str| g.attributes.get(name);
    if let Some(Attribute::Tensor(value)) = get("value") {
        Some(value.clone())
    } else if let Some(Attribute::Int(v)) = get("value_int") {
        HostTensor::new(vec![], ElementType::I64, HostData::I64(vec![*v]))
    } else if let Some(Attribute::Ints(v)) = get("value_ints") {
        HostTensor::i64(vec![v.len()], v.clone())
    } else if let Some(Attribute::Float(v)) = get("value_float") {
        HostTensor::f32(vec![], vec![*v])
    } else if let Some(Attribute::Floats(v)) = get("value_floats") {
        HostTensor::f32(vec![v.len()], v.clone())
    } else {
        None
    }
}

fn random(g: &Given<'_>, from: Draw, shape: RandomShape) -> Result<Operator, String> {
    Ok(Operator::Random(Random {
        from,
        shape,
        to: g.element("dtype"),
        seed: g.stated_float("seed"),
    }))
}

fn stated_shape(g: &Given<'_>) -> Result<RandomShape, String> {
    Ok(RandomShape::As(
        g.sizes("shape", 0)?.ok_or("attribute `shape` is missing")?,
    ))
}

fn normal(g: &Given<'_>) -> Draw {
    Draw::Normal {
        mean: g.float("mean", 0.0),
        scale: g.float("scale", 1.0),
    }
}

fn uniform(g: &Given<'_>) -> Draw {
    Draw::Uniform {
        low: g.float("low", 0.0),
        high: g.float("high", 1.0),
    }
}

fn taper(g: &Given<'_>, kind: TaperKind) -> Result<Operator, String> {
    Ok(Operator::Taper(Taper {
        kind,
        periodic: g.flag("periodic", true),
        to: g.element("output_datatype").unwrap_or(ElementType::F32),
    }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("Constant", |g| {
        let value = constant(g).map(Box::new);
        Ok(Operator::Constant { value })
    }),
    onnx("ConstantOfShape", |g| {
        let value = match g.attributes.get("value") {
            Some(Attribute::Tensor(value)) => Some(Box::new(value.clone())),
            _ => None,
        };
        Ok(Operator::ConstantOfShape { value })
    }),
    onnx("Range", |_| Ok(Operator::Range)),
    onnx("EyeLike", |g| {
        Ok(Operator::EyeLike {
            to: g.element("dtype"),
            shift: g.int("k", 0),
        })
    }),
    onnx("RandomNormal", |g| random(g, normal(g), stated_shape(g)?)),
    onnx("RandomNormalLike", |g| {
        random(g, normal(g), RandomShape::Like)
    }),
    onnx("RandomUniform", |g| random(g, uniform(g), stated_shape(g)?)),
    onnx("RandomUniformLike", |g| {
        random(g, uniform(g), RandomShape::Like)
    }),
    onnx("Bernoulli", |g| {
        random(g, Draw::Bernoulli, RandomShape::Like)
    }),
    onnx("Multinomial", |g| {
        Ok(Operator::Multinomial {
            draws: g.size("sample_size")?.unwrap_or(1),
            to: g.element("dtype").unwrap_or(ElementType::I32),
        })
    }),
    onnx("HannWindow", |g| taper(g, TaperKind::Hann)),
    onnx("HammingWindow", |g| taper(g, TaperKind::Hamming)),
    onnx("BlackmanWindow", |g| taper(g, TaperKind::Blackman)),
];
