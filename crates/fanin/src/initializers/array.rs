//! `array(v, v, …)`: the values themselves, in row-major order.
//!
//! For small tensors whose values mean something; there must be as many as the tensor has elements. Large arrays belong
//! in a file of weights.

use std::fmt;
use std::sync::Arc;

use super::arguments::{Arguments, list};
use super::rule::{Rule, Unfit};
use super::structure::Structure;
use super::{Entry, InitError, Initializer};
use crate::filler::Values;
use crate::text::{Call, Number, ParseError};
use crate::{Element, Layout, Stream};

/// The values given, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// One for each element.
    pub values: Vec<f64>,
}

impl Initializer {
    /// The values given, in row-major order.
    ///
    /// # Errors
    /// When there are none, or one is not finite.
    pub fn array(values: impl Into<Vec<f64>>) -> Result<Self, InitError> {
        Self::Array(Array {
            values: values.into(),
        })
        .validated()
    }
}

impl Arguments for Array {
    fn arguments(&self) -> Vec<String> {
        let number = |value: &f64| Number(*value).to_string();
        self.values.iter().map(number).collect()
    }

    fn read(call: Call) -> Result<Self, ParseError> {
        list(call).map(|values| Self { values })
    }
}

impl Rule for Array {
    const ENTRY: Entry = Entry {
        name: "array",
        aliases: &["values", "assign"],
        formula: "w[i] = the i-th value, in row-major order; as many values as elements",
        when: "Small tensors with meant values: a colour matrix, a filter, the scales of a few heads.",
        reference: "tf.constant_initializer, paddle.nn.initializer.Assign",
        example: "array(0, 1, 0.5)",
    };

    fn fault(&self) -> Option<&'static str> {
        if self.values.is_empty() {
            Some("there must be at least one value")
        } else {
            let bad = self.values.iter().any(|value| !value.is_finite());
            bad.then_some("every value must be finite")
        }
    }

    fn resolve(&self, shape: &[usize], _: &Layout) -> Result<Values, Unfit> {
        listed(&self.values, shape)
    }
}

/// The values for a tensor of as many elements.
pub(super) fn listed(values: &[f64], shape: &[usize]) -> Result<Values, Unfit> {
    let elements = crate::layout::elements(shape)?;
    if elements != values.len() as u64 {
        return Err(format!(
            "{} values given for {elements} elements; give one for each",
            values.len()
        )
        .into());
    }
    Ok(Listed {
        values: values.into(),
    }
    .into())
}

/// Resolved values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    values: Arc<[f64]>,
}

impl Structure for Listed {
    fn fill<T: Element>(&self, _: &Stream, start: u64, out: &mut [T]) {
        for (x, value) in out.iter_mut().zip(&self.values[start as usize..]) {
            *x = T::from_f64(*value);
        }
    }

    fn scaled(self, factor: f64) -> Self {
        Self {
            values: self.values.iter().map(|value| factor * value).collect(),
        }
    }

    fn moments(&self) -> Option<(f64, f64)> {
        let count = self.values.len().max(1) as f64;
        let sum: f64 = self.values.iter().sum();
        let square: f64 = self.values.iter().map(|value| value * value).sum();
        Some((sum / count, square / count))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} given values", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    #[test]
    fn values_are_those_given_in_row_major_order() {
        let array: Initializer = "array(0, 1, 0.5, -2, 1e-5, 3)".parse().unwrap();
        let mut out = [9f32; 6];
        array
            .fill(
                Seed::new(0),
                "w",
                &[2, 3],
                &Layout::linear_out_in(),
                &mut out,
            )
            .unwrap();
        assert_eq!(out, [0.0, 1.0, 0.5, -2.0, 1e-5, 3.0]);
        assert_eq!(array.to_string(), "array(0, 1, 0.5, -2, 1e-5, 3)");
    }

    #[test]
    fn the_count_must_be_that_of_the_shape() {
        let array = Initializer::array([1.0, 2.0]).unwrap();
        let error = array.resolve(&[3], &Layout::vector()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "array(1, 2) for shape [3]: 2 values given for 3 elements; give one for each"
        );
        assert!(Initializer::array([]).is_err() && Initializer::array([f64::NAN]).is_err());
        assert!("array(value=1)".parse::<Initializer>().is_err());
    }
}
