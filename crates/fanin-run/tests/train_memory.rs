//! A long training keeps no more memory than a short one. Alone in its process, which it measures.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use fanin::Seed;
use fanin_network::{Dims, HostTensor};
use fanin_plan::Request;
use fanin_run::Data;
use fanin_run::train::{Batch, Objective, Optimizer, TrainOptions, train};

#[test]
fn memory_does_not_grow_with_steps() {
    // Nothing of a step's tape may be left when it is done.
    let network = fanin_network::open("mlp(64, 64, 8, relu)", &Dims::default()).unwrap();
    let weights = fanin_plan::plan(&network, &Request::new(Seed::new(2)));
    let weights = weights.unwrap().plan.fill_weights().unwrap();
    let x = (0..16 * 64).map(|k| (k as f32).sin()).collect();
    let batch = Batch {
        inputs: Data::new(BTreeMap::from([(
            "input".to_owned(),
            HostTensor::f32(vec![16, 64], x).unwrap(),
        )])),
        target: HostTensor::i64(vec![16], (0..16).map(|k| k % 8).collect()).unwrap(),
    };
    let options = TrainOptions {
        threads: Some(1),
        ..TrainOptions::new(Objective::Classes, Optimizer::SGD)
    };
    let resident = || {
        // Linux alone says it this way; elsewhere there is nothing to compare.
        let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        text.split(' ')
            .nth(1)
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0)
            * 4096
    };
    train(&network, &weights, &options, |trainer| {
        for _ in 0..200 {
            trainer.step(&batch, 0.01, false)?;
        }
        let before = resident();
        for _ in 0..2000 {
            trainer.step(&batch, 0.01, false)?;
        }
        // One step makes arrays of over 30 KB: kept, 2000 of them would be 60 MB.
        assert!(resident() < before + (20 << 20), "{before} {}", resident());
        Ok(())
    })
    .unwrap();
}
