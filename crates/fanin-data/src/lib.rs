//! The data files that people have, read as they are: whatever network they are for.
//!
//! [`Format::of`] tells what a path holds. [`Data`] is named arrays (`.npy`, `.npz`), [`Table`] a CSV,
//! [`Idx`] the files that MNIST comes as, [`Picture`] a PNG and [`pictures`] a folder of them by class,
//! [`text`] a text.
//!
//! Files are untrusted: sizes are checked before memory is taken, and whatever is wrong gets one
//! sentence.

mod arrays;
mod csv;
mod error;
mod file;
mod folder;
mod format;
mod idx;
mod npy;
mod png;
mod text;

pub use arrays::Data;
pub use csv::Table;
pub use error::DataError;
pub use file::{ELEMENTS, too_many};
pub use folder::pictures;
pub use format::Format;
pub use idx::Idx;
pub use png::Picture;
pub use text::text;
