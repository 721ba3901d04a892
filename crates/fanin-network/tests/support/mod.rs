//! Small ONNX files, built message by message.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

#[allow(
    missing_docs,
    reason = "the crate's own messages, compiled once more for its tests"
)]
#[path = "../../../fanin-onnx/src/proto.rs"]
pub(crate) mod proto;

use std::path::{Path, PathBuf};

use fanin_network::{Dims, Network, NetworkError, onnx};
use prost::Message;
use proto::{
    Attribute, Dimension, Entry, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type,
    ValueInfo,
};

/// An f32 input or output of fixed sizes.
pub(crate) fn value(name: &str, shape: &[i64]) -> ValueInfo {
    let dim = |&d: &i64| Dimension {
        dim_value: Some(d),
        dim_param: None,
    };
    ValueInfo {
        name: name.to_owned(),
        r#type: Some(Type {
            tensor_type: Some(TensorType {
                elem_type: 1,
                shape: Some(Shape {
                    dim: shape.iter().map(dim).collect(),
                }),
            }),
        }),
    }
}

pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> Node {
    Node {
        op_type: op.to_owned(),
        input: inputs.iter().map(|&n| n.to_owned()).collect(),
        output: outputs.iter().map(|&n| n.to_owned()).collect(),
        ..Default::default()
    }
}

/// An f32 tensor with raw elements.
pub(crate) fn tensor(name: &str, dims: &[i64], elements: &[f32]) -> Tensor {
    let raw: Vec<u8> = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
    Tensor {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 1,
        raw_data: Some(raw.into()),
        ..Default::default()
    }
}

/// An i64 tensor with typed elements.
pub(crate) fn integers(name: &str, dims: &[i64], elements: &[i64]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 7,
        int64_data: elements.to_vec(),
        ..Default::default()
    }
}

/// An f32 tensor in another file.
pub(crate) fn external(name: &str, dims: &[i64], entries: &[(&str, &str)]) -> Tensor {
    let entry = |(key, value): &(&str, &str)| Entry {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    Tensor {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 1,
        data_location: 1,
        external_data: entries.iter().map(entry).collect(),
        ..Default::default()
    }
}

pub(crate) fn tensor_attribute(name: &str, tensor: &Tensor) -> Attribute {
    Attribute {
        name: name.to_owned(),
        r#type: 4,
        t: Some(tensor.encode_to_vec().into()),
        ..Default::default()
    }
}

pub(crate) fn graph(
    nodes: &[Node],
    initializers: &[Tensor],
    inputs: Vec<ValueInfo>,
    outputs: &[&str],
) -> Graph {
    Graph {
        name: "g".to_owned(),
        node: nodes.iter().map(|n| n.encode_to_vec().into()).collect(),
        initializer: initializers
            .iter()
            .map(|t| t.encode_to_vec().into())
            .collect(),
        input: inputs,
        output: outputs.iter().map(|n| value(n, &[])).collect(),
        ..Default::default()
    }
}

pub(crate) fn model(graph: &Graph) -> Model {
    Model {
        ir_version: 8,
        producer_name: "test".to_owned(),
        graph: Some(graph.encode_to_vec().into()),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: 17,
        }],
        ..Default::default()
    }
}

/// Two linear layers: a complete small model with weights.
pub(crate) fn two_layers() -> Model {
    let numbers = |n: usize| -> Vec<f32> { (0..n).map(|k| k as f32 * 0.25 - 1.0).collect() };
    model(&graph(
        &[
            node("Gemm", &["x", "fc1.weight", "fc1.bias"], &["h"]),
            node("Relu", &["h"], &["a"]),
            node("Gemm", &["a", "fc2.weight", "fc2.bias"], &["y"]),
        ],
        &[
            tensor("fc1.weight", &[4, 3], &numbers(12)),
            tensor("fc1.bias", &[3], &numbers(3)),
            tensor("fc2.weight", &[3, 2], &numbers(6)),
            tensor("fc2.bias", &[2], &numbers(2)),
        ],
        vec![value("x", &[5, 4])],
        &["y"],
    ))
}

/// A folder with a model in it.
pub(crate) struct Folder {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn folder(bytes: &[u8]) -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    Folder { folder, path }
}

pub(crate) fn read(bytes: &[u8]) -> Result<Network, NetworkError> {
    read_at(&folder(bytes).path)
}

pub(crate) fn read_at(path: &Path) -> Result<Network, NetworkError> {
    onnx::read_raw(path, &Dims::default())
}
