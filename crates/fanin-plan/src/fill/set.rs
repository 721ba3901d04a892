//! The files that hold the weights together: one, or shards and their index.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::header::{FileMap, lay_out};
use super::slices::Part;
use super::{FillOptions, partial, place, shard};
use crate::{Plan, PlanError};

/// All files, also those that this run does not write.
pub(super) struct Set<'a> {
    files: Vec<SetFile<'a>>,
    /// The one that is asked for, if not all.
    only: Option<usize>,
    /// Where the index goes, if there is one.
    index: Option<PathBuf>,
    /// Bytes of all tensors, if they can be counted.
    bytes: Option<u64>,
}

/// One of the files.
pub(super) struct SetFile<'a> {
    pub(super) path: PathBuf,
    pub(super) map: FileMap<'a>,
}

impl SetFile<'_> {
    /// Bytes of its tensors.
    pub(super) fn data(&self) -> u64 {
        self.map.bytes - self.map.header.len() as u64
    }

    pub(super) fn error(&self, message: String) -> PlanError {
        PlanError::Write {
            path: self.path.clone(),
            message,
        }
    }
}

impl<'a> Set<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        path: &Path,
        options: &FillOptions,
    ) -> Result<Self, PlanError> {
        let parts = options.slices.of(plan)?;
        let bytes = parts
            .iter()
            .try_fold(0u64, |sum, part| sum.checked_add(part.bytes()?));
        let (shards, only) = match (options.shard, options.max_shard_bytes) {
            (Some(_), Some(_)) => {
                return Err(PlanError::Request(
                    "one shard of several and a largest size of shards are asked for at once; ask for one of them"
                        .to_owned(),
                ));
            }
            (Some((i, n)), None) => {
                check_shard(i, n, parts.len())?;
                (shard::balanced(parts, n), Some(i - 1))
            }
            (None, Some(most)) => (shard::by_size(parts, most), None),
            (None, None) => (vec![parts], None),
        };
        let n = shards.len();
        let digest = plan.digest();
        if options.shard.is_none() && n <= 1 {
            let parts = shards.into_iter().next().unwrap_or_default();
            return Ok(Self {
                files: vec![file(plan, &digest, path.to_owned(), parts, None)?],
                only: None,
                index: None,
                bytes,
            });
        }
        let files = shards
            .into_iter()
            .enumerate()
            .map(|(i, parts)| {
                let path = shard::shard_path(path, i + 1, n);
                file(plan, &digest, path, parts, Some((i + 1, n)))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            files,
            only,
            index: Some(shard::index_path(path)),
            bytes,
        })
    }

    /// The files that are asked for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &SetFile<'a>> {
        self.files
            .iter()
            .enumerate()
            .filter(|(i, _)| self.only.is_none_or(|only| only == *i))
            .map(|(_, file)| file)
    }

    /// Removes the index unless it is of these shards and all of them are there.
    pub(super) fn remove_stale_index(&self) -> Result<(), PlanError> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        if self.is_written() {
            return Ok(());
        }
        match std::fs::remove_file(index) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PlanError::Write {
                message: place::sentence(&error, place::folder(index)),
                path: index.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Writes the index if all shards are there, whoever wrote them.
    pub(super) fn write_index(&self) -> Result<Option<PathBuf>, PlanError> {
        let Some(path) = &self.index else {
            return Ok(None);
        };
        if !self.is_written() {
            return Ok(None);
        }
        match partial::replace(path, self.index().as_bytes()) {
            Ok(()) => Ok(Some(path.clone())),
            Err(message) => Err(PlanError::Write {
                path: path.clone(),
                message,
            }),
        }
    }

    fn is_written(&self) -> bool {
        self.files.iter().all(SetFile::is_written)
    }

    /// The index of all shards, as transformers reads it.
    fn index(&self) -> String {
        let mut map = Map::new();
        for file in &self.files {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            for (part, _) in &file.map.tensors {
                map.insert(part.entry.name.clone(), json!(name));
            }
        }
        let index = json!({
            "metadata": { "total_size": self.bytes },
            "weight_map": Value::Object(map),
        });
        format!("{index:#}\n")
    }
}

fn file<'a>(
    plan: &Plan,
    digest: &str,
    path: PathBuf,
    parts: Vec<Part<'a>>,
    shard: Option<(usize, usize)>,
) -> Result<SetFile<'a>, PlanError> {
    match lay_out(plan, digest, parts, shard) {
        Ok(map) => Ok(SetFile { path, map }),
        Err(message) => Err(PlanError::Write { path, message }),
    }
}

fn check_shard(i: usize, n: usize, parameters: usize) -> Result<(), PlanError> {
    if i == 0 || i > n {
        return Err(PlanError::Request(format!(
            "there is no shard {i} of {n}; shards are counted from 1 to {n}"
        )));
    }
    if n > parameters {
        return Err(PlanError::Request(format!(
            "{n} shards are asked for, but the plan has {parameters} parameters and a shard holds whole ones; ask for fewer"
        )));
    }
    Ok(())
}
