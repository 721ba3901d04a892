//! What an initializer of its own file says about itself: arguments, limits, and what it resolves into.

use std::fmt;

use super::{Entry, InitError, Initializer};
use crate::filler::Kind;
use crate::sampler::Sampler;
use crate::text::{Bound, Call, Number, ParseError, Value};
use crate::{Axis, Fans, Layout, LayoutError};

/// One initializer.
pub(super) trait Rule: Arguments {
    /// What there is to say about it.
    const ENTRY: Entry;

    /// The first argument that is out of range.
    fn fault(&self) -> Option<&'static str>;

    /// The initializer within, whose arguments are checked as well.
    fn inner(&self) -> Option<&Initializer> {
        None
    }

    /// The values for a tensor whose shape fits the layout; the arguments have been checked.
    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Kind, Unfit>;
}

/// Printing as a call and reading it back; [`rule!`] writes this for named arguments.
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

/// Whether an argument may be left out, and whether its usual value is printed.
pub(super) enum Usual<T> {
    /// It may not.
    Required,
    /// It may, and is printed all the same.
    Shown(T),
    /// It may, and is printed only where it differs.
    Silent(T),
}

/// Declares an initializer: the type with its arguments, the checked constructor, and its text.
macro_rules! rule {
    (
        $(#[$doc:meta])*
        $name:ident as $constructor:ident {
            $( $(#[$field_doc:meta])* $field:ident : $type:ty $(= $usual:expr)? ),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )*
        }

        impl $crate::Initializer {
            $(#[$doc])*
            ///
            /// The arguments are those of the type of this name, in the order they print.
            ///
            /// # Errors
            /// When an argument is out of range.
            pub fn $constructor($($field: $type),*) -> Result<Self, $crate::InitError> {
                Self::$name($name { $($field),* }).validated()
            }
        }

        impl From<$name> for $crate::Initializer {
            fn from(rule: $name) -> Self {
                Self::$name(rule)
            }
        }

        impl $crate::initializers::rule::Arguments for $name {
            fn arguments(&self) -> Vec<String> {
                #[allow(unused_mut, reason = "a rule may have no arguments")]
                let mut arguments = Vec::new();
                $(
                    $crate::initializers::rule::show(
                        &mut arguments,
                        stringify!($field),
                        &self.$field,
                        $crate::initializers::rule::usual!($($usual)?),
                    );
                )*
                arguments
            }

            fn exact(&self) -> bool {
                true $(&& $crate::initializers::rule::Parameter::exact(&self.$field))*
            }

            fn read(call: $crate::text::Call) -> Result<Self, $crate::text::ParseError> {
                #[allow(unused_variables, reason = "a rule may have no arguments")]
                let position = call.position;
                let [$($field),*] = call.bind([$(stringify!($field)),*])?;
                Ok(Self {
                    $(
                        $field: $crate::initializers::rule::value(
                            $field,
                            <Self as $crate::initializers::rule::Rule>::ENTRY.name,
                            stringify!($field),
                            position,
                            $crate::initializers::rule::usual!($($usual)?),
                        )?,
                    )*
                })
            }
        }
    };
}
pub(super) use rule;

/// The usual value of an argument, none unless given.
macro_rules! usual {
    () => {
        $crate::initializers::rule::Usual::Required
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

        impl $crate::initializers::rule::Parameter for $name {
            fn read(bound: $crate::text::Bound, key: &str) -> Result<Self, $crate::text::ParseError> {
                $crate::initializers::rule::one_of(&bound, key, Self::ALL, Self::name)
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }
    };
}
pub(super) use words;

/// A value that can stand after `name=`.
pub(super) trait Parameter: Sized + PartialEq {
    /// Reads the value of the argument called `key`.
    fn read(bound: Bound, key: &str) -> Result<Self, ParseError>;

    /// The text that [`Parameter::read`] reads.
    fn write(&self) -> String;

    /// Whether that text can hold it.
    fn exact(&self) -> bool {
        true
    }
}

/// Adds `key=value`, unless it goes without saying.
pub(super) fn show<T: Parameter>(out: &mut Vec<String>, key: &str, value: &T, usual: Usual<T>) {
    if !matches!(usual, Usual::Silent(usual) if usual == *value) {
        out.push(format!("{key}={}", value.write()));
    }
}

/// The value given, or the usual one.
pub(super) fn value<T: Parameter>(
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

impl Parameter for f64 {
    /// A gain may also be an activation, whose gain it is.
    fn read(bound: Bound, key: &str) -> Result<Self, ParseError> {
        if key == "gain" {
            super::syntax::gain(bound)
        } else {
            bound.number()
        }
    }

    fn write(&self) -> String {
        Number(*self).to_string()
    }
}

/// Whole numbers up to 2⁵³, which every number of a text can hold.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl Parameter for u64 {
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

impl Parameter for i64 {
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

impl Parameter for bool {
    fn read(bound: Bound, _: &str) -> Result<Self, ParseError> {
        super::syntax::flag(Some(bound))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// The name of a tensor, between single quotes.
impl Parameter for String {
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

impl<T: Parameter> Parameter for Option<T> {
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

impl Parameter for Box<Initializer> {
    fn read(bound: Bound, _: &str) -> Result<Self, ParseError> {
        match bound.value {
            Value::Call(call) => super::syntax::from_call(call).map(Self::new),
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

/// Writes `name(argument, …)`, or `name` alone without arguments.
pub(super) fn write_rule<R: Rule>(rule: &R, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let arguments = rule.arguments();
    if arguments.is_empty() {
        f.pad(R::ENTRY.name)
    } else {
        write!(f, "{}({})", R::ENTRY.name, arguments.join(", "))
    }
}

/// Every fused part by a sampler of its own fans.
pub(super) fn by_fans(
    shape: &[usize],
    layout: &Layout,
    sampler: impl Fn(Fans) -> Sampler,
) -> Result<Kind, LayoutError> {
    let samplers: Vec<Sampler> = layout.part_fans(shape)?.into_iter().map(sampler).collect();
    let alike = samplers.windows(2).all(|pair| pair[0] == pair[1]);
    let axis = layout.axes.iter().position(|axis| *axis == Axis::Output);
    Ok(match (alike, axis, samplers.first()) {
        (true, _, Some(sampler)) => Kind::Each(sampler.clone()),
        (_, Some(axis), _) => Kind::Parts(
            super::Spans::new(shape, axis, layout.fused.iter().copied()),
            samplers,
        ),
        // There is always a part, and parts have an axis.
        _ => Kind::Each(Sampler::Constant(0.0)),
    })
}

/// N(0, std²), of a std that depends on the fans; 0 where there is nothing to fill.
pub(super) fn normal_by_fans(
    shape: &[usize],
    layout: &Layout,
    std: impl Fn(Fans) -> f64,
) -> Result<Kind, Unfit> {
    Ok(by_fans(shape, layout, |fans| {
        let std = std(fans);
        Sampler::Normal(crate::sampler::Normal {
            mean: 0.0,
            std: if std.is_finite() { std } else { 0.0 },
        })
    })?)
}

/// U(±bound), likewise.
pub(super) fn uniform_by_fans(
    shape: &[usize],
    layout: &Layout,
    bound: impl Fn(Fans) -> f64,
) -> Result<Kind, Unfit> {
    Ok(by_fans(shape, layout, |fans| {
        let bound = bound(fans);
        let bound = if bound.is_finite() { bound } else { 0.0 };
        Sampler::Uniform(crate::sampler::Uniform {
            low: -bound,
            high: bound,
        })
    })?)
}

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
