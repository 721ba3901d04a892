//! What a check is told besides the run.

use fanin::DType;

use crate::Optimizer;

/// What a checkup says about itself, and what is known of the training to come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The model as the user named it.
    pub model: String,
    /// The seed of weights and inputs.
    pub seed: u64,
    /// Whether the run drew its inputs; of a user's data less is known beforehand.
    pub drawn: bool,
    /// The format training will compute in, if its range is to be judged (F704).
    pub dtype: Option<DType>,
    /// The optimizer, if its first step is to be judged (F705).
    pub optimizer: Option<Optimizer>,
    /// How many samples of the data have each class, if the output's prior is to be judged (F602).
    pub class_counts: Option<Vec<u64>>,
}
