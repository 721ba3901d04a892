//! Small tensors held in plain memory: shape arithmetic, masks, ids, constants.

use crate::ElementType;

/// The elements of a [`HostTensor`], in C order.
///
/// All integer types are held as `i64` (u64 values above `i64::MAX` wrap), f16 and bf16 as `f32`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants are their own names")]
pub enum HostData {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

impl HostData {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor in plain memory, C order. Invariant: `data.len()` is the product of `shape`.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Size of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// The type the model declares, which may be narrower than what `data` holds.
    pub element: ElementType,
    /// The elements.
    pub data: HostData,
}

impl HostTensor {
    /// A float tensor; `None` if the length is not the product of the shape.
    pub fn f32(shape: Vec<usize>, data: Vec<f32>) -> Option<Self> {
        Self::new(shape, ElementType::F32, HostData::F32(data))
    }

    /// An integer tensor; `None` if the length is not the product of the shape.
    pub fn i64(shape: Vec<usize>, data: Vec<i64>) -> Option<Self> {
        Self::new(shape, ElementType::I64, HostData::I64(data))
    }

    /// A tensor; `None` if the length is not the product of the shape.
    pub fn new(shape: Vec<usize>, element: ElementType, data: HostData) -> Option<Self> {
        (element_count(&shape)? == data.len()).then_some(Self {
            shape,
            element,
            data,
        })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements as integers, if they are integers or booleans.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        match &self.data {
            HostData::I64(v) => Some(v.clone()),
            HostData::Bool(v) => Some(v.iter().map(|&b| i64::from(b)).collect()),
            HostData::F32(_) | HostData::F64(_) => None,
        }
    }

    /// The elements converted to `f32`, whatever they are.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.data {
            HostData::F32(v) => v.clone(),
            HostData::F64(v) => v.iter().map(|&x| x as f32).collect(),
            HostData::I64(v) => v.iter().map(|&x| x as f32).collect(),
            HostData::Bool(v) => v.iter().map(|&b| f32::from(u8::from(b))).collect(),
        }
    }
}

/// Product of the axes, `None` on overflow.
pub fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}
