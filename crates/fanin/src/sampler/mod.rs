//! What one element is drawn from, with every number settled.

mod normal;
mod truncated_normal;
mod uniform;

pub(crate) use normal::Normal;
pub(crate) use truncated_normal::{TruncatedNormal, TruncationError};
pub(crate) use uniform::Uniform;

use crate::Element;
use crate::element::private::Real;
use crate::stream::{LANES, Stream, TILE, Words};

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

    #[inline(always)]
    pub(crate) fn single(&self, words: &Words) -> [f32; TILE] {
        match self {
            Self::Constant(value) => [*value as f32; TILE],
            Self::Uniform(uniform) => uniform.single(words),
            Self::Normal(normal) => normal.single(words),
            Self::TruncatedNormal(truncated) => truncated.single(words),
        }
    }

    #[inline(always)]
    pub(crate) fn double(&self, high: &Words, low: &Words) -> [f64; TILE] {
        match self {
            Self::Constant(value) => [*value; TILE],
            Self::Uniform(uniform) => uniform.double(high, low),
            Self::Normal(normal) => normal.double(high, low),
            Self::TruncatedNormal(truncated) => truncated.double(high, low),
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
        let low = T::Real::DOUBLE.then(|| stream.substream("low"));
        let mut tile = start / TILE as u64;
        let mut skip = (start % TILE as u64) as usize;
        let mut rest = out;
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut(rest.len().min(TILE - skip));
            let high = stream.tile(tile);
            let low = low.as_ref().map_or([[0; LANES]; 4], |low| low.tile(tile));
            let values = T::Real::pick(|| self.single(&high), || self.double(&high, &low));
            for (to, from) in now.iter_mut().zip(&values[skip..]) {
                *to = T::round(*from);
            }
            (tile, skip, rest) = (tile + 1, 0, later);
        }
    }
}
