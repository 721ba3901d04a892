//! Networks built by hand.

use fanin::{Activation, Axis, Layout, Seed};
use fanin_network::{
    Attributes, ElementType, Feeds, HostTensor, Network, Node, NodeId, Origin, Parameter,
    ParameterId, Payload, Purpose, Role, Source, Value, ValueId, ValueKind,
};
use fanin_plan::{Entry, Outcome, Plan, Recipe, Request, Rules};

pub(crate) fn layout(axes: &str) -> Layout {
    let axes = axes
        .chars()
        .map(|c| match c {
            'o' => Axis::Output,
            'i' => Axis::Input,
            'f' => Axis::Field,
            's' => Axis::Stack,
            'l' => Axis::Lookup,
            other => panic!("no axis {other}"),
        })
        .collect();
    Layout {
        axes,
        groups: 1,
        stride: Vec::new(),
        transposed: false,
        fused: Vec::new(),
        sides: None,
    }
}

pub(crate) fn purpose(role: Role, feeds: Feeds) -> Purpose {
    Purpose {
        role,
        feeds,
        norm_follows: false,
        residual_branches: None,
        tied: false,
        recurrent: None,
        forget_gate: None,
        node: "node".to_owned(),
        because: String::new(),
    }
}

pub(crate) fn relu() -> Feeds {
    Feeds::Activation(Activation::Relu)
}

pub(crate) fn gelu() -> Feeds {
    Feeds::Activation(Activation::Gelu)
}

/// A graph under construction.
pub(crate) struct Graph {
    pub(crate) network: Network,
}

impl Graph {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            network: Network {
                name: name.to_owned(),
                source: Source::Architecture(name.to_owned()),
                digest: "00ff".to_owned(),
                values: Vec::new(),
                nodes: Vec::new(),
                parameters: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
            },
        }
    }

    fn value(&mut self, name: &str, kind: ValueKind, producer: Option<NodeId>) -> ValueId {
        let id = ValueId::from(self.network.values.len());
        self.network.values.push(Value {
            name: name.to_owned(),
            kind,
            origin: Origin::Made,
            element: Some(ElementType::F32),
            shape: None,
            producer,
            consumers: Vec::new(),
        });
        id
    }

    pub(crate) fn input(&mut self, name: &str) -> ValueId {
        let id = self.value(name, ValueKind::Input, None);
        self.network.inputs.push(id);
        id
    }

    pub(crate) fn constant(&mut self, value: f32) -> ValueId {
        let tensor = HostTensor::f32(vec![], vec![value]).unwrap();
        self.value("constant", ValueKind::Constant(tensor), None)
    }

    pub(crate) fn parameter(
        &mut self,
        name: &str,
        shape: &[usize],
        layout: Layout,
        purpose: Purpose,
    ) -> ValueId {
        let id = ParameterId::from(self.network.parameters.len());
        let value = self.value(name, ValueKind::Parameter(id), None);
        self.network.parameters.push(Parameter {
            name: name.to_owned(),
            aliases: Vec::new(),
            value,
            element: ElementType::F32,
            shape: shape.to_vec(),
            payload: Payload::Absent,
            layout,
            purpose,
        });
        value
    }

    pub(crate) fn node(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        let id = NodeId::from(self.network.nodes.len());
        for input in inputs {
            self.network.values[input.index()].consumers.push(id);
        }
        let output = self.value(&format!("{op}_{}", id.0), ValueKind::Computed, Some(id));
        let name = format!("{op}_{}", id.0);
        let inputs = inputs.iter().copied().map(Some).collect();
        let attributes = Attributes::default();
        let node = Node::new(name, "", op, 18, attributes, inputs, vec![Some(output)]).unwrap();
        self.network.nodes.push(node);
        output
    }

    /// A linear layer `[output, input]` with bias.
    pub(crate) fn linear(
        &mut self,
        name: &str,
        from: ValueId,
        shape: [usize; 2],
        feeds: Feeds,
    ) -> ValueId {
        let weight = self.parameter(
            &format!("{name}.weight"),
            &shape,
            layout("oi"),
            purpose(Role::Weight, feeds),
        );
        let bias = self.parameter(
            &format!("{name}.bias"),
            &shape[..1],
            layout("o"),
            purpose(Role::Bias, feeds),
        );
        self.node("Gemm", &[from, weight, bias])
    }

    pub(crate) fn last(&mut self) -> &mut Parameter {
        self.network.parameters.last_mut().unwrap()
    }
}

/// One parameter alone.
pub(crate) fn single(shape: &[usize], layout: Layout, purpose: Purpose) -> Network {
    let mut graph = Graph::new("single");
    graph.parameter("p", shape, layout, purpose);
    graph.network
}

pub(crate) fn plan(network: &Network, recipe: Recipe) -> Plan {
    outcome(network, recipe, Rules::default()).plan
}

pub(crate) fn outcome(network: &Network, recipe: Recipe, rules: Rules) -> Outcome {
    let request = Request {
        recipe,
        rules,
        ..Request::new(Seed::new(0))
    };
    fanin_plan::plan(network, &request).unwrap()
}

/// What a lone parameter gets from a recipe.
pub(crate) fn entry(network: &Network, recipe: Recipe) -> Entry {
    plan(network, recipe).entries.swap_remove(0)
}

/// A small convolutional network with a residual block, a head, and formats of every kind of axis.
pub(crate) fn small() -> Network {
    let mut graph = Graph::new("small");
    let x = graph.input("x");
    let mut through = relu();
    let stem = graph.parameter(
        "stem.weight",
        &[8, 3, 3, 3],
        layout("oiff"),
        Purpose {
            norm_follows: true,
            because: "feeds relu through batch norm".to_owned(),
            ..purpose(Role::Weight, through)
        },
    );
    let y = graph.node("Conv", &[x, stem]);
    let scale = graph.parameter(
        "norm.weight",
        &[8],
        layout("o"),
        purpose(Role::NormScale, through),
    );
    let shift = graph.parameter(
        "norm.bias",
        &[8],
        layout("o"),
        purpose(Role::NormShift, through),
    );
    let y = graph.node("BatchNormalization", &[y, scale, shift]);
    let stream = graph.node("Relu", &[y]);
    through = Feeds::Linear;
    let branch = graph.parameter(
        "block.weight",
        &[8, 1, 3, 3],
        Layout {
            groups: 8,
            ..layout("oiff")
        },
        Purpose {
            residual_branches: Some(4),
            because: "ends a residual branch".to_owned(),
            ..purpose(Role::Weight, through)
        },
    );
    let y = graph.node("Conv", &[stream, branch]);
    let y = graph.node("Add", &[y, stream]);
    let y = graph.node("GlobalAveragePool", &[y]);
    let y = graph.node("Flatten", &[y]);
    let head = graph.parameter(
        "head.weight",
        &[10, 8],
        layout("oi"),
        purpose(Role::OutputHead, Feeds::Linear),
    );
    let bias = graph.parameter(
        "head.bias",
        &[10],
        layout("o"),
        purpose(Role::Bias, Feeds::Linear),
    );
    let y = graph.node("Gemm", &[y, head, bias]);
    graph.network.outputs.push(y);
    graph.network
}
