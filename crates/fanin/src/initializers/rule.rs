//! What an initializer's file says of it: its entry in the catalogue, its limits, and what it resolves into.

use super::arguments::Arguments;
use super::{Entry, InitError, Initializer};
use crate::filler::Values;
use crate::{Layout, LayoutError};

/// One initializer.
pub(super) trait Rule: Arguments {
    /// What there is to say about it.
    const ENTRY: Entry;

    /// The first argument that is out of range.
    fn fault(&self) -> Option<&'static str> {
        None
    }

    /// The initializers within, whose arguments are checked as well.
    fn inner(&self) -> Vec<&Initializer> {
        Vec::new()
    }

    /// The values for a tensor whose shape fits the layout; the arguments have been checked.
    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit>;
}

/// Why a rule has no values for a tensor.
#[derive(Debug)]
pub(super) enum Unfit {
    /// The shape has no fans.
    Layout(LayoutError),
    /// What is wrong, and the way out.
    Message(String),
    /// An initializer within does not fit.
    Inner(InitError),
}

impl From<LayoutError> for Unfit {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl From<InitError> for Unfit {
    fn from(error: InitError) -> Self {
        Self::Inner(error)
    }
}

impl From<&str> for Unfit {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

impl From<String> for Unfit {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

/// Declares an initializer: the type with its arguments, the checked constructor if it is given a name, and its text.
macro_rules! rule {
    ($(#[$doc:meta])* $name:ident as $constructor:ident {}) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name;

        impl $crate::Initializer {
            $(#[$doc])*
            pub const fn $constructor() -> Self {
                Self::$name($name)
            }
        }

        impl $crate::initializers::arguments::Arguments for $name {
            fn arguments(&self) -> Vec<String> {
                Vec::new()
            }

            fn read(call: $crate::text::Call) -> Result<Self, $crate::text::ParseError> {
                let [] = call.bind([])?;
                Ok(Self)
            }
        }
    };
    (
        $(#[$doc:meta])*
        $name:ident as $constructor:ident {
            $( $(#[$field_doc:meta])* $field:ident : $type:ty $(= $usual:expr)? ),+ $(,)?
        }
    ) => {
        $crate::initializers::rule::rule! {
            $(#[$doc])*
            $name {
                $( $(#[$field_doc])* $field: $type $(= $usual)?, )+
            }
        }

        impl $crate::Initializer {
            $(#[$doc])*
            ///
            /// The arguments are those of the type of this name, in the order they print.
            ///
            /// # Errors
            /// When an argument is out of range.
            pub fn $constructor($($field: $type),+) -> Result<Self, $crate::InitError> {
                Self::$name($name { $($field),+ }).validated()
            }
        }
    };
    (
        $(#[$doc:meta])*
        $name:ident {
            $( $(#[$field_doc:meta])* $field:ident : $type:ty $(= $usual:expr)? ),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )+
        }

        impl $crate::initializers::arguments::Arguments for $name {
            fn arguments(&self) -> Vec<String> {
                let mut arguments = Vec::new();
                $(
                    $crate::initializers::arguments::show(
                        &mut arguments,
                        stringify!($field),
                        &self.$field,
                        $crate::initializers::arguments::usual!($($usual)?),
                    );
                )+
                arguments
            }

            fn exact(&self) -> bool {
                true $(&& $crate::initializers::arguments::Argument::exact(&self.$field))+
            }

            fn read(call: $crate::text::Call) -> Result<Self, $crate::text::ParseError> {
                let position = call.position;
                let [$($field),+] = call.bind([$(stringify!($field)),+])?;
                Ok(Self {
                    $(
                        $field: $crate::initializers::arguments::value(
                            $field,
                            <Self as $crate::initializers::rule::Rule>::ENTRY.name,
                            stringify!($field),
                            position,
                            $crate::initializers::arguments::usual!($($usual)?),
                        )?,
                    )+
                })
            }
        }
    };
}
pub(super) use rule;

/// What is wrong with a factor.
pub(super) fn gain_fault(gain: f64) -> Option<&'static str> {
    if !gain.is_finite() {
        Some("gain must be finite")
    } else if gain <= 0.0 {
        Some("gain must be positive; for zeros write zeros")
    } else {
        None
    }
}

/// What is wrong with a standard deviation that may be 0.
pub(super) fn std_fault(std: f64) -> Option<&'static str> {
    if !std.is_finite() {
        Some("std must be finite")
    } else {
        (std < 0.0).then_some("std must not be negative")
    }
}

/// What is wrong with a mean, or with a standard deviation that may be 0.
pub(super) fn normal_fault(mean: f64, std: f64) -> Option<&'static str> {
    if mean.is_finite() {
        std_fault(std)
    } else {
        Some("mean must be finite")
    }
}
