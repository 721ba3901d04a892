//! Initializers and activations as text: `name`, `name(key=value, …)`, `concat(axis=0, 64: zeros, …)`.

use std::fmt;

use crate::wording::nearest;

/// Calls within calls beyond this are refused, so that a hostile text cannot exhaust the stack.
const DEEPEST: usize = 16;

/// Why a text is no initializer or activation, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("character {}: {message}", .position + 1)]
pub struct ParseError {
    position: usize,
    message: String,
}

impl ParseError {
    pub(crate) fn new(position: usize, message: impl Into<String>) -> Self {
        Self {
            position,
            message: message.into(),
        }
    }

    /// Characters before the one at fault.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What is wrong, without the position.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// A name with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) position: usize,
    pub(crate) arguments: Vec<Argument>,
}

#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) key: Option<String>,
    /// The size before a colon.
    pub(crate) size: Option<usize>,
    pub(crate) value: Value,
    pub(crate) position: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Number(f64),
    Call(Call),
    /// Between single quotes.
    Text(String),
}

/// One bound argument.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) value: Value,
    pub(crate) position: usize,
}

impl Call {
    /// Reads a whole text.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let mut reader = Reader {
            characters: text.chars().collect(),
            next: 0,
        };
        let call = reader.call(0)?;
        reader.space();
        match reader.peek() {
            None => Ok(call),
            Some(c) => Err(reader.error(format!("'{c}' after the end of {}", call.name))),
        }
    }

    /// The arguments in the order of `parameters`, given by position or by name.
    pub(crate) fn bind<const N: usize>(
        self,
        parameters: [&str; N],
    ) -> Result<[Option<Bound>; N], ParseError> {
        let mut bound: [Option<Bound>; N] = std::array::from_fn(|_| None);
        let mut named = false;
        for (i, argument) in self.arguments.into_iter().enumerate() {
            let Argument {
                key,
                size,
                value,
                position,
            } = argument;
            if size.is_some() {
                return Err(ParseError::new(
                    position,
                    format!("{} takes no sized parts; concat does", self.name),
                ));
            }
            named |= key.is_some();
            let slot = match &key {
                Some(key) => parameters.iter().position(|p| p == key).ok_or_else(|| {
                    let hint = suggestion(key, parameters.iter().copied());
                    ParseError::new(
                        position,
                        format!("{} has no argument '{key}'{hint}", self.name),
                    )
                })?,
                None if named => {
                    return Err(ParseError::new(
                        position,
                        "an argument without a name after one with a name",
                    ));
                }
                None if i < N => i,
                None => {
                    return Err(ParseError::new(
                        position,
                        format!("{} takes at most {N} arguments", self.name),
                    ));
                }
            };
            if bound[slot].replace(Bound { value, position }).is_some() {
                return Err(ParseError::new(
                    position,
                    format!("'{}' is given twice", parameters[slot]),
                ));
            }
        }
        Ok(bound)
    }
}

/// `; did you mean '…'?` if a name is near, and nothing otherwise.
pub(crate) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!("; did you mean '{near}'?"))
}

struct Reader {
    characters: Vec<char>,
    next: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.next).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next += 1;
        }
    }

    fn take(&mut self, c: char) -> bool {
        self.space();
        let found = self.peek() == Some(c);
        self.next += usize::from(found);
        found
    }

    fn while_(&mut self, accept: impl Fn(char) -> bool) -> String {
        let from = self.next;
        while self.peek().is_some_and(&accept) {
            self.next += 1;
        }
        self.characters[from..self.next].iter().collect()
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.next, message)
    }

    fn name(&mut self) -> Result<(String, usize), ParseError> {
        self.space();
        let position = self.next;
        let name = self.while_(|c| c.is_ascii_alphanumeric() || c == '_');
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.next = position;
            return Err(match self.peek() {
                Some(c) => self.error(format!("expected a name, found '{c}'")),
                None => self.error("expected a name, found the end"),
            });
        }
        Ok((name, position))
    }

    fn call(&mut self, depth: usize) -> Result<Call, ParseError> {
        let (name, position) = self.name()?;
        self.call_after(name, position, depth)
    }

    fn call_after(
        &mut self,
        name: String,
        position: usize,
        depth: usize,
    ) -> Result<Call, ParseError> {
        if depth > DEEPEST {
            return Err(ParseError::new(
                position,
                format!("more than {DEEPEST} calls within calls"),
            ));
        }
        let mut arguments = Vec::new();
        if self.take('(') && !self.take(')') {
            loop {
                arguments.push(self.argument(depth)?);
                if self.take(')') {
                    break;
                }
                if !self.take(',') {
                    return Err(match self.peek() {
                        Some(c) => self.error(format!("expected ',' or ')', found '{c}'")),
                        None => self.error(format!("{name}( is not closed")),
                    });
                }
            }
        }
        Ok(Call {
            name,
            position,
            arguments,
        })
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, ParseError> {
        self.space();
        let position = self.next;
        if self
            .peek()
            .is_some_and(|c| c.is_ascii_digit() || "+-.".contains(c))
        {
            let number = self.number()?;
            if !self.take(':') {
                return Ok(Argument {
                    key: None,
                    size: None,
                    value: Value::Number(number),
                    position,
                });
            }
            let size = number as usize;
            if size as f64 != number {
                return Err(ParseError::new(position, "a size must be a whole number"));
            }
            let value = Value::Call(self.call(depth + 1)?);
            return Ok(Argument {
                key: None,
                size: Some(size),
                value,
                position,
            });
        }
        if self.peek() == Some('\'') {
            let value = Value::Text(self.quoted()?);
            return Ok(Argument {
                key: None,
                size: None,
                value,
                position,
            });
        }
        let (name, _) = self.name()?;
        if self.take('=') {
            self.space();
            let value = if self
                .peek()
                .is_some_and(|c| c.is_ascii_digit() || "+-.".contains(c))
            {
                Value::Number(self.number()?)
            } else if self.peek() == Some('\'') {
                Value::Text(self.quoted()?)
            } else {
                Value::Call(self.call(depth + 1)?)
            };
            return Ok(Argument {
                key: Some(name),
                size: None,
                value,
                position,
            });
        }
        let value = Value::Call(self.call_after(name, position, depth + 1)?);
        Ok(Argument {
            key: None,
            size: None,
            value,
            position,
        })
    }

    /// What stands between single quotes.
    fn quoted(&mut self) -> Result<String, ParseError> {
        let position = self.next;
        self.next += 1;
        let text = self.while_(|c| c != '\'');
        if self.peek().is_none() {
            return Err(ParseError::new(position, "the quote is not closed"));
        }
        self.next += 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<f64, ParseError> {
        let position = self.next;
        let mut text = self.while_(|c| c.is_ascii_digit() || "+-.".contains(c));
        if self.peek().is_some_and(|c| c == 'e' || c == 'E') {
            self.next += 1;
            text.push('e');
            text += &self.while_(|c| c.is_ascii_digit() || "+-".contains(c));
        } else if self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            text += &self.while_(|c| c.is_ascii_alphanumeric());
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(ParseError::new(
                position,
                format!("'{text}' is not a finite number"),
            )),
        }
    }
}

impl Bound {
    pub(crate) fn number(&self) -> Result<f64, ParseError> {
        match &self.value {
            Value::Number(number) => Ok(*number),
            Value::Call(call) => Err(ParseError::new(
                call.position,
                format!("expected a number, found '{}'", call.name),
            )),
            Value::Text(text) => Err(ParseError::new(
                self.position,
                format!("expected a number, found the text '{text}'"),
            )),
        }
    }

    /// Where the value stands, after its name.
    pub(crate) fn value_position(&self) -> usize {
        match &self.value {
            Value::Call(call) => call.position,
            Value::Number(_) | Value::Text(_) => self.position,
        }
    }

    pub(crate) fn word(&self) -> Result<&str, ParseError> {
        match &self.value {
            Value::Call(call) if call.arguments.is_empty() => Ok(&call.name),
            Value::Call(call) => Err(ParseError::new(
                call.position,
                format!("'{}' takes no arguments here", call.name),
            )),
            Value::Number(number) => Err(ParseError::new(
                self.position,
                format!("expected a name, found {number}"),
            )),
            Value::Text(text) => Err(ParseError::new(
                self.position,
                format!("expected a name without quotes, found '{text}'"),
            )),
        }
    }
}

/// A number as the shortest text that reads back as the same number.
pub(crate) struct Number(pub(crate) f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size != 0.0 && !(1e-4..1e16).contains(&size) {
            write!(f, "{:e}", self.0)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// Writes `name(key=value, …)`, or `name` alone without arguments.
pub(crate) fn write_call(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    arguments: &[(&str, &dyn fmt::Display)],
) -> fmt::Result {
    f.write_str(name)?;
    for (i, (key, value)) in arguments.iter().enumerate() {
        write!(f, "{}{key}={value}", if i == 0 { "(" } else { ", " })?;
    }
    if arguments.is_empty() {
        Ok(())
    } else {
        f.write_str(")")
    }
}
