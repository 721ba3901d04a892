//! Runs ONNX's own operator tests: `node_tests DIR [NAME]`.
//!
//! DIR holds one folder per test, as `onnx.backend.test` writes them: `model.onnx` and
//! `test_data_set_0` with `input_K.pb` and `output_K.pb`. Prints what failed and why the rest was
//! skipped, and ends with `N passed, M failed, K skipped`.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use fanin_network::{Dims, ElementType, HostData, HostTensor, Weights, onnx};
use fanin_run::{RunError, evaluate};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: node_tests DIR [NAME]")?;
    let only = arguments.next();
    let mut names: Vec<String> = fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            name.starts_with("test_") && only.as_ref().is_none_or(|o| name.contains(o.as_str()))
        })
        .collect();
    names.sort();
    let (mut passed, mut failed) = (0, 0);
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    for name in &names {
        match one(&Path::new(&folder).join(name)) {
            Ok(Outcome::Passed) => passed += 1,
            Ok(Outcome::Skipped(reason)) => *skipped.entry(reason).or_default() += 1,
            Ok(Outcome::Failed(reason)) => {
                failed += 1;
                println!("{name}: {reason}");
            }
            Err(reason) => {
                failed += 1;
                println!("{name}: {reason}");
            }
        }
    }
    for (reason, n) in &skipped {
        println!("skipped {n}: {reason}");
    }
    let skips: usize = skipped.values().sum();
    println!("{passed} passed, {failed} failed, {skips} skipped");
    if failed > 0 {
        Err("some tests failed".into())
    } else {
        Ok(())
    }
}

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

fn one(folder: &Path) -> Result<Outcome, Box<dyn Error>> {
    let data = folder.join("test_data_set_0");
    let read = |kind: &str| -> Result<Vec<HostTensor>, String> {
        (0..)
            .map(|k| data.join(format!("{kind}_{k}.pb")))
            .take_while(|path| path.exists())
            .map(|path| {
                let bytes = fs::read(path).map_err(|e| e.to_string())?;
                tensor(&bytes).ok_or_else(|| "a type fanin does not compute with".to_owned())
            })
            .collect()
    };
    let (inputs, expected) = match (read("input"), read("output")) {
        (Ok(i), Ok(o)) => (i, o),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Outcome::Skipped(reason)),
    };
    let all = || inputs.iter().chain(&expected);
    if all().any(|t| {
        matches!(
            t.element,
            ElementType::F16 | ElementType::F64 | ElementType::Bf16
        )
    }) {
        return Ok(Outcome::Skipped("floats other than f32".to_owned()));
    }
    if !all().any(|t| t.element == ElementType::F32) {
        return Ok(Outcome::Skipped("no floats".to_owned()));
    }
    let network = match onnx::read_raw(&folder.join("model.onnx"), &Dims::default()) {
        Ok(network) => network,
        Err(error) => {
            return Ok(Outcome::Skipped(format!(
                "not read: {}",
                reason_only(&error.to_string())
            )));
        }
    };
    let named: BTreeMap<String, HostTensor> = network
        .inputs
        .iter()
        .map(|&id| network.value(id).name.clone())
        .zip(inputs)
        .collect();
    let outputs = match evaluate(&network, &Weights::default(), &named) {
        Ok(outputs) => outputs,
        Err(RunError::Unknown(nodes)) => {
            let mut ops: Vec<&str> = nodes.iter().map(|n| n.op.as_str()).collect();
            ops.sort_unstable();
            ops.dedup();
            return Ok(Outcome::Skipped(format!(
                "operator not supported: {}",
                ops.join(", ")
            )));
        }
        Err(error) => return Ok(Outcome::Failed(error.to_string())),
    };
    // Dropout is off here by design, whatever a test asks for.
    if network.nodes.iter().any(|n| n.op == "Dropout") && folder.to_string_lossy().contains("train")
    {
        return Ok(Outcome::Skipped(
            "dropout in training, which fanin turns off".to_owned(),
        ));
    }
    for (k, (got, want)) in outputs.iter().zip(&expected).enumerate() {
        if let Some(reason) = difference(got, want) {
            return Ok(Outcome::Failed(format!("output {k}: {reason}")));
        }
    }
    Ok(Outcome::Passed)
}

/// An error's text without the model's path, so that equal reasons are counted together.
fn reason_only(message: &str) -> String {
    let text = message.split_once(": ").map_or(message, |(_, rest)| rest);
    text.split('`')
        .enumerate()
        .map(|(k, part)| if k % 2 == 0 { part } else { "…" })
        .collect()
}

fn difference(got: &HostTensor, want: &HostTensor) -> Option<String> {
    if got.shape != want.shape {
        return Some(format!(
            "shape {:?} where {:?} is right",
            got.shape, want.shape
        ));
    }
    let (a, b) = (got.to_f32(), want.to_f32());
    let far = |x: f32, y: f32| {
        !(x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= 1e-6 + 1e-3 * y.abs())
    };
    let k = a.iter().zip(&b).position(|(&x, &y)| far(x, y))?;
    let n = a.iter().zip(&b).filter(|&(&x, &y)| far(x, y)).count();
    Some(format!(
        "{n} of {} differ, first at {k}: {} where {} is right",
        a.len(),
        a[k],
        b[k]
    ))
}

/// Reads a `TensorProto` of a type fanin computes with.
fn tensor(bytes: &[u8]) -> Option<HostTensor> {
    let mut rest = bytes;
    let mut shape = Vec::new();
    let mut kind = 0;
    let mut raw: Option<&[u8]> = None;
    let mut floats = Vec::new();
    let mut integers = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let (field, wire) = (key >> 3, key & 7);
        match wire {
            0 => {
                let v = varint(&mut rest)?;
                match field {
                    1 => shape.push(usize::try_from(v).ok()?),
                    2 => kind = i32::try_from(v).ok()?,
                    5 | 7 | 11 => integers.push(v as i64),
                    _ => {}
                }
            }
            2 => {
                let n = usize::try_from(varint(&mut rest)?).ok()?;
                let (mut part, after) = rest.split_at_checked(n)?;
                rest = after;
                match field {
                    1 => {
                        while !part.is_empty() {
                            shape.push(usize::try_from(varint(&mut part)?).ok()?);
                        }
                    }
                    4 => floats.extend(
                        part.chunks_exact(4)
                            .map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])),
                    ),
                    5 | 7 | 11 => {
                        while !part.is_empty() {
                            integers.push(varint(&mut part)? as i64);
                        }
                    }
                    9 => raw = Some(part),
                    _ => {}
                }
            }
            5 => rest = rest.get(4..)?,
            1 => rest = rest.get(8..)?,
            _ => return None,
        }
    }
    let element = ElementType::from_onnx(kind);
    let data = match (element, raw) {
        (ElementType::F32, None) => HostData::F32(floats),
        (ElementType::F32, Some(raw)) => HostData::F32(
            raw.chunks_exact(4)
                .map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]))
                .collect(),
        ),
        // Only their type matters: tests with them are skipped.
        (ElementType::F16 | ElementType::F64 | ElementType::Bf16, _) => {
            HostData::F32(vec![0.0; shape.iter().product()])
        }
        (ElementType::Bool, Some(raw)) => HostData::Bool(raw.iter().map(|&b| b != 0).collect()),
        (ElementType::Bool, None) => HostData::Bool(integers.iter().map(|&v| v != 0).collect()),
        (e, None) if e.is_integer() => HostData::I64(integers),
        (e, Some(raw)) if e.is_integer() => {
            let size = e.size()?;
            let signed = matches!(
                e,
                ElementType::I8 | ElementType::I16 | ElementType::I32 | ElementType::I64
            );
            HostData::I64(raw.chunks_exact(size).map(|c| integer(c, signed)).collect())
        }
        _ => return None,
    };
    HostTensor::new(shape, element, data)
}

fn integer(bytes: &[u8], signed: bool) -> i64 {
    let mut wide = [0u8; 8];
    if signed && bytes.last().is_some_and(|b| b & 0x80 != 0) {
        wide = [0xff; 8];
    }
    wide[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
