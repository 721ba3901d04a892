//! What a recipe says of one parameter.

use fanin::Initializer;

/// What a recipe chose for one parameter, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) initializer: Initializer,
    pub(crate) reason: String,
}

impl Choice {
    pub(crate) fn new(initializer: Initializer, reason: impl Into<String>) -> Self {
        Self {
            initializer,
            reason: reason.into(),
        }
    }
}
