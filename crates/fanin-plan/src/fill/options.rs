//! What the user may say about a fill, and what comes of it.

use std::path::PathBuf;

use super::Slices;

/// Called from any thread with the bytes done so far and the bytes in all.
pub type Progress = Box<dyn Fn(u64, u64) + Send + Sync>;

/// How to fill a file.
#[derive(Default)]
pub struct FillOptions {
    /// Write only shard I of N, I from 1, beside the path given: see [`shard_path`](crate::shard_path).
    /// Shards hold whole tensors, as many bytes each as these allow.
    pub shard: Option<(usize, usize)>,
    /// Write shards of at most this many bytes of tensors, in the plan's order, as Hugging Face's
    /// `max_shard_size` does; a tensor that is larger has a shard of its own. One shard is a plain file.
    pub max_shard_bytes: Option<u64>,
    /// Write only parts of some tensors.
    pub slices: Slices,
    /// Replace files that hold something else. Without it they are refused.
    pub replace: bool,
    /// Told after every block.
    pub progress: Option<Progress>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The files: the path given, or the shards.
    pub files: Vec<PathBuf>,
    /// The index, where this run wrote it: all shards are there then.
    pub index: Option<PathBuf>,
    /// Number of tensors in the files.
    pub tensors: usize,
    /// Bytes of the files.
    pub bytes: u64,
    /// Bytes among them that were there already, from a run that was killed or one that finished.
    pub found: u64,
}
