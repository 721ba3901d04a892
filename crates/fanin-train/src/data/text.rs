//! A text file for a character model: which character comes next?

use std::collections::BTreeSet;
use std::path::Path;

use crate::{Dataset, Form, Input, Output, Samples, TrainError};

pub(super) fn read(path: &Path, name: &str, form: &Form) -> Result<Dataset, TrainError> {
    let wrap = |message: String| TrainError::Request(format!("{}: {message}", path.display()));
    let text = fanin_data::text(path)?;
    let (ids, targets) = windows(&text, form).map_err(wrap)?;
    let time = form.input_shape[1..].iter().product();
    Dataset::new(
        name,
        form,
        Samples::Integers(ids),
        Samples::Integers(targets),
        &[time],
    )
}

/// Stretches of the text and the same shifted by one character, without overlap.
fn windows(text: &str, form: &Form) -> Result<(Vec<i64>, Vec<i64>), String> {
    let (time, known) = match (form.input, form.output) {
        (Input::Tokens { time, vocabulary }, Output::StepClasses { classes, .. }) => {
            (time, vocabulary.min(classes))
        }
        _ => {
            return Err(format!(
                "is text, which asks for the next character at every step; the network gives {:?}",
                form.output_shape
            ));
        }
    };
    let letters: BTreeSet<char> = text.chars().collect();
    if letters.len() > known {
        return Err(format!(
            "has {} different characters and the network knows {known} tokens",
            letters.len()
        ));
    }
    let letters: Vec<char> = letters.into_iter().collect();
    let all: Vec<i64> = text
        .chars()
        .map(|c| letters.binary_search(&c).unwrap_or(0) as i64)
        .collect();
    if time == 0 || all.len() <= time {
        return Err(format!(
            "has {} characters, and one sample takes {}",
            all.len(),
            time + 1
        ));
    }
    let count = (all.len() - 1) / time;
    let ids = all[..count * time].to_vec();
    let targets = all[1..=count * time].to_vec();
    Ok((ids, targets))
}
