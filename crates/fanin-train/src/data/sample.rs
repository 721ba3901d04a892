//! A batch of the user's data, for a check.

use std::path::Path;

use fanin_data::{Data, Format};
use fanin_network::Network;

use crate::{Dataset, Form, TrainError};

/// A batch of the user's samples, and what is known of all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// As many samples as the network takes at once.
    pub data: Data,
    /// How many of all samples have each class, where targets are classes.
    pub class_counts: Option<Vec<u64>>,
}

impl Sample {
    /// Whether a path holds arrays that are fed as they are, and no samples to take a batch of.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn is_arrays(path: &Path) -> Result<bool, TrainError> {
        Ok(matches!(Format::of(path)?, Format::Archive | Format::Array))
    }

    /// Takes a batch of the samples that a path holds, in the order that [`Dataset::read`] gives them.
    ///
    /// # Errors
    ///
    /// As [`Dataset::read`], and a network that takes no samples.
    pub fn read(path: &Path, labels: Option<&str>, network: &Network) -> Result<Self, TrainError> {
        let form = Form::of(network)?;
        let dataset = Dataset::read(path, labels, &form)?;
        let places = 0..form.batch();
        let places: Vec<usize> = places.map(|k| k % dataset.count().max(1)).collect();
        Ok(Self {
            data: dataset.at(&places)?.inputs,
            class_counts: dataset.class_counts(&form),
        })
    }
}
