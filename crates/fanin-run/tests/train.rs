//! Training steps against PyTorch, against differences of the loss, and at the edges.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use fanin::Seed;
use fanin_network::{Dims, HostData, HostTensor, Network, Weights};
use fanin_plan::Request;

use fanin_run::Data;
use fanin_run::train::{Batch, Objective, Optimizer, Step, TrainOptions, train};

fn open(model: &str, batch: usize) -> Network {
    let dims = Dims {
        batch: Some(batch),
        ..Dims::default()
    };
    fanin_network::open(model, &dims).unwrap()
}

fn wave(n: usize, phase: f64, step: f64) -> Vec<f64> {
    (0..n).map(|i| (step * i as f64 + phase).sin()).collect()
}

fn single(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|v| v as f32).collect()
}

/// The start of tools/golden_training.py.
fn golden_start(network: &Network) -> Weights {
    let tensors = network.parameters.iter().enumerate().map(|(p, parameter)| {
        let mut values = wave(parameter.len(), p as f64 + 0.3, 1.7);
        let norm = parameter.name.starts_with("norms") && parameter.name.ends_with("weight");
        for v in &mut values {
            *v = 0.5 * *v + if norm { 1.0 } else { 0.0 };
        }
        let tensor = HostTensor::f32(parameter.shape.clone(), single(values)).unwrap();
        (parameter.name.clone(), tensor)
    });
    Weights {
        tensors: tensors.collect(),
    }
}

fn batch(network: &Network, target: HostTensor) -> Batch {
    let value = network.value(network.inputs[0]);
    let shape = value.shape.clone().unwrap();
    let n = shape.iter().product();
    let x = HostTensor::f32(shape, single(wave(n, 0.2, 0.9))).unwrap();
    Batch {
        inputs: Data::new(BTreeMap::from([(value.name.clone(), x)])),
        target,
    }
}

fn classes(n: usize, classes: usize) -> HostTensor {
    HostTensor::i64(vec![n], (0..n).map(|k| (k % classes) as i64).collect()).unwrap()
}

fn planned(network: &Network, seed: u64) -> Weights {
    let outcome = fanin_plan::plan(network, &Request::new(Seed::new(seed))).unwrap();
    outcome.plan.fill_weights().unwrap()
}

fn steps(
    network: &Network,
    weights: &Weights,
    batch: &Batch,
    options: &TrainOptions,
    rate: f64,
    count: usize,
) -> (Vec<Step>, Weights) {
    train(network, weights, options, |trainer| {
        let steps = (0..count).map(|_| trainer.step(batch, rate, false));
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        Ok((steps, trainer.weights()))
    })
    .unwrap()
}

#[test]
fn twenty_steps_follow_torch() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("golden/training.json")).unwrap();
    let mut seen = 0;
    for case in golden["cases"].as_array().unwrap() {
        let network = open(case["network"].as_str().unwrap(), 7);
        let (optimizer, rate, clip) = match case["optimizer"].as_str().unwrap() {
            "sgd" => (Optimizer::SGD, 0.05, None),
            "sgd-decay-clip" => {
                let optimizer = Optimizer::Sgd {
                    momentum: 0.9,
                    decay: 0.1,
                };
                (optimizer, 0.05, Some(0.2))
            }
            "adam" => (Optimizer::ADAM, 0.01, None),
            _ => {
                let optimizer = Optimizer::Adam {
                    beta1: 0.9,
                    beta2: 0.999,
                    epsilon: 1e-8,
                    decay: 0.1,
                };
                (optimizer, 0.01, None)
            }
        };
        let (objective, target) = match case["objective"].as_str().unwrap() {
            "classes" => (Objective::Classes, classes(7, 3)),
            _ => (
                Objective::Values,
                HostTensor::f32(vec![7, 3], single(wave(21, 0.7, 1.1))).unwrap(),
            ),
        };
        let options = TrainOptions {
            clip,
            ..TrainOptions::new(objective, optimizer)
        };
        let batch = batch(&network, target);
        let (steps, weights) = steps(
            &network,
            &golden_start(&network),
            &batch,
            &options,
            rate,
            20,
        );
        let name = format!("{} {}", case["network"], case["optimizer"]);
        let losses = case["losses"].as_array().unwrap();
        assert_eq!(losses.len(), steps.len());
        for (step, loss) in steps.iter().zip(losses) {
            let loss = loss.as_f64().unwrap();
            assert!(
                (step.loss - loss).abs() < 1e-5,
                "{name}: {} {loss}",
                step.loss
            );
            assert!(!step.diverged);
        }
        let ours = network.parameters.iter();
        let ours: Vec<f32> = ours
            .flat_map(|p| weights.get(&p.name).unwrap().to_f32())
            .collect();
        let theirs = case["weights"].as_array().unwrap();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (k, (a, b)) in ours.iter().zip(theirs).enumerate() {
            let b = b.as_f64().unwrap();
            assert!(
                (f64::from(*a) - b).abs() < 1e-5,
                "{name}, weight {k}: {a} {b}"
            );
        }
        seen += 1;
    }
    assert_eq!(seen, 10);
}

/// Central differences of the loss against the gradient that a step uses.
fn differences(model: &str, target: HostTensor, objective: Objective, inputs: Option<Data>) {
    let network = open(model, target.shape[0]);
    let weights = planned(&network, 3);
    let mut batch = batch(&network, target);
    if let Some(inputs) = inputs {
        batch.inputs = inputs;
    }
    let options = TrainOptions::new(objective, Optimizer::SGD);
    let (_, gradient) = train(&network, &weights, &options, |trainer| {
        trainer.gradient(&batch)
    })
    .unwrap();
    let loss = |weights: &Weights| {
        train(&network, weights, &options, |trainer| {
            trainer.evaluate(&batch)
        })
        .unwrap()
        .0
    };
    for (name, g) in &gradient {
        let g = g.to_f32();
        let at = g.len() / 2;
        let shifted = |by: f32| {
            let mut weights = weights.clone();
            let tensor = weights.tensors.get_mut(name).unwrap();
            let HostData::F32(values) = &mut tensor.data else {
                panic!("weights are f32")
            };
            values[at] += by;
            loss(&weights)
        };
        let h = 2e-3;
        let difference = (shifted(h) - shifted(-h)) / f64::from(2.0 * h);
        let found = f64::from(g[at]);
        assert!(
            (difference - found).abs() < 2e-3 * (1.0 + found.abs()),
            "{model} {name}[{at}]: {found} by the tape, {difference} by differences"
        );
    }
    assert_eq!(gradient.len(), network.parameters.len(), "{model}");
}

#[test]
fn gradients_are_those_of_the_loss() {
    differences(
        "mlp(5, 6, 4, tanh)",
        classes(8, 4),
        Objective::Classes,
        None,
    );
    // One score per sample: binary cross entropy.
    let two = HostTensor::i64(vec![8, 1], vec![0, 1, 1, 0, 1, -1, 0, 1]).unwrap();
    differences("mlp(5, 6, 1, tanh)", two, Objective::Classes, None);
    let values = HostTensor::f32(vec![8, 4], single(wave(32, 0.1, 0.7))).unwrap();
    differences("mlp(5, 6, 4, gelu)", values, Objective::Values, None);
    differences(
        "lstm(4, 5, 3, time=6)",
        classes(4, 3),
        Objective::Classes,
        None,
    );
    // Next-token cross entropy, with a tied embedding and passed-over places.
    let ids: Vec<i64> = (0..24).map(|k| (k * 5 + 2) % 11).collect();
    let mut next: Vec<i64> = ids.iter().skip(1).copied().collect();
    next.push(-1);
    let target = HostTensor::i64(vec![3, 8], next).unwrap();
    let inputs = Data::new(BTreeMap::from([(
        "input_ids".to_owned(),
        HostTensor::i64(vec![3, 8], ids).unwrap(),
    )]));
    differences(
        "transformer(layers=1, width=8, heads=2, vocab=11, context=8)",
        target,
        Objective::Classes,
        Some(inputs),
    );
}

#[test]
fn a_softmax_at_the_end_is_part_of_the_loss() {
    // Scores of 200 make probabilities of exactly 0 and 1, whose logarithm is lost.
    let network = open("mlp(3, 2)", 2);
    let mut ending = network.clone();
    let scores = network.outputs[0];
    let mut value = network.value(scores).clone();
    value.name = "probabilities".to_owned();
    value.producer = Some(network.nodes.len().into());
    let output = fanin_network::ValueId::from(network.values.len());
    ending.values.push(value);
    let softmax = fanin_network::Node::new(
        "softmax",
        "",
        "Softmax",
        20,
        Default::default(),
        vec![Some(scores)],
        vec![Some(output)],
    );
    ending.nodes.push(softmax.unwrap());
    ending.outputs = vec![output];
    let mut weights = planned(&network, 1);
    for tensor in weights.tensors.values_mut() {
        if let HostData::F32(values) = &mut tensor.data {
            values.iter_mut().for_each(|v| *v *= 400.0);
        }
    }
    let batch = batch(&network, classes(2, 2));
    let options = TrainOptions::new(Objective::Classes, Optimizer::SGD);
    let score =
        |network: &Network| train(network, &weights, &options, |t| t.evaluate(&batch)).unwrap();
    assert_eq!(score(&network), score(&ending));
    assert!(score(&network).0.is_finite());
}

#[test]
fn the_same_start_gives_the_same_bits() {
    let network = open("conv(1x12x12, 8x2, 3, relu, norm=batch, pool=max)", 6);
    let weights = planned(&network, 5);
    let batch = batch(&network, classes(6, 3));
    let run = |threads| {
        let options = TrainOptions {
            threads: Some(threads),
            ..TrainOptions::new(Objective::Classes, Optimizer::ADAM)
        };
        steps(&network, &weights, &batch, &options, 0.01, 5)
    };
    // Whatever the number of threads.
    let one = run(1);
    assert_eq!(one, run(1));
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

#[test]
fn a_parameter_may_have_a_rate_of_its_own() {
    let network = open("mlp(5, 4, 3)", 8);
    let weights = planned(&network, 2);
    let batch = batch(&network, classes(8, 3));
    let plain = Optimizer::Sgd {
        momentum: 0.0,
        decay: 0.0,
    };
    let change = |factors: &[(&str, f64)], name: &str| -> Vec<f32> {
        let named = factors.iter().map(|&(name, f)| (name.to_owned(), f));
        let options = TrainOptions {
            rate_factors: named.collect(),
            ..TrainOptions::new(Objective::Classes, plain)
        };
        let after = train(&network, &weights, &options, |t| {
            t.step(&batch, 0.25, false)?;
            Ok(t.weights())
        })
        .unwrap();
        let pairs = after.get(name).unwrap().to_f32().into_iter();
        pairs
            .zip(weights.get(name).unwrap().to_f32())
            .map(|(after, before)| after - before)
            .collect()
    };
    let factors = [("layers.0.weight", 0.0), ("layers.1.weight", 2.0)];
    assert!(
        change(&factors, "layers.0.weight")
            .iter()
            .all(|&c| c == 0.0)
    );
    assert_eq!(
        change(&factors, "layers.1.bias"),
        change(&[], "layers.1.bias")
    );
    let (twice, once) = (
        change(&factors, "layers.1.weight"),
        change(&[], "layers.1.weight"),
    );
    assert!(once.iter().any(|&c| c.abs() > 1e-3));
    assert!(
        twice
            .iter()
            .zip(&once)
            .all(|(t, o)| (t - 2.0 * o).abs() < 1e-6)
    );

    let options = TrainOptions {
        rate_factors: BTreeMap::from([("layer.0".to_owned(), 1.0)]),
        ..TrainOptions::new(Objective::Classes, plain)
    };
    let error = train(&network, &weights, &options, |_| Ok(())).unwrap_err();
    assert!(
        error.to_string().contains("no parameter of this name"),
        "{error}"
    );
}

#[test]
fn numbers_that_run_away_are_an_outcome() {
    let network = open("mlp(5, 16x3, 3, relu)", 8);
    let batch = batch(&network, classes(8, 3));
    let options = TrainOptions::new(Objective::Classes, Optimizer::SGD);
    let (steps, _) = steps(&network, &planned(&network, 1), &batch, &options, 1e30, 6);
    assert!(steps[5].diverged);
    assert!(!steps[0].loss.is_nan());
}

#[test]
fn looking_sees_gradients_and_dead_units() {
    let network = open("mlp(5, 16, 8, 3, relu)", 8);
    let mut weights = planned(&network, 1);
    // A bias far below zero: no unit of the first layer answers.
    weights.tensors.insert(
        "layers.0.bias".to_owned(),
        HostTensor::f32(vec![16], vec![-100.0; 16]).unwrap(),
    );
    let batch = batch(&network, classes(8, 3));
    let options = TrainOptions::new(Objective::Classes, Optimizer::SGD);
    let look = train(&network, &weights, &options, |t| t.step(&batch, 0.1, true))
        .unwrap()
        .look
        .unwrap();
    assert_eq!(look.parameters.len(), 6);
    assert_eq!(look.parameters[0].gradient_rms, Some(0.0));
    assert!(look.parameters[5].gradient_rms.unwrap() > 0.0);
    assert_eq!(look.units.len(), 2);
    assert_eq!(look.units[0].dead, Some(1.0));
}

#[test]
fn what_does_not_fit_gets_a_sentence() {
    let network = open("mlp(5, 4, 3)", 8);
    let weights = planned(&network, 0);
    let fails = |objective, target| {
        let options = TrainOptions::new(objective, Optimizer::SGD);
        let batch = batch(&network, target);
        train(&network, &weights, &options, |t| t.step(&batch, 0.1, false))
            .unwrap_err()
            .to_string()
    };
    let error = fails(Objective::Classes, classes(8, 4));
    assert!(error.contains("class 3 is out of range"), "{error}");
    let error = fails(Objective::Classes, classes(7, 3));
    assert!(error.contains("targets have shape [7]"), "{error}");
    let values = HostTensor::f32(vec![8, 3], vec![0.0; 24]).unwrap();
    let error = fails(Objective::Classes, values.clone());
    assert!(error.contains("no integers"), "{error}");
    let error = fails(Objective::Values, classes(8, 3));
    assert!(error.contains("give floats"), "{error}");
    let none = HostTensor::i64(vec![8], vec![-1; 8]).unwrap();
    let error = fails(Objective::Classes, none);
    assert!(error.contains("none counts"), "{error}");
    let options = TrainOptions::new(Objective::Values, Optimizer::SGD);
    let error = train(&network, &Weights::default(), &options, |t| {
        t.step(&batch(&network, values.clone()), 0.1, false)
    });
    assert!(error.unwrap_err().to_string().contains("has no weights"));
}
