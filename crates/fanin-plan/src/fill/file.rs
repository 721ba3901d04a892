//! Filling into safetensors files.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::blocks::{self, Tensor};
use super::partial::{self, Found, Partial};
use super::set::{Set, SetFile};
use super::{FillOptions, Filled, place};
use crate::{Plan, PlanError};

impl Plan {
    /// Writes the weights this plan describes to a safetensors file, or to shards with an index.
    ///
    /// Blocks are computed on all threads of the current rayon pool and written where they belong as
    /// they come, so memory stays at a few blocks per thread. The file is written as
    /// `.NAME.fanin-partial` in the same folder, flushed to the disk and renamed. A run that is killed
    /// leaves the old file as it was, and the partial one, which the next run of the same plan goes on
    /// with; that of another plan is thrown away. Two runs do not write the same file at once: the
    /// second is refused. A file that is there already and holds these weights is left alone.
    ///
    /// With `options.shard` only the tensors of that shard are computed; the union of all shards holds
    /// the same bits as the whole file. With `options.max_shard_bytes` all shards are written, and get
    /// their names when the last is complete. The index `NAME.index.json` comes after them all, whoever
    /// wrote them: where it stands, the shards stand.
    ///
    /// # Errors
    ///
    /// [`PlanError::Request`] for a shard that does not exist, [`PlanError::Parameter`] where an
    /// initializer or a slice does not suit its shape, [`PlanError::Write`] where the folder is missing,
    /// not writable or has too little room, or a file is in the way. Nothing is left behind then.
    pub fn fill_file(&self, path: &Path, options: &FillOptions) -> Result<Filled, PlanError> {
        let set = Set::new(self, path, options)?;
        let mut filled = Filled {
            files: Vec::new(),
            index: None,
            tensors: 0,
            bytes: 0,
            found: 0,
        };
        let (mut done, mut total) = (0, 0);
        let mut missing = Vec::new();
        for file in set.wanted() {
            place::check(&file.path).map_err(|message| file.error(message))?;
            filled.files.push(file.path.clone());
            filled.tensors += file.map.tensors.len();
            filled.bytes += file.map.bytes;
            total += file.data();
            if file.is_there(options)? {
                filled.found += file.map.bytes;
                done += file.data();
            } else {
                missing.push(file);
            }
        }
        let mut complete = Vec::new();
        for file in missing {
            let shown = |of_file: u64| {
                if let Some(progress) = &options.progress {
                    progress(done + of_file, total);
                }
            };
            let (partial, found) = self.complete(file, options, &shown)?;
            filled.found += found;
            done += file.data();
            complete.extend(partial.map(|partial| (file, partial)));
        }
        // An index of other shards goes before the first of them is replaced, so that nobody reads a
        // mixture.
        if complete.iter().any(|(file, _)| file.path.exists()) {
            set.remove_stale_index()?;
        }
        for (file, partial) in complete {
            partial.name().map_err(|message| file.error(message))?;
        }
        filled.index = set.write_index()?;
        Ok(filled)
    }

    /// Computes what is missing of a file's partial file, unless another process was faster; also gives
    /// the bytes that were there.
    fn complete(
        &self,
        file: &SetFile<'_>,
        options: &FillOptions,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Option<Partial>, u64), PlanError> {
        let tensors = Tensor::of(self, &file.map)?;
        let blocks = tensors.last().map_or(0, |last| last.first + last.blocks());
        let partial =
            Partial::open(&file.path, &file.map, blocks).map_err(|message| file.error(message))?;
        // The lock is held now, so this stays as it is.
        if file.is_there(options)? {
            return Ok((None, file.map.bytes));
        }
        if partial.found() == Found::All {
            return Ok((Some(partial), file.map.bytes));
        }
        let found = AtomicU64::new(0);
        blocks::each(&tensors, progress, |tensor, block, room| {
            if partial.has(tensor, block, &mut room.read) {
                found.fetch_add(room.read.len() as u64, Ordering::Relaxed);
                return Ok(());
            }
            partial.write(tensor, block, tensor.draw(block, room)?)
        })
        .map_err(|error| file.error(place::sentence(&error, place::folder(&file.path))))?;
        partial.complete().map_err(|message| file.error(message))?;
        Ok((Some(partial), found.into_inner()))
    }
}

impl SetFile<'_> {
    /// Whether there is nothing to do. A file that holds something else is an error, unless it is to be
    /// replaced.
    fn is_there(&self, options: &FillOptions) -> Result<bool, PlanError> {
        if options.replace || !self.path.exists() {
            Ok(false)
        } else if self.is_written() {
            Ok(true)
        } else {
            Err(self.error(
                "it exists and holds something else; choose another name, or --force to replace it"
                    .to_owned(),
            ))
        }
    }

    /// Whether it is finished and of this plan: its name was given to it when it was complete, and its
    /// header says of which plan.
    pub(super) fn is_written(&self) -> bool {
        partial::is_written(&self.path, &self.map)
    }
}
