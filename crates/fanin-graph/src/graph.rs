//! The graph: values, nodes, parameters.

use fanin::Layout;

use crate::operator::{Known, Setting};
use crate::{
    ElementType, Facts, HostTensor, Node, NodeId, Operator, ParameterId, Payload, Purpose, Source,
    ValueId,
};

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// Given by the user at each run.
    Input,
    /// Changed by training.
    Parameter(ParameterId),
    /// Stored in the model and not changed by training: running statistics, masks, tables, scalars.
    Buffer(Payload),
    /// Known before the run: a small stored constant or a folded result.
    Constant(HostTensor),
    /// The output of a node.
    Computed,
}

/// How a value came into the graph; tells a parameter from a constant where the kind alone does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A graph input or what a node computes.
    #[default]
    Graph,
    /// An initializer of the model.
    Initializer,
    /// The output of a `Constant` node, which is no longer among the nodes.
    ConstantNode,
    /// The output of a `ConstantOfShape` node whose shape the model states; no longer among the nodes.
    ConstantOfShape,
    /// Made by fanin: folding, inlining, a one-line architecture.
    Made,
}

/// One edge of the graph: what a node puts out, or what it is fed.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The name in the model; made up by the reader where the model has none. Unique.
    pub name: String,
    /// What it is.
    pub kind: ValueKind,
    /// How it came into the graph.
    pub origin: Origin,
    /// Element type, once known.
    pub element: Option<ElementType>,
    /// Size of each axis, once known; free dimensions are resolved before inference.
    pub shape: Option<Vec<usize>>,
    /// The node that puts it out.
    pub producer: Option<NodeId>,
    /// The nodes that read it, once per use, in node order.
    pub consumers: Vec<NodeId>,
}

/// A tensor that training changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The name in the model: the key in weights files and of the random stream.
    pub name: String,
    /// Other names of the same tensor, where the model stores or passes it twice (tied weights).
    pub aliases: Vec<String>,
    /// Its value in the graph.
    pub value: ValueId,
    /// Element type in the model.
    pub element: ElementType,
    /// Size of each axis.
    pub shape: Vec<usize>,
    /// Where the model's own elements are.
    pub payload: Payload,
    /// What its axes mean.
    pub layout: Layout,
    /// What it is for, and what the graph says about its place.
    pub purpose: Purpose,
}

impl Parameter {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }
}

/// A network: a graph without cycles, its nodes in an order in which they can run.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The model's own name for itself, may be empty.
    pub name: String,
    /// Where it came from.
    pub source: Source,
    /// SHA-256 of everything but the elements of parameters, in hexadecimal.
    pub digest: String,
    /// All values.
    pub values: Vec<Value>,
    /// All nodes, each after those it depends on.
    pub nodes: Vec<Node>,
    /// All parameters, in the order in which the run first meets them.
    pub parameters: Vec<Parameter>,
    /// What the user feeds; initializers listed as inputs (old ONNX) are not among them.
    pub inputs: Vec<ValueId>,
    /// What the network returns.
    pub outputs: Vec<ValueId>,
}

impl Network {
    /// The value of this id.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The node of this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The parameter of this id.
    pub fn parameter(&self, id: ParameterId) -> &Parameter {
        &self.parameters[id.index()]
    }

    /// The constant a value is known to be.
    pub fn constant(&self, id: ValueId) -> Option<&HostTensor> {
        match &self.value(id).kind {
            ValueKind::Constant(tensor) | ValueKind::Buffer(Payload::Held(tensor)) => Some(tensor),
            _ => None,
        }
    }

    /// The parameter a value is.
    pub fn as_parameter(&self, id: ValueId) -> Option<&Parameter> {
        match self.value(id).kind {
            ValueKind::Parameter(parameter) => Some(self.parameter(parameter)),
            _ => None,
        }
    }

    /// The k-th input of a node, if it is there.
    pub fn input(&self, node: NodeId, k: usize) -> Option<ValueId> {
        self.node(node).inputs.get(k).copied().flatten()
    }

    /// The only or first output of a node.
    pub fn output(&self, node: NodeId) -> Option<ValueId> {
        self.node(node).outputs.first().copied().flatten()
    }

    /// What is known of a node's operator, with bounds that come in through constants looked up.
    pub fn facts(&self, node: &Node) -> Facts {
        match &node.operator {
            Operator::Clip(clip) => clip.facts(|slot| self.number(node, slot)),
            operator => operator.facts(),
        }
    }

    /// The first element of the constant at an input of a node.
    pub fn number(&self, node: &Node, slot: usize) -> Option<f32> {
        let constant = self.constant(node.input(slot)?)?;
        constant.to_f32().first().copied()
    }

    /// The integers that a setting of a node is known to be.
    ///
    /// # Errors
    ///
    /// Where the input it comes from holds no integers.
    pub fn integers(
        &self,
        node: &Node,
        setting: &Setting<Vec<i64>>,
    ) -> Result<Known<Vec<i64>>, String> {
        let slot = match setting {
            Setting::Given(list) => return Ok(Known::Value(list.clone())),
            Setting::Absent => return Ok(Known::Absent),
            Setting::Input(slot) => *slot,
        };
        let Some(id) = node.input(slot) else {
            return Ok(Known::Absent);
        };
        let Some(constant) = self.constant(id) else {
            return Ok(Known::Unknown);
        };
        constant.to_i64().map(Known::Value).ok_or_else(|| {
            format!(
                "input {slot} holds {} elements where integers are wanted",
                constant.element
            )
        })
    }
}
