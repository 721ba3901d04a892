//! From the messages of a file to the raw graph.
//!
//! Every stored tensor becomes a value without a producer, model-local functions and branches
//! taken by a constant condition are inlined, and what is left are nodes between values, in an
//! order in which they can run.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use prost::Message;
use prost::bytes::Bytes;

use super::attribute::{self, References, kind_of};
use super::file::ModelFile;
use super::inputs::{self, Declaration};
use super::order;
use super::proto::{self, attribute_type as kind};
use super::tensor::{self, Stored};
use fanin_graph::{
    Attribute, Attributes, ElementType, HostData, HostTensor, Network, NetworkError, Node, NodeId,
    Origin, Payload, Value, ValueId, ValueKind,
};

/// Operator set versions of ONNX's own domain that fanin reads.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=28;

/// Most levels of functions and branches inside each other.
const MAX_DEPTH: usize = 64;

/// Floats from `Constant` nodes of at most this many elements are constants; more are buffers.
const SMALL: usize = 64;

/// Where a stored tensor lies in the file, for the writers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) stored: StoredAs,
    /// The `NodeProto` message of its node; empty for an initializer.
    pub(super) node: Range<usize>,
    /// Whether it lies in a function or a subgraph and not in the main graph.
    pub(super) nested: bool,
}

/// What a stored tensor is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoredAs {
    /// A `TensorProto` message: an initializer or the value of a `Constant` node.
    Tensor(Range<usize>),
    /// The attribute `value_float` or `value_floats` of a `Constant` node.
    Floats,
    /// The output of a `ConstantOfShape` node with this shape input.
    Filled(ValueId),
}

/// The graph of a file, before input sizes are known.
pub(super) struct Raw {
    pub(super) network: Network,
    /// What the file says about each input, in the order of `network.inputs`.
    pub(super) declarations: Vec<Declaration>,
    /// Where stored tensors lie, by value.
    pub(super) places: HashMap<ValueId, Place>,
    /// The `ir_version` of the file.
    pub(super) ir_version: i64,
    /// Whether an `If` was inlined: the branch not taken is in the file but not in the graph.
    pub(super) branched: bool,
}

/// A node on its way: producers, consumers and ids come when all nodes are known.
struct Draft {
    node: Node,
    /// Where its message lies, if it is a node of the main graph.
    message: Range<usize>,
    nested: bool,
}

/// A function's identity: domain, name, overload.
type Key = (String, String, String);

/// The names visible to a list of nodes.
struct Scope<'s> {
    parent: Option<&'s Scope<'s>>,
    /// `None` for a function's input that the call leaves out.
    names: HashMap<String, Option<ValueId>>,
    /// Before the names of values and nodes made here; empty in the main graph.
    prefix: &'s str,
    opsets: &'s HashMap<String, i64>,
    references: &'s References,
    /// The function whose body this is, and before the names of its constants.
    function: Option<&'s Key>,
    depth: usize,
}

impl Scope<'_> {
    fn find(&self, name: &str) -> Option<Option<ValueId>> {
        let here = self.names.get(name).copied();
        here.or_else(|| self.parent.and_then(|parent| parent.find(name)))
    }
}

/// Names in use, and new ones that are not.
#[derive(Default)]
struct Names {
    used: HashSet<String>,
    next: HashMap<String, usize>,
}

impl Names {
    /// `wanted`, or with a number behind it where that is in use.
    fn unique(&mut self, wanted: &str, separator: &str) -> String {
        if self.used.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let next = self.next.entry(wanted.to_owned()).or_insert(2);
        loop {
            let name = format!("{wanted}{separator}{next}");
            *next += 1;
            if self.used.insert(name.clone()) {
                return name;
            }
        }
    }
}

struct Builder<'f> {
    file: &'f ModelFile,
    functions: HashMap<Key, Bytes>,
    values: Vec<Value>,
    drafts: Vec<Draft>,
    value_names: Names,
    node_names: Names,
    places: HashMap<ValueId, Place>,
    /// Functions being inlined, outermost first.
    calls: Vec<Key>,
    /// Constants of function bodies: one value however often the function is called.
    shared: HashMap<(Key, usize), ValueId>,
    /// Bytes that constants may still take in memory.
    memory: u64,
    /// Bytes that inlining may still add to the graph: calls of calls grow without bound.
    inlining: u64,
    branched: bool,
}

/// Reads the graph of a file.
pub(super) fn raw(file: &ModelFile) -> Result<Raw, NetworkError> {
    let model = file.model()?;
    let graph = proto::Graph::decode(model.graph.clone().unwrap_or_default()).map_err(|e| {
        file.error(format!(
            "the graph is cut off or damaged ({e}); export or download it again"
        ))
    })?;
    let opsets = opsets(&model.opset_import);
    check_opsets(&opsets).map_err(|message| file.error(message))?;
    if !graph.sparse_initializer.is_empty() {
        return Err(file.error(
            "the model stores sparse initializers, which fanin does not read; store them dense"
                .to_owned(),
        ));
    }
    let mut functions = HashMap::new();
    for bytes in &model.functions {
        let function = proto::Function::decode(bytes.clone())
            .map_err(|e| file.error(format!("a function of the model is damaged: {e}")))?;
        let key = (
            normal_domain(&function.domain),
            function.name,
            function.overload,
        );
        if let Some(_twice) = functions.insert(key.clone(), bytes.clone()) {
            return Err(file.error(format!("function `{}` is defined twice", key.1)));
        }
    }
    let mut builder = Builder {
        file,
        functions,
        values: Vec::new(),
        drafts: Vec::new(),
        value_names: Names::default(),
        node_names: Names::default(),
        places: HashMap::new(),
        calls: Vec::new(),
        shared: HashMap::new(),
        memory: 1 << 30,
        inlining: 1 << 28,
        branched: false,
    };
    let references = References::new();
    let mut scope = Scope {
        parent: None,
        names: HashMap::new(),
        prefix: "",
        opsets: &opsets,
        references: &references,
        function: None,
        depth: 0,
    };
    builder.initializers(&graph.initializer, &mut scope)?;
    let mut inputs = Vec::new();
    let mut declarations = Vec::new();
    for info in &graph.input {
        // Files before IR version 4 list initializers among the inputs.
        if let Some(Some(id)) = scope.names.get(&info.name)
            && builder.values[id.index()].origin == Origin::Initializer
        {
            continue;
        }
        let declaration = inputs::declaration(info).map_err(|m| file.error(m))?;
        let id = builder.declare(&info.name, &mut scope)?;
        let value = &mut builder.values[id.index()];
        value.kind = ValueKind::Input;
        value.element = Some(declaration.element);
        inputs.push(id);
        declarations.push(declaration);
    }
    builder.body(&graph.node, &mut scope, HashMap::new())?;
    let mut outputs = Vec::new();
    for info in &graph.output {
        match scope.names.get(&info.name) {
            Some(Some(id)) => outputs.push(*id),
            _ => {
                return Err(file.error(format!(
                    "the model returns `{}`, which no node, input or initializer provides",
                    info.name
                )));
            }
        }
    }
    if outputs.is_empty() {
        return Err(file.error("the model declares no outputs; it may be cut off".to_owned()));
    }
    builder.constants_of_shape()?;
    let (values, nodes) = builder.connect()?;
    Ok(Raw {
        network: Network {
            name: graph.name,
            source: file.source.clone(),
            digest: String::new(),
            values,
            nodes,
            parameters: Vec::new(),
            inputs,
            outputs,
        },
        declarations,
        places: builder.places,
        ir_version: model.ir_version,
        branched: builder.branched,
    })
}

/// The empty name and `ai.onnx` are one domain.
pub(super) fn normal_domain(domain: &str) -> String {
    if domain == "ai.onnx" { "" } else { domain }.to_owned()
}

fn opsets(imports: &[proto::OperatorSet]) -> HashMap<String, i64> {
    let mut opsets = HashMap::new();
    for import in imports {
        let version = opsets.entry(normal_domain(&import.domain)).or_insert(0);
        *version = import.version.max(*version);
    }
    opsets
}

fn check_opsets(opsets: &HashMap<String, i64>) -> Result<(), String> {
    let (low, high) = (OPSETS.start(), OPSETS.end());
    match opsets.get("") {
        Some(version) if OPSETS.contains(version) => Ok(()),
        Some(version) => Err(format!(
            "the model uses operator set {version}, and fanin reads {low} to {high}; convert it with \
             onnx.version_converter.convert_version(model, 20)"
        )),
        None => Err(format!(
            "the model does not say which operator set of ONNX it uses (fanin reads {low} to \
             {high}); it may be cut off"
        )),
    }
}

impl Builder<'_> {
    fn error(&self, message: String) -> NetworkError {
        self.file.error(message)
    }

    fn add(&mut self, name: String) -> Result<ValueId, NetworkError> {
        if self.values.len() >= u32::MAX as usize {
            return Err(self.error("the model has more than 2^32 values".to_owned()));
        }
        let id = ValueId::from(self.values.len());
        self.values.push(Value {
            name,
            kind: ValueKind::Computed,
            origin: Origin::Graph,
            element: None,
            shape: None,
            producer: None,
            consumers: Vec::new(),
        });
        Ok(id)
    }

    /// A new value under this name in the scope; each name is given once (single assignment).
    fn declare(&mut self, name: &str, scope: &mut Scope<'_>) -> Result<ValueId, NetworkError> {
        if name.is_empty() {
            return Err(self.error("the model has an input or initializer without a name".into()));
        }
        if scope.names.contains_key(name) {
            return Err(self.error(format!(
                "`{name}` is given a value twice (as input, initializer or output of a node); each \
                 name may be given one only"
            )));
        }
        let unique = self
            .value_names
            .unique(&format!("{}{name}", scope.prefix), "_");
        let id = self.add(unique)?;
        scope.names.insert(name.to_owned(), Some(id));
        Ok(id)
    }

    /// Turns a value into a stored tensor.
    fn store(
        &mut self,
        id: ValueId,
        stored: Stored,
        origin: Origin,
        what: &str,
    ) -> Result<(), NetworkError> {
        let count: usize = stored.shape.iter().product();
        let small = stored.shape.is_empty() || (origin == Origin::ConstantNode && count <= SMALL);
        let kind = if stored.element.is_float() && !small {
            ValueKind::Buffer(stored.payload)
        } else {
            let host = tensor::host(&stored, what, self.file, &mut self.memory);
            ValueKind::Constant(host.map_err(|m| self.error(m))?)
        };
        let value = &mut self.values[id.index()];
        value.kind = kind;
        value.origin = origin;
        value.element = Some(stored.element);
        value.shape = Some(stored.shape);
        Ok(())
    }

    fn initializers(
        &mut self,
        tensors: &[Bytes],
        scope: &mut Scope<'_>,
    ) -> Result<(), NetworkError> {
        for bytes in tensors {
            let stored = proto::Tensor::decode(bytes.clone())
                .map_err(|e| self.error(format!("a stored tensor is damaged: {e}")))?;
            let what = format!("tensor `{}`", stored.name);
            let id = self.declare(&stored.name, scope)?;
            let checked = tensor::stored(&stored, &what, self.file).map_err(|m| self.error(m))?;
            self.store(id, checked, Origin::Initializer, &what)?;
            let place = Place {
                stored: StoredAs::Tensor(self.file.range(bytes)),
                node: 0..0,
                nested: scope.depth > 0,
            };
            self.places.insert(id, place);
        }
        Ok(())
    }

    /// Adds the nodes of a graph or a function. `bound` names the outputs whose values are there
    /// already: those of the call.
    fn body(
        &mut self,
        nodes: &[Bytes],
        scope: &mut Scope<'_>,
        mut bound: HashMap<String, ValueId>,
    ) -> Result<(), NetworkError> {
        if scope.depth > MAX_DEPTH {
            return Err(self.error(format!(
                "functions and branches lie more than {MAX_DEPTH} levels deep inside each other"
            )));
        }
        let mut decoded = Vec::with_capacity(nodes.len());
        for bytes in nodes {
            let mut node = proto::Node::decode(bytes.clone())
                .map_err(|e| self.error(format!("a node is damaged: {e}")))?;
            if node.op_type.is_empty() {
                return Err(self.error(format!("node `{}` names no operator", node.name)));
            }
            if scope.depth > 0 {
                // What a node takes in memory, roughly: its own size, names and prefixes.
                let each = 400 + scope.prefix.len() as u64;
                let outputs = node.output.len() as u64;
                let cost = bytes.len() as u64 + each * (1 + outputs);
                self.inlining = self.inlining.checked_sub(cost).ok_or_else(|| {
                    self.error(
                        "the model's functions call each other so often that inlining them takes \
                         more than 256 MiB"
                            .to_owned(),
                    )
                })?;
            }
            let is_own = normal_domain(&node.domain).is_empty();
            let constant = is_own && node.op_type == "Constant";
            let refers = node.attribute.iter().any(|a| !a.ref_attr_name.is_empty());
            node.attribute = attribute::resolve(node.attribute, scope.references);
            decoded.push((node, constant, constant && !refers));
        }
        // All outputs first: nodes need not be in order.
        let mut stored = vec![false; decoded.len()];
        for (k, (node, _, shareable)) in decoded.iter().enumerate() {
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                if let Some(id) = bound.remove(name.as_str()) {
                    if scope.names.insert(name.clone(), Some(id)).is_some() {
                        return Err(self.error(format!("`{name}` is given a value twice")));
                    }
                    continue;
                }
                let shared = match scope.function {
                    Some(function) if *shareable => Some((function.clone(), k)),
                    _ => None,
                };
                if let Some(&id) = shared.as_ref().and_then(|key| self.shared.get(key)) {
                    if scope.names.insert(name.clone(), Some(id)).is_some() {
                        return Err(self.error(format!("`{name}` is given a value twice")));
                    }
                    stored[k] = true;
                    continue;
                }
                let id = self.declare(name, scope)?;
                if let Some(key) = shared {
                    self.shared.insert(key, id);
                }
            }
        }
        // Constants next: a branch may depend on one.
        for (k, ((node, constant, _), bytes)) in decoded.iter().zip(nodes).enumerate() {
            if *constant && !stored[k] {
                self.constant(node, bytes, scope)?;
            }
        }
        for ((node, constant, _), bytes) in decoded.into_iter().zip(nodes) {
            if !constant {
                self.node(node, bytes, scope)?;
            }
        }
        // Outputs of a body that are inputs, outer values or other outputs of it.
        let mut left: Vec<_> = bound.into_iter().collect();
        left.sort_by_key(|(_, id)| *id);
        for (name, id) in left {
            let Some(Some(source)) = scope.find(&name) else {
                return Err(self.error(format!(
                    "`{name}` is an output of a function or branch (`{}`), but nothing in it \
                     provides it",
                    scope.prefix
                )));
            };
            self.identity(source, id, scope)?;
        }
        Ok(())
    }

    fn identity(
        &mut self,
        source: ValueId,
        to: ValueId,
        scope: &Scope<'_>,
    ) -> Result<(), NetworkError> {
        let name = self.node_name("", "Identity", scope);
        let opset = scope.opsets.get("").copied().unwrap_or(*OPSETS.end());
        self.drafts.push(Draft {
            node: Node::new(
                name,
                "",
                "Identity",
                opset,
                Attributes::default(),
                vec![Some(source)],
                vec![Some(to)],
            )
            .map_err(|message| self.error(message))?,
            message: 0..0,
            nested: true,
        });
        Ok(())
    }

    /// The name of a node; one without a name gets its final name in [`Self::connect`], when all
    /// stated names are known.
    fn node_name(&mut self, stated: &str, op: &str, scope: &Scope<'_>) -> String {
        if !stated.is_empty() {
            return self
                .node_names
                .unique(&format!("{}{stated}", scope.prefix), "_");
        }
        match scope.prefix {
            "" => String::new(),
            prefix => self.node_names.unique(&format!("{prefix}{op}"), "_"),
        }
    }

    /// A `Constant` node: its output is a stored tensor.
    fn constant(
        &mut self,
        node: &proto::Node,
        bytes: &Bytes,
        scope: &Scope<'_>,
    ) -> Result<(), NetworkError> {
        let fail = |message: String| NetworkError::Node {
            node: label(node),
            op: node.op_type.clone(),
            message,
        };
        let id = match node.output.first().map(|name| scope.find(name)) {
            Some(Some(Some(id))) if node.output.len() == 1 => id,
            _ => return Err(fail("must have one output".to_owned())),
        };
        let [stated] = node.attribute.as_slice() else {
            return Err(fail("must have one attribute, its value".to_owned()));
        };
        let host = |shape: Vec<usize>, element: ElementType, data: HostData| Stored {
            shape: shape.clone(),
            element,
            payload: Payload::Held(HostTensor {
                shape,
                element,
                data,
            }),
        };
        let what = format!("constant `{}`", node.output.first().map_or("", |n| n));
        let mut place = Place {
            stored: StoredAs::Floats,
            node: self.file.range(bytes),
            nested: scope.depth > 0,
        };
        let stored = match (stated.name.as_str(), kind_of(stated)) {
            ("value", kind::TENSOR) => {
                let bytes = stated.t.clone().unwrap_or_default();
                place.stored = StoredAs::Tensor(self.file.range(&bytes));
                let tensor = proto::Tensor::decode(bytes)
                    .map_err(|e| fail(format!("its tensor is damaged: {e}")))?;
                tensor::stored(&tensor, &what, self.file).map_err(fail)?
            }
            ("value_float", kind::FLOAT) => host(
                Vec::new(),
                ElementType::F32,
                HostData::F32(vec![stated.f.unwrap_or(0.0)]),
            ),
            ("value_int", kind::INT) => host(
                Vec::new(),
                ElementType::I64,
                HostData::I64(vec![stated.i.unwrap_or(0)]),
            ),
            ("value_floats", kind::FLOATS) => host(
                vec![stated.floats.len()],
                ElementType::F32,
                HostData::F32(stated.floats.clone()),
            ),
            ("value_ints", kind::INTS) => host(
                vec![stated.ints.len()],
                ElementType::I64,
                HostData::I64(stated.ints.clone()),
            ),
            (name, _) => {
                return Err(fail(format!(
                    "attribute `{name}` is no constant fanin reads (strings and sparse tensors are \
                     not)"
                )));
            }
        };
        self.places.insert(id, place);
        self.store(id, stored, Origin::ConstantNode, &what)
    }

    /// Any other node: a call, a branch or an operation.
    fn node(
        &mut self,
        node: proto::Node,
        bytes: &Bytes,
        scope: &Scope<'_>,
    ) -> Result<(), NetworkError> {
        let domain = normal_domain(&node.domain);
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            inputs.push(match name.as_str() {
                "" => None,
                _ => scope.find(name).ok_or_else(|| {
                    self.error(format!(
                        "node `{}` ({}) reads `{name}`, which no node, input or initializer of the \
                         model provides",
                        label(&node),
                        node.op_type
                    ))
                })?,
            });
        }
        let outputs: Vec<Option<ValueId>> = node
            .output
            .iter()
            .map(|name| scope.find(name).flatten())
            .collect();
        let key = (domain, node.op_type.clone(), node.overload.clone());
        if let Some(function) = self.functions.get(&key).cloned() {
            return self.call(&key, &function, node, &inputs, &outputs, scope);
        }
        let (domain, op, _) = key;
        let name = self.node_name(&node.name, &op, scope);
        let fail = |message: String| NetworkError::Node {
            node: if name.is_empty() {
                label(&node)
            } else {
                name.clone()
            },
            op: op.clone(),
            message,
        };
        if domain.is_empty() && op == "If" {
            return self.branch(&node, &name, &inputs, &outputs, scope);
        }
        let opset = match scope.opsets.get(&domain) {
            Some(&version) => version,
            None if domain.is_empty() => {
                return Err(fail(
                    "its function does not say which operator set it uses".into(),
                ));
            }
            None => 1,
        };
        let attributes =
            attribute::attributes(&node.attribute, self.file, &mut self.memory).map_err(fail)?;
        let node = Node::new(
            name.clone(),
            domain,
            op.clone(),
            opset,
            attributes,
            inputs,
            outputs,
        )
        .map_err(fail)?;
        self.drafts.push(Draft {
            node,
            message: self.file.range(bytes),
            nested: scope.depth > 0,
        });
        Ok(())
    }

    /// Inlines a call of a model-local function.
    fn call(
        &mut self,
        key: &Key,
        function: &Bytes,
        node: proto::Node,
        inputs: &[Option<ValueId>],
        outputs: &[Option<ValueId>],
        scope: &Scope<'_>,
    ) -> Result<(), NetworkError> {
        let fail = |message: String| NetworkError::Node {
            node: label(&node),
            op: node.op_type.clone(),
            message,
        };
        if self.calls.contains(key) {
            return Err(fail(format!("function `{}` calls itself", key.1)));
        }
        let function = proto::Function::decode(function.clone())
            .map_err(|e| fail(format!("the function is damaged: {e}")))?;
        if inputs.len() > function.input.len() || outputs.len() > function.output.len() {
            return Err(fail(format!(
                "passes {} inputs and takes {} outputs, but the function has {} and {}",
                inputs.len(),
                outputs.len(),
                function.input.len(),
                function.output.len()
            )));
        }
        let mut references = References::new();
        for attribute in &function.attribute_proto {
            references.insert(attribute.name.clone(), attribute.clone());
        }
        for attribute in &node.attribute {
            references.insert(attribute.name.clone(), attribute.clone());
        }
        let mut own = opsets(&function.opset_import);
        for (domain, version) in scope.opsets {
            own.entry(domain.clone()).or_insert(*version);
        }
        check_opsets(&own).map_err(fail)?;
        let name = match self.node_name(&node.name, &node.op_type, scope) {
            // Nodes without a name are numbered by what they put out, which is unique.
            name if name.is_empty() => {
                let output = node.output.iter().find(|o| !o.is_empty());
                let wanted = output.map_or(node.op_type.as_str(), |o| o);
                self.node_names.unique(wanted, "_")
            }
            name => name,
        };
        let prefix = format!("{name}/");
        let mut names = HashMap::new();
        for (k, formal) in function.input.iter().enumerate() {
            names.insert(formal.clone(), inputs.get(k).copied().flatten());
        }
        let mut bound = HashMap::new();
        let mut again = Vec::new();
        for (k, formal) in function.output.iter().enumerate() {
            let Some(id) = outputs.get(k).copied().flatten() else {
                continue;
            };
            if names.contains_key(formal) || bound.contains_key(formal) {
                again.push((formal, id));
            } else {
                bound.insert(formal.clone(), id);
            }
        }
        let mut inner = Scope {
            parent: None,
            names,
            prefix: &prefix,
            opsets: &own,
            references: &references,
            function: Some(key),
            depth: scope.depth + 1,
        };
        self.calls.push(key.clone());
        self.body(&function.node, &mut inner, bound)?;
        self.calls.pop();
        for (formal, id) in again {
            match inner.find(formal) {
                Some(Some(source)) => self.identity(source, id, &inner)?,
                _ => {
                    return Err(fail(format!(
                        "the function returns its input `{formal}`, which the call leaves out"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Inlines the branch that an `If` with a constant condition takes.
    fn branch(
        &mut self,
        node: &proto::Node,
        name: &str,
        inputs: &[Option<ValueId>],
        outputs: &[Option<ValueId>],
        scope: &Scope<'_>,
    ) -> Result<(), NetworkError> {
        let fail = |message: String| NetworkError::Node {
            node: if name.is_empty() {
                label(node)
            } else {
                name.to_owned()
            },
            op: "If".to_owned(),
            message,
        };
        let condition = inputs.first().copied().flatten();
        let condition = condition.map(|id| &self.values[id.index()].kind);
        let taken = match condition {
            Some(ValueKind::Constant(HostTensor {
                data: HostData::Bool(v),
                ..
            })) if v.len() == 1 => v.first().copied().unwrap_or(false),
            _ => {
                return Err(fail(
                    "its condition is known only when the model runs; fanin reads models without \
                     control flow, so export it with fixed sizes or without the branch"
                        .to_owned(),
                ));
            }
        };
        self.branched = true;
        let branch = if taken { "then_branch" } else { "else_branch" };
        let graph = node.attribute.iter().find(|a| a.name == branch);
        let graph = graph
            .and_then(|a| a.g.clone())
            .ok_or_else(|| fail(format!("has no {branch}")))?;
        let graph = proto::Graph::decode(graph)
            .map_err(|e| fail(format!("its {branch} is damaged: {e}")))?;
        if graph.output.len() != outputs.len() || !graph.sparse_initializer.is_empty() {
            return Err(fail(format!(
                "its {branch} returns {} values (or holds sparse tensors) where the node has {}",
                graph.output.len(),
                outputs.len()
            )));
        }
        let prefix = match name {
            "" => {
                let output = node.output.iter().find(|o| !o.is_empty());
                let wanted = output.map_or("If", |o| o);
                format!("{}/", self.node_names.unique(wanted, "_"))
            }
            name => format!("{name}/"),
        };
        let mut inner = Scope {
            parent: Some(scope),
            names: HashMap::new(),
            prefix: &prefix,
            opsets: scope.opsets,
            references: scope.references,
            function: None,
            depth: scope.depth + 1,
        };
        self.initializers(&graph.initializer, &mut inner)?;
        let mut bound = HashMap::new();
        let mut again = Vec::new();
        for (info, id) in graph.output.iter().zip(outputs) {
            let Some(id) = *id else { continue };
            if inner.names.contains_key(&info.name) || bound.contains_key(&info.name) {
                again.push((&info.name, id));
            } else {
                bound.insert(info.name.clone(), id);
            }
        }
        self.body(&graph.node, &mut inner, bound)?;
        for (output, id) in again {
            match inner.find(output) {
                Some(Some(source)) => self.identity(source, id, &inner)?,
                _ => return Err(fail(format!("its {branch} does not provide `{output}`"))),
            }
        }
        Ok(())
    }

    /// Turns the float outputs of `ConstantOfShape` nodes whose shape the model states into stored
    /// tensors, without making their elements.
    fn constants_of_shape(&mut self) -> Result<(), NetworkError> {
        let mut kept = Vec::with_capacity(self.drafts.len());
        for draft in std::mem::take(&mut self.drafts) {
            match self.constant_of_shape(&draft.node)? {
                Some((from, id, stored)) => {
                    let value = &mut self.values[id.index()];
                    value.kind = ValueKind::Buffer(stored.payload);
                    value.origin = Origin::ConstantOfShape;
                    value.element = Some(stored.element);
                    value.shape = Some(stored.shape);
                    let place = Place {
                        stored: StoredAs::Filled(from),
                        node: draft.message,
                        nested: draft.nested,
                    };
                    self.places.insert(id, place);
                }
                None => kept.push(draft),
            }
        }
        self.drafts = kept;
        Ok(())
    }

    /// The shape input, the output and the tensor of such a node.
    fn constant_of_shape(
        &self,
        node: &Node,
    ) -> Result<Option<(ValueId, ValueId, Stored)>, NetworkError> {
        if node.op != "ConstantOfShape" || !node.domain.is_empty() {
            return Ok(None);
        }
        let (Some(Some(from)), Some(Some(id))) = (node.inputs.first(), node.outputs.first()) else {
            return Ok(None);
        };
        let ValueKind::Constant(HostTensor {
            data: HostData::I64(dims),
            ..
        }) = &self.values[from.index()].kind
        else {
            return Ok(None);
        };
        let (element, fill) = match node.attributes.get("value") {
            None => (ElementType::F32, 0.0),
            Some(Attribute::Tensor(t)) if t.element.is_float() && t.len() == 1 => {
                let fill = match &t.data {
                    HostData::F64(v) => v.first().copied(),
                    HostData::F32(v) => v.first().map(|&x| f64::from(x)),
                    _ => None,
                };
                (t.element, fill.unwrap_or(0.0))
            }
            Some(_) => return Ok(None),
        };
        let what = format!("`{}`", self.values[id.index()].name);
        let shape = tensor::shape(dims, &what).map_err(|message| NetworkError::Node {
            node: node.name.clone(),
            op: node.op.clone(),
            message,
        })?;
        let stored = Stored {
            shape,
            element,
            payload: Payload::Filled(fill),
        };
        Ok(Some((*from, *id, stored)))
    }

    /// Orders the nodes, names those without a name, and connects values to them.
    fn connect(&mut self) -> Result<(Vec<Value>, Vec<Node>), NetworkError> {
        let mut drafts = std::mem::take(&mut self.drafts);
        let mut counts: HashMap<String, usize> = HashMap::new();
        for draft in &mut drafts {
            let node = &mut draft.node;
            if node.name.is_empty() {
                let count = counts.entry(node.op.clone()).or_insert(0);
                let wanted = format!("{}_{count}", node.op);
                *count += 1;
                node.name = self.node_names.unique(&wanted, "_");
            }
        }
        let mut producer = vec![None; self.values.len()];
        for (k, draft) in drafts.iter().enumerate() {
            for id in draft.node.outputs.iter().flatten() {
                // A node's outputs are declared once each, so nothing is overwritten.
                producer[id.index()] = Some(k);
            }
        }
        let dependencies: Vec<Vec<usize>> = drafts
            .iter()
            .map(|draft| {
                let inputs = draft.node.inputs.iter().flatten();
                inputs.filter_map(|id| producer[id.index()]).collect()
            })
            .collect();
        let order = order::topological(&dependencies).map_err(|cycle| {
            let names: Vec<_> = cycle
                .iter()
                .take(8)
                .map(|&k| format!("`{}` ({})", drafts[k].node.name, drafts[k].node.op))
                .collect();
            let more = match cycle.len() - names.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            self.error(format!(
                "the graph has a cycle through {}{more}, so it cannot run; export the model again",
                names.join(", ")
            ))
        })?;
        let mut slots: Vec<Option<Node>> = drafts.into_iter().map(|d| Some(d.node)).collect();
        let nodes: Vec<Node> = order.iter().filter_map(|&k| slots[k].take()).collect();
        let mut values = std::mem::take(&mut self.values);
        for (k, node) in nodes.iter().enumerate() {
            for id in node.outputs.iter().flatten() {
                values[id.index()].producer = Some(NodeId::from(k));
            }
            for id in node.inputs.iter().flatten() {
                values[id.index()].consumers.push(NodeId::from(k));
            }
        }
        Ok((values, nodes))
    }
}

/// How to name a node in a message before it has its final name.
fn label(node: &proto::Node) -> String {
    if !node.name.is_empty() {
        return node.name.clone();
    }
    match node.output.iter().find(|output| !output.is_empty()) {
        Some(output) => format!("(output `{output}`)"),
        None => "(without a name)".to_owned(),
    }
}
