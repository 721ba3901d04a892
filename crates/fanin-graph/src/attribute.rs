//! The attributes of a node.

use std::collections::BTreeMap;

use crate::HostTensor;

/// One attribute value. Subgraphs are not represented; the reader says which node has one.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants are their own names")]
pub enum Attribute {
    Int(i64),
    Float(f32),
    String(String),
    Tensor(HostTensor),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strings(Vec<String>),
}

/// The attributes of a node, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(pub BTreeMap<String, Attribute>);

impl Attributes {
    /// The attribute of this name, if the node states it.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.get(name)
    }

    /// Adds or replaces an attribute; for building graphs.
    pub fn set(mut self, name: &str, value: Attribute) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// An integer attribute, or `default` where absent or of another type.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        match self.get(name) {
            Some(Attribute::Int(v)) => *v,
            _ => default,
        }
    }

    /// A float attribute, or `default` where absent or of another type.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        match self.get(name) {
            Some(Attribute::Float(v)) => *v,
            _ => default,
        }
    }

    /// A list of integers, if stated.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.get(name) {
            Some(Attribute::Ints(v)) => Some(v),
            _ => None,
        }
    }

    /// A list of floats, if stated.
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        match self.get(name) {
            Some(Attribute::Floats(v)) => Some(v),
            _ => None,
        }
    }

    /// A string, or `default` where absent or of another type.
    pub fn str<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        match self.get(name) {
            Some(Attribute::String(v)) => v,
            _ => default,
        }
    }

    /// A list of strings, if stated.
    pub fn strings(&self, name: &str) -> Option<&[String]> {
        match self.get(name) {
            Some(Attribute::Strings(v)) => Some(v),
            _ => None,
        }
    }
}
