//! Weights out of a file, into a copy of it, and taken out of it.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use fanin::Layout;
use fanin_network::{
    Dims, Feeds, HostData, HostTensor, Network, Parameter, ParameterId, Payload, Purpose, Role,
    ValueId, ValueKind, Weights, onnx,
};
use prost::Message;
use support::proto::{Attribute, Entry, Graph, Model, Node, Tensor};
use support::{
    external, folder, graph, integers, model, node, tensor, tensor_attribute, two_layers, value,
};

/// The network in a file, every float tensor that is read taken for a parameter: what the writers do
/// does not depend on which are.
fn open(path: &Path) -> Network {
    let mut network = onnx::read_raw(path, &Dims::default()).unwrap();
    for k in 0..network.values.len() {
        let value = &mut network.values[k];
        let payload = match &value.kind {
            ValueKind::Buffer(payload) => payload.clone(),
            ValueKind::Constant(tensor) if tensor.element.is_float() => {
                Payload::Held(tensor.clone())
            }
            _ => continue,
        };
        if value.consumers.is_empty() {
            continue;
        }
        value.kind = ValueKind::Parameter(ParameterId::from(network.parameters.len()));
        network.parameters.push(Parameter {
            name: value.name.clone(),
            aliases: Vec::new(),
            value: ValueId::from(k),
            element: value.element.unwrap(),
            shape: value.shape.clone().unwrap(),
            payload,
            layout: Layout::vector(),
            purpose: Purpose {
                role: Role::Other,
                feeds: Feeds::Linear,
                norm_follows: false,
                residual_branches: None,
                tied: false,
                recurrent: None,
                forget_gate: None,
                node: String::new(),
                because: String::new(),
            },
        });
    }
    network
}

/// A model that stores weights in every way there is, and much that fanin does not read.
fn rich() -> Model {
    let with_type = |mut t: Tensor, data_type: i32| {
        (t.data_type, t.raw_data) = (data_type, None);
        t
    };
    let mut typed = with_type(tensor("typed", &[3], &[]), 1);
    typed.float_data = vec![1.0, -2.0, 3.5];
    let mut half = with_type(tensor("half", &[3], &[]), 10);
    half.int32_data = vec![0x3c00, 0x0001, 0xc000];
    let mut bf16 = with_type(tensor("bf16", &[3], &[]), 16);
    bf16.int32_data = vec![0x3f80, 0x0001, 0xc000];
    let mut wide = with_type(tensor("wide", &[3], &[]), 11);
    wide.double_data = vec![0.1, 0.2, 0.3];
    let mut raw_half = tensor("raw_half", &[3], &[]);
    raw_half.data_type = 10;
    raw_half.raw_data = Some(vec![0, 0x3c, 1, 0, 0, 0xc0].into());
    let raw = tensor("raw", &[3], &[0.1, f32::MIN_POSITIVE / 2.0, -0.0]);
    let constant = |output: &str, attribute: Attribute| {
        let mut constant = node("Constant", &[], &[output]);
        constant.attribute = vec![attribute];
        constant
    };
    let mut nodes = vec![
        constant(
            "k",
            tensor_attribute("value", &tensor("", &[3], &[4.0, 5.0, 6.0])),
        ),
        constant(
            "fs",
            Attribute {
                name: "value_floats".to_owned(),
                floats: vec![7.0, 8.0, 9.0],
                r#type: 6,
                ..Default::default()
            },
        ),
        constant(
            "one",
            Attribute {
                name: "value_float".to_owned(),
                f: Some(2.5),
                r#type: 1,
                ..Default::default()
            },
        ),
    ];
    let mut last = "x".to_owned();
    for stored in [
        "raw", "typed", "half", "bf16", "wide", "raw_half", "k", "fs", "one",
    ] {
        let next = format!("with_{stored}");
        nodes.push(node("Mul", &[&last, stored], &[&next]));
        last = next;
    }
    let stored = [
        raw,
        typed,
        half,
        bf16,
        wide,
        raw_half,
        integers("ids", &[2], &[3, 4]),
    ];
    let mut graph = graph(&nodes, &stored, vec![value("x", &[3])], &[&last]).encode_to_vec();
    // Fields that fanin does not know, at both levels; one with a length in more bytes than needed.
    graph.extend([0xa2, 0x06, 0x83, 0x00, 1, 2, 3]);
    let mut model = model(&Graph::default());
    model.graph = Some(graph.into());
    model
}

fn rich_bytes() -> Vec<u8> {
    let mut bytes = rich().encode_to_vec();
    bytes.extend([0xaa, 0x06, 2, 9, 9, 0xb0, 0x06, 0x85, 0x00]);
    bytes
}

#[test]
fn the_same_weights_give_the_same_file() {
    let folder = folder(&rich_bytes());
    let network = open(&folder.path);
    assert_eq!(network.parameters.len(), 9);
    let weights = Weights::from_model(&network).unwrap();
    let out = folder.folder.path().join("out.onnx");
    onnx::write_weights(&network, &weights, &out).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), rich_bytes());
}

#[test]
fn other_weights_change_only_the_payloads() {
    let folder = folder(&rich_bytes());
    let network = open(&folder.path);
    let mut weights = Weights::from_model(&network).unwrap();
    for tensor in weights.tensors.values_mut() {
        match &mut tensor.data {
            HostData::F32(v) => v.iter_mut().for_each(|x| *x = 10.0 + *x * 4.0),
            HostData::F64(v) => v.iter_mut().for_each(|x| *x = 10.0 + *x * 4.0),
            other => panic!("{other:?}"),
        }
    }
    let out = folder.folder.path().join("out.onnx");
    onnx::write_weights(&network, &weights, &out).unwrap();
    let written = open(&out);
    let mut back = Weights::from_model(&written).unwrap();
    // Rounded to the type each is stored in.
    for (name, tensor) in &weights.tensors {
        let read = back.tensors.remove(name).unwrap();
        assert_eq!(read.element, tensor.element);
        let close = read
            .to_f32()
            .iter()
            .zip(tensor.to_f32())
            .all(|(a, b)| (a - b).abs() < 0.1);
        assert!(close, "{name}: {read:?} {tensor:?}");
        if name != "half" && name != "bf16" && name != "raw_half" {
            assert_eq!(read.data, tensor.data, "{name}");
        }
    }
    // The rest is equal: writing the old weights over the new ones gives the old file. Varints of
    // half floats have other lengths by then, so this passes through every length prefix.
    let again = folder.folder.path().join("again.onnx");
    onnx::write_weights(&written, &Weights::from_model(&network).unwrap(), &again).unwrap();
    assert_ne!(std::fs::read(&out).unwrap(), rich_bytes());
    assert_eq!(std::fs::read(&again).unwrap(), rich_bytes());
    assert_eq!(std::fs::read(&folder.path).unwrap(), rich_bytes());
}

#[test]
fn unpacked_and_split_fields_stay_so() {
    // float_data: one packed run of two, then two single elements.
    let mut stored = Tensor {
        name: "w".to_owned(),
        dims: vec![4],
        data_type: 1,
        ..Default::default()
    }
    .encode_to_vec();
    stored.extend([0x22, 8]);
    stored.extend(1f32.to_le_bytes());
    stored.extend(2f32.to_le_bytes());
    for x in [3f32, 4.0] {
        stored.push(0x25);
        stored.extend(x.to_le_bytes());
    }
    let mut graph = graph(
        &[node("Mul", &["x", "w"], &["y"])],
        &[],
        vec![value("x", &[4])],
        &["y"],
    );
    graph.initializer.push(stored.into());
    let bytes = model(&graph).encode_to_vec();
    let folder = folder(&bytes);
    let network = open(&folder.path);
    let mut weights = Weights::from_model(&network).unwrap();
    assert_eq!(
        weights.get("w").unwrap().data,
        HostData::F32(vec![1.0, 2.0, 3.0, 4.0])
    );
    let out = folder.folder.path().join("out.onnx");
    onnx::write_weights(&network, &weights, &out).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), bytes);
    let new = HostTensor::f32(vec![4], vec![5.0, 6.0, 7.0, 8.0]).unwrap();
    weights.tensors.insert("w".to_owned(), new.clone());
    onnx::write_weights(&network, &weights, &out).unwrap();
    assert_eq!(
        Weights::from_model(&open(&out)).unwrap().get("w"),
        Some(&new)
    );
    assert_eq!(std::fs::read(&out).unwrap().len(), bytes.len());
}

#[test]
fn external_data_is_copied_beside_the_copy() {
    let at = |offset: &str| {
        let mut t = external("", &[2], &[("location", "sub/w.bin"), ("offset", offset)]);
        t.name = format!("w{offset}");
        t
    };
    let other = external("v", &[1], &[("location", "v.bin")]);
    let mut ids = external("ids", &[2], &[("location", "v.bin"), ("offset", "4")]);
    ids.data_type = 6;
    let nodes = [
        node("Mul", &["x", "w12"], &["a"]),
        node("Mul", &["a", "w4"], &["b"]),
        node("Mul", &["b", "v"], &["c"]),
        node("Gather", &["c", "ids"], &["y"]),
    ];
    let stored = [at("4"), at("12"), other, ids];
    let bytes = model(&graph(&nodes, &stored, vec![value("x", &[2])], &["y"])).encode_to_vec();
    let folder = folder(&bytes);
    let inside = folder.folder.path();
    std::fs::create_dir(inside.join("sub")).unwrap();
    let numbers: Vec<u8> = (0..24).collect();
    std::fs::write(inside.join("sub/w.bin"), &numbers).unwrap();
    let values = [1u8, 2, 3, 4, 1, 0, 0, 0, 0, 0, 0, 0];
    std::fs::write(inside.join("v.bin"), values).unwrap();
    let network = open(&folder.path);
    let mut weights = Weights::from_model(&network).unwrap();
    // Beside the model its data would be overwritten.
    let refused = onnx::write_weights(&network, &weights, &inside.join("out.onnx"));
    assert!(refused.unwrap_err().to_string().contains("another folder"));
    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("out.onnx");
    onnx::write_weights(&network, &weights, &out).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), bytes);
    assert_eq!(
        std::fs::read(elsewhere.path().join("sub/w.bin")).unwrap(),
        numbers
    );
    assert_eq!(
        std::fs::read(elsewhere.path().join("v.bin")).unwrap(),
        values
    );
    let new = HostTensor::f32(vec![2], vec![1.0, 2.0]).unwrap();
    weights.tensors.insert("w12".to_owned(), new.clone());
    onnx::write_weights(&network, &weights, &out).unwrap();
    let changed = std::fs::read(elsewhere.path().join("sub/w.bin")).unwrap();
    assert_eq!(changed[..12], numbers[..12]);
    assert_eq!(changed[12..20], [0, 0, 128, 63, 0, 0, 0, 64]);
    assert_eq!(changed[20..], numbers[20..]);
    assert_eq!(std::fs::read(inside.join("sub/w.bin")).unwrap(), numbers);
    // A copy without weights needs no other file.
    let small = inside.join("small.onnx");
    onnx::strip(&network, &small).unwrap();
    let stripped = onnx::read_raw(&small, &Dims::default()).unwrap();
    let ids = stripped.values.iter().find(|v| v.name == "ids").unwrap();
    assert!(matches!(&ids.kind, ValueKind::Constant(t) if t.data == HostData::I64(vec![1, 0])));
    std::fs::remove_file(inside.join("v.bin")).unwrap();
    assert!(onnx::read_raw(&small, &Dims::default()).is_ok());
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let folder = folder(&two_layers().encode_to_vec());
    let network = open(&folder.path);
    let mut weights = Weights::from_model(&network).unwrap();
    let refused = |weights: &Weights, out: &Path, words: &str| {
        let error = onnx::write_weights(&network, weights, out)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    };
    let out = folder.folder.path().join("out.onnx");
    refused(&weights, &folder.path, "never changed");
    refused(
        &weights,
        &folder.folder.path().join("no/such/out.onnx"),
        "cannot write",
    );
    weights.tensors.insert(
        "fc1.bias".to_owned(),
        HostTensor::f32(vec![1], vec![0.0]).unwrap(),
    );
    refused(
        &weights,
        &out,
        "`fc1.bias` have shape [1] where the model has [3]",
    );
    weights.tensors.remove("fc1.bias");
    refused(&weights, &out, "no weights for parameter `fc1.bias`");
    assert_eq!(std::fs::read_dir(folder.folder.path()).unwrap().count(), 1);
    assert_eq!(
        std::fs::read(&folder.path).unwrap(),
        two_layers().encode_to_vec()
    );
}

/// The nodes of a file as they are stored.
fn stored_nodes(path: &Path) -> Vec<Node> {
    let model = Model::decode(&*std::fs::read(path).unwrap()).unwrap();
    let graph = Graph::decode(model.graph.unwrap()).unwrap();
    let nodes = graph.node.into_iter();
    nodes.map(|n| Node::decode(n).unwrap()).collect()
}

#[test]
fn a_stripped_model_has_the_same_parameters_and_no_weights() {
    for ir_version in [3, 8] {
        let mut original = two_layers();
        original.ir_version = ir_version;
        let mut graph = Graph::decode(original.graph.unwrap()).unwrap();
        let ones = tensor("running_var", &[100], &[1.0; 100]);
        graph.initializer.push(ones.encode_to_vec().into());
        let norm = ["y", "fc2.bias", "fc2.bias", "running_var", "running_var"];
        let mut scaled = node("BatchNormalization", &norm, &["z"]).encode_to_vec();
        // A note of the exporter.
        scaled.extend([0x32, 5]);
        scaled.extend(b"/home");
        graph.node.push(scaled.into());
        if ir_version == 3 {
            for (name, shape) in [
                ("fc1.weight", &[4, 3][..]),
                ("fc1.bias", &[3]),
                ("fc2.weight", &[3, 2]),
                ("fc2.bias", &[2]),
                ("running_var", &[100]),
            ] {
                graph.input.push(value(name, shape));
            }
        }
        original.graph = Some(graph.encode_to_vec().into());
        let folder = folder(&original.encode_to_vec());
        let mut network = open(&folder.path);
        // The running variance is a buffer.
        let buffer = network.parameters.pop().unwrap();
        assert_eq!(buffer.name, "running_var");
        let out = folder.folder.path().join("small.onnx");
        onnx::strip(&network, &out).unwrap();
        let bytes = std::fs::read(&out).unwrap();
        assert!(!bytes.windows(5).any(|w| w == b"/home"));
        let nodes = stored_nodes(&out);
        let ops: Vec<_> = nodes.iter().map(|n| n.op_type.as_str()).collect();
        assert_eq!(ops[..5], ["ConstantOfShape"; 5]);
        assert_eq!(ops[5..], ["Gemm", "Relu", "Gemm", "BatchNormalization"]);
        assert_eq!(nodes[0].input, ["fc1.weight__SHAPE"]);
        let stripped = open(&out);
        let describe = |network: &Network| -> Vec<_> {
            let each = network.parameters.iter();
            let mut all: Vec<_> = each
                .filter(|p| p.name != "running_var")
                .map(|p| (p.name.clone(), p.shape.clone(), p.element))
                .collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        assert_eq!(describe(&stripped), describe(&network));
        assert_eq!(stripped.inputs.len(), 1);
        let weights = Weights::from_model(&stripped).unwrap();
        assert_eq!(
            weights.get("fc1.weight").unwrap().data,
            HostData::F32(vec![0.0; 12])
        );
        assert_eq!(
            weights.get("running_var").unwrap().data,
            HostData::F32(vec![1.0; 100])
        );
        // Stripping again changes nothing but the name, and weights can be put back.
        let twice = folder.folder.path().join("twice.onnx");
        onnx::strip(&stripped, &twice).unwrap();
        assert_eq!(std::fs::read(&twice).unwrap(), bytes);
        let full = folder.folder.path().join("full.onnx");
        let mut weights = Weights::from_model(&network).unwrap();
        let ones = HostTensor::f32(vec![100], vec![1.0; 100]).unwrap();
        weights.tensors.insert("running_var".to_owned(), ones);
        onnx::write_weights(&stripped, &weights, &full).unwrap();
        assert_eq!(Weights::from_model(&open(&full)).unwrap(), weights);
        // The nodes that declared are gone, and so are their shapes.
        assert_eq!(stored_nodes(&full).len(), 4);
        let back = open(&full);
        assert!(!back.values.iter().any(|v| v.name.ends_with("__SHAPE")));
        assert_eq!(back.inputs.len(), 1);
    }
}

#[test]
fn tied_tensors_stay_tied_without_weights() {
    let numbers = [0.5, 1.5, 2.5, 3.5];
    let nodes = [
        node("MatMul", &["x", "first"], &["h"]),
        node("MatMul", &["h", "second"], &["y"]),
    ];
    let stored = [
        tensor("first", &[2, 2], &numbers),
        tensor("second", &[2, 2], &numbers),
    ];
    let graph = graph(&nodes, &stored, vec![value("x", &[1, 2])], &["y"]);
    let folder = folder(&model(&graph).encode_to_vec());
    let mut network = open(&folder.path);
    let second = network.parameters.pop().unwrap();
    network.parameters[0].aliases = vec![second.name];
    let out = folder.folder.path().join("small.onnx");
    onnx::strip(&network, &out).unwrap();
    let nodes = stored_nodes(&out);
    assert_eq!(nodes[1].op_type, "Identity");
    assert_eq!(
        (&*nodes[1].input[0], &*nodes[1].output[0]),
        ("first", "second")
    );
    // Writing weights writes both.
    let new = HostTensor::f32(vec![2, 2], vec![9.0; 4]).unwrap();
    let weights = Weights {
        tensors: BTreeMap::from([("first".to_owned(), new.clone())]),
    };
    let full = folder.folder.path().join("full.onnx");
    onnx::write_weights(&network, &weights, &full).unwrap();
    let back = Weights::from_model(&open(&full)).unwrap();
    assert_eq!(back.get("first"), Some(&new));
    assert_eq!(back.get("second"), Some(&new));
}

#[test]
fn safetensors_go_by_the_parameters_names() {
    let folder = folder(&two_layers().encode_to_vec());
    let network = open(&folder.path);
    let path = folder.folder.path().join("w.safetensors");
    let mut weights = Weights::from_model(&network).unwrap();
    weights
        .write_safetensors(&path, None, &BTreeMap::new())
        .unwrap();
    assert_eq!(Weights::read_safetensors(&path, &network).unwrap(), weights);
    let refused = |weights: &Weights, words: &[&str]| {
        weights
            .write_safetensors(&path, None, &BTreeMap::new())
            .unwrap();
        let error = Weights::read_safetensors(&path, &network)
            .unwrap_err()
            .to_string();
        for word in words {
            assert!(error.contains(word), "`{error}` does not say `{word}`");
        }
    };
    // More than the parameters is fine; less, or other shapes, is not.
    let bias = weights.get("fc1.bias").unwrap().clone();
    weights
        .tensors
        .insert("bn.running_mean".to_owned(), bias.clone());
    weights
        .write_safetensors(&path, None, &BTreeMap::new())
        .unwrap();
    assert_eq!(
        Weights::read_safetensors(&path, &network)
            .unwrap()
            .tensors
            .len(),
        4
    );
    weights.tensors.remove("fc1.bias");
    refused(
        &weights,
        &[
            "lacks 1 of the model's 4",
            "`fc1.bias`",
            "`bn.running_mean`",
        ],
    );
    weights.tensors.insert(
        "fc1.bias".to_owned(),
        HostTensor::f32(vec![1, 3], bias.to_f32()).unwrap(),
    );
    refused(&weights, &["`fc1.bias`", "[1, 3]", "[3]"]);
    for bytes in [
        &b""[..],
        b"text",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f{}",
        b"\x02\0\0\0\0\0\0\0{}x",
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = Weights::read_safetensors(&path, &network)
            .unwrap_err()
            .to_string();
        assert!(error.contains("safetensors"), "{error}");
    }
}

#[test]
fn what_is_encoded_is_read_back() {
    let folder = folder(&rich_bytes());
    let network = open(&folder.path);
    let weights = Weights::from_model(&network).unwrap();
    // The type of the output comes with inference.
    let mut typed = network.clone();
    for value in &mut typed.values {
        value.element.get_or_insert(fanin_network::ElementType::F32);
    }
    let path = folder.folder.path().join("encoded.onnx");
    std::fs::write(&path, onnx::encode(&typed, Some(&weights)).unwrap()).unwrap();
    let back = open(&path);
    assert_eq!(Weights::from_model(&back).unwrap(), weights);
    let shape = |network: &Network| -> Vec<_> {
        let name = |id: &Option<ValueId>| id.map(|id| network.value(id).name.clone());
        let nodes = network.nodes.iter();
        nodes
            .map(|n| {
                let inputs: Vec<_> = n.inputs.iter().map(name).collect();
                (
                    n.name.clone(),
                    n.op.clone(),
                    n.opset,
                    n.attributes.clone(),
                    inputs,
                )
            })
            .collect()
    };
    assert_eq!(shape(&back), shape(&network));
    // Without weights the parameters are declared.
    std::fs::write(&path, onnx::encode(&typed, None).unwrap()).unwrap();
    let declared = open(&path);
    assert_eq!(shape(&declared), shape(&network));
    assert_eq!(declared.parameters.len(), network.parameters.len());
    assert!(
        declared
            .parameters
            .iter()
            .all(|p| p.payload == Payload::Filled(0.0))
    );
}

#[test]
fn entries_of_external_data_may_come_in_any_order() {
    let mut stored = external(
        "w",
        &[1],
        &[("length", "4"), ("offset", "4"), ("location", "w.bin")],
    );
    stored.external_data.push(Entry {
        key: "checksum".to_owned(),
        value: "0".to_owned(),
    });
    let nodes = [node("Mul", &["x", "w"], &["y"])];
    let graph = graph(&nodes, &[stored], vec![value("x", &[1])], &["y"]);
    let folder = folder(&model(&graph).encode_to_vec());
    std::fs::write(
        folder.folder.path().join("w.bin"),
        [0, 0, 0, 0, 0, 0, 128, 63],
    )
    .unwrap();
    let weights = Weights::from_model(&open(&folder.path)).unwrap();
    assert_eq!(weights.get("w").unwrap().data, HostData::F32(vec![1.0]));
}
