//! CSV: numbers in columns, one of them the target.

use std::collections::BTreeSet;
use std::path::Path;

use fanin_data::Table;

use super::fit::{Raw, inputs, standardize, targets};
use crate::{Dataset, Form, Output, Samples, TrainError};

pub(super) fn read(
    path: &Path,
    label: Option<&str>,
    name: &str,
    form: &Form,
) -> Result<Dataset, TrainError> {
    let wrap = |message: String| TrainError::Request(format!("{}: {message}", path.display()));
    let table = Table::read(path, label)?;
    let (labels, target_shape) = of_labels(&table.labels, form).map_err(wrap)?;
    let mut values = table.values;
    standardize(&mut values, table.width);
    let raw = Raw {
        count: table.labels.len(),
        shape: vec![table.width],
        values,
    };
    let taken = inputs(raw, form).map_err(wrap)?;
    Dataset::new(name, form, Samples::Floats(taken), labels, &target_shape)
}

/// Numbers as they are; names as classes in the order of the alphabet.
fn of_labels(labels: &[String], form: &Form) -> Result<(Samples, Vec<usize>), String> {
    let numbers: Result<Vec<f64>, _> = labels.iter().map(|l| l.parse::<f64>()).collect();
    if let Ok(numbers) = numbers {
        return Ok(targets(numbers, form));
    }
    if form.output == Output::Values {
        return Err("its targets are names, and the network gives values; give numbers".to_owned());
    }
    let names: BTreeSet<&str> = labels.iter().map(String::as_str).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let class = |label: &String| names.binary_search(&label.as_str()).unwrap_or(0) as f64;
    Ok(targets(labels.iter().map(class).collect(), form))
}
