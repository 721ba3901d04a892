//! Criticality, dead units, first losses: against numbers computed elsewhere by quadrature to 8 and
//! more digits, or simulated where fewer are given.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

mod common;

use common::Builder;
use fanin::Activation;
use fanin_theory::criticality::{
    LayerMap, Phase, chains, critical_point, critical_weight, phase_diagram,
};
use fanin_theory::units;

#[track_caller]
fn close(actual: f64, wanted: f64, relative: f64) {
    let off = (actual - wanted).abs();
    assert!(
        off <= relative * wanted.abs(),
        "{actual} is not {wanted} (to {relative})"
    );
}

/// σw² and σb² on the critical line at q* = 1/64, 1/4, 1/2, 1, 2.
const LINES: [(Activation, [(f64, f64); 5]); 6] = [
    (
        Activation::Tanh,
        [
            (1.03055751, 4.6513e-6),
            (1.39396163, 0.0081251542),
            (1.68797512, 0.038041201),
            (2.15330265, 0.15096463),
            (2.86116240, 0.51226495),
        ],
    ),
    (
        Activation::Erf,
        [
            (0.80956990, 4.7844e-6),
            (1.11072073, 0.0096990168),
            (1.36034952, 0.046550159),
            (1.75620368, 0.18413968),
            (2.35619449, 0.60905717),
        ],
    ),
    (
        Activation::Gelu,
        [
            (3.85140418, 1.4290e-4),
            (2.81147534, 0.015222905),
            (2.45550642, 0.034542695),
            (2.19369990, 0.067191675),
            (2.04285110, 0.11632199),
        ],
    ),
    (
        Activation::Silu,
        [
            (3.93939160, 5.8733e-5),
            (3.32991479, 0.009416573),
            (2.98767026, 0.026226456),
            (2.63516866, 0.0624715),
            (2.34261863, 0.12788893),
        ],
    ),
    (
        Activation::Selu,
        [
            (0.54593389, 3.9811e-5),
            (0.73502275, 0.0069382446),
            (0.82453951, 0.022413361),
            (0.93320580, 0.066794198),
            (1.05631285, 0.18049224),
        ],
    ),
    (
        Activation::Mish,
        [
            (2.73722408, 6.5808e-5),
            (2.38628253, 0.0092623002),
            (2.22660338, 0.02442222),
            (2.08731768, 0.055818144),
            (1.99428896, 0.11200154),
        ],
    ),
];

#[test]
fn critical_lines() {
    for (activation, line) in LINES {
        for (q, (weight, bias)) in [1.0 / 64.0, 0.25, 0.5, 1.0, 2.0].into_iter().zip(line) {
            let (w, b) = critical_point(activation, q).unwrap();
            close(w, weight, 5e-9);
            close(b, bias, if q < 0.1 { 2e-5 } else { 2e-7 });
            // On it, and nowhere else, χ⊥ = 1 where the length map settles.
            let maps = LayerMap::of(activation, w, b);
            close(maps.length(q), q, 1e-9);
            close(maps.chi(q), 1.0, 1e-9);
        }
    }
    for never in [Activation::Sigmoid, Activation::Softplus] {
        for q in [0.01, 0.3, 1.0, 5.0, 20.0] {
            assert_eq!(critical_point(never, q), None, "{never}");
        }
    }
    let (weight, bias) = critical_point(Activation::Relu, 0.7).unwrap();
    close(weight, 2.0, 1e-12);
    assert_eq!(bias, 0.0);
}

#[test]
fn critical_weights_of_tanh_by_bias() {
    for (bias, weight) in [
        (0.01, 1.42420529),
        (0.05, 1.76095464),
        (0.1, 1.98607264),
        (0.3, 2.50512719),
        (1.0, 3.44321091),
        (2.01e-5, 1.049996),
    ] {
        let (found, _) = critical_weight(Activation::Tanh, bias).unwrap();
        close(found, weight, 1e-6);
    }
    let (_, q) = critical_weight(Activation::Tanh, 0.05).unwrap();
    close(q, 0.57004788, 1e-7);
}

#[test]
fn twice_critical_points() {
    for (activation, weight, bias, q) in [
        (Activation::Gelu, 1.98305826, 0.17292239, 3.56155281),
        (Activation::Silu, 1.98800468, 0.55514317, 14.32017362),
        (Activation::Mish, 2.01352407, 0.09452179, 1.67016913),
    ] {
        let maps = LayerMap::of(activation, weight, bias);
        close(maps.chi(q), 1.0, 1e-7);
        close(maps.chi_parallel(q), 1.0, 1e-7);
        close(maps.length(q), q, 1e-8);
    }
}

#[test]
fn tanh_with_biases_of_variance_one_in_twenty() {
    for (weight, q, chi, c, xi_c, xi_q) in [
        (1.0, 0.19359252, 0.75903165, 1.0, 3.62698, 1.74763),
        (1.3, 0.31531648, 0.88016351, 1.0, 7.83407, 1.78524),
        (1.5, 0.41803720, 0.93863627, 1.0, 15.791, 1.68283),
        (1.7, 0.53307563, 0.98674081, 1.0, 74.918, 1.55825),
        (2.0, 0.72176187, 1.04766600, 0.74408242, 25.213, 1.38798),
        (2.5, 1.06395838, 1.13351570, 0.44680423, 11.796, 1.17987),
        (4.0, 2.19549393, 1.34240241, 0.16506496, 6.98027, 0.873293),
    ] {
        let found = LayerMap::of(Activation::Tanh, weight, 0.05)
            .criticality()
            .unwrap();
        close(found.second_moment, q, 3e-8);
        close(found.chi, chi, 2e-8);
        close(found.correlation, c, 3e-8);
        close(found.correlation_scale, xi_c, 5e-5);
        close(found.length_scale, xi_q, 5e-6);
        close(found.trainable_depth(), 6.0 * xi_c, 5e-5);
        let phase = if chi < 1.0 {
            Phase::Ordered
        } else {
            Phase::Chaotic
        };
        assert_eq!(found.phase(), phase);
    }
}

#[test]
fn tanh_fixed_points_by_gain() {
    for (gain, deviation, chi) in [
        (1.1, 0.305257, 1.010189),
        (4.0 / 3.0, 0.512558, 1.075838),
        (1.5, 0.593803, 1.139323),
        (5.0 / 3.0, 0.651347, 1.209831),
        (2.0, 0.728264, 1.362673),
    ] {
        let weight: f64 = gain * gain;
        let found = LayerMap::of(Activation::Tanh, weight, 0.0)
            .criticality()
            .unwrap();
        close((found.second_moment / weight).sqrt(), deviation, 2e-6);
        close(found.chi, chi, 1e-6);
    }
    assert!(
        LayerMap::of(Activation::Tanh, 1.0, 0.0)
            .fixed_point()
            .is_none()
    );
    let found = LayerMap::of(Activation::Tanh, 25.0 / 9.0, 0.0);
    let q = found.fixed_point().unwrap();
    close(q, 1.17848049, 5e-9);
    close(
        units::saturated_share(Activation::Tanh, 0.0, q),
        0.05394,
        2e-4,
    );
    let q = LayerMap::of(Activation::Tanh, 4.0, 0.0)
        .fixed_point()
        .unwrap();
    close(
        units::saturated_share(Activation::Tanh, 0.0, q),
        0.1509,
        4e-4,
    );
}

#[test]
fn length_maps_step_by_step() {
    let tanh = LayerMap::of(Activation::Tanh, 1.0, 0.0);
    let mut q = 1.0;
    for layer in 1..=100 {
        q = tanh.length(q);
        match layer {
            1 => close(q, 0.39429449, 1e-8),
            10 => close(q, 0.05220008, 2e-7),
            20 => close(q, 0.02590198, 3e-7),
            100 => close(q, 0.00506902, 2e-6),
            _ => {}
        }
    }
    let selu = LayerMap::of(Activation::Selu, 1.0, 0.0);
    close(selu.length(0.5), 0.5792161982, 1e-9);
    close(selu.length(1.0), 1.0, 1e-9);
    close(selu.length(2.0), 1.7225083972, 1e-9);
}

#[test]
fn sigmoid_stacks_lose_their_gradients() {
    let he = LayerMap::of(Activation::Sigmoid, 2.0, 0.0)
        .criticality()
        .unwrap();
    close(he.chi, 0.10098, 5e-5);
    let glorot = LayerMap::of(Activation::Sigmoid, 1.0, 0.0)
        .criticality()
        .unwrap();
    close(glorot.chi, 0.05572, 1e-4);
}

#[test]
fn relu_is_critical_at_two_for_any_length() {
    let relu = LayerMap::of(Activation::Relu, 2.0, 0.0);
    assert!(relu.is_homogeneous());
    let found = relu.criticality_at(0.3);
    assert_eq!(found.phase(), Phase::Critical);
    assert!(found.correlation_scale.is_infinite());
    close(found.correlation, 1.0, 1e-12);
    let leaky = Activation::LeakyRelu { slope: 0.2 };
    close(LayerMap::of(leaky, 2.0 / 1.04, 0.0).chi(1.0), 1.0, 1e-12);
}

#[test]
fn dead_units_expected_of_he() {
    // Layer l of a ReLU network of uncorrelated inputs: the cosine before it has seen l − 1 maps.
    let cosine = |layer: usize| {
        (1..layer).fold(0.0f64, |c, _| {
            let c = c.min(1.0);
            ((1.0 - c * c).sqrt() + c * (std::f64::consts::PI - c.acos())) / std::f64::consts::PI
        })
    };
    for (samples, layer, share) in [
        (128.0, 3, 0.0072),
        (128.0, 5, 0.0435),
        (128.0, 10, 0.146),
        (128.0, 20, 0.266),
        (128.0, 50, 0.385),
        (512.0, 3, 0.0018),
        (512.0, 5, 0.0214),
        (512.0, 10, 0.107),
        (512.0, 20, 0.231),
        (512.0, 50, 0.366),
    ] {
        let found = units::dead_share(cosine(layer), 0.0, samples);
        assert!(
            (found - share).abs() < 6e-5 + 0.004 * share,
            "{samples} {layer}: {found} is not {share}"
        );
    }
    close(units::dead_share(0.0, 0.0, 10.0), 2f64.powi(-10), 1e-9);
    close(units::dead_share(0.5, 0.0, 100.0), 1.0 / 101.0, 1e-9);
    let c: f64 = 0.3;
    close(
        units::dead_share(c, 0.0, 2.0),
        0.25 + c.asin() / (2.0 * std::f64::consts::PI),
        1e-9,
    );
    close(units::dead_share(1.0, 0.0, 9.0), 0.5, 1e-12);
}

#[test]
fn born_dead() {
    for (width, depth, bound) in [
        (2, 9, 0.925),
        (3, 9, 0.699),
        (4, 9, 0.441),
        (8, 9, 0.0346),
        (8, 100, 0.324),
    ] {
        close(units::born_dead_bound(&vec![width; depth]), bound, 2e-3);
    }
}

#[test]
fn first_losses() {
    for (deviation, classes, loss, tolerance) in [
        (0.0, 10, std::f64::consts::LN_10, 1e-7),
        // Simulated.
        (0.5, 10, 2.413, 1e-3),
        (1.0, 10, 2.729, 1e-3),
        (2.0, 10, 3.774, 2e-3),
        (5.0, 10, 7.967, 3e-3),
        (10.0, 10, 15.51, 2e-2),
        (0.0, 27, 3.296, 1e-3),
        (1.0, 27, 3.766, 2e-3),
        (14.0, 27, 28.1, 0.6),
        (1.0, 50257, 11.325, 1e-3),
        (0.554, 50257, 10.979, 1e-3),
    ] {
        let found = units::initial_cross_entropy(deviation, classes);
        assert!(
            (found - loss).abs() <= tolerance,
            "σ {deviation}, {classes} classes: {found} is not {loss}"
        );
    }
}

#[test]
fn attention_of_unit_logits_lacks_half_a_nat() {
    let tokens = 1 << 14;
    let deficit = (tokens as f64).ln() - units::attention_entropy(1.0, tokens);
    assert!((deficit - 0.5).abs() < 2e-3, "{deficit}");
    close(units::attention_entropy(0.0, 64), 64f64.ln(), 1e-7);
    close(units::attention_entropy(3.0, 1) + 1.0, 1.0, 1e-6);
}

#[test]
fn rank_collapse_of_attention() {
    let after = |blocks: usize, scale: f64| {
        (0..blocks).fold(0.0, |rho, _| units::token_cosine(rho, scale, 128))
    };
    close(after(8, 1.0), 0.666, 1e-3);
    close(after(12, 1.0), 0.970, 1e-3);
    close(after(24, (1.0f64 / 12.0).sqrt()), 0.0435, 2e-3);
}

#[test]
fn singular_values() {
    close(units::largest_squared_singular_value(1), 4.0, 1e-12);
    close(units::largest_squared_singular_value(8), 23.09, 3e-4);
    let spread = |activation, orthogonal| units::jacobian_spread(activation, 1.0, 8, orthogonal);
    close(spread(Activation::Identity, false), 8.0, 1e-9);
    assert!(spread(Activation::Identity, true).abs() < 1e-9);
    close(spread(Activation::Relu, false), 16.0, 1e-9);
    close(spread(Activation::Relu, true), 8.0, 1e-9);
}

#[test]
fn batch_norm_makes_gradients_grow() {
    for (activation, growth) in [
        (Activation::Relu, 1.466942207),
        (Activation::LeakyRelu { slope: 0.01 }, 1.453370761),
        (Activation::Elu { alpha: 1.0 }, 1.079013455),
        (Activation::Selu, 1.071574992),
        (Activation::Gelu, 1.318844971),
        (Activation::Silu, 1.212081115),
        (Activation::Mish, 1.214259255),
        (Activation::Softplus, 1.080528053),
        (Activation::Softsign, 1.244010371),
        (Activation::Tanh, 1.177807232),
        (Activation::HardTanh, 1.322891542),
        (Activation::Sigmoid, 1.03359239),
        (Activation::Erf, 1.225700004),
        (Activation::HardSwish, 1.179615201),
        (Activation::Sin, 1.313035285),
        (Activation::ReluSquared, 1.6),
    ] {
        close(units::batch_norm_growth(activation), growth, 1e-8);
    }
}

#[test]
fn fourth_moments_of_slopes() {
    for (activation, fourth) in [
        (Activation::Relu, 0.5),
        (Activation::Elu { alpha: 1.0 }, 0.5944106413),
        (Activation::Selu, 1.511352902),
        (Activation::Gelu, 0.4339558389),
        (Activation::GeluTanh, 0.4339013381),
        (Activation::Silu, 0.2865805769),
        (Activation::Mish, 0.4217363817),
        (Activation::Softplus, 0.1315943131),
        (Activation::Softsign, 0.1107415008),
        (Activation::Tanh, 0.3415092073),
        (Activation::Sigmoid, 0.002285651287),
        (Activation::Erf, 0.5403796461),
        (Activation::HardSwish, 0.2584636368),
        (Activation::Sin, 0.4427095744),
        (Activation::ReluSquared, 24.0),
    ] {
        // L (μ₂/μ₁² − 1) of one orthogonal layer.
        let second = fanin::moments::derivative_square(activation, 1.0);
        let found = (units::jacobian_spread(activation, 1.0, 1, true) + 1.0) * second * second;
        close(found, fourth, 1e-8);
    }
}

#[test]
fn the_chains_of_a_network() {
    let mut builder = Builder::new();
    let width = 100;
    let mut x = builder.input("x", &[8, 40], 1.0);
    let bias = 0.05f64.sqrt();
    for layer in 0..5 {
        let fan = if layer == 0 { 40.0f64 } else { width as f64 };
        let rms = (2.5 / fan).sqrt();
        x = builder.dense(&format!("dense{layer}"), x, width, rms, bias);
        x = builder.like(&format!("act{layer}"), "Tanh", &[x]);
    }
    x = builder.dense("head", x, 10, 0.1, 0.0);
    builder.end(x, 1.0);
    let chains = chains(&builder.network, &builder.measured);
    assert_eq!(chains.len(), 1);
    let layers = &chains[0].layers;
    let names: Vec<&str> = layers.iter().map(|layer| layer.node.as_str()).collect();
    assert_eq!(names, ["dense1", "dense2", "dense3", "dense4", "head"]);
    assert_eq!(layers[0].function, "Tanh");
    let found = layers[0].criticality.unwrap();
    close(found.second_moment, 1.06395838, 1e-7);
    close(found.correlation_scale, 11.796, 1e-4);
    // The first layer's pre-activation has not settled yet: 2.5 · 1 + 0.05.
    close(layers[0].second_moment, 2.55, 1e-9);
    assert!(layers[0].chi < found.chi);
    let head = layers[4].criticality;
    // σw² = 1 without biases: the length vanishes.
    assert!(head.is_none());
    close(chains[0].depth_used, 4.0 / (6.0 * 11.796), 1e-3);
}

#[test]
fn a_chain_of_relu_is_judged_at_its_own_length() {
    let mut builder = Builder::new();
    let mut x = builder.input("x", &[8, 64], 3.0);
    for layer in 0..3 {
        x = builder.dense(&format!("dense{layer}"), x, 64, (2.0f64 / 64.0).sqrt(), 0.0);
        x = builder.like(&format!("act{layer}"), "Relu", &[x]);
    }
    builder.end(x, 1.0);
    let chains = chains(&builder.network, &builder.measured);
    let found = chains[0].layers[1].criticality.unwrap();
    assert_eq!(found.phase(), Phase::Critical);
    close(found.second_moment, 18.0, 1e-9);
    assert_eq!(chains[0].depth_used, 0.0);
}

#[test]
fn a_diagram_has_one_line_for_each_function() {
    let mut builder = Builder::new();
    let mut x = builder.input("x", &[8, 64], 1.0);
    for (layer, function) in ["Tanh", "Tanh", "Relu", "Sigmoid"].into_iter().enumerate() {
        x = builder.dense(&format!("dense{layer}"), x, 64, 0.125, 0.1);
        x = builder.like(&format!("act{layer}"), function, &[x]);
    }
    x = builder.dense("head", x, 10, 0.125, 0.0);
    builder.end(x, 1.0);
    let diagram = phase_diagram(&builder.network, &builder.measured);
    assert_eq!(
        diagram.chains,
        chains(&builder.network, &builder.measured),
        "the same chains with and without lines"
    );
    let functions: Vec<&str> = diagram.lines.iter().map(|l| l.function.as_str()).collect();
    assert_eq!(functions, ["Tanh", "Relu", "Sigmoid"]);
    assert_eq!(diagram.line_of, [[0, 0, 1, 2]]);
    let layer = &diagram.chains[0].layers[0];
    close(layer.weight, 1.0, 1e-12);
    close(layer.bias, 0.01, 1e-12);

    let [tanh, relu, sigmoid] = &diagram.lines[..] else {
        panic!("three lines");
    };
    // It begins at σw² = 1, σb² = 0 and passes the published points, both variances rising.
    close(tanh.points[0][0], 1.0, 1e-3);
    assert!(tanh.points[0][1] < 1e-6);
    assert!(
        tanh.points
            .windows(2)
            .all(|w| w[0][0] < w[1][0] && w[0][1] < w[1][1])
    );
    let at = |bias: f64| {
        let k = tanh.points.iter().position(|p| p[1] > bias).unwrap();
        let ([w0, b0], [w1, b1]) = (tanh.points[k - 1], tanh.points[k]);
        w0 + (w1 - w0) * (bias - b0) / (b1 - b0)
    };
    for (bias, weight) in [(0.05, 1.76095464), (0.3, 2.50512719), (1.0, 3.44321091)] {
        close(at(bias), weight, 2e-2); // between points the line is drawn straight
    }
    assert!(relu.any_bias);
    close(relu.points[0][0], 2.0, 1e-9);
    // Sigmoid has critical weights at second moments of 40 and more alone: far off.
    assert!(sigmoid.points.iter().all(|p| p[0] > 50.0));
}
