//! From an initializer, a shape and a layout to a [`Filler`], with every number settled.

use super::Initializer;
use super::error::InitError;
use super::rule::Unfit;
use crate::Layout;
use crate::filler::Filler;
use crate::layout::elements;

/// How deep initializers may lie within initializers.
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
        let inner = self.inner();
        let message = if depth >= DEEPEST && !inner.is_empty() {
            Some("more than 16 calls within calls")
        } else if let Some(fault) = inner.iter().find_map(|inner| inner.fault(depth + 1)) {
            return Some(fault);
        } else if !self.exact() {
            Some("a whole number must not exceed 2⁵³")
        } else {
            self.own_fault()
        };
        message.map(|message| (self, message))
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

    /// As [`Initializer::resolve`], of one whose numbers have been checked.
    pub(super) fn resolve_valid(
        &self,
        shape: &[usize],
        layout: &Layout,
    ) -> Result<Filler, InitError> {
        let unfit = |unfit: Unfit| match unfit {
            Unfit::Layout(source) => InitError::Layout {
                initializer: Box::new(self.clone()),
                source,
            },
            Unfit::Message(message) => InitError::Unsuited {
                initializer: Box::new(self.clone()),
                shape: shape.to_vec(),
                message,
            },
            Unfit::Inner(error) => error,
        };
        layout.check(shape).map_err(|error| unfit(error.into()))?;
        let values = self.values(shape, layout).map_err(unfit)?;
        let elements = elements(shape).map_err(|error| unfit(error.into()))?;
        Ok(Filler::new(elements, values))
    }
}
