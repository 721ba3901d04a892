//! Slices as text: `0:96, :`.

use std::fmt;
use std::ops::Range;

use super::{Slice, SliceError, chunk, whole};

/// The ranges of each axis; those after the last one written are whole.
pub(super) fn read(shape: &[usize], text: &str) -> Result<Vec<Vec<Range<usize>>>, SliceError> {
    let written: Vec<&str> = match text.trim() {
        "" => Vec::new(),
        text => text.split(',').collect(),
    };
    if written.len() > shape.len() {
        return Err(SliceError::Axes {
            shape: shape.to_vec(),
            given: written.len(),
        });
    }
    let rest = shape.len() - written.len();
    shape
        .iter()
        .zip(written.into_iter().chain(std::iter::repeat_n(":", rest)))
        .map(|(&size, ranges)| {
            ranges
                .split('+')
                .map(|part| range(size, part.trim()))
                .collect()
        })
        .collect()
}

fn range(size: usize, part: &str) -> Result<Range<usize>, SliceError> {
    let no_range = || SliceError::Text {
        part: part.to_owned(),
    };
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| no_range());
    if let Some((index, count)) = part.split_once('/') {
        let (index, count) = (number(index)?, number(count)?);
        // Counted from 1 in a text: 8/8 is the last.
        return chunk(size, index.checked_sub(1).ok_or_else(no_range)?, count)
            .map_err(|_| no_range());
    }
    let (start, end) = part.split_once(':').ok_or_else(no_range)?;
    let or = |text: &str, default| {
        if text.trim().is_empty() {
            Ok(default)
        } else {
            number(text)
        }
    };
    Ok(or(start, 0)?..or(end, size)?)
}

impl fmt::Display for Slice {
    /// What [`Slice::parse`] reads back: `0:96, :`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (axis, (ranges, &size)) in self.axes.iter().zip(&self.shape).enumerate() {
            if axis > 0 {
                f.write_str(", ")?;
            }
            if whole(ranges, size) {
                f.write_str(":")?;
                continue;
            }
            if ranges.is_empty() {
                f.write_str("0:0")?;
            }
            for (i, range) in ranges.iter().enumerate() {
                let plus = if i == 0 { "" } else { "+" };
                write!(f, "{plus}{}:{}", range.start, range.end)?;
            }
        }
        Ok(())
    }
}
