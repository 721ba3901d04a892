//! A folder with one folder of PNG pictures per class.

use std::path::{Path, PathBuf};

use crate::DataError;

/// Most classes and most pictures of one.
const ENTRIES: usize = 1 << 20;

/// The pictures of a folder and the class of each: its folder, in the order of names.
///
/// # Errors
///
/// A folder that cannot be read, that holds no folders, or no pictures in them.
pub fn pictures(path: &Path) -> Result<Vec<(PathBuf, i64)>, DataError> {
    let fail = |message: String| DataError::new(path, message);
    let classes = entries(path).map_err(fail)?.into_iter();
    let classes: Vec<PathBuf> = classes.filter(|p| p.is_dir()).collect();
    if classes.is_empty() {
        return Err(fail(
            "holds no folders; put the pictures of each class into a folder of its own".to_owned(),
        ));
    }
    let mut pictures: Vec<(PathBuf, i64)> = Vec::new();
    for (class, folder) in classes.iter().enumerate() {
        let files = entries(folder).map_err(fail)?.into_iter();
        let files = files.filter(|p| is_png(p));
        pictures.extend(files.map(|file| (file, class as i64)));
    }
    if pictures.is_empty() {
        return Err(fail(format!(
            "its {} folders hold not one .png picture",
            classes.len()
        )));
    }
    Ok(pictures)
}

/// What a folder holds, by name.
fn entries(path: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |e: std::io::Error| format!("{} cannot be read: {e}", path.display());
    let mut all = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        all.push(entry.map_err(fail)?.path());
        if all.len() > ENTRIES {
            return Err(format!(
                "{} holds more than {ENTRIES} entries",
                path.display()
            ));
        }
    }
    all.sort();
    Ok(all)
}

fn is_png(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| e.eq_ignore_ascii_case("png"))
}
