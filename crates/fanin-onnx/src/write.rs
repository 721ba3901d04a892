//! Weights into a copy of a model, every other byte as it came.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use prost::Message;

use super::file::ModelFile;
use super::graph::{self, Place, Raw, StoredAs};
use super::proto;
use super::wire::{self, Damaged, Edit, Elements, Field, Part, Target, Wire};
use crate::Weights;
use crate::storage;
use fanin_graph::{ElementType, HostTensor, Network, NetworkError, Origin, Parameter, ValueId};

/// Where things of the main graph lie in the file, and the file read again.
pub(super) struct Layout {
    pub(super) file: ModelFile,
    pub(super) raw: Raw,
    /// Values by name.
    pub(super) ids: HashMap<String, ValueId>,
    /// Fields of the graph message by where their content starts: nodes, initializers, inputs.
    fields: HashMap<usize, Field>,
    /// The fields of graph inputs, by name.
    pub(super) inputs: HashMap<String, Field>,
    /// Where the first node's field starts.
    pub(super) first_node: Option<usize>,
    /// External data: location as written, and checked path.
    pub(super) paths: BTreeMap<String, PathBuf>,
}

impl Layout {
    /// Reads again the file that a network came from.
    pub(super) fn of(network: &Network) -> Result<Self, NetworkError> {
        let file = ModelFile::of(network)?;
        let raw = graph::raw(&file)?;
        let values = raw.network.values.iter().enumerate();
        let ids = values.map(|(k, v)| (v.name.clone(), k.into())).collect();
        let paths = file.externals.take();
        let mut layout = Self {
            file,
            raw,
            ids,
            fields: HashMap::new(),
            inputs: HashMap::new(),
            first_node: None,
            paths,
        };
        layout.walk().map_err(|Damaged| layout.damaged())?;
        Ok(layout)
    }

    fn walk(&mut self) -> Result<(), Damaged> {
        let bytes = self.file.bytes.clone();
        for graph in wire::fields(&bytes, 0..bytes.len()) {
            let graph = graph?;
            if graph.number != 7 || graph.wire != Wire::Length {
                continue;
            }
            for field in wire::fields(&bytes, graph.content) {
                let field = field?;
                match field.number {
                    1 => {
                        self.first_node.get_or_insert(field.start);
                    }
                    5 => {}
                    11 => {
                        let info = bytes.slice(field.content.clone());
                        let info = proto::ValueInfo::decode(info).map_err(|_| Damaged)?;
                        self.inputs.insert(info.name, field.clone());
                    }
                    _ => continue,
                }
                self.fields.insert(field.content.start, field);
            }
        }
        Ok(())
    }

    pub(super) fn damaged(&self) -> NetworkError {
        self.file
            .error("the file has changed since it was read".to_owned())
    }

    /// The whole field of a message of the main graph.
    pub(super) fn field(&self, message: &Range<usize>) -> Result<&Field, NetworkError> {
        let field = self.fields.get(&message.start);
        field
            .filter(|f| f.content == *message)
            .ok_or_else(|| self.damaged())
    }

    /// The names under which the file stores a parameter, with their values and places.
    pub(super) fn stored(&self, parameter: &Parameter) -> Vec<(&str, ValueId, &Place)> {
        let names = std::iter::once(&parameter.name).chain(&parameter.aliases);
        names
            .filter_map(|name| {
                let id = *self.ids.get(name)?;
                let place = self.raw.places.get(&id)?;
                let value = self.raw.network.values.get(id.index())?;
                Some((value.name.as_str(), id, place))
            })
            .collect()
    }

    /// Refuses to write over the model itself.
    pub(super) fn check_target(&self, out: &Path) -> Result<(), NetworkError> {
        let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
        if self.file.source.path().is_some_and(|path| same(path, out)) {
            return Err(NetworkError::Request(format!(
                "{} is the model that is read, and models are never changed; write to another file",
                out.display()
            )));
        }
        Ok(())
    }

    /// Writes the file with edits under a temporary name, then renames it.
    pub(super) fn write(&self, edits: Vec<Edit<'_>>, out: &Path) -> Result<(), NetworkError> {
        let parts = wire::splice(&self.file.bytes, edits).map_err(|Damaged| self.damaged())?;
        let length: u64 = parts.iter().map(Part::len).sum();
        if length > i32::MAX as u64 {
            return Err(NetworkError::Request(format!(
                "{} would have {length} bytes, and an ONNX file without external data ends at 2 \
                 GiB; write the weights as safetensors",
                out.display()
            )));
        }
        storage::replace(out, |writer| {
            parts
                .iter()
                .try_for_each(|part| part.write(&self.file.bytes, writer))
        })
    }
}

/// Writes a copy of the model that a network came from, with other weights.
///
/// Every byte outside the payloads of parameters stays as it came: each is replaced in its own
/// encoding and element type (rounded to nearest even), and the lengths of enclosing messages are
/// written anew only where they change. Parameters in external data change a copy of that file at
/// the same relative place beside `out`.
///
/// One change of structure is unavoidable: a parameter that the file only declares (the output of
/// `ConstantOfShape`) becomes an initializer of the same name in place of that node, and the node's
/// shape goes where nothing else reads it.
///
/// # Errors
///
/// If a parameter has no weights or weights of another shape, the network did not come from a
/// file, the file has changed since, `out` is the model itself (or, with external data, in the same
/// folder), the result would pass the 2 GiB of the format, or something cannot be written. Then
/// `out` is as it was.
pub fn write_weights(network: &Network, weights: &Weights, out: &Path) -> Result<(), NetworkError> {
    let layout = Layout::of(network)?;
    layout.check_target(out)?;
    let mut edits = Vec::new();
    let mut outside: BTreeMap<&Path, Vec<(Range<u64>, Elements<'_>)>> = BTreeMap::new();
    let mut declared = HashSet::new();
    let mut edited = HashSet::new();
    for parameter in &network.parameters {
        let tensor = weights.get(&parameter.name).ok_or_else(|| {
            NetworkError::Request(format!(
                "there are no weights for parameter `{}`",
                parameter.name
            ))
        })?;
        if tensor.shape != parameter.shape {
            return Err(NetworkError::Request(format!(
                "the weights for parameter `{}` have shape {:?} where the model has {:?}",
                parameter.name, tensor.shape, parameter.shape
            )));
        }
        let stored = layout.stored(parameter);
        if stored.is_empty() {
            return Err(layout.damaged());
        }
        for (name, id, place) in stored {
            if !edited.insert(id) {
                continue;
            }
            let value = layout.raw.network.value(id);
            let element = value.element.unwrap_or(parameter.element);
            match &place.stored {
                StoredAs::Filled(shape) => {
                    if place.nested {
                        return Err(layout.file.error(format!(
                            "parameter `{name}` is only declared, inside a function or a branch of \
                             the model, so it cannot be stored there; write the weights as \
                             safetensors"
                        )));
                    }
                    let field = layout.field(&place.node)?;
                    let mut parts = initializer(name, &tensor.shape, element, tensor);
                    if layout.raw.ir_version < 4 {
                        parts.push(Part::New(input(name, &tensor.shape, element)));
                    }
                    edits.push(Edit {
                        target: Target::Field(field.range()),
                        parts,
                    });
                    declared.insert((*shape, id));
                }
                StoredAs::Floats => {
                    let new = floats(&layout.file.bytes, &place.node, tensor);
                    edits.extend(new.map_err(|Damaged| layout.damaged())?);
                }
                StoredAs::Tensor(message) => match external(&layout, message) {
                    Some((path, bytes)) => {
                        let run = Elements {
                            data: &tensor.data,
                            range: 0..tensor.len(),
                            element,
                            varint: false,
                        };
                        outside.entry(path).or_default().push((bytes, run));
                    }
                    None => {
                        let new = payload(&layout.file.bytes, message, element, tensor);
                        edits.extend(new.map_err(|Damaged| layout.damaged())?);
                    }
                },
            }
        }
    }
    unused_shapes(&layout, &declared, &mut edits)?;
    copy_externals(&layout, outside, out)?;
    layout.write(edits, out)
}

/// The external data of a stored tensor, as checked when the file was read.
fn external<'l>(layout: &'l Layout, message: &Range<usize>) -> Option<(&'l Path, Range<u64>)> {
    let tensor = proto::Tensor::decode(layout.file.bytes.slice(message.clone())).ok()?;
    if tensor.data_location != 1 {
        return None;
    }
    let entry = |key: &str| tensor.external_data.iter().rfind(|e| e.key == key);
    let number = |key: &str| entry(key).and_then(|e| e.value.trim().parse::<u64>().ok());
    let location = &entry("location")?.value;
    let path = layout.paths.get(location)?;
    let element = ElementType::from_onnx(tensor.data_type);
    let count: u64 = tensor.dims.iter().map(|&d| d as u64).product();
    let start = number("offset").unwrap_or(0);
    Some((path, start..start + count * element.size()? as u64))
}

/// Replaces the elements of a `TensorProto` in the fields that hold them.
fn payload<'a>(
    bytes: &[u8],
    message: &Range<usize>,
    element: ElementType,
    tensor: &'a HostTensor,
) -> Result<Vec<Edit<'a>>, Damaged> {
    let fields: Vec<_> = wire::fields(bytes, message.clone()).collect::<Result<_, _>>()?;
    let raw = fields
        .iter()
        .rfind(|f| f.number == 9 && !f.content.is_empty());
    if let Some(raw) = raw {
        return Ok(vec![Edit {
            target: Target::Content(raw.content.clone()),
            parts: vec![Part::Elements(Elements {
                data: &tensor.data,
                range: 0..tensor.len(),
                element,
                varint: false,
            })],
        }]);
    }
    let number = match element {
        ElementType::F32 => 4,
        ElementType::F64 => 10,
        _ => 5,
    };
    typed(bytes, fields, number, element, tensor)
}

/// Replaces the elements of a repeated field, packed or not, in the runs they come in.
fn typed<'a>(
    bytes: &[u8],
    fields: Vec<Field>,
    number: u64,
    element: ElementType,
    tensor: &'a HostTensor,
) -> Result<Vec<Edit<'a>>, Damaged> {
    let varint = matches!(element, ElementType::F16 | ElementType::Bf16);
    let mut edits = Vec::new();
    let mut next = 0;
    for field in fields.into_iter().filter(|f| f.number == number) {
        let count = match field.wire {
            Wire::Length if varint => {
                // Each varint ends with its only byte below 128.
                let run = bytes.get(field.content.clone()).ok_or(Damaged)?;
                run.iter().filter(|&&b| b < 0x80).count()
            }
            Wire::Length => field.content.len() / element.size().unwrap_or(1),
            _ => 1,
        };
        edits.push(Edit {
            target: Target::Content(field.content),
            parts: vec![Part::Elements(Elements {
                data: &tensor.data,
                range: next..next + count,
                element,
                varint,
            })],
        });
        next += count;
    }
    match next == tensor.len() {
        true => Ok(edits),
        false => Err(Damaged),
    }
}

/// Replaces `value_float` or `value_floats` of a `Constant` node.
fn floats<'a>(
    bytes: &[u8],
    node: &Range<usize>,
    tensor: &'a HostTensor,
) -> Result<Vec<Edit<'a>>, Damaged> {
    for attribute in wire::fields(bytes, node.clone()) {
        let attribute = attribute?;
        if attribute.number != 5 || attribute.wire != Wire::Length {
            continue;
        }
        let fields: Vec<_> = wire::fields(bytes, attribute.content).collect::<Result<_, _>>()?;
        let number = match fields.iter().any(|f| f.number == 7) {
            true => 7,
            false => 2,
        };
        return typed(bytes, fields, number, ElementType::F32, tensor);
    }
    Err(Damaged)
}

/// The field of a new initializer with raw elements.
pub(super) fn initializer<'a>(
    name: &str,
    shape: &[usize],
    element: ElementType,
    tensor: &'a HostTensor,
) -> Vec<Part<'a>> {
    let header = proto::Tensor {
        dims: shape.iter().map(|&d| d as i64).collect(),
        data_type: element.to_onnx(),
        name: name.to_owned(),
        ..Default::default()
    };
    let mut header = header.encode_to_vec();
    let elements = Elements {
        data: &tensor.data,
        range: 0..tensor.len(),
        element,
        varint: false,
    };
    wire::put_varint(9 << 3 | 2, &mut header);
    wire::put_varint(elements.len(), &mut header);
    let mut tag = Vec::new();
    wire::put_varint(5 << 3 | 2, &mut tag);
    wire::put_varint(header.len() as u64 + elements.len(), &mut tag);
    vec![Part::New(tag), Part::New(header), Part::Elements(elements)]
}

/// The field of a graph input: before IR version 4 each initializer needs one.
pub(super) fn input(name: &str, shape: &[usize], element: ElementType) -> Vec<u8> {
    let dim = |&d: &usize| proto::Dimension {
        dim_value: Some(d as i64),
        dim_param: None,
    };
    let info = proto::ValueInfo {
        name: name.to_owned(),
        r#type: Some(proto::Type {
            tensor_type: Some(proto::TensorType {
                elem_type: element.to_onnx(),
                shape: Some(proto::Shape {
                    dim: shape.iter().map(dim).collect(),
                }),
            }),
        }),
    };
    wire::length_field(11, &info.encode_to_vec())
}

/// Takes out the shapes of `ConstantOfShape` nodes that are no more, where nothing else reads them.
fn unused_shapes(
    layout: &Layout,
    gone: &HashSet<(ValueId, ValueId)>,
    edits: &mut Vec<Edit<'_>>,
) -> Result<(), NetworkError> {
    if layout.raw.branched {
        // The branch not taken may read them.
        return Ok(());
    }
    let network = &layout.raw.network;
    let mut kept: HashSet<ValueId> = network.outputs.iter().copied().collect();
    for (id, place) in &layout.raw.places {
        match place.stored {
            StoredAs::Filled(shape) if !gone.contains(&(shape, *id)) => kept.insert(shape),
            _ => false,
        };
    }
    let shapes: HashSet<_> = gone.iter().map(|(shape, _)| *shape).collect();
    for id in shapes {
        let value = network.value(id);
        let unread = value.consumers.is_empty() && !kept.contains(&id);
        let Some(place) = layout.raw.places.get(&id) else {
            continue;
        };
        if !unread || value.origin != Origin::Initializer || place.nested {
            continue;
        }
        if let StoredAs::Tensor(message) = &place.stored {
            let field = layout.field(message)?;
            let fields = [Some(field), layout.inputs.get(&value.name)];
            edits.extend(fields.into_iter().flatten().map(|field| Edit {
                target: Target::Field(field.range()),
                parts: Vec::new(),
            }));
        }
    }
    Ok(())
}

/// Copies the model's external data beside `out`, with the parameters' bytes replaced.
fn copy_externals(
    layout: &Layout,
    mut outside: BTreeMap<&Path, Vec<(Range<u64>, Elements<'_>)>>,
    out: &Path,
) -> Result<(), NetworkError> {
    if layout.paths.is_empty() {
        return Ok(());
    }
    let folder = match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let own = layout.file.folder().map(Path::canonicalize);
    if own.is_some_and(|own| own.ok() == folder.canonicalize().ok()) {
        return Err(NetworkError::Request(format!(
            "{} would share its external data with the model that is read, and models are never \
             changed; write into another folder",
            out.display()
        )));
    }
    for runs in outside.values_mut() {
        runs.sort_by_key(|(range, _)| (range.start, range.end));
        let overlap = runs.windows(2).any(|pair| match pair {
            [(a, _), (b, _)] => b.start < a.end && !a.is_empty(),
            _ => false,
        });
        if overlap {
            return Err(layout.file.error(
                "two parameters share bytes of the external data, so they cannot have weights of \
                 their own"
                    .to_owned(),
            ));
        }
    }
    for (location, path) in &layout.paths {
        let target = folder.join(location);
        let fail =
            |e: io::Error| NetworkError::Request(format!("cannot write {}: {e}", target.display()));
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(fail)?;
        }
        let mut source = File::open(path).map_err(fail)?;
        let none = Vec::new();
        let runs = outside.get(path.as_path()).unwrap_or(&none);
        storage::replace(&target, |writer| {
            let mut at = 0;
            for (range, elements) in runs {
                io::copy(&mut source.by_ref().take(range.start - at), writer)?;
                elements.write(writer)?;
                at = source.seek(SeekFrom::Start(range.end))?;
            }
            io::copy(&mut source, writer).map(|_| ())
        })?;
    }
    Ok(())
}
