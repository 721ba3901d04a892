//! Parameters told from buffers and constants on small graphs.

use super::classify;
use crate::architecture::builder::{Builder, none};
use crate::operator::Conv;
use crate::{
    Attribute, Dims, ElementType, HostTensor, Network, Origin, Payload, ValueId, ValueKind,
};

/// Builds a raw graph as a reader would hand it over, and classifies it.
fn classified(build: impl FnOnce(&mut Builder<'_>) -> ValueId) -> Network {
    let dims = Dims::default();
    let mut builder = Builder::new("test", &dims);
    let output = build(&mut builder);
    builder.output(output);
    let mut network = builder.finish();
    for value in &mut network.values {
        if let ValueKind::Constant(tensor) = &value.kind
            && tensor.element.is_float()
            && value.origin == Origin::Made
        {
            value.origin = Origin::Initializer;
        }
    }
    classify(&mut network).unwrap();
    network
}

fn names(network: &Network) -> Vec<&str> {
    network.parameters.iter().map(|p| p.name.as_str()).collect()
}

/// A stored tensor under a name.
fn stored(b: &mut Builder<'_>, name: &str, shape: &[usize], elements: Vec<f32>) -> ValueId {
    let id = b.held(HostTensor::f32(shape.to_vec(), elements)).unwrap();
    b.rename(id, name);
    id
}

/// Elements without a pattern.
fn noise(count: usize) -> Vec<f32> {
    (0..count)
        .map(|k| ((k * 37 + 11) % 101) as f32 / 50.0 - 1.0)
        .collect()
}

fn input(b: &mut Builder<'_>, shape: &[usize]) -> ValueId {
    b.input("input", ElementType::F32, shape.to_vec()).unwrap()
}

fn op(b: &mut Builder<'_>, op: &str, inputs: &[ValueId]) -> ValueId {
    let name = format!("{op}_{}_{}", inputs[0].0, inputs.last().unwrap().0);
    b.node(&name, op, inputs, none())
}

#[test]
fn weights_are_parameters_in_the_order_of_their_first_use() {
    let network = classified(|b| {
        let x = input(b, &[2, 4]);
        let late = stored(b, "late", &[4, 4], noise(16));
        let early = stored(b, "val_3", &[4, 4], noise(16));
        let bias = stored(b, "bias", &[4], vec![0.0; 4]);
        let early = op(b, "Transpose", &[early]);
        let x = op(b, "MatMul", &[x, early]);
        let x = op(b, "Add", &[x, bias]);
        op(b, "MatMul", &[x, late])
    });
    assert_eq!(names(&network), ["val_3", "bias", "late"]);
    assert!(matches!(network.parameters[0].payload, Payload::Held(_)));
    assert!(matches!(
        network.value(network.parameters[0].value).kind,
        ValueKind::Parameter(_)
    ));
}

#[test]
fn running_statistics_are_buffers() {
    let network = classified(|b| {
        let x = input(b, &[2, 4]);
        let inputs = ["scale", "shift", "mean", "variance"].map(|n| stored(b, n, &[4], noise(4)));
        op(b, "BatchNormalization", &[&[x][..], &inputs].concat())
    });
    assert_eq!(names(&network), ["scale", "shift"]);
}

#[test]
fn numbers_of_the_formula_are_constants_but_a_named_factor_is_learned() {
    let network = classified(|b| {
        let x = input(b, &[2, 4]);
        let half = stored(b, "val_7", &[], vec![0.5]);
        let eps = stored(b, "norm.eps", &[], vec![1e-5]);
        let alpha = stored(b, "blocks.3.alpha", &[1], vec![0.0]);
        let slope = stored(b, "onnx::PRelu_5", &[1], vec![0.25]);
        let x = op(b, "Mul", &[x, half]);
        let x = op(b, "Mul", &[x, alpha]);
        let x = op(b, "PRelu", &[x, slope]);
        let x = op(b, "Add", &[x, eps]);
        op(b, "Sqrt", &[x])
    });
    assert_eq!(names(&network), ["blocks.3.alpha", "onnx::PRelu_5"]);
}

#[test]
fn masks_are_buffers_by_their_values() {
    const HIDDEN: f32 = f32::NEG_INFINITY;
    let hidden = [0.0, HIDDEN, HIDDEN, 0.0, 0.0, HIDDEN, 0.0, 0.0, 0.0];
    let triangle = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
    for (elements, learned) in [
        (hidden.to_vec(), false),
        (triangle.to_vec(), false),
        (noise(9), true),
    ] {
        let network = classified(|b| {
            let x = input(b, &[3, 3]);
            let mask = stored(b, "a.name", &[3, 3], elements.clone());
            op(b, "Add", &[x, mask])
        });
        assert_eq!(!network.parameters.is_empty(), learned, "{elements:?}");
    }
    // The same triangle contracted is a weight.
    let network = classified(|b| {
        let x = input(b, &[3, 3]);
        let weight = stored(b, "a.name", &[3, 3], triangle.to_vec());
        op(b, "MatMul", &[x, weight])
    });
    assert_eq!(network.parameters.len(), 1);
}

#[test]
fn rotary_and_sinusoid_tables_are_buffers() {
    let angles: Vec<f32> = (0..5).flat_map(|p| [p as f32, p as f32 * 0.1]).collect();
    let both: Vec<f32> = angles.iter().flat_map(|a| [a.sin(), a.cos()]).collect();
    let network = classified(|b| {
        let x = input(b, &[5, 4]);
        let table = stored(b, "encoding", &[5, 4], both.clone());
        op(b, "Add", &[x, table])
    });
    assert_eq!(names(&network), [""; 0], "sines and cosines side by side");

    let network = classified(|b| {
        let x = input(b, &[5, 2]);
        let cosines = stored(b, "c", &[5, 2], angles.iter().map(|a| a.cos()).collect());
        let sines = stored(b, "s", &[5, 2], angles.iter().map(|a| a.sin()).collect());
        let y = op(b, "Mul", &[x, cosines]);
        let z = op(b, "Mul", &[x, sines]);
        op(b, "Add", &[y, z])
    });
    assert_eq!(names(&network), [""; 0], "a table of each");

    let network = classified(|b| {
        let positions = input(b, &[5, 1]);
        let frequencies = stored(b, "f", &[1, 2], vec![1.0, 0.1]);
        let a = op(b, "MatMul", &[positions, frequencies]);
        let s = op(b, "Sin", &[a]);
        let c = op(b, "Cos", &[a]);
        b.node(
            "both",
            "Concat",
            &[s, c],
            none().set("axis", Attribute::Int(1)),
        )
    });
    assert_eq!(names(&network), [""; 0], "frequencies");

    // SIREN takes only the sine of a layer: its weight is learned.
    let network = classified(|b| {
        let x = input(b, &[5, 2]);
        let weight = stored(b, "w", &[2, 4], noise(8));
        let y = op(b, "MatMul", &[x, weight]);
        op(b, "Sin", &[y])
    });
    assert_eq!(names(&network), ["w"]);
}

#[test]
fn the_ones_of_a_new_scale_beside_zeros_are_no_cosines() {
    let network = classified(|b| {
        let x = input(b, &[5, 6]);
        let scale = stored(b, "scale", &[6], vec![1.0; 6]);
        let shift = stored(b, "shift", &[6], vec![0.0; 6]);
        let y = op(b, "Mul", &[x, scale]);
        op(b, "Add", &[y, shift])
    });
    assert_eq!(names(&network), ["scale", "shift"]);
}

#[test]
fn the_normalization_of_the_input_is_no_parameter() {
    let network = classified(|b| {
        let x = input(b, &[2, 3, 8, 8]);
        let mean = stored(b, "mean", &[1, 3, 1, 1], vec![0.485, 0.456, 0.406]);
        let deviation = stored(b, "std", &[1, 3, 1, 1], vec![0.229, 0.224, 0.225]);
        let x = op(b, "Sub", &[x, mean]);
        let x = op(b, "Div", &[x, deviation]);
        let weight = stored(b, "conv", &[4, 3, 1, 1], noise(12));
        op(b, Conv::NAME, &[x, weight])
    });
    assert_eq!(names(&network), ["conv"]);
}

#[test]
fn expanded_results_of_an_exporter_are_buffers() {
    let repeated: Vec<f32> = noise(4).repeat(3);
    for (name, learned) in [("expand", false), ("cls_token", true)] {
        let network = classified(|b| {
            let x = input(b, &[3, 5, 4]);
            let token = stored(b, name, &[3, 1, 4], repeated.clone());
            b.node(
                "join",
                "Concat",
                &[token, x],
                none().set("axis", Attribute::Int(1)),
            )
        });
        assert_eq!(!network.parameters.is_empty(), learned, "{name}");
    }
}

#[test]
fn bounds_shapes_and_states_are_no_parameters() {
    let network = classified(|b| {
        let x = input(b, &[5, 2, 6]);
        let w = stored(b, "w", &[1, 16, 6], noise(96));
        let r = stored(b, "r", &[1, 16, 4], noise(64));
        let bias = stored(b, "b", &[1, 32], noise(32));
        let state = stored(b, "initial", &[1, 2, 4], vec![0.0; 8]);
        let inputs = [
            Some(x),
            Some(w),
            Some(r),
            Some(bias),
            None,
            Some(state),
            Some(state),
        ];
        let attributes = none().set("hidden_size", Attribute::Int(4));
        let y = b.operation("lstm", "LSTM", inputs.to_vec(), attributes, 1)[0];
        let low = stored(b, "low", &[], vec![0.0]);
        let high = stored(b, "high", &[], vec![6.0]);
        op(b, "Clip", &[y, low, high])
    });
    assert_eq!(names(&network), ["w", "r", "b"]);
}

#[test]
fn a_tensor_passed_on_under_another_name_is_one_parameter() {
    let network = classified(|b| {
        let x = input(b, &[2, 4]);
        let weight = stored(b, "encoder.weight", &[4, 4], noise(16));
        let same = op(b, "Identity", &[weight]);
        b.rename(same, "decoder.weight");
        let x = op(b, "MatMul", &[x, weight]);
        op(b, "MatMul", &[x, same])
    });
    assert_eq!(names(&network), ["encoder.weight"]);
    assert_eq!(network.parameters[0].aliases, ["decoder.weight"]);
}
