//! What the elements of a stored tensor give away.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};

use crate::{ElementType, HostData, HostTensor, Network, Payload, Source, ValueId, ValueKind};
use fanin_graph::element_count;

/// Tensors with more elements are not looked into: no mask or table of interest is that large.
const LARGEST: usize = 1 << 22;

/// Reads stored tensors where they are.
pub(crate) struct Values {
    model: Option<PathBuf>,
}

impl Values {
    /// The values of this network's file.
    pub(crate) fn of(network: &Network) -> Self {
        let model = match &network.source {
            Source::Onnx { path } => Some(path.clone()),
            Source::Architecture(_) => None,
        };
        Self { model }
    }

    /// The elements of a stored tensor or parameter; `None` where there are none, too many, or the
    /// file cannot be read (whoever needs them for the run says so).
    pub(crate) fn read(&self, network: &Network, id: ValueId) -> Option<HostTensor> {
        let value = network.value(id);
        let (payload, shape, element) = match &value.kind {
            ValueKind::Constant(tensor) => {
                return (tensor.len() <= LARGEST).then(|| tensor.clone());
            }
            ValueKind::Buffer(payload) => (payload, value.shape.clone()?, value.element?),
            ValueKind::Parameter(parameter) => {
                let parameter = network.parameter(*parameter);
                (
                    &parameter.payload,
                    parameter.shape.clone(),
                    parameter.element,
                )
            }
            _ => return None,
        };
        let count = element_count(&shape).filter(|&n| n <= LARGEST)?;
        let length = u64::try_from(count.checked_mul(element.size()?)?).ok()?;
        match payload {
            Payload::Absent => None,
            Payload::Filled(x) => {
                let data = match element {
                    ElementType::F64 => HostData::F64(vec![*x; count]),
                    _ => HostData::F32(vec![*x as f32; count]),
                };
                HostTensor::new(shape, element, data)
            }
            Payload::Held(tensor) => Some(tensor.clone()),
            Payload::Raw(range) => {
                let start = u64::try_from(range.start).ok()?;
                (u64::try_from(range.len()).ok()? == length).then_some(())?;
                let bytes = read_at(self.model.as_deref()?, start, length)?;
                decode(shape, element, &bytes)
            }
            Payload::External { path, bytes } => {
                (bytes.end.checked_sub(bytes.start)? >= length).then_some(())?;
                let bytes = read_at(path, bytes.start, length)?;
                decode(shape, element, &bytes)
            }
        }
    }

    fn floats(&self, network: &Network, id: ValueId) -> Option<HostTensor> {
        self.read(network, id).filter(|tensor| !tensor.is_empty())
    }

    /// The one value that all elements have.
    pub(super) fn uniform(&self, network: &Network, id: ValueId) -> Option<f32> {
        let elements = self.floats(network, id)?.to_f32();
        let first = *elements.first()?;
        elements.iter().all(|&x| x == first).then_some(first)
    }

    /// Whether the elements are those of an attention mask: 0 and very negative numbers, or both 0
    /// and 1 and nothing else.
    pub(super) fn is_mask(&self, network: &Network, id: ValueId) -> bool {
        let Some(tensor) = self.floats(network, id) else {
            return false;
        };
        let elements = tensor.to_f32();
        let zeros = elements.contains(&0.0);
        let hidden = elements.iter().any(|&x| x <= -100.0);
        if hidden && elements.iter().all(|&x| x == 0.0 || x <= -100.0) {
            return true;
        }
        let wide = tensor.shape.iter().filter(|&&d| d > 1).count() >= 2;
        wide && zeros && elements.contains(&1.0) && elements.iter().all(|&x| x == 0.0 || x == 1.0)
    }

    /// Whether the elements repeat along an axis although other axes vary: a constant that an
    /// exporter has expanded. Needs at least two axes with more than one element.
    pub(super) fn repeats_along_an_axis(&self, network: &Network, id: ValueId) -> bool {
        let Some(tensor) = self.floats(network, id) else {
            return false;
        };
        if tensor.shape.iter().filter(|&&d| d > 1).count() < 2 {
            return false;
        }
        let elements = tensor.to_f32();
        let mut inner = 1usize;
        for &size in tensor.shape.iter().rev() {
            let block = inner * size;
            let repeats = size > 1
                && elements
                    .chunks(block)
                    .all(|chunk| chunk.iter().zip(chunk.iter().skip(inner)).all(same_bits));
            if repeats {
                return true;
            }
            inner = block;
        }
        false
    }

    /// Whether the rows are sines and cosines of positions: pairs of columns, neighbours or half a
    /// row apart, whose squares sum to one in every row.
    pub(super) fn is_sinusoid_table(&self, network: &Network, id: ValueId) -> bool {
        let Some(tensor) = self.floats(network, id) else {
            return false;
        };
        let Some(&width) = tensor.shape.last() else {
            return false;
        };
        if width < 2 || width % 2 != 0 || tensor.len() / width < 2 {
            return false;
        }
        let elements = tensor.to_f32();
        let rows = || elements.chunks(width);
        rows().all(|row| {
            row.chunks(2)
                .all(|pair| on_circle(pair.first(), pair.get(1)))
        }) || rows().all(|row| {
            let (left, right) = row.split_at(width / 2);
            left.iter()
                .zip(right)
                .all(|(a, b)| on_circle(Some(a), Some(b)))
        })
    }

    /// Whether another stored tensor of the same shape makes up a table of cosines and sines with
    /// this one.
    pub(super) fn has_rotation_partner(&self, network: &Network, id: ValueId) -> bool {
        let shape = &network.value(id).shape;
        let Some(own) = self
            .floats(network, id)
            .map(|tensor| tensor.to_f32())
            // Ones beside zeros lie on the circle, too, but they turn nothing: a new norm's scale.
            .filter(|own| own.iter().any(|x| Some(x) != own.first()))
            .filter(|own| own.iter().all(|x| x.abs() <= 1.001))
        else {
            return false;
        };
        network.values.iter().enumerate().any(|(index, value)| {
            index != id.index()
                && value.shape == *shape
                && matches!(value.kind, ValueKind::Buffer(_) | ValueKind::Constant(_))
                && self
                    .floats(network, ValueId::from(index))
                    .is_some_and(|other| {
                        let other = other.to_f32();
                        other.len() == own.len()
                            && own
                                .iter()
                                .zip(&other)
                                .all(|(a, b)| on_circle(Some(a), Some(b)))
                    })
        })
    }
}

fn same_bits((a, b): (&f32, &f32)) -> bool {
    a.to_bits() == b.to_bits()
}

/// cos² + sin² = 1, as far as half precision stores it.
fn on_circle(a: Option<&f32>, b: Option<&f32>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a * a + b * b - 1.0).abs() < 4e-3,
        _ => false,
    }
}

fn read_at(path: &Path, start: u64, length: u64) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    if file.metadata().ok()?.len() < start.checked_add(length)? {
        return None;
    }
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Little-endian floats of any width.
fn decode(shape: Vec<usize>, element: ElementType, bytes: &[u8]) -> Option<HostTensor> {
    fn each<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes
            .as_chunks::<N>()
            .0
            .iter()
            .map(|&b| convert(b))
            .collect()
    }
    let data = match element {
        ElementType::F32 => HostData::F32(each(bytes, f32::from_le_bytes)),
        ElementType::F64 => HostData::F64(each(bytes, f64::from_le_bytes)),
        ElementType::F16 => HostData::F32(each(bytes, |b| f16::from_le_bytes(b).to_f32())),
        ElementType::Bf16 => HostData::F32(each(bytes, |b| bf16::from_le_bytes(b).to_f32())),
        _ => return None,
    };
    HostTensor::new(shape, element, data)
}
