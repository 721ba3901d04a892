//! The arguments of an initializer as text: how each kind of value is written and read, and what may be left out.

use std::fmt;
use std::str::FromStr;

use super::Initializer;
use crate::text::{Bound, Call, Number, ParseError, Value};
use crate::{Activation, Mode};

/// Printing as a call and reading it back; [`rule!`](super::rule::rule) writes this for named arguments.
pub(super) trait Arguments: Sized {
    /// The arguments within the brackets, by name or as a list.
    fn arguments(&self) -> Vec<String>;

    /// From the arguments of a call.
    fn read(call: Call) -> Result<Self, ParseError>;

    /// Whether a text can hold every number.
    fn exact(&self) -> bool {
        true
    }
}

/// Whether an argument may be left out, and whether its usual value is printed.
pub(super) enum Usual<T> {
    /// It may not.
    Required,
    /// It may, and is printed all the same.
    Shown(T),
    /// It may, and is printed only where it differs.
    Silent(T),
}

/// The usual value of an argument, none unless given.
macro_rules! usual {
    () => {
        $crate::initializers::arguments::Usual::Required
    };
    ($usual:expr) => {
        $usual
    };
}
pub(super) use usual;

/// Declares an argument that is one of a few words.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident { $( $(#[$word_doc:meta])* $word:ident = $text:literal ),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$word_doc])* $word, )*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word),*];

            /// The word it prints as.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$word => $text, )*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl $crate::initializers::arguments::Argument for $name {
            fn read(bound: $crate::text::Bound, key: &str) -> Result<Self, $crate::text::ParseError> {
                $crate::initializers::arguments::one_of(&bound, key, Self::ALL, Self::name)
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }
    };
}
pub(super) use words;

/// A value that can stand after `name=`.
pub(super) trait Argument: Sized + PartialEq {
    /// Reads the value of the argument called `key`.
    fn read(bound: Bound, key: &str) -> Result<Self, ParseError>;

    /// The text that [`Argument::read`] reads.
    fn write(&self) -> String;

    /// Whether that text can hold it.
    fn exact(&self) -> bool {
        true
    }
}

/// Adds `key=value`, unless it goes without saying.
pub(super) fn show<T: Argument>(out: &mut Vec<String>, key: &str, value: &T, usual: Usual<T>) {
    if !matches!(usual, Usual::Silent(usual) if usual == *value) {
        out.push(format!("{key}={}", value.write()));
    }
}

/// The value given, or the usual one.
pub(super) fn value<T: Argument>(
    bound: Option<Bound>,
    name: &str,
    key: &str,
    position: usize,
    usual: Usual<T>,
) -> Result<T, ParseError> {
    match (bound, usual) {
        (Some(bound), _) => T::read(bound, key),
        (None, Usual::Shown(usual) | Usual::Silent(usual)) => Ok(usual),
        (None, Usual::Required) => Err(ParseError::new(position, format!("{name} needs {key}"))),
    }
}

/// The value of that name.
pub(super) fn one_of<T: Copy>(
    bound: &Bound,
    key: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, ParseError> {
    let word = bound.word()?;
    all.iter()
        .copied()
        .find(|x| name(*x) == word)
        .ok_or_else(|| {
            let known: Vec<_> = all.iter().map(|x| name(*x)).collect();
            ParseError::new(
                bound.value_position(),
                format!("unknown {key} '{word}'; known are {}", known.join(", ")),
            )
        })
}

impl Argument for f64 {
    /// A gain may also be an activation, whose gain it is.
    fn read(bound: Bound, key: &str) -> Result<Self, ParseError> {
        if key == "gain" {
            gain(bound)
        } else {
            bound.number()
        }
    }

    fn write(&self) -> String {
        Number(*self).to_string()
    }
}

/// A number, or the gain of the activation named.
fn gain(bound: Bound) -> Result<f64, ParseError> {
    match bound.value {
        Value::Call(activation) => Ok(Activation::from_call(activation)?.gain().value()),
        Value::Number(number) => Ok(number),
        Value::Text(text) => Err(ParseError::new(
            bound.position,
            format!("expected a number or an activation, found the text '{text}'"),
        )),
    }
}

impl Argument for Mode {
    fn read(bound: Bound, _: &str) -> Result<Self, ParseError> {
        parsed(&bound)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// A word that says itself what it may be.
pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(bound: &Bound) -> Result<T, ParseError> {
    let read = bound.word()?.parse();
    read.map_err(|error: T::Err| ParseError::new(bound.value_position(), error.to_string()))
}

/// Whole numbers up to 2⁵³, which every number of a text can hold.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl Argument for u64 {
    fn read(bound: Bound, key: &str) -> Result<Self, ParseError> {
        let number = bound.number()?;
        if number.fract() != 0.0 || !(0.0..=WHOLE).contains(&number) {
            return Err(ParseError::new(
                bound.position,
                format!("{key} must be a whole number that is not negative"),
            ));
        }
        Ok(number as Self)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn exact(&self) -> bool {
        *self <= WHOLE as Self
    }
}

impl Argument for i64 {
    fn read(bound: Bound, key: &str) -> Result<Self, ParseError> {
        let number = bound.number()?;
        if number.fract() != 0.0 || number.abs() > WHOLE {
            return Err(ParseError::new(
                bound.position,
                format!("{key} must be a whole number"),
            ));
        }
        Ok(number as Self)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn exact(&self) -> bool {
        self.unsigned_abs() <= WHOLE as u64
    }
}

impl Argument for bool {
    fn read(bound: Bound, _: &str) -> Result<Self, ParseError> {
        match bound.word()? {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(ParseError::new(
                bound.value_position(),
                format!("expected true or false, found '{other}'"),
            )),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// The name of a tensor, between single quotes.
impl Argument for String {
    fn read(bound: Bound, key: &str) -> Result<Self, ParseError> {
        match bound.value {
            Value::Text(text) => Ok(text),
            _ => Err(ParseError::new(
                bound.value_position(),
                format!("{key} must be a name in quotes, such as '0.weight'"),
            )),
        }
    }

    fn write(&self) -> String {
        format!("'{self}'")
    }
}

impl<T: Argument> Argument for Option<T> {
    fn read(bound: Bound, key: &str) -> Result<Self, ParseError> {
        T::read(bound, key).map(Some)
    }

    fn write(&self) -> String {
        self.as_ref().map_or_else(String::new, T::write)
    }

    fn exact(&self) -> bool {
        self.as_ref().is_none_or(T::exact)
    }
}

impl Argument for Box<Initializer> {
    fn read(bound: Bound, _: &str) -> Result<Self, ParseError> {
        match bound.value {
            Value::Call(call) => Initializer::from_call(call).map(Self::new),
            Value::Number(number) => Err(ParseError::new(
                bound.position,
                format!("expected an initializer, found {number}"),
            )),
            Value::Text(text) => Err(ParseError::new(
                bound.position,
                format!("expected an initializer, found the text '{text}'"),
            )),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// The numbers of a list without names, as `array(0, 1)`.
pub(super) fn list(call: Call) -> Result<Vec<f64>, ParseError> {
    let Call {
        name, arguments, ..
    } = call;
    arguments
        .into_iter()
        .map(|argument| match argument.value {
            Value::Number(number) if argument.key.is_none() && argument.size.is_none() => {
                Ok(number)
            }
            _ => Err(ParseError::new(
                argument.position,
                format!("{name} takes numbers, without names"),
            )),
        })
        .collect()
}
