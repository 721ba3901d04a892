//! Times a run of a model with its own weights: `time_run MODEL DATA [forward]`.
//!
//! Prints seconds for reading the model, reading its weights and the run, and the run's slowest
//! operators if `FANIN_RUN_PROFILE` is set while the crate was built with its `profile` timings.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use fanin::Seed;
use fanin_network::{Dims, ParameterId, Weights, infer, onnx, parameter};
use fanin_run::{Data, RunOptions, run};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = PathBuf::from(
        arguments
            .next()
            .ok_or("usage: time_run MODEL DATA [forward]")?,
    );
    let data = Data::read(&PathBuf::from(
        arguments
            .next()
            .ok_or("usage: time_run MODEL DATA [forward]")?,
    ))?;
    let backward = arguments.next().is_none();
    let start = Instant::now();
    let mut network = onnx::read_raw(&model, &Dims::default())?;
    parameter::classify(&mut network)?;
    infer::infer_and_fold(&mut network)?;
    println!("network {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let mut weights = Weights::default();
    for (k, parameter) in network.parameters.iter().enumerate() {
        weights.tensors.insert(
            parameter.name.clone(),
            network.parameter_elements(ParameterId::from(k))?,
        );
    }
    println!("weights {:.2} s", start.elapsed().as_secs_f64());
    let options = RunOptions {
        data: Some(data),
        backward,
        ..RunOptions::new(Seed::new(0))
    };
    let start = Instant::now();
    let trace = run(&network, &weights, &options)?;
    println!(
        "run {:.2} s, output rms {}",
        start.elapsed().as_secs_f64(),
        trace.output.rms
    );
    Ok(())
}
