//! Times a step of training beside a bare run forward and backward: `time_step MODEL BATCH STEPS`.
//!
//! The bare run keeps the gradients and drops them; the step lets SGD with momentum, or Adam, change
//! the weights. Both are measured in turns within one run, and medians are printed.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use fanin::Seed;
use fanin_network::{Dims, HostTensor};
use fanin_plan::Request;
use fanin_run::train::{Batch, Objective, Optimizer, TrainOptions, train};
use fanin_run::{Data, first_floating};

const USAGE: &str = "usage: time_step MODEL BATCH STEPS";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or(USAGE)?;
    let batch: usize = arguments.next().ok_or(USAGE)?.parse()?;
    let steps: usize = arguments.next().ok_or(USAGE)?.parse()?;
    let dims = Dims {
        batch: Some(batch),
        ..Dims::default()
    };
    let network = fanin_network::open(&model, &dims)?;
    let weights = fanin_plan::plan(&network, &Request::new(Seed::new(0)))?
        .plan
        .fill_weights()?;
    let output = network.value(first_floating(&network)?).shape.clone();
    let output = output.ok_or("the output has no shape")?;
    // Floating inputs are given, so that no time goes into drawing them; all targets are class 0 of
    // the last axis.
    let mut inputs = BTreeMap::new();
    for value in network.inputs.iter().map(|&id| network.value(id)) {
        if let (Some(shape), true) = (&value.shape, value.element.is_none_or(|e| e.is_float())) {
            let n = shape.iter().product();
            let x = (0..n).map(|k: usize| (k as f32 * 0.9).sin()).collect();
            let x = HostTensor::f32(shape.clone(), x).ok_or("an input is too large")?;
            inputs.insert(value.name.clone(), x);
        }
    }
    let target = output[..output.len() - 1].to_vec();
    let count = target.iter().product();
    let batch = Batch {
        inputs: Data::new(inputs),
        target: HostTensor::i64(target, vec![0; count]).ok_or("the output is empty")?,
    };
    for optimizer in [Optimizer::SGD, Optimizer::ADAM] {
        let options = TrainOptions::new(Objective::Classes, optimizer);
        let (bare, whole) = train(&network, &weights, &options, |trainer| {
            let mut times = (Vec::new(), Vec::new());
            for _ in 0..steps {
                let start = Instant::now();
                trainer.forward_and_backward(&batch)?;
                times.0.push(start.elapsed().as_secs_f64());
                let start = Instant::now();
                trainer.step(&batch, 1e-6, false)?;
                times.1.push(start.elapsed().as_secs_f64());
            }
            Ok(times)
        })?;
        let (bare, whole) = (median(bare), median(whole));
        println!(
            "{optimizer:?}: forward and backward {:.2} ms, step {:.2} ms, ratio {:.3}",
            1e3 * bare,
            1e3 * whole,
            whole / bare
        );
    }
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
