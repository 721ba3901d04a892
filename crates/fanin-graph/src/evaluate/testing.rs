//! Tensors and calls in short, for the tests of the evaluator.

use crate::infer::testing::attributes;
use crate::{Attribute, Attributes, ElementType, HostData, HostTensor, Operator};

pub(crate) fn i(shape: &[usize], data: &[i64]) -> HostTensor {
    HostTensor::i64(shape.to_vec(), data.to_vec()).unwrap()
}

pub(crate) fn f(shape: &[usize], data: &[f32]) -> HostTensor {
    HostTensor::f32(shape.to_vec(), data.to_vec()).unwrap()
}

pub(crate) fn b(shape: &[usize], data: &[u8]) -> HostTensor {
    let data = HostData::Bool(data.iter().map(|&x| x != 0).collect());
    HostTensor::new(shape.to_vec(), ElementType::Bool, data).unwrap()
}

/// A vector of a narrow integer type.
pub(crate) fn narrow(element: ElementType, data: &[i64]) -> HostTensor {
    HostTensor::new(vec![data.len()], element, HostData::I64(data.to_vec())).unwrap()
}

/// `0, 1, 2, …` in this shape.
pub(crate) fn counted(shape: &[usize]) -> HostTensor {
    let n: usize = shape.iter().product();
    i(shape, &(0..n as i64).collect::<Vec<_>>())
}

pub(crate) fn named<const N: usize>(list: [(&str, i64); N]) -> Attributes {
    attributes(list.map(|(k, v)| (k, Attribute::Int(v))))
}

/// An operator of ONNX's own domain by name.
pub(crate) fn evaluate(
    op: &str,
    opset: i64,
    attributes: &Attributes,
    inputs: &[Option<&HostTensor>],
    outputs: usize,
) -> Result<Option<Vec<HostTensor>>, String> {
    let operator = Operator::parse("", op, opset, attributes, inputs.len(), outputs)?;
    super::evaluate(&operator, inputs, outputs)
}

/// All results.
pub(crate) fn run(
    op: &str,
    attributes: Attributes,
    inputs: &[&HostTensor],
    outputs: usize,
) -> Result<Vec<HostTensor>, String> {
    let inputs: Vec<Option<&HostTensor>> = inputs.iter().map(|t| Some(*t)).collect();
    evaluate(op, 20, &attributes, &inputs, outputs).map(Option::unwrap)
}

/// The only result.
pub(crate) fn one(op: &str, inputs: &[&HostTensor]) -> Result<HostTensor, String> {
    one_with(op, Attributes::default(), inputs)
}

pub(crate) fn one_with(
    op: &str,
    attributes: Attributes,
    inputs: &[&HostTensor],
) -> Result<HostTensor, String> {
    let mut results = run(op, attributes, inputs, 1)?;
    assert_eq!(results.len(), 1);
    Ok(results.remove(0))
}
