//! Each rule against runs of networks with random weights.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod common;

use common::Builder;
use common::study::study;
use fanin_network::{Attribute, Attributes, HostTensor, NodeId, Origin, ValueId, ValueKind};

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

fn conv(builder: &mut Builder, name: &str, x: ValueId, units: usize) -> ValueId {
    let shape = builder.network.value(x).shape.clone().unwrap();
    let rms = (2.0 / (9 * shape[1]) as f64).sqrt();
    let sizes = [units, shape[1], 3, 3];
    let weight = builder.parameter(&format!("{name}.weight"), &sizes, 0.0, rms);
    let pads = Attributes::default().set("pads", ints(&[1; 4]));
    let out = [shape[0], units, shape[2], shape[3]];
    builder.node_with(name, "Conv", pads, &[x, weight], &out)
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

#[test]
fn pools_after_convolutions() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[8, 3, 16, 16], 1.0);
    let x = conv(&mut builder, "conv0", x, 40);
    let x = builder.like("relu0", "Relu", &[x]);
    let window = Attributes::default()
        .set("kernel_shape", ints(&[2, 2]))
        .set("strides", ints(&[2, 2]));
    let x = builder.node_with("max", "MaxPool", window.clone(), &[x], &[8, 40, 8, 8]);
    let x = conv(&mut builder, "conv1", x, 48);
    let x = builder.node_with("max1", "MaxPool", window.clone(), &[x], &[8, 48, 4, 4]);
    let x = builder.like("relu1", "Relu", &[x]);
    let x = conv(&mut builder, "conv2", x, 48);
    let x = builder.like("tanh", "Tanh", &[x]);
    let x = builder.node_with("mean", "AveragePool", window, &[x], &[8, 48, 2, 2]);
    let x = builder.node("global", "GlobalAveragePool", &[x], &[8, 48, 1, 1]);
    let x = builder.node("flat", "Flatten", &[x], &[8, 48]);
    let x = builder.dense("head", x, 10, 0.2, 0.0);
    builder.end(x, 1.0);
    let study = study(&builder, 24);
    let shown = study.show();
    for value in ["max", "max1", "relu1", "mean", "global", "head"] {
        assert!(!study.0[value].forward.is_empty(), "{value}\n{shown}");
    }
    study.forward("max", 0.01);
    study.cosine("max", 0.01);
    study.forward("max1", 0.02);
    study.forward("relu1", 0.02);
    study.forward("mean", 0.03);
    study.cosine("relu1", 0.03);
    study.forward("global", 0.05);
    // The maximum is rarely one of those that a ReLU holds back; after it half of them are.
    for value in ["conv0", "relu0", "conv1", "max1"] {
        study.backward(value, 0.03);
    }
}

#[test]
fn gates() {
    // Both sides of a gate grow with the length of what they read, which a finite width leaves to
    // luck: the mean is above the prediction by a few kurtoses over the width.
    for (gate, width, excess) in [
        ("Sigmoid", 300, 0.02),
        ("Relu", 400, 0.08),
        ("Gelu", 400, 0.08),
    ] {
        let mut builder = Builder::new();
        let mut x = builder.input("x", &[16, 100], 1.0);
        for layer in 0..2 {
            let fan = if layer == 0 { 100.0 } else { width as f64 };
            let rms = 1.5 / f64::sqrt(fan);
            let a = builder.dense(&format!("a{layer}"), x, width, rms, 0.1);
            let b = builder.dense(&format!("b{layer}"), x, width, rms, 0.1);
            let g = builder.like(&format!("gate{layer}"), gate, &[b]);
            x = builder.like(&format!("gated{layer}"), "Mul", &[a, g]);
        }
        builder.end(x, 1.0);
        let study = study(&builder, 20);
        for layer in 0..2 {
            study.forward(&format!("gated{layer}"), excess);
            study.cosine(&format!("gated{layer}"), 0.01);
        }
    }
}

#[test]
fn concatenated_branches() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[16, 80], 1.0);
    let a = builder.dense("a", x, 60, 0.2, 0.1);
    let a = builder.like("act", "Relu", &[a]);
    let b = builder.dense("b", x, 100, 0.1, 0.3);
    let axis = Attributes::default().set("axis", Attribute::Int(1));
    let joined = builder.node_with("joined", "Concat", axis, &[a, b], &[16, 160]);
    let out = builder.dense("out", joined, 90, 0.1, 0.0);
    builder.end(out, 1.0);
    let study = study(&builder, 40);
    for value in ["joined", "out"] {
        study.forward(value, 0.004);
        study.cosine(value, 0.004);
    }
    study.backward("joined", 0.004);
}

#[test]
fn transposed_and_upsampled() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[6, 24, 5, 5], 1.0);
    let w = builder.parameter("w", &[24, 36, 4, 4], 0.0, 0.1);
    let attributes = Attributes::default()
        .set("strides", ints(&[2, 2]))
        .set("pads", ints(&[1; 4]));
    let x = builder.node_with("up", "ConvTranspose", attributes, &[x, w], &[6, 36, 10, 10]);
    let x = builder.like("relu", "Relu", &[x]);
    let x = conv(&mut builder, "conv", x, 40);
    builder.end(x, 1.0);
    let study = study(&builder, 20);
    study.forward("up", 0.01);
    study.forward("conv", 0.02);
    study.backward("up", 0.02);
    study.cosine("conv", 0.01);
}

#[test]
fn linear_resize() {
    for (mode, from, to) in [
        ("half_pixel", [7, 5], [14, 10]),
        ("align_corners", [6, 8], [11, 13]),
        ("asymmetric", [9, 9], [6, 27]),
    ] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[6, 24, from[0], from[1]], 1.0);
        // One by one, which leaves places independent.
        let w = builder.parameter("w", &[60, 24, 1, 1], 0.0, 0.2);
        let x = builder.node("conv", "Conv", &[x, w], &[6, 60, from[0], from[1]]);
        let x = builder.like("relu", "Relu", &[x]);
        let out = [6, 60, to[0], to[1]];
        let sizes = HostTensor::i64(vec![4], out.iter().map(|&n| n as i64).collect()).unwrap();
        let sizes = constant(&mut builder, "sizes", sizes);
        let attributes = Attributes::default()
            .set("mode", Attribute::String("linear".to_owned()))
            .set(
                "coordinate_transformation_mode",
                Attribute::String(mode.to_owned()),
            );
        let scales = builder.scalar("none", 0.0);
        let x = builder.node_with(
            "resized",
            "Resize",
            attributes,
            &[x, scales, scales, sizes],
            &out,
        );
        for absent in [1, 2] {
            let node = builder.network.nodes.last_mut().unwrap();
            node.inputs[absent] = None;
        }
        let x = conv(&mut builder, "after", x, 50);
        builder.end(x, 1.0);
        let study = study(&builder, 16);
        study.forward("resized", 0.01);
        study.cosine("resized", 0.01);
        study.forward("after", 0.02);
        study.backward("resized", 0.02);
        study.backward("relu", 0.03);
    }
}

/// A convolution, a norm of scale one without a shift and a ReLU, named by the layer.
fn normed(
    builder: &mut Builder,
    layer: usize,
    x: ValueId,
    op: &str,
    groups: Option<i64>,
) -> ValueId {
    let units = builder.network.value(x).shape.as_ref().unwrap()[1];
    let y = conv(builder, &format!("conv{layer}"), x, units);
    let scale = builder.parameter(&format!("scale{layer}"), &[units], 1.0, 1.0);
    let shift = builder.parameter(&format!("shift{layer}"), &[units], 0.0, 0.0);
    let attributes = match groups {
        Some(n) => Attributes::default().set("num_groups", Attribute::Int(n)),
        None => Attributes::default(),
    };
    let shape = builder.network.value(y).shape.clone().unwrap();
    let norm = format!("norm{layer}");
    let y = builder.node_with(&norm, op, attributes, &[y, scale, shift], &shape);
    builder.like(&format!("relu{layer}"), "Relu", &[y])
}

#[test]
fn norms_of_maps() {
    for (op, groups) in [
        ("GroupNormalization", Some(4)),
        ("InstanceNormalization", None),
        ("BatchNormalization", None),
    ] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[8, 3, 10, 10], 1.0);
        let x = conv(&mut builder, "conv0", x, 40);
        let mut x = builder.like("relu0", "Relu", &[x]);
        for layer in 1..3 {
            x = normed(&mut builder, layer, x, op, groups);
        }
        builder.end(x, 1.0);
        let study = study(&builder, 12);
        for layer in 1..3 {
            study.forward(&format!("norm{layer}"), 0.002);
            study.forward(&format!("relu{layer}"), 0.02);
            study.cosine(&format!("relu{layer}"), 0.03);
        }
    }
}

#[test]
fn gradients_through_batch_norm_of_few_samples() {
    // Few elements share a σ, whose inverse square is larger in the mean than that of its mean; and
    // the gradient of a mean over places, the same at all of them, loses more than two directions.
    for (samples, size) in [(2, 4), (2, 8), (4, 3), (16, 2)] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[samples, 3, size, size], 1.0);
        let x = conv(&mut builder, "conv0", x, 200);
        let mut x = builder.like("relu0", "Relu", &[x]);
        for layer in 1..4 {
            x = normed(&mut builder, layer, x, "BatchNormalization", None);
        }
        let x = builder.node("global", "GlobalAveragePool", &[x], &[samples, 200, 1, 1]);
        let x = builder.node("flat", "Flatten", &[x], &[samples, 200]);
        let x = builder.dense("head", x, 50, 0.1, 0.0);
        builder.end(x, 1.0);
        let study = study(&builder, 12);
        for layer in [3, 2, 1] {
            study.backward(&format!("norm{layer}"), 0.06);
            study.backward(&format!("conv{layer}"), 0.06);
        }
    }
}

#[test]
fn batch_norm_of_a_single_element_leaves_its_shift() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[1, 8, 4, 4], 1.0);
    let x = conv(&mut builder, "conv", x, 30);
    let x = builder.node("pooled", "GlobalAveragePool", &[x], &[1, 30, 1, 1]);
    let scale = builder.parameter("scale", &[30], 1.0, 1.0);
    let shift = builder.parameter("shift", &[30], 0.0, 0.3);
    let x = builder.like("norm", "BatchNormalization", &[x, scale, shift]);
    let x = builder.node("flat", "Flatten", &[x], &[1, 30]);
    let x = builder.dense("head", x, 20, 0.2, 0.0);
    builder.end(x, 1.0);
    for seed in 0..3 {
        let (trace, prediction) = common::study::draw(&builder, seed);
        let norm = common::expected(&prediction, "norm").forward.unwrap();
        let seen = trace.values.iter().find(|v| v.value == "norm").unwrap();
        assert!((seen.forward.rms / norm.rms - 1.0).abs() < 1e-3);
        let pooled = common::expected(&prediction, "pooled");
        assert_eq!(pooled.backward.unwrap().rms, 0.0);
        let seen = trace.values.iter().find(|v| v.value == "pooled").unwrap();
        assert!(seen.backward.as_ref().unwrap().rms < 1e-6);
    }
}

/// Tokens [sample, token, feature] through attention of 4 heads, without a stream around it.
fn attention(builder: &mut Builder, name: &str, x: ValueId, gain: f64, causal: bool) -> ValueId {
    let shape = builder.network.value(x).shape.clone().unwrap();
    let (batch, tokens, width, heads) = (shape[0], shape[1], shape[2], 4);
    let head = width / heads;
    let mut project = |part: &str, perm: &[i64], shape: &[usize], rms: f64| {
        let label = format!("{name}.{part}");
        let w = builder.parameter(&format!("{label}.weight"), &[width, width], 0.0, rms);
        let y = builder.node(&label, "MatMul", &[x, w], &[batch, tokens, width]);
        let sizes = [0, tokens as i64, heads as i64, head as i64];
        let by_heads = HostTensor::i64(vec![4], sizes.to_vec()).unwrap();
        let by_heads = constant(builder, &format!("{label}.sizes"), by_heads);
        let split = [batch, tokens, heads, head];
        let y = builder.node(&format!("{label}.heads"), "Reshape", &[y, by_heads], &split);
        let perm = Attributes::default().set("perm", ints(perm));
        builder.node_with(&format!("{label}.moved"), "Transpose", perm, &[y], shape)
    };
    let plain = 1.0 / (width as f64).sqrt();
    let q = project(
        "q",
        &[0, 2, 1, 3],
        &[batch, heads, tokens, head],
        gain * plain,
    );
    let k = project("k", &[0, 2, 3, 1], &[batch, heads, head, tokens], plain);
    let v = project("v", &[0, 2, 1, 3], &[batch, heads, tokens, head], plain);
    let square = [batch, heads, tokens, tokens];
    let scores = builder.node(&format!("{name}.scores"), "MatMul", &[q, k], &square);
    let root = builder.scalar(&format!("{name}.root"), (head as f32).sqrt());
    let mut scores = builder.node(&format!("{name}.scaled"), "Div", &[scores, root], &square);
    if causal {
        let mask = (0..tokens)
            .flat_map(|i| (0..tokens).map(move |j| if j <= i { 0.0 } else { f32::NEG_INFINITY }))
            .collect();
        let mask = HostTensor::f32(vec![1, 1, tokens, tokens], mask).unwrap();
        let mask = constant(builder, &format!("{name}.mask"), mask);
        scores = builder.node(&format!("{name}.masked"), "Add", &[scores, mask], &square);
    }
    let last = Attributes::default().set("axis", Attribute::Int(-1));
    let p = builder.node_with(
        &format!("{name}.softmax"),
        "Softmax",
        last,
        &[scores],
        &square,
    );
    let split = [batch, heads, tokens, head];
    let mixed = builder.node(&format!("{name}.mixed"), "MatMul", &[p, v], &split);
    let perm = Attributes::default().set("perm", ints(&[0, 2, 1, 3]));
    let split = [batch, tokens, heads, head];
    let moved = builder.node_with(&format!("{name}.back"), "Transpose", perm, &[mixed], &split);
    let sizes = HostTensor::i64(vec![3], vec![0, tokens as i64, width as i64]).unwrap();
    let sizes = constant(builder, &format!("{name}.joined.sizes"), sizes);
    let whole = [batch, tokens, width];
    builder.node(
        &format!("{name}.joined"),
        "Reshape",
        &[moved, sizes],
        &whole,
    )
}

#[test]
fn attention_averages_away_what_tokens_do_not_share() {
    for (causal, gain) in [(false, 0.5), (false, 1.0), (true, 0.7)] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[8, 24, 96], 1.0);
        let y = attention(&mut builder, "first", x, gain, causal);
        let x = builder.like("sum", "Add", &[x, y]);
        let y = attention(&mut builder, "second", x, gain, causal);
        builder.end(y, 1.0);
        let study = study(&builder, 16);
        study.forward("first.softmax", 0.05);
        study.forward("first.joined", 0.05);
        study.cosine("sum", 0.01);
        if causal {
            // Early tokens see few others and stay longer than late ones, which means over tokens
            // do not say.
            study.forward("sum", 0.03);
        } else {
            study.forward("sum", 0.01);
            study.forward("second.softmax", 0.03);
            study.forward("second.joined", 0.05);
        }
    }
}

/// How the tokens of a sequence end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// A gradient at every token.
    All,
    /// The mean over tokens.
    Mean,
    /// The first token.
    First,
}

#[test]
fn gradients_through_attention() {
    for (tokens, width, gain, causal, end) in [
        (24, 96, 0.5, false, End::All),
        (17, 128, 1.0, false, End::Mean),
        (20, 112, 0.8, false, End::First),
        (26, 80, 0.7, true, End::All),
    ] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[8, tokens, width], 1.0);
        let rms = 1.0 / (width as f64).sqrt();
        let w = builder.parameter("stem.weight", &[width, width], 0.0, rms);
        let mut x = builder.like("stem", "MatMul", &[x, w]);
        for name in ["first", "second"] {
            let y = attention(&mut builder, name, x, gain, causal);
            x = builder.like(&format!("{name}.sum"), "Add", &[x, y]);
        }
        match end {
            End::All => {}
            End::Mean => {
                let axes = HostTensor::i64(vec![1], vec![1]).unwrap();
                let axes = constant(&mut builder, "axes", axes);
                let keep = Attributes::default().set("keepdims", Attribute::Int(0));
                x = builder.node_with("mean", "ReduceMean", keep, &[x, axes], &[8, width]);
            }
            End::First => {
                let index = HostTensor::i64(vec![], vec![0]).unwrap();
                let index = constant(&mut builder, "index", index);
                let axis = Attributes::default().set("axis", Attribute::Int(1));
                x = builder.node_with("token", "Gather", axis, &[x, index], &[8, width]);
            }
        }
        builder.end(x, 1.0);
        let study = study(&builder, 12);
        // Means over tokens do not say that of two early ones in a causal row more is alike.
        let more = if causal { 3.0 } else { 1.0 };
        for name in ["first", "second"] {
            for (value, tolerance) in [
                ("mixed", 0.03),
                ("v", 0.05),
                ("scores", 0.06),
                ("q", 0.08),
                ("k", 0.08),
            ] {
                study.backward(&format!("{name}.{value}"), more * tolerance);
                let (inside, all) = study.0[&format!("{name}.{value}")].inside[1];
                assert!(4 * inside >= 3 * all, "{name}.{value}: {inside} of {all}");
            }
        }
        study.backward("stem", 0.04);
    }
}

#[test]
fn a_token_of_its_own_size_before_a_layer_norm() {
    // A class token of a tenth of the patches' size: its gradient grows tenfold in the norm.
    let mut builder = Builder::new();
    let (patches, width) = (15, 88);
    let x = builder.input("x", &[8, patches, width], 1.0);
    let w = builder.parameter("w", &[width, width], 0.0, 1.0 / (width as f64).sqrt());
    let y = builder.like("patches", "MatMul", &[x, w]);
    let z = builder.input("z", &[8, 1, width], 1.0);
    let v = builder.parameter("v", &[width, width], 0.0, 0.1 / (width as f64).sqrt());
    let token = builder.like("token", "MatMul", &[z, v]);
    let axis = Attributes::default().set("axis", Attribute::Int(1));
    let shape = [8, patches + 1, width];
    let all = builder.node_with("all", "Concat", axis.clone(), &[token, y], &shape);
    let scale = builder.parameter("scale", &[width], 1.0, 1.0);
    let shift = builder.parameter("shift", &[width], 0.0, 0.0);
    let x = builder.like("norm", "LayerNormalization", &[all, scale, shift]);
    let y = attention(&mut builder, "mix", x, 0.6, false);
    let x = builder.like("sum", "Add", &[x, y]);
    let index = HostTensor::i64(vec![], vec![0]).unwrap();
    let index = constant(&mut builder, "index", index);
    let x = builder.node_with("first", "Gather", axis, &[x, index], &[8, width]);
    builder.end(x, 1.0);
    let study = study(&builder, 24);
    study.forward("norm", 0.01);
    study.forward("mix.joined", 0.04);
    study.backward("mix.v", 0.05);
    study.backward("norm", 0.05);
    study.backward("all", 0.05);
    study.backward("token", 0.05);
    study.backward("patches", 0.08);
}

#[test]
fn embeddings_with_positions() {
    let mut builder = Builder::new();
    // Ids of known places: a run draws those of inputs, which a builder's float input is not.
    let ids = HostTensor::i64(vec![12], (0..12).collect()).unwrap();
    let ids = constant(&mut builder, "ids", ids);
    let table = builder.parameter("table", &[64, 80], 0.0, 0.5);
    let positions = builder.node("positions", "Gather", &[table, ids], &[12, 80]);
    let x = builder.input("x", &[10, 12, 80], 1.0);
    let sum = builder.node("sum", "Add", &[x, positions], &[10, 12, 80]);
    let w = builder.parameter("w", &[80, 70], 0.0, 0.1);
    let y = builder.node("y", "MatMul", &[sum, w], &[10, 12, 70]);
    let z = builder.like("z", "Gelu", &[y]);
    let axes = HostTensor::i64(vec![1], vec![1]).unwrap();
    let axes = constant(&mut builder, "axes", axes);
    let keep = Attributes::default().set("keepdims", Attribute::Int(0));
    let mean = builder.node_with("mean", "ReduceMean", keep, &[z, axes], &[10, 70]);
    builder.end(mean, 1.0);
    let study = study(&builder, 30);
    study.forward("sum", 0.01);
    study.cosine("sum", 0.01);
    study.forward("z", 0.02);
    study.cosine("z", 0.02);
    study.forward("mean", 0.03);
    study.cosine("mean", 0.03);
}

/// Two recurrent layers over samples [batch, time, features], up to the state at the last step.
fn recurrent(op: &str, gates: usize, after: i64, sizes: [usize; 4], zeros: bool) -> Builder {
    let [time, batch, features, units] = sizes;
    let mut builder = Builder::new();
    let x = builder.input("x", &[batch, time, features], 1.5);
    let swap = Attributes::default().set("perm", ints(&[1, 0, 2]));
    let mut x = builder.node_with(
        "steps",
        "Transpose",
        swap.clone(),
        &[x],
        &[time, batch, features],
    );
    for layer in 0..2 {
        let width = if layer == 0 { features } else { units };
        let name = format!("layer{layer}");
        let rows = gates * units;
        let rms = 1.3 / (width as f64).sqrt();
        let w = builder.parameter(&format!("{name}.w"), &[1, rows, width], 0.0, rms);
        let rms = 1.2 / (units as f64).sqrt();
        let r = builder.parameter(&format!("{name}.r"), &[1, rows, units], 0.0, rms);
        let b = builder.parameter(&format!("{name}.b"), &[1, 2 * rows], 0.0, 0.2);
        let mut inputs = vec![x, w, r, b];
        if zeros {
            let lengths = builder.scalar(&format!("{name}.none"), 0.0);
            let state = HostTensor::f32(vec![1, batch, units], vec![0.0; batch * units]).unwrap();
            let state = constant(&mut builder, &format!("{name}.state"), state);
            inputs.extend([lengths, state, state]);
        }
        let mut attributes = Attributes::default().set("hidden_size", Attribute::Int(units as i64));
        if op == "GRU" {
            attributes = attributes.set("linear_before_reset", Attribute::Int(after));
        }
        let shape = [time, 1, batch, units];
        let y = builder.node_with(&name, op, attributes, &inputs, &shape);
        if zeros {
            // No lengths.
            let node = builder.network.nodes.last_mut().unwrap();
            node.inputs[4] = None;
        }
        let axes = HostTensor::i64(vec![1], vec![1]).unwrap();
        let axes = constant(&mut builder, &format!("{name}.axes"), axes);
        let shape = [time, batch, units];
        x = builder.node(&format!("{name}.flat"), "Squeeze", &[y, axes], &shape);
    }
    if zeros {
        // The last state as the layer itself puts it out.
        let state = builder.scalar("layer1.last", 0.0);
        let at = builder
            .network
            .nodes
            .iter()
            .position(|node| node.name == "layer1");
        let id = NodeId::from(at.unwrap());
        let value = &mut builder.network.values[state.index()];
        (value.kind, value.producer) = (ValueKind::Computed, Some(id));
        value.shape = Some(vec![1, batch, units]);
        builder.network.nodes[at.unwrap()].outputs.push(Some(state));
        let axes = HostTensor::i64(vec![1], vec![0]).unwrap();
        let axes = constant(&mut builder, "axes", axes);
        let x = builder.node("last", "Squeeze", &[state, axes], &[batch, units]);
        let x = builder.dense("head", x, 40, 1.0 / (units as f64).sqrt(), 0.0);
        builder.end(x, 1.0);
        return builder;
    }
    let x = builder.node_with("swapped", "Transpose", swap, &[x], &[batch, time, units]);
    let last = HostTensor::i64(vec![], vec![-1]).unwrap();
    let last = constant(&mut builder, "index", last);
    let axis = Attributes::default().set("axis", Attribute::Int(1));
    let x = builder.node_with("last", "Gather", axis, &[x, last], &[batch, units]);
    let x = builder.dense("head", x, 40, 1.0 / (units as f64).sqrt(), 0.0);
    builder.end(x, 1.0);
    builder
}

#[test]
fn recurrent_layers_step_by_step() {
    for (op, gates, after, sizes, zeros) in [
        ("RNN", 1, 0, [10, 8, 60, 120], false),
        ("LSTM", 4, 0, [12, 8, 50, 100], true),
        ("GRU", 3, 0, [9, 7, 70, 110], false),
        ("GRU", 3, 1, [11, 8, 60, 130], false),
    ] {
        let builder = recurrent(op, gates, after, sizes, zeros);
        let study = study(&builder, 12);
        for value in ["layer0", "layer1", "last"] {
            study.forward(value, 0.02);
        }
        for value in ["head", "last"] {
            study.cosine(value, 0.01);
        }
        if !zeros {
            study.backward("layer1", 0.01);
        }
        study.backward("last", 0.01);
        study.backward("layer0", 0.06);
        study.backward("steps", 0.08);
    }
}
