//! Which tensors a shard holds, and what its file is called.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::{Entry, Plan};

/// `model-00002-of-00004.safetensors` for shard 2 of 4 of `model.safetensors`, in the same folder.
pub fn shard_path(path: &Path, shard: usize, shards: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path
        .extension()
        .map_or_else(|| "safetensors".into(), |e| e.to_string_lossy());
    path.with_file_name(format!("{stem}-{shard:05}-of-{shards:05}.{extension}"))
}

/// `model.safetensors.index.json`, which says in which shard each tensor is.
pub(super) fn index_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".index.json");
    path.with_file_name(name)
}

/// The entries of each shard. Whole tensors, the largest first, each to the shard that has the fewest
/// bytes so far; within a shard they keep the plan's order.
pub(super) fn split(plan: &Plan, shards: usize) -> Vec<Vec<&Entry>> {
    let mut order: Vec<(usize, &Entry)> = plan.entries.iter().enumerate().collect();
    order.sort_by_key(|(_, entry)| Reverse(entry.bytes()));
    let mut emptiest: BinaryHeap<Reverse<(u64, usize)>> =
        (0..shards).map(|shard| Reverse((0, shard))).collect();
    let mut parts: Vec<Vec<(usize, &Entry)>> = vec![Vec::new(); shards];
    for item in order {
        let Some(Reverse((bytes, shard))) = emptiest.pop() else {
            break;
        };
        // An empty tensor counts as one byte, so that it does not leave a shard without tensors.
        let grown = bytes.saturating_add(item.1.bytes().unwrap_or(u64::MAX).max(1));
        emptiest.push(Reverse((grown, shard)));
        if let Some(part) = parts.get_mut(shard) {
            part.push(item);
        }
    }
    parts
        .into_iter()
        .map(|mut part| {
            part.sort_by_key(|(position, _)| *position);
            part.into_iter().map(|(_, entry)| entry).collect()
        })
        .collect()
}

/// The index of all shards, as transformers reads it.
pub(super) fn index(plan: &Plan, path: &Path, shards: usize) -> String {
    let mut map = Map::new();
    for (shard, entries) in split(plan, shards).into_iter().enumerate() {
        let file = shard_path(path, shard + 1, shards);
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        for entry in entries {
            map.insert(entry.name.clone(), json!(file));
        }
    }
    let index = json!({
        "metadata": { "total_size": plan.bytes() },
        "weight_map": Value::Object(map),
    });
    format!("{index:#}\n")
}
