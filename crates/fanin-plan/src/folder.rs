//! The folder of a start: what `fanin init` leaves.

use std::path::{Path, PathBuf};

use crate::{Plan, PlanError};

/// The files of a start, all in one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// What every parameter got, and why.
    pub plan: PathBuf,
    /// The weights.
    pub weights: PathBuf,
    /// The page.
    pub report: PathBuf,
    /// The model with the weights inside.
    pub model: PathBuf,
}

impl Folder {
    /// The files as they are named in this folder; whether they are there is another matter.
    pub fn new(path: &Path) -> Self {
        Self {
            plan: path.join("plan.toml"),
            weights: path.join("weights.safetensors"),
            report: path.join("report.html"),
            model: path.join("model.onnx"),
        }
    }

    /// Weights of the same plan may be written again, they have the same bits; others are not replaced
    /// without being asked.
    ///
    /// # Errors
    ///
    /// [`PlanError::Request`] if there are weights, and no plan that equals this one.
    pub fn refuse_other_weights(&self, plan: &Plan) -> Result<(), PlanError> {
        let same = || Plan::read(&self.plan).is_ok_and(|old| old == *plan);
        if !self.weights.exists() || same() {
            return Ok(());
        }
        Err(PlanError::Request(format!(
            "{} holds weights of another plan; give another --output, or --force to replace them",
            self.weights.display()
        )))
    }
}
