//! What the rules know of an operator's inputs, and what they find.

use crate::operator::Setting;
use crate::shape::geometry;
use crate::{ElementType, HostTensor};

/// What is known about an input before the run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Operand<'a> {
    /// Element type.
    pub element: Option<ElementType>,
    /// Size of each axis.
    pub shape: Option<&'a [usize]>,
    /// The elements, if they are known.
    pub constant: Option<&'a HostTensor>,
}

impl<'a> From<&'a HostTensor> for Operand<'a> {
    fn from(tensor: &'a HostTensor) -> Self {
        Self {
            element: Some(tensor.element),
            shape: Some(&tensor.shape),
            constant: Some(tensor),
        }
    }
}

/// What is known about an output before the run; `None` where it depends on values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inferred {
    /// Element type.
    pub element: Option<ElementType>,
    /// Size of each axis.
    pub shape: Option<Vec<usize>>,
}

impl Inferred {
    pub(crate) fn new(element: Option<ElementType>, shape: Option<Vec<usize>>) -> Self {
        Self { element, shape }
    }

    pub(crate) fn known(element: Option<ElementType>, shape: Vec<usize>) -> Self {
        Self::new(element, Some(shape))
    }

    /// Only the element type is known.
    pub(crate) fn typed(element: Option<ElementType>) -> Self {
        Self::new(element, None)
    }
}

/// What is known about the inputs of an operator.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// Inputs in order; `None` for an optional one left out.
    pub inputs: &'a [Option<Operand<'a>>],
    /// Number of outputs the node lists.
    pub outputs: usize,
}

/// What the rules return: outputs in order (later ones may be left out), or one sentence.
pub(crate) type Found = Result<Vec<Inferred>, String>;

/// The shapes of the first inputs, or returns from the rule with the element type alone where one
/// of them is not known.
macro_rules! known {
    ($option:expr, $element:expr) => {
        match $option {
            Some(value) => value,
            None => return Ok(vec![$crate::infer::Inferred::typed($element)]),
        }
    };
}
pub(crate) use known;

impl<'a> Operands<'a> {
    /// The k-th input, if it is there.
    pub(crate) fn input(&self, k: usize) -> Option<&Operand<'a>> {
        self.inputs.get(k).and_then(Option::as_ref)
    }

    /// The k-th input, which the operator cannot do without.
    pub(crate) fn required(&self, k: usize, name: &str) -> Result<&Operand<'a>, String> {
        self.input(k)
            .ok_or_else(|| format!("input {k} (`{name}`) is missing"))
    }

    /// The shape of the k-th input, if it is there and known.
    pub(crate) fn shape(&self, k: usize) -> Option<&'a [usize]> {
        self.input(k).and_then(|input| input.shape)
    }

    /// The element type of the k-th input, if it is there and known.
    pub(crate) fn element(&self, k: usize) -> Option<ElementType> {
        self.input(k).and_then(|input| input.element)
    }

    /// Whether the k-th input is there.
    pub(crate) fn has(&self, k: usize) -> bool {
        self.input(k).is_some()
    }

    /// The integers of the k-th input. The outer `None` means that they are not known before the
    /// run, the inner one that the input is left out.
    pub(crate) fn integers(
        &self,
        k: usize,
        name: &str,
    ) -> Result<Option<Option<Vec<i64>>>, String> {
        let Some(input) = self.input(k) else {
            return Ok(Some(None));
        };
        let Some(constant) = input.constant else {
            return Ok(None);
        };
        constant
            .to_i64()
            .map(|list| Some(Some(list)))
            .ok_or_else(|| {
                format!(
                    "`{name}` holds {} elements where integers are wanted",
                    constant.element
                )
            })
    }

    /// The integers of a setting; the same two levels as [`Self::integers`].
    pub(crate) fn setting(
        &self,
        setting: &Setting<Vec<i64>>,
        name: &str,
    ) -> Result<Option<Option<Vec<i64>>>, String> {
        match setting {
            Setting::Given(list) => Ok(Some(Some(list.clone()))),
            Setting::Input(k) => self.integers(*k, name),
            Setting::Absent => Ok(Some(None)),
        }
    }

    /// Whether input `k`, where its shape is known, has exactly this shape.
    pub(crate) fn expect_shape(
        &self,
        k: usize,
        name: &str,
        wanted: &[usize],
    ) -> Result<(), String> {
        match self.shape(k) {
            Some(shape) if shape != wanted => Err(format!(
                "`{name}` has shape {shape:?} where {wanted:?} is wanted"
            )),
            _ => Ok(()),
        }
    }
}

/// The first output is as the first input.
pub(crate) fn same(operands: &Operands<'_>) -> Found {
    let x = operands.required(0, "X")?;
    Ok(vec![Inferred::new(x.element, x.shape.map(<[_]>::to_vec))])
}

/// Refuses shapes whose elements cannot be counted.
pub(crate) fn countable(found: &[Inferred]) -> Result<(), String> {
    for shape in found.iter().filter_map(|output| output.shape.as_ref()) {
        geometry::count(shape)?;
    }
    Ok(())
}
