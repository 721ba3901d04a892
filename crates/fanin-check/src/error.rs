//! What can go wrong when a network is judged.

use fanin_network::NetworkError;
use fanin_plan::PlanError;
use fanin_run::RunError;

/// What can go wrong. Each message is one sentence that names the place and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The array of labels does not fit the output.
    #[error("the array `labels`: {0}")]
    Labels(String),
    /// The network or its weights cannot be read or written.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The weights cannot be planned or made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The network cannot be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An initializer does not suit its parameter.
    #[error(transparent)]
    Initializer(#[from] fanin::InitError),
}
