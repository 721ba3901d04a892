//! Layers on small graphs: what lies between a stored tensor and its product, and what belongs to a layer.

use fanin::Activation;

use super::*;
use crate::architecture::builder::{Builder, none};
use crate::{Attribute, Attributes, Dims, ElementType, HostTensor};

/// Builds a graph, infers its shapes, assigns roles, finds its layers.
fn layers(build: impl FnOnce(&mut Builder<'_>) -> ValueId) -> (Network, Layers) {
    let dims = Dims::default();
    let mut builder = Builder::new("test", &dims);
    let output = build(&mut builder);
    builder.output(output);
    let mut network = builder.finish();
    crate::infer::infer_and_fold(&mut network).unwrap();
    crate::role::assign(&mut network).unwrap();
    let layers = Layers::of(&network);
    (network, layers)
}

fn op(b: &mut Builder<'_>, op: &str, inputs: &[ValueId]) -> ValueId {
    with(b, op, inputs, none())
}

fn with(b: &mut Builder<'_>, op: &str, inputs: &[ValueId], attributes: Attributes) -> ValueId {
    let name = format!("{op}_{}_{}", inputs[0].0, inputs.last().unwrap().0);
    b.node(&name, op, inputs, attributes)
}

fn input(b: &mut Builder<'_>, shape: &[usize]) -> ValueId {
    b.input("input", ElementType::F32, shape.to_vec()).unwrap()
}

fn axis(axis: i64) -> Attributes {
    none().set("axis", Attribute::Int(axis))
}

/// x · W, W `[input, output]`.
fn dense(b: &mut Builder<'_>, name: &str, x: ValueId, sizes: [usize; 2]) -> ValueId {
    let weight = b.parameter(name, &sizes).unwrap();
    op(b, "MatMul", &[x, weight])
}

fn main_of<'a>(network: &'a Network, layer: &'a Layer) -> (&'a str, &'a LayerWeight) {
    let weight = layer.weight().unwrap();
    (&network.parameter(weight.parameter).name, weight)
}

fn fans(weight: &LayerWeight) -> (f64, f64) {
    let fans = weight.fans.unwrap();
    (fans.fan_in, fans.fan_out)
}

#[test]
fn the_matrices_of_a_stack_are_layers_of_their_own() {
    let (network, layers) = layers(|b| {
        let mut x = input(b, &[4, 6]);
        let stack = b.parameter("stack", &[3, 6, 6]).unwrap();
        for k in 0..3 {
            let index = b.held(HostTensor::i64(vec![], vec![k])).unwrap();
            let w = b.node(&format!("pick_{k}"), "Gather", &[stack, index], axis(0));
            x = op(b, "MatMul", &[x, w]);
            x = op(b, "Relu", &[x]);
        }
        dense(b, "head", x, [6, 2])
    });
    assert_eq!(layers.len(), 4);
    for (k, layer) in layers.iter().take(3).enumerate() {
        let (name, weight) = main_of(&network, layer);
        assert_eq!((name, layer.kind), ("stack", LayerKind::Product));
        assert_eq!(weight.part, [k..k + 1, 0..6, 0..6]);
        assert_eq!(fans(weight), (6.0, 6.0));
        assert_eq!(layer.activation.map(|(a, _)| a), Some(Activation::Relu));
        assert_eq!(layer.in_a_row, 4);
        assert!(layer.on_main_path);
        let reads = match k {
            0 => Reads::Unit,
            _ => Reads::Activation(Activation::Relu),
        };
        assert_eq!(layer.reads, reads);
    }
    assert_eq!(layers.using(ParameterId(0)).count(), 3);
    let purpose = &network.parameters[0].purpose;
    assert_eq!((purpose.role, purpose.tied), (Role::Weight, false));
}

#[test]
fn an_expert_that_a_router_picks_is_the_weight_of_its_product() {
    let (network, layers) = layers(|b| {
        let x = input(b, &[4, 1, 6]);
        let chosen = b.input("chosen", ElementType::I64, vec![4]).unwrap();
        let experts = b.parameter("experts", &[3, 6, 8]).unwrap();
        let w = with(b, "Gather", &[experts, chosen], axis(0));
        let y = op(b, "MatMul", &[x, w]);
        let y = op(b, "Relu", &[y]);
        dense(b, "head", y, [8, 2])
    });
    let layer = layers.iter().next().unwrap();
    let (name, weight) = main_of(&network, layer);
    assert_eq!((name, layer.kind), ("experts", LayerKind::Product));
    assert_eq!(fans(weight), (6.0, 8.0));
    assert_eq!(network.parameters[0].purpose.role, Role::Weight);
    assert_eq!(network.parameters[0].layout.axes[0], fanin::Axis::Stack);
}

#[test]
fn a_weight_norm_has_a_direction_and_lengths() {
    let (network, layers) = layers(|b| {
        let x = input(b, &[4, 6]);
        let v = b.parameter("v", &[8, 6]).unwrap();
        let g = b.parameter("g", &[8, 1]).unwrap();
        let one = b.integers(&[1]).unwrap();
        let length = op(b, "ReduceL2", &[v, one]);
        let unit = op(b, "Div", &[v, length]);
        let w = op(b, "Mul", &[g, unit]);
        let transposed = none().set("transB", Attribute::Int(1));
        let y = with(b, "Gemm", &[x, w], transposed);
        let y = op(b, "Relu", &[y]);
        dense(b, "head", y, [8, 2])
    });
    let layer = layers.iter().next().unwrap();
    let (name, weight) = main_of(&network, layer);
    assert_eq!((name, weight.role), ("v", Role::Weight));
    assert!(weight.scale_free);
    assert_eq!(fans(weight), (6.0, 8.0));
    let lengths = &layer.weights[1];
    assert_eq!(lengths.role, Role::WeightScale);
    assert!(!lengths.scale_free);
}

#[test]
fn a_low_rank_pair_belongs_to_the_weight_it_is_added_to() {
    let (network, layers) = layers(|b| {
        let x = input(b, &[4, 6]);
        let w = b.parameter("w", &[8, 6]).unwrap();
        let up = b.parameter("up", &[8, 2]).unwrap();
        let down = b.parameter("down", &[2, 6]).unwrap();
        let pair = op(b, "MatMul", &[up, down]);
        let half = b.float(0.5).unwrap();
        let pair = op(b, "Mul", &[pair, half]);
        let w = op(b, "Add", &[w, pair]);
        let w = op(b, "Transpose", &[w]);
        op(b, "MatMul", &[x, w])
    });
    let layer = layers.iter().next().unwrap();
    let roles: Vec<(&str, Role)> = layer
        .weights
        .iter()
        .map(|w| (&*network.parameter(w.parameter).name, w.role))
        .collect();
    assert_eq!(
        roles,
        [
            ("w", Role::OutputHead),
            ("up", Role::LowRankUp),
            ("down", Role::LowRankDown)
        ]
    );
    assert_eq!(fans(&layer.weights[1]), (2.0, 8.0));
    assert_eq!(fans(&layer.weights[2]), (6.0, 2.0));
}

#[test]
fn parts_that_are_joined_have_the_fans_of_the_whole() {
    let (network, layers) = layers(|b| {
        let x = input(b, &[4, 6]);
        let left = b.parameter("left", &[8, 2]).unwrap();
        let right = b.parameter("right", &[8, 4]).unwrap();
        let w = with(b, "Concat", &[left, right], axis(1));
        let quarter = b.float(0.25).unwrap();
        let w = op(b, "Mul", &[w, quarter]);
        let transposed = none().set("transB", Attribute::Int(1));
        let y = with(b, "Gemm", &[x, w], transposed);
        let y = op(b, "Tanh", &[y]);
        dense(b, "head", y, [8, 2])
    });
    let layer = layers.iter().next().unwrap();
    assert_eq!(layer.weights.len(), 2);
    for weight in &layer.weights {
        assert_eq!(fans(weight), (6.0, 8.0));
        assert_eq!(weight.factor, 0.25);
    }
    assert_eq!(network.parameters[0].layout.sides, Some([6, 8]));
}

#[test]
fn bias_norm_and_branch_belong_to_their_layer() {
    let (network, layers) = layers(|b| {
        let x = input(b, &[4, 6]);
        let x = dense(b, "stem", x, [6, 6]);
        let y = op(b, "Relu", &[x]);
        let y = dense(b, "first", y, [6, 8]);
        let bias = b.parameter("bias", &[8]).unwrap();
        let y = op(b, "Add", &[y, bias]);
        let y = op(b, "Relu", &[y]);
        let y = dense(b, "last", y, [8, 6]);
        let x = op(b, "Add", &[y, x]);
        dense(b, "head", x, [6, 2])
    });
    let named = |name: &str| {
        let mut all = layers.iter();
        all.find(|layer| main_of(&network, layer).0 == name)
            .unwrap()
    };
    let bias = network.parameters.iter().position(|p| p.name == "bias");
    let bias = ParameterId::from(bias.unwrap());
    assert_eq!(named("first").bias, Some(bias));
    assert_eq!(layers.of_bias(bias), Some(named("first")));
    assert_eq!(named("last").branches, Some(1));
    assert!(named("stem").on_main_path && named("head").on_main_path);
    assert!(!named("first").on_main_path && !named("last").on_main_path);
}
