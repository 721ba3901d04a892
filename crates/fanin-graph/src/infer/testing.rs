//! Operations and networks built in place, for the tests of the rules.

use std::collections::BTreeMap;

use fanin::Layout;

use super::{Inferred, Operand, Operands, output_shapes};
use crate::{
    Attribute, Attributes, ElementType, Feeds, HostTensor, Network, Node, NodeId, Operator, Origin,
    Parameter, ParameterId, Payload, Purpose, Role, Source, Value, ValueId, ValueKind,
};

/// An input of an operation under test.
pub(crate) enum Given {
    /// f32 elements that are not known.
    Floats(Vec<usize>),
    /// Known elements.
    Known(HostTensor),
    /// Left out.
    Absent,
}

pub(crate) fn floats(shape: &[usize]) -> Given {
    Given::Floats(shape.to_vec())
}

pub(crate) fn ints(list: &[i64]) -> Given {
    Given::Known(HostTensor::i64(vec![list.len()], list.to_vec()).unwrap())
}

pub(crate) fn int(one: i64) -> Given {
    Given::Known(HostTensor::i64(vec![], vec![one]).unwrap())
}

pub(crate) fn known_floats(list: &[f32]) -> Given {
    Given::Known(HostTensor::f32(vec![list.len()], list.to_vec()).unwrap())
}

pub(crate) fn attributes<const N: usize>(list: [(&str, Attribute); N]) -> Attributes {
    Attributes(BTreeMap::from(list.map(|(k, v)| (k.to_owned(), v))))
}

/// All that the rule says.
pub(crate) fn all(
    op: &str,
    opset: i64,
    attributes: Attributes,
    inputs: &[Given],
    outputs: usize,
) -> Result<Vec<Inferred>, String> {
    let operands: Vec<Option<Operand<'_>>> = inputs
        .iter()
        .map(|given| match given {
            Given::Floats(shape) => Some(Operand {
                element: Some(ElementType::F32),
                shape: Some(shape),
                constant: None,
            }),
            Given::Known(tensor) => Some(Operand::from(tensor)),
            Given::Absent => None,
        })
        .collect();
    let operator = Operator::parse("", op, opset, &attributes, inputs.len(), outputs)?;
    let operands = Operands {
        inputs: &operands,
        outputs,
    };
    output_shapes(&operator, &operands)
}

/// The shape of the first output, which must be known.
pub(crate) fn first(
    op: &str,
    opset: i64,
    attributes: Attributes,
    inputs: &[Given],
) -> Result<Vec<usize>, String> {
    Ok(all(op, opset, attributes, inputs, 1)?
        .remove(0)
        .shape
        .unwrap())
}

/// A network built value by value; everything is named.
pub(crate) struct Graph(Network);

impl Graph {
    pub(crate) fn new() -> Self {
        Self(Network {
            name: String::new(),
            source: Source::Architecture("test".to_owned()),
            digest: String::new(),
            values: Vec::new(),
            nodes: Vec::new(),
            parameters: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        })
    }

    fn value(&mut self, name: &str, kind: ValueKind, shape: Option<&[usize]>) -> ValueId {
        let id = ValueId::from(self.0.values.len());
        self.0.values.push(Value {
            name: name.to_owned(),
            kind,
            origin: Origin::Graph,
            element: shape.map(|_| ElementType::F32),
            shape: shape.map(<[_]>::to_vec),
            producer: None,
            consumers: Vec::new(),
        });
        id
    }

    fn id(&self, name: &str) -> ValueId {
        ValueId::from(self.0.values.iter().position(|v| v.name == name).unwrap())
    }

    pub(crate) fn input(mut self, name: &str, shape: &[usize]) -> Self {
        let id = self.value(name, ValueKind::Input, Some(shape));
        self.0.inputs.push(id);
        self
    }

    pub(crate) fn parameter(mut self, name: &str, shape: &[usize]) -> Self {
        let parameter = ParameterId::from(self.0.parameters.len());
        let value = self.value(name, ValueKind::Parameter(parameter), Some(shape));
        self.0.parameters.push(Parameter {
            name: name.to_owned(),
            aliases: Vec::new(),
            value,
            element: ElementType::F32,
            shape: shape.to_vec(),
            payload: Payload::Absent,
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
        self
    }

    pub(crate) fn constant(mut self, name: &str, tensor: HostTensor) -> Self {
        self.value(name, ValueKind::Constant(tensor), None);
        self
    }

    pub(crate) fn ints(self, name: &str, list: &[i64]) -> Self {
        let tensor = HostTensor::i64(vec![list.len()], list.to_vec()).unwrap();
        self.constant(name, tensor)
    }

    pub(crate) fn int(self, name: &str, one: i64) -> Self {
        self.constant(name, HostTensor::i64(vec![], vec![one]).unwrap())
    }

    pub(crate) fn buffer(mut self, name: &str, shape: &[usize], payload: Payload) -> Self {
        self.value(name, ValueKind::Buffer(payload), Some(shape));
        self
    }

    /// A node named as its first output; an empty name leaves an input or output out.
    pub(crate) fn node(self, op: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        self.node_with(op, Attributes::default(), inputs, outputs)
    }

    pub(crate) fn node_with(
        mut self,
        op: &str,
        attributes: Attributes,
        inputs: &[&str],
        outputs: &[&str],
    ) -> Self {
        let node = NodeId::from(self.0.nodes.len());
        let inputs: Vec<Option<ValueId>> = inputs
            .iter()
            .map(|name| (!name.is_empty()).then(|| self.id(name)))
            .collect();
        for id in inputs.iter().flatten() {
            self.0.values[id.index()].consumers.push(node);
        }
        let name = outputs
            .first()
            .map_or(String::new(), |name| (*name).to_owned());
        let outputs = outputs
            .iter()
            .map(|name| {
                (!name.is_empty()).then(|| {
                    let id = self.value(name, ValueKind::Computed, None);
                    self.0.values[id.index()].producer = Some(node);
                    id
                })
            })
            .collect();
        let node = Node::new(name, "", op, 20, attributes, inputs, outputs).unwrap();
        self.0.nodes.push(node);
        self
    }

    pub(crate) fn output(mut self, name: &str) -> Self {
        let id = self.id(name);
        self.0.outputs.push(id);
        self
    }

    pub(crate) fn build(self) -> Network {
        self.0
    }
}
