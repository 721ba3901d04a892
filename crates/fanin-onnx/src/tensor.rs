//! Stored tensors: checking what one declares against what it holds.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};

use super::file::ModelFile;
use super::proto;
use fanin_graph::decode;
use fanin_graph::element_count;
use fanin_graph::{ElementType, HostData, HostTensor, Payload};

/// Most axes of a tensor; numpy's limit.
const MAX_RANK: usize = 64;

/// A stored tensor, checked: the payload has as many elements as the shape says.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) shape: Vec<usize>,
    pub(super) element: ElementType,
    pub(super) payload: Payload,
}

/// Checks the axes a tensor declares; `what` names it in messages.
pub(super) fn shape(dims: &[i64], what: &str) -> Result<Vec<usize>, String> {
    if dims.len() > MAX_RANK {
        return Err(format!(
            "{what} declares {} axes, more than the {MAX_RANK} fanin reads",
            dims.len()
        ));
    }
    let mut shape = Vec::with_capacity(dims.len());
    for &dim in dims {
        shape.push(
            usize::try_from(dim).map_err(|_| {
                format!("{what} declares shape {dims:?}, which has a negative axis")
            })?,
        );
    }
    // Eight bytes are the largest element, so byte counts cannot overflow later.
    match element_count(&shape).and_then(|n| n.checked_mul(8)) {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(shape),
        _ => Err(format!(
            "{what} declares shape {dims:?}, which is more elements than any memory holds"
        )),
    }
}

/// Checks a stored tensor without reading large payloads.
pub(super) fn stored(
    tensor: &proto::Tensor,
    what: &str,
    file: &ModelFile,
) -> Result<Stored, String> {
    let shape = shape(&tensor.dims, what)?;
    let element = ElementType::from_onnx(tensor.data_type);
    let size = match element {
        ElementType::Other(0) => return Err(format!("{what} declares no element type")),
        ElementType::String => {
            return Err(format!(
                "{what} holds strings, which fanin does not compute with"
            ));
        }
        ElementType::Other(number) => {
            return Err(format!(
                "{what} has element type {number} of ONNX (complex, 8-bit float or 4-bit), which \
                 fanin does not compute with; export the model in f32, f16, bf16 or f64"
            ));
        }
        known => known.size().unwrap_or(1),
    };
    if tensor.segment.is_some() {
        return Err(format!(
            "{what} is stored in segments, which ONNX gave up; save the model again"
        ));
    }
    let count = element_count(&shape).unwrap_or(0);
    let bytes = count * size;
    let declares = || format!("{what} declares shape {shape:?} {element} = {bytes} bytes");
    let typed = [
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
    ];
    let typed: usize = typed.iter().sum();
    let payload = if tensor.data_location == 1 {
        if tensor.raw_data.as_ref().is_some_and(|raw| !raw.is_empty()) || typed != 0 {
            return Err(format!(
                "{what} stores its elements both in the model and in another file"
            ));
        }
        external(tensor, bytes as u64, &declares, what, file)?
    } else if let Some(raw) = tensor.raw_data.as_ref().filter(|raw| !raw.is_empty()) {
        if typed != 0 {
            return Err(format!("{what} stores its elements twice, raw and typed"));
        }
        if raw.len() != bytes {
            return Err(format!("{} but holds {}", declares(), raw.len()));
        }
        Payload::Raw(file.range(raw))
    } else if typed == 0 && count > 0 {
        return Err(format!(
            "{} but holds none; if the weights were stripped, keep them in external data or make \
             it the output of a ConstantOfShape node (`fanin` strips that way)",
            declares()
        ));
    } else {
        let data = typed_data(tensor, element, what)?;
        if data.len() != count {
            return Err(format!(
                "{what} declares shape {shape:?} {element} = {count} elements but holds {}",
                data.len()
            ));
        }
        Payload::Held(HostTensor {
            shape: shape.clone(),
            element,
            data,
        })
    };
    Ok(Stored {
        shape,
        element,
        payload,
    })
}

/// The elements of a typed field.
fn typed_data(
    tensor: &proto::Tensor,
    element: ElementType,
    what: &str,
) -> Result<HostData, String> {
    let ints = &tensor.int32_data;
    let out_of_range = |x: &dyn std::fmt::Display| {
        format!("{what} holds {x}, which is outside {element}; the file is damaged")
    };
    let narrow = |low: i32, high: i32| -> Result<HostData, String> {
        ints.iter()
            .map(|&x| match (low..=high).contains(&x) {
                true => Ok(i64::from(x)),
                false => Err(out_of_range(&x)),
            })
            .collect::<Result<_, _>>()
            .map(HostData::I64)
    };
    let halves = |convert: fn(u16) -> f32| -> Result<HostData, String> {
        ints.iter()
            .map(|&x| match u16::try_from(x) {
                Ok(bits) => Ok(convert(bits)),
                Err(_) => Err(out_of_range(&x)),
            })
            .collect::<Result<_, _>>()
            .map(HostData::F32)
    };
    Ok(match element {
        ElementType::F32 => HostData::F32(tensor.float_data.clone()),
        ElementType::F64 => HostData::F64(tensor.double_data.clone()),
        ElementType::F16 => halves(|bits| f16::from_bits(bits).to_f32())?,
        ElementType::Bf16 => halves(|bits| bf16::from_bits(bits).to_f32())?,
        ElementType::I64 => HostData::I64(tensor.int64_data.clone()),
        ElementType::U64 => HostData::I64(tensor.uint64_data.iter().map(|&x| x as i64).collect()),
        ElementType::U32 => HostData::I64(
            tensor
                .uint64_data
                .iter()
                .map(|&x| {
                    u32::try_from(x)
                        .map(i64::from)
                        .map_err(|_| out_of_range(&x))
                })
                .collect::<Result<_, _>>()?,
        ),
        ElementType::I32 => HostData::I64(ints.iter().map(|&x| i64::from(x)).collect()),
        ElementType::I8 => narrow(i8::MIN.into(), i8::MAX.into())?,
        ElementType::I16 => narrow(i16::MIN.into(), i16::MAX.into())?,
        ElementType::U8 => narrow(0, u8::MAX.into())?,
        ElementType::U16 => narrow(0, u16::MAX.into())?,
        ElementType::Bool => HostData::Bool(ints.iter().map(|&x| x != 0).collect()),
        ElementType::String | ElementType::Other(_) => HostData::F32(Vec::new()),
    })
}

/// Checks a tensor's external data: a regular file inside the model's own folder that has the bytes.
fn external(
    tensor: &proto::Tensor,
    bytes: u64,
    declares: &dyn Fn() -> String,
    what: &str,
    file: &ModelFile,
) -> Result<Payload, String> {
    let entry = |key: &str| {
        let entry = tensor.external_data.iter().rfind(|e| e.key == key);
        entry.map(|e| e.value.as_str())
    };
    let number = |key: &str| -> Result<Option<u64>, String> {
        entry(key)
            .map(|text| {
                text.trim().parse().map_err(|_| {
                    format!("{what} gives `{text}` as the {key} of its external data, not a number")
                })
            })
            .transpose()
    };
    let location = entry("location")
        .filter(|location| !location.is_empty())
        .ok_or_else(|| format!("{what} is in another file but does not say which"))?;
    let offset = number("offset")?.unwrap_or(0);
    let length = number("length")?;
    if let Some(length) = length.filter(|&length| length != bytes) {
        return Err(format!(
            "{} but names {length} bytes of `{location}`",
            declares()
        ));
    }
    let folder = file.folder().ok_or_else(|| {
        format!(
            "{what} has its elements in `{location}`, and a model in memory has no other files; \
             save the model as one file"
        )
    })?;
    let path = external_path(location, folder)
        .map_err(|why| format!("{what} has its elements in `{location}`, {why}"))?;
    let available = std::fs::metadata(&path)
        .map_err(|e| format!("{what} has its elements in `{location}`, which cannot be read: {e}"))?
        .len();
    match offset.checked_add(bytes) {
        Some(end) if end <= available => {
            let mut externals = file.externals.borrow_mut();
            externals.insert(location.to_owned(), path.clone());
            Ok(Payload::External {
                path,
                bytes: offset..end,
            })
        }
        _ => Err(format!(
            "{} from byte {offset} of `{location}`, but that file has only {available} bytes; it \
             may be cut off or belong to another model",
            declares()
        )),
    }
}

/// The checked path of external data.
fn external_path(location: &str, folder: &Path) -> Result<PathBuf, String> {
    let relative = Path::new(location);
    let inside = "; external data must lie in the model's own folder, named by a relative path";
    for component in relative.components() {
        match component {
            Component::Normal(_) | Component::CurDir => {}
            Component::ParentDir => return Err(format!("which leads out of the folder{inside}")),
            Component::RootDir | Component::Prefix(_) => {
                return Err(format!("which is an absolute path{inside}"));
            }
        }
    }
    let folder = folder
        .canonicalize()
        .map_err(|e| format!("but the model's folder cannot be read: {e}"))?;
    let path = folder
        .join(relative)
        .canonicalize()
        .map_err(|e| format!("which cannot be read: {e}; put that file beside the model"))?;
    if !path.starts_with(&folder) {
        return Err(format!(
            "which is a symbolic link out of the folder{inside}; put a copy in place of the link"
        ));
    }
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err("which is not a regular file".to_owned()),
        Err(e) => Err(format!("which cannot be read: {e}")),
    }
}

/// Reads a stored tensor that is small or made of integers into memory.
///
/// `budget` is what may still be taken, in bytes: one external file can be named by many tensors,
/// so its size alone bounds nothing.
pub(super) fn host(
    stored: &Stored,
    what: &str,
    file: &ModelFile,
    budget: &mut u64,
) -> Result<HostTensor, String> {
    let count = element_count(&stored.shape).unwrap_or(usize::MAX);
    let wanted = (count as u64).saturating_mul(8);
    *budget = budget.checked_sub(wanted).ok_or_else(|| {
        format!("{what} and the constants before it take more than 1 GiB as integers, more than fanin reads")
    })?;
    let data = match &stored.payload {
        Payload::Held(tensor) => return Ok(tensor.clone()),
        Payload::Raw(range) => decode(
            file.bytes.get(range.clone()).unwrap_or_default(),
            stored.element,
        ),
        Payload::External { path, bytes } => {
            let mut raw = vec![0; usize::try_from(bytes.end - bytes.start).unwrap_or(0)];
            File::open(path)
                .and_then(|mut f| {
                    f.seek(SeekFrom::Start(bytes.start))?;
                    f.read_exact(&mut raw)
                })
                .map_err(|e| format!("{what} cannot be read from {}: {e}", path.display()))?;
            decode(&raw, stored.element)
        }
        Payload::Absent | Payload::Filled(_) => HostData::F32(Vec::new()),
    };
    HostTensor::new(stored.shape.clone(), stored.element, data)
        .ok_or_else(|| format!("{what} holds another number of elements than it declares"))
}
