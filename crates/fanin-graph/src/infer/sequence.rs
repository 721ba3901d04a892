//! Sequences that are taken apart at known places.
//!
//! Nothing after this crate knows sequences of tensors. But torch's exporter, where its result is
//! not optimized, writes `split` and `chunk` as `SplitToSequence` with a `SequenceAt` per part, and
//! `unbind` the same without keeping the axis. These become `Split` and `Gather`.

use crate::operator::Sequence;
use crate::shape::{geometry, normalize_axis};
use crate::{
    Attribute, Attributes, HostTensor, Network, NodeId, Operator, Origin, Value, ValueId, ValueKind,
};

/// A sequence of more parts than this is no split that a network makes, and stays as it is.
const MOST_PARTS: usize = 1 << 16;

/// What a lowering did.
pub(super) struct Lowered {
    /// Nodes that are needless now.
    pub(super) needless: Vec<NodeId>,
    /// How often the split tensor is read more than before.
    pub(super) more_uses: Option<(ValueId, usize)>,
}

/// Replaces `SplitToSequence` node `k` and the `SequenceAt` nodes that read it. `Ok(None)`, and
/// nothing changed, where a place, a size or the use of the sequence is not known.
///
/// # Errors
///
/// One sentence, where the sizes do not fit the tensor or a place is outside the sequence.
pub(super) fn lower(network: &mut Network, k: usize) -> Result<Option<Lowered>, String> {
    let node = &network.nodes[k];
    let (Some(x), Some(Some(sequence))) = (
        node.inputs.first().copied().flatten(),
        node.outputs.first().copied(),
    ) else {
        return Ok(None);
    };
    let Some(shape) = network.value(x).shape.as_deref() else {
        return Ok(None);
    };
    let Some(places) = places(network, sequence) else {
        return Ok(None);
    };
    let &Operator::Sequence(Sequence::Split { axis, keep }) = &node.operator else {
        return Ok(None);
    };
    let size = shape[normalize_axis(axis, shape.len())?];
    let attributes = Attributes::default().set("axis", Attribute::Int(axis));

    let lengths = match node.inputs.get(1).copied().flatten() {
        None if !keep => {
            let more = places.len();
            for (reader, _) in places {
                let reader = &mut network.nodes[reader.index()];
                let inputs = vec![Some(x), reader.input(1)];
                let outputs = reader.outputs.clone();
                reader.set_operator("Gather", attributes.clone(), inputs, outputs)?;
            }
            return Ok(Some(Lowered {
                needless: vec![NodeId::from(k)],
                more_uses: Some((x, more)),
            }));
        }
        None if size > MOST_PARTS => return Ok(None),
        None => vec![1; size],
        Some(id) => {
            let Some(split) = network.constant(id) else {
                return Ok(None);
            };
            let list = split
                .to_i64()
                .ok_or_else(|| format!("`split` holds {} elements", split.element))?;
            match (split.shape.as_slice(), list.as_slice()) {
                ([], &[chunk]) => match chunks(size, chunk)? {
                    Some(lengths) => lengths,
                    None => return Ok(None),
                },
                _ => geometry::split(size, Some(&list), 0, false)?,
            }
        }
    };

    let mut outputs: Vec<Option<ValueId>> = vec![None; lengths.len()];
    let mut needless = Vec::new();
    for (reader, place) in places {
        let place = normalize_axis(place, lengths.len()).map_err(|_| {
            format!(
                "place {place} is outside the sequence of {} tensors",
                lengths.len()
            )
        })?;
        let reader_node = &mut network.nodes[reader.index()];
        let Some(output) = reader_node.outputs.first().copied().flatten() else {
            continue;
        };
        match outputs[place] {
            None => {
                outputs[place] = Some(output);
                needless.push(reader);
            }
            Some(first) => {
                let outputs = reader_node.outputs.clone();
                reader_node.set_operator(
                    "Identity",
                    Attributes::default(),
                    vec![Some(first)],
                    outputs,
                )?;
            }
        }
    }
    let name = network.nodes[k].name.clone();
    let list: Vec<i64> = lengths.iter().map(|&n| n as i64).collect();
    let by_attribute = network.nodes[k].opset < 13;
    let lengths = (!by_attribute)
        .then(|| hold(network, &format!("{name}/split"), &list))
        .flatten();
    let node = &mut network.nodes[k];
    let attributes = if by_attribute {
        attributes.set("split", Attribute::Ints(list))
    } else {
        attributes
    };
    let mut inputs = vec![Some(x)];
    inputs.extend(lengths.map(Some));
    node.set_operator("Split", attributes, inputs, outputs)?;
    Ok(Some(Lowered {
        needless,
        more_uses: None,
    }))
}

/// The nodes that read the sequence and the place each takes; `None` where something else reads it.
fn places(network: &Network, sequence: ValueId) -> Option<Vec<(NodeId, i64)>> {
    if network.outputs.contains(&sequence) {
        return None;
    }
    network
        .value(sequence)
        .consumers
        .iter()
        .map(|&reader| {
            if network.node(reader).operator != Operator::Sequence(Sequence::At) {
                return None;
            }
            let place = network.constant(network.input(reader, 1)?)?.to_i64()?;
            match place.as_slice() {
                &[place] => Some((reader, place)),
                _ => None,
            }
        })
        .collect()
}

/// `size` cut into chunks of this length, the last one perhaps shorter; `None` where they are too
/// many.
fn chunks(size: usize, chunk: i64) -> Result<Option<Vec<usize>>, String> {
    let chunk = usize::try_from(chunk)
        .ok()
        .filter(|&c| c > 0)
        .ok_or_else(|| format!("cannot cut an axis of {size} into chunks of {chunk}"))?;
    if size / chunk > MOST_PARTS {
        return Ok(None);
    }
    let mut lengths = vec![chunk; size / chunk];
    if !size.is_multiple_of(chunk) {
        lengths.push(size % chunk);
    }
    Ok(Some(lengths))
}

/// A new constant of integers.
fn hold(network: &mut Network, name: &str, list: &[i64]) -> Option<ValueId> {
    let tensor = HostTensor::i64(vec![list.len()], list.to_vec())?;
    let mut name = name.to_owned();
    while network.values.iter().any(|value| value.name == name) {
        name.push('_');
    }
    let id = ValueId::from(network.values.len());
    network.values.push(Value {
        name,
        element: Some(tensor.element),
        shape: Some(tensor.shape.clone()),
        kind: ValueKind::Constant(tensor),
        origin: Origin::Made,
        producer: None,
        consumers: Vec::new(),
    });
    Some(id)
}
