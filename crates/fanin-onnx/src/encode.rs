//! A network as an ONNX file: for networks that came from a one-line architecture.

use prost::Message;
use prost::bytes::Bytes;

use super::proto::{self, attribute_type as kind};
use super::strip::tensor_message;
use crate::Weights;
use fanin_graph::{
    Attribute, ElementType, HostData, HostTensor, Network, NetworkError, Value, ValueId, ValueKind,
};

/// The operator set where no node says one.
const OPSET: i64 = 20;

/// A network as the bytes of an ONNX file.
///
/// Parameters are initializers with these weights; without weights they are only declared, as
/// [`super::strip()`] does. Inputs have the sizes the network was made with. A network that was read
/// from a file can be encoded as well, but what comes out is what fanin made of it, with functions
/// inlined and constants folded; [`super::write_weights`] keeps the file as it was.
///
/// # Errors
///
/// If a parameter has no weights or weights of another shape, a stored tensor cannot be read, a
/// value lacks its type, or the file would pass the 2 GiB of the format.
pub fn encode(network: &Network, weights: Option<&Weights>) -> Result<Vec<u8>, NetworkError> {
    let mut graph = proto::Graph {
        name: match network.name.as_str() {
            "" => "fanin".to_owned(),
            name => name.to_owned(),
        },
        ..Default::default()
    };
    let mut bytes = 0usize;
    for value in &network.values {
        let used = !value.consumers.is_empty()
            || network
                .outputs
                .iter()
                .any(|id| network.value(*id).name == value.name);
        if used {
            store(network, weights, value, &mut graph)?;
        }
        bytes = bytes.saturating_add(graph.initializer.last().map_or(0, Bytes::len));
        if bytes > i32::MAX as usize {
            return Err(NetworkError::Request(
                "the network has more than 2 GiB of weights, more than an ONNX file holds; write \
                 them as safetensors"
                    .to_owned(),
            ));
        }
    }
    let name = |id: &Option<ValueId>| id.map_or(String::new(), |id| network.value(id).name.clone());
    let mut opsets = std::collections::BTreeMap::from([(String::new(), 0)]);
    for node in &network.nodes {
        // A folded node's output is an initializer by now.
        let outputs = node.outputs.iter().flatten();
        if outputs
            .clone()
            .any(|id| !matches!(network.value(*id).kind, ValueKind::Computed))
        {
            continue;
        }
        let version = opsets.entry(node.domain.clone()).or_insert(0);
        *version = node.opset.max(*version);
        let message = proto::Node {
            input: node.inputs.iter().map(name).collect(),
            output: node.outputs.iter().map(name).collect(),
            name: node.name.clone(),
            op_type: node.op.clone(),
            domain: node.domain.clone(),
            attribute: node.attributes.0.iter().map(attribute).collect(),
            ..Default::default()
        };
        graph.node.push(message.encode_to_vec().into());
    }
    for (ids, list) in [
        (&network.inputs, &mut graph.input),
        (&network.outputs, &mut graph.output),
    ] {
        for id in ids {
            list.push(info(network.value(*id))?);
        }
    }
    let own = opsets.entry(String::new()).or_insert(0);
    if *own == 0 {
        *own = OPSET;
    }
    let model = proto::Model {
        // The first IR version of the operator set, but for the newest.
        ir_version: match *own {
            ..=18 => 8,
            19..=20 => 9,
            _ => 10,
        },
        producer_name: "fanin".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph.encode_to_vec().into()),
        opset_import: opsets
            .into_iter()
            .map(|(domain, version)| proto::OperatorSet { domain, version })
            .collect(),
        functions: Vec::new(),
    };
    Ok(model.encode_to_vec())
}

/// Adds what a stored value needs: an initializer, or its declaration.
fn store(
    network: &Network,
    weights: Option<&Weights>,
    value: &Value,
    graph: &mut proto::Graph,
) -> Result<(), NetworkError> {
    let held;
    let tensor: &HostTensor = match &value.kind {
        ValueKind::Input | ValueKind::Computed => return Ok(()),
        ValueKind::Constant(tensor) => tensor,
        ValueKind::Buffer(payload) => {
            let shape = value.shape.as_deref().unwrap_or_default();
            let element = value.element.unwrap_or(ElementType::F32);
            held = network.elements(payload, shape, element)?;
            &held
        }
        ValueKind::Parameter(id) => {
            let parameter = network.parameter(*id);
            let Some(weights) = weights else {
                declare(&value.name, &parameter.shape, parameter.element, graph);
                return Ok(());
            };
            match weights.get(&parameter.name) {
                Some(tensor) if tensor.shape == parameter.shape => tensor,
                Some(tensor) => {
                    return Err(NetworkError::Request(format!(
                        "the weights for parameter `{}` have shape {:?} where the network has {:?}",
                        parameter.name, tensor.shape, parameter.shape
                    )));
                }
                None => {
                    return Err(NetworkError::Request(format!(
                        "there are no weights for parameter `{}`",
                        parameter.name
                    )));
                }
            }
        }
    };
    let element = value.element.unwrap_or(tensor.element);
    graph.initializer.push(tensor_message(
        &value.name,
        &tensor.shape,
        element,
        &tensor.data,
    ));
    Ok(())
}

/// A `ConstantOfShape` of zeros and its shape.
fn declare(name: &str, shape: &[usize], element: ElementType, graph: &mut proto::Graph) {
    let shape_name = format!("{name}__SHAPE");
    let dims = HostData::I64(shape.iter().map(|&d| d as i64).collect());
    graph.initializer.push(tensor_message(
        &shape_name,
        &[shape.len()],
        ElementType::I64,
        &dims,
    ));
    let zero = (element != ElementType::F32).then(|| proto::Attribute {
        name: "value".to_owned(),
        r#type: kind::TENSOR,
        t: Some(tensor_message("", &[1], element, &HostData::F32(vec![0.0]))),
        ..Default::default()
    });
    let node = proto::Node {
        input: vec![shape_name],
        output: vec![name.to_owned()],
        op_type: "ConstantOfShape".to_owned(),
        attribute: zero.into_iter().collect(),
        ..Default::default()
    };
    graph.node.push(node.encode_to_vec().into());
}

fn attribute((name, value): (&String, &Attribute)) -> proto::Attribute {
    let mut message = proto::Attribute {
        name: name.clone(),
        ..Default::default()
    };
    message.r#type = match value {
        Attribute::Int(x) => {
            message.i = Some(*x);
            kind::INT
        }
        Attribute::Float(x) => {
            message.f = Some(*x);
            kind::FLOAT
        }
        Attribute::String(x) => {
            message.s = Some(x.clone().into());
            kind::STRING
        }
        Attribute::Tensor(x) => {
            message.t = Some(tensor_message("", &x.shape, x.element, &x.data));
            kind::TENSOR
        }
        Attribute::Ints(x) => {
            message.ints.clone_from(x);
            kind::INTS
        }
        Attribute::Floats(x) => {
            message.floats.clone_from(x);
            kind::FLOATS
        }
        Attribute::Strings(x) => {
            message.strings = x.iter().map(|x| x.clone().into()).collect();
            kind::STRINGS
        }
    };
    message
}

/// The declaration of an input or output.
fn info(value: &Value) -> Result<proto::ValueInfo, NetworkError> {
    let element = value.element.ok_or_else(|| {
        NetworkError::Request(format!(
            "the element type of `{}` is not known, so the network cannot be written as ONNX",
            value.name
        ))
    })?;
    let dim = |&d: &usize| proto::Dimension {
        dim_value: Some(d as i64),
        dim_param: None,
    };
    Ok(proto::ValueInfo {
        name: value.name.clone(),
        r#type: Some(proto::Type {
            tensor_type: Some(proto::TensorType {
                elem_type: element.to_onnx(),
                shape: value.shape.as_ref().map(|shape| proto::Shape {
                    dim: shape.iter().map(dim).collect(),
                }),
            }),
        }),
    })
}
