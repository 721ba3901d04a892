//! Functions of each element: activations and plain arithmetic, `Clip`, `PRelu`, `BiasGelu`.

pub(crate) mod fold;
pub(crate) mod shape;

use super::facts::{Class, Facts, Holds, Parity, Slots, UnitAxis, WeightAxes};
use super::read::{Row, microsoft, onnx};
use super::{Operator, Setting};

/// A function of each element of one input.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants and their fields are ONNX's")]
pub enum Unary {
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Ceil,
    Celu {
        alpha: f32,
    },
    Cos,
    Cosh,
    Elu {
        alpha: f32,
    },
    Erf,
    Exp,
    Floor,
    /// By `erf`, or by `tanh` where `tanh` is set.
    Gelu {
        tanh: bool,
    },
    HardSigmoid {
        alpha: f32,
        beta: f32,
    },
    HardSwish,
    LeakyRelu {
        alpha: f32,
    },
    Log,
    Mish,
    Neg,
    Reciprocal,
    Relu,
    Round,
    Selu {
        alpha: f32,
        gamma: f32,
    },
    Shrink {
        lambda: f32,
        bias: f32,
    },
    Sigmoid,
    Sign,
    Sin,
    Sinh,
    Softplus,
    Softsign,
    Sqrt,
    /// x·σ(αx); onnxruntime's `QuickGelu` is the one with α = 1.702.
    Swish {
        alpha: f32,
    },
    Tan,
    Tanh,
    ThresholdedRelu {
        alpha: f32,
    },
}

/// An activation that is fused into a convolution or a matrix product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fused {
    /// A function of each element.
    Unary(Unary),
    /// Cut to a range.
    Clip {
        /// Lower end.
        low: f32,
        /// Upper end.
        high: f32,
    },
}

/// `Clip`: the bounds are attributes before operator set 11 and inputs 1 and 2 since; one that is
/// absent is infinite.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Lower end.
    pub low: Setting<f32>,
    /// Upper end; where the two cross, it wins.
    pub high: Setting<f32>,
}

impl Clip {
    /// Both ends; `known` gives the element of an input where it is known. An end that is not known
    /// is infinite, and so is the largest f32, which is how older models say "no bound".
    pub fn bounds(&self, known: impl Fn(usize) -> Option<f32>) -> (f32, f32) {
        let end = |setting: &Setting<f32>, open: f32| {
            let stated = match setting {
                Setting::Given(v) => *v,
                Setting::Input(slot) => known(*slot).unwrap_or(open),
                Setting::Absent => open,
            };
            if stated.abs() == f32::MAX && stated.signum() == open.signum() {
                open
            } else {
                stated
            }
        };
        (
            end(&self.low, f32::NEG_INFINITY),
            end(&self.high, f32::INFINITY),
        )
    }

    /// Facts where the ends are known as [`Self::bounds`] gives them.
    pub fn facts(&self, known: impl Fn(usize) -> Option<f32>) -> Facts {
        let (low, high) = self.bounds(known);
        clip_facts(low, high)
    }
}

fn clip_facts(low: f32, high: f32) -> Facts {
    let mut facts = Facts::new(Class::Activation, Slots::FIRST)
        .units(UnitAxis::Kept)
        .between(low.into(), high.into());
    facts.zeros = low == 0.0;
    if low == 0.0 && high == f32::INFINITY {
        facts.degree = Some(1.0);
    }
    if low == -high {
        facts.parity = Parity::Odd;
    }
    // The zero end of a clip at zero is left to the share of zeros.
    let low = if low == 0.0 { f32::NEG_INFINITY } else { low };
    if low.is_finite() || high.is_finite() {
        facts = facts.flat_at(low, high);
    }
    facts
}

impl Unary {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abs => "Abs",
            Self::Acos => "Acos",
            Self::Acosh => "Acosh",
            Self::Asin => "Asin",
            Self::Asinh => "Asinh",
            Self::Atan => "Atan",
            Self::Atanh => "Atanh",
            Self::Ceil => "Ceil",
            Self::Celu { .. } => "Celu",
            Self::Cos => "Cos",
            Self::Cosh => "Cosh",
            Self::Elu { .. } => "Elu",
            Self::Erf => "Erf",
            Self::Exp => "Exp",
            Self::Floor => "Floor",
            Self::Gelu { .. } => "Gelu",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish => "HardSwish",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Log => "Log",
            Self::Mish => "Mish",
            Self::Neg => "Neg",
            Self::Reciprocal => "Reciprocal",
            Self::Relu => "Relu",
            Self::Round => "Round",
            Self::Selu { .. } => "Selu",
            Self::Shrink { .. } => "Shrink",
            Self::Sigmoid => "Sigmoid",
            Self::Sign => "Sign",
            Self::Sin => "Sin",
            Self::Sinh => "Sinh",
            Self::Softplus => "Softplus",
            Self::Softsign => "Softsign",
            Self::Sqrt => "Sqrt",
            Self::Swish { .. } => "Swish",
            Self::Tan => "Tan",
            Self::Tanh => "Tanh",
            Self::ThresholdedRelu { .. } => "ThresholdedRelu",
        }
    }

    pub(super) fn facts(self) -> Facts {
        use std::f64::consts::{FRAC_PI_2, PI};
        let facts = |class| Facts::new(class, Slots::FIRST).units(UnitAxis::Kept);
        let activation = || facts(Class::Activation);
        let plain = || facts(Class::Elementwise);
        let infinite = f64::INFINITY;
        match self {
            Self::Relu => activation()
                .of_degree(1.0)
                .between(0.0, infinite)
                .making_zeros(),
            Self::LeakyRelu { alpha } => {
                let facts = activation().of_degree(1.0);
                if alpha == 0.0 {
                    facts.making_zeros().between(0.0, infinite)
                } else if alpha < 0.0 {
                    facts.between(0.0, infinite)
                } else {
                    facts
                }
            }
            Self::ThresholdedRelu { alpha } => activation()
                .between(f64::from(alpha.min(0.0)), infinite)
                .making_zeros(),
            Self::Shrink { lambda, bias } => {
                let facts = activation().of_parity(Parity::Odd);
                if lambda > 0.0 {
                    facts.making_zeros()
                } else if bias == 0.0 {
                    facts.of_degree(1.0)
                } else {
                    facts
                }
            }
            Self::Tanh => activation()
                .of_parity(Parity::Odd)
                .between(-1.0, 1.0)
                .flat_at(-0.97, 0.97),
            Self::Sigmoid => activation().between(0.0, 1.0).flat_at(0.015, 0.985),
            Self::Softsign => activation()
                .of_parity(Parity::Odd)
                .between(-1.0, 1.0)
                .flat_at(-0.757, 0.757),
            Self::HardSigmoid { .. } => activation().between(0.0, 1.0).flat_at(0.0, 1.0),
            Self::Celu { alpha } | Self::Elu { alpha } => {
                activation().between(-f64::from(alpha.abs()), infinite)
            }
            Self::Selu { alpha, gamma } => {
                activation().between(-f64::from((alpha * gamma).abs()), infinite)
            }
            Self::Softplus => activation().between(0.0, infinite),
            // The smallest values of x·Φ(x), x·tanh(softplus(x)) and x·σ(x), rounded down.
            Self::Gelu { .. } => activation().between(-0.171, infinite),
            Self::Mish => activation().between(-0.309, infinite),
            Self::Swish { alpha } => {
                let facts = activation();
                if alpha > 0.0 {
                    facts.between(-0.279 / f64::from(alpha), infinite)
                } else if alpha == 0.0 {
                    facts.linear()
                } else {
                    facts
                }
            }
            // Exactly zero below -3.
            Self::HardSwish => activation().between(-0.375, infinite).making_zeros(),

            Self::Neg => plain().linear(),
            Self::Abs => plain()
                .of_degree(1.0)
                .of_parity(Parity::Even)
                .between(0.0, infinite),
            Self::Sqrt => plain().of_degree(0.5).between(0.0, infinite),
            Self::Reciprocal => plain().of_degree(-1.0).of_parity(Parity::Odd),
            Self::Sign => plain()
                .of_degree(0.0)
                .of_parity(Parity::Odd)
                .between(-1.0, 1.0),
            Self::Erf => plain().of_parity(Parity::Odd).between(-1.0, 1.0),
            Self::Sin => plain().of_parity(Parity::Odd).between(-1.0, 1.0),
            Self::Cos => plain().of_parity(Parity::Even).between(-1.0, 1.0),
            Self::Exp => plain().between(0.0, infinite),
            Self::Cosh => plain().of_parity(Parity::Even).between(1.0, infinite),
            Self::Atan => plain()
                .of_parity(Parity::Odd)
                .between(-FRAC_PI_2, FRAC_PI_2),
            Self::Asin => plain()
                .of_parity(Parity::Odd)
                .between(-FRAC_PI_2, FRAC_PI_2),
            Self::Acos => plain().between(0.0, PI),
            Self::Acosh => plain().between(0.0, infinite),
            Self::Asinh | Self::Atanh | Self::Sinh | Self::Tan | Self::Round => {
                plain().of_parity(Parity::Odd)
            }
            Self::Log | Self::Ceil | Self::Floor => plain(),
        }
    }

    /// The name of onnxruntime's fused activations, with the parameters they come with.
    pub(super) fn fused(name: &str, parameters: &[f32]) -> Result<Option<Fused>, String> {
        let parameter = |k: usize, default: f32| parameters.get(k).copied().unwrap_or(default);
        Ok(Some(match name {
            "" => return Ok(None),
            "Relu" => Fused::Unary(Self::Relu),
            "Tanh" => Fused::Unary(Self::Tanh),
            "Sigmoid" => Fused::Unary(Self::Sigmoid),
            "HardSwish" => Fused::Unary(Self::HardSwish),
            "Gelu" => Fused::Unary(Self::Gelu { tanh: false }),
            "LeakyRelu" => Fused::Unary(Self::LeakyRelu {
                alpha: parameter(0, 0.01),
            }),
            "HardSigmoid" => Fused::Unary(Self::HardSigmoid {
                alpha: parameter(0, 0.2),
                beta: parameter(1, 0.5),
            }),
            "Elu" => Fused::Unary(Self::Elu {
                alpha: parameter(0, 1.0),
            }),
            "ThresholdedRelu" => Fused::Unary(Self::ThresholdedRelu {
                alpha: parameter(0, 1.0),
            }),
            "Softplus" => Fused::Unary(Self::Softplus),
            "Softsign" => Fused::Unary(Self::Softsign),
            "Clip" => Fused::Clip {
                low: parameter(0, f32::NEG_INFINITY),
                high: parameter(1, f32::INFINITY),
            },
            other => return Err(format!("does not know the fused activation `{other}`")),
        }))
    }
}

impl Fused {
    /// ONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unary(unary) => unary.name(),
            Self::Clip { .. } => "Clip",
        }
    }

    /// What is known of it.
    pub fn facts(self) -> Facts {
        match self {
            Self::Unary(unary) => unary.facts(),
            Self::Clip { low, high } => clip_facts(low, high),
        }
    }
}

/// `PRelu`: the slope is an input and broadcasts to the signal.
pub(super) fn prelu_facts() -> Facts {
    Facts::new(Class::Activation, Slots::FIRST)
        .of_degree(1.0)
        .units(UnitAxis::Kept)
        .weight(1, Holds::Slope, WeightAxes::Broadcast, UnitAxis::Kept)
}

/// `BiasGelu` and `FastGelu` with a bias: gelu(x + b).
pub(super) fn bias_gelu_facts() -> Facts {
    Unary::Gelu { tanh: false }
        .facts()
        .units(UnitAxis::Last)
        .weight(1, Holds::Bias, WeightAxes::PerUnit, UnitAxis::Last)
}

fn unary(unary: Unary) -> Result<Operator, String> {
    Ok(Operator::Unary(unary))
}

macro_rules! plain {
    ($($name:ident),*) => {
        [$(onnx(stringify!($name), |_| unary(Unary::$name))),*]
    };
}

/// Functions without attributes.
pub(super) const PLAIN: [Row; 28] = plain![
    Abs, Acos, Acosh, Asin, Asinh, Atan, Atanh, Ceil, Cos, Cosh, Erf, Exp, Floor, HardSwish, Log,
    Mish, Neg, Reciprocal, Relu, Round, Sigmoid, Sign, Sin, Sinh, Softplus, Softsign, Sqrt, Tan
];

pub(super) const ROWS: &[Row] = &[
    onnx("Tanh", |_| unary(Unary::Tanh)),
    onnx("Celu", |g| {
        let alpha = g.float("alpha", 1.0);
        unary(Unary::Celu { alpha })
    }),
    onnx("Elu", |g| {
        let alpha = g.float("alpha", 1.0);
        unary(Unary::Elu { alpha })
    }),
    onnx("Gelu", |g| {
        let words = [("none", false), ("tanh", true)];
        let tanh = g.word("approximate", "none", &words)?;
        unary(Unary::Gelu { tanh })
    }),
    onnx("HardSigmoid", |g| {
        unary(Unary::HardSigmoid {
            alpha: g.float("alpha", 0.2),
            beta: g.float("beta", 0.5),
        })
    }),
    onnx("LeakyRelu", |g| {
        let alpha = g.float("alpha", 0.01);
        unary(Unary::LeakyRelu { alpha })
    }),
    onnx("Selu", |g| {
        unary(Unary::Selu {
            alpha: g.float("alpha", 1.673_263_2),
            gamma: g.float("gamma", 1.050_701),
        })
    }),
    onnx("Shrink", |g| {
        unary(Unary::Shrink {
            lambda: g.float("lambd", 0.5),
            bias: g.float("bias", 0.0),
        })
    }),
    onnx("Swish", |g| {
        let alpha = g.float("alpha", 1.0);
        unary(Unary::Swish { alpha })
    }),
    onnx("ThresholdedRelu", |g| {
        let alpha = g.float("alpha", 1.0);
        unary(Unary::ThresholdedRelu { alpha })
    }),
    onnx("Clip", |g| {
        Ok(Operator::Clip(Clip {
            low: g.number("min", 1),
            high: g.number("max", 2),
        }))
    }),
    onnx("PRelu", |_| Ok(Operator::PRelu)),
    microsoft("Gelu", |_| unary(Unary::Gelu { tanh: false })),
    microsoft("QuickGelu", |g| {
        let alpha = g.float("alpha", 1.702);
        unary(Unary::Swish { alpha })
    }),
    microsoft("BiasGelu", |_| Ok(Operator::BiasGelu { tanh: false })),
    microsoft("FastGelu", |g| {
        if g.inputs > 1 {
            Ok(Operator::BiasGelu { tanh: true })
        } else {
            unary(Unary::Gelu { tanh: true })
        }
    }),
];
