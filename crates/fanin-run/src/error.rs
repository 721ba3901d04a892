//! What can go wrong in a run.

/// What can go wrong in a run. Each message is one sentence that names the place and the way out.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The network has operators that cannot be run; found before anything runs.
    #[error(
        "cannot run {}; run a model without {}, or replace {} by operators that `fanin explain operators` lists",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        if .0.len() == 1 { "it" } else { "them" },
        if .0.len() == 1 { "it" } else { "them" },
    )]
    Unknown(Vec<UnknownNode>),
    /// A node cannot be computed from what it is given.
    #[error("node `{node}` ({op}) cannot be run on {inputs}: {message}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operator.
        op: String,
        /// Its inputs in words: names and shapes.
        inputs: String,
        /// One sentence.
        message: String,
    },
    /// A parameter has no weights, or weights of another shape.
    #[error("parameter `{name}`: {message}")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// One sentence.
        message: String,
    },
    /// An input cannot be made or does not fit.
    #[error("input `{name}`: {message}")]
    Input {
        /// The input's name.
        name: String,
        /// One sentence.
        message: String,
    },
    /// The network cannot be run as a whole.
    #[error("{0}")]
    Network(String),
}

/// A node whose operator is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownNode {
    /// The node's name.
    pub node: String,
    /// Its operator, with the domain where it is not ONNX's own.
    pub op: String,
}

impl std::fmt::Display for UnknownNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operator {} of node `{}`", self.op, self.node)
    }
}
