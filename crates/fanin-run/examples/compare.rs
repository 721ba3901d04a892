//! Compares a run with PyTorch's: `compare FOLDER [NAME]`.
//!
//! FOLDER is what `tools/export_models.py` writes: `NAME.VARIANT.onnx` with
//! `NAME.VARIANT.reference.json` and the inputs in `NAME.npz`. The model's own weights are used.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fanin::Seed;
use fanin_network::{Dims, Network, ParameterId, Weights, infer, onnx, parameter};
use fanin_run::{Data, RunOptions, run};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: compare FOLDER [NAME]")?);
    let only = arguments.next().unwrap_or_default();
    let mut models: Vec<PathBuf> = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .filter(|path| path.to_string_lossy().contains(&only))
        .collect();
    models.sort();
    let (mut right, mut wrong) = (0, 0);
    for model in &models {
        let name = model
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let start = Instant::now();
        match compare(model) {
            Ok(worst) => {
                right += 1;
                println!(
                    "{name}: worst {worst:.1e}, {:.1} s",
                    start.elapsed().as_secs_f64()
                );
            }
            Err(reason) => {
                wrong += 1;
                println!("{name}: WRONG {reason}");
            }
        }
    }
    println!("{right} agree, {wrong} do not");
    if wrong > 0 {
        Err("some models do not agree".into())
    } else {
        Ok(())
    }
}

fn compare(model: &Path) -> Result<f64, Box<dyn Error>> {
    let file = model.file_name().unwrap_or_default().to_string_lossy();
    let base = file.split('.').next().unwrap_or_default();
    let data = Data::read(&model.with_file_name(format!("{base}.npz")))?;
    let reference: Value =
        serde_json::from_str(&fs::read_to_string(model.with_extension("reference.json"))?)?;
    let network = read(model, &data)?;
    let mut weights = Weights::default();
    for (k, parameter) in network.parameters.iter().enumerate() {
        weights.tensors.insert(
            parameter.name.clone(),
            network.parameter_elements(ParameterId::from(k))?,
        );
    }
    let options = RunOptions {
        data: Some(data),
        ..RunOptions::new(Seed::new(0))
    };
    let trace = run(&network, &weights, &options)?;
    let limit = (3.0 * reference["float32_error"].as_f64().unwrap_or(0.0)).max(1e-3);
    let mut worst = 0.0f64;
    let mut wrong = Vec::new();
    let mut check = |what: &str, got: f64, want: f64, floor: f64| {
        let error = (got - want).abs() / want.abs().max(floor);
        if error > worst {
            worst = error;
        }
        if error.is_nan() || error > limit {
            wrong.push(format!("{what}: {got:.6e} where {want:.6e} is right"));
        }
    };
    check(
        "output",
        trace.output.rms,
        reference["output_rms"].as_f64().ok_or("no output_rms")?,
        0.0,
    );
    let expected = reference["parameters"].as_object().ok_or("no parameters")?;
    let number = |v: &Value| v["gradient_rms"].as_f64().unwrap_or(f64::NAN);
    let largest = expected.values().map(number).fold(0.0, f64::max);
    let measured: BTreeMap<&str, Option<f64>> = trace
        .parameters
        .iter()
        .map(|p| (p.name.as_str(), p.gradient_rms))
        .collect();
    let mut missing = Vec::new();
    for (name, entry) in expected {
        let Some(&got) = measured.get(name.as_str()) else {
            missing.push(name.clone());
            continue;
        };
        let got = got.unwrap_or(0.0);
        let tied = entry["tied_gradient_rms"].as_f64();
        let want = match tied {
            Some(tied) if (got - tied).abs() < (got - number(entry)).abs() => tied,
            _ => number(entry),
        };
        // What is below a millionth of the largest is compared with that.
        check(name, got, want, largest * 1e-3);
    }
    let known: Vec<String> = network
        .parameters
        .iter()
        .flat_map(|p| p.aliases.clone())
        .collect();
    missing.retain(|m| !known.contains(m));
    if !missing.is_empty() {
        wrong.push(format!(
            "{} parameters missing, such as {}",
            missing.len(),
            missing[0]
        ));
    }
    if wrong.is_empty() {
        Ok(worst)
    } else {
        wrong.truncate(4);
        Err(wrong.join("; ").into())
    }
}

fn read(model: &Path, data: &Data) -> Result<Network, Box<dyn Error>> {
    let raw = onnx::read_raw(model, &Dims::default())?;
    let mut shapes = data.shapes();
    shapes.remove("cotangent");
    // `input` stands for the only floating input, whatever it is called.
    if let Some(shape) = shapes.remove("input") {
        let floating = raw.inputs.iter().map(|&id| raw.value(id));
        let floating = floating
            .filter(|v| v.element.is_none_or(|e| e.is_float()))
            .next();
        shapes.insert(floating.ok_or("no floating input")?.name.clone(), shape);
    }
    let mut network = onnx::read_raw(
        model,
        &Dims {
            inputs: shapes,
            ..Dims::default()
        },
    )?;
    parameter::classify(&mut network)?;
    infer::infer_and_fold(&mut network)?;
    Ok(network)
}
