//! Attributes as stored, into attributes as the graph has them.

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use super::file::ModelFile;
use super::proto::{self, attribute_type as kind};
use super::tensor;
use fanin_graph::{Attribute, Attributes};

/// The attributes of a function call, by name: what `ref_attr_name` refers to.
pub(super) type References = HashMap<String, proto::Attribute>;

/// The type of an attribute; files of the first IR versions do not state it.
pub(super) fn kind_of(attribute: &proto::Attribute) -> i32 {
    if attribute.r#type != kind::UNDEFINED {
        return attribute.r#type;
    }
    let held = [
        (attribute.f.is_some(), kind::FLOAT),
        (attribute.i.is_some(), kind::INT),
        (attribute.s.is_some(), kind::STRING),
        (attribute.t.is_some(), kind::TENSOR),
        (attribute.g.is_some(), kind::GRAPH),
        (!attribute.floats.is_empty(), kind::FLOATS),
        (!attribute.ints.is_empty(), kind::INTS),
        (!attribute.strings.is_empty(), kind::STRINGS),
        (!attribute.graphs.is_empty(), kind::GRAPHS),
    ];
    held.iter()
        .find(|(present, _)| *present)
        .map_or(kind::UNDEFINED, |(_, kind)| *kind)
}

/// Replaces references to the attributes of the enclosing function; a reference to one that the
/// call does not state leaves the attribute out, as the standard says.
pub(super) fn resolve(
    attributes: Vec<proto::Attribute>,
    references: &References,
) -> Vec<proto::Attribute> {
    attributes
        .into_iter()
        .filter_map(|attribute| {
            if attribute.ref_attr_name.is_empty() {
                return Some(attribute);
            }
            let mut referred = references.get(&attribute.ref_attr_name)?.clone();
            referred.name = attribute.name;
            Some(referred)
        })
        .collect()
}

/// The attributes of a node without subgraphs.
pub(super) fn attributes(
    stated: &[proto::Attribute],
    file: &ModelFile,
    budget: &mut u64,
) -> Result<Attributes, String> {
    let mut out = BTreeMap::new();
    for attribute in stated {
        if let Some(value) = value(attribute, file, budget)?
            && out.insert(attribute.name.clone(), value).is_some()
        {
            return Err(format!("attribute `{}` is stated twice", attribute.name));
        }
    }
    Ok(Attributes(out))
}

/// One attribute; `None` for types, which only operations on sequences have.
fn value(
    attribute: &proto::Attribute,
    file: &ModelFile,
    budget: &mut u64,
) -> Result<Option<Attribute>, String> {
    let name = &attribute.name;
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Some(match kind_of(attribute) {
        kind::FLOAT => Attribute::Float(attribute.f.unwrap_or(0.0)),
        kind::INT => Attribute::Int(attribute.i.unwrap_or(0)),
        kind::STRING => Attribute::String(string(attribute.s.as_deref().unwrap_or_default())),
        kind::FLOATS => Attribute::Floats(attribute.floats.clone()),
        kind::INTS => Attribute::Ints(attribute.ints.clone()),
        kind::STRINGS => Attribute::Strings(attribute.strings.iter().map(|s| string(s)).collect()),
        kind::TENSOR => {
            let bytes = attribute.t.clone().unwrap_or_default();
            let what = format!("the tensor of attribute `{name}`");
            let stored = proto::Tensor::decode(bytes)
                .map_err(|e| format!("{what} is damaged: {e}"))
                .and_then(|t| tensor::stored(&t, &what, file))?;
            Attribute::Tensor(tensor::host(&stored, &what, file, budget)?)
        }
        kind::TYPE => return Ok(None),
        kind::GRAPH | kind::GRAPHS => {
            return Err(format!(
                "attribute `{name}` is a subgraph; fanin reads loops, scans and branches only where \
                 an `If` has a constant condition, so export the model without control flow"
            ));
        }
        kind::UNDEFINED => return Err(format!("attribute `{name}` has no value")),
        other => {
            return Err(format!(
                "attribute `{name}` has type {other} of ONNX, which fanin does not read"
            ));
        }
    }))
}
