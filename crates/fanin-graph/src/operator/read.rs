//! One node as the parsers of the families see it, and the table of names.

use super::{Axes, Operator, Setting};
use crate::{Attribute, Attributes, ElementType};

/// ONNX's own domain, as nodes carry it.
pub(super) const ONNX: &str = "";
/// The domain of onnxruntime's operators.
pub(super) const MICROSOFT: &str = "com.microsoft";

/// A size past this is no kernel, stride, padding or number of anything that can run.
pub(super) const LARGEST: i64 = 1 << 31;

/// One name and what reads it.
pub(super) struct Row {
    pub(super) domain: &'static str,
    pub(super) name: &'static str,
    pub(super) parse: fn(&Given<'_>) -> Result<Operator, String>,
}

/// An operator of ONNX's own domain.
pub(super) const fn onnx(
    name: &'static str,
    parse: fn(&Given<'_>) -> Result<Operator, String>,
) -> Row {
    Row {
        domain: ONNX,
        name,
        parse,
    }
}

/// An operator of onnxruntime's domain.
pub(super) const fn microsoft(
    name: &'static str,
    parse: fn(&Given<'_>) -> Result<Operator, String>,
) -> Row {
    Row {
        domain: MICROSOFT,
        name,
        parse,
    }
}

/// What a model states about a node. An attribute of another type than the operator's counts as
/// left out, as everywhere in ONNX's readers.
pub(super) struct Given<'a> {
    pub(super) opset: i64,
    pub(super) attributes: &'a Attributes,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Given<'_> {
    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attributes.int(name, default)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attributes.float(name, default)
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.attributes.int(name, default.into()) != 0
    }

    pub(super) fn text(&self, name: &str, default: &str) -> String {
        self.attributes.str(name, default).to_owned()
    }

    /// A float, if stated.
    pub(super) fn stated_float(&self, name: &str) -> Option<f32> {
        match self.attributes.get(name) {
            Some(Attribute::Float(v)) => Some(*v),
            _ => None,
        }
    }

    /// An integer, if stated.
    pub(super) fn stated_int(&self, name: &str) -> Option<i64> {
        match self.attributes.get(name) {
            Some(Attribute::Int(v)) => Some(*v),
            _ => None,
        }
    }

    /// A number of things, if stated.
    pub(super) fn size(&self, name: &str) -> Result<Option<usize>, String> {
        self.stated_int(name)
            .map(|n| {
                usize::try_from(n)
                    .map_err(|_| format!("attribute `{name}` is {n}, which is no size"))
            })
            .transpose()
    }

    /// A number of at least one, 1 where none is stated.
    pub(super) fn count(&self, name: &str) -> Result<usize, String> {
        match self.size(name)? {
            Some(0) => Err(format!("attribute `{name}` is 0")),
            Some(n) => Ok(n),
            None => Ok(1),
        }
    }

    /// Integers of at least `lowest`; `None` where none are stated.
    pub(super) fn numbers(&self, name: &str, lowest: i64) -> Result<Option<Vec<i64>>, String> {
        let Some(list) = self.attributes.ints(name) else {
            return Ok(None);
        };
        if list.iter().any(|v| !(lowest..LARGEST).contains(v)) {
            return Err(format!(
                "attribute `{name}` is {list:?} where numbers of at least {lowest} are wanted"
            ));
        }
        Ok(Some(list.to_vec()))
    }

    /// Sizes of at least `lowest`; `None` where none are stated.
    pub(super) fn sizes(&self, name: &str, lowest: usize) -> Result<Option<Vec<usize>>, String> {
        let lowest = i64::try_from(lowest).unwrap_or(LARGEST);
        let list = self.numbers(name, lowest)?;
        // In range: `numbers` has checked it.
        Ok(list.map(|list| {
            list.into_iter()
                .map(|v| usize::try_from(v).unwrap_or(0))
                .collect()
        }))
    }

    /// The input of this place, if the node has so many.
    pub(super) fn input<T>(&self, slot: usize) -> Setting<T> {
        if slot < self.inputs {
            Setting::Input(slot)
        } else {
            Setting::Absent
        }
    }

    /// A list that older operator sets keep in an attribute and newer ones in an input.
    pub(super) fn list(&self, name: &str, slot: usize) -> Axes {
        match self.attributes.get(name) {
            Some(Attribute::Ints(list)) => Setting::Given(list.clone()),
            Some(Attribute::Int(one)) => Setting::Given(vec![*one]),
            _ => self.input(slot),
        }
    }

    /// A number that older operator sets keep in an attribute and newer ones in an input.
    pub(super) fn number(&self, name: &str, slot: usize) -> Setting<f32> {
        match self.stated_float(name) {
            Some(v) => Setting::Given(v),
            None => self.input(slot),
        }
    }

    /// An element type by its number in ONNX, if stated.
    pub(super) fn element(&self, name: &str) -> Option<ElementType> {
        self.stated_int(name)
            .and_then(|n| i32::try_from(n).ok())
            .filter(|&n| n != 0)
            .map(ElementType::from_onnx)
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(
        &self,
        name: &str,
        default: &str,
        words: &[(&str, T)],
    ) -> Result<T, String> {
        let stated = self.attributes.str(name, default);
        words
            .iter()
            .find(|(word, _)| *word == stated)
            .map(|&(_, meaning)| meaning)
            .ok_or_else(|| {
                let known: Vec<&str> = words
                    .iter()
                    .map(|&(word, _)| word)
                    .filter(|w| !w.is_empty())
                    .collect();
                format!(
                    "attribute `{name}` is `{stated}`, which is none of {}",
                    known.join(", ")
                )
            })
    }
}
