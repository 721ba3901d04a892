//! The whole way from what the user names to a network.

use std::path::Path;
use std::sync::Arc;

use crate::onnx::digest;
use crate::{Dims, Network, NetworkError, architecture, infer, onnx, parameter, role};

/// Opens a model: the path of an ONNX file, or a one-line architecture such as
/// `mlp(784, 256x20, 10, tanh)`.
///
/// What names an existing file is a path; of the rest, what has an opening parenthesis is an
/// architecture. `dims` gives sizes to the free dimensions, as [`onnx::read_raw`] says.
///
/// # Errors
///
/// One sentence that says what is wrong with the file, the architecture or `dims`.
pub fn open(model: &str, dims: &Dims) -> Result<Network, NetworkError> {
    let path = Path::new(model);
    if !path.exists() && model.contains('(') {
        return architecture::parse(model, dims);
    }
    understand(onnx::read_raw(path, dims)?)
}

/// [`open`] of an ONNX model in memory, which messages call `name`.
///
/// # Errors
///
/// One sentence that says what is wrong with the model or `dims`.
pub fn open_bytes(name: &str, bytes: Arc<[u8]>, dims: &Dims) -> Result<Network, NetworkError> {
    understand(onnx::read_raw_bytes(name, bytes, dims)?)
}

/// From the raw graph to one whose shapes, parameters and roles are known.
fn understand(mut network: Network) -> Result<Network, NetworkError> {
    let constants = digest::constants(&network);
    parameter::classify(&mut network)?;
    // Before inference, so that the sizes of free dimensions do not show in it.
    network.digest = digest::of_network(&network, &constants);
    infer::infer_and_fold(&mut network)?;
    role::assign(&mut network)?;
    Ok(network)
}
