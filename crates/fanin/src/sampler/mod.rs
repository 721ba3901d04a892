//! What one element is drawn from, with every number settled.

pub(crate) mod fill;
mod normal;
mod truncated_normal;
mod uniform;

pub(crate) use normal::Normal;
pub(crate) use truncated_normal::{TruncatedNormal, TruncationError};
pub(crate) use uniform::Uniform;

use crate::Element;
use crate::stream::Stream;

/// The rule that turns the words of a tile into values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sampler {
    Constant(f64),
    Uniform(Uniform),
    Normal(Normal),
    TruncatedNormal(TruncatedNormal),
}

impl Sampler {
    /// Standard deviation of the values.
    pub(crate) fn std(&self) -> f64 {
        match self {
            Self::Constant(_) => 0.0,
            Self::Uniform(uniform) => uniform.std(),
            Self::Normal(normal) => normal.std,
            Self::TruncatedNormal(truncated) => truncated.std(),
        }
    }

    /// Mean of the values.
    pub(crate) fn mean(&self) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform(uniform) => uniform.mean(),
            Self::Normal(normal) => normal.mean,
            Self::TruncatedNormal(truncated) => truncated.mean(),
        }
    }

    /// The distribution of the values times a positive factor.
    pub(crate) fn scaled(&self, factor: f64) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(factor * value),
            Self::Uniform(uniform) => Self::Uniform(Uniform {
                low: factor * uniform.low,
                high: factor * uniform.high,
            }),
            Self::Normal(normal) => Self::Normal(Normal {
                mean: factor * normal.mean,
                std: factor * normal.std,
            }),
            Self::TruncatedNormal(truncated) => Self::TruncatedNormal(truncated.scaled(factor)),
        }
    }

    /// Writes elements `start ..` of the tensor whose stream this is.
    pub(crate) fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        if let Self::Constant(value) = self {
            out.fill(T::from_f64(*value));
            return;
        }
        crate::parallel::pieces(start, out, |start, out| {
            self.fill_serially(stream, start, out)
        });
    }

    /// The same on this thread alone.
    pub(crate) fn fill_serially<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        match self {
            Self::Constant(value) => out.fill(T::from_f64(*value)),
            Self::Uniform(uniform) => T::fill(uniform, stream, start, out),
            Self::Normal(normal) => T::fill(normal, stream, start, out),
            Self::TruncatedNormal(truncated) => T::fill(truncated, stream, start, out),
        }
    }
}
