//! Safetensors files that are there: one, or a folder of shards. Nothing they say is believed.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::Value;

use super::header::{LONGEST, SLICES};
use super::place::read_at;
use crate::PlanError;

/// Files that are said to hold weights together.
pub(super) struct Written {
    pub(super) files: Vec<WrittenFile>,
    /// Which file holds which tensor, where an index says so.
    pub(super) index: Option<HashMap<String, PathBuf>>,
    /// Whether this is one shard of several, which need not hold all tensors.
    pub(super) is_shard: bool,
}

/// One of them.
pub(super) struct WrittenFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// Position of the first tensor.
    pub(super) begin: u64,
    pub(super) tensors: HashMap<String, TensorInfo>,
    /// The parts of tensors that it says it holds.
    pub(super) slices: HashMap<String, String>,
    is_shard: bool,
}

impl Written {
    /// A safetensors file, an index, or a folder with either.
    pub(super) fn open(path: &Path) -> Result<Self, PlanError> {
        if !path.is_dir() {
            let is_index = path
                .extension()
                .is_some_and(|extension| extension == "json");
            return if is_index {
                Self::indexed(path)
            } else {
                let file = WrittenFile::open(path)?;
                Ok(Self {
                    is_shard: file.is_shard,
                    files: vec![file],
                    index: None,
                })
            };
        }
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(path).map_err(|error| unreadable(path, error.to_string()))? {
            let entry = entry.map_err(|error| unreadable(path, error.to_string()))?;
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
        let ending = |end: &str| -> Vec<PathBuf> {
            names
                .iter()
                .filter(|name| name.ends_with(end) && !name.starts_with('.'))
                .map(|name| path.join(name))
                .collect()
        };
        match &ending(".safetensors.index.json")[..] {
            [index] => return Self::indexed(index),
            [] => {}
            [first, second, ..] => {
                return Err(unreadable(
                    path,
                    format!(
                        "it has more than one index, such as {} and {}; name one",
                        first.display(),
                        second.display()
                    ),
                ));
            }
        }
        let files = ending(".safetensors");
        if files.is_empty() {
            return Err(unreadable(path, "it has no safetensors file"));
        }
        let files = files
            .iter()
            .map(|path| WrittenFile::open(path))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            files,
            index: None,
            is_shard: false,
        })
    }

    fn indexed(path: &Path) -> Result<Self, PlanError> {
        let no_index = || {
            unreadable(
                path,
                "it is no index: there is no weight_map from tensors to files",
            )
        };
        let text = std::fs::read(path).map_err(|error| unreadable(path, error.to_string()))?;
        let value: Value = serde_json::from_slice(&text).map_err(|_| no_index())?;
        let map = value
            .get("weight_map")
            .and_then(Value::as_object)
            .ok_or_else(no_index)?;
        let mut index = HashMap::new();
        for (tensor, file) in map {
            let name = Path::new(file.as_str().ok_or_else(no_index)?);
            // A shard lies beside its index.
            if !matches!(
                name.components().collect::<Vec<_>>()[..],
                [Component::Normal(_)]
            ) {
                return Err(unreadable(
                    path,
                    format!(
                        "it looks for `{tensor}` outside its folder, in {}",
                        name.display()
                    ),
                ));
            }
            index.insert(tensor.clone(), path.with_file_name(name));
        }
        let files: BTreeSet<&PathBuf> = index.values().collect();
        let files = files
            .into_iter()
            .map(|path| WrittenFile::open(path))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            files,
            index: Some(index),
            is_shard: false,
        })
    }
}

impl WrittenFile {
    fn open(path: &Path) -> Result<Self, PlanError> {
        let wrong = |message: String| unreadable(path, message);
        let broken = |what: &str| {
            unreadable(
                path,
                format!("it is no safetensors file, or cut off: {what}"),
            )
        };
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let bytes = file
            .metadata()
            .map_err(|error| wrong(error.to_string()))?
            .len();
        let mut length = [0; 8];
        read_at(&file, &mut length, 0).map_err(|_| broken("it has no header"))?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST as u64 || bytes - 8 < length {
            return Err(broken("the header is longer than that can be"));
        }
        let mut header = vec![0; length as usize];
        read_at(&file, &mut header, 8).map_err(|error| wrong(error.to_string()))?;
        let header: Metadata =
            serde_json::from_slice(&header).map_err(|error| broken(&error.to_string()))?;
        let begin = 8 + length;
        if begin.checked_add(header.data_len() as u64) != Some(bytes) {
            return Err(broken("it has not the length that its header gives"));
        }
        let metadata = header.metadata().clone().unwrap_or_default();
        let slices = match metadata.get(SLICES) {
            Some(text) => serde_json::from_str(text)
                .map_err(|_| wrong(format!("its metadata `{SLICES}` does not read")))?,
            None => HashMap::new(),
        };
        Ok(Self {
            path: path.to_owned(),
            bytes,
            begin,
            tensors: header
                .tensors()
                .into_iter()
                .map(|(name, info)| (name, info.clone()))
                .collect(),
            slices,
            is_shard: metadata.contains_key("fanin.shard"),
            file,
        })
    }
}

pub(super) fn unreadable(path: &Path, message: impl Into<String>) -> PlanError {
    PlanError::Read {
        path: path.to_owned(),
        message: message.into(),
    }
}
