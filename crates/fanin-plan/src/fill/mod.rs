//! Filling what a plan describes, in memory or into files, and checking files against their plan.
//!
//! The values of a tensor do not depend on how it is cut: blocks are computed on all threads, in any
//! order, and a shard computes its own tensors only, a slice its own elements.

mod blocks;
mod file;
mod header;
mod memory;
mod options;
mod partial;
mod place;
mod set;
mod shard;
mod slices;
mod verify;
mod written;

use fanin::{Filler, Stream};

use crate::{Entry, Plan, PlanError};

pub use options::{FillOptions, Filled, Progress};
pub use shard::shard_path;
pub use slices::Slices;
pub use verify::{Difference, Verified, Verify};

/// Elements that are computed and written at a time.
const BLOCK: usize = 1 << 19;

/// One entry, ready to be filled.
struct Source {
    filler: Filler,
    stream: Stream,
    /// Whether the blocks share work that is done once if they are filled upwards, one after the
    /// other: the reflections of an orthogonal matrix. A filler shares one block among all threads.
    upwards: bool,
}

impl Source {
    fn new(plan: &Plan, entry: &Entry) -> Result<Self, PlanError> {
        let filler = entry
            .initializer
            .resolve(&entry.shape, &entry.layout)
            .map_err(|error| fault(entry, error.to_string()))?;
        Ok(Self {
            stream: Stream::new(plan.seed, &entry.name),
            upwards: filler.shares_work(),
            filler,
        })
    }
}

fn fault(entry: &Entry, message: impl Into<String>) -> PlanError {
    PlanError::Parameter {
        parameter: entry.name.clone(),
        shape: entry.shape.clone(),
        message: message.into(),
    }
}
