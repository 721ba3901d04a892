//! The files that MNIST comes as.

use std::path::Path;

use fanin_data::Idx;

use super::fit::{Raw, inputs, standardize, targets};
use crate::{Dataset, Form, Samples, TrainError};

pub(super) fn read(
    path: &Path,
    labels: Option<&str>,
    name: &str,
    form: &Form,
) -> Result<Dataset, TrainError> {
    let wrap = |message: String| TrainError::Request(format!("{}: {message}", path.display()));
    let read = Idx::read(path, labels)?;
    let mut values: Vec<f32> = read.values.iter().map(|&v| v as f32).collect();
    standardize(&mut values, 1);
    let raw = Raw {
        count: read.count,
        shape: read.shape,
        values,
    };
    let (targets, target_shape) = targets(read.labels, form);
    let taken = inputs(raw, form).map_err(wrap)?;
    Dataset::new(name, form, Samples::Floats(taken), targets, &target_shape)
        .map_err(|e| wrap(e.to_string()))
}
