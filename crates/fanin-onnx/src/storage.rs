//! Reading and replacing whole files.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use prost::bytes::Bytes;

use fanin_graph::NetworkError;

/// Maps a file into memory.
pub(crate) fn map(file: &File) -> io::Result<Bytes> {
    // SAFETY: the mapping is read-only and private to this process. Another process that truncates
    // the file while it is read can end this one with a bus error; nothing prevents that, and every
    // program that maps files accepts it.
    let map = unsafe { memmap2::Mmap::map(file) }?;
    Ok(Bytes::from_owner(map))
}

/// Writes a file under a temporary name in the same folder, then renames it: whatever happens,
/// there is the old file or the new one.
///
/// # Errors
///
/// One sentence that names the file, where it cannot be written.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), NetworkError> {
    let fail = |error: io::Error| {
        NetworkError::Request(format!("cannot write {}: {error}", path.display()))
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".fanin-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file has them, less what the umask takes; temporary files are private.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder).map_err(fail)?;
    let mut buffered = BufWriter::with_capacity(1 << 18, file);
    write(&mut buffered).map_err(fail)?;
    let file = buffered.into_inner().map_err(|e| fail(e.into_error()))?;
    file.as_file().sync_data().map_err(fail)?;
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}
