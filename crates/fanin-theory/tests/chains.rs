//! Plain chains against known numbers.

mod common;

use common::{Builder, backward, expected, forward};
use fanin_network::{Attribute, Attributes};

/// A chain of square layers with weights of variance `gain`² / width.
fn chain(op: &str, width: usize, depth: usize, gain: f64, bias: f64) -> Builder {
    let mut builder = Builder::new();
    let mut x = builder.input("x", &[64, width], 1.0);
    for layer in 1..=depth {
        let rms = gain / (width as f64).sqrt();
        x = builder.dense(&format!("dense{layer}"), x, width, rms, bias);
        x = builder.like(&format!("act{layer}"), op, &[x]);
    }
    builder.end(x, 1.0);
    builder
}

#[track_caller]
fn close(actual: f64, wanted: f64, relative: f64) {
    assert!(
        (actual / wanted - 1.0).abs() < relative,
        "{actual} is not {wanted}"
    );
}

#[test]
fn he_keeps_the_second_moment_of_relu_both_ways() {
    let prediction = chain("Relu", 256, 30, 2f64.sqrt(), 0.0).predict();
    close(forward(&prediction, "act30").rms, 1.0, 1e-9);
    close(backward(&prediction, "act1").rms, 1.0, 1e-9);
    assert_eq!(expected(&prediction, "act30").since.as_deref(), Some("x"));
}

#[test]
fn xavier_halves_the_second_moment_of_relu() {
    let prediction = chain("Relu", 256, 30, 1.0, 0.0).predict();
    close(forward(&prediction, "act30").rms, 3.05e-5, 1e-3);
    close(
        backward(&prediction, "act1").rms,
        2f64.powf(-29.0 / 2.0),
        1e-9,
    );
}

#[test]
fn torch_default_leaves_a_sixth_and_then_its_biases() {
    let width = 256;
    let third = 3f64.sqrt().recip();
    let prediction = chain("Relu", width, 8, third, 0.0).predict();
    close(forward(&prediction, "act8").rms, 6f64.powi(-4), 1e-9);
    // Biases of U(±1/√n) too: the pre-activation settles at 1/√(2.5 n).
    let bias = third / (width as f64).sqrt();
    let prediction = chain("Relu", width, 40, third, bias).predict();
    close(
        forward(&prediction, "dense40").rms,
        (2.5 * width as f64).sqrt().recip(),
        1e-6,
    );
}

#[test]
fn tanh_settles_where_the_length_map_does() {
    // Fixed point of gain 5/3: q* 1.17848, std 0.651347 after tanh, χ 1.209831.
    let prediction = chain("Tanh", 512, 60, 5.0 / 3.0, 0.0).predict();
    close(forward(&prediction, "act60").rms, 0.651347, 1e-5);
    close(forward(&prediction, "dense60").rms, 1.085578, 1e-5);
    let per_layer = backward(&prediction, "act40").rms / backward(&prediction, "act41").rms;
    close(per_layer * per_layer, 1.209831, 1e-5);
    // Gain 1 decays like 1/(2l): q after 20 layers.
    let prediction = chain("Tanh", 512, 21, 1.0, 0.0).predict();
    close(
        forward(&prediction, "dense21").rms.powi(2),
        0.02590198,
        1e-6,
    );
}

#[test]
fn sigmoid_slope_factors() {
    // Glorot square: χ = E φ'² at the settled pre-activation, 0.05572 per layer.
    let prediction = chain("Sigmoid", 512, 40, 1.0, 0.0).predict();
    let per_layer = backward(&prediction, "act20").rms / backward(&prediction, "act21").rms;
    close(per_layer * per_layer, 0.05572, 1e-3);
}

#[test]
fn gradients_follow_the_widths() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[8, 784], 1.0);
    let a = builder.dense("a", x, 100, (2.0 / 784f64).sqrt(), 0.0);
    let b = builder.like("b", "Relu", &[a]);
    let c = builder.dense("c", b, 10, (2.0 / 100f64).sqrt(), 0.0);
    builder.end(c, 2.0);
    let prediction = builder.predict();
    // E[δ²] through W: 10 outputs of weight variance 2/100.
    close(backward(&prediction, "b").rms, 2.0 * 0.2f64.sqrt(), 1e-9);
    close(backward(&prediction, "a").rms, 2.0 * 0.1f64.sqrt(), 1e-9);
    assert!(
        expected(&prediction, "c").backward.is_none(),
        "the output's gradient is given"
    );
}

#[test]
fn zero_padding_is_counted() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[2, 4, 3, 3], 1.0);
    let w = builder.parameter("w", &[5, 4, 3, 3], 0.0, 1.0);
    let pads = Attributes::default().set("pads", Attribute::Ints(vec![1; 4]));
    let y = builder.node_with("y", "Conv", pads, &[x, w], &[2, 5, 3, 3]);
    builder.end(y, 1.0);
    let prediction = builder.predict();
    // Of 9 positions 1 sees 9 taps, 4 see 6, 4 see 4: 49/9 of 9 on average.
    close(
        forward(&prediction, "y").rms.powi(2),
        4.0 * 49.0 / 9.0,
        1e-12,
    );
}

#[test]
fn transposed_convolution_with_stride() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[1, 8, 4, 4], 1.0);
    let w = builder.parameter("w", &[8, 3, 4, 4], 0.0, 0.5);
    let attributes = Attributes::default()
        .set("strides", Attribute::Ints(vec![2, 2]))
        .set("pads", Attribute::Ints(vec![1; 4]));
    let y = builder.node_with("y", "ConvTranspose", attributes, &[x, w], &[1, 3, 8, 8]);
    let z = builder.like("z", "Relu", &[y]);
    builder.end(z, 1.0);
    let prediction = builder.predict();
    // Each axis: 4 inputs × 4 taps, one tap lost at either end: 14 pairs onto 8 places.
    close(
        forward(&prediction, "y").rms.powi(2),
        8.0 * 0.25 * (14.0f64 / 8.0).powi(2),
        1e-12,
    );
}

#[test]
fn a_plain_residual_of_unit_branches_doubles() {
    let mut builder = Builder::new();
    let width = 64;
    let mut x = builder.input("x", &[16, width], 1.0);
    for block in 1..=8 {
        let branch = builder.dense(&format!("branch{block}"), x, width, 0.125, 0.0);
        x = builder.like(&format!("sum{block}"), "Add", &[x, branch]);
    }
    builder.end(x, 1.0);
    let prediction = builder.predict();
    close(forward(&prediction, "sum8").rms.powi(2), 256.0, 1e-9);
    close(backward(&prediction, "sum1").rms.powi(2), 128.0, 1e-9);
}

#[test]
fn a_batch_normed_residual_stream_grows_by_one_per_block() {
    let mut builder = Builder::new();
    let mut x = builder.input("x", &[256, 64], 1.0);
    for block in 1..=9 {
        let branch = builder.dense(&format!("branch{block}"), x, 64, 3.0, 0.0);
        let scale = builder.parameter(&format!("scale{block}"), &[64], 1.0, 1.0);
        let shift = builder.parameter(&format!("shift{block}"), &[64], 0.0, 0.0);
        let norm = builder.like(
            &format!("norm{block}"),
            "BatchNormalization",
            &[branch, scale, shift],
        );
        x = builder.like(&format!("sum{block}"), "Add", &[x, norm]);
    }
    builder.end(x, 1.0);
    let prediction = builder.predict();
    close(forward(&prediction, "sum9").rms.powi(2), 10.0, 1e-4);
    // Backward (1 + 1/l) per block: blocks 2 to 9 lead from the end to the first sum.
    close(backward(&prediction, "sum1").rms.powi(2), 10.0 / 2.0, 0.05);
}

#[test]
fn batch_norm_after_relu_makes_gradients_grow() {
    // π/(π−1) per layer for a large batch.
    let mut builder = Builder::new();
    let mut x = builder.input("x", &[100_000, 64], 1.0);
    for layer in 1..=4 {
        let pre = builder.dense(&format!("pre{layer}"), x, 64, 0.2, 0.0);
        builder.measure(
            pre,
            0.0,
            1.0,
            Some(if layer == 1 {
                0.0
            } else {
                1.0 / std::f64::consts::PI
            }),
        );
        let scale = builder.parameter(&format!("scale{layer}"), &[64], 1.0, 1.0);
        let shift = builder.parameter(&format!("shift{layer}"), &[64], 0.0, 0.0);
        let norm = builder.like(
            &format!("norm{layer}"),
            "BatchNormalization",
            &[pre, scale, shift],
        );
        x = builder.like(&format!("act{layer}"), "Relu", &[norm]);
    }
    builder.end(x, 1.0);
    let prediction = builder.predict();
    let ratio = backward(&prediction, "act2").rms / backward(&prediction, "act3").rms;
    close(ratio * ratio, 1.466_942_207, 1e-3);
}

#[test]
fn an_activation_in_primitive_operations_has_the_same_moments() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[1000, 1000], 1.0);
    let gate = builder.like("gate", "Sigmoid", &[x]);
    let silu = builder.like("silu", "Mul", &[x, gate]);
    builder.end(silu, 1.0);
    let prediction = builder.predict();
    // E SiLU(z)² = .3557755198.
    close(forward(&prediction, "silu").rms.powi(2), 0.3557755198, 1e-8);
    // The gradient at the gate is δ z.
    close(backward(&prediction, "gate").rms, 1.0, 1e-8);
}

#[test]
fn the_gradient_of_a_spelled_out_activation_adds_its_paths() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[1000, 1000], 1.0);
    let w = builder.dense("pre", x, 1000, 1000f64.sqrt().recip(), 0.0);
    let gate = builder.like("gate", "Sigmoid", &[w]);
    let silu = builder.like("silu", "Mul", &[w, gate]);
    builder.end(silu, 1.0);
    // E SiLU'(z)² = .3794823516.
    close(
        backward(&builder.predict(), "pre").rms.powi(2),
        0.3794823516,
        1e-8,
    );
}

#[test]
fn without_a_rule_the_measurement_is_the_start() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[4, 8, 8, 8], 1.0);
    let window = Attributes::default()
        .set("kernel_shape", Attribute::Ints(vec![2, 2]))
        .set("strides", Attribute::Ints(vec![2, 2]));
    let pool = builder.node_with("pool", "MaxPool", window, &[x], &[4, 8, 4, 4]);
    builder.measure(pool, 1.0, 1.25, None);
    let relu = builder.like("relu", "Relu", &[pool]);
    builder.end(relu, 1.0);
    let prediction = builder.predict();
    assert!(expected(&prediction, "pool").forward.is_none());
    assert_eq!(expected(&prediction, "pool").since.as_deref(), Some("pool"));
    assert_eq!(expected(&prediction, "relu").since.as_deref(), Some("pool"));
    assert!(forward(&prediction, "relu").rms < 1.25);
}

#[test]
fn a_value_nobody_measured_and_no_rule_reaches_has_no_entry() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[4, 8], 1.0);
    let y = builder.like("y", "Mystery", &[x]);
    builder.end(y, 1.0);
    assert!(builder.predict().values.is_empty());
}

#[test]
fn second_moments_of_activations() {
    for (op, second, slope) in [
        ("Relu", 0.5, 0.5),
        ("Elu", 0.6449454175, 0.6681020012),
        ("Selu", 1.0, 1.071574992),
        ("Gelu", 0.4252214826, 0.4558508656),
        ("Mish", 0.4523421924, 0.4790837584),
        ("Softplus", 0.9212459089, 0.2933790359),
        ("Softsign", 0.1830140213, 0.2276713404),
        ("Tanh", 0.3942944904, 0.4644029024),
        ("Sigmoid", 0.2933790359, 0.04483624135),
        ("Erf", 0.4645590544, 0.5694100347),
        ("HardSwish", 0.3315673751, 0.3585315172),
        ("Sin", 0.4323323584, 0.5676676416),
    ] {
        let mut builder = Builder::new();
        let x = builder.input("x", &[100, 100], 1.0);
        let pre = builder.dense("pre", x, 100, 0.1, 0.0);
        let act = builder.like("act", op, &[pre]);
        builder.end(act, 1.0);
        let prediction = builder.predict();
        close(forward(&prediction, "act").rms.powi(2), second, 1e-6);
        close(backward(&prediction, "pre").rms.powi(2), slope, 1e-6);
    }
}

#[test]
fn gelu_through_erf_is_gelu() {
    let mut builder = Builder::new();
    let x = builder.input("x", &[100, 100], 1.0);
    let pre = builder.dense("pre", x, 100, 0.1, 0.0);
    let (root, one, half) = (
        builder.scalar("root", 2f32.sqrt()),
        builder.scalar("one", 1.0),
        builder.scalar("half", 0.5),
    );
    let scaled = builder.like("scaled", "Div", &[pre, root]);
    let erf = builder.like("erf", "Erf", &[scaled]);
    let shifted = builder.like("shifted", "Add", &[erf, one]);
    let product = builder.like("product", "Mul", &[pre, shifted]);
    let gelu = builder.like("gelu", "Mul", &[product, half]);
    builder.end(gelu, 1.0);
    let prediction = builder.predict();
    close(forward(&prediction, "gelu").rms.powi(2), 0.4252214826, 1e-6);
    close(backward(&prediction, "pre").rms.powi(2), 0.4558508656, 1e-6);
}
