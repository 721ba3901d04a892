//! The user's own data, read from the files that people have.
//!
//! | what | how it is known | inputs | targets |
//! |---|---|---|---|
//! | `.npz` | by its beginning | array `x` (or one named like the model's input), as it is | array `y` or `target` |
//! | `.npy` and another for the labels | by its beginning | as they are | integers: classes, floats: values |
//! | IDX, as MNIST comes, compressed by gzip or not | by its beginning | brought to mean 0 and deviation 1 | the file of labels; found by itself where it is named as MNIST's is |
//! | CSV | everything else for a network that takes numbers | each column brought to mean 0 and deviation 1 | the column of this name, or the last |
//! | text | everything else for a network that takes tokens | characters, numbered in the order of their codes | the next character |
//! | a folder with one folder of PNG pictures per class | it is a folder | brought to the network's size, mean 0 and deviation 1 | the folder, in the order of names |
//!
//! Samples are put into an order that does not know their classes, because the last eighth is held
//! out; a text keeps its own.
//!
//! [`fanin_data`] reads the files; here they are brought to what a network takes.

mod csv;
mod fit;
mod idx;
mod pictures;
mod sample;
mod text;

use std::path::Path;

use fanin_data::{Data, Format};

pub use sample::Sample;

use crate::{Dataset, Form, Input, TrainError};

impl Dataset {
    /// Reads the user's data for a network of this form; the module's table says from what.
    ///
    /// `labels` is the file of the targets where inputs and targets are two files, or the name of
    /// the target's column in a CSV.
    ///
    /// # Errors
    ///
    /// One sentence where a file cannot be read, is cut short or too large, or does not fit the
    /// network; as [`Dataset::new`].
    pub fn read(path: &Path, labels: Option<&str>, form: &Form) -> Result<Self, TrainError> {
        let read = Self::read_in_order(path, labels, form)?;
        // A text is held out from its end; all else may be sorted by class.
        Ok(match form.input {
            Input::Tokens { .. } => read,
            _ => read.shuffled(),
        })
    }

    fn read_in_order(path: &Path, labels: Option<&str>, form: &Form) -> Result<Self, TrainError> {
        let wrap = |message: String| TrainError::Request(format!("{}: {message}", path.display()));
        let name = file_name(path);
        match Format::of(path)? {
            Format::Folder => pictures::read(path, &name, form).map_err(wrap),
            Format::Archive => archive(path, &name, form),
            Format::Array => arrays(path, labels, &name, form),
            Format::Idx => idx::read(path, labels, &name, form),
            _ if matches!(form.input, Input::Tokens { .. }) => text::read(path, &name, form),
            _ => csv::read(path, labels, &name, form),
        }
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// `x` and `y` of one archive.
fn archive(path: &Path, name: &str, form: &Form) -> Result<Dataset, TrainError> {
    let data = Data::read(path)?;
    let get = |names: [&str; 2]| names.into_iter().find_map(|name| data.get(name));
    match (get(["x", form.input_name.as_str()]), get(["y", "target"])) {
        (Some(x), Some(y)) => Dataset::from_tensors(name, form, x, y),
        _ => Err(TrainError::Request(format!(
            "{}: needs arrays `x` and `y`; write them with numpy.savez(FILE, x=..., y=...)",
            path.display()
        ))),
    }
}

/// Two arrays of a file each.
fn arrays(
    path: &Path,
    labels: Option<&str>,
    name: &str,
    form: &Form,
) -> Result<Dataset, TrainError> {
    let Some(labels) = labels else {
        return Err(TrainError::Request(format!(
            "{}: holds inputs alone; give the file of targets too, as --labels y.npy",
            path.display()
        )));
    };
    let sole = |path: &Path| -> Result<fanin_network::HostTensor, TrainError> {
        let data = Data::read(path)?;
        data.get(fanin_network::Dims::SOLE)
            .cloned()
            .ok_or_else(|| TrainError::Request(format!("{}: is no .npy array", path.display())))
    };
    Dataset::from_tensors(name, form, &sole(path)?, &sole(Path::new(labels))?)
}
