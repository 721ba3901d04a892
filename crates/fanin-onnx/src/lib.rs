//! ONNX in and out.
//!
//! [`read_raw`] turns a file into a graph whose stored tensors are values without a producer;
//! the crate `fanin-network` goes the rest of the way. [`write_weights`] puts weights into a copy of
//! a file, [`strip`] takes them out, and both leave every other byte as it came. [`encode`] makes a
//! file of a network that came from none.
//!
//! # What is read
//!
//! Operator sets 9 to 28 of ONNX's own domain; nodes of other domains pass through with theirs.
//! Model-local functions are inlined, and so is the branch an `If` with a constant condition takes;
//! other subgraphs are refused by name. Tensors may be stored raw, typed, in external data, in
//! `Constant` nodes, or only declared by `ConstantOfShape`.
//!
//! A file is untrusted: sizes are checked before memory is taken, external data must lie in the
//! model's own folder, and what is wrong is said in a sentence.

mod attribute;
pub mod digest;
mod encode;
mod file;
mod graph;
mod inputs;
mod order;
mod proto;
mod storage;
mod strip;
mod tensor;
mod weights;
mod wire;
mod write;

use std::path::Path;
use std::sync::Arc;

/// What writes a PyTorch module as a file that fanin reads as it was meant. Torch's own optimizer would
/// fold batch norms into the weights before them, of a fresh model too, and rename parameters.
pub const TORCH_EXPORT: &str =
    "torch.onnx.export(model, (example,), \"model.onnx\", dynamo=True, optimize=False)";

pub use encode::encode;
pub use inputs::FreeDimension;
pub use storage::replace as replace_file;
pub use strip::strip;
pub use weights::Weights;
pub use write::write_weights;

use fanin_graph::{Dims, Network, NetworkError};

/// Reads a file into the raw graph.
///
/// Every stored tensor is a [`fanin_graph::Value`] without a producer: [`fanin_graph::ValueKind::Buffer`] where
/// it holds floats, [`fanin_graph::ValueKind::Constant`] where it holds integers or booleans, is a float
/// scalar, or comes from a `Constant` node with at most 64 floats. `ConstantOfShape` nodes of
/// floats whose shape the model states are [`fanin_graph::Payload::Filled`]. There are no parameters yet;
/// nodes are in an order in which they can run; inputs have their whole shape:
///
/// * `dims.inputs` gives an input's whole shape, which must agree with the sizes the model fixes;
/// * else `dims.named` gives the size of a dimension by name (`INPUT[AXIS]` where it has none);
/// * else it is `dims.batch` for a batch axis, or the default that [`free_dimensions`] documents.
///
/// # Errors
///
/// One sentence that says what is wrong with the file, or with `dims` for this file.
pub fn read_raw(path: &Path, dims: &Dims) -> Result<Network, NetworkError> {
    raw(&file::ModelFile::open(path)?, dims)
}

/// [`read_raw`] of a model in memory, which messages call `name`.
///
/// # Errors
///
/// As [`read_raw`], and where tensors are in external data, which a model in memory does not have.
pub fn read_raw_bytes(name: &str, bytes: Arc<[u8]>, dims: &Dims) -> Result<Network, NetworkError> {
    raw(&file::ModelFile::held(name, bytes)?, dims)
}

fn raw(file: &file::ModelFile, dims: &Dims) -> Result<Network, NetworkError> {
    let raw = graph::raw(file)?;
    let shapes = inputs::shapes(&raw.declarations, dims).map_err(|m| file.error(m))?;
    let mut network = raw.network;
    for (id, shape) in network.inputs.iter().zip(shapes) {
        if let Some(value) = network.values.get_mut(id.index()) {
            value.shape = Some(shape);
        }
    }
    network.digest = digest::of_inputs(&raw.declarations);
    Ok(network)
}

/// The dimensions that a model leaves open, with the size each has where the user says nothing.
///
/// A dimension whose name speaks of a batch has 2, of a sequence, a length or a time 16, of a
/// height or a width 64. Any other has 2 where it is the first axis of an input, 64 on the image
/// axes of a float input of four axes with at most four channels, and 16 elsewhere.
///
/// # Errors
///
/// As [`read_raw`], but for what `dims` can get wrong.
pub fn free_dimensions(path: &Path) -> Result<Vec<FreeDimension>, NetworkError> {
    let file = file::ModelFile::open(path)?;
    Ok(inputs::free(&graph::raw(&file)?.declarations))
}
