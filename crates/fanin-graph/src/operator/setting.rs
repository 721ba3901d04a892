//! A setting that stands in an attribute or comes in through an input.

/// Where an operator takes a setting from. Operator sets moved many settings from attributes to
/// inputs; who reads a [`Setting`] need not know which.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting<T> {
    /// An attribute states it.
    Given(T),
    /// It is the elements of this input, which may still be an optional input that is left out:
    /// then it counts as [`Setting::Absent`].
    Input(usize),
    /// Nothing states it; what that means stands at the operator.
    Absent,
}

/// Axes of a tensor, negative ones counted from the end.
pub type Axes = Setting<Vec<i64>>;

/// What is known of a setting when its inputs may be known or not.
#[derive(Clone, Debug, PartialEq)]
pub enum Known<T> {
    /// These values.
    Value(T),
    /// Nothing states it.
    Absent,
    /// It comes from an input whose elements are not known.
    Unknown,
}

impl<T> Setting<T> {
    /// The input it comes from.
    pub fn slot(&self) -> Option<usize> {
        match self {
            Self::Input(slot) => Some(*slot),
            Self::Given(_) | Self::Absent => None,
        }
    }

    /// What an attribute states.
    pub fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Input(_) | Self::Absent => None,
        }
    }
}
