//! The expected cosine between samples, against runs.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod common;

use common::Builder;
use common::study::study;
use fanin_network::{Attribute, Attributes, ValueId};

fn chain(op: &str, widths: &[usize], gain: f64, bias: f64) -> Builder {
    let mut builder = Builder::new();
    let mut x = builder.input("x", &[16, widths[0]], 1.0);
    for (layer, pair) in widths.windows(2).enumerate() {
        let rms = gain / (pair[0] as f64).sqrt();
        x = builder.dense(&format!("dense{layer}"), x, pair[1], rms, bias);
        x = builder.like(&format!("act{layer}"), op, &[x]);
    }
    builder.end(x, 1.0);
    builder
}

fn conv(builder: &mut Builder, name: &str, x: ValueId, units: usize, gain: f64) -> ValueId {
    let shape = builder.network.value(x).shape.clone().unwrap();
    let fan = 9 * shape[1];
    let rms = gain / (fan as f64).sqrt();
    let weight = builder.parameter(
        &format!("{name}.weight"),
        &[units, shape[1], 3, 3],
        0.0,
        rms,
    );
    let pads = Attributes::default().set("pads", Attribute::Ints(vec![1; 4]));
    let out = [shape[0], units, shape[2], shape[3]];
    builder.node_with(name, "Conv", pads, &[x, weight], &out)
}

#[test]
fn relu_samples_become_alike() {
    let study = study(
        &chain("Relu", &[100, 200, 150, 250, 200], 2f64.sqrt(), 0.0),
        30,
    );
    for layer in 0..4 {
        study.cosine(&format!("dense{layer}"), 0.004);
        study.cosine(&format!("act{layer}"), 0.004);
    }
}

#[test]
fn tanh_in_chaos_with_biases() {
    let study = study(&chain("Tanh", &[100, 200, 150, 250, 200], 1.8, 0.4), 30);
    for layer in 0..4 {
        study.cosine(&format!("dense{layer}"), 0.004);
        study.cosine(&format!("act{layer}"), 0.004);
        study.forward(&format!("act{layer}"), 0.004);
    }
}

#[test]
fn gelu_and_sigmoid_have_means() {
    for op in ["Gelu", "Sigmoid", "Softplus", "Elu"] {
        let study = study(&chain(op, &[100, 200, 150, 250], 1.4, 0.1), 20);
        for layer in 0..3 {
            study.cosine(&format!("act{layer}"), 0.005);
        }
    }
}

#[test]
fn convolutions_with_padding() {
    let mut builder = Builder::new();
    let mut x = builder.input("x", &[8, 3, 12, 12], 1.0);
    for layer in 0..4 {
        x = conv(&mut builder, &format!("conv{layer}"), x, 48, 2f64.sqrt());
        x = builder.like(&format!("act{layer}"), "Relu", &[x]);
    }
    builder.end(x, 1.0);
    let study = study(&builder, 12);
    for layer in 0..4 {
        study.forward(&format!("conv{layer}"), 0.005);
        study.backward(&format!("act{layer}").replace("act3", "act2"), 0.01);
        study.cosine(&format!("act{layer}"), 0.01);
    }
}

#[test]
fn residual_streams_mix_cosines() {
    let mut builder = Builder::new();
    let width = 160;
    let mut x = builder.input("x", &[16, width], 1.0);
    for block in 0..5 {
        let a = builder.like(&format!("relu{block}"), "Relu", &[x]);
        let b = builder.dense(&format!("branch{block}"), a, width, 0.11, 0.0);
        x = builder.like(&format!("sum{block}"), "Add", &[x, b]);
    }
    builder.end(x, 1.0);
    let study = study(&builder, 30);
    for block in 0..5 {
        study.cosine(&format!("sum{block}"), 0.005);
        study.forward(&format!("sum{block}"), 0.005);
    }
}

#[test]
fn after_batch_norm_the_mean_cosine_is_settled() {
    let mut builder = Builder::new();
    let mut x = builder.input("x", &[16, 120], 1.0);
    for layer in 0..3 {
        let pre = builder.dense(&format!("pre{layer}"), x, 120, 0.13, 0.0);
        let scale = builder.parameter(&format!("scale{layer}"), &[120], 1.0, 1.0);
        let shift = builder.parameter(&format!("shift{layer}"), &[120], 0.0, 0.0);
        let inputs = [pre, scale, shift];
        let norm = builder.like(&format!("norm{layer}"), "BatchNormalization", &inputs);
        x = builder.like(&format!("act{layer}"), "Relu", &[norm]);
    }
    builder.end(x, 1.0);
    let study = study(&builder, 20);
    for layer in 0..3 {
        study.cosine(&format!("norm{layer}"), 1e-3);
        study.cosine(&format!("act{layer}"), 0.01);
    }
}

#[test]
fn layer_norm_takes_the_mean_off() {
    let mut builder = Builder::new();
    let mut x = builder.input("x", &[16, 120], 1.0);
    for layer in 0..3 {
        let pre = builder.dense(&format!("pre{layer}"), x, 120, 0.13, 0.05);
        let act = builder.like(&format!("act{layer}"), "Relu", &[pre]);
        let scale = builder.parameter(&format!("scale{layer}"), &[120], 1.0, 1.0);
        let shift = builder.parameter(&format!("shift{layer}"), &[120], 0.0, 0.0);
        x = builder.like(
            &format!("norm{layer}"),
            "LayerNormalization",
            &[act, scale, shift],
        );
    }
    builder.end(x, 1.0);
    let study = study(&builder, 20);
    for layer in 0..3 {
        study.cosine(&format!("norm{layer}"), 0.006);
    }
}
