//! What a graph is: values, parameters, and nodes whose operator is parsed once.
//!
//! A [`Node`] carries an [`Operator`]: what ONNX's name, operator set and
//! attributes mean, with the defaults filled in. Whoever needs to know something about an operator
//! asks its [`Facts`], or matches on it.

mod attribute;
mod dims;
mod element;
mod elements;
mod error;
pub mod evaluate;
mod graph;
mod host;
mod id;
pub mod infer;
pub mod memory;
mod node;
pub mod operator;
mod payload;
mod purpose;
pub mod shape;
mod source;

pub use attribute::{Attribute, Attributes};
pub use dims::Dims;
pub use element::ElementType;
pub use error::NetworkError;
pub use graph::{Network, Origin, Parameter, Value, ValueKind};
pub use host::{HostData, HostTensor, element_count};
pub use id::{NodeId, ParameterId, ValueId};
pub use node::Node;
pub use operator::{Facts, Operator};
pub use payload::{MAX_FILLED, Payload, bits, decode, encode};
pub use purpose::{Feeds, Purpose, RecurrentKind, Role};
pub use source::Source;
