//! Builds a graph node by node.

use fanin::Layout;
use sha2::{Digest, Sha256};

use super::lexer;
use crate::parameter::provisional;
use crate::{
    Attribute, Attributes, Dims, ElementType, HostTensor, Network, NetworkError, Node, NodeId,
    Origin, Parameter, ParameterId, Payload, Source, Value, ValueId, ValueKind,
};

/// Samples in a run where the user says nothing.
const BATCH: usize = 16;
/// Most elements of one parameter.
const LARGEST: usize = 1 << 31;

/// A graph in the making.
pub(crate) struct Builder<'a> {
    text: String,
    dims: &'a Dims,
    network: Network,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(text: &str, dims: &'a Dims) -> Self {
        Self {
            text: text.to_owned(),
            dims,
            network: Network {
                name: text.trim().to_owned(),
                source: Source::Architecture(text.to_owned()),
                digest: String::new(),
                values: Vec::new(),
                nodes: Vec::new(),
                parameters: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
            },
        }
    }

    /// The shape of the data for an input; each architecture has only one.
    fn given(&self, input: &str) -> Option<&Vec<usize>> {
        let shapes = &self.dims.inputs;
        shapes.get(input).or_else(|| shapes.get(Dims::SOLE))
    }

    /// Size of the batch axis.
    pub(crate) fn batch(&self, input: &str) -> usize {
        self.given(input)
            .and_then(|shape| shape.first().copied())
            .or_else(|| self.dims.named.get("batch").copied())
            .or(self.dims.batch)
            .unwrap_or(BATCH)
    }

    /// Length of the sequence axis.
    pub(crate) fn length(&self, input: &str, default: usize) -> usize {
        self.given(input)
            .and_then(|shape| shape.get(1).copied())
            .or_else(|| {
                ["sequence", "time"]
                    .iter()
                    .find_map(|name| self.dims.named.get(*name).copied())
            })
            .unwrap_or(default)
    }

    fn value(&mut self, value: Value) -> ValueId {
        let id = ValueId::from(self.network.values.len());
        self.network.values.push(value);
        id
    }

    /// What the user feeds.
    pub(crate) fn input(
        &mut self,
        name: &str,
        element: ElementType,
        shape: Vec<usize>,
    ) -> Result<ValueId, NetworkError> {
        if let Some(given) = self.given(name)
            && *given != shape
        {
            return Err(NetworkError::Request(format!(
                "the data for `{name}` has shape {given:?} but the architecture takes {shape:?}"
            )));
        }
        if shape.contains(&0) {
            return Err(NetworkError::Request(format!(
                "input `{name}` of shape {shape:?} has no elements; give sizes of at least 1"
            )));
        }
        let id = self.value(Value {
            name: name.to_owned(),
            kind: ValueKind::Input,
            origin: Origin::Graph,
            element: Some(element),
            shape: Some(shape),
            producer: None,
            consumers: Vec::new(),
        });
        self.network.inputs.push(id);
        Ok(id)
    }

    /// What training changes.
    pub(crate) fn parameter(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<ValueId, NetworkError> {
        let count = fanin_graph::element_count(shape);
        if count.is_none_or(|n| n > LARGEST) {
            return Err(lexer::error(
                &self.text,
                0,
                format!(
                    "`{name}` would have shape {shape:?}, more than the {LARGEST} elements a parameter may have; make the layers narrower"
                ),
            ));
        }
        let parameter = ParameterId::from(self.network.parameters.len());
        let id = self.value(Value {
            name: name.to_owned(),
            kind: ValueKind::Parameter(parameter),
            origin: Origin::Made,
            element: Some(ElementType::F32),
            shape: Some(shape.to_vec()),
            producer: None,
            consumers: Vec::new(),
        });
        self.network.parameters.push(Parameter {
            name: name.to_owned(),
            aliases: Vec::new(),
            value: id,
            element: ElementType::F32,
            shape: shape.to_vec(),
            payload: Payload::Absent,
            layout: Layout::new([]),
            purpose: provisional(),
        });
        Ok(id)
    }

    /// A stored tensor that training does not change, all elements equal.
    pub(crate) fn buffer(&mut self, name: &str, shape: &[usize], number: f64) -> ValueId {
        self.value(Value {
            name: name.to_owned(),
            kind: ValueKind::Buffer(Payload::Filled(number)),
            origin: Origin::Made,
            element: Some(ElementType::F32),
            shape: Some(shape.to_vec()),
            producer: None,
            consumers: Vec::new(),
        })
    }

    /// A constant.
    pub(crate) fn constant(&mut self, tensor: HostTensor) -> ValueId {
        let name = format!("constant_{}", self.network.values.len());
        self.value(Value {
            name,
            origin: Origin::Made,
            element: Some(tensor.element),
            shape: Some(tensor.shape.clone()),
            kind: ValueKind::Constant(tensor),
            producer: None,
            consumers: Vec::new(),
        })
    }

    /// Integers along one axis.
    pub(crate) fn integers(&mut self, numbers: &[i64]) -> Result<ValueId, NetworkError> {
        let tensor = HostTensor::i64(vec![numbers.len()], numbers.to_vec());
        self.held(tensor)
    }

    /// One float.
    pub(crate) fn float(&mut self, number: f64) -> Result<ValueId, NetworkError> {
        self.held(HostTensor::f32(vec![], vec![number as f32]))
    }

    /// A constant whose length fits its shape by construction.
    pub(crate) fn held(&mut self, tensor: Option<HostTensor>) -> Result<ValueId, NetworkError> {
        tensor.map(|tensor| self.constant(tensor)).ok_or_else(|| {
            NetworkError::Request(String::from(
                "a constant of the architecture does not fit its shape; please report the line",
            ))
        })
    }

    /// An operation with one output.
    pub(crate) fn node(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[ValueId],
        attributes: Attributes,
    ) -> ValueId {
        let inputs: Vec<Option<ValueId>> = inputs.iter().copied().map(Some).collect();
        let outputs = self.operation(name, op, inputs, attributes, 1);
        outputs.first().copied().unwrap_or(ValueId(u32::MAX))
    }

    /// An operation with any number of outputs.
    pub(crate) fn operation(
        &mut self,
        name: &str,
        op: &str,
        inputs: Vec<Option<ValueId>>,
        attributes: Attributes,
        outputs: usize,
    ) -> Vec<ValueId> {
        let node = NodeId::from(self.network.nodes.len());
        for input in inputs.iter().flatten() {
            if let Some(value) = self.network.values.get_mut(input.index()) {
                value.consumers.push(node);
            }
        }
        let ids: Vec<ValueId> = (0..outputs)
            .map(|k| {
                let suffix = if k == 0 {
                    String::new()
                } else {
                    format!(".{k}")
                };
                self.value(Value {
                    name: format!("{name}/output{suffix}"),
                    kind: ValueKind::Computed,
                    origin: Origin::Graph,
                    element: None,
                    shape: None,
                    producer: Some(node),
                    consumers: Vec::new(),
                })
            })
            .collect();
        let outputs = ids.iter().copied().map(Some).collect();
        match Node::new(name, "", op, 20, attributes, inputs, outputs) {
            Ok(node) => self.network.nodes.push(node),
            // No architecture states an attribute that its operator does not know.
            Err(message) => debug_assert!(false, "{name}: {message}"),
        }
        ids
    }

    /// A fully connected layer on `[batch, input]`, its weight `[output, input]`.
    pub(crate) fn gemm(
        &mut self,
        name: &str,
        x: ValueId,
        sizes: (usize, usize),
        bias: bool,
    ) -> Result<ValueId, NetworkError> {
        let (input, output) = sizes;
        let mut inputs = vec![
            x,
            self.parameter(&format!("{name}.weight"), &[output, input])?,
        ];
        if bias {
            inputs.push(self.parameter(&format!("{name}.bias"), &[output])?);
        }
        let attributes = Attributes::default().set("transB", Attribute::Int(1));
        Ok(self.node(name, "Gemm", &inputs, attributes))
    }

    /// A fully connected layer on the last axis of any rank, its weight `[output, input]`.
    pub(crate) fn linear(
        &mut self,
        name: &str,
        x: ValueId,
        sizes: (usize, usize),
        bias: bool,
    ) -> Result<ValueId, NetworkError> {
        let (input, output) = sizes;
        let weight = self.parameter(&format!("{name}.weight"), &[output, input])?;
        let y = self.apply(name, x, weight);
        if !bias {
            return Ok(y);
        }
        let bias = self.parameter(&format!("{name}.bias"), &[output])?;
        Ok(self.node(&format!("{name}/Add"), "Add", &[y, bias], none()))
    }

    /// x · Wᵀ.
    pub(crate) fn apply(&mut self, name: &str, x: ValueId, weight: ValueId) -> ValueId {
        let perm = Attributes::default().set("perm", Attribute::Ints(vec![1, 0]));
        let transposed = self.node(&format!("{name}/Transpose"), "Transpose", &[weight], perm);
        self.node(name, "MatMul", &[x, transposed], none())
    }

    /// Layer normalization of the last axis.
    pub(crate) fn layer_norm(
        &mut self,
        name: &str,
        x: ValueId,
        width: usize,
    ) -> Result<ValueId, NetworkError> {
        let scale = self.parameter(&format!("{name}.weight"), &[width])?;
        let shift = self.parameter(&format!("{name}.bias"), &[width])?;
        let attributes = Attributes::default().set("axis", Attribute::Int(-1));
        Ok(self.node(name, "LayerNormalization", &[x, scale, shift], attributes))
    }

    /// Batch normalization of axis 1.
    pub(crate) fn batch_norm(
        &mut self,
        name: &str,
        x: ValueId,
        width: usize,
    ) -> Result<ValueId, NetworkError> {
        let inputs = [
            x,
            self.parameter(&format!("{name}.weight"), &[width])?,
            self.parameter(&format!("{name}.bias"), &[width])?,
            self.buffer(&format!("{name}.running_mean"), &[width], 0.0),
            self.buffer(&format!("{name}.running_var"), &[width], 1.0),
        ];
        Ok(self.node(name, "BatchNormalization", &inputs, none()))
    }

    /// Gives a value another name.
    #[cfg(test)]
    pub(crate) fn rename(&mut self, id: ValueId, name: &str) {
        name.clone_into(&mut self.network.values[id.index()].name);
    }

    /// Names what the network returns.
    pub(crate) fn output(&mut self, id: ValueId) {
        if let Some(value) = self.network.values.get_mut(id.index()) {
            value.name = String::from("output");
        }
        self.network.outputs.push(id);
    }

    /// The finished graph. The digest is that of the line without white space and the inputs' shapes.
    pub(crate) fn finish(mut self) -> Network {
        let mut hash = Sha256::new();
        let line: String = self.text.chars().filter(|c| !c.is_whitespace()).collect();
        hash.update(line.as_bytes());
        self.network.digest = hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.network
    }
}

/// No attributes.
pub(crate) fn none() -> Attributes {
    Attributes::default()
}
