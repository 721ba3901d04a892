//! What the network is fed: the user's arrays, or random ones.

use fanin::initializers::Normal;
use fanin::{Initializer, Layout, Seed, Stream};
use fanin_data::Data;
use fanin_network::operator::{Class, Operator};
use fanin_network::{Dims, ElementType, HostData, HostTensor, Network, Node, ValueId};

use crate::array::{Array, array, count};
use crate::error::RunError;
use crate::feed::Feed;
use crate::tape::Var;
use crate::value::{Item, to_array};

/// All inputs, in the graph's order.
///
/// The user's array where there is one. Otherwise floats are standard normal, from the stream
/// `input:NAME`; integers are what the graph uses them as: ids within the rows of the table they
/// pick from, ones for masks, 0, 1, 2, … for positions, zeros where nothing tells.
pub(crate) fn all(network: &Network, feed: Feed<'_>) -> Result<Vec<(ValueId, Item)>, RunError> {
    if let Some(data) = feed.data {
        known_names(network, data)?;
    }
    let inputs = network.inputs.iter();
    inputs
        .map(|&id| Ok((id, one(network, id, feed)?)))
        .collect()
}

/// The size of the batch axis: axis 0 of the first input that has axes, or 1.
pub(crate) fn batch(network: &Network, inputs: &[(ValueId, Item)]) -> usize {
    debug_assert_eq!(network.inputs.len(), inputs.len());
    inputs
        .iter()
        .find_map(|(_, item)| item.shape().first().copied())
        .unwrap_or(1)
}

/// The gradient at the output: the user's `cotangent`, or standard normal.
pub(crate) fn cotangent(feed: Feed<'_>, shape: &[usize]) -> Result<Array, RunError> {
    match feed.data.and_then(|d| d.get(Data::COTANGENT)) {
        Some(tensor) if tensor.shape == shape => Ok(to_array(tensor)),
        Some(tensor) => Err(RunError::Input {
            name: Data::COTANGENT.to_owned(),
            message: format!(
                "the data have shape {:?}, the first floating output has {shape:?}",
                tensor.shape
            ),
        }),
        None => Ok(array(
            shape,
            normal(feed.seed, Data::COTANGENT, shape.iter().product()),
        )),
    }
}

fn is_floating(network: &Network, id: ValueId) -> bool {
    network.value(id).element.is_none_or(ElementType::is_float)
}

/// The only floating input, which may be called `input`.
/// The input that [`Dims::SOLE`] stands for: the only one, or the only floating one.
fn sole_input(network: &Network) -> Option<ValueId> {
    if let [only] = network.inputs[..] {
        return Some(only);
    }
    let mut floating = network
        .inputs
        .iter()
        .copied()
        .filter(|&id| is_floating(network, id));
    floating.next().filter(|_| floating.next().is_none())
}

fn known_names(network: &Network, data: &Data) -> Result<(), RunError> {
    for name in data.names() {
        let known = network
            .inputs
            .iter()
            .any(|&id| network.value(id).name == name)
            || name == Data::COTANGENT
            || (name == Dims::SOLE && sole_input(network).is_some());
        if !known {
            let names: Vec<String> = network
                .inputs
                .iter()
                .map(|&id| format!("`{}`", network.value(id).name))
                .collect();
            return Err(RunError::Input {
                name: name.to_owned(),
                message: format!(
                    "the data have an array of this name, but the model's inputs are {}; name arrays like them, or `{}`",
                    names.join(", "),
                    Data::COTANGENT
                ),
            });
        }
    }
    Ok(())
}

fn one(network: &Network, id: ValueId, feed: Feed<'_>) -> Result<Item, RunError> {
    let value = network.value(id);
    let fail = |message: String| RunError::Input {
        name: value.name.clone(),
        message,
    };
    let given = feed.data.and_then(|data| {
        let alias = || {
            (sole_input(network) == Some(id))
                .then(|| data.get(Dims::SOLE))
                .flatten()
        };
        data.get(&value.name).or_else(alias)
    });
    let element = value.element.unwrap_or(ElementType::F32);
    if let Some(tensor) = given {
        if let Some(shape) = &value.shape
            && *shape != tensor.shape
        {
            return Err(fail(format!(
                "the data have shape {:?}, the model needs {shape:?}",
                tensor.shape
            )));
        }
        finite(tensor).map_err(fail)?;
        return convert(tensor, element).map_err(fail);
    }
    let shape = value.shape.clone().ok_or_else(|| {
        fail("its shape is not known; state it, or give the array with --data".to_owned())
    })?;
    let n = count(&shape).map_err(fail)?;
    if element.is_float() {
        let drawn = normal(feed.seed, &format!("input:{}", value.name), n);
        return Ok(Item::Float(Var::constant(array(&shape, drawn))));
    }
    let integers = match use_of(network, id) {
        Use::Rows(rows) => ids(feed.seed, &format!("input:{}", value.name), n, rows),
        Use::Mask => vec![1; n],
        Use::Positions => {
            let width = shape.last().copied().unwrap_or(1).max(1);
            (0..n).map(|k| (k % width) as i64).collect()
        }
        Use::Unknown => vec![0; n],
    };
    let data = match element {
        ElementType::Bool => HostData::Bool(integers.into_iter().map(|v| v != 0).collect()),
        _ => HostData::I64(integers),
    };
    HostTensor::new(shape, element, data)
        .map(Item::host)
        .ok_or_else(|| fail("its shape does not fit its elements".to_owned()))
}

/// Refuses data that would make every layer look at fault: NaN, and +∞. A mask may hold −∞.
fn finite(tensor: &HostTensor) -> Result<(), String> {
    let off = |x: f64| x.is_nan() || x == f64::INFINITY;
    let found = match &tensor.data {
        HostData::F32(values) => values.iter().position(|&x| off(f64::from(x))),
        HostData::F64(values) => values.iter().position(|&x| off(x)),
        HostData::I64(_) | HostData::Bool(_) => None,
    };
    found.map_or(Ok(()), |mut k| {
        let mut place = vec![0; tensor.shape.len()];
        for (at, &size) in place.iter_mut().zip(&tensor.shape).rev() {
            (*at, k) = (k % size.max(1), k / size.max(1));
        }
        Err(format!(
            "the data have a value that is no finite number at {place:?}; mend the data, no weights can"
        ))
    })
}

/// The user's array in the type the model declares.
fn convert(tensor: &HostTensor, element: ElementType) -> Result<Item, String> {
    if element.is_float() {
        return Ok(Item::Float(Var::constant(to_array(tensor))));
    }
    let integers = tensor
        .to_i64()
        .ok_or_else(|| format!("the data are {}, the model needs {element}", tensor.element))?;
    let data = match element {
        ElementType::Bool => HostData::Bool(integers.into_iter().map(|v| v != 0).collect()),
        _ => HostData::I64(integers),
    };
    HostTensor::new(tensor.shape.clone(), element, data)
        .map(Item::host)
        .ok_or_else(|| "its shape does not fit its elements".to_owned())
}

/// What an integer or boolean input is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Picks from so many rows.
    Rows(usize),
    /// Says which places count.
    Mask,
    /// Counts places.
    Positions,
    /// Nothing the graph tells.
    Unknown,
}

/// Finds the use of an input: by its name where that is telling, else by following it to a
/// `Gather` from a table.
pub fn use_of(network: &Network, id: ValueId) -> Use {
    let value = network.value(id);
    let name = value.name.to_lowercase();
    if name.contains("mask") || value.element == Some(ElementType::Bool) {
        return Use::Mask;
    }
    let rows = table_rows(network, id);
    if name.contains("position") {
        return Use::Positions;
    }
    rows.map_or(Use::Unknown, Use::Rows)
}

/// The fewest rows of the tables an integer input reaches.
fn table_rows(network: &Network, id: ValueId) -> Option<usize> {
    let mut fewest: Option<usize> = None;
    let mut seen = std::collections::BTreeSet::from([id]);
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        for &consumer in &network.value(id).consumers {
            let node = network.node(consumer);
            let place = node.inputs.iter().position(|&i| i == Some(id));
            if let (Operator::Gather { axis }, Some(1)) = (&node.operator, place) {
                if let Some(rows) = gathered_rows(network, node, *axis) {
                    fewest = Some(fewest.map_or(rows, |f| f.min(rows)));
                }
            } else if follows(node, place) {
                let outputs = node.outputs.iter().flatten().copied();
                open.extend(outputs.filter(|&o| seen.insert(o)));
            }
        }
    }
    fewest
}

/// The size of the axis a `Gather` of floats picks from.
fn gathered_rows(network: &Network, node: &Node, axis: i64) -> Option<usize> {
    let table = network.value(node.inputs.first().copied().flatten()?);
    if !table.element.is_none_or(ElementType::is_float) {
        return None;
    }
    let shape = table.shape.as_ref()?;
    let axis = usize::try_from(if axis < 0 {
        axis + shape.len() as i64
    } else {
        axis
    })
    .ok()?;
    shape.get(axis).copied()
}

/// Whether ids go through this node and come out as ids.
fn follows(node: &Node, place: Option<usize>) -> bool {
    let facts = node.operator.facts();
    let passes = match facts.class {
        Class::Arranges | Class::Repeats | Class::Picks | Class::Sums | Class::Chooses => true,
        Class::Joins => true,
        _ => matches!(node.operator, Operator::Clip(_)),
    };
    passes && place.is_some_and(|slot| facts.signal.contains(slot))
}

/// Standard normal numbers of a stream.
fn normal(seed: Seed, name: &str, n: usize) -> Vec<f32> {
    let mut out = vec![0.0f32; n];
    let filler = Initializer::from(Normal {
        mean: 0.0,
        std: 1.0,
    })
    .resolve(&[n], &Layout::vector());
    // Neither the initializer nor the length can be refused: both are fixed here.
    if let Ok(filler) = filler {
        let _ = filler.fill(&Stream::new(seed, name), 0, &mut out);
    }
    out
}

/// Uniform ids under `rows` of a stream, by the upper bits of a product: no id is favoured by more
/// than `rows / 2^32`.
fn ids(seed: Seed, name: &str, n: usize, rows: usize) -> Vec<i64> {
    let stream = Stream::new(seed, name);
    (0..n as u64)
        .map(|k| ((u64::from(stream.word(k)) * rows as u64) >> 32) as i64)
        .collect()
}
