//! The header of a safetensors file: eight bytes of length, then JSON, then the tensors without gaps.

use fanin::DType;
use serde_json::{Map, Value, json};

use crate::{Entry, Plan};

/// The longest header that readers accept.
const LONGEST: usize = 100_000_000;

/// Where everything lies in a file.
pub(super) struct FileMap<'a> {
    /// Length, JSON and padding.
    pub(super) header: Vec<u8>,
    /// The tensors in the order of the file, each with the position of its first byte.
    pub(super) tensors: Vec<(&'a Entry, u64)>,
    /// Bytes of the whole file.
    pub(super) bytes: u64,
}

/// Lays out a file that holds these entries.
pub(super) fn lay_out<'a>(
    plan: &Plan,
    mut entries: Vec<&'a Entry>,
    shard: Option<(usize, usize)>,
) -> Result<FileMap<'a>, String> {
    if entries.iter().any(|entry| entry.name == "__metadata__") {
        return Err("a parameter is called `__metadata__`, which safetensors keeps for itself; rename it in the model".to_owned());
    }
    // Wide formats first, so that every tensor is aligned to its own elements.
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.dtype.size_of()));
    let mut object = Map::new();
    object.insert("__metadata__".to_owned(), metadata(plan, shard));
    let mut offset = 0u64;
    let mut tensors = Vec::with_capacity(entries.len());
    for entry in entries {
        let end = entry
            .bytes()
            .and_then(|bytes| offset.checked_add(bytes))
            .ok_or("the tensors take more bytes than can be counted")?;
        object.insert(
            entry.name.clone(),
            json!({
                "dtype": dtype(entry.dtype),
                "shape": entry.shape,
                "data_offsets": [offset, end],
            }),
        );
        tensors.push((entry, offset));
        offset = end;
    }
    let mut text = Value::Object(object).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    if text.len() > LONGEST {
        return Err(format!(
            "the header takes {} bytes, and readers accept {LONGEST}; write shards instead",
            text.len()
        ));
    }
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    let begin = header.len() as u64;
    let bytes = begin
        .checked_add(offset)
        .ok_or("the tensors take more bytes than can be counted")?;
    for (_, at) in &mut tensors {
        *at += begin;
    }
    Ok(FileMap {
        header,
        tensors,
        bytes,
    })
}

/// Strings only, as the format asks. `format` is what transformers looks for.
fn metadata(plan: &Plan, shard: Option<(usize, usize)>) -> Value {
    let mut metadata = json!({
        "format": "pt",
        "fanin.stream": Plan::STREAM,
        "fanin.seed": plan.seed.to_string(),
        "fanin.recipe": plan.recipe.name(),
        "fanin.plan": format!("sha256:{}", plan.digest()),
    });
    if let Some((i, n)) = shard {
        metadata["fanin.shard"] = json!(format!("{i}/{n}"));
    }
    metadata
}

fn dtype(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "F64",
        DType::F32 => "F32",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::F8E4M3 => "F8_E4M3",
        DType::F8E5M2 => "F8_E5M2",
    }
}
