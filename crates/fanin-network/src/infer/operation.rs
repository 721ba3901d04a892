//! One operation as the rules see it, and what they find.

use crate::fold::geometry;
use crate::{Attribute, Attributes, ElementType, HostTensor};

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
    pub(super) fn new(element: Option<ElementType>, shape: Option<Vec<usize>>) -> Self {
        Self { element, shape }
    }

    pub(super) fn known(element: Option<ElementType>, shape: Vec<usize>) -> Self {
        Self::new(element, Some(shape))
    }

    /// Only the element type is known.
    pub(super) fn typed(element: Option<ElementType>) -> Self {
        Self::new(element, None)
    }
}

/// One operation with what is known about its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// Operator, as ONNX spells it.
    pub op: &'a str,
    /// Operator domain; empty for ONNX's own.
    pub domain: &'a str,
    /// Version of the operator set.
    pub opset: i64,
    /// Attributes.
    pub attributes: &'a Attributes,
    /// Inputs in order; `None` for an optional one left out.
    pub inputs: &'a [Option<Operand<'a>>],
    /// Number of outputs the node lists.
    pub outputs: usize,
}

/// What the rules return: outputs in order (later ones may be left out), or one sentence.
pub(super) type Found = Result<Vec<Inferred>, String>;

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
pub(super) use known;

impl<'a> Operation<'a> {
    /// The k-th input, if it is there.
    pub(super) fn input(&self, k: usize) -> Option<&Operand<'a>> {
        self.inputs.get(k).and_then(Option::as_ref)
    }

    /// The k-th input, which the operator cannot do without.
    pub(super) fn required(&self, k: usize, name: &str) -> Result<&Operand<'a>, String> {
        self.input(k)
            .ok_or_else(|| format!("input {k} (`{name}`) is missing"))
    }

    /// The shape of the k-th input, if it is there and known.
    pub(super) fn shape(&self, k: usize) -> Option<&'a [usize]> {
        self.input(k).and_then(|input| input.shape)
    }

    /// The element type of the k-th input, if it is there and known.
    pub(super) fn element(&self, k: usize) -> Option<ElementType> {
        self.input(k).and_then(|input| input.element)
    }

    /// Whether the k-th input is there.
    pub(super) fn has(&self, k: usize) -> bool {
        self.input(k).is_some()
    }

    /// An element type named by an attribute.
    pub(super) fn element_attribute(&self, name: &str) -> Option<ElementType> {
        match self.attributes.get(name) {
            Some(Attribute::Int(n)) => i32::try_from(*n).ok().map(ElementType::from_onnx),
            _ => None,
        }
    }

    /// The integers of the k-th input. The outer `None` means that they are not known before the
    /// run, the inner one that the input is left out.
    pub(super) fn integers(
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

    /// A list that older operator sets keep in an attribute and newer ones in input `k`; the same
    /// two levels as [`Self::integers`].
    pub(super) fn list(&self, name: &str, k: usize) -> Result<Option<Option<Vec<i64>>>, String> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(list)) => Ok(Some(Some(list.clone()))),
            Some(Attribute::Int(one)) => Ok(Some(Some(vec![*one]))),
            _ => self.integers(k, name),
        }
    }

    /// One integer from an attribute.
    pub(super) fn size_attribute(&self, name: &str) -> Result<Option<usize>, String> {
        match self.attributes.get(name) {
            Some(Attribute::Int(n)) => usize::try_from(*n)
                .map(Some)
                .map_err(|_| format!("attribute `{name}` is {n}, which is no size")),
            _ => Ok(None),
        }
    }

    /// Whether input `k`, where its shape is known, has exactly this shape.
    pub(super) fn expect_shape(
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

/// Refuses shapes whose elements cannot be counted.
pub(super) fn countable(found: &[Inferred]) -> Result<(), String> {
    for shape in found.iter().filter_map(|output| output.shape.as_ref()) {
        geometry::count(shape)?;
    }
    Ok(())
}
