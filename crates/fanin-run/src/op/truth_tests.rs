//! Operators against what onnxruntime and torchvision compute, and their gradients against differences.
//! `tools/golden_operators.py` makes the cases.

use fanin_network::{Attribute, Attributes, ElementType, HostData, HostTensor, Node, ValueId};
use serde_json::Value;

use super::gradient_tests::{Case, In, check};
use super::{Call, Mode, execute};
use crate::value::Item;

const TRUTH: &str = include_str!("truth.json");

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|v| v.as_f64().unwrap()).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|v| v as usize).collect()
}

fn tensor(value: &Value) -> HostTensor {
    let (shape, data) = (sizes(&value["shape"]), numbers(&value["data"]));
    let (element, data) = match value["type"].as_str().unwrap() {
        "float32" => (
            ElementType::F32,
            HostData::F32(data.into_iter().map(|v| v as f32).collect()),
        ),
        integer => (
            match integer {
                "int8" => ElementType::I8,
                "uint8" => ElementType::U8,
                "int32" => ElementType::I32,
                _ => ElementType::I64,
            },
            HostData::I64(data.into_iter().map(|v| v as i64).collect()),
        ),
    };
    HostTensor::new(shape, element, data).unwrap()
}

fn attribute(value: &Value) -> Attribute {
    match value {
        Value::String(text) => Attribute::String(text.clone()),
        Value::Array(list) if list.iter().all(Value::is_i64) => {
            Attribute::Ints(list.iter().map(|v| v.as_i64().unwrap()).collect())
        }
        Value::Array(_) => {
            Attribute::Floats(numbers(value).into_iter().map(|v| v as f32).collect())
        }
        number => match number.as_i64() {
            Some(int) => Attribute::Int(int),
            None => Attribute::Float(number.as_f64().unwrap() as f32),
        },
    }
}

fn case(value: &Value) -> Case {
    let attributes = value["attributes"].as_object().unwrap();
    let attributes = attributes
        .iter()
        .fold(Attributes::default(), |all, (k, v)| {
            all.set(k, attribute(v))
        });
    let tracked = sizes(&value["tracked"]);
    let inputs = value["inputs"].as_array().unwrap();
    let inputs: Vec<In> = inputs
        .iter()
        .enumerate()
        .map(|(k, input)| match input {
            Value::Null => In::Missing,
            input if tracked.contains(&k) => In::Tracked(tensor(input)),
            input => In::Fixed(tensor(input)),
        })
        .collect();
    let outputs = value["outputs"].as_array().unwrap().len();
    let op = value["op"].as_str().unwrap();
    let node = Node::new(
        op,
        value["domain"].as_str().unwrap(),
        op,
        value["opset"].as_i64().unwrap(),
        attributes,
        (0..inputs.len()).map(|k| Some(ValueId::from(k))).collect(),
        (0..outputs).map(|k| Some(ValueId::from(100 + k))).collect(),
    );
    Case {
        node: node.unwrap(),
        inputs,
        outputs,
    }
}

#[test]
fn operators_compute_what_onnxruntime_computes() {
    let cases: Vec<Value> = serde_json::from_str(TRUTH).unwrap();
    assert!(cases.len() > 40);
    let mut wrong = Vec::new();
    for value in &cases {
        let case = case(value);
        let inputs = case.inputs.iter().map(|input| match input {
            In::Missing => None,
            In::Fixed(t) | In::Tracked(t) if t.element == ElementType::F32 => Some(Item::Float(
                crate::tape::Var::constant(crate::value::to_array(t)),
            )),
            In::Fixed(t) | In::Tracked(t) => Some(Item::host(t.clone())),
        });
        let call = Call {
            node: &case.node,
            inputs: inputs.collect(),
            mode: Mode::AsWritten,
        };
        let label = format!("{} {}", case.node.op, value["attributes"]);
        let outputs = match execute(&call) {
            Ok(outputs) => outputs,
            Err(message) => {
                wrong.push(format!("{label}: {message}"));
                continue;
            }
        };
        for (k, want) in value["outputs"].as_array().unwrap().iter().enumerate() {
            let got = outputs[k].tensor().unwrap();
            let want = tensor(want);
            let far = |(a, b): (&f32, &f32)| (a - b).abs() > 2e-5 + 1e-4 * b.abs();
            let (a, b) = (got.to_f32(), want.to_f32());
            if got.shape != want.shape || a.iter().zip(&b).any(far) {
                wrong.push(format!(
                    "{label}: output {k} is {:?} {a:?}, not {:?} {b:?}",
                    got.shape, want.shape
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn their_gradients_are_those_of_differences() {
    let cases: Vec<Value> = serde_json::from_str(TRUTH).unwrap();
    for value in &cases {
        let case = case(value);
        if !sizes(&value["tracked"]).is_empty() {
            check(&case);
        }
    }
}
