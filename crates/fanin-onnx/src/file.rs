//! The model file as bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use prost::bytes::Bytes;

use super::wire;
use super::{TORCH_EXPORT, proto};
use crate::storage::map;
use fanin_graph::{Network, NetworkError, Source};

/// A model file, mapped into memory, or a model that was there already.
#[derive(Clone, Debug)]
pub(super) struct ModelFile {
    /// The path as the user gave it, or what messages call a model in memory.
    pub(super) path: PathBuf,
    /// Where it came from.
    pub(super) source: Source,
    /// All of it.
    pub(super) bytes: Bytes,
    /// The external data that its tensors name: location as written, and checked path.
    pub(super) externals: RefCell<BTreeMap<String, PathBuf>>,
}

impl ModelFile {
    /// Maps a file; refuses what is not a regular file or obviously not a model.
    pub(super) fn open(path: &Path) -> Result<Self, NetworkError> {
        let io = |source| NetworkError::Io {
            path: path.to_owned(),
            source,
        };
        let model = |message: &str| NetworkError::Model {
            path: path.to_owned(),
            message: message.to_owned(),
        };
        let metadata = std::fs::metadata(path).map_err(io)?;
        if metadata.is_dir() {
            return Err(model("this is a folder; give the .onnx file inside it"));
        }
        if !metadata.is_file() {
            return Err(model("this is not a regular file"));
        }
        if metadata.len() == 0 {
            return Err(model("the file is empty, so it holds no model"));
        }
        let file = File::open(path).map_err(io)?;
        Ok(Self {
            path: path.to_owned(),
            source: Source::Onnx {
                path: path.to_owned(),
            },
            bytes: map(&file).map_err(io)?,
            externals: RefCell::default(),
        })
    }

    /// A model in memory.
    pub(super) fn held(name: &str, bytes: Arc<[u8]>) -> Result<Self, NetworkError> {
        let path = PathBuf::from(name);
        if bytes.is_empty() {
            return Err(NetworkError::Model {
                path,
                message: "there are no bytes, so there is no model".to_owned(),
            });
        }
        Ok(Self {
            path,
            source: Source::Bytes {
                name: name.to_owned(),
                bytes: bytes.clone(),
            },
            bytes: Bytes::from_owner(bytes),
            externals: RefCell::default(),
        })
    }

    /// Opens again what a network came from.
    pub(super) fn of(network: &Network) -> Result<Self, NetworkError> {
        match &network.source {
            Source::Onnx { path } => Self::open(path),
            Source::Bytes { name, bytes } => Self::held(name, bytes.clone()),
            Source::Architecture(_) => Err(NetworkError::Request(
                "the network comes from a one-line architecture, so there is no model file to copy"
                    .to_owned(),
            )),
        }
    }

    /// Decodes the outermost message.
    pub(super) fn model(&self) -> Result<proto::Model, NetworkError> {
        let model = proto::Model::decode(self.bytes.clone())
            .map_err(|error| self.error(self.not_a_model(&error.to_string())))?;
        let mut graphs = 0;
        for field in wire::fields(&self.bytes, 0..self.bytes.len()) {
            let field = field.map_err(|_| self.error(self.not_a_model("damaged fields")))?;
            graphs += usize::from(field.number == 7);
        }
        match graphs {
            0 if model.ir_version == 0 => Err(self.error(self.not_a_model("it holds no graph"))),
            0 => Err(self.error("the model holds no graph; the file may be cut off".to_owned())),
            1 => Ok(model),
            _ => Err(self.error(format!(
                "the model holds {graphs} graphs in place of one; save it again with onnx.save"
            ))),
        }
    }

    /// Why these bytes are no model, from what they look like.
    fn not_a_model(&self, why: &str) -> String {
        let head = &self.bytes[..self.bytes.len().min(512)];
        if head.starts_with(b"version https://git-lfs") {
            return "this is a Git LFS pointer, not the model; fetch it with `git lfs pull`".into();
        }
        if head.starts_with(b"PK\x03\x04") {
            return format!(
                "this is a zip archive (PyTorch's .pt?), not an ONNX model; export the model with `{TORCH_EXPORT}`"
            );
        }
        if head.starts_with(b"\x89HDF") {
            return "this is an HDF5 file, not an ONNX model; convert the model with tf2onnx"
                .into();
        }
        let text = |b: &u8| (0x20..0x7f).contains(b) || b"\t\r\n".contains(b) || *b >= 0x80;
        if head.iter().all(text) && std::str::from_utf8(&head[..head.len().min(64)]).is_ok() {
            return "this is a text file, not an ONNX model".into();
        }
        format!("not an ONNX model, or cut off or damaged ({why}); export or download it again")
    }

    /// An error about this file.
    pub(super) fn error(&self, message: String) -> NetworkError {
        NetworkError::Model {
            path: self.path.clone(),
            message,
        }
    }

    /// Where a slice that decoding handed out lies in the file.
    pub(super) fn range(&self, part: &Bytes) -> Range<usize> {
        let start = (part.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        match start.checked_add(part.len()) {
            Some(end) if end <= self.bytes.len() && !part.is_empty() => start..end,
            // Empty slices need not point into the file.
            _ => 0..0,
        }
    }

    /// The folder that external data must lie in; `None` for a model in memory.
    pub(super) fn folder(&self) -> Option<&Path> {
        Some(match self.source.path()?.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        })
    }
}
