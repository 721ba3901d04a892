//! Where the elements of a stored tensor are, and what their bytes mean.

use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

use half::{bf16, f16};

use crate::{ElementType, HostData, HostTensor};

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

/// Little-endian bytes as elements; bytes past the last whole element are left out.
pub fn decode(bytes: &[u8], element: ElementType) -> HostData {
    let mut data = empty(element, bytes.len() / element.size().unwrap_or(1));
    append(&mut data, bytes, element);
    data
}

pub(crate) fn empty(element: ElementType, capacity: usize) -> HostData {
    match element {
        ElementType::F64 => HostData::F64(Vec::with_capacity(capacity)),
        ElementType::Bool => HostData::Bool(Vec::with_capacity(capacity)),
        other if other.is_float() => HostData::F32(Vec::with_capacity(capacity)),
        _ => HostData::I64(Vec::with_capacity(capacity)),
    }
}

pub(crate) fn append(data: &mut HostData, bytes: &[u8], element: ElementType) {
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
