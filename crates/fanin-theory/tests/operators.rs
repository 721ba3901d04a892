//! Rules of single operators against runs of networks with random weights, and fused operators
//! against the plain ones that they are made of.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod common;

use common::study::study;
use common::{Builder, Normal, backward, forward};
use fanin_network::{
    Attribute, Attributes, ElementType, HostData, HostTensor, Node, Operator, Origin, ValueId,
    ValueKind, operator,
};
use fanin_theory::supports;

fn int(i: i64) -> Attribute {
    Attribute::Int(i)
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

fn with(list: &[(&str, Attribute)]) -> Attributes {
    list.iter()
        .fold(Attributes::default(), |all, (name, value)| {
            all.set(name, value.clone())
        })
}

fn constant(builder: &mut Builder, name: &str, tensor: HostTensor) -> ValueId {
    let shape = tensor.shape.clone();
    let id = builder.scalar(name, 0.0);
    let value = &mut builder.network.values[id.index()];
    value.kind = ValueKind::Constant(tensor);
    value.origin = Origin::Made;
    value.shape = Some(shape);
    id
}

fn integers(builder: &mut Builder, name: &str, list: &[i64]) -> ValueId {
    let tensor = HostTensor::i64(vec![list.len()], list.to_vec()).unwrap();
    constant(builder, name, tensor)
}

/// Makes the last node one of onnxruntime's, of these inputs.
fn microsoft(
    builder: &mut Builder,
    op: &str,
    attributes: Attributes,
    inputs: Vec<Option<ValueId>>,
) {
    let node = builder.network.nodes.last_mut().unwrap();
    let (name, outputs) = (node.name.clone(), node.outputs.clone());
    *node = Node::new(name, "com.microsoft", op, 1, attributes, inputs, outputs).unwrap();
}

/// [sample, feature] or [sample, place, feature] times a weight of its own.
fn product(builder: &mut Builder, name: &str, x: ValueId, units: usize, gain: f64) -> ValueId {
    let mut shape = builder.network.value(x).shape.clone().unwrap();
    let features = *shape.last().unwrap();
    let rms = gain / (features as f64).sqrt();
    let w = builder.parameter(&format!("{name}.weight"), &[features, units], 0.0, rms);
    *shape.last_mut().unwrap() = units;
    builder.node(name, "MatMul", &[x, w], &shape)
}

fn conv(builder: &mut Builder, name: &str, x: ValueId, units: usize) -> ValueId {
    let shape = builder.network.value(x).shape.clone().unwrap();
    let rms = (2.0 / (9 * shape[1]) as f64).sqrt();
    let weight = builder.parameter(
        &format!("{name}.weight"),
        &[units, shape[1], 3, 3],
        0.0,
        rms,
    );
    let pads = with(&[("pads", ints(&[1; 4]))]);
    let out = [shape[0], units, shape[2], shape[3]];
    builder.node_with(name, "Conv", pads, &[x, weight], &out)
}

#[test]
fn reductions_over_units() {
    for op in [
        "ReduceSum",
        "ReduceMean",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceLogSumExp",
    ] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[12, 90], 1.0);
        let x = product(&mut builder, "dense", x, 240, 0.8);
        let axes = integers(&mut builder, "axes", &[1]);
        let x = builder.node("reduced", op, &[x, axes], &[12, 1]);
        builder.end(x, 1.0);
        let study = study(&builder, 60);
        study.forward("reduced", 0.01);
        study.backward("dense", 0.01);
    }
}

#[test]
fn reductions_of_activations_over_units() {
    for op in ["ReduceL1", "ReduceL2", "ReduceSumSquare"] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[12, 90], 1.0);
        let x = product(&mut builder, "dense", x, 240, 0.8);
        let x = builder.like("relu", "Relu", &[x]);
        let axes = integers(&mut builder, "axes", &[1]);
        let x = builder.node("reduced", op, &[x, axes], &[12, 1]);
        builder.end(x, 1.0);
        let study = study(&builder, 40);
        study.forward("reduced", 0.02);
    }
}

/// Norms written out as exporters do.
#[test]
fn norms_spelled_out() {
    for centred in [false, true] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[6, 5, 80], 1.0);
        let x = product(&mut builder, "before", x, 200, 3.0);
        let whole = [6, 5, 200];
        let one = [6, 5, 1];
        let axes = integers(&mut builder, "axes", &[2]);
        let x = if centred {
            let mean = builder.node("mean", "ReduceMean", &[x, axes], &one);
            builder.node("centred", "Sub", &[x, mean], &whole)
        } else {
            x
        };
        let two = builder.scalar("two", 2.0);
        let squares = builder.node("squares", "Pow", &[x, two], &whole);
        let variance = builder.node("variance", "ReduceMean", &[squares, axes], &one);
        let epsilon = builder.scalar("epsilon", 1e-5);
        let sum = builder.node("sum", "Add", &[variance, epsilon], &one);
        let root = builder.node("root", "Sqrt", &[sum], &one);
        let x = if centred {
            builder.node("normed", "Div", &[x, root], &whole)
        } else {
            let inverse = builder.node("inverse", "Reciprocal", &[root], &one);
            builder.node("normed", "Mul", &[x, inverse], &whole)
        };
        let scale = builder.parameter("scale", &[200], 1.0, 1.0);
        let x = builder.node("scaled", "Mul", &[x, scale], &whole);
        let x = product(&mut builder, "after", x, 100, 1.0);
        builder.end(x, 1.0);
        let study = study(&builder, 24);
        study.forward("normed", 0.01);
        study.forward("after", 0.01);
        study.cosine("after", 0.02);
        study.backward("normed", 0.02);
        study.backward("before", 0.03);
    }
}

#[test]
fn the_mean_of_branches() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[16, 80], 1.0);
    let a = product(&mut builder, "a", x, 120, 1.0);
    let b = product(&mut builder, "b", x, 120, 2.0);
    let c = product(&mut builder, "c", x, 120, 0.5);
    let c = builder.like("relu", "Relu", &[c]);
    let x = builder.like("mean", "Mean", &[a, b, c]);
    let x = product(&mut builder, "after", x, 60, 1.0);
    builder.end(x, 1.0);
    let study = study(&builder, 40);
    study.forward("mean", 0.01);
    study.cosine("mean", 0.01);
    study.backward("a", 0.01);
    study.backward("relu", 0.01);
}

#[test]
fn log_probabilities_of_classes() {
    for (classes, gain) in [(10, 0.5), (100, 1.5)] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[16, 80], 1.0);
        let x = product(&mut builder, "hidden", x, 150, 1.4);
        let x = builder.like("relu", "Relu", &[x]);
        let x = product(&mut builder, "logits", x, classes, gain);
        let last = with(&[("axis", int(-1))]);
        let x = builder.node_with("log", "LogSoftmax", last, &[x], &[16, classes]);
        builder.end(x, 1.0);
        let study = study(&builder, 40);
        study.forward("log", 0.02);
        study.backward("logits", 0.02);
    }
}

#[test]
fn running_sums() {
    for reverse in [0, 1] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[8, 12, 60], 1.0);
        let x = product(&mut builder, "before", x, 100, 1.0);
        let x = builder.like("relu", "Relu", &[x]);
        let axis = integers(&mut builder, "axis", &[1]);
        let attributes = with(&[("reverse", int(reverse))]);
        let shape = [8, 12, 100];
        let x = builder.node_with("summed", "CumSum", attributes, &[x, axis], &shape);
        let x = product(&mut builder, "after", x, 80, 1.0);
        let axes = integers(&mut builder, "axes", &[1]);
        let keep = with(&[("keepdims", int(0))]);
        let x = builder.node_with("mean", "ReduceMean", keep, &[x, axes], &[8, 80]);
        builder.end(x, 1.0);
        let study = study(&builder, 40);
        study.forward("summed", 0.02);
        study.forward("after", 0.02);
        study.forward("mean", 0.02);
        study.cosine("after", 0.02);
        study.backward("relu", 0.04);
    }
}

#[test]
fn norms_without_weights() {
    let spatial = ints(&[2, 3]);
    for (name, op, attributes) in [
        (
            "response",
            "LRN",
            with(&[("size", int(5)), ("alpha", Attribute::Float(0.1))]),
        ),
        ("batch", "MeanVarianceNormalization", Attributes::default()),
        (
            "instance",
            "MeanVarianceNormalization",
            with(&[("axes", spatial)]),
        ),
        ("length", "LpNormalization", with(&[("axis", int(1))])),
        (
            "sizes",
            "LpNormalization",
            with(&[("axis", int(1)), ("p", int(1))]),
        ),
    ] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[8, 5, 9, 9], 1.0);
        let x = conv(&mut builder, "conv0", x, 60);
        let shape = [8, 60, 9, 9];
        let x = builder.node_with(name, op, attributes, &[x], &shape);
        let x = builder.like("relu", "Relu", &[x]);
        let x = conv(&mut builder, "conv1", x, 50);
        builder.end(x, 1.0);
        let study = study(&builder, 24);
        study.forward(name, 0.02);
        study.forward("conv1", 0.03);
        study.backward(name, 0.02);
        study.backward("conv0", 0.06);
    }
}

#[test]
fn rounding_to_a_grid_and_back() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[16, 80], 1.0);
    let x = product(&mut builder, "dense", x, 60, 1.0);
    // Unsigned, so that the lower part is cut off.
    let (step, zero) = (0.25f64, 3.0);
    let scale = builder.scalar("scale", step as f32);
    let zero_point = builder.scalar("zero", zero as f32);
    builder.network.values[zero_point.index()].element = Some(ElementType::U8);
    let q = builder.like("grid", "QuantizeLinear", &[x, scale, zero_point]);
    let y = builder.like("back", "DequantizeLinear", &[q, scale, zero_point]);
    builder.end(y, 1.0);
    let prediction = builder.predict();
    let mut normal = Normal(11);
    let (mut on_grid, mut back, mut passed) = (0.0, 0.0, 0.0);
    let draws = 200_000;
    for _ in 0..draws {
        let shifted = (normal.next() / step).round() + zero;
        let rounded = shifted.max(0.0);
        on_grid += rounded * rounded;
        back += ((rounded - zero) * step).powi(2);
        passed += f64::from(u8::from(shifted >= 0.0));
    }
    let rms = |sum: f64| (sum / f64::from(draws)).sqrt();
    assert!((forward(&prediction, "grid").rms / rms(on_grid) - 1.0).abs() < 5e-3);
    assert!((forward(&prediction, "back").rms / rms(back) - 1.0).abs() < 5e-3);
    assert!((backward(&prediction, "dense").rms / rms(passed) - 1.0).abs() < 0.02);
}

/// Tokens with a part in common, their projections, and how attention takes them.
struct Tokens {
    builder: Builder,
    parts: [ValueId; 3],
}

const BATCH: usize = 8;
const HEADS: usize = 4;

fn tokens(places: usize, width: usize, gain: f64) -> Tokens {
    let mut builder = Builder::new();
    let x = builder.input("x", &[BATCH, places, width], 1.0);
    let x = product(&mut builder, "stem", x, width, 1.0);
    let q = product(&mut builder, "q", x, width, gain);
    let k = product(&mut builder, "k", x, width, 1.0);
    let v = product(&mut builder, "v", x, width, 1.0);
    Tokens {
        builder,
        parts: [q, k, v],
    }
}

fn attention(places: usize, width: usize, gain: f64, more: &[(&str, Attribute)]) -> Builder {
    let mut tokens = tokens(places, width, gain);
    let mut attributes = with(&[
        ("q_num_heads", int(HEADS as i64)),
        ("kv_num_heads", int(HEADS as i64)),
    ]);
    for (name, value) in more {
        attributes = attributes.set(name, value.clone());
    }
    let shape = [BATCH, places, width];
    let y = tokens
        .builder
        .node_with("mixed", "Attention", attributes, &tokens.parts, &shape);
    let y = product(&mut tokens.builder, "out", y, width, 1.0);
    tokens.builder.end(y, 1.0);
    tokens.builder
}

#[test]
fn attention_in_one_operator() {
    for (places, width, gain, more) in [
        (24, 96, 0.8, vec![]),
        (20, 80, 0.7, vec![("is_causal", int(1))]),
        (24, 96, 0.7, vec![("softcap", Attribute::Float(3.0))]),
        (
            28,
            96,
            0.8,
            vec![("left_window_size", int(5)), ("right_window_size", int(5))],
        ),
    ] {
        let builder = attention(places, width, gain, &more);
        let study = study(&builder, 16);
        let uneven = if more.is_empty() || more[0].0 == "softcap" {
            1.0
        } else {
            2.5
        };
        study.forward("mixed", 0.04);
        study.forward("out", 0.04);
        for (value, tolerance) in [("mixed", 0.03), ("v", 0.05), ("q", 0.08), ("k", 0.08)] {
            study.backward(value, uneven * tolerance);
        }
        study.backward("stem", 0.06);
    }
}

#[test]
fn fewer_key_heads_than_query_heads() {
    let (places, width, heads, key_heads) = (20, 96, 6, 2);
    let head = width / heads;
    let mut builder = Builder::new();
    let x = builder.input("x", &[BATCH, places, width], 1.0);
    let x = product(&mut builder, "stem", x, width, 1.0);
    let q = product(&mut builder, "q", x, width, 0.7);
    let k = product(&mut builder, "k", x, key_heads * head, 1.0);
    let v = product(&mut builder, "v", x, key_heads * head, 1.0);
    let attributes = with(&[
        ("q_num_heads", int(heads as i64)),
        ("kv_num_heads", int(key_heads as i64)),
    ]);
    let shape = [BATCH, places, width];
    let y = builder.node_with("mixed", "Attention", attributes, &[q, k, v], &shape);
    let y = product(&mut builder, "out", y, width, 1.0);
    builder.end(y, 1.0);
    let study = study(&builder, 24);
    study.forward("mixed", 0.05);
    for (value, tolerance) in [("v", 0.05), ("q", 0.08), ("k", 0.1), ("stem", 0.06)] {
        study.backward(value, tolerance);
    }
}

#[test]
fn attention_by_equations() {
    let (places, width) = (22, 96);
    let mut tokens = tokens(places, width, 0.8);
    let builder = &mut tokens.builder;
    let head = width / HEADS;
    let apart = [BATCH, places, HEADS, head];
    let mut parts = Vec::new();
    for (part, name) in tokens.parts.iter().zip(["q4", "k4", "v4"]) {
        let sizes = [0, 0, HEADS as i64, head as i64];
        let sizes = integers(builder, &format!("{name}.sizes"), &sizes);
        parts.push(builder.node(name, "Reshape", &[*part, sizes], &apart));
    }
    let square = [BATCH, HEADS, places, places];
    let equation = |text: &str| with(&[("equation", Attribute::String(text.to_owned()))]);
    let scores = builder.node_with(
        "scores",
        "Einsum",
        equation("bqhd,bkhd->bhqk"),
        &[parts[0], parts[1]],
        &square,
    );
    let root = builder.scalar("root", (head as f32).sqrt());
    let scores = builder.node("scaled", "Div", &[scores, root], &square);
    let last = with(&[("axis", int(-1))]);
    let p = builder.node_with("softmax", "Softmax", last, &[scores], &square);
    let mixed = builder.node_with(
        "mixed",
        "Einsum",
        equation("bhqk,bkhd->bqhd"),
        &[p, parts[2]],
        &apart,
    );
    builder.end(mixed, 1.0);
    let study = study(builder, 16);
    study.forward("scores", 0.04);
    study.forward("softmax", 0.04);
    study.forward("mixed", 0.04);
    for (value, tolerance) in [("v", 0.05), ("scores", 0.06), ("q", 0.08), ("k", 0.08)] {
        study.backward(value, tolerance);
    }
}

/// One prediction at the values of these names, forward and backward.
#[track_caller]
fn same(one: &Builder, other: &Builder, values: &[(&str, &str)], tolerance: f64) {
    let (one, other) = (one.predict(), other.predict());
    for (a, b) in values {
        for (what, a, b) in [
            ("forward", forward(&one, a), forward(&other, b)),
            ("backward", backward(&one, a), backward(&other, b)),
        ] {
            assert!(
                (b.rms / a.rms - 1.0).abs() <= tolerance,
                "{what}: {b:?} for {a:?}"
            );
        }
    }
}

/// The builder's inputs as a run would draw them.
fn drawn(mut builder: Builder) -> Builder {
    builder.measured.drawn = true;
    for moments in builder.measured.values.values_mut() {
        moments.sample_cosine = Some(0.0);
    }
    builder
}

#[test]
fn onnxruntimes_attention_is_onnxs() {
    let (places, width) = (18, 96);
    let plain = drawn(attention(places, width, 0.8, &[]));
    let causal = drawn(attention(places, width, 0.8, &[("is_causal", int(1))]));
    let all = [
        ("mixed", "mixed"),
        ("q", "q"),
        ("k", "k"),
        ("v", "v"),
        ("stem", "stem"),
    ];
    let shape = [BATCH, places, width];
    let heads = int(HEADS as i64);

    let mut multi = tokens(places, width, 0.8);
    let inputs = multi.parts.map(Some).to_vec();
    let y = multi
        .builder
        .node("mixed", "Identity", &multi.parts, &shape);
    let attributes = with(&[("num_heads", heads.clone())]);
    microsoft(&mut multi.builder, "MultiHeadAttention", attributes, inputs);
    let y = product(&mut multi.builder, "out", y, width, 1.0);
    multi.builder.end(y, 1.0);
    same(&plain, &drawn(multi.builder), &all, 1e-9);

    let mut grouped = tokens(places, width, 0.8);
    let inputs = grouped.parts.map(Some).to_vec();
    let y = grouped
        .builder
        .node("mixed", "Identity", &grouped.parts, &shape);
    let attributes = with(&[
        ("num_heads", heads.clone()),
        ("kv_num_heads", heads.clone()),
    ]);
    microsoft(
        &mut grouped.builder,
        "GroupQueryAttention",
        attributes,
        inputs,
    );
    let y = product(&mut grouped.builder, "out", y, width, 1.0);
    grouped.builder.end(y, 1.0);
    same(&causal, &drawn(grouped.builder), &all, 1e-9);

    // The projection in the operator, all three of one size.
    let plain = drawn(attention(places, width, 1.0, &[]));
    let mut builder = Builder::new();
    let x = builder.input("x", &shape, 1.0);
    let x = product(&mut builder, "stem", x, width, 1.0);
    let rms = 1.0 / (width as f64).sqrt();
    let w = builder.parameter("w", &[width, 3 * width], 0.0, rms);
    let y = builder.node("mixed", "Identity", &[x, w], &shape);
    let inputs = vec![Some(x), Some(w)];
    microsoft(
        &mut builder,
        "Attention",
        with(&[("num_heads", heads)]),
        inputs,
    );
    let y = product(&mut builder, "out", y, width, 1.0);
    builder.end(y, 1.0);
    same(
        &plain,
        &drawn(builder),
        &[("mixed", "mixed"), ("stem", "stem")],
        1e-2,
    );
}

#[test]
fn rotary_embedding_turns_what_places_share() {
    let (places, width) = (16, 64);
    let mut builder = Builder::new();
    let x = builder.input("x", &[BATCH, places, width], 1.0);
    let x = product(&mut builder, "stem", x, width, 1.0);
    let x = builder.like("relu", "Relu", &[x]);
    let x = product(&mut builder, "q", x, width, 1.0);
    let pairs = width / 2;
    let angle = |place: usize, pair: usize| place as f64 / 100f64.powf(pair as f64 / pairs as f64);
    let mut table = |name: &str, f: &dyn Fn(f64) -> f64| {
        let elements = (0..BATCH * places * pairs)
            .map(|at| f(angle(at / pairs % places, at % pairs)) as f32)
            .collect();
        let tensor = HostTensor::f32(vec![BATCH, places, pairs], elements).unwrap();
        constant(&mut builder, name, tensor)
    };
    let (cosines, sines) = (table("cosines", &f64::cos), table("sines", &f64::sin));
    let shape = [BATCH, places, width];
    let heads = with(&[("num_heads", int(1))]);
    let inputs = [x, cosines, sines];
    let x = builder.node_with("turned", "RotaryEmbedding", heads, &inputs, &shape);
    let axes = integers(&mut builder, "axes", &[1]);
    let keep = with(&[("keepdims", int(0))]);
    let x = builder.node_with("mean", "ReduceMean", keep, &[x, axes], &[BATCH, width]);
    let x = product(&mut builder, "after", x, 50, 1.0);
    builder.end(x, 1.0);
    let study = study(&builder, 40);
    study.forward("turned", 0.01);
    study.forward("mean", 0.03);
    study.backward("turned", 0.02);
    study.backward("relu", 0.04);
}

#[test]
fn fused_operators_are_the_plain_ones() {
    // FusedMatMul with a factor.
    let dense = |fused: bool| {
        let mut builder = Builder::new();
        let x = builder.input("x", &[16, 80], 1.0);
        let w = builder.parameter("w", &[120, 80], 0.0, 0.1);
        let b = builder.parameter("b", &[120], 0.0, 0.3);
        let y = if fused {
            let y = builder.node("relu", "Gemm", &[x, w, b], &[16, 120]);
            let attributes = with(&[
                ("transB", int(1)),
                ("activation", Attribute::String("Relu".to_owned())),
            ]);
            microsoft(
                &mut builder,
                "FusedGemm",
                attributes,
                vec![Some(x), Some(w), Some(b)],
            );
            y
        } else {
            let attributes = with(&[("transB", int(1))]);
            let y = builder.node_with("gemm", "Gemm", attributes, &[x, w, b], &[16, 120]);
            builder.like("relu", "Relu", &[y])
        };
        let y = product(&mut builder, "after", y, 60, 1.0);
        let z = builder.parameter("bias", &[60], 0.0, 0.2);
        let y = if fused {
            let inputs = vec![Some(y), Some(z)];
            let y = builder.like("gelu", "Gelu", &[y, z]);
            microsoft(&mut builder, "BiasGelu", Attributes::default(), inputs);
            y
        } else {
            let y = builder.like("sum", "Add", &[y, z]);
            builder.like("gelu", "Gelu", &[y])
        };
        let y = product(&mut builder, "last", y, 40, 1.0);
        builder.end(y, 1.0);
        drawn(builder)
    };
    let values = ["relu", "after", "gelu", "last"].map(|name| (name, name));
    same(&dense(false), &dense(true), &values[..3], 1e-9);

    let layers = |fused: bool| {
        let mut builder = Builder::new();
        let x = builder.input("x", &[6, 8, 10, 10], 1.0);
        let z = conv(&mut builder, "other", x, 40);
        let y = if fused {
            let y = conv(&mut builder, "relu", x, 40);
            let mut inputs = builder.network.nodes.last().unwrap().inputs.clone();
            inputs.extend([None, Some(z)]);
            let attributes = with(&[
                ("pads", ints(&[1; 4])),
                ("activation", Attribute::String("Relu".to_owned())),
            ]);
            microsoft(&mut builder, "FusedConv", attributes, inputs);
            y
        } else {
            let y = conv(&mut builder, "conv", x, 40);
            let y = builder.like("sum", "Add", &[y, z]);
            builder.like("relu", "Relu", &[y])
        };
        let y = conv(&mut builder, "after", y, 30);
        builder.end(y, 1.0);
        drawn(builder)
    };
    let (plain, fused) = (layers(false), layers(true));
    same(
        &plain,
        &fused,
        &[("relu", "relu"), ("other", "other")],
        1e-9,
    );

    let stream = |fused: bool| {
        let mut builder = Builder::new();
        let x = builder.input("x", &[6, 7, 80], 1.0);
        let x = product(&mut builder, "x0", x, 96, 1.0);
        let y = product(&mut builder, "branch", x, 96, 0.5);
        let scale = builder.parameter("scale", &[96], 1.0, 1.0);
        let shift = builder.parameter("shift", &[96], 0.0, 0.1);
        let y = if fused {
            let inputs = vec![Some(x), Some(y), Some(scale), Some(shift)];
            let y = builder.like("norm", "Add", &[x, y]);
            microsoft(
                &mut builder,
                "SkipLayerNormalization",
                Attributes::default(),
                inputs,
            );
            y
        } else {
            let y = builder.like("sum", "Add", &[x, y]);
            builder.like("norm", "LayerNormalization", &[y, scale, shift])
        };
        let y = product(&mut builder, "after", y, 50, 1.0);
        builder.end(y, 1.0);
        drawn(builder)
    };
    let values = ["norm", "branch"].map(|name| (name, name));
    same(&stream(false), &stream(true), &values, 1e-4);
}

#[test]
fn columns_put_back_are_a_transposed_convolution() {
    let (channels, kernel, image) = (12, 3usize, 9usize);
    let mut plain = Builder::new();
    let x = plain.input("x", &[6, 40, 9, 9], 1.0);
    let rms = 0.1;
    let w = plain.parameter("w", &[40, channels, kernel, kernel], 0.0, rms);
    let pads = with(&[("pads", ints(&[1; 4]))]);
    let shape = [6, channels, image, image];
    let y = plain.node_with("image", "ConvTranspose", pads.clone(), &[x, w], &shape);
    plain.end(y, 1.0);

    let mut columns = Builder::new();
    let rows = channels * kernel * kernel;
    let x = columns.input("x", &[6, 40, 81], 1.0);
    let w = columns.parameter("w", &[rows, 40], 0.0, rms);
    let y = columns.node("columns", "MatMul", &[w, x], &[6, rows, 81]);
    let sizes = integers(&mut columns, "image sizes", &[image as i64; 2]);
    let block = integers(&mut columns, "block", &[kernel as i64; 2]);
    let y = columns.node_with("image", "Col2Im", pads, &[y, sizes, block], &shape);
    columns.end(y, 1.0);

    let (one, other) = (drawn(plain).predict(), drawn(columns).predict());
    let (a, b) = (forward(&one, "image"), forward(&other, "image"));
    assert!((b.rms / a.rms - 1.0).abs() < 1e-12, "{b:?} for {a:?}");
    // Of 81 · 9 taps those beyond the border read nothing: 25² of 27² are inside.
    let expected = (25.0f64 * 25.0 / (27.0 * 27.0)).sqrt();
    assert!((backward(&other, "columns").rms / expected - 1.0).abs() < 1e-12);
}

#[test]
fn what_is_supported_is_told_per_operator() {
    let support = |op: &str, attributes: Attributes| {
        supports(&Operator::parse("", op, 23, &attributes, 1, 1).unwrap())
    };
    let plain = |op| support(op, Attributes::default());
    for op in ["MatMul", "Relu", "Attention", "ReduceL2", "RotaryEmbedding"] {
        assert!(plain(op).forward && plain(op).backward, "{op}");
    }
    for op in ["Shape", "Det", "Hardmax", "ReduceProd"] {
        assert!(!plain(op).forward && !plain(op).backward, "{op}");
    }
    let known = operator::names().count();
    assert!(known > 150, "{known}");
}

#[test]
fn deformable_convolution() {
    for rms in [0.0, 0.3] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[6, 16, 14, 14], 1.0);
        // One by one, which leaves places independent.
        let w = builder.parameter("stem.weight", &[40, 16, 1, 1], 0.0, 0.25);
        let x = builder.node("stem", "Conv", &[x, w], &[6, 40, 14, 14]);
        let w = builder.parameter("offset.weight", &[18, 40, 1, 1], 0.0, rms / 40f64.sqrt());
        let offset = builder.node("offset", "Conv", &[x, w], &[6, 18, 14, 14]);
        let w = builder.parameter("w", &[50, 40, 3, 3], 0.0, (2.0f64 / 360.0).sqrt());
        let pads = with(&[("pads", ints(&[1; 4])), ("kernel_shape", ints(&[3, 3]))]);
        let shape = [6, 50, 14, 14];
        let x = builder.node_with("deform", "DeformConv", pads, &[x, w, offset], &shape);
        let x = builder.like("relu", "Relu", &[x]);
        let x = conv(&mut builder, "after", x, 40);
        builder.end(x, 1.0);
        let study = study(&builder, 24);
        study.forward("deform", 0.03);
        study.forward("after", 0.04);
        if rms > 0.0 {
            study.backward("offset", 0.06);
        }
        study.backward("stem", 0.05);
    }
}

/// What runs of onnxruntime's own operators show.
#[test]
fn onnxruntimes_attention_as_it_runs() {
    let (places, width) = (20, 96);
    let shape = [BATCH, places, width];
    let heads = int(HEADS as i64);
    for (op, attributes, lengths) in [
        (
            "MultiHeadAttention",
            with(&[("num_heads", heads.clone())]),
            false,
        ),
        (
            "GroupQueryAttention",
            with(&[
                ("num_heads", heads.clone()),
                ("kv_num_heads", heads.clone()),
            ]),
            true,
        ),
    ] {
        let Tokens { mut builder, parts } = tokens(places, width, 0.7);
        let mut inputs = parts.map(Some).to_vec();
        if lengths {
            let last = HostTensor::new(
                vec![BATCH],
                ElementType::I32,
                HostData::I64(vec![places as i64 - 1; BATCH]),
            );
            let last = constant(&mut builder, "last", last.unwrap());
            let total = HostTensor::new(
                vec![1],
                ElementType::I32,
                HostData::I64(vec![places as i64]),
            );
            let total = constant(&mut builder, "total", total.unwrap());
            inputs.extend([None, None, Some(last), Some(total)]);
        }
        let y = builder.node("mixed", "Identity", &parts, &shape);
        microsoft(&mut builder, op, attributes, inputs);
        let y = product(&mut builder, "out", y, width, 1.0);
        builder.end(y, 1.0);
        let study = study(&builder, 16);
        study.forward("mixed", 0.05);
        let uneven = if lengths { 2.5 } else { 1.0 };
        for (value, tolerance) in [("v", 0.05), ("q", 0.08), ("k", 0.08)] {
            study.backward(value, uneven * tolerance);
        }
        study.backward("stem", 0.06);
    }
}
