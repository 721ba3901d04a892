//! Named arrays: `.npz` archives and single `.npy` arrays.

use std::collections::BTreeMap;
use std::path::Path;

use fanin_network::{Dims, HostTensor};

use crate::file::{beginning, open};
use crate::format::is_archive;
use crate::{DataError, npy};

/// Named arrays read from a user's file.
///
/// Arrays are named like the graph's inputs; `input` stands for the only input, or the only
/// floating one, and
/// `cotangent` is the gradient at the first floating output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    arrays: BTreeMap<String, HostTensor>,
}

impl Data {
    /// The name of the gradient at the output among the arrays.
    pub const COTANGENT: &str = "cotangent";

    /// Arrays by name.
    pub fn new(arrays: BTreeMap<String, HostTensor>) -> Self {
        Self { arrays }
    }

    /// Reads a `.npz` archive (stored or deflated), or a `.npy` array, which becomes `input`.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is neither, or holds a type fanin does not compute with. A
    /// header that declares more elements than the file has is refused before memory is taken.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let fail = |message: String| DataError::new(path, message);
        let start = beginning(path).map_err(fail)?;
        let mut reader = open(path).map_err(fail)?;
        let mut arrays = BTreeMap::new();
        if start.starts_with(npy::MAGIC) {
            let size = path.metadata().map_or(0, |m| m.len());
            let array = npy::read(&mut reader, size)
                .map_err(|m| fail(format!("is no array fanin can read: {m}")))?;
            arrays.insert(Dims::SOLE.to_owned(), array);
        } else if is_archive(&start) {
            let mut archive = zip::ZipArchive::new(reader)
                .map_err(|e| fail(format!("is no readable .npz archive: {e}")))?;
            for k in 0..archive.len() {
                let mut entry = archive
                    .by_index(k)
                    .map_err(|e| fail(format!("has an entry that cannot be read: {e}")))?;
                let name = entry
                    .name()
                    .map_err(|e| fail(format!("has an entry without a readable name: {e}")))?;
                let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else {
                    continue;
                };
                let size = entry.size();
                let array = npy::read(&mut entry, size).map_err(|m| {
                    fail(format!("has an array `{name}` that fanin cannot read: {m}"))
                })?;
                arrays.insert(name, array);
            }
        } else {
            return Err(fail(
                "is neither a .npy array nor a .npz archive; write one with numpy.save or numpy.savez".to_owned(),
            ));
        }
        Ok(Self { arrays })
    }

    /// All arrays by name.
    pub fn into_arrays(self) -> BTreeMap<String, HostTensor> {
        self.arrays
    }

    /// The array of this name.
    pub fn get(&self, name: &str) -> Option<&HostTensor> {
        self.arrays.get(name)
    }

    /// The names of all arrays.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// The shapes of the inputs by name, as a reader of models needs them to resolve free axes.
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.arrays
            .iter()
            .filter(|(name, _)| name.as_str() != Self::COTANGENT)
            .map(|(name, a)| (name.clone(), a.shape.clone()))
            .collect()
    }
}
