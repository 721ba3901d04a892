//! The networks in `models/`: each is planned, filled, run and judged through the command, and what
//! it measures is held against PyTorch's float64 numbers for the same weights and inputs.
//!
//! The numbers in `models/golden` are made by `tools/golden_gradients.py`.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

fn fanin() -> Command {
    Command::cargo_bin("fanin").unwrap()
}

/// Runs a command that prints JSON and must end with status 0.
fn json(command: &mut Command) -> Value {
    let output = command.args(["--format", "json", "-q"]).output().unwrap();
    assert!(
        output.status.success(),
        "{:?}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `fanin init` on a model: its report, and the folder it wrote.
fn init(name: &str) -> (Value, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let model = models().join(name).with_extension("onnx");
    let report = json(
        fanin()
            .arg("init")
            .arg(&model)
            .arg("--output")
            .arg(folder.path().join("out")),
    );
    (report, folder)
}

/// How far a measurement may be from float64's: 1e-3 relative, or 1e-6 of the largest; and where
/// float32 itself errs by more (a ReLU near its kink flips by rounding), three times its error.
struct Tolerance {
    relative: f64,
    floor: f64,
}

impl Tolerance {
    #[track_caller]
    fn holds(&self, what: &str, measured: f64, expected: f64) {
        let limit = (self.relative * expected.abs()).max(self.floor);
        assert!(
            (measured - expected).abs() <= limit,
            "{what}: measured {measured:e}, PyTorch has {expected:e}"
        );
    }
}

/// Healthy from the start, and equal to PyTorch in every number that PyTorch has.
#[track_caller]
fn starts_healthy_and_agrees_with_torch(name: &str) {
    let (report, folder) = init(name);
    assert_eq!(report["verdict"], "healthy", "{}", report["findings"]);

    let golden = models().join("golden");
    let text = std::fs::read_to_string(golden.join(name).with_extension("json")).unwrap();
    let golden_numbers: Value = serde_json::from_str(&text).unwrap();
    let checked = fanin()
        .arg("check")
        .arg(models().join(name).with_extension("onnx"))
        .arg("--weights")
        .arg(folder.path().join("out/weights.safetensors"))
        .arg("--data")
        .arg(golden.join(name).with_extension("npz"))
        .args(["--format", "json", "-q"])
        .output()
        .unwrap();
    // Two coarse samples need not look healthy; only what is measured counts here.
    assert!(
        matches!(checked.status.code(), Some(0 | 1)),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    let measured: Value = serde_json::from_slice(&checked.stdout).unwrap();

    let expected = golden_numbers["parameters"].as_object().unwrap();
    let largest = expected
        .values()
        .map(|p| p["gradient_rms"].as_f64().unwrap())
        .fold(0.0, f64::max);
    let own_error = golden_numbers["float32_error"].as_f64().unwrap();
    let gradients = Tolerance {
        relative: 1e-3f64.max(3.0 * own_error),
        floor: 1e-6 * largest,
    };
    let values = Tolerance {
        relative: 1e-6,
        floor: 0.0,
    };
    gradients.holds(
        "output",
        measured["output"]["rms"].as_f64().unwrap(),
        golden_numbers["output_rms"].as_f64().unwrap(),
    );
    let rows = measured["parameters"].as_array().unwrap();
    let mut compared = 0;
    for row in rows {
        let parameter = row["name"].as_str().unwrap();
        let Some(right) = expected.get(parameter) else {
            continue;
        };
        values.holds(
            parameter,
            row["rms"].as_f64().unwrap(),
            right["rms"].as_f64().unwrap(),
        );
        gradients.holds(
            &format!("gradient of {parameter}"),
            row["gradient_rms"].as_f64().unwrap(),
            right["gradient_rms"].as_f64().unwrap(),
        );
        compared += 1;
    }
    assert_eq!(compared, expected.len(), "parameters that PyTorch has");
}

macro_rules! models {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                starts_healthy_and_agrees_with_torch(stringify!($name));
            }
        )*

        #[test]
        fn every_model_has_its_test() {
            let mut files: Vec<String> = std::fs::read_dir(models())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
                .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            files.sort();
            assert_eq!(files, [$(stringify!($name)),*]);
        }
    };
}

models! {
    convnext_atto
    dcgan
    gpt2
    llama
    lstm
    mobilenetv3_small
    resnet18
    unet
    vit_tiny
}

/// The command's promise: the same seed gives the same file, and the plan alone gives it again.
#[test]
fn the_plan_gives_the_same_bytes_again() {
    let (_, folder) = init("unet");
    let again = folder.path().join("again.safetensors");
    fanin()
        .arg("fill")
        .arg(folder.path().join("out/plan.toml"))
        .arg("--output")
        .arg(&again)
        .assert()
        .success();
    let first = std::fs::read(folder.path().join("out/weights.safetensors")).unwrap();
    assert!(first == std::fs::read(again).unwrap());
}
