//! What flows along an edge while the network runs.

use std::sync::Arc;

use fanin_network::{ElementType, HostData, HostTensor};

use crate::array::{Array, Dense, array, dims};
use crate::tape::Var;

/// What flows along an edge.
///
/// Floats that depend on a parameter or a floating input are on the tape, in f32 whatever the
/// model declares; integers, booleans and floats known before the run stay in plain memory.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A float on the tape.
    Float(Var),
    /// A tensor in plain memory.
    Host(Arc<HostTensor>),
    /// A list of tensors (`SplitToSequence` and its kin).
    Sequence(Vec<Item>),
}

impl Item {
    /// A tensor in plain memory.
    pub(crate) fn host(tensor: HostTensor) -> Self {
        Self::Host(Arc::new(tensor))
    }

    /// Size of each axis; empty for a sequence.
    pub(crate) fn shape(&self) -> Vec<usize> {
        match self {
            Self::Float(v) => v.dims(),
            Self::Host(t) => t.shape.clone(),
            Self::Sequence(_) => Vec::new(),
        }
    }

    /// As a float; integers and booleans are converted.
    pub(crate) fn var(&self) -> Result<Var, String> {
        match self {
            Self::Float(v) => Ok(v.clone()),
            Self::Host(t) => Ok(Var::constant(to_array(t))),
            Self::Sequence(_) => Err("a sequence stands where a tensor is needed".to_owned()),
        }
    }

    /// As a tensor in plain memory, off the tape.
    pub(crate) fn tensor(&self) -> Result<Arc<HostTensor>, String> {
        match self {
            Self::Float(v) => Ok(Arc::new(to_host(v.array()))),
            Self::Host(t) => Ok(Arc::clone(t)),
            Self::Sequence(_) => Err("a sequence stands where a tensor is needed".to_owned()),
        }
    }
}

/// An f32 array of a tensor in plain memory.
pub(crate) fn to_array(tensor: &HostTensor) -> Array {
    array(&tensor.shape, tensor.to_f32())
}

/// A tensor in plain memory of an array.
pub(crate) fn to_host(a: &Array) -> HostTensor {
    HostTensor {
        shape: dims(a),
        element: ElementType::F32,
        data: HostData::F32(Dense::new(a).to_vec()),
    }
}
