//! Where a network came from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a network came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An ONNX file.
    Onnx {
        /// The path as the user gave it.
        path: PathBuf,
    },
    /// A model in memory.
    Bytes {
        /// What to call it in messages.
        name: String,
        /// The whole model file.
        bytes: Arc<[u8]>,
    },
    /// A one-line architecture, as the user wrote it.
    Architecture(String),
}

impl Source {
    /// The model file, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Onnx { path } => Some(path),
            Self::Bytes { .. } | Self::Architecture(_) => None,
        }
    }
}
