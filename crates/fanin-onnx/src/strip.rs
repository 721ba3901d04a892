//! An architecture-only copy of a model: everything but the weights.

use std::collections::HashSet;
use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use super::graph::{Place, StoredAs};
use super::proto::{self, attribute_type};
use super::tensor;
use super::wire::{self, Damaged, Edit, Part, Target, Wire, length_field};
use super::write::{Layout, input};
use fanin_graph::encode;
use fanin_graph::{
    ElementType, HostData, Network, NetworkError, Origin, Payload, ValueId, ValueKind,
};

/// Buffers of at most this many bytes stay: a node that declares one is no smaller.
const WORTH_IT: usize = 256;

/// Writes a copy of the model that a network came from without its weights, small enough to keep
/// beside code.
///
/// Each stored tensor of a parameter becomes a `ConstantOfShape` node with the same output, put
/// before the other nodes, and an initializer `NAME__SHAPE` with its shape. The node's value is the
/// parameter's where all its elements are equal (a new norm's ones), else 0. Where the model stores
/// a tied parameter under two names, the second becomes an `Identity` of the first, so that they
/// stay tied; a tie that shows only in equal elements of two parameters cannot be kept.
/// Statistics of batch norms whose elements are all equal are declared the same way (other buffers
/// stay: what they are may show only in their elements). Other tensors that lie in
/// external data come into the file. Notes of the exporter on nodes and values (`doc_string`,
/// `metadata_props`: stack traces with the paths of the machine that exported) go. Everything else
/// stays as it came; so do parameters that are scalars and those inside functions and branches,
/// which no `ConstantOfShape` can replace there.
///
/// The copy has the same parameters with the same names, shapes and roles, and the same
/// [`Network::digest`].
///
/// # Errors
///
/// If the network did not come from a file, the file has changed since, `out` is the model itself,
/// or something cannot be read or written. Then `out` is as it was.
pub fn strip(network: &Network, out: &Path) -> Result<(), NetworkError> {
    let layout = Layout::of(network)?;
    layout.check_target(out)?;
    let mut stripper = Stripper {
        layout: &layout,
        edits: Vec::new(),
        nodes: Vec::new(),
        done: HashSet::new(),
    };
    let mut parameters = HashSet::new();
    for parameter in &network.parameters {
        let mut first: Option<&str> = None;
        for (name, id, place) in layout.stored(parameter) {
            parameters.insert(id);
            if place.nested || parameter.shape.is_empty() {
                continue;
            }
            if let StoredAs::Filled(_) = place.stored {
                first = first.or(Some(name));
                continue;
            }
            match first {
                Some(first) => stripper.tie(id, place, first)?,
                None => {
                    let equal = stripper.equal_elements(id, &parameter.payload)?;
                    stripper.declare(id, place, equal.filter(|x| x.is_finite()).unwrap_or(0.0))?;
                    first = Some(name);
                }
            }
        }
    }
    let mut places: Vec<_> = layout.raw.places.iter().collect();
    places.sort_by_key(|(id, _)| **id);
    for (&id, place) in places {
        if parameters.contains(&id) && stripper.done.contains(&id) {
            continue;
        }
        let value = layout.raw.network.value(id);
        let ValueKind::Buffer(payload) = &value.kind else {
            stripper.bring_in(id, place)?;
            continue;
        };
        let shape = value.shape.as_deref().unwrap_or_default();
        let size = value.element.and_then(ElementType::size).unwrap_or(1);
        let large = shape.iter().product::<usize>() * size > WORTH_IT;
        let filled = matches!(place.stored, StoredAs::Filled(_));
        let statistic = is_statistic(&layout, id) && !parameters.contains(&id);
        let equal = match large && statistic && !filled && !place.nested {
            true => stripper.equal_elements(id, payload)?,
            false => None,
        };
        match equal {
            Some(equal) => stripper.declare(id, place, equal)?,
            None => stripper.bring_in(id, place)?,
        }
    }
    let Stripper {
        mut edits, nodes, ..
    } = stripper;
    if let (Some(first), false) = (layout.first_node, nodes.is_empty()) {
        edits.push(Edit {
            target: Target::Before(first),
            parts: vec![Part::New(nodes)],
        });
    }
    let replaced: HashSet<_> = edits
        .iter()
        .filter_map(|e| e.target.field_start())
        .collect();
    let notes = notes(&layout.file.bytes, &replaced).map_err(|Damaged| layout.damaged())?;
    edits.extend(notes.into_iter().map(|target| Edit {
        target,
        parts: Vec::new(),
    }));
    layout.write(edits, out)
}

/// The exporter's notes on nodes and values of the graph and of functions, but for those in fields
/// that are replaced whole.
fn notes(bytes: &[u8], replaced: &HashSet<usize>) -> Result<Vec<Target>, Damaged> {
    const GRAPH: u64 = 7;
    const FUNCTION: u64 = 25;
    let mut found = Vec::new();
    for outer in wire::fields(bytes, 0..bytes.len()) {
        let outer = outer?;
        // The numbers of nodes and of value infos in the two messages.
        let (nodes, values): (u64, &[u64]) = match outer.number {
            GRAPH => (1, &[11, 12, 13]),
            FUNCTION => (7, &[12]),
            _ => continue,
        };
        for field in wire::fields(bytes, outer.content) {
            let field = field?;
            let notes: &[u64] = match field.number {
                number if number == nodes => &[6, 9],
                number if values.contains(&number) => &[3, 4],
                _ => continue,
            };
            if field.wire != Wire::Length || replaced.contains(&field.start) {
                continue;
            }
            for note in wire::fields(bytes, field.content) {
                let note = note?;
                if notes.contains(&note.number) {
                    found.push(Target::Field(note.range()));
                }
            }
        }
    }
    Ok(found)
}

/// Whether all uses of a value are as a statistic of a batch norm.
fn is_statistic(layout: &Layout, id: ValueId) -> bool {
    let network = &layout.raw.network;
    let consumers = &network.value(id).consumers;
    let used = |node: &fanin_graph::Node| {
        let places = node.inputs.iter().enumerate();
        let mut places = places.filter(|(_, input)| **input == Some(id));
        node.op == "BatchNormalization" && places.all(|(k, _)| k == 3 || k == 4)
    };
    !consumers.is_empty() && consumers.iter().all(|&node| used(network.node(node)))
}

struct Stripper<'l> {
    layout: &'l Layout,
    edits: Vec<Edit<'l>>,
    /// The fields of new nodes.
    nodes: Vec<u8>,
    done: HashSet<ValueId>,
}

impl Stripper<'_> {
    /// The value of all elements, if they are equal.
    fn equal_elements(&self, id: ValueId, payload: &Payload) -> Result<Option<f64>, NetworkError> {
        let value = self.layout.raw.network.value(id);
        let element = value.element.unwrap_or(ElementType::F32);
        let shape = value.shape.as_deref().unwrap_or_default();
        let tensor = self.layout.raw.network.elements(payload, shape, element)?;
        Ok(match &tensor.data {
            HostData::F32(v) => match v.split_first() {
                Some((x, rest)) if rest.iter().all(|y| y.to_bits() == x.to_bits()) => {
                    Some(f64::from(*x))
                }
                _ => None,
            },
            HostData::F64(v) => match v.split_first() {
                Some((x, rest)) if rest.iter().all(|y| y.to_bits() == x.to_bits()) => Some(*x),
                _ => None,
            },
            HostData::I64(_) | HostData::Bool(_) => None,
        })
    }

    /// Declares a stored tensor in place of storing it.
    fn declare(&mut self, id: ValueId, place: &Place, fill: f64) -> Result<(), NetworkError> {
        let value = self.layout.raw.network.value(id);
        let shape = value.shape.clone().unwrap_or_default();
        let element = value.element.unwrap_or(ElementType::F32);
        let mut shape_name = format!("{}__SHAPE", value.name);
        while self.layout.ids.contains_key(&shape_name) {
            shape_name.push('_');
        }
        let dims = HostData::I64(shape.iter().map(|&d| d as i64).collect());
        let dims = tensor_message(&shape_name, &[shape.len()], ElementType::I64, &dims);
        let attribute = (fill != 0.0 || element != ElementType::F32).then(|| {
            let fill = match element {
                ElementType::F64 => HostData::F64(vec![fill]),
                _ => HostData::F32(vec![fill as f32]),
            };
            proto::Attribute {
                name: "value".to_owned(),
                r#type: attribute_type::TENSOR,
                t: Some(tensor_message("", &[1], element, &fill)),
                ..Default::default()
            }
        });
        let node = proto::Node {
            input: vec![shape_name.clone()],
            output: vec![value.name.clone()],
            op_type: "ConstantOfShape".to_owned(),
            attribute: attribute.into_iter().collect(),
            ..Default::default()
        };
        let shape_fields = match self.layout.raw.ir_version < 4 {
            true => input(&shape_name, &[shape.len()], ElementType::I64),
            false => Vec::new(),
        };
        self.put(id, place, node, length_field(5, &dims), shape_fields)
    }

    /// Makes a stored tensor an alias of another.
    fn tie(&mut self, id: ValueId, place: &Place, first: &str) -> Result<(), NetworkError> {
        let node = proto::Node {
            input: vec![first.to_owned()],
            output: vec![self.layout.raw.network.value(id).name.clone()],
            op_type: "Identity".to_owned(),
            ..Default::default()
        };
        self.put(id, place, node, Vec::new(), Vec::new())
    }

    /// Puts a node in place of a stored tensor; `stored` takes the tensor's own place, and
    /// `listed` that of its entry among the inputs.
    fn put(
        &mut self,
        id: ValueId,
        place: &Place,
        node: proto::Node,
        stored: Vec<u8>,
        listed: Vec<u8>,
    ) -> Result<(), NetworkError> {
        let value = self.layout.raw.network.value(id);
        let field = match &place.stored {
            StoredAs::Tensor(message) if value.origin == Origin::Initializer => {
                self.layout.field(message)?
            }
            _ => self.layout.field(&place.node)?,
        };
        self.nodes.extend(length_field(1, &node.encode_to_vec()));
        let mut new = stored;
        match self.layout.inputs.get(&value.name) {
            Some(input) => self.edits.push(Edit {
                target: Target::Field(input.range()),
                parts: vec![Part::New(listed)],
            }),
            None => new.extend(listed),
        }
        self.edits.push(Edit {
            target: Target::Field(field.range()),
            parts: vec![Part::New(new)],
        });
        self.done.insert(id);
        Ok(())
    }

    /// Brings a tensor that stays out of external data into the file.
    fn bring_in(&mut self, id: ValueId, place: &Place) -> Result<(), NetworkError> {
        let StoredAs::Tensor(message) = &place.stored else {
            return Ok(());
        };
        let file = &self.layout.file;
        let bytes = file.bytes.slice(message.clone());
        let stored = proto::Tensor::decode(bytes).map_err(|_| self.layout.damaged())?;
        if stored.data_location != 1 {
            return Ok(());
        }
        let what = format!("tensor `{}`", self.layout.raw.network.value(id).name);
        let checked = tensor::stored(&stored, &what, file).map_err(|m| file.error(m))?;
        let network = &self.layout.raw.network;
        let held = network.elements(&checked.payload, &checked.shape, checked.element)?;
        let new = tensor_message(&stored.name, &held.shape, held.element, &held.data);
        self.edits.push(Edit {
            target: Target::Content(message.clone()),
            parts: vec![Part::New(new.into())],
        });
        Ok(())
    }
}

/// A `TensorProto` with raw elements.
pub(super) fn tensor_message(
    name: &str,
    shape: &[usize],
    element: ElementType,
    data: &HostData,
) -> Bytes {
    let mut raw = Vec::new();
    // Writing into memory does not fail.
    let _ = encode(data, 0..data.len(), element, &mut raw);
    let tensor = proto::Tensor {
        dims: shape.iter().map(|&d| d as i64).collect(),
        data_type: element.to_onnx(),
        name: name.to_owned(),
        raw_data: Some(raw.into()),
        ..Default::default()
    };
    tensor.encode_to_vec().into()
}
