//! Tells parameters (what training changes) from buffers and constants.
//!
//! A reader hands over a graph in which every stored tensor is just stored. What a tensor is, its
//! use tells first, its values second, and its name only where neither does:
//!
//! - **Use.** The weight of a convolution is a parameter and the running mean of a batch norm is
//!   not, whatever they are called. A tensor's use is where it first meets something that depends
//!   on the network's input; transposes, slices, casts and sums of stored tensors on the way are
//!   looked through.
//! - **Values.** What is added to, or multiplied with, the signal may be a bias or a mask, a layer
//!   scale or a table of cosines. Masks hold 0 and very negative numbers, tables of cosines and
//!   sines have squares that sum to one, an expanded constant repeats itself along an axis.
//! - **Names.** A single number that multiplies the signal is a constant (`0.5`, `√d`) unless it is
//!   stored under a name a person gave it (`blocks.3.alpha`).
//!
//! Two stored tensors with equal bits stay two parameters: each has its own place in the file, and
//! writing one of them back under two arrangements (an embedding and its transpose) would not be
//! the same file. [`crate::role`] marks such a pair as tied.

mod flow;
mod meeting;
mod name;
mod values;

use fanin::Layout;

pub(crate) use flow::{depends_on_input, is_float_only_by_type};
pub(crate) use values::Values;

use crate::role::layout::by_rank;
use crate::{
    ElementType, Feeds, Network, NetworkError, Origin, Parameter, ParameterId, Payload, Purpose,
    Role, ValueId, ValueKind,
};
use meeting::{Meeting, meetings};

/// What a stored tensor turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Constant,
    Buffer,
    Parameter,
}

/// Turns the stored tensors that training changes into [`Parameter`]s, in the order in which a run
/// first meets them, and small constants into [`ValueKind::Constant`].
///
/// Layout and purpose are provisional until [`crate::role::assign`] has seen the shapes.
///
/// # Errors
///
/// [`NetworkError::Request`] if a parameter has no stated shape.
pub fn classify(network: &mut Network) -> Result<(), NetworkError> {
    let depends = depends_on_input(network);
    let values = Values;

    let mut found: Vec<(usize, ValueId)> = Vec::new();
    let mut constants: Vec<ValueId> = Vec::new();
    for index in 0..network.values.len() {
        let id = ValueId::from(index);
        if !is_stored_float(network, id) {
            continue;
        }
        match verdict(network, &depends, &values, id) {
            Verdict::Parameter => {
                let first = meetings(network, &depends, id)
                    .iter()
                    .map(|m| m.node.index())
                    .min()
                    .unwrap_or(usize::MAX);
                found.push((first, id));
            }
            Verdict::Constant | Verdict::Buffer => constants.push(id),
        }
    }
    for id in constants {
        settle(network, &values, id);
    }
    found.sort_by_key(|&(first, id)| (first, id));
    for (_, id) in found {
        adopt(network, id)?;
    }
    Ok(())
}

/// Whether a value is a stored tensor of a floating type, a candidate for a parameter.
fn is_stored_float(network: &Network, id: ValueId) -> bool {
    let value = network.value(id);
    let stored = matches!(value.kind, ValueKind::Buffer(_) | ValueKind::Constant(_));
    let float = match &value.kind {
        ValueKind::Constant(tensor) => tensor.element.is_float(),
        _ => value.element.is_some_and(ElementType::is_float),
    };
    let from_model = matches!(
        value.origin,
        Origin::Initializer | Origin::ConstantNode | Origin::ConstantOfShape
    );
    stored && float && from_model
}

/// Number of elements of a stored tensor.
fn size(network: &Network, id: ValueId) -> Option<usize> {
    let value = network.value(id);
    match &value.kind {
        ValueKind::Constant(tensor) => Some(tensor.len()),
        _ => fanin_graph::element_count(value.shape.as_deref()?),
    }
}

fn verdict(network: &Network, depends: &[bool], values: &Values, id: ValueId) -> Verdict {
    let meetings = meetings(network, depends, id);
    let wide = size(network, id).is_none_or(|n| n > 1);
    if wide && !meetings.is_empty() && meetings.iter().all(|m| m.way.divides()) {
        return Verdict::Buffer;
    }
    meetings
        .iter()
        .map(|meeting| judge(network, depends, values, id, meeting))
        .max()
        .unwrap_or(Verdict::Constant)
}

/// What one use says.
fn judge(
    network: &Network,
    depends: &[bool],
    values: &Values,
    id: ValueId,
    meeting: &Meeting,
) -> Verdict {
    use meeting::Slot;

    if meeting.way.trigonometry {
        return Verdict::Buffer;
    }
    let slot = meeting::slot(network, meeting);
    match slot {
        Slot::Statistic => return Verdict::Buffer,
        Slot::Never => return Verdict::Constant,
        _ => {}
    }
    let value = network.value(id);
    let single = size(network, id).is_none_or(|n| n <= 1);
    let generated = name::looks_generated(&value.name);
    if single {
        // A number of the formula, unless a person named it or the operator can only mean a weight.
        let learned = match slot {
            // A factor on a weight may be either, as one on the signal may.
            Slot::Weight | Slot::Affine if !meeting.way.met_others => {
                value.origin == Origin::Initializer
            }
            _ => value.origin == Origin::Initializer && !generated,
        };
        let learned = learned && !(slot == Slot::Add && meeting::is_epsilon(network, meeting));
        return if learned {
            Verdict::Parameter
        } else {
            Verdict::Constant
        };
    }
    match slot {
        Slot::Weight => {
            if flow::feeds_sine_and_cosine(network, meeting.node) {
                Verdict::Buffer
            } else {
                Verdict::Parameter
            }
        }
        Slot::Affine => {
            // A norm without learned scale is exported with stored ones and zeros.
            let neutral = values
                .uniform(network, id)
                .is_some_and(|x| x == 0.0 || x == 1.0);
            if generated && neutral && value.origin != Origin::ConstantOfShape {
                Verdict::Constant
            } else {
                Verdict::Parameter
            }
        }
        Slot::Table => {
            if values.is_sinusoid_table(network, id) {
                Verdict::Buffer
            } else {
                Verdict::Parameter
            }
        }
        Slot::State => {
            if generated || values.uniform(network, id).is_some() {
                Verdict::Buffer
            } else {
                Verdict::Parameter
            }
        }
        Slot::Add | Slot::Multiply | Slot::Choose | Slot::Join => {
            if slot == Slot::Multiply
                && (meeting::is_rotation(network, depends, meeting)
                    || flow::feeds_sine_and_cosine(network, meeting.node)
                    || values.has_rotation_partner(network, id))
            {
                return Verdict::Buffer;
            }
            if slot != Slot::Join && values.is_mask(network, id) {
                return Verdict::Buffer;
            }
            if meeting::normalizes_input(network, meeting, size(network, id).unwrap_or(0)) {
                return Verdict::Buffer;
            }
            if slot != Slot::Multiply && values.is_sinusoid_table(network, id) {
                return Verdict::Buffer;
            }
            if generated
                && value.origin != Origin::ConstantOfShape
                && values.repeats_along_an_axis(network, id)
            {
                return Verdict::Buffer;
            }
            if slot == Slot::Join && generated && values.uniform(network, id) == Some(0.0) {
                return Verdict::Constant;
            }
            if name::says_buffer(&value.name) {
                return Verdict::Buffer;
            }
            Verdict::Parameter
        }
        Slot::Statistic | Slot::Never => Verdict::Constant,
    }
}

/// A tensor that training does not change: held in memory where it is small enough to be folded.
fn settle(network: &mut Network, values: &Values, id: ValueId) {
    const FOLDED: usize = 1 << 12;
    if !matches!(network.value(id).kind, ValueKind::Buffer(_)) {
        return;
    }
    if size(network, id).is_none_or(|n| n > FOLDED) {
        return;
    }
    if let Some(tensor) = values.read(network, id) {
        network.values[id.index()].kind = ValueKind::Constant(tensor);
    }
}

/// Makes the parameter of a value.
fn adopt(network: &mut Network, id: ValueId) -> Result<(), NetworkError> {
    let aliases = name::aliases(network, id);
    let value = &mut network.values[id.index()];
    let parameter = ParameterId::from(network.parameters.len());
    let kind = std::mem::replace(&mut value.kind, ValueKind::Parameter(parameter));
    let (payload, element, shape) = match kind {
        ValueKind::Buffer(payload) => (payload, value.element, value.shape.clone()),
        ValueKind::Constant(tensor) => (
            Payload::Held(tensor.clone()),
            Some(tensor.element),
            Some(tensor.shape),
        ),
        other => {
            value.kind = other;
            return Ok(());
        }
    };
    let (Some(element), Some(shape)) = (element, shape) else {
        return Err(NetworkError::Request(format!(
            "tensor `{}` is a parameter but the model states no shape for it; give its dimensions",
            value.name
        )));
    };
    value.element = Some(element);
    value.shape = Some(shape.clone());
    let layout: Layout = by_rank(&shape);
    network.parameters.push(Parameter {
        name: value.name.clone(),
        aliases,
        value: id,
        element,
        shape,
        payload,
        layout,
        purpose: provisional(),
    });
    Ok(())
}

/// The purpose before the roles are known.
pub(crate) fn provisional() -> Purpose {
    Purpose {
        role: Role::Other,
        feeds: Feeds::Linear,
        norm_follows: false,
        residual_branches: None,
        tied: false,
        recurrent: None,
        forget_gate: None,
        node: String::new(),
        because: String::from("not assigned yet"),
    }
}

#[cfg(test)]
mod tests;
