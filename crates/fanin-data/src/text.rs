//! A text.

use std::io::Read as _;
use std::path::Path;

use crate::DataError;
use crate::file::{ELEMENTS, open};

/// Reads a text, as letters.
///
/// # Errors
///
/// A file that cannot be read, is no UTF-8, or is longer than is read at most.
pub fn text(path: &Path) -> Result<String, DataError> {
    let fail = |message: String| DataError::new(path, message);
    let mut bytes = Vec::new();
    open(path)
        .map_err(fail)?
        .take(ELEMENTS as u64 / 4)
        .read_to_end(&mut bytes)
        .map_err(|e| fail(format!("cannot be read: {e}")))?;
    if bytes.len() == ELEMENTS / 4 {
        return Err(fail(format!(
            "is longer than the {} bytes of text that are read at most; give a part of it",
            ELEMENTS / 4
        )));
    }
    String::from_utf8(bytes)
        .map_err(|_| fail("is no UTF-8 text, which a network of tokens needs".to_owned()))
}
