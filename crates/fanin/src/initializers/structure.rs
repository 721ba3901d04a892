//! What every structured form of values can do, those that are not drawn element by element alone.

use std::fmt;

use crate::{Element, Stream};

/// What every structured form can do.
pub(crate) trait Structure {
    /// Writes elements `start ..`; `out` is not empty and within the tensor.
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]);

    /// The same values times a positive factor.
    fn scaled(self, factor: f64) -> Self;

    /// See [`Filler::shares_work`](crate::Filler::shares_work).
    fn shares_work(&self) -> bool {
        false
    }

    /// Mean and mean square of the elements, where they are known.
    fn moments(&self) -> Option<(f64, f64)>;

    /// What the values are, with the numbers settled.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}
