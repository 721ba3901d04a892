//! What tasks make, and what several need for it.

use crate::{Form, Output, Samples};

/// What a task made.
pub(super) struct Made {
    pub(super) inputs: Samples,
    pub(super) targets: Samples,
    /// Of one sample.
    pub(super) target_shape: Vec<usize>,
}

impl Made {
    /// Floats with one class each.
    pub(super) fn classes(form: &Form, inputs: Vec<f32>, classes: Vec<usize>) -> Self {
        Self {
            inputs: Samples::Floats(inputs),
            targets: Samples::Integers(classes.into_iter().map(|c| c as i64).collect()),
            // A single score keeps its axis of size 1, if it has one.
            target_shape: match form.output {
                Output::Binary => form.output_shape[1..].to_vec(),
                _ => Vec::new(),
            },
        }
    }
}

/// Classes a task uses of those the network has.
pub(super) fn classes(form: &Form, most: usize) -> usize {
    match form.output {
        Output::Classes(n) | Output::StepClasses { classes: n, .. } => n.min(most),
        _ => 2,
    }
}

/// Shifts and scales all numbers together to mean 0 and mean square 1.
pub(super) fn standardize(values: &mut [f32]) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let square = values
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / n;
    let scale = if square > 0.0 {
        1.0 / square.sqrt()
    } else {
        1.0
    };
    for v in values {
        *v = ((f64::from(*v) - mean) * scale) as f32;
    }
}
