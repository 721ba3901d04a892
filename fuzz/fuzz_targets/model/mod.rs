//! What the targets over models share: a folder for the file, limits on size, models made of bytes.

#![allow(dead_code, reason = "each target uses some of it")]

pub mod build;
#[allow(
    missing_docs,
    reason = "the crate's own messages, compiled once more for what builds models"
)]
#[path = "../../../crates/fanin-onnx/src/proto.rs"]
pub mod proto;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fanin_network::Network;

/// Elements that all values of a network together may have. A network within it runs in
/// milliseconds; whoever checks a larger one knows what they ask for.
pub const MOST_ELEMENTS: usize = 1 << 12;

/// A folder of this process's own, with a file beside the model that external data may name.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("fanin-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for temporary files");
        std::fs::write(folder.join("w.bin"), [0x3e; 256]).expect("a temporary file");
        folder
    })
}

/// Writes the model's file; a mapping of the one before must be gone.
pub fn write(bytes: &[u8]) -> PathBuf {
    let path = folder().join("model.onnx");
    std::fs::write(&path, bytes).expect("a temporary file");
    path
}

/// Whether every value has a known shape and all are small together.
pub fn is_small(network: &Network) -> bool {
    let mut total = 0usize;
    network.nodes.len() <= 64
        && network.values.iter().all(|value| {
            let Some(shape) = &value.shape else {
                return false;
            };
            let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
            total = total.saturating_add(count.unwrap_or(usize::MAX));
            total <= MOST_ELEMENTS
        })
}
