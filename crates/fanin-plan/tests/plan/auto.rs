//! What `auto` gives each role, and that the graph around it counts.

use crate::networks::{Graph, entry, gelu, layout, plan, purpose, relu, single};
use fanin::initializers::{Constant, KaimingNormal, LecunNormal, Normal};
use fanin::{Activation, Initializer, Layout};
use fanin_network::{Feeds, Purpose, RecurrentKind, Role};
use fanin_plan::{Plan, Recipe};

fn weight(feeds: Feeds) -> Initializer {
    let network = single(&[64, 32], layout("oi"), purpose(Role::Weight, feeds));
    entry(&network, Recipe::Auto).initializer
}

fn activation(activation: Activation) -> Initializer {
    weight(Feeds::Activation(activation))
}

fn initializer(text: &str) -> Initializer {
    text.parse().unwrap()
}

/// The one number of an initializer: its gain, standard deviation or value.
fn number(initializer: &Initializer) -> f64 {
    match *initializer {
        Initializer::KaimingNormal(KaimingNormal { gain, .. })
        | Initializer::LecunNormal(LecunNormal { gain }) => gain,
        Initializer::Normal(Normal { std, .. }) => std,
        Initializer::Constant(Constant { value }) => value,
        ref other => panic!("{other} has not one number"),
    }
}

#[test]
fn relu_kinds_get_he_with_the_exact_gain() {
    assert_eq!(
        activation(Activation::Relu),
        initializer("kaiming_normal(gain=1.4142135623730951)")
    );
    let leaky = activation(Activation::LeakyRelu { slope: 0.2 });
    assert!(matches!(leaky, Initializer::KaimingNormal(_)), "{leaky}");
    assert!((number(&leaky) - (2.0f64 / 1.04).sqrt()).abs() < 1e-15);
}

#[test]
fn saturating_activations_get_xavier() {
    assert_eq!(activation(Activation::Tanh), initializer("xavier_normal"));
    assert_eq!(
        activation(Activation::Sigmoid),
        initializer("xavier_normal(gain=4.0)")
    );
}

#[test]
fn selu_and_linear_layers_get_lecun() {
    assert_eq!(activation(Activation::Selu), initializer("lecun_normal"));
    assert_eq!(weight(Feeds::Linear), initializer("lecun_normal"));
    assert_eq!(weight(Feeds::Softmax), initializer("lecun_normal"));
}

/// Gains found elsewhere, by quadrature to 22 digits.
#[test]
fn other_activations_get_their_gain_by_quadrature() {
    for (activation, gain) in [
        (Activation::Gelu, 1.533530441),
        (Activation::GeluTanh, 1.533580522),
        (Activation::Silu, 1.67653247),
        (Activation::Mish, 1.486847581),
        (Activation::Elu { alpha: 1.0 }, 1.245198301),
        (Activation::Softplus, 1.041866836),
        (Activation::HardSwish, 1.736657213),
    ] {
        let found = self::activation(activation);
        assert!(matches!(found, Initializer::KaimingNormal(_)), "{found}");
        assert!(
            (number(&found) - gain).abs() < 1e-8,
            "{activation}: {found}"
        );
    }
}

/// The first layer of a chain reads the input, not a GELU, and the one behind makes up for the GELU.
#[test]
fn the_gain_of_a_smooth_activation_stands_behind_it() {
    let mut graph = Graph::new("chain");
    let x = graph.input("x");
    let y = graph.linear("first", x, [32, 16], gelu());
    let y = graph.node("Gelu", &[y]);
    let y = graph.linear("second", y, [32, 32], gelu());
    let y = graph.node("Gelu", &[y]);
    let y = graph.linear("third", y, [32, 32], relu());
    let y = graph.node("Relu", &[y]);
    let y = graph.linear("fourth", y, [32, 32], gelu());
    let y = graph.node("Gelu", &[y]);
    graph.linear("fifth", y, [8, 32], Feeds::Linear);
    let plan = plan(&graph.network, Recipe::Auto);
    let gain = |name: &str| number(&plan.entry(&format!("{name}.weight")).unwrap().initializer);
    let gelu = 1.533530441;
    assert_eq!(gain("first"), 1.0);
    assert!((gain("second") - gelu).abs() < 1e-8);
    assert!((gain("third") - gelu * 2f64.sqrt()).abs() < 1e-8);
    assert_eq!(gain("fourth"), 1.0);
    assert!((gain("fifth") - gelu).abs() < 1e-8);
}

/// Logits keep their size behind a GELU, too.
#[test]
fn the_head_makes_up_for_the_activation_it_reads() {
    let mut graph = Graph::new("head");
    let x = graph.input("x");
    let y = graph.linear("first", x, [32, 16], gelu());
    let y = graph.node("Gelu", &[y]);
    let head = graph.parameter(
        "head",
        &[10, 32],
        layout("oi"),
        purpose(Role::OutputHead, Feeds::Linear),
    );
    graph.node("Gemm", &[y, head]);
    let plan = plan(&graph.network, Recipe::Auto);
    let expected = (0.02 * 10f64.ln()).sqrt() * 1.533530441;
    assert!((number(&plan.entry("head").unwrap().initializer) - expected).abs() < 1e-8);
}

/// The same when the GELU is spelled out: the walk goes through all of it.
#[test]
fn a_spelled_out_activation_is_seen_through() {
    let mut graph = Graph::new("spelled");
    let x = graph.input("x");
    let y = graph.linear("first", x, [32, 16], gelu());
    let root = graph.constant(std::f32::consts::SQRT_2);
    let one = graph.constant(1.0);
    let half = graph.constant(0.5);
    let z = graph.node("Div", &[y, root]);
    let z = graph.node("Erf", &[z]);
    let z = graph.node("Add", &[z, one]);
    let z = graph.node("Mul", &[y, z]);
    let y = graph.node("Mul", &[z, half]);
    graph.linear("second", y, [8, 32], Feeds::Linear);
    let plan = plan(&graph.network, Recipe::Auto);
    let second = plan.entry("second.weight").unwrap();
    assert!(
        (number(&second.initializer) - 1.533530441).abs() < 1e-8,
        "{}",
        second.initializer
    );
    assert!(
        second.reason.contains("for the gelu it reads"),
        "{}",
        second.reason
    );
}

/// Unit variance in, second moment near one behind each GELU: measured, not only planned.
#[test]
fn a_deep_gelu_chain_keeps_its_scale() {
    let (depth, width) = (12, 256);
    let mut graph = Graph::new("deep");
    let mut y = graph.input("x");
    for k in 0..depth {
        y = graph.linear(&format!("{k:02}"), y, [width, width], gelu());
        y = graph.node("Gelu", &[y]);
    }
    let weights = plan(&graph.network, Recipe::Auto).fill_weights().unwrap();
    // One sample with components ±1.
    let mut x: Vec<f64> = (0..width)
        .map(|k| if k * 7 % 5 < 2 { 1.0 } else { -1.0 })
        .collect();
    for k in 0..depth {
        let w = weights.get(&format!("{k:02}.weight")).unwrap().to_f32();
        let z: Vec<f64> = w
            .chunks(width)
            .map(|row| row.iter().zip(&x).map(|(&w, x)| f64::from(w) * x).sum())
            .collect();
        let second = z.iter().map(|z| z * z).sum::<f64>() / width as f64;
        // Twelve layers of width 256: one standard deviation of the logarithm is √(12·5/256) ≈ 0.5 at most.
        assert!((0.25..4.0).contains(&second), "layer {k}: {second}");
        x = z.iter().map(|&z| Activation::Gelu.eval(z)).collect();
    }
}

#[test]
fn the_end_of_a_residual_branch_is_divided_by_the_root_of_their_number() {
    let end = Purpose {
        residual_branches: Some(16),
        ..purpose(Role::Weight, Feeds::Linear)
    };
    let network = single(&[8, 8], layout("oi"), end.clone());
    assert_eq!(
        entry(&network, Recipe::Auto).initializer,
        initializer("kaiming_normal(gain=0.25)")
    );
    let output = Purpose {
        role: Role::AttentionOutput,
        ..end.clone()
    };
    let network = single(&[8, 8], layout("oi"), output);
    assert_eq!(
        entry(&network, Recipe::Auto).initializer,
        initializer("kaiming_normal(gain=0.25)")
    );
    let before_norm = Purpose {
        norm_follows: true,
        ..end
    };
    let network = single(&[8, 8], layout("oi"), before_norm);
    assert_eq!(
        entry(&network, Recipe::Auto).initializer,
        initializer("lecun_normal")
    );
    let norm = Purpose {
        residual_branches: Some(16),
        ..purpose(Role::NormScale, Feeds::Linear)
    };
    let network = single(&[8], layout("o"), norm);
    let entry = entry(&network, Recipe::Auto);
    assert_eq!(entry.initializer, initializer("constant(value=0.25)"));
    assert!(
        entry.reason.contains("one of 16 residual branches"),
        "{}",
        entry.reason
    );
}

#[test]
fn a_branch_with_a_scale_of_its_own_is_not_scaled_twice() {
    let mut graph = Graph::new("scaled");
    let x = graph.input("x");
    let end = Purpose {
        residual_branches: Some(16),
        ..purpose(Role::Weight, Feeds::Linear)
    };
    let w = graph.parameter("w", &[8, 8], layout("oi"), end);
    let b = graph.parameter("b", &[8], layout("o"), purpose(Role::Bias, Feeds::Linear));
    let gamma = graph.parameter(
        "gamma",
        &[8],
        layout("o"),
        purpose(Role::BranchScale, Feeds::Linear),
    );
    let y = graph.node("MatMul", &[x, w]);
    let y = graph.node("Add", &[y, b]);
    let y = graph.node("Mul", &[y, gamma]);
    graph.node("Add", &[x, y]);
    let plan = plan(&graph.network, Recipe::Auto);
    assert_eq!(
        plan.entry("w").unwrap().initializer,
        initializer("lecun_normal")
    );
    assert_eq!(
        plan.entry("gamma").unwrap().initializer,
        initializer("constant(value=0.1)")
    );
}

#[test]
fn layer_scale_shrinks_with_depth() {
    let scale = |branches, shape: &[usize]| {
        let purpose = Purpose {
            residual_branches: Some(branches),
            ..purpose(Role::BranchScale, Feeds::Linear)
        };
        number(
            &entry(
                &single(shape, layout(&"o".repeat(shape.len())), purpose),
                Recipe::Auto,
            )
            .initializer,
        )
    };
    assert_eq!(scale(24, &[64]), 0.1);
    assert_eq!(scale(48, &[64]), 1e-5);
    assert_eq!(scale(72, &[64]), 1e-6);
    assert_eq!(scale(25, &[]), 0.2);
}

#[test]
fn norms_and_biases() {
    let lone = |role| {
        entry(
            &single(&[5], layout("o"), purpose(role, relu())),
            Recipe::Auto,
        )
        .initializer
    };
    assert_eq!(lone(Role::NormScale), initializer("ones"));
    assert_eq!(lone(Role::NormShift), initializer("zeros"));
    assert_eq!(lone(Role::Bias), initializer("zeros"));
    assert_eq!(
        lone(Role::ActivationSlope),
        initializer("constant(value=0.25)")
    );
    // x * (1 + weight)
    let mut graph = Graph::new("offset");
    let weight = graph.parameter(
        "w",
        &[5],
        layout("o"),
        purpose(Role::NormScale, Feeds::Linear),
    );
    let one = graph.constant(1.0);
    graph.node("Add", &[weight, one]);
    assert_eq!(
        entry(&graph.network, Recipe::Auto).initializer,
        initializer("zeros")
    );
}

#[test]
fn embeddings_know_whether_they_are_tied() {
    let table = |tied, norm_follows, width| {
        let purpose = Purpose {
            tied,
            norm_follows,
            ..purpose(Role::Embedding, Feeds::Linear)
        };
        number(&entry(&single(&[100, width], layout("lo"), purpose), Recipe::Auto).initializer)
    };
    assert_eq!(table(true, false, 768), 0.02);
    assert_eq!(table(true, false, 10_000), 0.01);
    assert_eq!(table(false, true, 768), 0.02);
    let open = purpose(Role::Embedding, Feeds::Linear);
    let network = single(&[100, 768], layout("lo"), open);
    assert_eq!(
        entry(&network, Recipe::Auto).initializer,
        initializer("normal(std=1.0)")
    );
    let network = single(
        &[1, 197, 768],
        layout("oso"),
        purpose(Role::PositionEmbedding, Feeds::Linear),
    );
    assert_eq!(
        entry(&network, Recipe::Auto).initializer,
        initializer("normal(std=0.02)")
    );
}

/// Logits of this std start within 1 % of ln C: ln C + σ²/2.
#[test]
fn the_head_starts_near_the_uniform_guess() {
    for classes in [2usize, 10, 1000, 50257] {
        let network = single(
            &[classes, 512],
            layout("oi"),
            purpose(Role::OutputHead, Feeds::Softmax),
        );
        let std = number(&entry(&network, Recipe::Auto).initializer);
        let excess = std * std / 2.0 / (classes as f64).ln();
        assert!((excess - 0.01).abs() < 1e-9, "{classes}: {excess}");
    }
    let tanh = Feeds::Activation(Activation::Tanh);
    let image = single(
        &[16, 3, 4, 4],
        Layout {
            transposed: true,
            stride: vec![2, 2],
            ..layout("ioff")
        },
        purpose(Role::OutputHead, tanh),
    );
    assert_eq!(
        entry(&image, Recipe::Auto).initializer,
        initializer("xavier_normal")
    );
}

#[test]
fn gated_units_keep_the_second_moment_of_the_product() {
    let mut graph = Graph::new("gated");
    let silu = Feeds::Activation(Activation::Silu);
    graph.parameter("gate", &[16, 8], layout("oi"), purpose(Role::Gate, silu));
    graph.parameter(
        "value",
        &[16, 8],
        layout("oi"),
        purpose(Role::GateValue, Feeds::Linear),
    );
    let plan = plan(&graph.network, Recipe::Auto);
    assert_eq!(
        plan.entry("gate").unwrap().initializer,
        initializer("lecun_normal")
    );
    assert!((number(&plan.entry("value").unwrap().initializer) - 1.67653247).abs() < 1e-8);
}

/// Eight layers with nothing between them, and only square ones: elsewhere no isometry is to be had.
#[test]
fn deep_plain_chains_of_tanh_are_orthogonal() {
    let tanh = Feeds::Activation(Activation::Tanh);
    let chain = |depth: usize, between: Option<&str>| {
        let mut graph = Graph::new("chain");
        let mut x = graph.input("x");
        for layer in 0..depth {
            let shape = if layer == 0 { [16, 64] } else { [16, 16] };
            x = graph.linear(&format!("layers.{layer}"), x, shape, tanh);
            x = graph.node("Tanh", &[x]);
            if let Some(op) = between {
                x = graph.node(op, &[x]);
            }
        }
        plan(&graph.network, Recipe::Auto)
    };
    let first = |plan: &Plan| plan.entry("layers.0.weight").unwrap().initializer.clone();
    let later = |plan: &Plan| plan.entry("layers.4.weight").unwrap().initializer.clone();
    let deep = chain(8, None);
    assert_eq!(first(&deep), initializer("xavier_normal"));
    assert_eq!(later(&deep), initializer("orthogonal"));
    assert_eq!(later(&chain(7, None)), initializer("xavier_normal"));
    let normed = chain(12, Some("LayerNormalization"));
    assert_eq!(later(&normed), initializer("xavier_normal"));
}

/// A sigmoid between layers needs four times Xavier; one that multiplies a signal must not saturate.
#[test]
fn squeeze_and_excitation_starts_half_open() {
    let sigmoid = Feeds::Activation(Activation::Sigmoid);
    for multiplies in [true, false] {
        let mut graph = Graph::new("squeeze");
        let x = graph.input("x");
        let y = graph.node("GlobalAveragePool", &[x]);
        let y = graph.linear("excite", y, [64, 8], sigmoid);
        let y = graph.node("Sigmoid", &[y]);
        if multiplies {
            graph.node("Mul", &[x, y]);
        } else {
            graph.linear("next", y, [64, 64], sigmoid);
        }
        let plan = plan(&graph.network, Recipe::Auto);
        let expected = if multiplies {
            "xavier_normal"
        } else {
            "xavier_normal(gain=4)"
        };
        assert_eq!(
            plan.entry("excite.weight").unwrap().initializer,
            initializer(expected)
        );
    }
}

/// Attributes come from files that nobody vouches for.
#[test]
fn an_activation_without_a_gain_is_refused_by_the_parameters_name() {
    for activation in [
        Activation::LeakyRelu {
            slope: f64::INFINITY,
        },
        Activation::LeakyRelu { slope: f64::NAN },
        Activation::Elu {
            alpha: f64::INFINITY,
        },
        Activation::Clip {
            low: 1e300,
            high: 1e308,
        },
        Activation::Clip {
            low: 0.0,
            high: 0.0,
        },
    ] {
        let network = single(
            &[4, 4],
            layout("oi"),
            purpose(Role::Weight, Feeds::Activation(activation)),
        );
        let request = fanin_plan::Request::new(fanin::Seed::new(0));
        let error = fanin_plan::plan(&network, &request)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("parameter `p` [4, 4]: recipe auto does not suit it: "),
            "{error}"
        );
    }
}

#[test]
fn attention_scores_start_with_unit_variance() {
    for role in [
        Role::AttentionQuery,
        Role::AttentionKey,
        Role::AttentionValue,
        Role::AttentionQkv,
    ] {
        let network = single(&[64, 64], layout("oi"), purpose(role, Feeds::Linear));
        assert_eq!(
            entry(&network, Recipe::Auto).initializer,
            initializer("lecun_normal")
        );
    }
}

fn recurrent(role: Role, kind: RecurrentKind, shape: &[usize], axes: &str) -> fanin_plan::Entry {
    let purpose = Purpose {
        recurrent: Some((kind, 6)),
        ..purpose(role, Feeds::Linear)
    };
    let mut plan = plan(&single(shape, layout(axes), purpose), Recipe::Auto);
    let filled = plan.fill_weights().unwrap();
    assert_eq!(filled.get("p").unwrap().shape, shape);
    plan.entries.swap_remove(0)
}

/// ONNX orders the gates of an LSTM i, o, f, c, and a bias is [Wb, Rb].
#[test]
fn the_forget_gate_of_an_lstm_starts_at_one() {
    let purpose = Purpose {
        recurrent: Some((RecurrentKind::Lstm, 3)),
        forget_gate: Some(6..9),
        ..purpose(Role::RecurrentBias, Feeds::Linear)
    };
    let plan = plan(&single(&[2, 24], layout("so"), purpose), Recipe::Auto);
    let bias = plan.fill_weights().unwrap().get("p").unwrap().to_f32();
    for direction in bias.chunks(24) {
        for (k, &x) in direction.iter().enumerate() {
            assert_eq!(x, if (6..9).contains(&k) { 1.0 } else { 0.0 }, "{k}");
        }
    }
    let gru = recurrent(Role::RecurrentBias, RecurrentKind::Gru, &[1, 36], "so");
    assert_eq!(gru.initializer, initializer("zeros"));
    // Peepholes are no [Wb, Rb].
    let peepholes = recurrent(Role::RecurrentBias, RecurrentKind::Lstm, &[1, 18], "so");
    assert_eq!(peepholes.initializer, initializer("zeros"));
}

#[test]
fn each_gate_of_the_recurrence_is_orthogonal() {
    for (kind, gates) in [
        (RecurrentKind::Lstm, 4),
        (RecurrentKind::Gru, 3),
        (RecurrentKind::Rnn, 1),
    ] {
        let purpose = Purpose {
            recurrent: Some((kind, 6)),
            ..purpose(Role::RecurrentHidden, Feeds::Linear)
        };
        let plan = plan(
            &single(&[2, gates * 6, 6], layout("soi"), purpose),
            Recipe::Auto,
        );
        let values = plan.fill_weights().unwrap().get("p").unwrap().to_f32();
        for (k, gate) in values.chunks(36).enumerate() {
            for a in 0..6 {
                for b in 0..6 {
                    let dot: f32 = (0..6).map(|c| gate[a * 6 + c] * gate[b * 6 + c]).sum();
                    let expected = if a == b { 1.0 } else { 0.0 };
                    assert!(
                        (dot - expected).abs() < 1e-5,
                        "{kind:?} gate {k}: {a}·{b} = {dot}"
                    );
                }
            }
        }
        assert_ne!(values[..36], values[36..72], "gates or directions repeat");
    }
}

#[test]
fn recurrent_inputs_are_xavier_gate_by_gate() {
    let entry = recurrent(
        Role::RecurrentInput,
        RecurrentKind::Lstm,
        &[1, 24, 10],
        "soi",
    );
    let std = entry
        .initializer
        .resolve(&entry.shape, &entry.layout)
        .unwrap()
        .expected_std()
        .unwrap();
    assert!(
        (std - (2.0f64 / 16.0).sqrt()).abs() < 1e-12,
        "{}: {std}",
        entry.initializer
    );
}

#[test]
fn an_unknown_parameter_does_no_harm() {
    let mut graph = Graph::new("others");
    let x = graph.input("x");
    let a = graph.parameter(
        "added",
        &[4],
        layout("o"),
        purpose(Role::Other, Feeds::Linear),
    );
    let m = graph.parameter(
        "multiplied",
        &[4],
        layout("o"),
        purpose(Role::Other, Feeds::Linear),
    );
    let c = graph.parameter(
        "joined",
        &[4],
        layout("o"),
        purpose(Role::Other, Feeds::Linear),
    );
    let y = graph.node("Add", &[x, a]);
    let y = graph.node("Mul", &[y, m]);
    graph.node("Concat", &[y, c]);
    let plan = plan(&graph.network, Recipe::Auto);
    let found: Vec<&Initializer> = plan.entries.iter().map(|e| &e.initializer).collect();
    assert_eq!(
        found,
        [
            &initializer("zeros"),
            &initializer("ones"),
            &initializer("normal(std=0.02)")
        ]
    );
}
