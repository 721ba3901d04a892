//! A file while it is being written: under its own name beside the one asked for, with a record of the
//! blocks that are finished, so that a run that was killed is taken up where it ended.
//!
//! `.NAME.fanin-partial` is the file as it will be, and after its last byte a trailer: 32 bytes that
//! identify what is being written (SHA-256 of the header, the block size and fanin's version), then 8
//! bytes for each block: zero until it is written, then its CRC-32 with bit 32 set. A process that is
//! killed loses nothing that it wrote; where the whole machine stops, blocks may be lost that the trailer
//! counts, and their checksum tells. Blocks are numbered through all tensors in the order of the file.
//!
//! When all blocks are on the disk the trailer is cut off and the file renamed. The process that writes
//! holds a lock on the file, which ends with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use fanin_network::memory::Bytes;
use sha2::{Digest as _, Sha256};

use super::BLOCK;
use super::blocks::Tensor;
use super::header::FileMap;
use super::place::{self, folder, free_space, read_at, sentence, write_at};

/// Marks a block as finished, above its checksum.
const FINISHED: u64 = 1 << 32;

/// Bytes that identify what is written.
const IDENTITY: u64 = 32;

/// A file being written. Dropped before it has its name, it is removed; killed, it stays.
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
    /// Bytes of the file without its trailer.
    bytes: u64,
    found: Found,
    named: bool,
}

/// What of the file was there when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing that can be used.
    Nothing,
    /// Some blocks.
    Blocks,
    /// Everything: the trailer is cut off.
    All,
}

impl Partial {
    /// Opens the partial file of `target`, or makes it.
    ///
    /// Where the disk cannot lock files it has a name that no other process has, and cannot be resumed.
    pub(super) fn open(target: &Path, map: &FileMap<'_>, blocks: u64) -> Result<Self, String> {
        let folder = folder(target);
        let fail = |error: &io::Error| sentence(error, folder);
        let path = partial_path(target);
        let file = loop {
            let file = open(&path).map_err(|error| fail(&error))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(format!(
                        "another process is writing it now ({} is locked); wait for that one, or choose another name",
                        path.display()
                    ));
                }
                Err(TryLockError::Error(_)) => return Self::unshared(target, map, blocks),
            }
            // Whoever held the lock before may have given the file its name, or removed it.
            if !is_at(&file, &path) {
                continue;
            }
            // A second name would change with it.
            if links(&file) > 1 {
                std::fs::remove_file(&path).map_err(|error| fail(&error))?;
                continue;
            }
            break file;
        };
        Self::begin(file, path, target, map, blocks)
    }

    fn unshared(target: &Path, map: &FileMap<'_>, blocks: u64) -> Result<Self, String> {
        let folder = folder(target);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".fanin-").suffix(".fanin-partial");
        // What any other new file gets; a temporary file would be for its owner alone.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let (file, path) = builder
            .tempfile_in(folder)
            .and_then(|file| file.keep().map_err(|error| error.error))
            .map_err(|error| sentence(&error, folder))?;
        Self::begin(file, path, target, map, blocks)
    }

    fn begin(
        file: File,
        path: PathBuf,
        target: &Path,
        map: &FileMap<'_>,
        blocks: u64,
    ) -> Result<Self, String> {
        // From here on a failure removes the file.
        let mut partial = Self {
            file,
            path,
            target: target.to_owned(),
            bytes: map.bytes,
            found: Found::Nothing,
            named: false,
        };
        let folder = folder(target);
        let fail = |error: io::Error| sentence(&error, folder);
        let trailer = blocks
            .checked_mul(8)
            .and_then(|slots| slots.checked_add(IDENTITY));
        let length = trailer
            .and_then(|trailer| trailer.checked_add(map.bytes))
            .ok_or("the tensors take more bytes than can be counted")?;
        partial.found = partial.look(map, length).map_err(fail)?;
        let missing = length.saturating_sub(place::taken(&partial.file));
        if partial.found != Found::All
            && let Some(free) = free_space(folder)
            && free < missing
        {
            return Err(format!(
                "the weights take {}, and the disk has {} left; make room or choose another place",
                Bytes(missing),
                Bytes(free)
            ));
        }
        if partial.found == Found::Nothing {
            partial
                .file
                .set_len(0)
                .and_then(|()| partial.file.set_len(length))
                .and_then(|()| write_at(&partial.file, &map.header, 0))
                .and_then(|()| write_at(&partial.file, &identity(map), map.bytes))
                .map_err(fail)?;
        }
        Ok(partial)
    }

    /// What is there already of this file.
    fn look(&self, map: &FileMap<'_>, length: u64) -> io::Result<Found> {
        let present = self.file.metadata()?.len();
        if present != length && present != map.bytes {
            return Ok(Found::Nothing);
        }
        if !begins_with(&self.file, &map.header)? {
            return Ok(Found::Nothing);
        }
        if present == map.bytes {
            return Ok(Found::All);
        }
        let mut identified = [0; IDENTITY as usize];
        read_at(&self.file, &mut identified, map.bytes)?;
        Ok(if identified == identity(map) {
            Found::Blocks
        } else {
            Found::Nothing
        })
    }

    pub(super) fn found(&self) -> Found {
        self.found
    }

    /// Whether a block is there already: it was finished, and its bytes still have their checksum.
    pub(super) fn has(&self, tensor: &Tensor<'_>, block: u64, read: &mut Vec<u8>) -> bool {
        if self.found == Found::Nothing {
            return false;
        }
        let mut slot = [0; 8];
        if read_at(&self.file, &mut slot, self.slot(tensor, block)).is_err() {
            return false;
        }
        let slot = u64::from_le_bytes(slot);
        if slot & FINISHED == 0 {
            return false;
        }
        let bytes = tensor.bytes(block);
        read.resize((bytes.end - bytes.start) as usize, 0);
        read_at(&self.file, read, bytes.start).is_ok() && slot == finished(read)
    }

    /// Writes a block and records that it is finished.
    pub(super) fn write(&self, tensor: &Tensor<'_>, block: u64, bytes: &[u8]) -> io::Result<()> {
        write_at(&self.file, bytes, tensor.bytes(block).start)?;
        let slot = finished(bytes).to_le_bytes();
        write_at(&self.file, &slot, self.slot(tensor, block))
    }

    fn slot(&self, tensor: &Tensor<'_>, block: u64) -> u64 {
        self.bytes + IDENTITY + 8 * (tensor.first + block)
    }

    /// Brings everything to the disk and cuts the trailer off.
    pub(super) fn complete(&self) -> Result<(), String> {
        let fail = |error: io::Error| sentence(&error, folder(&self.target));
        // The trailer goes when all it counts is on the disk: its absence says so.
        self.file.sync_all().map_err(fail)?;
        self.file.set_len(self.bytes).map_err(fail)?;
        self.file.sync_all().map_err(fail)
    }

    /// Gives the file its name. Call [`Partial::complete`] before.
    pub(super) fn name(mut self) -> Result<(), String> {
        let folder = folder(&self.target);
        std::fs::rename(&self.path, &self.target).map_err(|error| sentence(&error, folder))?;
        self.named = true;
        place::sync(folder);
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.named {
            // It failed, and the user is told why; a file that stays is no reason to say more.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether the file at `path` is finished and the one that `map` describes: its name was given to it
/// when it was complete, and its header says of which plan.
pub(super) fn is_written(path: &Path, map: &FileMap<'_>) -> bool {
    File::open(path).is_ok_and(|file| {
        file.metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == map.bytes)
            && begins_with(&file, &map.header).unwrap_or(false)
    })
}

/// Writes a small file under its temporary name, flushes it and renames it. Whoever writes the same file
/// waits for the other; what a killed run left is written over.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), String> {
    let folder = folder(path);
    let temporary = partial_path(path);
    let write = || -> io::Result<()> {
        let file = loop {
            let file = open(&temporary)?;
            match file.lock() {
                // Without locks, as on some network disks, the last one to rename wins.
                Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
                _ => {}
            }
            // Renamed meanwhile by the one that held the lock: begin anew.
            if is_at(&file, &temporary) {
                break file;
            }
        };
        file.set_len(0)?;
        write_at(&file, content, 0)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| sentence(&error, folder))?;
    place::sync(folder);
    Ok(())
}

/// `.NAME.fanin-partial` in the same folder.
fn partial_path(target: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".fanin-partial");
    target.with_file_name(name)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // A link that someone else left here is not followed.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NOFOLLOW.bits().cast_signed(),
    );
    let file = options.open(path);
    if std::fs::symlink_metadata(path).is_ok_and(|present| !present.is_file()) {
        return Err(io::Error::other(format!(
            "{} is in the way, which is no file; remove it",
            path.display()
        )));
    }
    file
}

/// Whether this is the file of that name.
fn is_at(file: &File, path: &Path) -> bool {
    let same = || -> io::Result<bool> {
        let open = same_file::Handle::from_file(file.try_clone()?)?;
        Ok(open == same_file::Handle::from_path(path)?)
    };
    same().unwrap_or(false)
}

#[cfg(unix)]
fn links(file: &File) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().map_or(1, |metadata| metadata.nlink())
}

#[cfg(not(unix))]
fn links(_: &File) -> u64 {
    1
}

/// Whether a file begins with these bytes.
fn begins_with(file: &File, bytes: &[u8]) -> io::Result<bool> {
    let mut present = vec![0; bytes.len()];
    match read_at(file, &mut present, 0) {
        Ok(()) => Ok(present == bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn identity(map: &FileMap<'_>) -> [u8; IDENTITY as usize] {
    Sha256::new()
        .chain_update(b"fanin-partial/1\0")
        .chain_update(env!("CARGO_PKG_VERSION"))
        .chain_update((BLOCK as u64).to_le_bytes())
        .chain_update(&map.header)
        .finalize()
        .into()
}

/// The record of a finished block.
fn finished(bytes: &[u8]) -> u64 {
    FINISHED | u64::from(crc32fast::hash(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_files_cannot_be_locked_each_run_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("w.safetensors");
        let map = FileMap {
            header: b"the file".to_vec(),
            tensors: Vec::new(),
            bytes: 8,
        };
        let both = [0, 1].map(|_| Partial::unshared(&target, &map, 0).unwrap());
        assert_ne!(both[0].path, both[1].path);
        for partial in both {
            assert_eq!(partial.found(), Found::Nothing);
            partial.complete().unwrap();
            partial.name().unwrap();
            assert_eq!(std::fs::read(&target).unwrap(), map.header);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
