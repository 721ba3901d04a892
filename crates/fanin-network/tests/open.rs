//! The whole way from a file or a line of text to a network.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use fanin_network::{Dims, HostTensor, Network, Role, Source, ValueKind, Weights, onnx};
use prost::Message;
use support::proto::{Dimension, Graph, Model};
use support::{folder, two_layers};

fn open(path: &Path) -> Network {
    fanin_network::open(path.to_str().unwrap(), &Dims::default()).unwrap()
}

/// Two linear layers with a free batch.
fn free_batch() -> Vec<u8> {
    let mut model = two_layers();
    let mut graph = Graph::decode(model.graph.unwrap()).unwrap();
    let tensor = graph.input[0]
        .r#type
        .as_mut()
        .unwrap()
        .tensor_type
        .as_mut()
        .unwrap();
    tensor.shape.as_mut().unwrap().dim[0] = Dimension {
        dim_value: None,
        dim_param: Some("N".to_owned()),
    };
    model.graph = Some(graph.encode_to_vec().into());
    model.encode_to_vec()
}

#[test]
fn a_file_becomes_a_network_with_parameters_and_roles() {
    let folder = folder(&two_layers().encode_to_vec());
    let network = open(&folder.path);
    let each: Vec<_> = network
        .parameters
        .iter()
        .map(|p| (p.name.as_str(), p.shape.as_slice(), p.purpose.role))
        .collect();
    assert_eq!(
        each,
        [
            ("fc1.weight", &[4, 3][..], Role::Weight),
            ("fc1.bias", &[3], Role::Bias),
            ("fc2.weight", &[3, 2], Role::OutputHead),
            ("fc2.bias", &[2], Role::Bias),
        ]
    );
    assert_eq!(
        network.value(network.outputs[0]).shape.as_deref(),
        Some(&[5, 2][..])
    );
    assert_eq!(network.digest.len(), 64);
}

#[test]
fn the_digest_is_of_the_architecture() {
    let folder = folder(&free_batch());
    let network = open(&folder.path);
    // Not of the sizes a user gives.
    let dims = Dims {
        batch: Some(7),
        ..Dims::default()
    };
    let other = fanin_network::open(folder.path.to_str().unwrap(), &dims).unwrap();
    assert_eq!(
        other.value(other.inputs[0]).shape.as_deref(),
        Some(&[7, 4][..])
    );
    assert_eq!(other.digest, network.digest);
    // Not of the weights, stored or not.
    let mut weights = Weights::from_model(&network).unwrap();
    for tensor in weights.tensors.values_mut() {
        let elements = (0..tensor.len()).map(|k| 0.3 * k as f32 + 0.1).collect();
        *tensor = HostTensor::f32(tensor.shape.clone(), elements).unwrap();
    }
    let path = folder.folder.path().join("other.onnx");
    onnx::write_weights(&network, &weights, &path).unwrap();
    assert_eq!(open(&path).digest, network.digest);
    onnx::strip(&network, &path).unwrap();
    let stripped = open(&path);
    assert_eq!(stripped.digest, network.digest);
    let roles = |network: &Network| -> BTreeMap<_, _> {
        let each = network.parameters.iter();
        each.map(|p| {
            (
                p.name.clone(),
                (p.shape.clone(), p.layout.clone(), p.purpose.role),
            )
        })
        .collect()
    };
    assert_eq!(roles(&stripped), roles(&network));
    // But of everything else.
    let mut model = Model::decode(&*free_batch()).unwrap();
    let mut graph = Graph::decode(model.graph.unwrap()).unwrap();
    let mut relu = support::proto::Node::decode(graph.node[1].clone()).unwrap();
    relu.op_type = "Tanh".to_owned();
    graph.node[1] = relu.encode_to_vec().into();
    model.graph = Some(graph.encode_to_vec().into());
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    assert_ne!(open(&path).digest, network.digest);
}

#[test]
fn a_model_in_memory_is_as_one_in_a_file() {
    let bytes = two_layers().encode_to_vec();
    let folder = folder(&bytes);
    let file = open(&folder.path);
    let held = |bytes: &[u8]| {
        fanin_network::open_bytes("the page's model", bytes.into(), &Dims::default())
    };
    let network = held(&bytes).unwrap();
    assert_eq!(network.source.path(), None);
    assert_eq!(network.digest, file.digest);
    assert_eq!(network.parameters, file.parameters);
    let weights = Weights::from_model(&network).unwrap();
    assert_eq!(weights, Weights::from_model(&file).unwrap());
    let path = folder.folder.path().join("copy.onnx");
    onnx::write_weights(&network, &weights, &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);

    let error = held(b"no model").unwrap_err().to_string();
    assert!(error.starts_with("the page's model: "), "{error}");
    assert!(held(b"").is_err());
    let mut model = two_layers();
    let mut graph = Graph::decode(model.graph.unwrap()).unwrap();
    let outside = support::external("fc1.weight", &[4, 3], &[("location", "weights.bin")]);
    for tensor in &mut graph.initializer {
        if support::proto::Tensor::decode(tensor.clone()).unwrap().name == "fc1.weight" {
            *tensor = outside.encode_to_vec().into();
        }
    }
    model.graph = Some(graph.encode_to_vec().into());
    let error = held(&model.encode_to_vec()).unwrap_err().to_string();
    assert!(error.contains("save the model as one file"), "{error}");
}

#[test]
fn a_line_of_text_is_an_architecture_unless_it_names_a_file() {
    let line = "mlp(8, 16x2, 3, relu)";
    let network = fanin_network::open(line, &Dims::default()).unwrap();
    assert_eq!(network.source, Source::Architecture(line.to_owned()));
    let error = fanin_network::open("no/such/model.onnx", &Dims::default()).unwrap_err();
    assert!(error.to_string().contains("no/such/model.onnx"), "{error}");
    let folder = folder(&two_layers().encode_to_vec());
    let named = folder.folder.path().join("mlp(8, 16x2, 3, relu)");
    std::fs::rename(&folder.path, &named).unwrap();
    assert_eq!(open(&named).source, Source::Onnx { path: named });
}

#[test]
fn an_architecture_can_be_written_as_onnx() {
    for line in [
        "mlp(8, 16x2, 3, tanh)",
        "conv(3x8x8, 4x2, 5, relu)",
        "transformer(layers=1, width=8, heads=2, vocab=11)",
    ] {
        let network = fanin_network::open(line, &Dims::default()).unwrap();
        let tensor = |p: &fanin_network::Parameter| {
            let elements = (0..p.len()).map(|k| (k as f32).sin()).collect();
            (
                p.name.clone(),
                HostTensor::f32(p.shape.clone(), elements).unwrap(),
            )
        };
        let weights = Weights {
            tensors: network.parameters.iter().map(tensor).collect(),
        };
        for stored in [Some(&weights), None] {
            let folder = folder(&onnx::encode(&network, stored).unwrap());
            let back = open(&folder.path);
            let roles = |network: &Network| -> BTreeMap<_, _> {
                let each = network.parameters.iter();
                each.map(|p| {
                    (
                        p.name.clone(),
                        (p.shape.clone(), p.layout.clone(), p.purpose.role),
                    )
                })
                .collect()
            };
            assert_eq!(roles(&back), roles(&network), "{line}");
            let shapes = |network: &Network| -> Vec<_> {
                let ids = network.inputs.iter().chain(&network.outputs);
                ids.map(|id| network.value(*id).shape.clone()).collect()
            };
            assert_eq!(shapes(&back), shapes(&network), "{line}");
            if stored.is_some() {
                assert_eq!(Weights::from_model(&back).unwrap(), weights);
            }
            assert!(back.values.iter().all(|v| v.element.is_some()
                || v.consumers.is_empty()
                || matches!(v.kind, ValueKind::Constant(_))));
        }
    }
}
