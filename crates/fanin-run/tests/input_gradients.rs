//! Gradients at the inputs against differences of the output.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use fanin::Seed;
use fanin_network::{Dims, HostTensor};
use fanin_plan::{Request, plan};
use fanin_run::{Data, evaluate, input_gradients};

/// A batch of one sample, repeated, with the rows of the identity as cotangent: the Jacobian.
#[test]
fn a_jacobian_is_what_differences_say() {
    let (inputs, outputs) = (5, 4);
    let dims = Dims {
        batch: Some(outputs),
        ..Dims::default()
    };
    let network = fanin_network::open("mlp(5, 7x2, 4, tanh)", &dims).unwrap();
    let weights = plan(&network, &Request::new(Seed::new(3)))
        .unwrap()
        .plan
        .fill_weights()
        .unwrap();
    let sample: Vec<f32> = (0..inputs).map(|k| (k as f32 - 1.7) * 0.4).collect();
    let x = HostTensor::f32(vec![outputs, inputs], sample.repeat(outputs)).unwrap();
    let identity: Vec<f32> = (0..outputs * outputs)
        .map(|k| f32::from(u8::from(k % (outputs + 1) == 0)))
        .collect();
    let cotangent = HostTensor::f32(vec![outputs, outputs], identity).unwrap();
    let data = Data::new(BTreeMap::from([
        ("input".to_owned(), x),
        ("cotangent".to_owned(), cotangent),
    ]));
    let gradients = input_gradients(&network, &weights, &data, Seed::new(0)).unwrap();
    let jacobian = gradients["input"].to_f32();

    let at = |k: usize, step: f32| -> Vec<f32> {
        let mut moved = sample.clone();
        moved[k] += step;
        let x = HostTensor::f32(vec![outputs, inputs], moved.repeat(outputs)).unwrap();
        let y = evaluate(
            &network,
            &weights,
            &BTreeMap::from([("input".to_owned(), x)]),
        )
        .unwrap();
        y[0].to_f32()[..outputs].to_vec()
    };
    for k in 0..inputs {
        let (up, down) = (at(k, 1e-2), at(k, -1e-2));
        for j in 0..outputs {
            let difference = (up[j] - down[j]) / 2e-2;
            let found = jacobian[j * inputs + k];
            assert!(
                (found - difference).abs() < 1e-3,
                "{j} {k}: {found} {difference}"
            );
        }
    }
}
