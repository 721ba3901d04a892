//! Why an initializer cannot be used.

use super::Initializer;
use crate::LayoutError;
use crate::filler::RangeError;

/// Why an initializer cannot be used, or not for this tensor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
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
