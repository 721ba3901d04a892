//! What a network is: the graph, its shapes, its parameters and the role of each.
//!
//! A [`Network`] comes from an ONNX file ([`onnx`]) or from a one-line description
//! ([`architecture`]). On the way it passes these rooms, in this order:
//!
//! 1. [`onnx`] or [`architecture`] makes the raw graph: every stored tensor is a constant;
//! 2. [`parameter`] tells parameters (what training changes) from buffers and plain constants;
//! 3. [`infer`] gives every value its element type and shape, and [`evaluate`] turns what is known
//!    before the run (shape arithmetic, masks, position ids) into constants;
//! 4. [`role`] says what each parameter is for and what its axes mean.
//!
//! Everything after this crate reads the result and never the file.

pub mod architecture;
mod layer;
mod number;
mod open;
pub mod parameter;
pub mod role;

pub use fanin_graph::{
    Attribute, Attributes, Dims, ElementType, Facts, Feeds, HostData, HostTensor, MAX_FILLED,
    Network, NetworkError, Node, NodeId, Operator, Origin, Parameter, ParameterId, Payload,
    Purpose, RecurrentKind, Role, Source, Value, ValueId, ValueKind, evaluate, infer, memory,
    operator, shape,
};
pub use fanin_onnx::{self as onnx, Weights, replace_file};
pub use layer::{
    Enters, Layer, LayerKind, LayerWeight, Layers, Reads, enters, is_offset_from_one, main_path,
};
pub use open::{open, open_bytes};
