//! What can be wrong with a model.

use std::path::PathBuf;

/// What can be wrong with a model or with how it was asked for. Each message is one sentence that
/// names the place and the way out.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not a model, or it contradicts itself.
    #[error("{}: {message}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// One sentence.
        message: String,
    },
    /// A node asks for something impossible or unknown.
    #[error("node `{node}` ({op}): {message}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operator.
        op: String,
        /// One sentence.
        message: String,
    },
    /// A one-line architecture that does not parse; `column` counts characters from 0.
    #[error("{message}\n  {text}\n  {}^", " ".repeat(*column))]
    Architecture {
        /// What the user wrote.
        text: String,
        /// Where it goes wrong.
        column: usize,
        /// One sentence.
        message: String,
    },
    /// Anything else the user asked for that cannot be had.
    #[error("{0}")]
    Request(String),
}
