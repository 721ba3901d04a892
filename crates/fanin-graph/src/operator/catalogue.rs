//! All operators that are read, one example each.

use super::read::ONNX;
use super::{FAMILIES, Operator};
use crate::{Attribute, Attributes};

/// The operator set that examples are read in.
const OPSET: i64 = 23;

/// An operator that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its domain; empty for ONNX's own.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
    /// One of this name, with the attributes it cannot do without and three inputs.
    pub example: Operator,
}

impl Entry {
    /// The name, with the domain before it where it is not ONNX's own.
    pub fn title(&self) -> String {
        match self.domain {
            ONNX => self.name.to_owned(),
            domain => format!("{domain}.{}", self.name),
        }
    }
}

/// Every operator that [`Operator::parse`] knows: ONNX's own by name, then those of other domains.
pub fn catalogue() -> Vec<Entry> {
    let needed = needed();
    let mut entries: Vec<Entry> = FAMILIES
        .into_iter()
        .flatten()
        .filter_map(|row| {
            Some(Entry {
                domain: row.domain,
                name: row.name,
                example: Operator::parse(row.domain, row.name, OPSET, &needed, 3, 1).ok()?,
            })
        })
        .collect();
    entries.sort_by_key(|entry| (entry.domain, entry.name));
    entries
}

/// What some operators cannot do without; to the others these attributes mean nothing.
fn needed() -> Attributes {
    Attributes::default()
        .set("to", Attribute::Int(1))
        .set("blocksize", Attribute::Int(2))
        .set("size", Attribute::Int(3))
        .set("kernel_shape", Attribute::Ints(vec![2, 2]))
        .set("pooled_shape", Attribute::Ints(vec![2, 2]))
        .set("shape", Attribute::Ints(vec![2]))
        .set("equation", Attribute::String("ij,jk->ik".to_owned()))
}
