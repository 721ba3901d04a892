//! Normalizations.

pub(crate) mod shape;

use super::Operator;
use super::facts::{Class, Facts, Holds, Parity, Slots, UnitAxis, WeightAxes};
use super::read::{Given, Row, microsoft, onnx};
use crate::ElementType;

/// Divides by a statistic of the signal.
#[derive(Clone, Debug, PartialEq)]
pub enum Norm {
    /// Per channel over the batch and all places, or by running statistics.
    Batch {
        /// Added to the variance.
        epsilon: f32,
        /// Weight of the old running statistics.
        momentum: f32,
        /// Whether the node itself asks for the batch's statistics.
        training: bool,
    },
    /// Per sample and channel over all places.
    Instance {
        /// Added to the variance.
        epsilon: f32,
    },
    /// Per sample and group of channels.
    Group {
        /// Added to the variance.
        epsilon: f32,
        /// Number of groups; at least one.
        groups: usize,
        /// Whether scale and shift are one number per group: before operator set 21.
        per_group: bool,
    },
    /// Over all axes from one on: layer norm, or RMS norm where the mean is left in.
    Layer(LayerNorm),
    /// Layer norm of the sum of two inputs and a bias (onnxruntime).
    Skip {
        /// Added to the variance.
        epsilon: f32,
        /// Whether the mean is taken off.
        centered: bool,
    },
    /// Over these axes, without parameters.
    MeanVariance {
        /// The axes, negative counted from the end.
        axes: Vec<i64>,
    },
    /// Along one axis by its p-norm.
    Lp {
        /// The axis, negative counted from the end.
        axis: i64,
        /// 1 or 2.
        p: i64,
    },
    /// By the squares of neighbouring channels.
    LocalResponse {
        /// Number of channels; 0 where the model does not say, which cannot be run.
        size: usize,
        /// Factor on the mean square.
        alpha: f32,
        /// Exponent.
        beta: f32,
        /// Added before the power is taken.
        bias: f32,
    },
}

/// Layer norm or RMS norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// The first axis that is normalized over, negative counted from the end.
    pub axis: i64,
    /// Added to the variance or mean square.
    pub epsilon: f32,
    /// Whether the mean is taken off; a shift is input 2 then.
    pub centered: bool,
    /// The element type of the statistics that later outputs give.
    pub stash: ElementType,
}

impl Norm {
    /// ONNX's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Batch { .. } => "BatchNormalization",
            Self::Instance { .. } => "InstanceNormalization",
            Self::Group { .. } => "GroupNormalization",
            Self::Layer(LayerNorm { centered: true, .. }) => "LayerNormalization",
            Self::Layer(LayerNorm {
                centered: false, ..
            }) => "RMSNormalization",
            Self::Skip { centered: true, .. } => "SkipLayerNormalization",
            Self::Skip {
                centered: false, ..
            } => "SkipSimplifiedLayerNormalization",
            Self::MeanVariance { .. } => "MeanVarianceNormalization",
            Self::Lp { .. } => "LpNormalization",
            Self::LocalResponse { .. } => "LRN",
        }
    }

    /// What a reader of a plan calls it.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Batch { .. } => "batch norm",
            Self::Instance { .. } => "instance norm",
            Self::Group { .. } => "group norm",
            Self::Layer(LayerNorm { centered, .. }) | Self::Skip { centered, .. } => {
                if *centered {
                    "layer norm"
                } else {
                    "RMS norm"
                }
            }
            Self::MeanVariance { .. } => "a norm",
            Self::Lp { .. } => "Lp norm",
            Self::LocalResponse { .. } => "local response norm",
        }
    }

    /// All but the local response, which only damps large signals, put out the same whatever the
    /// scale of their signal.
    pub(super) fn facts(&self) -> Facts {
        let norm = || {
            Facts::new(Class::Norm, Slots::FIRST)
                .of_degree(0.0)
                .of_parity(Parity::Odd)
        };
        let scaled = |facts: Facts, scale: usize, shift: Option<usize>, units: UnitAxis| {
            let facts = facts.weight(scale, Holds::Scale, WeightAxes::PerUnit, units);
            match shift {
                Some(shift) => facts.weight(shift, Holds::Shift, WeightAxes::PerUnit, units),
                None => facts,
            }
            .units(units)
        };
        let channel = UnitAxis::Channel;
        match self {
            Self::Batch { .. } => scaled(norm(), 1, Some(2), channel)
                .weight(3, Holds::RunningMean, WeightAxes::PerUnit, channel)
                .weight(4, Holds::RunningVariance, WeightAxes::PerUnit, channel),
            Self::Instance { .. } | Self::Group { .. } => scaled(norm(), 1, Some(2), channel),
            Self::Layer(layer) => scaled(
                norm(),
                1,
                layer.centered.then_some(2),
                if layer.axis == -1 {
                    UnitAxis::Last
                } else {
                    UnitAxis::Kept
                },
            ),
            Self::Skip { centered, .. } => {
                let bias = if *centered { 4 } else { 3 };
                let mut facts = scaled(norm(), 2, centered.then_some(3), UnitAxis::Last).weight(
                    bias,
                    Holds::Bias,
                    WeightAxes::PerUnit,
                    UnitAxis::Last,
                );
                facts.signal = Slots::BOTH;
                facts
            }
            Self::MeanVariance { .. } | Self::Lp { .. } => norm().units(UnitAxis::Kept),
            Self::LocalResponse { .. } => Facts::new(Class::Norm, Slots::FIRST)
                .of_parity(Parity::Odd)
                .units(UnitAxis::Kept),
        }
    }
}

fn layer(g: &Given<'_>, centered: bool) -> Result<Operator, String> {
    Ok(Operator::Norm(Norm::Layer(LayerNorm {
        axis: g.int("axis", -1),
        epsilon: g.float("epsilon", 1e-5),
        centered,
        stash: g.element("stash_type").unwrap_or(ElementType::F32),
    })))
}

fn skip(g: &Given<'_>, centered: bool) -> Result<Operator, String> {
    let epsilon = g.float("epsilon", 1e-12);
    Ok(Operator::Norm(Norm::Skip { epsilon, centered }))
}

pub(super) const ROWS: &[Row] = &[
    onnx("BatchNormalization", |g| {
        Ok(Operator::Norm(Norm::Batch {
            epsilon: g.float("epsilon", 1e-5),
            momentum: g.float("momentum", 0.9),
            training: g.flag("training_mode", false),
        }))
    }),
    onnx("InstanceNormalization", |g| {
        let epsilon = g.float("epsilon", 1e-5);
        Ok(Operator::Norm(Norm::Instance { epsilon }))
    }),
    onnx("GroupNormalization", |g| {
        Ok(Operator::Norm(Norm::Group {
            epsilon: g.float("epsilon", 1e-5),
            groups: g.count("num_groups")?,
            per_group: g.opset < 21,
        }))
    }),
    onnx("LayerNormalization", |g| layer(g, true)),
    onnx("RMSNormalization", |g| layer(g, false)),
    // onnxruntime puts its own into ONNX's domain too.
    onnx("SimplifiedLayerNormalization", |g| layer(g, false)),
    onnx("MeanVarianceNormalization", |g| {
        let axes = g.attributes.ints("axes").unwrap_or(&[0, 2, 3]).to_vec();
        Ok(Operator::Norm(Norm::MeanVariance { axes }))
    }),
    onnx("LpNormalization", |g| {
        Ok(Operator::Norm(Norm::Lp {
            axis: g.int("axis", -1),
            p: g.int("p", 2),
        }))
    }),
    onnx("LRN", |g| {
        Ok(Operator::Norm(Norm::LocalResponse {
            size: g.size("size")?.unwrap_or(0),
            alpha: g.float("alpha", 1e-4),
            beta: g.float("beta", 0.75),
            bias: g.float("bias", 1.0),
        }))
    }),
    microsoft("LayerNormalization", |g| layer(g, true)),
    microsoft("SimplifiedLayerNormalization", |g| layer(g, false)),
    microsoft("SkipLayerNormalization", |g| skip(g, true)),
    microsoft("SkipSimplifiedLayerNormalization", |g| skip(g, false)),
];
