//! Numbers brought to the shape and size that a network takes.

use fanin_data::{ELEMENTS, too_many};

use crate::{Form, Input, Output, Samples};

/// Samples of pictures or rows, before they are fitted to a network.
pub(super) struct Raw {
    /// How many.
    pub(super) count: usize,
    /// Axes of one sample: `[height, width]` or `[height, width, channels]` of a picture.
    pub(super) shape: Vec<usize>,
    /// All of them, one after the other.
    pub(super) values: Vec<f32>,
}

/// Grey pictures or plain rows as a network's input; one sentence where sizes do not fit.
pub(super) fn inputs(raw: Raw, form: &Form) -> Result<Vec<f32>, String> {
    let wanted = &form.input_shape[1..];
    let width: usize = raw.shape.iter().product();
    let wide: usize = wanted.iter().product();
    let mut values = raw.values;
    if width != wide {
        // A grey picture for a network that takes colours: every channel gets it.
        let grey = match form.input {
            Input::Image {
                channels,
                height,
                width,
                channels_last,
            } if raw.shape == [height, width] => Some((channels, channels_last)),
            _ => None,
        };
        let Some((channels, last)) = grey else {
            return Err(format!(
                "its samples have shape {:?} and the network takes {wanted:?}",
                raw.shape
            ));
        };
        if values.len().saturating_mul(channels) > ELEMENTS {
            return Err(too_many(raw.count, wide));
        }
        values = if last {
            let all = values.iter();
            all.flat_map(|&v| std::iter::repeat_n(v, channels))
                .collect()
        } else {
            values
                .chunks(width.max(1))
                .flat_map(|p| p.repeat(channels))
                .collect()
        };
    }
    if values.iter().any(|v| !v.is_finite()) {
        return Err("not all of its numbers are finite".to_owned());
    }
    Ok(values)
}

/// Shifts and scales every column of `width` to mean 0 and mean square 1; a constant one to 0.
pub(super) fn standardize(values: &mut [f32], width: usize) {
    let width = width.max(1);
    let n = (values.len() / width).max(1) as f64;
    let mut mean = vec![0.0f64; width];
    for row in values.chunks(width) {
        for (m, &v) in mean.iter_mut().zip(row) {
            *m += f64::from(v) / n;
        }
    }
    let mut square = vec![0.0f64; width];
    for row in values.chunks(width) {
        for ((s, &m), &v) in square.iter_mut().zip(&mean).zip(row) {
            *s += (f64::from(v) - m).powi(2) / n;
        }
    }
    for row in values.chunks_mut(width) {
        for ((v, &m), &s) in row.iter_mut().zip(&mean).zip(&square) {
            let scale = if s > 0.0 { 1.0 / s.sqrt() } else { 0.0 };
            *v = ((f64::from(*v) - m) * scale) as f32;
        }
    }
}

/// Targets that are whole numbers: classes, unless the network gives values.
pub(super) fn targets(labels: Vec<f64>, form: &Form) -> (Samples, Vec<usize>) {
    let whole = labels
        .iter()
        .all(|l| l.fract() == 0.0 && l.abs() < 2f64.powi(53));
    if form.output == Output::Values || !whole {
        let values = labels.into_iter().map(|l| l as f32).collect();
        (Samples::Floats(values), one(form))
    } else {
        let classes = labels.into_iter().map(|l| l as i64).collect();
        (Samples::Integers(classes), one(form))
    }
}

/// The shape of one target of a sample: a single score or value keeps its axis of size 1.
fn one(form: &Form) -> Vec<usize> {
    match form.output {
        Output::Classes(_) | Output::StepClasses { .. } => Vec::new(),
        Output::Binary | Output::Values => vec![1; form.output_shape.len().saturating_sub(1)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_brought_to_size_one_each() {
        let mut values = [1.0, 10.0, 5.0, 3.0, 30.0, 5.0];
        standardize(&mut values, 3);
        assert_eq!(values, [-1.0, -1.0, 0.0, 1.0, 1.0, 0.0]);
        standardize(&mut [], 0);
    }
}
