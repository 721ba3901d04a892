//! `embedding(std, padding)`: normal rows, and a row of zeros for the id that pads sequences.

use std::fmt;

use super::Entry;
use super::arguments::Usual;
use super::rule::{Rule, Unfit, rule, std_fault};
use super::structure::Structure;
use crate::filler::Values;
use crate::sampler::{Normal, Sampler};
use crate::text::Number;
use crate::{Axis, Element, Layout, Stream};

rule! {
    /// N(0, `std`²), but 0 in the row of the padding id.
    Embedding as embedding {
        /// Standard deviation of the other rows.
        std: f64 = Usual::Shown(1.0),
        /// The row of zeros, if there is one.
        padding: Option<u64> = Usual::Silent(None),
    }
}

impl Rule for Embedding {
    const ENTRY: Entry = Entry {
        name: "embedding",
        aliases: &["padded_embedding"],
        formula: "w[row] ~ N(0, std²), w[padding] = 0; the other rows are those of normal(0, std)",
        when: "Embeddings: std=1 as PyTorch, 0.02 where the embedding is also the output head, d^(-1/2) where it is \
               multiplied by √d. padding is the id whose row stays 0.",
        reference: "torch.nn.Embedding(padding_idx); Vaswani et al., Attention Is All You Need, 2017, section 3.4",
        example: "embedding(std=0.02, padding=0)",
    };

    fn fault(&self) -> Option<&'static str> {
        std_fault(self.std)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        let rows = Sampler::Normal(Normal {
            mean: 0.0,
            std: self.std,
        });
        let Some(row) = self.padding else {
            return Ok(Values::Each(rows));
        };
        let Some(axis) = layout.axes.iter().position(|axis| *axis == Axis::Lookup) else {
            return Err("there are no rows to look up; padding is for embeddings".into());
        };
        let size = shape[axis] as u64;
        if row >= size && size > 0 {
            return Err(
                format!("padding row {row} of {size} rows; the last is {}", size - 1).into(),
            );
        }
        Ok(Padded {
            rows,
            row,
            size,
            inner: shape[axis + 1..].iter().map(|&n| n as u64).product(),
        }
        .into())
    }
}

/// A tensor one of whose rows is 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Padded {
    rows: Sampler,
    row: u64,
    /// Rows, and elements of one.
    size: u64,
    inner: u64,
}

impl Structure for Padded {
    fn fill<T: Element>(&self, stream: &Stream, start: u64, out: &mut [T]) {
        self.rows.fill(stream, start, out);
        let period = self.size * self.inner;
        let end = start + out.len() as u64;
        let mut copy = start / period;
        while copy * period < end {
            let from = copy * period + self.row * self.inner;
            let (from, to) = (from.max(start), (from + self.inner).min(end));
            if from < to {
                out[(from - start) as usize..(to - start) as usize].fill(T::default());
            }
            copy += 1;
        }
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            rows: self.rows.scaled(factor),
            ..self
        }
    }

    fn moments(&self) -> Option<(f64, f64)> {
        let share = 1.0 - 1.0 / self.size.max(1) as f64;
        Some((0.0, share * self.rows.std().powi(2)))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let std = Number(self.rows.std());
        write!(f, "normal, mean 0, std {std}; row {} is 0", self.row)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn the_padding_row_is_zero_and_the_others_are_as_without_it() {
        let (shape, layout) = ([10, 7], Layout::embedding());
        let draw = |text: &str| {
            let mut out = vec![9f32; 70];
            text.parse::<Initializer>()
                .unwrap()
                .fill(Seed::new(1), "emb", &shape, &layout, &mut out)
                .unwrap();
            out
        };
        let (padded, plain) = (draw("embedding(0.02, padding=3)"), draw("normal(0, 0.02)"));
        for (i, (a, b)) in padded.iter().zip(&plain).enumerate() {
            assert_eq!(*a, if i / 7 == 3 { 0.0 } else { *b });
        }
        assert_eq!(draw("embedding(std=0.02)"), plain);
    }

    #[test]
    fn a_row_beyond_the_vocabulary_is_refused() {
        let padded = Initializer::embedding(1.0, Some(10)).unwrap();
        let error = padded.resolve(&[10, 4], &Layout::embedding()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "embedding(std=1, padding=10) for shape [10, 4]: padding row 10 of 10 rows; the last is 9"
        );
        assert!(padded.resolve(&[20, 4], &Layout::linear_out_in()).is_err());
    }
}
