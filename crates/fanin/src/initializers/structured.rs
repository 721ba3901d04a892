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
use super::structure::Structure;
use crate::filler::Values;
use crate::{Element, Stream};

/// Makes [`Structured`] from the list of forms.
macro_rules! forms {
    ($($form:ident($of:ty)),+ $(,)?) => {
        /// One of the structured forms.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Structured {
            $($form($of),)+
        }

        $(
            impl From<$of> for Values {
                fn from(form: $of) -> Self {
                    Self::Structured(Structured::$form(form))
                }
            }
        )+

        impl Structured {
            pub(crate) fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
                match self {
                    $(Self::$form(x) => x.fill(stream, start, out),)+
                }
            }

            pub(crate) fn scaled(self, factor: f64) -> Self {
                match self {
                    $(Self::$form(x) => Self::$form(x.scaled(factor)),)+
                }
            }

            pub(crate) fn shares_work(&self) -> bool {
                match self {
                    $(Self::$form(x) => x.shares_work(),)+
                }
            }

            pub(crate) fn moments(&self) -> Option<(f64, f64)> {
                match self {
                    $(Self::$form(x) => x.moments(),)+
                }
            }
        }

        impl fmt::Display for Structured {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$form(x) => x.describe(f),)+
                }
            }
        }
    };
}

forms! {
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
