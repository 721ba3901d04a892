//! Networks built by hand, and dense networks run in plain loops.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    unreachable_pub,
    reason = "a module of test binaries, not of a library"
)]

pub mod study;

use fanin::Layout;
use fanin_network::{
    Attribute, Attributes, ElementType, Feeds, HostTensor, Network, Node, NodeId, Origin,
    Parameter, ParameterId, Payload, Purpose, Role, Source, Value, ValueId, ValueKind,
};
use fanin_theory::{Band, Measured, Moments, Prediction, predict};

/// A network under construction, with the measurements a prediction starts from.
pub struct Builder {
    pub network: Network,
    pub measured: Measured,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    pub fn new() -> Self {
        Self {
            network: Network {
                name: String::new(),
                source: Source::Architecture("test".to_owned()),
                digest: String::new(),
                values: Vec::new(),
                nodes: Vec::new(),
                parameters: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
            },
            measured: Measured::default(),
        }
    }

    fn value(&mut self, name: &str, kind: ValueKind, shape: &[usize]) -> ValueId {
        let id = ValueId::from(self.network.values.len());
        self.network.values.push(Value {
            name: name.to_owned(),
            kind,
            origin: Origin::Made,
            element: Some(ElementType::F32),
            shape: Some(shape.to_vec()),
            producer: None,
            consumers: Vec::new(),
        });
        id
    }

    pub fn input(&mut self, name: &str, shape: &[usize], rms: f64) -> ValueId {
        let id = self.value(name, ValueKind::Input, shape);
        self.network.inputs.push(id);
        self.measured
            .values
            .insert(name.to_owned(), Moments::new(0.0, rms));
        id
    }

    pub fn parameter(&mut self, name: &str, shape: &[usize], mean: f64, rms: f64) -> ValueId {
        let index = ParameterId::from(self.network.parameters.len());
        let id = self.value(name, ValueKind::Parameter(index), shape);
        self.network.parameters.push(Parameter {
            name: name.to_owned(),
            aliases: Vec::new(),
            value: id,
            element: ElementType::F32,
            shape: shape.to_vec(),
            payload: Payload::Absent,
            layout: Layout::vector(),
            purpose: Purpose {
                role: Role::Weight,
                feeds: Feeds::Linear,
                norm_follows: false,
                residual_branches: None,
                tied: false,
                recurrent: None,
                forget_gate: None,
                node: String::new(),
                because: String::new(),
            },
        });
        self.measured
            .parameters
            .insert(name.to_owned(), Moments::new(mean, rms));
        id
    }

    pub fn scalar(&mut self, name: &str, value: f32) -> ValueId {
        let tensor = HostTensor::f32(Vec::new(), vec![value]).unwrap();
        self.value(name, ValueKind::Constant(tensor), &[])
    }

    /// A node with one output of the node's name.
    pub fn node(&mut self, name: &str, op: &str, inputs: &[ValueId], shape: &[usize]) -> ValueId {
        self.node_with(name, op, Attributes::default(), inputs, shape)
    }

    pub fn node_with(
        &mut self,
        name: &str,
        op: &str,
        attributes: Attributes,
        inputs: &[ValueId],
        shape: &[usize],
    ) -> ValueId {
        let output = self.value(name, ValueKind::Computed, shape);
        let id = NodeId::from(self.network.nodes.len());
        self.network.values[output.index()].producer = Some(id);
        for input in inputs {
            self.network.values[input.index()].consumers.push(id);
        }
        let inputs = inputs.iter().copied().map(Some).collect();
        let node = Node::new(name, "", op, 20, attributes, inputs, vec![Some(output)]).unwrap();
        self.network.nodes.push(node);
        output
    }

    /// A dense layer [m, n] -> [m, k] with weights of this rms and, if positive, biases.
    pub fn dense(&mut self, name: &str, x: ValueId, units: usize, rms: f64, bias: f64) -> ValueId {
        let shape = self.network.value(x).shape.clone().unwrap();
        let weight = self.parameter(&format!("{name}.weight"), &[units, shape[1]], 0.0, rms);
        let mut inputs = vec![x, weight];
        if bias > 0.0 {
            inputs.push(self.parameter(&format!("{name}.bias"), &[units], 0.0, bias));
        }
        let attributes = Attributes::default().set("transB", Attribute::Int(1));
        self.node_with(name, "Gemm", attributes, &inputs, &[shape[0], units])
    }

    pub fn like(&mut self, name: &str, op: &str, inputs: &[ValueId]) -> ValueId {
        let shape = self.network.value(inputs[0]).shape.clone().unwrap();
        self.node(name, op, inputs, &shape)
    }

    /// States a measurement of a value, for operations without a rule.
    pub fn measure(&mut self, value: ValueId, mean: f64, rms: f64, cosine: Option<f64>) {
        let name = self.network.value(value).name.clone();
        let sample_cosine = cosine;
        self.measured.values.insert(
            name,
            Moments {
                mean,
                rms,
                sample_cosine,
            },
        );
    }

    /// Ends the network at `output` with a gradient of this rms.
    pub fn end(&mut self, output: ValueId, gradient: f64) {
        self.network.outputs.push(output);
        let name = self.network.value(output).name.clone();
        self.measured.gradients.insert(name.clone(), gradient);
        self.measured.output = Some(name);
    }

    pub fn predict(&self) -> Prediction {
        predict(&self.network, &self.measured)
    }
}

/// The forward band of a value.
pub fn forward(prediction: &Prediction, value: &str) -> Band {
    expected(prediction, value).forward.unwrap()
}

/// The backward band of a value.
pub fn backward(prediction: &Prediction, value: &str) -> Band {
    expected(prediction, value).backward.unwrap()
}

pub fn expected<'a>(prediction: &'a Prediction, value: &str) -> &'a fanin_theory::Expected {
    let found = prediction
        .values
        .iter()
        .find(|expected| expected.value == value);
    found.unwrap_or_else(|| panic!("no expectation of `{value}`"))
}

/// Reproducible standard normal numbers for simulations (SplitMix64 and Box-Muller).
pub struct Normal(pub u64);

impl Normal {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub fn next(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }

    pub fn matrix(&mut self, rows: usize, columns: usize, std: f64) -> Vec<Vec<f64>> {
        (0..rows)
            .map(|_| (0..columns).map(|_| std * self.next()).collect())
            .collect()
    }
}

pub fn rms(rows: &[Vec<f64>]) -> f64 {
    let n: usize = rows.iter().map(Vec::len).sum();
    let sum: f64 = rows.iter().flatten().map(|x| x * x).sum();
    (sum / n as f64).sqrt()
}

/// Rows times the transpose of a weight [units, features].
pub fn times_transposed(x: &[Vec<f64>], w: &[Vec<f64>]) -> Vec<Vec<f64>> {
    x.iter()
        .map(|row| {
            let dot = |unit: &Vec<f64>| unit.iter().zip(row).map(|(a, b)| a * b).sum();
            w.iter().map(dot).collect()
        })
        .collect()
}

/// Rows times a weight [units, features].
pub fn times(x: &[Vec<f64>], w: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let features = w[0].len();
    x.iter()
        .map(|row| {
            (0..features)
                .map(|f| row.iter().zip(w).map(|(d, unit)| d * unit[f]).sum())
                .collect()
        })
        .collect()
}
