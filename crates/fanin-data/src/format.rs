//! What a path holds, by its beginning.

use std::path::Path;

use crate::file::beginning;
use crate::{DataError, idx, npy};

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A `.npz` archive of named arrays.
    Archive,
    /// A single `.npy` array.
    Array,
    /// IDX, compressed by gzip or not.
    Idx,
    /// A folder.
    Folder,
    /// Text: a CSV, or letters for a network that takes tokens.
    Text,
}

impl Format {
    /// What this path holds.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn of(path: &Path) -> Result<Self, DataError> {
        if path.is_dir() {
            return Ok(Self::Folder);
        }
        let start = beginning(path).map_err(|message| DataError::new(path, message))?;
        Ok(match &start[..] {
            start if is_archive(start) => Self::Archive,
            start if start.starts_with(npy::MAGIC) => Self::Array,
            start if start.starts_with(&idx::GZIP) || idx::looks_like_one(start) => Self::Idx,
            _ => Self::Text,
        })
    }
}

/// Whether a file that starts like this is a zip archive, with entries or without.
pub(crate) fn is_archive(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06")
}
