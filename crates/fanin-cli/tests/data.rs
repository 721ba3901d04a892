//! `--data` with a model from a file: labels beside the inputs, and what is wrong with either.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use std::io::{Cursor, Write as _};
use std::path::Path;

use assert_cmd::Command;
use fanin::Seed;
use fanin_network::Dims;
use fanin_network::onnx::encode;
use fanin_plan::{Request, plan};
use serde_json::Value;
use zip::write::SimpleFileOptions;

/// A `.npy` array.
fn npy(descr: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(elements);
    bytes
}

fn floats(samples: usize, spoilt: Option<f32>) -> Vec<u8> {
    let mut values: Vec<f32> = (0..samples * 4)
        .map(|k| ((k * 37 % 19) as f32 - 9.0) / 6.0)
        .collect();
    if let Some(spoilt) = spoilt {
        values[5] = spoilt;
    }
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    npy("<f4", &format!("({samples}, 4)"), &bytes)
}

fn labels(values: &[i64]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    npy("<i8", &format!("({},)", values.len()), &bytes)
}

/// A folder with a model of four inputs and three classes, with weights, and this archive beside it.
fn place(arrays: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let dims = Dims {
        batch: Some(64),
        ..Dims::default()
    };
    let network = fanin_network::open("mlp(4, 32, 3, relu)", &dims).unwrap();
    let plan = plan(&network, &Request::new(Seed::new(0))).unwrap().plan;
    let weights = plan.fill_weights().unwrap();
    let model = encode(&network, Some(&weights)).unwrap();
    std::fs::write(folder.path().join("model.onnx"), model).unwrap();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default();
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    std::fs::write(folder.path().join("data.npz"), bytes).unwrap();
    folder
}

fn check(folder: &Path) -> std::process::Output {
    Command::cargo_bin("fanin")
        .unwrap()
        .current_dir(folder)
        .args([
            "check",
            "model.onnx",
            "--data",
            "data.npz",
            "--format",
            "json",
            "-q",
        ])
        .output()
        .unwrap()
}

#[test]
fn samples_of_a_csv_are_taken_as_compare_takes_them() {
    let folder = place(&[]);
    let mut text = "a,b,c,d,kind\n".to_owned();
    for k in 0..200 {
        // One sample in fifty is of another kind.
        let kind = if k % 50 == 7 { "rare" } else { "usual" };
        let cells: Vec<String> = (1..5).map(|c| ((k * c * 7) % 23).to_string()).collect();
        text.push_str(&format!("{},{kind}\n", cells.join(",")));
    }
    std::fs::write(folder.path().join("data.csv"), text).unwrap();
    let output = Command::cargo_bin("fanin")
        .unwrap()
        .current_dir(folder.path())
        .args(["check", "model.onnx", "--data", "data.csv"])
        .args(["--format", "json", "-q"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{error}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    // All 200 are counted, of which a batch of 64 is run.
    assert!(findings.iter().any(|f| f["code"] == "F602"), "{findings:?}");
}

/// What a check says of the frequency of the classes.
fn prior(labels_given: &[i64]) -> Option<Value> {
    let folder = place(&[
        ("input", floats(64, None)),
        ("labels", labels(labels_given)),
    ]);
    let output = check(folder.path());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{error}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|f| f["code"] == "F602").cloned()
}

#[test]
fn rare_classes_are_held_against_the_bias_of_a_model_from_a_file() {
    let even: Vec<i64> = (0..64).map(|k| k % 3).collect();
    assert_eq!(prior(&even), None);
    let mut rare = vec![0; 64];
    rare[7] = 1;
    rare[9] = 2;
    let finding = prior(&rare).unwrap();
    let initializer = finding["fix"]["initializer"].as_str().unwrap();
    assert!(initializer.starts_with("concat"), "{finding}");
}

/// A check refuses these arrays in one sentence with these words.
#[track_caller]
fn refused(arrays: &[(&str, Vec<u8>)], words: &[&str]) {
    let folder = place(arrays);
    let output = check(folder.path());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    for word in words {
        assert!(error.contains(word), "`{error}` lacks `{word}`");
    }
}

#[test]
fn labels_and_data_that_are_wrong() {
    let x = || ("input", floats(64, None));
    refused(
        &[x(), ("labels", labels(&[0; 63]))],
        &["labels", "63", "64"],
    );
    let mut outside = [0; 64];
    outside[3] = 3;
    refused(
        &[x(), ("labels", labels(&outside))],
        &["labels", "label 3", "class 3", "from 0 to 2"],
    );
    refused(
        &[x(), ("labels", npy("<f4", "(1,)", &[0; 4]))],
        &["labels", "1"],
    );
    for spoilt in [f32::NAN, f32::INFINITY] {
        refused(
            &[("input", floats(64, Some(spoilt)))],
            &["input", "the data", "[1, 1]", "mend the data"],
        );
    }
    refused(&[x(), ("label", labels(&[0; 64]))], &["no input `label`"]);
}
