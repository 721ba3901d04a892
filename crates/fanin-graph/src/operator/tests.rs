//! Parsing of each family, old operator sets included, and facts that others rely on.

use fanin::Axis;

use super::*;
use crate::{Attribute, HostTensor};

fn list(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

fn text(value: &str) -> Attribute {
    Attribute::String(value.to_owned())
}

fn attributes(stated: &[(&str, Attribute)]) -> Attributes {
    stated
        .iter()
        .fold(Attributes::default(), |all, (name, value)| {
            all.set(name, value.clone())
        })
}

fn try_parse(
    name: &str,
    opset: i64,
    stated: &[(&str, Attribute)],
    inputs: usize,
) -> Result<Operator, String> {
    Operator::parse("", name, opset, &attributes(stated), inputs, 1)
}

fn parse(name: &str, opset: i64, stated: &[(&str, Attribute)], inputs: usize) -> Operator {
    try_parse(name, opset, stated, inputs).unwrap()
}

fn microsoft(name: &str, stated: &[(&str, Attribute)], inputs: usize) -> Operator {
    Operator::parse("com.microsoft", name, 1, &attributes(stated), inputs, 1).unwrap()
}

#[test]
fn every_name_parses_to_what_it_names() {
    let entries = catalogue();
    assert_eq!(entries.len(), names().count());
    assert!(entries.len() > 180, "{}", entries.len());
    for entry in &entries {
        assert!(entry.example.is_known(), "{}", entry.name);
        // Spellings that are another operator with its fields set.
        let expected = match (entry.domain, entry.name) {
            ("com.microsoft", "QuickGelu") => "Swish",
            (_, "SimplifiedLayerNormalization") => "RMSNormalization",
            (_, "Upsample") => "Resize",
            (_, "Scatter") => "ScatterElements",
            // With no attribute set they are the plain product.
            (_, "FusedMatMul" | "TransposeMatMul") => "MatMul",
            (_, "FusedGemm") => "Gemm",
            (_, name) => name,
        };
        assert_eq!(entry.example.name(), expected, "{}", entry.title());
    }
    for (k, entry) in entries.iter().enumerate() {
        let again = entries[k + 1..]
            .iter()
            .any(|other| (other.domain, other.name) == (entry.domain, entry.name));
        assert!(!again, "{} is listed twice", entry.title());
    }
}

/// Each input is at most one thing, weights are no statistics, and the classes say what they say.
#[test]
fn facts_do_not_contradict_themselves() {
    for entry in catalogue() {
        let facts = entry.example.facts();
        let title = entry.title();
        let mut slots: Vec<usize> = facts.weights.iter().map(|weight| weight.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), facts.weights.len(), "{title}");
        assert!(facts.range.0 <= facts.range.1, "{title}");
        if facts.class == Class::Linear {
            assert!(facts.contracts(1), "{title}");
        }
        if facts.class == Class::Looks {
            assert_eq!(facts.signal, Slots::NONE, "{title}");
        }
        if facts.class.moves() {
            assert!(facts.signal.contains(0) && facts.homogeneous(), "{title}");
        }
        if facts.zeros {
            assert!(matches!(facts.class, Class::Activation), "{title}");
        }
    }
}

/// What has a rule for its shape, and what is evaluated on constants.
#[test]
fn few_operators_have_no_rule() {
    let without: Vec<String> = catalogue()
        .into_iter()
        .filter(|entry| !crate::infer::has_rule(&entry.example))
        .map(|entry| entry.title())
        .collect();
    assert_eq!(
        without,
        [
            "ConcatFromSequence",
            "SequenceAt",
            "SequenceConstruct",
            "SequenceEmpty",
            "SequenceLength",
            "SplitToSequence"
        ]
    );
    let folded = |name: &str| {
        let entries = catalogue();
        let entry = entries.iter().find(|entry| entry.name == name).unwrap();
        crate::evaluate::folds(&entry.example)
    };
    assert!(
        ["Add", "Shape", "Relu", "Gather", "MatMul"]
            .iter()
            .all(|name| folded(name))
    );
    assert!(
        !["Conv", "Gelu", "RandomNormal"]
            .iter()
            .any(|name| folded(name))
    );
}

#[test]
fn unknown_names_are_opaque() {
    let other = Operator::parse("", "Frobnicate", 20, &Attributes::default(), 1, 1).unwrap();
    assert!(!other.is_known());
    assert_eq!(other.name(), "Frobnicate");
    assert!(
        !Operator::parse("own", "Relu", 20, &Attributes::default(), 1, 1)
            .unwrap()
            .is_known()
    );
    assert_eq!(
        Operator::parse("ai.onnx", "Relu", 20, &Attributes::default(), 1, 1).unwrap(),
        Operator::Unary(Unary::Relu)
    );
}

#[test]
fn axes_come_from_an_attribute_or_an_input() {
    let axes = |operator: Operator| match operator {
        Operator::Squeeze { axes } | Operator::Unsqueeze { axes } => axes,
        Operator::Reduce(reduce) => reduce.axes,
        other => panic!("{other:?}"),
    };
    let old = [("axes", list(&[0, -1]))];
    for name in ["Squeeze", "Unsqueeze", "ReduceMean", "ReduceSum"] {
        assert_eq!(axes(parse(name, 11, &old, 1)), Setting::Given(vec![0, -1]));
        assert_eq!(axes(parse(name, 18, &[], 2)), Setting::Input(1));
        assert_eq!(axes(parse(name, 18, &[], 1)), Setting::Absent);
    }
    let Operator::Slice(slice) = parse(
        "Slice",
        1,
        &[("starts", list(&[1])), ("ends", list(&[-1]))],
        1,
    ) else {
        panic!("no slice");
    };
    assert_eq!(slice.starts, Setting::Given(vec![1]));
    assert_eq!(
        (slice.axes, slice.steps),
        (Setting::Absent, Setting::Absent)
    );
    let Operator::Slice(slice) = parse("Slice", 13, &[], 4) else {
        panic!("no slice");
    };
    assert_eq!(slice.ends, Setting::Input(2));
    assert_eq!(
        (slice.axes, slice.steps),
        (Setting::Input(3), Setting::Absent)
    );
}

#[test]
fn settings_that_moved_to_inputs() {
    let ends = |clip: Operator| match clip {
        Operator::Clip(clip) => (clip.low, clip.high),
        other => panic!("{other:?}"),
    };
    let old = [
        ("min", Attribute::Float(0.0)),
        ("max", Attribute::Float(6.0)),
    ];
    assert_eq!(
        ends(parse("Clip", 6, &old, 1)),
        (Setting::Given(0.0), Setting::Given(6.0))
    );
    assert_eq!(
        ends(parse("Clip", 13, &[], 2)),
        (Setting::Input(1), Setting::Absent)
    );

    let Operator::Dropout(dropout) = parse("Dropout", 7, &[("ratio", Attribute::Float(0.1))], 1)
    else {
        panic!("no dropout");
    };
    assert!(!dropout.boolean_mask);
    assert_eq!(dropout.ratio, Setting::Given(0.1));
    let Operator::Dropout(dropout) = parse("Dropout", 13, &[], 3) else {
        panic!("no dropout");
    };
    assert!(dropout.boolean_mask);
    assert_eq!(dropout.ratio, Setting::Input(1));

    let pads = |pad: Operator| match pad {
        Operator::Pad(pad) => (pad.pads, pad.value, pad.axes),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        pads(parse("Pad", 2, &[("pads", list(&[1, 1]))], 1)),
        (Setting::Given(vec![1, 1]), Setting::Absent, Setting::Absent)
    );
    assert_eq!(
        pads(parse("Pad", 1, &[("paddings", list(&[1, 1]))], 1)).0,
        Setting::Given(vec![1, 1])
    );
    assert_eq!(
        pads(parse("Pad", 18, &[], 4)),
        (Setting::Input(1), Setting::Input(2), Setting::Input(3))
    );

    let split = |operator: Operator| match operator {
        Operator::Split(split) => split,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        split(parse("Split", 11, &[("split", list(&[1, 4]))], 1)).lengths,
        Setting::Given(vec![1, 4])
    );
    let new = split(parse("Split", 18, &[("num_outputs", Attribute::Int(3))], 1));
    assert_eq!((new.parts, new.uneven), (3, true));
    assert!(!split(parse("Split", 13, &[], 2)).uneven);

    let top = |operator: Operator| match operator {
        Operator::TopK(top) => top.k,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        top(parse("TopK", 9, &[("k", Attribute::Int(3))], 1)),
        Setting::Given(3)
    );
    assert_eq!(top(parse("TopK", 11, &[], 2)), Setting::Input(1));
}

#[test]
fn softmax_was_flattened_before_operator_set_13() {
    let softmax = |opset| match parse("LogSoftmax", opset, &[], 1) {
        Operator::Softmax(softmax) => softmax,
        other => panic!("{other:?}"),
    };
    assert_eq!((softmax(11).axis, softmax(11).flattened), (1, true));
    assert_eq!((softmax(13).axis, softmax(13).flattened), (-1, false));
    assert_eq!(softmax(13).kind, SoftmaxKind::Log);
}

#[test]
fn resizing_of_each_version() {
    let resize = |name, opset, stated: &[(&str, Attribute)], inputs| match parse(
        name, opset, stated, inputs,
    ) {
        Operator::Resize(resize) => resize,
        other => panic!("{other:?}"),
    };
    let old = resize(
        "Upsample",
        7,
        &[("scales", Attribute::Floats(vec![1.0, 2.0]))],
        1,
    );
    assert_eq!(old.scales, Setting::Given(vec![1.0, 2.0]));
    assert_eq!(old.coordinates, Coordinates::Asymmetric);
    assert_eq!(old.mode, Interpolation::Nearest(Nearest::Floor));
    assert_eq!(resize("Upsample", 9, &[], 2).scales, Setting::Input(1));
    assert_eq!(resize("Resize", 10, &[], 2).scales, Setting::Input(1));
    let new = resize("Resize", 13, &[("mode", text("linear"))], 4);
    assert_eq!(
        (new.scales, new.sizes),
        (Setting::Input(2), Setting::Input(3))
    );
    assert_eq!((new.mode, new.region), (Interpolation::Linear, Some(1)));
    assert_eq!(new.coordinates, Coordinates::HalfPixel);
    assert!(try_parse("Resize", 13, &[("mode", text("somehow"))], 4).is_err());
}

#[test]
fn group_norm_changed_its_scale_in_operator_set_21() {
    for (opset, per_group) in [(18, true), (21, false)] {
        let stated = [("num_groups", Attribute::Int(4))];
        assert_eq!(
            parse("GroupNormalization", opset, &stated, 3),
            Operator::Norm(Norm::Group {
                epsilon: 1e-5,
                groups: 4,
                per_group
            })
        );
    }
}

#[test]
fn a_cast_by_word_or_number() {
    for (opset, to) in [(1, text("FLOAT16")), (13, Attribute::Int(10))] {
        assert_eq!(
            parse("Cast", opset, &[("to", to)], 1),
            Operator::Cast {
                to: Some(ElementType::F16)
            }
        );
    }
    assert_eq!(parse("Cast", 13, &[], 1), Operator::Cast { to: None });
}

#[test]
fn fused_operators_are_the_plain_ones_with_fields() {
    let turned = [
        ("transB", Attribute::Int(1)),
        ("alpha", Attribute::Float(0.5)),
    ];
    assert_eq!(
        microsoft("FusedMatMul", &turned, 2),
        Operator::MatMul(MatMul {
            transpose_b: true,
            alpha: 0.5,
            ..MatMul::PLAIN
        })
    );
    let Operator::Conv(conv) = microsoft("FusedConv", &[("activation", text("Relu"))], 4) else {
        panic!("no convolution");
    };
    assert_eq!(conv.activation, Some(Fused::Unary(Unary::Relu)));
    let facts = Operator::Conv(conv).facts();
    assert!(facts.zeros && facts.signal.contains(3) && facts.contracts(1));
    assert_eq!(facts.class, Class::Linear);
    let stated = [
        ("activation", text("LeakyRelu")),
        ("activation_alpha", Attribute::Float(0.2)),
    ];
    let Operator::Gemm(gemm) = microsoft("FusedGemm", &stated, 3) else {
        panic!("no product");
    };
    assert_eq!(
        gemm.activation,
        Some(Fused::Unary(Unary::LeakyRelu { alpha: 0.2 }))
    );
    assert_eq!(
        microsoft("FastGelu", &[], 1),
        Operator::Unary(Unary::Gelu { tanh: true })
    );
    assert_eq!(
        microsoft("FastGelu", &[], 2),
        Operator::BiasGelu { tanh: true }
    );
    assert_eq!(
        microsoft("QuickGelu", &[], 1),
        Operator::Unary(Unary::Swish { alpha: 1.702 })
    );
}

#[test]
fn recurrent_layers_hand_out_their_parameters_in_turn() {
    let names = ["Affine", "Tanh", "LeakyRelu"].map(str::to_owned).to_vec();
    let Operator::Recurrent(layer) = parse(
        "LSTM",
        14,
        &[
            ("activations", Attribute::Strings(names)),
            ("activation_alpha", Attribute::Floats(vec![0.8, 0.3])),
            ("activation_beta", Attribute::Floats(vec![0.1])),
        ],
        3,
    ) else {
        panic!("no layer");
    };
    assert_eq!(
        layer.activations_of(0),
        [
            CellActivation::Affine {
                alpha: 0.8,
                beta: 0.1
            },
            CellActivation::Tanh,
            CellActivation::LeakyRelu { alpha: 0.3 }
        ]
    );
    let both = [("direction", text("bidirectional"))];
    let Operator::Recurrent(layer) = parse("GRU", 14, &both, 3) else {
        panic!("no layer");
    };
    assert_eq!(layer.activations.len(), 4);
    assert!(try_parse("RNN", 14, &[("direction", text("sideways"))], 3).is_err());
}

#[test]
fn bad_attributes_are_one_sentence() {
    for (name, stated, part) in [
        ("Conv", ("group", Attribute::Int(0)), "`group` is 0"),
        ("Conv", ("group", Attribute::Int(-2)), "`group` is -2"),
        ("Conv", ("strides", list(&[0, 1])), "`strides`"),
        ("Conv", ("dilations", list(&[i64::MAX, 1])), "`dilations`"),
        ("Conv", ("auto_pad", text("SOMEHOW")), "SOMEHOW"),
        (
            "MaxPool",
            ("strides", list(&[1])),
            "`kernel_shape` is missing",
        ),
        ("Gelu", ("approximate", text("sinh")), "none, tanh"),
    ] {
        let error = try_parse(name, 20, &[stated], 2).unwrap_err();
        assert!(error.contains(part), "{name}: {error}");
        assert!(!error.contains('\n'));
    }
}

fn window(stated: &[(&str, Attribute)]) -> Window {
    match parse("Conv", 11, stated, 2) {
        Operator::Conv(conv) => conv.window,
        other => panic!("{other:?}"),
    }
}

#[test]
fn windows_slide() {
    let stem = window(&[("strides", list(&[2, 2])), ("pads", list(&[3, 3, 3, 3]))]);
    let sliding = stem.resolve(&[7, 7], &[224, 224]).unwrap();
    assert_eq!(sliding.output, [112, 112]);
    assert_eq!(sliding.pads, [(3, 3), (3, 3)]);
    // Every place counted one by one.
    for (size, kernel, stride, dilation, pad) in [
        (8, 3, 1, 1, 1),
        (9, 3, 2, 1, 1),
        (7, 5, 2, 2, 4),
        (10, 2, 3, 1, 0),
    ] {
        let stated = [
            ("strides", list(&[stride])),
            ("dilations", list(&[dilation])),
            ("pads", list(&[pad, pad])),
        ];
        let found = window(&stated).resolve(&[kernel], &[size]).unwrap().output[0];
        let span = (kernel as i64 - 1) * dilation + 1;
        let counted = (0..)
            .map(|k| k * stride - pad)
            .take_while(|at| at + span <= size as i64 + pad)
            .count();
        assert_eq!(found, counted, "{size} {kernel} {stride} {dilation} {pad}");
    }
    let upper = window(&[("auto_pad", text("SAME_UPPER")), ("strides", list(&[2]))]);
    let sliding = upper.resolve(&[3], &[8]).unwrap();
    assert_eq!((sliding.output, sliding.pads), (vec![4], vec![(0, 1)]));
    let lower = window(&[("auto_pad", text("SAME_LOWER")), ("strides", list(&[2]))]);
    assert_eq!(lower.resolve(&[3], &[8]).unwrap().pads, [(1, 0)]);
    let valid = window(&[("auto_pad", text("VALID"))]);
    assert_eq!(valid.resolve(&[3], &[8]).unwrap().output, [6]);
    assert!(valid.resolve(&[9], &[8]).is_err());
    assert!(
        window(&[("strides", list(&[1, 1, 1]))])
            .resolve(&[3, 3], &[8, 8])
            .is_err()
    );
    assert!(
        window(&[("kernel_shape", list(&[5]))])
            .resolve(&[3], &[8])
            .is_err()
    );
}

#[test]
fn a_last_place_in_the_padding_does_not_count() {
    let ceil = |size: usize, kernel: usize, stride: i64, pad: i64| {
        let mut window = window(&[("strides", list(&[stride])), ("pads", list(&[pad, pad]))]);
        window.ceil = true;
        window.resolve(&[kernel], &[size]).unwrap().output[0]
    };
    assert_eq!(ceil(13, 3, 2, 0), 6);
    assert_eq!(ceil(12, 3, 2, 0), 6);
    // torch counts the same.
    assert_eq!(ceil(2, 1, 2, 0), 1);
    assert_eq!(ceil(3, 2, 2, 1), 2);
}

#[test]
fn transposed_windows_spread() {
    let spread = |stated: &[(&str, Attribute)]| match parse("ConvTranspose", 11, stated, 2) {
        Operator::Conv(conv) => {
            conv.window
                .resolve_transposed(&[4, 4], &[4, 4], &conv.transposed.unwrap())
        }
        other => panic!("{other:?}"),
    };
    let twice = || ("strides", list(&[2, 2]));
    let stage = spread(&[twice(), ("pads", list(&[1, 1, 1, 1]))]).unwrap();
    assert_eq!(stage.output, [8, 8]);
    let more = [
        ("strides", list(&[3, 3])),
        ("output_padding", list(&[1, 2])),
    ];
    assert_eq!(spread(&more).unwrap().output, [14, 15]);
    let stated = spread(&[("output_shape", list(&[1, 3, 10, 12]))]).unwrap();
    assert_eq!(stated.output, [10, 12]);
    // Stated larger than the full result of 7: the rest is zero at the end.
    assert_eq!(stated.pads, [(0, -3), (0, -5)]);
    let same = spread(&[twice(), ("auto_pad", text("SAME_LOWER"))]).unwrap();
    assert_eq!((same.output, same.pads), (vec![8, 8], vec![(1, 1); 2]));
    assert!(spread(&[("pads", list(&[9, 9, 9, 9]))]).is_err());
}

#[test]
fn the_axes_of_a_weight_where_it_enters() {
    let meaning = |operator: Operator, slot: usize, rank: usize| {
        operator
            .facts()
            .at(slot)
            .unwrap()
            .axes
            .meaning(rank)
            .unwrap()
    };
    use Axis::{Field, Input, Lookup, Output, Stack};
    let gemm = |turned: i64| parse("Gemm", 13, &[("transB", Attribute::Int(turned))], 3);
    assert_eq!(meaning(gemm(1), 1, 2), [Output, Input]);
    assert_eq!(meaning(gemm(0), 1, 2), [Input, Output]);
    let product = || parse("MatMul", 13, &[], 2);
    assert_eq!(meaning(product(), 1, 3), [Stack, Input, Output]);
    assert_eq!(meaning(product(), 0, 2), [Output, Input]);
    assert_eq!(meaning(product(), 1, 1), [Input]);
    assert_eq!(
        meaning(parse("Conv", 13, &[], 2), 1, 4),
        [Output, Input, Field, Field]
    );
    assert_eq!(
        meaning(parse("ConvTranspose", 13, &[], 2), 1, 3),
        [Input, Output, Field]
    );
    let equation = [("equation", text("bi, oi -> bo"))];
    let einsum = parse("Einsum", 13, &equation, 2);
    assert_eq!(meaning(einsum.clone(), 1, 2), [Output, Input]);
    assert_eq!(einsum.facts().at(1).unwrap().units, UnitAxis::Last);
    let experts = [("equation", text("eti,eio->eto"))];
    assert_eq!(
        meaning(parse("Einsum", 13, &experts, 2), 1, 3),
        [Stack, Input, Output]
    );
    assert_eq!(meaning(parse("Gather", 13, &[], 2), 0, 2), [Lookup, Output]);
    assert_eq!(
        meaning(parse("LSTM", 14, &[], 3), 1, 3),
        [Stack, Output, Input]
    );
    assert!(
        parse("Conv", 13, &[], 2)
            .facts()
            .at(1)
            .unwrap()
            .axes
            .meaning(1)
            .is_none()
    );
}

/// Degree, parity and range hold for what each function computes.
#[test]
fn facts_of_functions_hold() {
    let grid: Vec<f64> = (-400..=400).map(|k| f64::from(k) / 40.0 + 1e-3).collect();
    type Curve = (Unary, fn(f64) -> f64);
    let curves: [Curve; 14] = [
        (Unary::Relu, |x| x.max(0.0)),
        (Unary::LeakyRelu { alpha: 0.1 }, |x| x.max(0.1 * x)),
        (Unary::Tanh, f64::tanh),
        (Unary::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        (Unary::Softsign, |x| x / (1.0 + x.abs())),
        (Unary::Softplus, |x| x.exp().ln_1p()),
        (Unary::Swish { alpha: 1.0 }, |x| x / (1.0 + (-x).exp())),
        (Unary::Mish, |x| x * x.exp().ln_1p().tanh()),
        (Unary::Abs, f64::abs),
        (Unary::Neg, |x| -x),
        (Unary::Sqrt, |x| x.max(0.0).sqrt()),
        (Unary::Sin, f64::sin),
        (Unary::Cos, f64::cos),
        (Unary::HardSwish, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
    ];
    for (unary, f) in curves {
        let facts = Operator::Unary(unary).facts();
        for &x in &grid {
            let y = f(x);
            assert!(
                facts.range.0 <= y && y <= facts.range.1,
                "{unary:?} {x} {y}"
            );
            if let Some(degree) = facts.degree {
                let scaled = f(3.0 * x) - 3f64.powf(degree.into()) * y;
                assert!(scaled.abs() < 1e-9, "{unary:?} {x}");
            }
            let other = f(-x);
            match facts.parity {
                Parity::Odd => assert!((other + y).abs() < 1e-9, "{unary:?} {x}"),
                Parity::Even => assert!((other - y).abs() < 1e-9, "{unary:?} {x}"),
                Parity::Neither => {}
            }
        }
        let zeros = grid.iter().filter(|&&x| f(x) == 0.0).count();
        assert_eq!(facts.zeros, zeros > 10 && unary != Unary::Sqrt, "{unary:?}");
    }
}

#[test]
fn a_clip_says_where_it_is_flat() {
    let facts = |low: f32, high: f32| {
        Clip {
            low: Setting::Given(low),
            high: Setting::Given(high),
        }
        .facts(|_| None)
    };
    let relu6 = facts(0.0, 6.0);
    assert!(relu6.zeros && relu6.bounded() && !relu6.homogeneous());
    assert_eq!(relu6.flat.unwrap().high, 6.0);
    assert_eq!(relu6.flat.unwrap().low, f32::NEG_INFINITY);
    // The largest f32 is how older models say "no bound".
    let relu = facts(0.0, f32::MAX);
    assert!(relu.homogeneous() && relu.flat.is_none());
    let hard_tanh = facts(-1.0, 1.0);
    assert_eq!((hard_tanh.parity, hard_tanh.zeros), (Parity::Odd, false));
    let from_input = Clip {
        low: Setting::Input(1),
        high: Setting::Input(2),
    };
    assert_eq!(
        from_input.bounds(|slot| (slot == 1).then_some(-2.0)),
        (-2.0, f32::INFINITY)
    );
}

#[test]
fn a_constant_is_what_it_states() {
    let value = |stated: &[(&str, Attribute)]| match parse("Constant", 13, stated, 0) {
        Operator::Constant { value } => value.map(|value| *value),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        value(&[("value_ints", list(&[1, 2]))]),
        HostTensor::i64(vec![2], vec![1, 2])
    );
    assert_eq!(
        value(&[("value_float", Attribute::Float(0.5))]),
        HostTensor::f32(vec![], vec![0.5])
    );
    assert_eq!(value(&[("value_string", text("x"))]), None);
}

mod hostile {
    use proptest::prelude::*;

    use super::*;
    use crate::ElementType;
    use crate::evaluate::evaluate_within;
    use crate::infer::{Operand, Operands, output_shapes};

    /// Attributes of all families, so that any may meet any operator.
    const NAMES: [&str; 36] = [
        "axis",
        "axes",
        "perm",
        "kernel_shape",
        "strides",
        "pads",
        "dilations",
        "group",
        "offset_group",
        "auto_pad",
        "ceil_mode",
        "output_shape",
        "output_padding",
        "blocksize",
        "num_groups",
        "num_heads",
        "kv_num_heads",
        "q_num_heads",
        "hidden_size",
        "direction",
        "layout",
        "transA",
        "transB",
        "equation",
        "split",
        "num_outputs",
        "starts",
        "ends",
        "shape",
        "scales",
        "batch_dims",
        "keepdims",
        "k",
        "to",
        "reduction",
        "value",
    ];

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![
            8 => -3i64..5,
            1 => Just(i64::MIN),
            1 => Just(i64::MAX),
            1 => Just(1 << 40)
        ]
    }

    fn attribute() -> impl Strategy<Value = Attribute> {
        prop_oneof![
            4 => number().prop_map(Attribute::Int),
            4 => prop::collection::vec(number(), 0..5).prop_map(Attribute::Ints),
            1 => any::<f32>().prop_map(Attribute::Float),
            1 => prop::collection::vec(any::<f32>(), 0..4).prop_map(Attribute::Floats),
            1 => prop::sample::select(vec![
                "", "SAME_UPPER", "VALID", "ij,jk->ik", "...i,i", "reverse", "add", "wrap", "->", "i.j"
            ])
            .prop_map(text),
        ]
    }

    fn tensor() -> impl Strategy<Value = HostTensor> {
        let shape = prop::collection::vec(0usize..4, 0..5);
        (shape, any::<bool>(), -3i64..4).prop_map(|(shape, whole, start)| {
            let count = shape.iter().product();
            let elements = (0..).map(|k| (start + k) % 5).take(count);
            if whole {
                HostTensor::i64(shape, elements.collect()).unwrap()
            } else {
                HostTensor::f32(shape, elements.map(|x| x as f32).collect()).unwrap()
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Whatever a model states, each operator is read, inferred and evaluated, or refused in a
        /// sentence; and what is evaluated has the shape that was inferred.
        #[test]
        fn nothing_that_a_model_states_is_taken_on_trust(
            entry in prop::sample::select(catalogue()),
            opset in prop::sample::select(vec![1i64, 6, 9, 11, 13, 18, 23]),
            stated in prop::collection::btree_map(prop::sample::select(NAMES.to_vec()), attribute(), 0..6),
            tensors in prop::collection::vec(prop::option::weighted(0.9, tensor()), 0..5),
            known in any::<bool>(),
            outputs in 0usize..4,
        ) {
            let stated: Vec<(&str, Attribute)> = stated.into_iter().collect();
            let stated = attributes(&stated);
            let Ok(operator) = Operator::parse(
                entry.domain, entry.name, opset, &stated, tensors.len(), outputs,
            ) else {
                return Ok(());
            };
            let facts = operator.facts();
            for weight in &facts.weights {
                for rank in 0..5 {
                    let meaning = weight.axes.meaning(rank);
                    prop_assert!(meaning.is_none_or(|axes| axes.len() == rank));
                }
            }
            let inputs: Vec<Option<Operand<'_>>> = tensors
                .iter()
                .map(|tensor| {
                    tensor.as_ref().map(|tensor| Operand {
                        element: Some(ElementType::F32),
                        shape: Some(&tensor.shape),
                        constant: known.then_some(tensor),
                    })
                })
                .collect();
            let operands = Operands { inputs: &inputs, outputs };
            let inferred = output_shapes(&operator, &operands);
            if let Ok(inferred) = &inferred {
                prop_assert_eq!(inferred.len(), outputs);
            }
            let tensors: Vec<Option<&HostTensor>> = tensors.iter().map(Option::as_ref).collect();
            let evaluated = evaluate_within(1 << 12, &operator, &tensors, outputs);
            if let (Ok(inferred), Ok(Some(results))) = (inferred, evaluated) {
                for (inferred, result) in inferred.iter().zip(&results) {
                    if let Some(shape) = &inferred.shape {
                        prop_assert_eq!(shape, &result.shape, "{:?}", operator);
                    }
                }
            }
        }
    }
}
