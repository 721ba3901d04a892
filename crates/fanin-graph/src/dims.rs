//! What the user says about the sizes that a model leaves open.

use std::collections::BTreeMap;

/// Sizes for the free dimensions of a model's inputs.
///
/// A named dimension takes its size from `named`; an unnamed or unlisted one takes `batch` where
/// it is the first axis of an input and the reader's default (documented there) elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dims {
    /// Size of the batch axis (`--batch`).
    pub batch: Option<usize>,
    /// Sizes by the dimension's name in the model (`--dim NAME=N`).
    pub named: BTreeMap<String, usize>,
    /// Whole shapes by input name, taken from the user's data (`--data`); they win over the rest.
    /// [`Dims::SOLE`] stands for a model's only input, or its only floating one; [`Dims::LABELS`] may
    /// be among them without being an input.
    pub inputs: BTreeMap<String, Vec<usize>>,
}

impl Dims {
    /// The name that a model's only input, or its only floating one, also goes by.
    pub const SOLE: &str = "input";
    /// The name of the classes that go with the data. They are no input unless the model has one of this
    /// name.
    pub const LABELS: &str = "labels";
}
