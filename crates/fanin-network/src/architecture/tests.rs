use super::*;
use crate::{Feeds, Role};
use fanin::Activation;

fn parsed(text: &str) -> Network {
    parse(text, &Dims::default()).unwrap()
}

fn role_of(network: &Network, name: &str) -> (Role, Feeds, Option<usize>) {
    let parameter = network
        .parameters
        .iter()
        .find(|p| p.name == name)
        .unwrap_or_else(|| panic!("no {name}"));
    let purpose = &parameter.purpose;
    (purpose.role, purpose.feeds, purpose.residual_branches)
}

fn output_shape(network: &Network) -> Vec<usize> {
    let id = network.outputs[0];
    network.value(id).shape.clone().unwrap()
}

#[test]
fn the_line_says_the_layers() {
    let network = parsed("mlp(784, 256x20, 10, tanh)");
    assert_eq!(network.parameters.len(), 42);
    let names: Vec<&str> = network.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        &names[..3],
        ["layers.0.weight", "layers.0.bias", "layers.1.weight"]
    );
    assert_eq!(network.parameters[0].shape, [256, 784]);
    assert_eq!(network.parameters[40].shape, [10, 256]);
    assert_eq!(output_shape(&network), [16, 10]);
    let tanh = Feeds::Activation(Activation::Tanh);
    assert_eq!(
        role_of(&network, "layers.19.weight"),
        (Role::Weight, tanh, None)
    );
    assert_eq!(
        role_of(&network, "layers.20.weight"),
        (Role::OutputHead, Feeds::Linear, None)
    );
}

#[test]
fn every_mlp_builds_and_has_its_roles() {
    for norm in ["none", "batch", "layer"] {
        for residual in [false, true] {
            for bias in [false, true] {
                for activation in Activation::all() {
                    let line = format!(
                        "mlp(12, 8x3, 5, {activation}, norm={norm}, residual={residual}, bias={bias})"
                    );
                    if format!("{activation}").ends_with("glu") {
                        assert!(parse(&line, &Dims::default()).is_err(), "{line}");
                        continue;
                    }
                    let network = parsed(&line);
                    let (role, feeds, branches) = role_of(&network, "layers.1.weight");
                    assert_eq!(role, Role::Weight, "{line}");
                    if residual {
                        assert_eq!((feeds, branches), (Feeds::Linear, Some(2)), "{line}");
                    } else {
                        let expected = match activation {
                            Activation::Identity => Feeds::Linear,
                            // The same function under two names.
                            Activation::Celu { alpha: 1.0 } => {
                                Feeds::Activation(Activation::Elu { alpha: 1.0 })
                            }
                            other => Feeds::Activation(other),
                        };
                        assert_eq!((feeds, branches), (expected, None), "{line}");
                        let parameter = &network.parameters[0];
                        assert_eq!(parameter.purpose.norm_follows, norm != "none", "{line}");
                    }
                    assert_eq!(
                        role_of(&network, "layers.3.weight").0,
                        Role::OutputHead,
                        "{line}"
                    );
                    for parameter in &network.parameters {
                        let expected = match parameter.name.split('.').collect::<Vec<_>>()[..] {
                            ["layers", _, "bias"] => Role::Bias,
                            ["norms", _, "weight"] => Role::NormScale,
                            ["norms", _, "bias"] => Role::NormShift,
                            ["activations", _, "weight"] => Role::ActivationSlope,
                            _ => continue,
                        };
                        assert_eq!(
                            parameter.purpose.role, expected,
                            "{line}: {}",
                            parameter.name
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_convolution_builds_and_has_its_roles() {
    for (input, rank) in [("3x16", 3), ("3x8x8", 4), ("3x8x8x8", 5)] {
        for norm in ["none", "batch", "group"] {
            for pool in ["none", "max", "average"] {
                for residual in [false, true] {
                    let line = format!(
                        "conv({input}, 6x2, 12x2, 10, gelu, norm={norm}, pool={pool}, residual={residual}, kernel=5)"
                    );
                    let network = parsed(&line);
                    assert_eq!(network.parameters[0].shape.len(), rank, "{line}");
                    assert_eq!(output_shape(&network), [16, 10], "{line}");
                    let (role, feeds, branches) = role_of(&network, "layers.1.weight");
                    assert_eq!(role, Role::Weight, "{line}");
                    if residual {
                        assert_eq!((feeds, branches), (Feeds::Linear, Some(1)), "{line}");
                    } else {
                        assert_eq!(feeds, Feeds::Activation(Activation::Gelu), "{line}");
                    }
                    for parameter in &network.parameters {
                        let expected = match parameter.name.split('.').collect::<Vec<_>>()[..] {
                            ["layers" | "head", .., "bias"] => Role::Bias,
                            ["norms", _, "weight"] => Role::NormScale,
                            ["norms", _, "bias"] => Role::NormShift,
                            ["head", "weight"] => Role::OutputHead,
                            _ => Role::Weight,
                        };
                        assert_eq!(
                            parameter.purpose.role, expected,
                            "{line}: {}",
                            parameter.name
                        );
                    }
                    let fans = network.parameters[0]
                        .layout
                        .fans(&network.parameters[0].shape);
                    let field = 5usize.pow(rank as u32 - 2) as f64;
                    assert_eq!(fans.unwrap().fan_in, 3.0 * field, "{line}");
                }
            }
        }
    }
}

#[test]
fn a_transformer_can_do_without_norms_residuals_and_mlps() {
    let line = |options: &str| {
        let line =
            format!("transformer(layers=2, width=8, heads=2, vocab=9, context=4, {options})");
        let network = parsed(&line);
        assert_eq!(output_shape(&network), [16, 4, 9], "{line}");
        let nodes = |op: &str| network.nodes.iter().filter(|n| n.op == op).count();
        let mlps = network.parameters.iter().any(|p| p.name.contains("mlp"));
        (nodes("LayerNormalization"), nodes("Softmax"), mlps)
    };
    assert_eq!(line("norm=none"), (0, 2, true));
    assert_eq!(line("norm=pre, mlp=none"), (3, 2, false));
    assert_eq!(line("norm=post, residual=false"), (4, 2, true));
    let bare =
        "transformer(layers=2, width=8, heads=2, vocab=9, norm=none, mlp=none, residual=false)";
    let network = parsed(bare);
    let ends = network
        .parameters
        .iter()
        .any(|p| p.purpose.residual_branches.is_some());
    assert!(!ends, "without residuals no weight ends a branch");
}

#[test]
fn every_transformer_builds_and_has_its_roles() {
    for norm in ["pre", "post"] {
        for gated in [false, true] {
            for tied in [false, true] {
                for causal in [false, true] {
                    for bias in [false, true] {
                        let line = format!(
                            "transformer(layers=2, width=16, heads=4, vocab=50, context=8, mlp=2x, norm={norm}, \
                             gated={gated}, tied={tied}, causal={causal}, bias={bias})"
                        );
                        let network = parsed(&line);
                        assert_eq!(output_shape(&network), [16, 8, 50], "{line}");
                        let silu = Feeds::Activation(Activation::Silu);
                        let gelu = Feeds::Activation(Activation::Gelu);
                        let linear = Feeds::Linear;
                        let mut expected = vec![
                            ("token_embedding.weight", Role::Embedding, linear, None),
                            (
                                "position_embedding.weight",
                                Role::PositionEmbedding,
                                linear,
                                None,
                            ),
                            (
                                "blocks.1.attention.query.weight",
                                Role::AttentionQuery,
                                linear,
                                None,
                            ),
                            (
                                "blocks.1.attention.key.weight",
                                Role::AttentionKey,
                                linear,
                                None,
                            ),
                            (
                                "blocks.1.attention.value.weight",
                                Role::AttentionValue,
                                linear,
                                None,
                            ),
                            (
                                "blocks.1.attention.output.weight",
                                Role::AttentionOutput,
                                linear,
                                Some(4),
                            ),
                            ("blocks.1.mlp.down.weight", Role::Weight, linear, Some(4)),
                            ("blocks.0.norm1.weight", Role::NormScale, linear, None),
                            ("blocks.0.norm2.bias", Role::NormShift, linear, None),
                        ];
                        if gated {
                            expected.push(("blocks.0.mlp.gate.weight", Role::Gate, silu, None));
                            expected.push((
                                "blocks.0.mlp.up.weight",
                                Role::GateValue,
                                linear,
                                None,
                            ));
                        } else {
                            expected.push(("blocks.0.mlp.up.weight", Role::Weight, gelu, None));
                        }
                        if !tied {
                            expected.push(("head.weight", Role::OutputHead, linear, None));
                        }
                        if bias {
                            expected.push((
                                "blocks.0.attention.key.bias",
                                Role::Bias,
                                linear,
                                None,
                            ));
                        }
                        for (name, role, feeds, branches) in expected {
                            assert_eq!(
                                role_of(&network, name),
                                (role, feeds, branches),
                                "{line}: {name}"
                            );
                        }
                        assert_eq!(network.parameters[0].purpose.tied, tied, "{line}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_recurrent_network_builds_and_has_its_roles() {
    for (cell, gates) in [("lstm", 4), ("gru", 3), ("rnn", 1)] {
        for both in [false, true] {
            let line = format!("{cell}(24, 8x2, 10, time=5, bidirectional={both})");
            let network = parsed(&line);
            let directions = 1 + usize::from(both);
            assert_eq!(output_shape(&network), [16, 10], "{line}");
            assert_eq!(
                network.parameters[0].shape,
                [directions, gates * 8, 24],
                "{line}"
            );
            let weight = &network.parameters[0];
            assert_eq!(weight.purpose.role, Role::RecurrentInput, "{line}");
            let fans = weight.layout.fans(&weight.shape).unwrap();
            assert_eq!((fans.fan_in, fans.fan_out), (24.0, 8.0), "{line}");
            assert_eq!(weight.purpose.recurrent.unwrap().1, 8, "{line}");
            assert_eq!(
                role_of(&network, "layers.1.weight_hh").0,
                Role::RecurrentHidden
            );
            assert_eq!(role_of(&network, "layers.1.bias").0, Role::RecurrentBias);
            assert_eq!(role_of(&network, "head.weight").0, Role::OutputHead);
        }
    }
}

/// The message, and the character the caret points at.
fn refused(line: &str) -> (String, Option<char>) {
    match parse(line, &Dims::default()) {
        Err(NetworkError::Architecture {
            column,
            message,
            text,
        }) => {
            let shown = NetworkError::Architecture {
                text: text.clone(),
                column,
                message: message.clone(),
            };
            let shown = shown.to_string();
            let caret = shown.lines().last().unwrap().chars().count() - 1;
            assert_eq!(caret, column + 2, "{shown}");
            (message, text.chars().nth(column))
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn errors_point_at_the_character() {
    for (line, character, part) in [
        ("mpl(3, 4)", Some('m'), "did you mean `mlp`?"),
        (
            "mlp(784, 256x20, 10, tnah)",
            Some('t'),
            "did you mean 'tanh'?",
        ),
        ("mlp(784 256)", Some('2'), "expected `,` or `)`"),
        ("mlp(784, 25a6, 10)", Some('a'), "cannot follow a number"),
        ("mlp(784, 2.5, 10)", Some('.'), "whole numbers"),
        ("mlp(784, 0x3, 10)", Some('0'), "none of them 0"),
        ("mlp(784, 1x2x3, 10)", Some('1'), "a width and how many"),
        ("mlp()", Some(')'), "at least two sizes"),
        ("mlp(3", None, "end of the line"),
        ("mlp(3,4,", None, "expected a size or a word"),
        ("mlp(3,4,,)", Some(','), "expected a size or a word"),
        ("mlp(3,4,)", Some(')'), "after the comma"),
        ("mlp(3,4) x", Some('x'), "nothing may follow"),
        ("mlp(3;4)", Some(';'), "has no meaning here"),
        ("(", Some('('), "the name of an architecture"),
        ("", None, "the name of an architecture"),
        ("mlp 3", Some('3'), "expected `(`"),
        ("mlp(3,4,relu,tanh)", Some('t'), "one argument too many"),
        ("mlp(3,4,nrom=batch)", Some('n'), "did you mean `norm`?"),
        ("mlp(3,4,norm=bach)", Some('b'), "did you mean `batch`?"),
        ("mlp(3,4,norm=batch,norm=layer)", Some('n'), "given twice"),
        ("mlp(3,4,bias=yes)", Some('y'), "true, false"),
        ("mlp(3,4,swiglu)", Some('s'), "gated=true"),
        ("mlp(99999999999, 4)", Some('9'), "the largest size"),
        ("mlp(4, 3x99999, 2)", Some('3'), "at most"),
        (
            "conv(3x0x3, 4)",
            Some('3'),
            "channels and one to three sizes",
        ),
        ("conv(3x4x4, 4, kernel=4)", Some('4'), "odd number"),
        (
            "transformer(layers=4, width=130, heads=4, vocab=10)",
            Some('4'),
            "do not divide",
        ),
        (
            "transformer(layers=4, heads=4, vocab=10)",
            Some(')'),
            "needs `width=`",
        ),
        (
            "transformer(layers=1, width=8, heads=2, vocab=9, context=0)",
            Some('0'),
            "from 1 to",
        ),
        (
            "transformer(layers=1, width=8, heads=2, vocab=9, mlp=0x)",
            Some('0'),
            "mlp=4x",
        ),
        ("lstm(3, 4, 5, time=0)", Some('0'), "at least 1"),
        (
            "mlp(3,2000000,2000000)",
            Some('m'),
            "elements a parameter may have",
        ),
        ("mlp(3,\n4)", Some('m'), "one line"),
    ] {
        let (message, at) = refused(line);
        assert!(message.contains(part), "{line}: {message}");
        assert_eq!(at, character, "{line}: {message}");
    }
}

#[test]
fn the_user_sets_the_batch_and_the_length() {
    let mut dims = Dims {
        batch: Some(3),
        ..Dims::default()
    };
    dims.named.insert(String::from("sequence"), 5);
    let network = parse("transformer(layers=1, width=8, heads=2, vocab=9)", &dims).unwrap();
    assert_eq!(output_shape(&network), [3, 5, 9]);
    dims.named.insert(String::from("sequence"), 500);
    let error = parse("transformer(layers=1, width=8, heads=2, vocab=9)", &dims).unwrap_err();
    assert!(error.to_string().contains("context=500"), "{error}");
    dims.inputs.insert(String::from("input"), vec![7, 99]);
    let error = parse("mlp(3, 4)", &dims).unwrap_err();
    assert!(error.to_string().contains("[7, 99]"), "{error}");
}

#[test]
fn what_is_meant_as_an_architecture() {
    assert!(looks_like_one("mlp(3, 4)"));
    assert!(looks_like_one(" mlp (3"));
    assert!(!looks_like_one("models/resnet.onnx"));
    assert!(!looks_like_one("a/b(c).onnx"));
}

proptest::proptest! {
    #[test]
    fn no_line_panics(text in "[a-z(),= 0-9x_.;é]{0,40}") {
        let _ = super::build(&text, &Dims::default());
    }

    #[test]
    fn no_argument_panics(text in "[a-z=, 0-9x(]{0,12}") {
        for name in NAMES {
            let _ = super::build(&format!("{name}(3, {text})"), &Dims { batch: Some(2), ..Dims::default() });
        }
    }
}
