//! Values that are not drawn element by element alone: the resolved form of the structured initializers.

use std::fmt;

use super::array::Listed;
use super::chrono::Timescales;
use super::delta_orthogonal::Centre;
use super::embedding::Padded;
use super::log_uniform::LogUniformSampler;
use super::mimetic::Mimic;
use super::mirrored::Mirror;
use super::nguyen_widrow::UnitVectors;
use super::orthogonal_conv::Kernel;
use super::pattern::Pattern;
use super::sparse::Few;
use crate::{Element, Stream};

/// What every structured form can do.
pub(super) trait Structure {
    /// Writes elements `start ..`; `out` is not empty and within the tensor.
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]);

    /// The same values times a positive factor.
    fn scaled(self, factor: f64) -> Self;

    /// Mean and mean square of the elements, where they are known.
    fn moments(&self) -> Option<(f64, f64)>;

    /// What the values are, with the numbers settled.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// One of the structured forms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Structured {
    Listed(Listed),
    LogUniform(LogUniformSampler),
    Timescales(Timescales),
    Centre(Centre),
    Padded(Padded),
    Mirror(Mirror),
    Mimic(Mimic),
    UnitVectors(UnitVectors),
    Kernel(Kernel),
    Pattern(Pattern),
    Few(Few),
}

macro_rules! each {
    ($self:expr, $x:ident => $body:expr) => {
        match $self {
            Self::Listed($x) => $body,
            Self::LogUniform($x) => $body,
            Self::Timescales($x) => $body,
            Self::Centre($x) => $body,
            Self::Padded($x) => $body,
            Self::Mirror($x) => $body,
            Self::Mimic($x) => $body,
            Self::UnitVectors($x) => $body,
            Self::Kernel($x) => $body,
            Self::Pattern($x) => $body,
            Self::Few($x) => $body,
        }
    };
}

impl Structured {
    pub(crate) fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        each!(self, x => x.fill(stream, start, out));
    }

    pub(crate) fn scaled(self, factor: f64) -> Self {
        match self {
            Self::Listed(x) => Self::Listed(x.scaled(factor)),
            Self::LogUniform(x) => Self::LogUniform(x.scaled(factor)),
            Self::Timescales(x) => Self::Timescales(x.scaled(factor)),
            Self::Centre(x) => Self::Centre(x.scaled(factor)),
            Self::Padded(x) => Self::Padded(x.scaled(factor)),
            Self::Mirror(x) => Self::Mirror(x.scaled(factor)),
            Self::Mimic(x) => Self::Mimic(x.scaled(factor)),
            Self::UnitVectors(x) => Self::UnitVectors(x.scaled(factor)),
            Self::Kernel(x) => Self::Kernel(x.scaled(factor)),
            Self::Pattern(x) => Self::Pattern(x.scaled(factor)),
            Self::Few(x) => Self::Few(x.scaled(factor)),
        }
    }

    /// See [`Filler::shares_work`](crate::Filler::shares_work).
    pub(crate) fn shares_work(&self) -> bool {
        match self {
            Self::Kernel(_) | Self::Mimic(_) => true,
            Self::Centre(centre) => centre.at_centre().shares_work(),
            Self::Mirror(mirror) => mirror.half().shares_work(),
            _ => false,
        }
    }

    pub(crate) fn moments(&self) -> Option<(f64, f64)> {
        each!(self, x => x.moments())
    }
}

impl fmt::Display for Structured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, x => x.describe(f))
    }
}
