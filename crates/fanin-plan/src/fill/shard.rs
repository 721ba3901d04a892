//! Which tensors a shard holds, and what its file is called.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use super::slices::Part;

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

/// So many shards. Whole tensors, the largest first, each to the shard that has the fewest bytes so far;
/// within a shard they keep the plan's order.
pub(super) fn balanced(parts: Vec<Part<'_>>, shards: usize) -> Vec<Vec<Part<'_>>> {
    let mut order: Vec<(usize, Part<'_>)> = parts.into_iter().enumerate().collect();
    order.sort_by_key(|(_, part)| Reverse(part.bytes()));
    let mut emptiest: BinaryHeap<Reverse<(u64, usize)>> =
        (0..shards).map(|shard| Reverse((0, shard))).collect();
    let mut filled: Vec<Vec<(usize, Part<'_>)>> = vec![Vec::new(); shards];
    for item in order {
        let Some(Reverse((bytes, shard))) = emptiest.pop() else {
            break;
        };
        // An empty tensor counts as one byte, so that it does not leave a shard without tensors.
        let grown = bytes.saturating_add(item.1.bytes().unwrap_or(u64::MAX).max(1));
        emptiest.push(Reverse((grown, shard)));
        if let Some(shard) = filled.get_mut(shard) {
            shard.push(item);
        }
    }
    filled
        .into_iter()
        .map(|mut shard| {
            shard.sort_by_key(|(position, _)| *position);
            shard.into_iter().map(|(_, part)| part).collect()
        })
        .collect()
}

/// Shards of at most so many bytes, in the plan's order; one that is larger than that is alone. The rule
/// of `huggingface_hub.split_torch_state_dict_into_shards`, so that shards are the same as there.
pub(super) fn by_size(parts: Vec<Part<'_>>, most: u64) -> Vec<Vec<Part<'_>>> {
    let mut shards = Vec::new();
    let (mut shard, mut bytes) = (Vec::new(), 0u64);
    for part in parts {
        let size = part.bytes().unwrap_or(u64::MAX);
        if size > most {
            shards.push(vec![part]);
            continue;
        }
        if bytes.saturating_add(size) > most {
            shards.push(std::mem::take(&mut shard));
            bytes = 0;
        }
        bytes = bytes.saturating_add(size);
        shard.push(part);
    }
    if !shard.is_empty() {
        shards.push(shard);
    }
    shards
}
