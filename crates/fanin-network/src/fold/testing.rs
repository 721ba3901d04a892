//! Tensors and calls in short, for the tests of the evaluator.

use super::evaluate;
use crate::infer::testing::attributes;
use crate::{Attribute, Attributes, ElementType, HostData, HostTensor};

pub(super) fn i(shape: &[usize], data: &[i64]) -> HostTensor {
    HostTensor::i64(shape.to_vec(), data.to_vec()).unwrap()
}

pub(super) fn f(shape: &[usize], data: &[f32]) -> HostTensor {
    HostTensor::f32(shape.to_vec(), data.to_vec()).unwrap()
}

pub(super) fn b(shape: &[usize], data: &[u8]) -> HostTensor {
    let data = HostData::Bool(data.iter().map(|&x| x != 0).collect());
    HostTensor::new(shape.to_vec(), ElementType::Bool, data).unwrap()
}

/// A vector of a narrow integer type.
pub(super) fn narrow(element: ElementType, data: &[i64]) -> HostTensor {
    HostTensor::new(vec![data.len()], element, HostData::I64(data.to_vec())).unwrap()
}

/// `0, 1, 2, …` in this shape.
pub(super) fn counted(shape: &[usize]) -> HostTensor {
    let n: usize = shape.iter().product();
    i(shape, &(0..n as i64).collect::<Vec<_>>())
}

pub(super) fn named<const N: usize>(list: [(&str, i64); N]) -> Attributes {
    attributes(list.map(|(k, v)| (k, Attribute::Int(v))))
}

/// All results.
pub(super) fn run(
    op: &str,
    attributes: Attributes,
    inputs: &[&HostTensor],
    outputs: usize,
) -> Result<Vec<HostTensor>, String> {
    let inputs: Vec<Option<&HostTensor>> = inputs.iter().map(|t| Some(*t)).collect();
    evaluate(op, 20, &attributes, &inputs, outputs).map(Option::unwrap)
}

/// The only result.
pub(super) fn one(op: &str, inputs: &[&HostTensor]) -> Result<HostTensor, String> {
    one_with(op, Attributes::default(), inputs)
}

pub(super) fn one_with(
    op: &str,
    attributes: Attributes,
    inputs: &[&HostTensor],
) -> Result<HostTensor, String> {
    let mut results = run(op, attributes, inputs, 1)?;
    assert_eq!(results.len(), 1);
    Ok(results.remove(0))
}
