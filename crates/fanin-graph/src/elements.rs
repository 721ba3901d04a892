//! The stored elements of a network's tensors.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::host::element_count;
use crate::payload::{append, empty};
use crate::{
    ElementType, HostData, HostTensor, MAX_FILLED, Network, NetworkError, Parameter, ParameterId,
    Payload, Source, decode,
};

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
