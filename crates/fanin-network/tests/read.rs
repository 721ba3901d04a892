//! What the reader makes of each way to write a model.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod support;

use std::collections::BTreeMap;

use fanin_network::{
    Attribute as Stated, Dims, ElementType, HostData, Network, Origin, Payload, Value, ValueKind,
    onnx,
};
use prost::Message;
use support::proto::{Attribute, Dimension, Function, OperatorSet, Tensor};
use support::{
    external, folder, graph, integers, model, node, read, read_at, tensor, tensor_attribute,
    two_layers, value,
};

fn find<'n>(network: &'n Network, name: &str) -> &'n Value {
    network
        .values
        .iter()
        .find(|v| v.name == name)
        .unwrap_or_else(|| panic!("no value `{name}`"))
}

fn ops(network: &Network) -> Vec<&str> {
    network.nodes.iter().map(|n| n.op.as_str()).collect()
}

fn names(network: &Network) -> Vec<&str> {
    network.nodes.iter().map(|n| n.name.as_str()).collect()
}

/// The elements of a stored float tensor.
fn elements(network: &Network, name: &str) -> HostData {
    let value = find(network, name);
    match &value.kind {
        ValueKind::Buffer(payload) => {
            let shape = value.shape.as_deref().unwrap();
            let read = network.elements(payload, shape, value.element.unwrap());
            read.unwrap().data
        }
        ValueKind::Constant(tensor) => tensor.data.clone(),
        other => panic!("`{name}` is {other:?}"),
    }
}

#[test]
fn a_plain_model() {
    let folder = folder(&two_layers().encode_to_vec());
    let network = read_at(&folder.path).unwrap();
    assert_eq!(names(&network), ["Gemm_0", "Relu_0", "Gemm_1"]);
    assert_eq!(network.inputs.len(), 1);
    assert_eq!(find(&network, "x").shape.as_deref(), Some(&[5, 4][..]));
    let weight = find(&network, "fc1.weight");
    assert_eq!(weight.origin, Origin::Initializer);
    assert!(matches!(weight.kind, ValueKind::Buffer(Payload::Raw(_))));
    assert_eq!(weight.consumers.len(), 1);
    let expected = (0..12).map(|k| k as f32 * 0.25 - 1.0).collect();
    assert_eq!(elements(&network, "fc1.weight"), HostData::F32(expected));
    let hidden = find(&network, "h");
    assert_eq!(hidden.producer.unwrap().index(), 0);
    assert_eq!(hidden.consumers[0].index(), 1);
}

#[test]
fn every_way_to_store_floats() {
    let stored = |data_type: i32, fill: &dyn Fn(&mut Tensor)| {
        let mut tensor = Tensor {
            name: "w".to_owned(),
            dims: vec![2],
            data_type,
            ..Default::default()
        };
        fill(&mut tensor);
        let nodes = [node("Mul", &["x", "w"], &["y"])];
        let graph = graph(&nodes, &[tensor], vec![value("x", &[2])], &["y"]);
        let folder = folder(&model(&graph).encode_to_vec());
        std::fs::write(
            folder.folder.path().join("w.bin"),
            [9, 0, 0, 0, 0, 192, 63, 0, 0, 0, 192],
        )
        .unwrap();
        let network = read_at(&folder.path).unwrap();
        (
            find(&network, "w").element.unwrap(),
            elements(&network, "w"),
        )
    };
    let f32s = || HostData::F32(vec![1.5, -2.0]);
    let f64s = || HostData::F64(vec![1.5, -2.0]);
    let raw = |bytes: &[u8]| {
        let bytes = bytes.to_vec();
        move |t: &mut Tensor| t.raw_data = Some(bytes.clone().into())
    };
    assert_eq!(
        stored(1, &raw(&[0, 0, 192, 63, 0, 0, 0, 192])),
        (ElementType::F32, f32s())
    );
    assert_eq!(
        stored(1, &|t| t.float_data = vec![1.5, -2.0]),
        (ElementType::F32, f32s())
    );
    assert_eq!(
        stored(10, &raw(&[0, 62, 0, 192])),
        (ElementType::F16, f32s())
    );
    assert_eq!(
        stored(10, &|t| t.int32_data = vec![0x3e00, 0xc000]),
        (ElementType::F16, f32s())
    );
    assert_eq!(
        stored(16, &raw(&[192, 63, 0, 192])),
        (ElementType::Bf16, f32s())
    );
    assert_eq!(
        stored(16, &|t| t.int32_data = vec![0x3fc0, 0xc000]),
        (ElementType::Bf16, f32s())
    );
    assert_eq!(
        stored(
            11,
            &raw(&[0, 0, 0, 0, 0, 0, 248, 63, 0, 0, 0, 0, 0, 0, 0, 192])
        ),
        (ElementType::F64, f64s())
    );
    assert_eq!(
        stored(11, &|t| t.double_data = vec![1.5, -2.0]),
        (ElementType::F64, f64s())
    );
    let outside = external(
        "w",
        &[2],
        &[("location", "w.bin"), ("offset", "3"), ("length", "8")],
    );
    let outside = |t: &mut Tensor| {
        t.external_data = outside.external_data.clone();
        t.data_location = 1;
    };
    assert_eq!(stored(1, &outside), (ElementType::F32, f32s()));
}

#[test]
fn every_way_to_store_integers() {
    let stored = |data_type: i32, fill: &dyn Fn(&mut Tensor)| {
        let mut tensor = Tensor {
            name: "w".to_owned(),
            dims: vec![2],
            data_type,
            ..Default::default()
        };
        fill(&mut tensor);
        let nodes = [node("Mul", &["x", "w"], &["y"])];
        let graph = graph(&nodes, &[tensor], vec![value("x", &[2])], &["y"]);
        let network = read(&model(&graph).encode_to_vec()).unwrap();
        match &find(&network, "w").kind {
            ValueKind::Constant(tensor) => tensor.data.clone(),
            other => panic!("{other:?}"),
        }
    };
    let raw = |bytes: &[u8]| {
        let bytes = bytes.to_vec();
        move |t: &mut Tensor| t.raw_data = Some(bytes.clone().into())
    };
    let ints = |a, b| HostData::I64(vec![a, b]);
    assert_eq!(stored(2, &raw(&[255, 1])), ints(255, 1));
    assert_eq!(stored(3, &raw(&[255, 1])), ints(-1, 1));
    assert_eq!(stored(4, &raw(&[255, 255, 1, 0])), ints(65535, 1));
    assert_eq!(stored(5, &raw(&[255, 255, 1, 0])), ints(-1, 1));
    assert_eq!(stored(6, &|t| t.int32_data = vec![-7, 8]), ints(-7, 8));
    assert_eq!(
        stored(6, &raw(&[255, 255, 255, 255, 1, 0, 0, 0])),
        ints(-1, 1)
    );
    assert_eq!(
        stored(7, &|t| t.int64_data = vec![i64::MIN, 8]),
        ints(i64::MIN, 8)
    );
    assert_eq!(
        stored(12, &|t| t.uint64_data = vec![u32::MAX.into(), 8]),
        ints(u32::MAX.into(), 8)
    );
    assert_eq!(stored(13, &|t| t.uint64_data = vec![5, 8]), ints(5, 8));
    assert_eq!(stored(9, &raw(&[0, 1])), HostData::Bool(vec![false, true]));
    assert_eq!(
        stored(9, &|t| t.int32_data = vec![1, 0]),
        HostData::Bool(vec![true, false])
    );
}

#[test]
fn constant_nodes_are_stored_tensors() {
    let mut tensors = Vec::new();
    let mut constant = |output: &str, attribute: Attribute| {
        let mut constant = node("Constant", &[], &[output]);
        constant.attribute = vec![attribute];
        tensors.push(constant);
    };
    let of = |name: &str, r#type: i32| Attribute {
        name: name.to_owned(),
        r#type,
        ..Default::default()
    };
    constant(
        "small",
        tensor_attribute("value", &tensor("", &[2], &[1.0, 2.0])),
    );
    constant(
        "large",
        tensor_attribute("value", &tensor("", &[65], &[1.0; 65])),
    );
    constant(
        "f",
        Attribute {
            f: Some(0.5),
            ..of("value_float", 1)
        },
    );
    constant(
        "i",
        Attribute {
            i: Some(-3),
            ..of("value_int", 2)
        },
    );
    constant(
        "fs",
        Attribute {
            floats: vec![0.5, 0.25],
            ..of("value_floats", 6)
        },
    );
    constant(
        "is",
        Attribute {
            ints: vec![1, 2, 3],
            ..of("value_ints", 7)
        },
    );
    // Old files do not state the type of an attribute.
    constant(
        "untyped",
        Attribute {
            i: Some(4),
            ..of("value_int", 0)
        },
    );
    let outputs = ["small", "large", "f", "i", "fs", "is", "untyped"];
    let network = read(&model(&graph(&tensors, &[], vec![], &outputs)).encode_to_vec()).unwrap();
    assert!(network.nodes.is_empty());
    let constant = |name: &str| {
        let value = find(&network, name);
        assert_eq!(value.origin, Origin::ConstantNode);
        match &value.kind {
            ValueKind::Constant(tensor) => (tensor.shape.clone(), tensor.data.clone()),
            other => panic!("`{name}` is {other:?}"),
        }
    };
    assert_eq!(constant("small"), (vec![2], HostData::F32(vec![1.0, 2.0])));
    assert_eq!(constant("f"), (vec![], HostData::F32(vec![0.5])));
    assert_eq!(constant("i"), (vec![], HostData::I64(vec![-3])));
    assert_eq!(constant("fs"), (vec![2], HostData::F32(vec![0.5, 0.25])));
    assert_eq!(constant("is"), (vec![3], HostData::I64(vec![1, 2, 3])));
    assert_eq!(constant("untyped"), (vec![], HostData::I64(vec![4])));
    assert!(matches!(
        find(&network, "large").kind,
        ValueKind::Buffer(Payload::Raw(_))
    ));
}

#[test]
fn constant_of_shape_is_declared_where_it_is_float() {
    let mut seven = node("ConstantOfShape", &["s"], &["sevens"]);
    seven.attribute = vec![tensor_attribute("value", &tensor("", &[1], &[7.0]))];
    let mut ints = node("ConstantOfShape", &["s"], &["ints"]);
    ints.attribute = vec![tensor_attribute("value", &integers("", &[1], &[7]))];
    let nodes = [
        // The shape comes after its use: nodes need not be in order.
        node("ConstantOfShape", &["late"], &["zeros"]),
        seven,
        ints,
        node("ConstantOfShape", &["computed"], &["unknown"]),
        node("Shape", &["x"], &["computed"]),
        {
            let mut late = node("Constant", &[], &["late"]);
            late.attribute = vec![tensor_attribute("value", &integers("", &[1], &[100]))];
            late
        },
    ];
    let outputs = ["zeros", "sevens", "ints", "unknown"];
    let stored = [integers("s", &[2], &[3, 2])];
    let graph = graph(&nodes, &stored, vec![value("x", &[4])], &outputs);
    let network = read(&model(&graph).encode_to_vec()).unwrap();
    assert_eq!(
        ops(&network),
        ["ConstantOfShape", "Shape", "ConstantOfShape"]
    );
    assert_eq!(
        find(&network, "zeros").kind,
        ValueKind::Buffer(Payload::Filled(0.0))
    );
    assert_eq!(
        find(&network, "sevens").kind,
        ValueKind::Buffer(Payload::Filled(7.0))
    );
    assert_eq!(find(&network, "sevens").shape, Some(vec![3, 2]));
    assert_eq!(elements(&network, "sevens"), HostData::F32(vec![7.0; 6]));
    assert_eq!(find(&network, "ints").kind, ValueKind::Computed);
}

#[test]
fn initializers_among_the_inputs_are_no_inputs() {
    let mut old = two_layers();
    old.ir_version = 3;
    let mut graph = support::proto::Graph::decode(old.graph.unwrap()).unwrap();
    graph.input.insert(0, value("fc1.weight", &[4, 3]));
    old.graph = Some(graph.encode_to_vec().into());
    let network = read(&old.encode_to_vec()).unwrap();
    assert_eq!(network.inputs.len(), 1);
    assert_eq!(network.value(network.inputs[0]).name, "x");
}

#[test]
fn nodes_get_unique_names_and_an_order() {
    let mut nodes = vec![
        node("Relu", &["b"], &["c"]),
        node("Relu", &["x"], &["a"]),
        node("Relu", &["a"], &["b"]),
        node("Add", &["c", ""], &["y"]),
    ];
    nodes[1].name = "same".to_owned();
    nodes[2].name = "same".to_owned();
    nodes[3].name = "Relu_0".to_owned();
    let network = read(&model(&graph(&nodes, &[], vec![value("x", &[1])], &["y"])).encode_to_vec());
    let network = network.unwrap();
    assert_eq!(names(&network), ["same", "same_2", "Relu_0_2", "Relu_0"]);
    assert_eq!(network.nodes[3].inputs[1], None);
}

fn function(name: &str, io: (&[&str], &[&str]), nodes: &[support::proto::Node]) -> Function {
    let owned = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
    Function {
        name: name.to_owned(),
        domain: "own".to_owned(),
        input: owned(io.0),
        output: owned(io.1),
        node: nodes.iter().map(|n| n.encode_to_vec().into()).collect(),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: 18,
        }],
        ..Default::default()
    }
}

fn call(name: &str, op: &str, inputs: &[&str], outputs: &[&str]) -> support::proto::Node {
    let mut call = node(op, inputs, outputs);
    call.domain = "own".to_owned();
    call.name = name.to_owned();
    call
}

#[test]
fn functions_are_inlined() {
    let refer = |name: &str, to: &str, r#type: i32| Attribute {
        name: name.to_owned(),
        ref_attr_name: to.to_owned(),
        r#type,
        ..Default::default()
    };
    let mut weight = node("Constant", &[], &["w"]);
    weight.attribute = vec![tensor_attribute("value", &tensor("", &[70], &[0.5; 70]))];
    let mut scale = node("Constant", &[], &["s"]);
    scale.attribute = vec![refer("value_float", "scale", 1)];
    let mut leaky = node("LeakyRelu", &["u"], &["v"]);
    leaky.attribute = vec![refer("alpha", "alpha", 1), refer("other", "unstated", 1)];
    let mut inner = function(
        "inner",
        (&["p", "bias"], &["v", "p"]),
        &[
            weight,
            scale,
            node("Mul", &["p", "w"], &["t"]),
            node("Add", &["t", "bias"], &["u"]),
            leaky,
        ],
    );
    inner.attribute_proto = vec![Attribute {
        name: "alpha".to_owned(),
        f: Some(0.125),
        r#type: 1,
        ..Default::default()
    }];
    let mut nested = call("", "inner", &["a", ""], &["b", "again"]);
    nested.attribute = vec![refer("scale", "outer_scale", 1)];
    let outer = function("outer", (&["a"], &["b"]), &[nested]);
    let with_scale = |mut node: support::proto::Node, scale: &str, alpha: Option<f32>| {
        node.attribute.push(Attribute {
            name: scale.to_owned(),
            f: Some(3.0),
            r#type: 1,
            ..Default::default()
        });
        if let Some(alpha) = alpha {
            node.attribute.push(Attribute {
                name: "alpha".to_owned(),
                f: Some(alpha),
                r#type: 1,
                ..Default::default()
            });
        }
        node
    };
    let nodes = [
        with_scale(call("first", "outer", &["x"], &["h"]), "outer_scale", None),
        with_scale(
            call("second", "inner", &["h", "x"], &["y", "same"]),
            "scale",
            Some(0.5),
        ),
    ];
    let mut model = model(&graph(&nodes, &[], vec![value("x", &[70])], &["y", "same"]));
    model.functions = [inner, outer]
        .iter()
        .map(|f| f.encode_to_vec().into())
        .collect();
    let network = read(&model.encode_to_vec()).unwrap();
    // Each call: the operations, and an Identity where the function returns its input.
    assert_eq!(
        ops(&network),
        [
            "Mul",
            "Add",
            "LeakyRelu",
            "Identity",
            "Mul",
            "Add",
            "LeakyRelu",
            "Identity"
        ]
    );
    let unique: std::collections::BTreeSet<_> = names(&network).into_iter().collect();
    assert_eq!(unique.len(), 8);
    assert!(
        names(&network)[0].starts_with("first/"),
        "{:?}",
        names(&network)
    );
    assert_eq!(network.nodes[0].opset, 18);
    // The weight inside the function is one value for both calls.
    let weight = network.nodes[0].inputs[1].unwrap();
    assert_eq!(network.nodes[4].inputs[1], Some(weight));
    assert_eq!(network.value(weight).consumers.len(), 2);
    // A left-out input is left out inside; attributes are the call's, or the default.
    assert_eq!(network.nodes[1].inputs[1], None);
    assert!(network.nodes[5].inputs[1].is_some());
    assert_eq!(
        network.nodes[2].attributes.get("alpha"),
        Some(&Stated::Float(0.125))
    );
    assert_eq!(
        network.nodes[6].attributes.get("alpha"),
        Some(&Stated::Float(0.5))
    );
    assert_eq!(network.nodes[2].attributes.get("other"), None);
    let scales: Vec<_> = network
        .values
        .iter()
        .filter(|v| v.name.ends_with("/s"))
        .collect();
    assert_eq!(scales.len(), 2);
    assert!(matches!(&scales[0].kind, ValueKind::Constant(t) if t.to_f32() == [3.0]));
}

#[test]
fn a_branch_with_a_constant_condition_is_inlined() {
    let branch = |op: &str| {
        graph(
            &[node(op, &["outer", "own"], &["r"])],
            &[tensor("own", &[70], &[1.0; 70])],
            vec![],
            &["r", "outer"],
        )
    };
    let mut choose = node("If", &["c"], &["y", "z"]);
    for (name, op) in [("then_branch", "Add"), ("else_branch", "Mul")] {
        choose.attribute.push(Attribute {
            name: name.to_owned(),
            r#type: 5,
            g: Some(branch(op).encode_to_vec().into()),
            ..Default::default()
        });
    }
    let mut condition = node("Constant", &[], &["c"]);
    let mut no = integers("", &[], &[]);
    (no.data_type, no.int32_data) = (9, vec![0]);
    condition.attribute = vec![tensor_attribute("value", &no)];
    // `own` outside is another value than `own` inside.
    let nodes = [
        node("Relu", &["x"], &["outer"]),
        choose,
        condition,
        node("Tanh", &["own"], &["t"]),
    ];
    let stored = [tensor("own", &[70], &[2.0; 70])];
    let graph = graph(&nodes, &stored, vec![value("x", &[70])], &["y", "z", "t"]);
    let folder = folder(&model(&graph).encode_to_vec());
    let network = read_at(&folder.path).unwrap();
    assert_eq!(ops(&network), ["Relu", "Mul", "Identity", "Tanh"]);
    let inside = network.value(network.nodes[1].inputs[1].unwrap());
    assert_ne!(inside.name, "own");
    assert_eq!(
        elements(&network, &inside.name),
        HostData::F32(vec![1.0; 70])
    );
    assert_eq!(elements(&network, "own"), HostData::F32(vec![2.0; 70]));
    assert_eq!(network.value(network.outputs[0]).name, "y");
}

#[test]
fn nodes_of_other_domains_pass_through() {
    let mut gelu = node("FastGelu", &["x"], &["y"]);
    gelu.domain = "com.microsoft".to_owned();
    let mut model = model(&graph(&[gelu], &[], vec![value("x", &[1])], &["y"]));
    model.opset_import[0].domain = "ai.onnx".to_owned();
    let network = read(&model.encode_to_vec()).unwrap();
    assert_eq!(network.nodes[0].domain, "com.microsoft");
    assert_eq!(network.nodes[0].opset, 1);
}

#[test]
fn free_dimensions_take_the_sizes_they_are_given() {
    let mut input = value("ids", &[0, 0, 8]);
    let shape = input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
    let named = |name: &str| Dimension {
        dim_value: None,
        dim_param: Some(name.to_owned()),
    };
    shape.shape.as_mut().unwrap().dim[0] = named("batch");
    shape.shape.as_mut().unwrap().dim[1] = named("sequence");
    let graph = graph(&[node("Relu", &["ids"], &["y"])], &[], vec![input], &["y"]);
    let folder = folder(&model(&graph).encode_to_vec());
    let shape = |dims: &Dims| {
        let network = onnx::read_raw(&folder.path, dims).unwrap();
        (find(&network, "ids").shape.clone().unwrap(), network.digest)
    };
    let (default, digest) = shape(&Dims::default());
    assert_eq!(default, [2, 16, 8]);
    let dims = Dims {
        batch: Some(3),
        named: BTreeMap::from([("sequence".to_owned(), 7)]),
        inputs: BTreeMap::new(),
    };
    assert_eq!(shape(&dims), (vec![3, 7, 8], digest));
    let free = onnx::free_dimensions(&folder.path).unwrap();
    let free: Vec<_> = free.iter().map(|f| (f.name.as_str(), f.default)).collect();
    assert_eq!(free, [("batch", 2), ("sequence", 16)]);
}
