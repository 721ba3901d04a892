//! Every task on networks of its kind; what the tasks ask is neither trivial nor impossible.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::atomic::AtomicBool;

use fanin::Seed;
use fanin_network::{Dims, HostData, HostTensor, Network};
use fanin_plan::Recipe;
use fanin_run::train::{Objective, Optimizer};
use fanin_train::{
    Dataset, Form, Outcome, Rate, Samples, Settings, Start, StartResult, Task, compare,
};

fn open(model: &str, batch: usize) -> Network {
    let dims = Dims {
        batch: Some(batch),
        ..Dims::default()
    };
    fanin_network::open(model, &dims).unwrap()
}

/// Trains once with Adam at this rate from recipe `auto`.
fn learn(model: &str, task: Task, rate: f64, steps: usize) -> (StartResult, Dataset) {
    let network = open(model, 32);
    let form = Form::of(&network).unwrap();
    let dataset = task.generate(&form, Seed::new(1)).unwrap();
    let settings = Settings {
        optimizer: Optimizer::ADAM,
        rate: Rate::Fixed(rate),
        steps,
        seeds: 1,
        ..Settings::default()
    };
    let starts = [Start::recipe(&network, Recipe::Auto)];
    let stop = AtomicBool::new(false);
    let result = compare(&network, &starts, &dataset, &settings, &|_, _| (), &stop).unwrap();
    (result.starts.into_iter().next().unwrap(), dataset)
}

#[test]
fn every_network_gets_a_task_of_its_kind() {
    let cases = [
        ("mlp(784, 8, 10)", Task::Digits),
        ("mlp(50, 8, 7)", Task::Digits),
        ("mlp(2, 8, 3)", Task::Spirals),
        ("mlp(5, 8, 1)", Task::Teacher),
        ("conv(1x12x12, 4, 10)", Task::Digits),
        ("conv(3x4x4, 4, 10)", Task::Spirals),
        ("lstm(2, 4, 1, time=6)", Task::Adding),
        ("lstm(12, 4, 5, time=9)", Task::Digits),
        ("rnn(3, 4, 5, time=6)", Task::Recall),
        (
            "transformer(layers=1, width=8, heads=2, vocab=20, context=12)",
            Task::Characters,
        ),
    ];
    for (model, expected) in cases {
        let network = open(model, 4);
        let form = Form::of(&network).unwrap();
        assert_eq!(Task::fitting(&form), expected, "{model}");
        for task in Task::ALL {
            match task.generate(&form, Seed::new(0)) {
                Ok(dataset) => {
                    assert!(task.fits(&form));
                    assert!(dataset.chance > 0.0, "{model} {task}");
                    // The same seed makes the same samples, another seed others.
                    assert_eq!(task.generate(&form, Seed::new(0)).unwrap(), dataset);
                    assert_ne!(task.generate(&form, Seed::new(1)).unwrap(), dataset);
                    let batch = dataset.held_out(4, 0).unwrap();
                    let given = batch.inputs.get(&form.input_name).unwrap();
                    assert_eq!(given.shape, form.input_shape, "{model} {task}");
                    if let HostData::F32(x) = &given.data {
                        let rms = (x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32).sqrt();
                        assert!((0.2..3.0).contains(&rms), "{model} {task}: rms {rms}");
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(
                        !task.fits(&form) && error.contains("suitable are"),
                        "{error}"
                    );
                }
            }
        }
    }
}

#[test]
fn digits_are_learned_but_not_by_a_line() {
    let (linear, data) = learn("mlp(256, 10)", Task::Digits, 3e-3, 300);
    let (deep, _) = learn("mlp(256, 128, 10, relu)", Task::Digits, 3e-3, 300);
    assert!((data.chance - 10f64.ln()).abs() < 0.02);
    let accuracy = |r: &StartResult| r.runs[0].held_out_accuracy.unwrap();
    let (linear, deep) = (accuracy(&linear), accuracy(&deep));
    println!("linear {linear}, one hidden layer {deep}");
    assert!(deep > 0.75, "{deep}");
    assert!(linear < deep - 0.15, "{linear} {deep}");
}

#[test]
fn every_task_can_be_learned_by_a_network_of_its_kind() {
    let cases = [
        ("mlp(2, 64x2, 3, tanh)", Task::Spirals, 1e-2, 300, 0.7),
        ("mlp(20, 10)", Task::Blobs, 1e-2, 200, 0.3),
        ("mlp(8, 64, 3, tanh)", Task::Teacher, 1e-2, 300, 0.4),
        ("lstm(4, 24, 4, time=6)", Task::Recall, 1e-2, 200, 0.3),
        ("lstm(2, 24, 1, time=6)", Task::Adding, 2e-2, 300, 0.4),
        (
            "transformer(layers=1, width=32, heads=2, vocab=16, context=16)",
            Task::Characters,
            1e-2,
            150,
            0.75,
        ),
        (
            "transformer(layers=1, width=32, heads=2, vocab=9, context=8)",
            Task::Copy,
            1e-2,
            200,
            0.6,
        ),
    ];
    for (model, task, rate, steps, share) in cases {
        let (result, dataset) = learn(model, task, rate, steps);
        let run = &result.runs[0];
        let (first, last) = (f64::from(run.losses[0]), run.held_out_loss.unwrap());
        println!("{task}: chance {}, from {first} to {last}", dataset.chance);
        assert!(last < share * dataset.chance, "{model} {task}: {last}");
        assert_eq!(result.verdict.unwrap().outcome, Outcome::Trains);
    }
}

#[test]
fn the_users_arrays_become_a_dataset() {
    let network = open("mlp(3, 4, 2)", 4);
    let form = Form::of(&network).unwrap();
    let x = HostTensor::f32(vec![16, 3], (0..48).map(|k| k as f32).collect()).unwrap();
    let y = HostTensor::i64(vec![16], (0..16).map(|k| k % 2).collect()).unwrap();
    let data = Dataset::from_tensors("mine.npz", &form, &x, &y).unwrap();
    assert_eq!((data.count(), data.training()), (16, 14));
    assert!((data.chance - 2f64.ln()).abs() < 1e-12);
    // Each sample once in every round, whatever the seed.
    let mut batches = data.batches(7, Seed::new(3));
    let mut seen: Vec<f32> = Vec::new();
    for _ in 0..2 {
        let batch = batches.batch().unwrap();
        seen.extend(
            batch
                .inputs
                .get("input")
                .unwrap()
                .to_f32()
                .iter()
                .step_by(3),
        );
    }
    seen.sort_by(f32::total_cmp);
    assert_eq!(seen, (0..14).map(|k| 3.0 * k as f32).collect::<Vec<_>>());
    let short = HostTensor::i64(vec![15], vec![0; 15]).unwrap();
    let error = Dataset::from_tensors("mine.npz", &form, &x, &short).unwrap_err();
    assert_eq!(
        error.to_string(),
        "mine.npz: there are 16 inputs but 15 targets"
    );
    let wide = HostTensor::f32(vec![12, 4], vec![0.0; 48]).unwrap();
    let error = Dataset::from_tensors("mine.npz", &form, &wide, &y).unwrap_err();
    assert!(
        error.to_string().contains("samples of shape [3]"),
        "{error}"
    );
}

#[test]
fn data_that_does_not_fit_gets_a_sentence() {
    let network = open("mlp(3, 4, 2)", 4);
    let form = Form::of(&network).unwrap();
    let make = |inputs: usize, targets: Samples| {
        let inputs = Samples::Floats(vec![0.5; inputs]);
        Dataset::new("mine", &form, inputs, targets, &[]).map_err(|e| e.to_string())
    };
    let error = make(0, Samples::Integers(Vec::new())).unwrap_err();
    assert!(error.contains("not one sample"), "{error}");
    let error = make(6, Samples::Integers(vec![0, 1, 0])).unwrap_err();
    assert!(error.contains("do not make the same number"), "{error}");
    let error = make(6, Samples::Integers(vec![0, 2])).unwrap_err();
    assert!(error.contains("class 2 is out of range"), "{error}");
    let error = make(6, Samples::Integers(vec![1, 1])).unwrap_err();
    assert!(error.contains("nothing to learn"), "{error}");
    let error = make(6, Samples::Floats(vec![1.0, f32::NAN])).unwrap_err();
    assert!(error.contains("nothing to learn"), "{error}");
    let one = make(6, Samples::Integers(vec![0, 1])).unwrap();
    assert_eq!(one.objective, Objective::Classes);
    assert!(
        one.at(&[2])
            .unwrap_err()
            .to_string()
            .contains("no sample 2")
    );
    assert!(
        "digit"
            .parse::<Task>()
            .unwrap_err()
            .to_string()
            .contains("known are digits")
    );
}
