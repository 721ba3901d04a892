//! Where the elements of a stored tensor are, and how to get them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};

use crate::host::element_count;
use crate::{
    ElementType, HostData, HostTensor, Network, NetworkError, Parameter, ParameterId, Source,
};

/// Where the elements of a stored tensor are, without having read them.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// Nowhere: a parameter of a one-line architecture.
    Absent,
    /// All elements equal: a `ConstantOfShape` output, or an architecture-only model.
    Filled(f64),
    /// Raw little-endian bytes inside the model file, or inside the model in memory.
    Raw(Range<usize>),
    /// Raw little-endian bytes of another file, which lies in the model's own folder.
    External {
        /// The checked path.
        path: PathBuf,
        /// The bytes of that file.
        bytes: Range<u64>,
    },
    /// Read already (typed payload fields, attributes).
    Held(HostTensor),
}

/// Most elements that a tensor may have whose elements the model only declares
/// ([`Payload::Filled`]): a kilobyte of file can declare any number of them.
pub const MAX_FILLED: usize = 1 << 31;

impl Network {
    /// The elements of a stored tensor, read from where they are.
    ///
    /// f32, f16 and bf16 come as [`HostData::F32`], f64 as [`HostData::F64`], integers as
    /// [`HostData::I64`]. Memory is taken only for what the file is known to hold, and for at most
    /// [`MAX_FILLED`] elements where the model only declares them.
    ///
    /// # Errors
    ///
    /// If the elements are [`Payload::Absent`], too many, not as many as the shape says, or the
    /// file has changed and cannot give them.
    pub fn elements(
        &self,
        payload: &Payload,
        shape: &[usize],
        element: ElementType,
    ) -> Result<HostTensor, NetworkError> {
        let count = element_count(shape).ok_or_else(|| {
            NetworkError::Request(format!("a tensor of shape {shape:?} fits no memory"))
        })?;
        let size = element.size().unwrap_or(1);
        let lies = || {
            NetworkError::Request(format!(
                "a tensor of shape {shape:?} {element} is stored with another number of elements"
            ))
        };
        let data = match payload {
            Payload::Absent => {
                return Err(NetworkError::Request(format!(
                    "a parameter of shape {shape:?} has no elements yet: a one-line architecture \
                     must be filled from a plan first"
                )));
            }
            Payload::Held(tensor) => return Ok(tensor.clone()),
            Payload::Filled(value) => filled(*value, count, shape, element)?,
            Payload::Raw(range) => {
                if count.checked_mul(size) != Some(range.len()) {
                    return Err(lies());
                }
                match &self.source {
                    Source::Onnx { path } => read(path, range.start as u64, count, element)?,
                    Source::Bytes { bytes, .. } => {
                        decode(bytes.get(range.clone()).ok_or_else(lies)?, element)
                    }
                    Source::Architecture(_) => return Err(lies()),
                }
            }
            Payload::External { path, bytes } => {
                let length = bytes.end.checked_sub(bytes.start);
                if length != count.checked_mul(size).map(|n| n as u64) {
                    return Err(lies());
                }
                read(path, bytes.start, count, element)?
            }
        };
        HostTensor::new(shape.to_vec(), element, data).ok_or_else(lies)
    }

    /// The elements that the model stores for a parameter; errors as [`Network::elements`], naming
    /// the parameter.
    pub fn parameter_elements(&self, id: ParameterId) -> Result<HostTensor, NetworkError> {
        self.elements_of(self.parameter(id))
    }

    /// The elements that the model stores for a parameter; errors as [`Network::elements`], naming
    /// the parameter.
    pub fn elements_of(&self, parameter: &Parameter) -> Result<HostTensor, NetworkError> {
        self.elements(&parameter.payload, &parameter.shape, parameter.element)
            .map_err(|error| match error {
                NetworkError::Request(why) => {
                    NetworkError::Request(format!("parameter `{}`: {why}", parameter.name))
                }
                other => other,
            })
    }
}

/// `count` elements of one value.
fn filled(
    value: f64,
    count: usize,
    shape: &[usize],
    element: ElementType,
) -> Result<HostData, NetworkError> {
    if count > MAX_FILLED {
        return Err(NetworkError::Request(format!(
            "a tensor of shape {shape:?} has {count} elements that the model declares but does not \
             store, more than the {MAX_FILLED} that fanin makes"
        )));
    }
    Ok(match element {
        ElementType::F64 => HostData::F64(vec![value; count]),
        ElementType::Bool => HostData::Bool(vec![value != 0.0; count]),
        other if other.is_float() => HostData::F32(vec![value as f32; count]),
        _ => HostData::I64(vec![value as i64; count]),
    })
}

/// Reads little-endian elements from a place in a file, in blocks.
fn read(
    path: &Path,
    start: u64,
    count: usize,
    element: ElementType,
) -> Result<HostData, NetworkError> {
    const BLOCK: usize = 1 << 16;
    let fail = |source: io::Error| NetworkError::Io {
        path: path.to_owned(),
        source,
    };
    let size = element.size().unwrap_or(1);
    let mut file = File::open(path).map_err(fail)?;
    let length = file.metadata().map_err(fail)?.len();
    // Checked again: the file may have changed since the graph was read.
    let end = (count as u64)
        .checked_mul(size as u64)
        .and_then(|n| n.checked_add(start));
    if end.is_none_or(|end| end > length) {
        return Err(NetworkError::Model {
            path: path.to_owned(),
            message: "the file has become shorter since the model was read".to_owned(),
        });
    }
    file.seek(SeekFrom::Start(start)).map_err(fail)?;
    let mut data = empty(element, count);
    let mut block = vec![0u8; BLOCK.min(count) * size];
    let mut left = count;
    while left > 0 {
        let n = left.min(BLOCK);
        let bytes = block.get_mut(..n * size).unwrap_or_default();
        file.read_exact(bytes).map_err(fail)?;
        append(&mut data, bytes, element);
        left -= n;
    }
    Ok(data)
}

/// Little-endian bytes as elements; bytes past the last whole element are left out.
pub fn decode(bytes: &[u8], element: ElementType) -> HostData {
    let mut data = empty(element, bytes.len() / element.size().unwrap_or(1));
    append(&mut data, bytes, element);
    data
}

fn empty(element: ElementType, capacity: usize) -> HostData {
    match element {
        ElementType::F64 => HostData::F64(Vec::with_capacity(capacity)),
        ElementType::Bool => HostData::Bool(Vec::with_capacity(capacity)),
        other if other.is_float() => HostData::F32(Vec::with_capacity(capacity)),
        _ => HostData::I64(Vec::with_capacity(capacity)),
    }
}

fn append(data: &mut HostData, bytes: &[u8], element: ElementType) {
    /// The elements of N bytes each.
    fn each<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
        bytes.as_chunks::<N>().0.iter().copied()
    }
    match data {
        HostData::F64(out) => out.extend(each(bytes).map(f64::from_le_bytes)),
        HostData::Bool(out) => out.extend(bytes.iter().map(|&b| b != 0)),
        HostData::F32(out) => match element {
            ElementType::F16 => {
                out.extend(each(bytes).map(|b| f16::from_le_bytes(b).to_f32()));
            }
            ElementType::Bf16 => {
                out.extend(each(bytes).map(|b| bf16::from_le_bytes(b).to_f32()));
            }
            _ => out.extend(each(bytes).map(f32::from_le_bytes)),
        },
        HostData::I64(out) => match element {
            ElementType::I8 => out.extend(each(bytes).map(|b| i64::from(i8::from_le_bytes(b)))),
            ElementType::U8 => out.extend(each(bytes).map(|b| i64::from(u8::from_le_bytes(b)))),
            ElementType::I16 => out.extend(each(bytes).map(|b| i64::from(i16::from_le_bytes(b)))),
            ElementType::U16 => out.extend(each(bytes).map(|b| i64::from(u16::from_le_bytes(b)))),
            ElementType::I32 => out.extend(each(bytes).map(|b| i64::from(i32::from_le_bytes(b)))),
            ElementType::U32 => out.extend(each(bytes).map(|b| i64::from(u32::from_le_bytes(b)))),
            _ => out.extend(each(bytes).map(i64::from_le_bytes)),
        },
    }
}

/// Bits of element `k` in the given type, rounded to nearest even; 0 past the end.
pub fn bits(data: &HostData, k: usize, element: ElementType) -> u64 {
    match data {
        HostData::F64(v) => {
            let x = v.get(k).copied().unwrap_or(0.0);
            match element {
                ElementType::F64 => x.to_bits(),
                ElementType::F16 => f16::from_f64(x).to_bits().into(),
                ElementType::Bf16 => bf16::from_f64(x).to_bits().into(),
                _ => (x as f32).to_bits().into(),
            }
        }
        HostData::F32(v) => {
            let x = v.get(k).copied().unwrap_or(0.0);
            match element {
                ElementType::F64 => f64::from(x).to_bits(),
                ElementType::F16 => f16::from_f32(x).to_bits().into(),
                ElementType::Bf16 => bf16::from_f32(x).to_bits().into(),
                _ => x.to_bits().into(),
            }
        }
        HostData::I64(v) => v.get(k).copied().unwrap_or(0) as u64,
        HostData::Bool(v) => v.get(k).copied().unwrap_or(false).into(),
    }
}

/// Writes elements as little-endian bytes of the given type, in blocks.
///
/// # Errors
///
/// What the writer answers.
pub fn encode(
    data: &HostData,
    range: Range<usize>,
    element: ElementType,
    out: &mut dyn Write,
) -> io::Result<()> {
    const BLOCK: usize = 1 << 14;
    let size = element.size().unwrap_or(0).min(8);
    let mut block = Vec::with_capacity(BLOCK * size);
    let mut k = range.start;
    while k < range.end {
        let end = range.end.min(k + BLOCK);
        block.clear();
        match data {
            HostData::F32(v) if element == ElementType::F32 => {
                let run = v.get(k..end).unwrap_or_default();
                block.extend(run.iter().flat_map(|x| x.to_le_bytes()));
            }
            _ => {
                for i in k..end {
                    let bits = bits(data, i, element).to_le_bytes();
                    block.extend(bits.iter().take(size));
                }
            }
        }
        out.write_all(&block)?;
        k = end;
    }
    Ok(())
}
