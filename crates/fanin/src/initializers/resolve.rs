//! From an initializer, a shape and a layout to a [`Filler`], with every number settled.

use super::rule::{Rule, Unfit, by_fans};
use super::variance_scaling::Scaled;
use super::{Distribution, Initializer, Orthogonal, Spans, concat, identity, with_rule};
use crate::filler::{Filler, Kind, RangeError};
use crate::layout::elements;
use crate::sampler::{Normal, Sampler, TruncatedNormal, TruncationError, Uniform};
use crate::{Layout, LayoutError, Mode};

/// Why an initializer cannot be used, or not for this tensor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InitError {
    /// A number is out of range.
    #[error("{initializer}: {message}")]
    Value {
        /// The initializer.
        initializer: Box<Initializer>,
        /// What is wrong.
        message: &'static str,
    },
    /// The shape does not fit the layout, or has no fans.
    #[error("{initializer}: {source}")]
    Layout {
        /// The initializer.
        initializer: Box<Initializer>,
        /// What is wrong.
        source: LayoutError,
    },
    /// The initializer has no meaning for this tensor.
    #[error("{initializer} for shape {shape:?}: {message}")]
    Unsuited {
        /// The initializer.
        initializer: Box<Initializer>,
        /// The shape given.
        shape: Vec<usize>,
        /// What is wrong, and the way out.
        message: String,
    },
    /// The slice to fill has not the tensor's number of elements.
    #[error("shape {shape:?} has {elements} elements, the slice to fill {given}")]
    Length {
        /// The shape given.
        shape: Vec<usize>,
        /// Its elements.
        elements: u64,
        /// Elements of the slice.
        given: usize,
    },
    /// The slice reaches beyond the tensor.
    #[error(transparent)]
    Range(#[from] RangeError),
}

/// How deep parts may lie within parts.
const DEEPEST: usize = 16;

impl Initializer {
    /// Itself if its numbers are in range.
    pub(super) fn validated(self) -> Result<Self, InitError> {
        self.validate()?;
        Ok(self)
    }

    /// Whether the numbers are in range; [`Initializer::resolve`] and parsing ask this as well.
    ///
    /// # Errors
    /// Says which number is not.
    pub fn validate(&self) -> Result<(), InitError> {
        self.fault(0).map_or(Ok(()), |(at, message)| {
            Err(InitError::Value {
                initializer: Box::new(at.clone()),
                message,
            })
        })
    }

    /// The first thing wrong, and the initializer it is wrong with.
    fn fault(&self, depth: usize) -> Option<(&Self, &'static str)> {
        let gain_fault = |gain: f64| {
            if !gain.is_finite() {
                Some("gain must be finite")
            } else if gain <= 0.0 {
                Some("gain must be positive; for zeros write zeros")
            } else {
                None
            }
        };
        let message = match *self {
            Self::Zeros | Self::Ones => None,
            Self::Constant { value } => (!value.is_finite()).then_some("value must be finite"),
            Self::Uniform { low, high } => {
                if !low.is_finite() {
                    Some("low must be finite")
                } else if !high.is_finite() {
                    Some("high must be finite")
                } else {
                    (low > high).then_some("low must not exceed high")
                }
            }
            Self::Normal { mean, std } => normal_fault(mean, std),
            Self::TruncatedNormal {
                mean,
                std,
                low,
                high,
                corrected,
            } => normal_fault(mean, std)
                .or_else(|| truncation_fault(mean, std, low, high, corrected)),
            Self::VarianceScaling { scale, .. } => {
                if !scale.is_finite() {
                    Some("scale must be finite")
                } else {
                    (scale <= 0.0).then_some("scale must be positive; for zeros write zeros")
                }
            }
            Self::XavierUniform { gain }
            | Self::XavierNormal { gain }
            | Self::XavierTruncated { gain }
            | Self::KaimingUniform { gain, .. }
            | Self::KaimingNormal { gain, .. }
            | Self::KaimingTruncated { gain, .. }
            | Self::LecunUniform { gain }
            | Self::LecunNormal { gain }
            | Self::LecunTruncated { gain }
            | Self::Orthogonal { gain } => gain_fault(gain),
            // A negative identity is a reflection, and meant.
            Self::Identity { gain, .. } => gain_fault(gain.abs()),
            Self::Concat { ref parts, .. } => {
                if let Some(fault) = parts
                    .iter()
                    .filter(|_| depth < DEEPEST)
                    .find_map(|(_, part)| part.fault(depth + 1))
                {
                    return Some(fault);
                }
                if parts.is_empty() {
                    Some("there must be at least one part")
                } else {
                    (depth >= DEEPEST).then_some("more than 16 calls within calls")
                }
            }
            ref rule => with_rule!(rule, rule => {
                if let Some(fault) = rule
                    .inner()
                    .filter(|_| depth < DEEPEST)
                    .and_then(|inner| inner.fault(depth + 1))
                {
                    return Some(fault);
                }
                if rule.inner().is_some() && depth >= DEEPEST {
                    Some("more than 16 calls within calls")
                } else {
                    rule.fault()
                }
            }, _ => None),
        };
        message.map(|message| (self, message))
    }

    /// The gain, fan and family of a scaled initializer.
    fn by_fan(&self) -> Option<Scaled> {
        use Distribution::{Normal, TruncatedNormal, Uniform};
        let (gain, mode, distribution) = match *self {
            Self::VarianceScaling {
                scale,
                mode,
                distribution,
            } => (scale.sqrt(), mode, distribution),
            Self::XavierUniform { gain } => (gain, Mode::FanAvg, Uniform),
            Self::XavierNormal { gain } => (gain, Mode::FanAvg, Normal),
            Self::XavierTruncated { gain } => (gain, Mode::FanAvg, TruncatedNormal),
            Self::KaimingUniform { mode, gain } => (gain, mode, Uniform),
            Self::KaimingNormal { mode, gain } => (gain, mode, Normal),
            Self::KaimingTruncated { mode, gain } => (gain, mode, TruncatedNormal),
            Self::LecunUniform { gain } => (gain, Mode::FanIn, Uniform),
            Self::LecunNormal { gain } => (gain, Mode::FanIn, Normal),
            Self::LecunTruncated { gain } => (gain, Mode::FanIn, TruncatedNormal),
            _ => return None,
        };
        Some(Scaled {
            gain,
            mode,
            distribution,
        })
    }

    /// Settles every number for a tensor of this shape and layout. A shape with a 0 in it resolves to nothing to fill.
    ///
    /// # Errors
    /// When a number is out of range, the shape does not fit the layout, or the initializer has no meaning for it; the
    /// message names the initializer, the shape and the way out.
    pub fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Filler, InitError> {
        self.validate()?;
        self.resolve_valid(shape, layout)
    }

    pub(super) fn resolve_valid(
        &self,
        shape: &[usize],
        layout: &Layout,
    ) -> Result<Filler, InitError> {
        let unfit = |source| InitError::Layout {
            initializer: Box::new(self.clone()),
            source,
        };
        let unsuited = |message: String| InitError::Unsuited {
            initializer: Box::new(self.clone()),
            shape: shape.to_vec(),
            message,
        };
        let fault = |error: Unfit| match error {
            Unfit::Layout(source) => unfit(source),
            Unfit::Message(message) => unsuited(message),
            Unfit::Inner(error) => error,
        };
        layout.check(shape).map_err(unfit)?;
        let kind = match *self {
            Self::Zeros => Kind::Each(Sampler::Constant(0.0)),
            Self::Ones => Kind::Each(Sampler::Constant(1.0)),
            Self::Constant { value } => Kind::Each(Sampler::Constant(value)),
            Self::Uniform { low, high } => Kind::Each(Sampler::Uniform(Uniform { low, high })),
            Self::Normal { mean, std } => Kind::Each(Sampler::Normal(Normal { mean, std })),
            Self::TruncatedNormal {
                mean,
                std,
                low,
                high,
                corrected,
            } => {
                let truncated = TruncatedNormal::new(mean, std, low, high, corrected);
                let truncated =
                    truncated.map_err(|error| unsuited(truncation_message(error).to_owned()))?;
                Kind::Each(Sampler::TruncatedNormal(truncated))
            }
            Self::Orthogonal { gain } => Kind::Orthogonal(
                Orthogonal::new(gain, shape, layout).map_err(|m| unsuited(m.to_owned()))?,
            ),
            Self::Identity {
                gain,
                shift,
                offset,
            } => identity::resolve(gain, shift, offset, shape, layout).map_err(fault)?,
            Self::Concat { axis, ref parts } => {
                let Some(&size) = shape.get(axis) else {
                    return Err(unsuited(format!("there is no axis {axis}")));
                };
                let sizes: Vec<usize> = parts.iter().map(|(size, _)| *size).collect();
                let sum = sizes
                    .iter()
                    .try_fold(0usize, |sum, &size| sum.checked_add(size));
                if sum != Some(size) {
                    let sum = sum.map_or("too much".to_owned(), |sum| sum.to_string());
                    return Err(unsuited(format!(
                        "the parts add up to {sum} along axis {axis}, which has {size}"
                    )));
                }
                let mut fillers = Vec::with_capacity(parts.len());
                for (k, (size, part)) in parts.iter().enumerate() {
                    let layout =
                        concat::part_layout(layout, shape, axis, &sizes, k).ok_or_else(|| {
                            unsuited(format!(
                                "part {k} along axis {axis} cuts through a group or a fused part"
                            ))
                        })?;
                    let mut shape = shape.to_vec();
                    shape[axis] = *size;
                    fillers.push(part.resolve_valid(&shape, &layout)?);
                }
                Kind::Concat(Spans::new(shape, axis, sizes), fillers)
            }
            ref rule => match rule.by_fan() {
                Some(scaled) => {
                    by_fans(shape, layout, |fans| scaled.sampler(fans)).map_err(unfit)?
                }
                None => with_rule!(
                    rule,
                    rule => rule.resolve(shape, layout).map_err(fault)?,
                    _ => return Err(unsuited("it has no scale".to_owned()))
                ),
            },
        };
        Ok(Filler::new(elements(shape).map_err(unfit)?, kind))
    }
}

fn normal_fault(mean: f64, std: f64) -> Option<&'static str> {
    if !mean.is_finite() {
        Some("mean must be finite")
    } else if !std.is_finite() {
        Some("std must be finite")
    } else {
        (std < 0.0).then_some("std must not be negative")
    }
}

fn truncation_fault(
    mean: f64,
    std: f64,
    low: f64,
    high: f64,
    corrected: bool,
) -> Option<&'static str> {
    if !low.is_finite() || !high.is_finite() {
        return Some("low and high must be finite");
    }
    if low >= high {
        return Some("low must be below high (both in standard deviations)");
    }
    TruncatedNormal::new(mean, std, low, high, corrected)
        .err()
        .map(truncation_message)
}

pub(super) fn truncation_message(error: TruncationError) -> &'static str {
    match error {
        TruncationError::TooFar => {
            "both bounds lie beyond 37 standard deviations on one side; bring them nearer"
        }
        TruncationError::TooNarrow => {
            "too little of the distribution lies between the bounds; use uniform"
        }
    }
}
