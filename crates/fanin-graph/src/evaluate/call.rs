//! One evaluation: its inputs and what bounds it.

use crate::host::element_count;
use crate::operator::Setting;
use crate::{ElementType, HostData, HostTensor};

/// Why there is no result.
pub(crate) enum Stop {
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

pub(crate) type Outcome = Result<Vec<HostTensor>, Stop>;

pub(crate) struct Call<'a> {
    pub(crate) inputs: &'a [Option<&'a HostTensor>],
    pub(crate) outputs: usize,
    /// Largest number of elements of one result.
    pub(crate) limit: usize,
}

impl<'a> Call<'a> {
    /// The k-th input, if it is there.
    pub(crate) fn input(&self, k: usize) -> Option<&'a HostTensor> {
        self.inputs.get(k).copied().flatten()
    }

    /// The k-th input, which the operator cannot do without.
    pub(crate) fn required(&self, k: usize, name: &str) -> Result<&'a HostTensor, Stop> {
        self.input(k)
            .ok_or_else(|| Stop::Wrong(format!("input {k} (`{name}`) is missing")))
    }

    /// The integers of the k-th input, if it is there.
    pub(crate) fn integers(&self, k: usize, name: &str) -> Result<Option<Vec<i64>>, Stop> {
        self.input(k).map(|t| integers(t, name)).transpose()
    }

    /// The integers of a setting, if anything states it.
    pub(crate) fn setting(
        &self,
        setting: &Setting<Vec<i64>>,
        name: &str,
    ) -> Result<Option<Vec<i64>>, Stop> {
        match setting {
            Setting::Given(list) => Ok(Some(list.clone())),
            Setting::Input(k) => self.integers(*k, name),
            Setting::Absent => Ok(None),
        }
    }

    /// Number of elements of a result of this shape; stops where that is over the limit.
    pub(crate) fn size(&self, shape: &[usize]) -> Result<usize, Stop> {
        if extent(shape).is_none_or(|n| n > self.limit) {
            return Err(Stop::Unknown);
        }
        element_count(shape).ok_or(Stop::Unknown)
    }
}

/// Elements, axes without any counted as one. A tensor of shape `[2^60, 0]` takes no memory, but
/// whoever walks its rows never comes back.
pub(crate) fn extent(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d.max(1)))
}

/// The elements as integers.
pub(crate) fn integers(tensor: &HostTensor, name: &str) -> Result<Vec<i64>, Stop> {
    tensor.to_i64().ok_or_else(|| {
        Stop::Wrong(format!(
            "`{name}` holds {} elements where integers are wanted",
            tensor.element
        ))
    })
}

/// The only element of a tensor of one element, as an integer.
pub(crate) fn one_integer(tensor: &HostTensor, name: &str) -> Result<i64, Stop> {
    match integers(tensor, name)?.as_slice() {
        [one] => Ok(*one),
        _ => Err(Stop::Wrong(format!(
            "`{name}` has shape {:?} where one element is wanted",
            tensor.shape
        ))),
    }
}

/// A result whose data already fits its element type.
pub(crate) fn tensor(shape: Vec<usize>, element: ElementType, data: HostData) -> HostTensor {
    debug_assert_eq!(element_count(&shape), Some(data.len()));
    HostTensor {
        shape,
        element,
        data,
    }
}

/// An operator that has no meaning for these elements.
pub(crate) fn not_defined(tensor: &HostTensor) -> Stop {
    Stop::Wrong(format!("is not defined for {} elements", tensor.element))
}

/// Inputs of different types where the operator wants one type.
pub(crate) fn mixed(a: &HostTensor, b: &HostTensor) -> Stop {
    Stop::Wrong(format!(
        "wants inputs of one type, got {} and {}",
        a.element, b.element
    ))
}
