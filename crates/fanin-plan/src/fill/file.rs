//! Filling into a safetensors file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytemuck::NoUninit;
use fanin::{DType, Element, F8E4M3, F8E5M2};
use half::{bf16, f16};

use super::header::{FileMap, lay_out};
use super::{BLOCK, Source, human, shard};
use crate::{Plan, PlanError};

/// Called from any thread with the bytes written so far and the bytes in all.
pub type Progress = Box<dyn Fn(u64, u64) + Send + Sync>;

/// How to fill a file.
#[derive(Default)]
pub struct FillOptions {
    /// Write only shard I of N, I from 1, beside the path given: see [`shard_path`](crate::shard_path).
    pub shard: Option<(usize, usize)>,
    /// Told after every block.
    pub progress: Option<Progress>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The file: the path given, or the shard's.
    pub path: PathBuf,
    /// Number of tensors in it.
    pub tensors: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Plan {
    /// Writes the weights this plan describes to a safetensors file.
    ///
    /// Blocks are computed on all threads of the current rayon pool and written where they belong as
    /// they come, so memory stays at a few blocks per thread. The file is written under a temporary
    /// name (`.fanin-….part`) in the same folder, flushed to the disk and renamed: a run that is
    /// killed leaves the old file as it was.
    ///
    /// With `options.shard` only the tensors of that shard are computed; the union of all shards holds
    /// the same bits as the whole file. Shard 1 also writes the index `PATH.index.json`.
    ///
    /// # Errors
    ///
    /// [`PlanError::Request`] for a shard that does not exist, [`PlanError::Parameter`] where an
    /// initializer does not suit its shape, [`PlanError::Write`] where the folder is missing, not
    /// writable or has too little room. Nothing is left behind then.
    pub fn fill_file(&self, path: &Path, options: &FillOptions) -> Result<Filled, PlanError> {
        let (path, entries) = match options.shard {
            None => (path.to_owned(), self.entries.iter().collect()),
            Some((i, n)) => {
                self.check_shard(i, n)?;
                let part = shard::split(self, n).into_iter().nth(i - 1);
                if i == 1 {
                    let index = shard::index(self, path, n);
                    let index_path = shard::index_path(path);
                    replace(&index_path, index.len() as u64, |file| {
                        write_at(file, index.as_bytes(), 0)
                    })
                    .map_err(|message| PlanError::Write {
                        path: index_path,
                        message,
                    })?;
                }
                (shard::shard_path(path, i, n), part.unwrap_or_default())
            }
        };
        let at = |message| PlanError::Write {
            path: path.clone(),
            message,
        };
        let map = lay_out(self, entries, options.shard).map_err(at)?;
        let tensors = map
            .tensors
            .iter()
            .map(|(entry, at)| {
                Ok(Tensor {
                    source: Source::new(self, entry)?,
                    dtype: entry.dtype,
                    elements: entry.elements().unwrap_or(0),
                    at: *at,
                })
            })
            .collect::<Result<Vec<_>, PlanError>>()?;
        replace(&path, map.bytes, |file| {
            write_at(file, &map.header, 0)?;
            write_blocks(file, &tensors, &map, options.progress.as_ref())
        })
        .map_err(at)?;
        Ok(Filled {
            tensors: tensors.len(),
            bytes: map.bytes,
            path,
        })
    }

    fn check_shard(&self, i: usize, n: usize) -> Result<(), PlanError> {
        if i == 0 || i > n {
            return Err(PlanError::Request(format!(
                "there is no shard {i} of {n}; shards are counted from 1 to {n}"
            )));
        }
        if n > self.entries.len() {
            return Err(PlanError::Request(format!(
                "{n} shards are asked for, but the plan has {} parameters and a shard holds whole ones; ask for fewer",
                self.entries.len()
            )));
        }
        Ok(())
    }
}

/// A tensor and where it goes.
struct Tensor {
    source: Source,
    dtype: DType,
    elements: u64,
    at: u64,
}

impl Tensor {
    fn blocks(&self) -> u64 {
        self.elements.div_ceil(BLOCK as u64)
    }

    /// Pieces of work that threads may do in any order.
    fn tasks(&self) -> u64 {
        if self.source.upwards {
            self.blocks().min(1)
        } else {
            self.blocks()
        }
    }

    /// The blocks of one piece of work.
    fn blocks_of(&self, task: u64) -> Range<u64> {
        if self.source.upwards {
            0..self.blocks()
        } else {
            task..task + 1
        }
    }
}

/// Computes and writes all blocks; each thread takes the next piece of work that nobody has taken.
fn write_blocks(
    file: &File,
    tensors: &[Tensor],
    map: &FileMap<'_>,
    progress: Option<&Progress>,
) -> io::Result<()> {
    // The number of the first task of each tensor.
    let mut first = Vec::with_capacity(tensors.len());
    let mut tasks = 0u64;
    for tensor in tensors {
        first.push(tasks);
        tasks += tensor.tasks();
    }
    let total = map.bytes - map.header.len() as u64;
    let next = AtomicU64::new(0);
    let written = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let work = || -> io::Result<()> {
        let mut room = Room::default();
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return Ok(());
            }
            // The last tensor that begins at or before this task; those without any share the number
            // of the one after them.
            let k = first.partition_point(|&begin| begin <= task) - 1;
            let (Some(tensor), Some(begin)) = (tensors.get(k), first.get(k)) else {
                return Ok(());
            };
            for block in tensor.blocks_of(task - begin) {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let bytes = write_block(file, tensor, block, &mut room)?;
                let done = written.fetch_add(bytes, Ordering::Relaxed) + bytes;
                if let Some(progress) = progress {
                    progress(done, total);
                }
            }
        }
    };
    rayon::scope(|scope| {
        for _ in 0..rayon::current_num_threads() {
            scope.spawn(|_| {
                if let Err(error) = work() {
                    stop.store(true, Ordering::Relaxed);
                    if let Ok(mut failure) = failure.lock() {
                        failure.get_or_insert(error);
                    }
                }
            });
        }
    });
    match failure.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(_) => Err(io::Error::other("a thread that was writing has failed")),
    }
}

/// The buffers of one thread, kept from block to block.
#[derive(Default)]
struct Room {
    f64: Vec<f64>,
    f32: Vec<f32>,
    f16: Vec<f16>,
    bf16: Vec<bf16>,
    f8e4m3: Vec<F8E4M3>,
    f8e5m2: Vec<F8E5M2>,
}

fn write_block(file: &File, tensor: &Tensor, block: u64, room: &mut Room) -> io::Result<u64> {
    match tensor.dtype {
        DType::F64 => write_elements(file, tensor, block, &mut room.f64),
        DType::F32 => write_elements(file, tensor, block, &mut room.f32),
        DType::F16 => write_elements(file, tensor, block, &mut room.f16),
        DType::BF16 => write_elements(file, tensor, block, &mut room.bf16),
        DType::F8E4M3 => write_elements(file, tensor, block, &mut room.f8e4m3),
        DType::F8E5M2 => write_elements(file, tensor, block, &mut room.f8e5m2),
    }
}

fn write_elements<T: Element + Default + NoUninit>(
    file: &File,
    tensor: &Tensor,
    block: u64,
    room: &mut Vec<T>,
) -> io::Result<u64> {
    let start = block * BLOCK as u64;
    let count = (tensor.elements - start).min(BLOCK as u64) as usize;
    room.resize(count, T::default());
    tensor
        .source
        .filler
        .fill(&tensor.source.stream, start, room)
        .map_err(io::Error::other)?;
    let at = tensor.at + start * size_of::<T>() as u64;
    if cfg!(target_endian = "big") {
        let mut swapped = bytemuck::cast_slice::<T, u8>(room).to_vec();
        swapped
            .chunks_exact_mut(size_of::<T>())
            .for_each(<[u8]>::reverse);
        write_at(file, &swapped, at)?;
    } else {
        write_at(file, bytemuck::cast_slice(room), at)?;
    }
    Ok((count * size_of::<T>()) as u64)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

/// Elsewhere a write moves the file's one position, so writers take turns.
#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom, Write as _};
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// Writes a file of `bytes` bytes under a temporary name, flushes it and renames it.
fn replace(
    path: &Path,
    bytes: u64,
    write: impl FnOnce(&File) -> io::Result<()>,
) -> Result<(), String> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if path.file_name().is_none() || path.is_dir() {
        return Err("that is a folder; name a file in it".to_owned());
    }
    if !folder.is_dir() {
        return Err(format!(
            "there is no folder {}; make it first",
            folder.display()
        ));
    }
    if let Some(free) = free_space(folder)
        && free < bytes
    {
        return Err(format!(
            "the weights take {}, and the disk has {} left; make room or choose another place",
            human(bytes),
            human(free)
        ));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".fanin-").suffix(".part");
    // What any other new file gets; a temporary file would be for its owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder
        .tempfile_in(folder)
        .map_err(|error| sentence(&error, folder))?;
    write(temporary.as_file())
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(|error| sentence(&error, folder))?;
    temporary
        .persist(path)
        .map_err(|error| sentence(&error.error, folder))?;
    // The new name is safe once the folder is on the disk; some file systems cannot say so.
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Bytes that may still be written in a folder, where the system says.
#[cfg(unix)]
fn free_space(folder: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(folder).ok()?;
    room.f_bavail.checked_mul(room.f_frsize)
}

#[cfg(not(unix))]
fn free_space(_: &Path) -> Option<u64> {
    None
}

fn sentence(error: &io::Error, folder: &Path) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                "the folder {} may not be written to; choose another place",
                folder.display()
            )
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!(
                "the folder {} is on a read-only disk; choose another place",
                folder.display()
            )
        }
        io::ErrorKind::StorageFull => {
            "the disk is full; make room or choose another place".to_owned()
        }
        _ => error.to_string(),
    }
}
