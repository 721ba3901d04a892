//! Where files go: positioned reads and writes, and what keeps a place from taking a file.

use std::fs::File;
use std::io;
use std::path::Path;

/// The folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether a file of this name can be had.
pub(super) fn check(path: &Path) -> Result<(), String> {
    if path.file_name().is_none() || path.is_dir() {
        return Err("that is a folder; name a file in it".to_owned());
    }
    let folder = folder(path);
    if !folder.is_dir() {
        return Err(format!(
            "there is no folder {}; make it first",
            folder.display()
        ));
    }
    Ok(())
}

/// Bytes that may still be written in a folder, where the system says.
#[cfg(unix)]
pub(super) fn free_space(folder: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(folder).ok()?;
    room.f_bavail.checked_mul(room.f_frsize)
}

#[cfg(not(unix))]
pub(super) fn free_space(_: &Path) -> Option<u64> {
    None
}

/// Bytes that a file takes on the disk, where the system says.
#[cfg(unix)]
pub(super) fn taken(file: &File) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    // A block is 512 bytes here, whatever the disk has.
    file.metadata()
        .map_or(0, |metadata| metadata.blocks().saturating_mul(512))
}

#[cfg(not(unix))]
pub(super) fn taken(_: &File) -> u64 {
    0
}

/// A new name is safe once the folder is on the disk; some file systems cannot say so.
pub(super) fn sync(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

/// Elsewhere a write moves the file's one position, so those who read and write take turns.
#[cfg(not(unix))]
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(not(unix))]
pub(super) fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom, Write as _};
    let _turn = TURN
        .lock()
        .map_err(|_| io::Error::other("a thread has failed"))?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

#[cfg(not(unix))]
pub(super) fn read_at(mut file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let _turn = TURN
        .lock()
        .map_err(|_| io::Error::other("a thread has failed"))?;
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

/// What the system says, as a sentence.
pub(super) fn sentence(error: &io::Error, folder: &Path) -> String {
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
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full; make room or choose another place".to_owned()
        }
        io::ErrorKind::FileTooLarge => {
            "the file is larger than the system allows here; write shards (--max-shard-size) or choose another place".to_owned()
        }
        _ => error.to_string(),
    }
}
