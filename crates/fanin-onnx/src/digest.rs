//! The digest of a network: what it is, whatever its weights.

use sha2::{Digest, Sha256};

use super::inputs::{Axis, Declaration};
use fanin_graph::{Attribute, HostData, HostTensor, Network, ValueKind};

/// Hashes length-prefixed pieces, so that no two graphs encode alike.
struct Hasher(Sha256);

impl Hasher {
    fn new(version: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.bytes(version.as_bytes());
        hasher
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn numbers(&mut self, numbers: impl ExactSizeIterator<Item = u64>) {
        self.number(numbers.len() as u64);
        numbers.for_each(|n| self.number(n));
    }

    fn tensor(&mut self, tensor: &HostTensor) {
        self.number(tensor.element.to_onnx() as u64);
        self.numbers(tensor.shape.iter().map(|&d| d as u64));
        match &tensor.data {
            HostData::F32(v) => self.numbers(v.iter().map(|x| x.to_bits().into())),
            HostData::F64(v) => self.numbers(v.iter().map(|x| x.to_bits())),
            HostData::I64(v) => self.numbers(v.iter().map(|&x| x as u64)),
            HostData::Bool(v) => self.numbers(v.iter().map(|&x| x.into())),
        }
    }

    fn attribute(&mut self, attribute: &Attribute) {
        match attribute {
            Attribute::Int(x) => self.numbers([1, *x as u64].into_iter()),
            Attribute::Float(x) => self.numbers([2, x.to_bits().into()].into_iter()),
            Attribute::String(x) => {
                self.number(3);
                self.bytes(x.as_bytes());
            }
            Attribute::Tensor(x) => {
                self.number(4);
                self.tensor(x);
            }
            Attribute::Ints(x) => {
                self.number(5);
                self.numbers(x.iter().map(|&x| x as u64));
            }
            Attribute::Floats(x) => {
                self.number(6);
                self.numbers(x.iter().map(|x| x.to_bits().into()));
            }
            Attribute::Strings(x) => {
                self.numbers([7, x.len() as u64].into_iter());
                x.iter().for_each(|x| self.bytes(x.as_bytes()));
            }
        }
    }

    fn finish(self) -> String {
        let digest = self.0.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The digest of what a file declares about its inputs: free dimensions by name, so that the sizes
/// a user gives change nothing.
pub(crate) fn of_inputs(declarations: &[Declaration]) -> String {
    let mut hasher = Hasher::new("fanin inputs 1");
    for input in declarations {
        hasher.bytes(input.name.as_bytes());
        hasher.number(input.element.to_onnx() as u64);
        for axis in input.axes.iter().flatten() {
            match axis {
                Axis::Fixed(size) => hasher.numbers([0, *size as u64].into_iter()),
                Axis::Named(symbol) => hasher.bytes(symbol.as_bytes()),
                Axis::Unnamed => hasher.number(0),
            }
        }
        hasher.number(u64::MAX);
    }
    hasher.finish()
}

/// Which values are constants, by index.
pub fn constants(network: &Network) -> Vec<bool> {
    let values = network.values.iter();
    values
        .map(|v| matches!(v.kind, ValueKind::Constant(_)))
        .collect()
}

/// The digest of a network: SHA-256, in hexadecimal, of its inputs as declared (through the digest
/// the reader left in [`Network::digest`]), its nodes in order with operator, version, attributes
/// and the values they read and put out, and of each value that is read its name, shape, type and,
/// where it is a constant, its elements.
///
/// Not in it: the elements of parameters and buffers, where and how they are stored, the sizes that
/// the user gives for free dimensions, and what no node reads. So a model has one digest before and
/// after training, and so does its architecture-only copy.
///
/// `constants` are the values that the reader took for constants, by index: what is a small buffer
/// may have become a constant since.
pub fn of_network(network: &Network, constants: &[bool]) -> String {
    let mut hasher = Hasher::new("fanin network 1");
    hasher.bytes(network.digest.as_bytes());
    let name = |hasher: &mut Hasher, id: &Option<fanin_graph::ValueId>| match id {
        Some(id) => hasher.bytes(network.value(*id).name.as_bytes()),
        None => hasher.number(u64::MAX),
    };
    for node in &network.nodes {
        hasher.bytes(node.name.as_bytes());
        hasher.bytes(node.domain.as_bytes());
        hasher.bytes(node.op.as_bytes());
        hasher.numbers([node.opset as u64, node.attributes.0.len() as u64].into_iter());
        for (key, attribute) in &node.attributes.0 {
            hasher.bytes(key.as_bytes());
            hasher.attribute(attribute);
        }
        for list in [&node.inputs, &node.outputs] {
            hasher.number(list.len() as u64);
            list.iter().for_each(|id| name(&mut hasher, id));
        }
    }
    network
        .outputs
        .iter()
        .for_each(|id| name(&mut hasher, &Some(*id)));
    let mut stored: Vec<_> = network
        .values
        .iter()
        .zip(constants)
        .filter(|(value, _)| !value.consumers.is_empty())
        .filter(|(value, _)| !matches!(value.kind, ValueKind::Input | ValueKind::Computed))
        .collect();
    stored.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    for (value, constant) in stored {
        hasher.bytes(value.name.as_bytes());
        hasher.number(value.element.map_or(0, |e| e.to_onnx() as u64));
        let shape = value.shape.as_deref().unwrap_or_default();
        hasher.numbers(shape.iter().map(|&d| d as u64));
        match &value.kind {
            ValueKind::Constant(tensor) if *constant => hasher.tensor(tensor),
            _ => hasher.number(0),
        }
    }
    hasher.finish()
}
