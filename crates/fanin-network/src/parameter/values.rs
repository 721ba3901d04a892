//! What the elements of a stored tensor give away.

use crate::{HostTensor, Network, Payload, ValueId, ValueKind};
use fanin_graph::element_count;

/// Tensors with more elements are not looked into: no mask or table of interest is that large.
const LARGEST: usize = 1 << 22;

/// Reads stored tensors where they are.
pub(crate) struct Values;

impl Values {
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
        let count = element_count(&shape)?;
        let held = matches!(payload, Payload::Held(_) | Payload::Filled(_));
        let wanted = count <= LARGEST && (held || element.is_float());
        wanted.then(|| network.elements(payload, &shape, element).ok())?
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
