//! Opening files, and how much of them is read.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

/// Most numbers of all inputs together: half a GiB as they are held.
pub const ELEMENTS: usize = 1 << 27;
/// Most bytes of a text or of one compressed file once it is open.
pub(crate) const BYTES: u64 = 1 << 30;

/// The sentence for more than [`ELEMENTS`].
pub fn too_many(count: usize, width: usize) -> String {
    format!(
        "{count} samples of {width} numbers each are more than the {ELEMENTS} numbers that are read at most; give a part of them"
    )
}

pub(crate) fn open(path: &Path) -> Result<BufReader<File>, String> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|e| format!("cannot be opened: {e}"))
}

/// The first bytes of a file, as many as there are.
pub(crate) fn beginning(path: &Path) -> Result<Vec<u8>, String> {
    let mut start = Vec::new();
    open(path)?
        .take(8)
        .read_to_end(&mut start)
        .map_err(|e| format!("cannot be read: {e}"))?;
    Ok(start)
}
