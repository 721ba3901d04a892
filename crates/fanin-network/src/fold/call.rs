//! One evaluation: the operator, its attributes and its inputs.

use crate::{Attribute, Attributes, ElementType, HostData, HostTensor};
use fanin_graph::element_count;

/// Why there is no result.
pub(super) enum Stop {
    /// Not an operator, type or size that the evaluator takes.
    Unknown,
    /// The inputs contradict the operator; one sentence.
    Wrong(String),
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Wrong(message)
    }
}

pub(super) type Outcome = Result<Vec<HostTensor>, Stop>;

pub(super) struct Call<'a> {
    pub(super) op: &'a str,
    pub(super) opset: i64,
    pub(super) attributes: &'a Attributes,
    pub(super) inputs: &'a [Option<&'a HostTensor>],
    pub(super) outputs: usize,
    /// Largest number of elements of one result.
    pub(super) limit: usize,
}

impl<'a> Call<'a> {
    /// The k-th input, if it is there.
    pub(super) fn input(&self, k: usize) -> Option<&'a HostTensor> {
        self.inputs.get(k).copied().flatten()
    }

    /// The k-th input, which the operator cannot do without.
    pub(super) fn required(&self, k: usize, name: &str) -> Result<&'a HostTensor, Stop> {
        self.input(k)
            .ok_or_else(|| Stop::Wrong(format!("input {k} (`{name}`) is missing")))
    }

    /// The integers of the k-th input, if it is there.
    pub(super) fn integers(&self, k: usize, name: &str) -> Result<Option<Vec<i64>>, Stop> {
        self.input(k).map(|t| integers(t, name)).transpose()
    }

    /// A list that older operator sets keep in an attribute and newer ones in input `k`.
    pub(super) fn list(&self, name: &str, k: usize) -> Result<Option<Vec<i64>>, Stop> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(list)) => Ok(Some(list.clone())),
            Some(Attribute::Int(one)) => Ok(Some(vec![*one])),
            _ => self.integers(k, name),
        }
    }

    /// Number of elements of a result of this shape; stops where that is over the limit.
    pub(super) fn size(&self, shape: &[usize]) -> Result<usize, Stop> {
        if extent(shape).is_none_or(|n| n > self.limit) {
            return Err(Stop::Unknown);
        }
        element_count(shape).ok_or(Stop::Unknown)
    }
}

/// Elements, axes without any counted as one. A tensor of shape `[2^60, 0]` takes no memory, but
/// whoever walks its rows never comes back.
pub(super) fn extent(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d.max(1)))
}

/// The elements as integers.
pub(super) fn integers(tensor: &HostTensor, name: &str) -> Result<Vec<i64>, Stop> {
    tensor.to_i64().ok_or_else(|| {
        Stop::Wrong(format!(
            "`{name}` holds {} elements where integers are wanted",
            tensor.element
        ))
    })
}

/// The only element of a tensor of one element, as an integer.
pub(super) fn one_integer(tensor: &HostTensor, name: &str) -> Result<i64, Stop> {
    match integers(tensor, name)?.as_slice() {
        [one] => Ok(*one),
        _ => Err(Stop::Wrong(format!(
            "`{name}` has shape {:?} where one element is wanted",
            tensor.shape
        ))),
    }
}

/// A result whose data already fits its element type.
pub(super) fn tensor(shape: Vec<usize>, element: ElementType, data: HostData) -> HostTensor {
    debug_assert_eq!(element_count(&shape), Some(data.len()));
    HostTensor {
        shape,
        element,
        data,
    }
}

/// An operator that has no meaning for these elements.
pub(super) fn not_defined(tensor: &HostTensor) -> Stop {
    Stop::Wrong(format!("is not defined for {} elements", tensor.element))
}

/// Inputs of different types where the operator wants one type.
pub(super) fn mixed(a: &HostTensor, b: &HostTensor) -> Stop {
    Stop::Wrong(format!(
        "wants inputs of one type, got {} and {}",
        a.element, b.element
    ))
}
