//! A folder with one folder of PNG pictures per class.

use std::path::Path;

use fanin_data::{ELEMENTS, Picture, too_many};

use super::fit::{Raw, inputs, standardize};
use crate::{Dataset, Form, Input, Samples};

pub(super) fn read(path: &Path, name: &str, form: &Form) -> Result<Dataset, String> {
    let pictures = fanin_data::pictures(path).map_err(|e| e.message)?;
    let Some((first, _)) = pictures.first() else {
        return Err("holds no pictures".to_owned());
    };
    let canvas = Canvas::of(form, first)?;
    let width = canvas.len();
    let total = pictures.len().checked_mul(width);
    if total.is_none_or(|n| n > ELEMENTS) {
        return Err(too_many(pictures.len(), width));
    }
    let mut values = Vec::with_capacity(pictures.len() * width);
    for (file, _) in &pictures {
        let picture = Picture::read(file).map_err(|e| e.to_string())?;
        canvas.draw(&picture, &mut values);
    }
    standardize(&mut values, 1);
    let raw = Raw {
        count: pictures.len(),
        // The canvas has the network's own layout.
        shape: form.input_shape[1..].to_vec(),
        values,
    };
    let taken = inputs(raw, form)?;
    let labels = pictures.iter().map(|(_, class)| *class).collect();
    let target_shape = match form.output {
        crate::Output::Binary => form.output_shape[1..].to_vec(),
        _ => Vec::new(),
    };
    Dataset::new(
        name,
        form,
        Samples::Floats(taken),
        Samples::Integers(labels),
        &target_shape,
    )
    .map_err(|e| e.to_string())
}

/// What the pictures are brought to.
struct Canvas {
    height: usize,
    width: usize,
    channels: usize,
    channels_last: bool,
}

impl Canvas {
    /// The network's own size; for one that takes vectors or rows, that of the first picture.
    fn of(form: &Form, first: &Path) -> Result<Self, String> {
        let plain = |height, width, channels, channels_last| Self {
            height,
            width,
            channels,
            channels_last,
        };
        match form.input {
            Input::Image {
                channels: channels @ (1 | 3),
                height,
                width,
                channels_last,
            } => Ok(plain(height, width, channels, channels_last)),
            Input::Sequence { time, width } => Ok(plain(time, width, 1, true)),
            Input::Vector { width } => {
                let picture = Picture::read(first).map_err(|e| e.to_string())?;
                let (h, w) = (picture.height, picture.width);
                [1, 3]
                    .into_iter()
                    .find(|channels| h * w * channels == width)
                    .map(|channels| plain(h, w, channels, true))
                    .ok_or_else(|| {
                        format!(
                            "the picture {} has {h} by {w} pixels and the network takes {width} numbers",
                            first.display()
                        )
                    })
            }
            _ => Err(format!(
                "holds pictures, and the network takes samples of shape {:?}; pictures need 1 or 3 channels",
                &form.input_shape[1..]
            )),
        }
    }

    fn len(&self) -> usize {
        self.height
            .saturating_mul(self.width)
            .saturating_mul(self.channels)
    }

    /// Puts a picture behind the others, each pixel the mean of what it covers.
    fn draw(&self, picture: &Picture, values: &mut Vec<f32>) {
        let value = |y: usize, x: usize, channel: usize| {
            let rows = span(y, self.height, picture.height);
            let columns = span(x, self.width, picture.width);
            let count = rows.len() * columns.len();
            let mut sum = 0.0f32;
            for row in rows {
                for column in columns.clone() {
                    sum += picture.at(row, column, channel, self.channels);
                }
            }
            sum / count.max(1) as f32
        };
        let (height, width, channels) = (self.height, self.width, self.channels);
        if self.channels_last {
            for y in 0..height {
                for x in 0..width {
                    values.extend((0..channels).map(|c| value(y, x, c)));
                }
            }
        } else {
            for c in 0..channels {
                for y in 0..height {
                    values.extend((0..width).map(|x| value(y, x, c)));
                }
            }
        }
    }
}

/// The places of `have` that place `k` of `want` covers, at least one.
fn span(k: usize, want: usize, have: usize) -> std::ops::Range<usize> {
    let from = (k * have / want).min(have - 1);
    let to = ((k + 1) * have / want).clamp(from + 1, have);
    from..to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_covers_something() {
        for (want, have) in [(4, 8), (8, 4), (3, 7), (7, 3), (1, 1)] {
            let mut covered = vec![false; have];
            for k in 0..want {
                let span = span(k, want, have);
                assert!(!span.is_empty() && span.end <= have);
                span.for_each(|place| covered[place] = true);
            }
            assert!(covered.into_iter().all(|c| c), "{want} of {have}");
        }
    }
}
