//! Reading TOML field by field, with the line and the field in every error.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::PlanError;
use crate::suggest;

/// A text being read; turns positions into lines.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    text: &'a str,
}

impl<'a> Text<'a> {
    /// The top-level table of the text.
    pub(crate) fn parse(
        text: &'a str,
        what: &str,
    ) -> Result<(Text<'a>, Spanned<DeTable<'a>>), PlanError> {
        let this = Text { text };
        match DeTable::parse(text) {
            Ok(table) => Ok((this, table)),
            Err(error) => Err(this.error(
                &error.span().unwrap_or(0..0),
                what,
                format!("not TOML: {}", error.message().replace('\n', ", ")),
            )),
        }
    }

    /// The line of a position, counted from 1.
    pub(crate) fn line(self, at: usize) -> usize {
        let before = self
            .text
            .as_bytes()
            .get(..at)
            .unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    pub(crate) fn error(
        self,
        at: &Range<usize>,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> PlanError {
        PlanError::Text {
            line: self.line(at.start),
            field: field.into(),
            message: message.into(),
        }
    }
}

/// One table: gives out its fields once each, then refuses what is left over.
pub(crate) struct Fields<'t, 'a> {
    text: Text<'a>,
    table: &'t DeTable<'a>,
    at: Range<usize>,
    owner: String,
    known: &'static [&'static str],
}

impl<'t, 'a> Fields<'t, 'a> {
    /// `owner` names the table in errors; `known` lists all fields it may have.
    pub(crate) fn new(
        text: Text<'a>,
        table: &'t DeTable<'a>,
        at: Range<usize>,
        owner: impl Into<String>,
        known: &'static [&'static str],
    ) -> Result<Self, PlanError> {
        let this = Self {
            text,
            table,
            at,
            owner: owner.into(),
            known,
        };
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                return Err(text.error(
                    &key.span(),
                    this.of(name),
                    format!("unknown field; {}", suggest::hint(name, known)),
                ));
            }
        }
        Ok(this)
    }

    /// Names the table once its own name is known.
    pub(crate) fn set_owner(&mut self, owner: String) {
        self.owner = owner;
    }

    fn of(&self, field: &str) -> String {
        if self.owner.is_empty() {
            format!("`{field}`")
        } else {
            format!("`{field}` of {}", self.owner)
        }
    }

    /// Where the table begins.
    pub(crate) fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    /// The field's raw value.
    pub(crate) fn get(&self, field: &str) -> Option<&'t Spanned<DeValue<'a>>> {
        debug_assert!(self.known.contains(&field), "{field} is not listed");
        self.table.get(field)
    }

    /// An error at the field, or at the table where the field is absent.
    pub(crate) fn error(&self, field: &str, message: impl Into<String>) -> PlanError {
        let at = self.get(field).map_or_else(|| self.at(), Spanned::span);
        self.text.error(&at, self.of(field), message)
    }

    fn wrong_type(&self, field: &str, expected: &str, found: &DeValue<'_>) -> PlanError {
        self.error(
            field,
            format!("expected {expected}, found {}", found.type_str()),
        )
    }

    fn needed<T>(&self, field: &str, value: Option<T>, expected: &str) -> Result<T, PlanError> {
        value.ok_or_else(|| self.error(field, format!("missing; write {expected}")))
    }

    pub(crate) fn optional_string(&self, field: &str) -> Result<Option<&'t str>, PlanError> {
        match self.get(field).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(field, "a string in quotes", other)),
        }
    }

    pub(crate) fn string(&self, field: &str) -> Result<&'t str, PlanError> {
        let value = self.optional_string(field)?;
        self.needed(field, value, "a string in quotes")
    }

    fn whole(&self, field: &str, value: &DeValue<'_>) -> Result<u64, PlanError> {
        match value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| {
                    self.error(field, format!("{number} is not between 0 and {}", u64::MAX))
                }),
            other => Err(self.wrong_type(field, "a whole number", other)),
        }
    }

    pub(crate) fn optional_u64(&self, field: &str) -> Result<Option<u64>, PlanError> {
        self.get(field)
            .map(|value| self.whole(field, value.get_ref()))
            .transpose()
    }

    pub(crate) fn u64(&self, field: &str) -> Result<u64, PlanError> {
        let value = self.optional_u64(field)?;
        self.needed(field, value, "a whole number")
    }

    fn size(&self, field: &str, value: &DeValue<'_>) -> Result<usize, PlanError> {
        let whole = self.whole(field, value)?;
        usize::try_from(whole).map_err(|_| {
            self.error(
                field,
                format!("{whole} is more than this machine can count"),
            )
        })
    }

    pub(crate) fn optional_size(&self, field: &str) -> Result<Option<usize>, PlanError> {
        self.get(field)
            .map(|value| self.size(field, value.get_ref()))
            .transpose()
    }

    pub(crate) fn optional_sizes(&self, field: &str) -> Result<Option<Vec<usize>>, PlanError> {
        match self.get(field).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::Array(items)) => items
                .iter()
                .map(|item| self.size(field, item.get_ref()))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => Err(self.wrong_type(field, "a list of sizes such as [64, 3]", other)),
        }
    }

    pub(crate) fn sizes(&self, field: &str) -> Result<Vec<usize>, PlanError> {
        let value = self.optional_sizes(field)?;
        self.needed(field, value, "a list of sizes such as [64, 3]")
    }

    pub(crate) fn optional_bool(&self, field: &str) -> Result<Option<bool>, PlanError> {
        match self.get(field).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::Boolean(value)) => Ok(Some(*value)),
            Some(other) => Err(self.wrong_type(field, "true or false", other)),
        }
    }

    pub(crate) fn optional_number(&self, field: &str) -> Result<Option<f64>, PlanError> {
        let text = match self.get(field).map(Spanned::get_ref) {
            None => return Ok(None),
            Some(DeValue::Float(number)) => number.as_str(),
            Some(DeValue::Integer(number)) if number.radix() == 10 => number.as_str(),
            Some(other) => return Err(self.wrong_type(field, "a number", other)),
        };
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Some(value)),
            _ => Err(self.error(field, format!("{text} is not a finite number"))),
        }
    }

    /// The tables of a list of tables (`[[field]]`), each with its position.
    pub(crate) fn tables(
        &self,
        field: &str,
    ) -> Result<Vec<(&'t DeTable<'a>, Range<usize>)>, PlanError> {
        let items = match self.get(field).map(Spanned::get_ref) {
            None => return Ok(Vec::new()),
            Some(DeValue::Array(items)) => items,
            Some(other) => {
                return Err(self.wrong_type(
                    field,
                    &format!("blocks that begin with [[{field}]]"),
                    other,
                ));
            }
        };
        items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::Table(table) => Ok((table, item.span())),
                other => Err(self.text.error(
                    &item.span(),
                    self.of(field),
                    format!(
                        "expected a block that begins with [[{field}]], found {}",
                        other.type_str()
                    ),
                )),
            })
            .collect()
    }

    /// A table (`[field]`) and its position.
    pub(crate) fn table(&self, field: &str) -> Result<(&'t DeTable<'a>, Range<usize>), PlanError> {
        match self.get(field) {
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Ok((table, value.span())),
                other => Err(self.wrong_type(field, &format!("a block [{field}]"), other)),
            },
            None => Err(self.error(field, format!("missing; write a block [{field}]"))),
        }
    }
}

/// A TOML basic string, quotes included.
pub(crate) fn quoted(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Also what would turn the direction of the line in a terminal or an editor.
            c if c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
            {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
