//! Every recipe on every role; the numbers of the frameworks.

use crate::networks::{Graph, entry, layout, plan, purpose, relu, single};
use fanin::{Activation, Layout};
use fanin_network::{Feeds, Purpose, RecurrentKind, Role};
use fanin_plan::Recipe;

const ROLES: [Role; 21] = [
    Role::Weight,
    Role::Bias,
    Role::NormScale,
    Role::NormShift,
    Role::Embedding,
    Role::PositionEmbedding,
    Role::AttentionQuery,
    Role::AttentionKey,
    Role::AttentionValue,
    Role::AttentionQkv,
    Role::AttentionOutput,
    Role::AttentionBias,
    Role::Gate,
    Role::GateValue,
    Role::RecurrentInput,
    Role::RecurrentHidden,
    Role::RecurrentBias,
    Role::OutputHead,
    Role::BranchScale,
    Role::ActivationSlope,
    Role::Other,
];

#[test]
fn every_recipe_gives_every_role_something_that_can_be_filled_and_a_reason() {
    let shapes: [(&[usize], &str); 8] = [
        (&[12], "o"),
        (&[], ""),
        (&[12, 5], "oi"),
        (&[5, 12], "io"),
        (&[12, 5, 3, 3], "oiff"),
        (&[2, 12, 3], "soi"),
        (&[2, 24], "so"),
        (&[0, 5], "oi"),
    ];
    let feeds = [
        relu(),
        Feeds::Activation(Activation::Tanh),
        Feeds::Activation(Activation::Silu),
        Feeds::Activation(Activation::Identity),
        Feeds::Softmax,
        Feeds::Mixed,
        Feeds::Linear,
    ];
    let recurrent = [
        None,
        Some((RecurrentKind::Lstm, 3)),
        Some((RecurrentKind::Gru, 4)),
        Some((RecurrentKind::Rnn, 0)),
    ];
    for recipe in Recipe::ALL {
        for role in ROLES {
            for (shape, axes) in shapes {
                // A weight is a matrix; the graph does not call anything else one.
                let needs_matrix = !matches!(
                    role,
                    Role::Bias
                        | Role::NormScale
                        | Role::NormShift
                        | Role::Embedding
                        | Role::PositionEmbedding
                        | Role::AttentionBias
                        | Role::RecurrentBias
                        | Role::BranchScale
                        | Role::ActivationSlope
                        | Role::Other
                );
                if needs_matrix && !axes.contains('i') {
                    continue;
                }
                for feeds in feeds {
                    for recurrent in recurrent {
                        let purpose = Purpose {
                            recurrent,
                            residual_branches: recurrent.map(|(_, n)| n),
                            ..purpose(role, feeds)
                        };
                        let plan = plan(&single(shape, layout(axes), purpose), recipe);
                        let entry = &plan.entries[0];
                        assert!(
                            entry.reason.len() > 10,
                            "{recipe} {role} {shape:?}: {}",
                            entry.reason
                        );
                        assert!(!entry.reason.contains('\n'));
                        let tensor = plan.fill_weights().unwrap();
                        let values = tensor.get("p").unwrap().to_f32();
                        assert!(
                            values.iter().all(|x| x.is_finite()),
                            "{recipe} {role}: {}",
                            entry.initializer
                        );
                        assert_eq!(plan.to_string().parse::<fanin_plan::Plan>().unwrap(), plan);
                    }
                }
            }
        }
    }
}

fn largest(network: &fanin_network::Network, recipe: Recipe, name: &str) -> f32 {
    let weights = plan(network, recipe).fill_weights().unwrap();
    weights
        .get(name)
        .unwrap()
        .to_f32()
        .into_iter()
        .fold(0.0, |most, x| most.max(x.abs()))
}

fn near(found: f32, bound: f64) {
    assert!(
        f64::from(found) <= bound * 1.0001 && f64::from(found) > bound * 0.97,
        "{found} for a bound of {bound}"
    );
}

#[test]
fn torch_draws_weight_and_bias_within_the_root_of_fan_in() {
    let mut graph = Graph::new("linear");
    let x = graph.input("x");
    graph.linear("fc", x, [300, 100], relu());
    near(largest(&graph.network, Recipe::Torch, "fc.weight"), 0.1);
    near(largest(&graph.network, Recipe::Torch, "fc.bias"), 0.1);
    // Written as MatMul and Add, with the weight transposed.
    let mut graph = Graph::new("spelled");
    let x = graph.input("x");
    let w = graph.parameter(
        "w",
        &[100, 300],
        layout("io"),
        purpose(Role::Weight, relu()),
    );
    let b = graph.parameter("b", &[300], layout("o"), purpose(Role::Bias, relu()));
    let y = graph.node("MatMul", &[x, w]);
    graph.node("Add", &[b, y]);
    near(largest(&graph.network, Recipe::Torch, "w"), 0.1);
    near(largest(&graph.network, Recipe::Torch, "b"), 0.1);
}

#[test]
fn torch_counts_groups_and_outputs_of_transposed_convolutions() {
    let grouped = single(
        &[64, 1, 3, 3],
        Layout {
            groups: 64,
            ..layout("oiff")
        },
        purpose(Role::Weight, relu()),
    );
    near(largest(&grouped, Recipe::Torch, "p"), 1.0 / 3.0);
    let transposed = single(
        &[512, 16, 3, 3],
        Layout {
            transposed: true,
            stride: vec![2, 2],
            ..layout("ioff")
        },
        purpose(Role::Weight, relu()),
    );
    near(
        largest(&transposed, Recipe::Torch, "p"),
        1.0 / 144f64.sqrt(),
    );
}

#[test]
fn torch_gives_recurrent_layers_the_root_of_the_hidden_size() {
    for (role, shape, axes) in [
        (Role::RecurrentInput, vec![1, 256, 20], "soi"),
        (Role::RecurrentHidden, vec![1, 256, 64], "soi"),
        (Role::RecurrentBias, vec![1, 512], "so"),
    ] {
        let purpose = Purpose {
            recurrent: Some((RecurrentKind::Lstm, 64)),
            ..purpose(role, Feeds::Linear)
        };
        near(
            largest(&single(&shape, layout(axes), purpose), Recipe::Torch, "p"),
            0.125,
        );
    }
}

#[test]
fn torch_takes_packed_attention_for_one_matrix() {
    let network = single(
        &[192, 64],
        layout("oi"),
        purpose(Role::AttentionQkv, Feeds::Linear),
    );
    near(
        largest(&network, Recipe::Torch, "p"),
        (6.0f64 / 256.0).sqrt(),
    );
}

#[test]
fn keras_draws_glorot_uniform() {
    let network = single(&[100, 50], layout("oi"), purpose(Role::Weight, relu()));
    near(largest(&network, Recipe::Keras, "p"), 0.2);
    let network = single(
        &[1000, 16],
        layout("lo"),
        purpose(Role::Embedding, Feeds::Linear),
    );
    near(largest(&network, Recipe::Keras, "p"), 0.05);
}

#[test]
fn gpt2_scales_only_the_ends_of_branches() {
    let weight = |branches| {
        let purpose = Purpose {
            residual_branches: branches,
            ..purpose(Role::Weight, Feeds::Linear)
        };
        entry(&single(&[8, 8], layout("oi"), purpose), Recipe::Gpt2).initializer
    };
    assert_eq!(weight(None), "normal(std=0.02)".parse().unwrap());
    assert_eq!(weight(Some(16)), "normal(std=0.005)".parse().unwrap());
}

#[test]
fn a_plain_recipe_treats_all_weights_alike_and_nothing_else() {
    use fanin::initializers::{KaimingNormal, LecunNormal, Normal, Orthogonal, XavierUniform};
    use fanin::{Initializer, Mode};
    let weights: [(Recipe, Initializer); 6] = [
        (Recipe::Zeros, Initializer::zeros()),
        (
            Recipe::Random,
            Normal {
                mean: 0.0,
                std: 1.0,
            }
            .into(),
        ),
        (Recipe::Xavier, XavierUniform { gain: 1.0 }.into()),
        (
            Recipe::He,
            KaimingNormal {
                mode: Mode::FanIn,
                gain: std::f64::consts::SQRT_2,
            }
            .into(),
        ),
        (Recipe::Lecun, LecunNormal { gain: 1.0 }.into()),
        (Recipe::Orthogonal, Orthogonal { gain: 1.0 }.into()),
    ];
    for (recipe, expected) in weights {
        let chosen = |role, shape: &[usize], axes| {
            let network = single(shape, layout(axes), purpose(role, relu()));
            entry(&network, recipe).initializer
        };
        for role in [
            Role::Weight,
            Role::AttentionQkv,
            Role::RecurrentHidden,
            Role::OutputHead,
            Role::Gate,
        ] {
            assert_eq!(chosen(role, &[8, 6], "oi"), expected, "{recipe} {role}");
        }
        assert_eq!(chosen(Role::Bias, &[8], "o"), Initializer::zeros());
        assert_eq!(chosen(Role::NormScale, &[8], "o"), Initializer::ones());
        let embedding = chosen(Role::Embedding, &[8, 6], "oi");
        assert_eq!(
            embedding,
            Initializer::from(Normal {
                mean: 0.0,
                std: 0.02
            })
        );
    }
}
