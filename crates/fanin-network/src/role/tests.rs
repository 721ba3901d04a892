//! Roles on small graphs, one per pattern.

use fanin::{Activation, Axis};

use super::*;
use crate::architecture::builder::{Builder, none};
use crate::operator::Conv;
use crate::{Attribute, Attributes, Dims, ElementType, HostTensor, Network, Parameter, ValueId};

/// Builds a graph, infers its shapes, assigns roles.
fn network(build: impl FnOnce(&mut Builder<'_>) -> ValueId) -> Network {
    let dims = Dims::default();
    let mut builder = Builder::new("test", &dims);
    let output = build(&mut builder);
    builder.output(output);
    let mut network = builder.finish();
    crate::infer::infer_and_fold(&mut network).unwrap();
    assign(&mut network).unwrap();
    network
}

fn find<'a>(network: &'a Network, name: &str) -> &'a Parameter {
    network
        .parameters
        .iter()
        .find(|p| p.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

fn role(network: &Network, name: &str) -> Role {
    find(network, name).purpose.role
}

fn feeds(network: &Network, name: &str) -> Feeds {
    find(network, name).purpose.feeds
}

fn fans(network: &Network, name: &str) -> (f64, f64) {
    let parameter = find(network, name);
    let fans = parameter.layout.fans(&parameter.shape).unwrap();
    (fans.fan_in, fans.fan_out)
}

fn input(builder: &mut Builder<'_>, shape: &[usize]) -> ValueId {
    builder
        .input("input", ElementType::F32, shape.to_vec())
        .unwrap()
}

fn op(builder: &mut Builder<'_>, op: &str, inputs: &[ValueId]) -> ValueId {
    with(builder, op, inputs, none())
}

fn with(
    builder: &mut Builder<'_>,
    op: &str,
    inputs: &[ValueId],
    attributes: Attributes,
) -> ValueId {
    let name = format!("{op}_{}_{}", inputs[0].0, inputs.last().unwrap().0);
    builder.node(&name, op, inputs, attributes)
}

fn perm(axes: &[i64]) -> Attributes {
    none().set("perm", Attribute::Ints(axes.to_vec()))
}

/// x · W, W `[input, output]`.
fn dense(builder: &mut Builder<'_>, name: &str, x: ValueId, sizes: [usize; 2]) -> ValueId {
    let weight = builder.parameter(name, &sizes).unwrap();
    op(builder, "MatMul", &[x, weight])
}

// ---- layouts -------------------------------------------------------------------------------------

#[test]
fn linear_layers_either_way_round() {
    let network = network(|b| {
        let x = input(b, &[4, 6]);
        // Gemm with transB, Gemm without, the weight on the left, the weight transposed before.
        let w = b.parameter("out_in", &[8, 6]).unwrap();
        let x = with(b, "Gemm", &[x, w], none().set("transB", Attribute::Int(1)));
        let w = b.parameter("in_out", &[8, 10]).unwrap();
        let x = op(b, "Gemm", &[x, w]);
        let x = with(b, "Transpose", &[x], perm(&[1, 0]));
        let w = b.parameter("left", &[12, 10]).unwrap();
        let x = op(b, "MatMul", &[w, x]);
        let x = with(b, "Transpose", &[x], perm(&[1, 0]));
        let w = b.parameter("transposed", &[14, 12]).unwrap();
        let w = with(b, "Transpose", &[w], perm(&[1, 0]));
        let w = op(b, "Identity", &[w]);
        let x = op(b, "MatMul", &[x, w]);
        let w = b.parameter("transposed_a", &[16, 14]).unwrap();
        let x = with(b, "Transpose", &[x], perm(&[1, 0]));
        op(b, "Gemm", &[w, x])
    });
    assert_eq!(fans(&network, "out_in"), (6.0, 8.0));
    assert_eq!(fans(&network, "in_out"), (8.0, 10.0));
    assert_eq!(fans(&network, "left"), (10.0, 12.0));
    assert_eq!(fans(&network, "transposed"), (12.0, 14.0));
    assert_eq!(fans(&network, "transposed_a"), (14.0, 16.0));
    assert_eq!(role(&network, "transposed_a"), Role::OutputHead);
}

#[test]
fn experts_are_stacked_and_einsum_is_read_off_its_equation() {
    let network = network(|b| {
        let x = input(b, &[3, 5, 6]);
        let experts = b.parameter("experts", &[3, 6, 8]).unwrap();
        let x = op(b, "MatMul", &[x, experts]);
        let w = b.parameter("heads", &[8, 2, 7]).unwrap();
        let equation = |e: &str| none().set("equation", Attribute::String(e.to_owned()));
        let x = with(b, "Einsum", &[x, w], equation("bsd,dhk->bshk"));
        let w = b.parameter("join", &[2, 7, 9]).unwrap();
        with(b, "Einsum", &[x, w], equation("bshk,hkd->bsd"))
    });
    assert_eq!(find(&network, "experts").layout.axes[0], Axis::Stack);
    assert_eq!(fans(&network, "experts"), (6.0, 8.0));
    assert_eq!(fans(&network, "heads"), (8.0, 14.0));
    assert_eq!(fans(&network, "join"), (14.0, 9.0));
}

#[test]
fn convolutions_depthwise_strided_and_transposed() {
    let network = network(|b| {
        let x = input(b, &[2, 8, 16, 16]);
        let ints = |v: &[i64]| Attribute::Ints(v.to_vec());
        let w = b.parameter("depthwise", &[8, 1, 3, 3]).unwrap();
        let x = with(
            b,
            Conv::NAME,
            &[x, w],
            none().set("group", Attribute::Int(8)),
        );
        let w = b.parameter("strided", &[12, 8, 2, 2]).unwrap();
        let x = with(b, Conv::NAME, &[x, w], none().set("strides", ints(&[2, 2])));
        let w = b.parameter("up", &[12, 5, 4, 4]).unwrap();
        with(
            b,
            "ConvTranspose",
            &[x, w],
            none().set("strides", ints(&[2, 2])),
        )
    });
    assert_eq!(fans(&network, "depthwise"), (9.0, 9.0));
    assert_eq!(fans(&network, "strided"), (32.0, 12.0));
    assert_eq!(fans(&network, "up"), (12.0 * 16.0 / 4.0, 5.0 * 16.0));
}

#[test]
fn recurrent_weights_made_of_parts_keep_their_axes() {
    let network = network(|b| {
        let x = input(b, &[5, 2, 6]);
        let w = b.parameter("weight_ih", &[16, 6]).unwrap();
        let axis = b.integers(&[0]).unwrap();
        let w = op(b, "Unsqueeze", &[w, axis]);
        let r = b.parameter("weight_hh", &[16, 4]).unwrap();
        let r = op(b, "Unsqueeze", &[r, axis]);
        with(
            b,
            "LSTM",
            &[x, w, r],
            none().set("hidden_size", Attribute::Int(4)),
        )
    });
    assert_eq!(role(&network, "weight_ih"), Role::RecurrentInput);
    assert_eq!(fans(&network, "weight_ih"), (6.0, 4.0));
    assert_eq!(find(&network, "weight_ih").layout.fused, [4; 4]);
    assert_eq!(
        find(&network, "weight_hh").purpose.recurrent,
        Some((RecurrentKind::Lstm, 4))
    );
}

/// PyTorch keeps the gates as i, f, g, o; its exporter slices and joins them into ONNX's i, o, f, c.
#[test]
fn the_forget_gate_is_found_in_the_exporters_own_order() {
    let network = network(|b| {
        let x = input(b, &[5, 2, 6]);
        let w = b.parameter("w", &[1, 16, 6]).unwrap();
        let r = b.parameter("r", &[1, 16, 4]).unwrap();
        let axis = b.integers(&[0]).unwrap();
        let mut parts = Vec::new();
        for name in ["b_ih", "b_hh"] {
            let bias = b.parameter(name, &[16]).unwrap();
            for gate in [0, 3, 1, 2] {
                let (from, to) = (4 * gate, 4 * gate + 4);
                let (from, to) = (b.integers(&[from]).unwrap(), b.integers(&[to]).unwrap());
                parts.push(op(b, "Slice", &[bias, from, to, axis]));
            }
        }
        let bias = with(b, "Concat", &parts, none().set("axis", Attribute::Int(0)));
        let bias = op(b, "Unsqueeze", &[bias, axis]);
        with(
            b,
            "LSTM",
            &[x, w, r, bias],
            none().set("hidden_size", Attribute::Int(4)),
        )
    });
    assert_eq!(find(&network, "b_ih").purpose.forget_gate, Some(4..8));
    assert_eq!(find(&network, "b_hh").purpose.forget_gate, None);
    assert_eq!(find(&network, "w").purpose.forget_gate, None);
}

#[test]
fn the_forget_gate_of_onnxs_own_bias() {
    for directions in [1usize, 2] {
        let network = network(|b| {
            let x = input(b, &[5, 2, 6]);
            let w = b.parameter("w", &[directions, 16, 6]).unwrap();
            let r = b.parameter("r", &[directions, 16, 4]).unwrap();
            let bias = b.parameter("bias", &[directions, 32]).unwrap();
            let both = if directions == 2 {
                "bidirectional"
            } else {
                "forward"
            };
            let attributes = none()
                .set("hidden_size", Attribute::Int(4))
                .set("direction", Attribute::String(both.to_owned()));
            with(b, "LSTM", &[x, w, r, bias], attributes)
        });
        assert_eq!(find(&network, "bias").purpose.forget_gate, Some(8..12));
    }
}

#[test]
fn recurrence_written_out() {
    let network = network(|b| {
        let x = input(b, &[4, 3, 6]);
        let w = b.parameter("in", &[6, 5]).unwrap();
        let u = b.parameter("state", &[5, 5]).unwrap();
        let bias = b.parameter("bias", &[5]).unwrap();
        let x = op(b, "MatMul", &[x, w]);
        let axis = b.integers(&[0]).unwrap();
        let mut state = None;
        for k in 0..4 {
            let (from, to) = (b.integers(&[k]).unwrap(), b.integers(&[k + 1]).unwrap());
            let step = b.node(&format!("step_{k}"), "Slice", &[x, from, to, axis], none());
            let mut sum = op(b, "Squeeze", &[step, axis]);
            if let Some(state) = state {
                let s = op(b, "MatMul", &[state, u]);
                let s = op(b, "Add", &[s, bias]);
                sum = op(b, "Add", &[s, sum]);
            }
            state = Some(op(b, "Tanh", &[sum]));
        }
        dense(b, "head", state.unwrap(), [5, 2])
    });
    let tanh = Feeds::Activation(Activation::Tanh);
    for (name, expected) in [
        ("state", Role::RecurrentHidden),
        ("in", Role::RecurrentInput),
    ] {
        let purpose = &find(&network, name).purpose;
        assert_eq!(purpose.role, expected);
        assert_eq!(purpose.recurrent, Some((RecurrentKind::Rnn, 5)), "{name}");
        assert_eq!(
            (purpose.feeds, purpose.residual_branches),
            (tanh, None),
            "{name}"
        );
    }
    assert_eq!(role(&network, "bias"), Role::Bias);
}

// ---- activations ---------------------------------------------------------------------------------

/// The activation that a spelling computes.
fn spelled(build: impl FnOnce(&mut Builder<'_>, ValueId) -> ValueId) -> Feeds {
    let network = network(|b| {
        let x = input(b, &[3, 6]);
        let x = dense(b, "weight", x, [6, 8]);
        let y = build(b, x);
        dense(b, "next", y, [8, 2])
    });
    assert_eq!(role(&network, "next"), Role::OutputHead);
    feeds(&network, "weight")
}

#[test]
fn activations_are_recognized_however_they_are_spelled() {
    let number = |b: &mut Builder<'_>, x: f64| b.float(x).unwrap();
    let is = Feeds::Activation;
    assert_eq!(spelled(|b, x| op(b, "Relu", &[x])), is(Activation::Relu));
    let gelu = |last: bool| {
        spelled(|b, x| {
            let (root, one, half) = (number(b, 2f64.sqrt()), number(b, 1.0), number(b, 0.5));
            let y = op(b, "Div", &[x, root]);
            let y = op(b, "Erf", &[y]);
            let y = op(b, "Add", &[y, one]);
            if last {
                let y = op(b, "Mul", &[x, y]);
                op(b, "Mul", &[y, half])
            } else {
                let x = op(b, "Mul", &[x, half]);
                op(b, "Mul", &[x, y])
            }
        })
    };
    assert_eq!(gelu(true), is(Activation::Gelu));
    assert_eq!(gelu(false), is(Activation::Gelu));
    let tanh_form = spelled(|b, x| {
        let (three, cubic, root) = (number(b, 3.0), number(b, 0.044715), number(b, 0.797_884_56));
        let (one, half) = (number(b, 1.0), number(b, 0.5));
        let y = op(b, "Pow", &[x, three]);
        let y = op(b, "Mul", &[y, cubic]);
        let y = op(b, "Add", &[x, y]);
        let y = op(b, "Mul", &[y, root]);
        let y = op(b, "Tanh", &[y]);
        let y = op(b, "Add", &[y, one]);
        let x = op(b, "Mul", &[x, half]);
        op(b, "Mul", &[x, y])
    });
    assert_eq!(tanh_form, is(Activation::GeluTanh));
    let silu = spelled(|b, x| {
        let y = op(b, "Sigmoid", &[x]);
        op(b, "Mul", &[x, y])
    });
    assert_eq!(silu, is(Activation::Silu));
    let quick = spelled(|b, x| {
        let c = number(b, 1.702);
        let y = op(b, "Mul", &[x, c]);
        let y = op(b, "Sigmoid", &[y]);
        op(b, "Mul", &[x, y])
    });
    assert_eq!(
        quick,
        is(Activation::Gelu),
        "the cheap GELU is nearest to GELU"
    );
    let mish = spelled(|b, x| {
        let y = op(b, "Softplus", &[x]);
        let y = op(b, "Tanh", &[y]);
        op(b, "Mul", &[x, y])
    });
    assert_eq!(mish, is(Activation::Mish));
    let hard_swish = spelled(|b, x| {
        let (three, zero, six) = (number(b, 3.0), number(b, 0.0), number(b, 6.0));
        let y = op(b, "Add", &[x, three]);
        let y = op(b, "Clip", &[y, zero, six]);
        let y = op(b, "Mul", &[x, y]);
        op(b, "Div", &[y, six])
    });
    assert_eq!(hard_swish, is(Activation::HardSwish));
    let relu6 = spelled(|b, x| {
        let (zero, six) = (number(b, 0.0), number(b, 6.0));
        op(b, "Clip", &[x, zero, six])
    });
    assert_eq!(
        relu6,
        is(Activation::Clip {
            low: 0.0,
            high: 6.0
        })
    );
    let squared = spelled(|b, x| {
        let y = op(b, "Relu", &[x]);
        op(b, "Mul", &[y, y])
    });
    assert_eq!(squared, is(Activation::ReluSquared));
    let softplus = spelled(|b, x| {
        let one = number(b, 1.0);
        let y = op(b, "Exp", &[x]);
        let y = op(b, "Add", &[y, one]);
        op(b, "Log", &[y])
    });
    assert_eq!(softplus, is(Activation::Softplus));
    let leaky = spelled(|b, x| {
        with(
            b,
            "LeakyRelu",
            &[x],
            none().set("alpha", Attribute::Float(0.2)),
        )
    });
    assert_eq!(leaky, is(Activation::LeakyRelu { slope: 0.2 }));
    let celu = spelled(|b, x| with(b, "Celu", &[x], none().set("alpha", Attribute::Float(2.0))));
    assert_eq!(celu, is(Activation::Celu { alpha: 2.0 }));
    let scaled = spelled(|b, x| {
        let c = number(b, 0.125);
        let y = op(b, "Mul", &[x, c]);
        op(b, "Neg", &[y])
    });
    assert_eq!(scaled, Feeds::Linear, "a straight line is no activation");
    let scaled_after = spelled(|b, x| {
        let c = number(b, 1.59);
        let y = op(b, "Tanh", &[x]);
        op(b, "Mul", &[y, c])
    });
    assert_eq!(
        scaled_after,
        is(Activation::Tanh),
        "scaling after it does not hide it"
    );
    let two = spelled(|b, x| {
        let y = op(b, "Tanh", &[x]);
        let z = op(b, "Relu", &[x]);
        let z = dense(b, "other", z, [8, 8]);
        op(b, "Add", &[y, z])
    });
    assert_eq!(two, Feeds::Mixed);
}

#[test]
fn gelu_and_its_cheap_forms_are_told_apart() {
    // The tolerance must lie between f32 constants and the distance of GELU to its tanh form.
    let distance = (-60..60)
        .map(|k| f64::from(k) / 10.0)
        .map(|x| (Activation::Gelu.eval(x) - Activation::GeluTanh.eval(x)).abs())
        .fold(0.0, f64::max);
    assert!(distance > 4e-4, "{distance}");
}

// ---- norms ---------------------------------------------------------------------------------------

#[test]
fn layer_norm_spelled_out() {
    let network = network(|b| {
        let x = input(b, &[3, 6]);
        let x = dense(b, "weight", x, [6, 8]);
        let axes = b.integers(&[-1]).unwrap();
        let (two, eps) = (b.float(2.0).unwrap(), b.float(1e-5).unwrap());
        let mean = op(b, "ReduceMean", &[x, axes]);
        let d = op(b, "Sub", &[x, mean]);
        let s = op(b, "Pow", &[d, two]);
        let s = op(b, "ReduceMean", &[s, axes]);
        let s = op(b, "Add", &[s, eps]);
        let s = op(b, "Sqrt", &[s]);
        let y = op(b, "Div", &[d, s]);
        let scale = b.parameter("scale", &[8]).unwrap();
        let shift = b.parameter("shift", &[8]).unwrap();
        let y = op(b, "Mul", &[y, scale]);
        let y = op(b, "Add", &[y, shift]);
        let y = op(b, "Relu", &[y]);
        dense(b, "head", y, [8, 2])
    });
    assert_eq!(role(&network, "scale"), Role::NormScale);
    assert_eq!(role(&network, "shift"), Role::NormShift);
    let weight = &find(&network, "weight").purpose;
    assert_eq!(weight.feeds, Feeds::Activation(Activation::Relu));
    assert!(weight.norm_follows);
    assert_eq!(weight.because, "feeds relu through spelled-out layer norm");
}

#[test]
fn rms_norm_spelled_out_in_several_ways() {
    for way in ["reciprocal", "pow", "div"] {
        let network = network(|b| {
            let x = input(b, &[3, 6]);
            let x = dense(b, "weight", x, [6, 8]);
            let axes = b.integers(&[-1]).unwrap();
            let eps = b.float(1e-6).unwrap();
            let s = op(b, "Mul", &[x, x]);
            let s = op(b, "ReduceMean", &[s, axes]);
            let s = op(b, "Add", &[s, eps]);
            let y = match way {
                "pow" => {
                    let p = b.float(-0.5).unwrap();
                    let s = op(b, "Pow", &[s, p]);
                    op(b, "Mul", &[s, x])
                }
                "div" => {
                    let s = op(b, "Sqrt", &[s]);
                    op(b, "Div", &[x, s])
                }
                _ => {
                    let s = op(b, "Sqrt", &[s]);
                    let s = op(b, "Reciprocal", &[s]);
                    op(b, "Mul", &[x, s])
                }
            };
            let scale = b.parameter("scale", &[8]).unwrap();
            let y = op(b, "Mul", &[scale, y]);
            dense(b, "head", y, [8, 2])
        });
        assert_eq!(role(&network, "scale"), Role::NormScale, "{way}");
        assert!(find(&network, "weight").purpose.norm_follows, "{way}");
    }
}

#[test]
fn batch_norm_as_tensorflow_writes_it() {
    // x · (r γ) + (β − mean · r γ)
    let network = network(|b| {
        let x = input(b, &[3, 6]);
        let x = dense(b, "weight", x, [6, 8]);
        let axes = b.integers(&[0]).unwrap();
        let eps = b.float(1e-3).unwrap();
        let mean = op(b, "ReduceMean", &[x, axes]);
        let d = op(b, "Sub", &[x, mean]);
        let v = op(b, "Mul", &[d, d]);
        let v = op(b, "ReduceMean", &[v, axes]);
        let v = op(b, "Add", &[v, eps]);
        let v = op(b, "Sqrt", &[v]);
        let r = op(b, "Reciprocal", &[v]);
        let scale = b.parameter("scale", &[8]).unwrap();
        let shift = b.parameter("shift", &[8]).unwrap();
        let r = op(b, "Mul", &[r, scale]);
        let m = op(b, "Mul", &[mean, r]);
        let m = op(b, "Sub", &[shift, m]);
        let y = op(b, "Mul", &[x, r]);
        let y = op(b, "Add", &[y, m]);
        let y = op(b, "Relu", &[y]);
        dense(b, "head", y, [8, 2])
    });
    assert_eq!(role(&network, "scale"), Role::NormScale);
    assert_eq!(role(&network, "shift"), Role::NormShift);
    assert_eq!(
        feeds(&network, "weight"),
        Feeds::Activation(Activation::Relu)
    );
}

// ---- residual streams ----------------------------------------------------------------------------

#[test]
fn branches_of_a_stream_are_counted() {
    let network = network(|b| {
        let x = input(b, &[3, 8]);
        let mut x = dense(b, "stem", x, [8, 8]);
        for k in 0..3 {
            let y = op(b, "Relu", &[x]);
            let y = dense(b, &format!("first.{k}"), y, [8, 16]);
            let y = op(b, "Relu", &[y]);
            let y = dense(b, &format!("last.{k}"), y, [16, 8]);
            // ReZero
            let alpha = b.parameter(&format!("alpha.{k}"), &[1]).unwrap();
            let y = op(b, "Mul", &[y, alpha]);
            x = op(b, "Add", &[y, x]);
        }
        dense(b, "head", x, [8, 2])
    });
    for k in 0..3 {
        let last = &find(&network, &format!("last.{k}")).purpose;
        assert_eq!(
            (last.residual_branches, last.feeds),
            (Some(3), Feeds::Linear)
        );
        let first = &find(&network, &format!("first.{k}")).purpose;
        assert_eq!(first.residual_branches, None);
        assert_eq!(first.feeds, Feeds::Activation(Activation::Relu));
        let alpha = &find(&network, &format!("alpha.{k}")).purpose;
        assert_eq!(
            (alpha.role, alpha.residual_branches),
            (Role::BranchScale, Some(3))
        );
    }
    assert_eq!(role(&network, "head"), Role::OutputHead);
}

#[test]
fn branches_side_by_side_both_count() {
    let network = network(|b| {
        let x = input(b, &[3, 8]);
        let mut x = dense(b, "stem", x, [8, 8]);
        for k in 0..2 {
            let n = b.layer_norm(&format!("norm.{k}"), x, 8).unwrap();
            let y = op(b, "Tanh", &[n]);
            let y = dense(b, &format!("one.{k}"), y, [8, 8]);
            let z = op(b, "Sin", &[n]);
            let z = dense(b, &format!("two.{k}"), z, [8, 8]);
            let y = op(b, "Add", &[y, z]);
            x = op(b, "Add", &[x, y]);
        }
        dense(b, "head", x, [8, 2])
    });
    for name in ["one.0", "two.0", "one.1", "two.1"] {
        assert_eq!(
            find(&network, name).purpose.residual_branches,
            Some(4),
            "{name}"
        );
    }
}

#[test]
fn a_projection_starts_a_stream_and_concatenation_makes_none() {
    let network = network(|b| {
        let x = input(b, &[3, 8]);
        let x = dense(b, "stem", x, [8, 8]);
        let x = op(b, "Relu", &[x]);
        let y = dense(b, "a", x, [8, 12]);
        let y = op(b, "Relu", &[y]);
        let y = dense(b, "b", y, [12, 12]);
        let s = dense(b, "projection", x, [8, 12]);
        let x = op(b, "Add", &[y, s]);
        let x = op(b, "Relu", &[x]);
        let y = dense(b, "c", x, [12, 12]);
        let y = op(b, "Relu", &[y]);
        let y = with(b, "Concat", &[x, y], none().set("axis", Attribute::Int(1)));
        dense(b, "head", y, [24, 2])
    });
    assert_eq!(find(&network, "b").purpose.residual_branches, Some(1));
    assert_eq!(find(&network, "projection").purpose.residual_branches, None);
    assert_eq!(find(&network, "c").purpose.residual_branches, None);
    assert_eq!(feeds(&network, "c"), Feeds::Activation(Activation::Relu));
}

// ---- attention and gates -------------------------------------------------------------------------

/// Query, key and value `[2, 5, heads · 4]` to the context `[2, 5, heads · 4]`.
fn attend(b: &mut Builder<'_>, [q, k, v]: [ValueId; 3], heads: i64) -> ValueId {
    let shape = b.integers(&[2, 5, -1, 4]).unwrap();
    let q = op(b, "Reshape", &[q, shape]);
    let q = with(b, "Transpose", &[q], perm(&[0, 2, 1, 3]));
    let k = op(b, "Reshape", &[k, shape]);
    let k = with(b, "Transpose", &[k], perm(&[0, 2, 3, 1]));
    let v = op(b, "Reshape", &[v, shape]);
    let v = with(b, "Transpose", &[v], perm(&[0, 2, 1, 3]));
    let s = op(b, "MatMul", &[q, k]);
    let two = b.float(2.0).unwrap();
    let s = op(b, "Div", &[s, two]);
    let bias = b.parameter("relative", &[1, heads as usize, 5, 5]).unwrap();
    let s = op(b, "Add", &[s, bias]);
    let p = with(b, "Softmax", &[s], none().set("axis", Attribute::Int(-1)));
    let c = op(b, "MatMul", &[p, v]);
    let c = with(b, "Transpose", &[c], perm(&[0, 2, 1, 3]));
    let flat = b.integers(&[2, 5, heads * 4]).unwrap();
    op(b, "Reshape", &[c, flat])
}

#[test]
fn attention_from_one_weight_split_three_ways() {
    for way in ["split", "slice", "reshape"] {
        let network = network(|b| {
            let x = input(b, &[2, 5, 8]);
            let y = dense(b, "qkv", x, [8, 24]);
            let qkv: Vec<ValueId> = match way {
                "split" => {
                    let axis = none()
                        .set("axis", Attribute::Int(2))
                        .set("num_outputs", Attribute::Int(3));
                    b.operation("split", "Split", vec![Some(y)], axis, 3)
                }
                "slice" => (0..3)
                    .map(|k| {
                        let from = b.integers(&[8 * k]).unwrap();
                        let to = b.integers(&[8 * k + 8]).unwrap();
                        let axis = b.integers(&[2]).unwrap();
                        let name = format!("slice_{k}");
                        b.node(&name, "Slice", &[y, from, to, axis], none())
                    })
                    .collect(),
                _ => {
                    let shape = b.integers(&[2, 5, 3, 8]).unwrap();
                    let y = op(b, "Reshape", &[y, shape]);
                    (0..3)
                        .map(|k| {
                            let index = b.held(HostTensor::i64(vec![], vec![k])).unwrap();
                            let axis = none().set("axis", Attribute::Int(2));
                            b.node(&format!("gather_{k}"), "Gather", &[y, index], axis)
                        })
                        .collect()
                }
            };
            let c = attend(b, [qkv[0], qkv[1], qkv[2]], 2);
            dense(b, "out", c, [8, 8])
        });
        assert_eq!(role(&network, "qkv"), Role::AttentionQkv, "{way}");
        assert_eq!(find(&network, "qkv").layout.fused, [8, 8, 8], "{way}");
        assert_eq!(fans(&network, "qkv"), (8.0, 8.0), "{way}");
        assert_eq!(role(&network, "out"), Role::AttentionOutput, "{way}");
        assert_eq!(role(&network, "relative"), Role::AttentionBias, "{way}");
    }
}

#[test]
fn attention_with_unequal_parts_and_keys_used_twice() {
    let network = network(|b| {
        let x = input(b, &[2, 5, 8]);
        let y = dense(b, "qkv", x, [8, 16]);
        let sizes = b.integers(&[8, 4, 4]).unwrap();
        let axis = none().set("axis", Attribute::Int(2));
        let qkv = b.operation("split", "Split", vec![Some(y), Some(sizes)], axis, 3);
        let twice = b.integers(&[1, 1, 2]).unwrap();
        let k = op(b, "Tile", &[qkv[1], twice]);
        let v = op(b, "Tile", &[qkv[2], twice]);
        let c = attend(b, [qkv[0], k, v], 2);
        dense(b, "out", c, [8, 8])
    });
    assert_eq!(role(&network, "qkv"), Role::AttentionQkv);
    assert_eq!(find(&network, "qkv").layout.fused, [8, 4, 4]);
}

#[test]
fn query_and_key_are_told_apart_through_rotation() {
    let network = network(|b| {
        let x = input(b, &[2, 5, 8]);
        let q = dense(b, "a", x, [8, 8]);
        let k = dense(b, "b", x, [8, 8]);
        let v = dense(b, "c", x, [8, 8]);
        let mut rotate = |x: ValueId| {
            let axis = b.integers(&[2]).unwrap();
            let (zero, half, all) = (b.integers(&[0]), b.integers(&[4]), b.integers(&[8]));
            let (zero, half, all) = (zero.unwrap(), half.unwrap(), all.unwrap());
            let left = op(b, "Slice", &[x, zero, half, axis]);
            let right = b.node(
                &format!("right_{}", x.0),
                "Slice",
                &[x, half, all, axis],
                none(),
            );
            let right = op(b, "Neg", &[right]);
            let turned = with(
                b,
                "Concat",
                &[right, left],
                none().set("axis", Attribute::Int(2)),
            );
            let cosines = b.buffer(&format!("cos_{}", x.0), &[5, 8], 0.8);
            let sines = b.buffer(&format!("sin_{}", x.0), &[5, 8], 0.6);
            let y = op(b, "Mul", &[x, cosines]);
            let z = op(b, "Mul", &[turned, sines]);
            op(b, "Add", &[y, z])
        };
        let (q, k) = (rotate(q), rotate(k));
        let c = attend(b, [q, k, v], 2);
        dense(b, "out", c, [8, 8])
    });
    assert_eq!(role(&network, "a"), Role::AttentionQuery);
    assert_eq!(role(&network, "b"), Role::AttentionKey);
    assert_eq!(role(&network, "c"), Role::AttentionValue);
}

#[test]
fn gated_units_and_squeeze_and_excitation() {
    let network = network(|b| {
        let x = input(b, &[3, 8]);
        // SwiGLU from two weights.
        let gate = dense(b, "gate", x, [8, 12]);
        let s = op(b, "Sigmoid", &[gate]);
        let gate = op(b, "Mul", &[gate, s]);
        let value = dense(b, "value", x, [8, 12]);
        let y = op(b, "Mul", &[gate, value]);
        let y = dense(b, "down", y, [12, 8]);
        // GLU from one.
        let both = dense(b, "both", y, [8, 20]);
        let axis = none()
            .set("axis", Attribute::Int(1))
            .set("num_outputs", Attribute::Int(2));
        let halves = b.operation("halves", "Split", vec![Some(both)], axis, 2);
        let s = op(b, "Sigmoid", &[halves[1]]);
        let y = op(b, "Mul", &[halves[0], s]);
        // Channels weighed by what they are on average: no gated unit.
        let e = dense(b, "squeeze", y, [10, 4]);
        let e = op(b, "Relu", &[e]);
        let e = dense(b, "excite", e, [4, 10]);
        let e = op(b, "Sigmoid", &[e]);
        let y = op(b, "Mul", &[y, e]);
        dense(b, "head", y, [10, 2])
    });
    assert_eq!(role(&network, "gate"), Role::Gate);
    assert_eq!(feeds(&network, "gate"), Feeds::Activation(Activation::Silu));
    assert_eq!(role(&network, "value"), Role::GateValue);
    assert_eq!(role(&network, "both"), Role::Gate);
    assert_eq!(find(&network, "both").layout.fused, [10, 10]);
    assert_eq!(role(&network, "squeeze"), Role::Weight);
    assert_eq!(role(&network, "excite"), Role::Weight);
    assert_eq!(
        feeds(&network, "excite"),
        Feeds::Activation(Activation::Sigmoid)
    );
}

// ---- the rest ------------------------------------------------------------------------------------

#[test]
fn heads_say_what_they_feed() {
    for (after, expected) in [
        ("Softmax", Some(Feeds::Softmax)),
        ("Sigmoid", Some(Feeds::Activation(Activation::Sigmoid))),
        ("Identity", Some(Feeds::Linear)),
        ("Tanh", None),
    ] {
        let network = network(|b| {
            let x = input(b, &[3, 8]);
            let y = dense(b, "head", x, [8, 2]);
            op(b, after, &[y])
        });
        match expected {
            Some(feeding) => {
                assert_eq!(role(&network, "head"), Role::OutputHead, "{after}");
                assert_eq!(feeds(&network, "head"), feeding, "{after}");
            }
            None => assert_eq!(role(&network, "head"), Role::Weight, "{after}"),
        }
    }
}

#[test]
fn tables_tokens_and_slopes() {
    let network = network(|b| {
        let ids = b.input("ids", ElementType::I64, vec![2, 5]).unwrap();
        let table = b.parameter("table", &[50, 8]).unwrap();
        let x = op(b, "Gather", &[table, ids]);
        let positions = b.parameter("positions", &[1, 5, 8]).unwrap();
        let x = op(b, "Add", &[x, positions]);
        let token = b.parameter("token", &[1, 1, 8]).unwrap();
        let shape = b.integers(&[2, 1, 8]).unwrap();
        let token = op(b, "Expand", &[token, shape]);
        let x = with(
            b,
            "Concat",
            &[token, x],
            none().set("axis", Attribute::Int(1)),
        );
        let y = dense(b, "weight", x, [8, 8]);
        let bias = b.parameter("bias", &[8]).unwrap();
        let y = op(b, "Add", &[y, bias]);
        let slope = b.parameter("slope", &[8]).unwrap();
        let y = op(b, "PRelu", &[y, slope]);
        // The head is the table again.
        let head = with(b, "Transpose", &[table], perm(&[1, 0]));
        op(b, "MatMul", &[y, head])
    });
    let table = find(&network, "table");
    assert_eq!(
        (table.purpose.role, table.purpose.tied),
        (Role::Embedding, true)
    );
    assert_eq!(fans(&network, "table"), (1.0, 8.0));
    assert_eq!(role(&network, "positions"), Role::PositionEmbedding);
    assert_eq!(role(&network, "token"), Role::PositionEmbedding);
    assert_eq!(role(&network, "bias"), Role::Bias);
    assert_eq!(
        feeds(&network, "bias"),
        Feeds::Activation(Activation::PRelu)
    );
    assert_eq!(role(&network, "slope"), Role::ActivationSlope);
}

#[test]
fn what_nobody_understands_says_so() {
    let network = network(|b| {
        let x = input(b, &[3, 8]);
        let w = b.parameter("odd", &[3, 8]).unwrap();
        op(b, "Max", &[x, w])
    });
    let odd = &find(&network, "odd").purpose;
    assert_eq!(odd.role, Role::Other);
    assert!(odd.because.contains("tells no role"), "{}", odd.because);
}

#[test]
fn long_chains_of_sums_of_themselves_end_in_time() {
    // 2^200 paths from end to start.
    let network = network(|b| {
        let x = input(b, &[2, 4]);
        let mut x = dense(b, "weight", x, [4, 4]);
        for k in 0..200 {
            x = b.node(&format!("double_{k}"), "Add", &[x, x], none());
        }
        with(b, "Softmax", &[x], none())
    });
    assert_eq!(role(&network, "weight"), Role::OutputHead);
}
