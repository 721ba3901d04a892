//! What can be wrong with a data file.

use std::path::{Path, PathBuf};

/// A data file that cannot be read, or not as what it is taken for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct DataError {
    /// The file, or the folder.
    pub path: PathBuf,
    /// One sentence.
    pub message: String,
}

impl DataError {
    pub(crate) fn new(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}
