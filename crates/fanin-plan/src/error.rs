//! What can be wrong with a request, a plan's text, a rule, or the place the weights go to.

use std::path::PathBuf;

/// What can be wrong. Each message is one sentence that names the place and the way out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The text of a plan or of rules does not say what it should.
    #[error("line {line}, {field}: {message}")]
    Text {
        /// Line in the text, counted from 1.
        line: usize,
        /// The field at fault, such as `shape of "conv1.weight"`, or what was being read.
        field: String,
        /// What is wrong and what is expected.
        message: String,
    },
    /// A parameter cannot get what was chosen for it.
    #[error("parameter `{parameter}` {shape:?}: {message}")]
    Parameter {
        /// Its name.
        parameter: String,
        /// Its shape.
        shape: Vec<usize>,
        /// What is wrong and the way out.
        message: String,
    },
    /// The plan belongs to another network.
    #[error("{0}")]
    Mismatch(String),
    /// The user asked for something that does not exist or cannot be had.
    #[error("{0}")]
    Request(String),
    /// The weights cannot be written; nothing was left behind.
    #[error("cannot write {}: {message}", path.display())]
    Write {
        /// The file that was asked for.
        path: PathBuf,
        /// The reason, and the way out where there is one.
        message: String,
    },
    /// Weights cannot be read.
    #[error("cannot read {}: {message}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        message: String,
    },
}
