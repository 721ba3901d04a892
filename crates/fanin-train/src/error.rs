//! What can go wrong.

use fanin_data::DataError;
use fanin_network::NetworkError;
use fanin_plan::PlanError;
use fanin_run::RunError;

/// What can go wrong. Each message is one sentence that names the place and the way out.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A task, data or settings that do not suit the network.
    #[error("{0}")]
    Request(String),
    /// The user's data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The network cannot be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The weights of a start cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
}
