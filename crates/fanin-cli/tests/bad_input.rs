//! Bad input through the command: one sentence that says what is wrong, exit 2, nothing written.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

#[path = "../../fanin-network/tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use prost::Message as _;
use support::proto::{Model, Tensor};
use support::{external, graph, model, node, tensor, two_layers, value};

/// Address space for the command: what a lying file may make it take.
const MEMORY: &str = "4000000"; // KiB

/// A folder with one model in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.onnx"), bytes).unwrap();
        Self { folder }
    }

    fn of(model: &Model) -> Self {
        Self::new(&model.encode_to_vec())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    /// Runs the command here, in bounded memory where the system can bound it.
    fn run(&self, arguments: &[&str]) -> std::process::Output {
        let binary = assert_cmd::cargo::cargo_bin("fanin");
        let mut command = if cfg!(unix) {
            let mut command = Command::new("sh");
            command
                .args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")])
                .arg(&binary);
            command
        } else {
            Command::new(&binary)
        };
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Every command that reads the model refuses it in one sentence and writes nothing.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        let before = self.files();
        for arguments in [
            ["init", "model.onnx"].as_slice(),
            &["check", "model.onnx"],
            &["plan", "model.onnx", "-o", "plan.toml"],
            &["strip", "model.onnx", "-o", "stripped.onnx"],
        ] {
            // Planning and stripping read the file, they do not run it.
            let unknown_operator = words.contains(&"Frobnicate");
            if unknown_operator && matches!(arguments[0], "plan" | "strip") {
                continue;
            }
            says(&self.run(arguments), 2, words, arguments);
            assert_eq!(self.files(), before, "{arguments:?} wrote something");
        }
    }
}

#[track_caller]
fn says(output: &std::process::Output, status: i32, words: &[&str], arguments: &[&str]) {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
    let sentences: Vec<&str> = error.lines().filter(|l| l.starts_with("error:")).collect();
    assert_eq!(sentences.len(), 1, "{arguments:?}: {error}");
    assert!(!error.contains("panicked"), "{error}");
    for word in words {
        assert!(
            error.contains(word),
            "{arguments:?}: `{error}` lacks `{word}`"
        );
    }
}

/// A linear layer with this weight.
fn with_weight(weight: Tensor) -> Model {
    let nodes = [node("MatMul", &["x", "w"], &["y"])];
    model(&graph(&nodes, &[weight], vec![value("x", &[1, 2])], &["y"]))
}

#[test]
fn files_that_are_no_models() {
    Place::new(b"").refused(&["model.onnx", "empty"]);
    Place::new(b"It was a dark and stormy night.\n").refused(&["model.onnx", "text"]);
    let noise: Vec<u8> = (0..5000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    Place::new(&noise).refused(&["model.onnx"]);
}

#[test]
fn a_model_cut_off_at_ten_places() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/unet.onnx");
    let whole = std::fs::read(file).unwrap();
    for part in 1..=10 {
        Place::new(&whole[..whole.len() * part / 11]).refused(&["model.onnx"]);
    }
}

#[test]
fn graphs_that_contradict_themselves() {
    let shape = |dims: &[i64]| vec![value("x", dims)];
    let cycle = [
        node("Add", &["x", "b"], &["a"]),
        node("Relu", &["a"], &["b"]),
    ];
    Place::of(&model(&graph(&cycle, &[], shape(&[1, 2]), &["b"]))).refused(&["cycle"]);
    let missing = [node("Add", &["x", "nowhere"], &["y"])];
    Place::of(&model(&graph(&missing, &[], shape(&[1, 2]), &["y"]))).refused(&["nowhere"]);
    let unknown = [node("Frobnicate", &["x"], &["y"])];
    Place::of(&model(&graph(&unknown, &[], shape(&[1, 2]), &["y"]))).refused(&["Frobnicate"]);
    // The shape says 2 × 3, the bytes are those of two elements.
    Place::of(&with_weight(tensor("w", &[2, 3], &[1.0, 2.0]))).refused(&["`w`"]);
}

#[test]
fn sizes_that_lie() {
    let declared = |dims: &[i64]| Tensor {
        raw_data: None,
        ..tensor("w", dims, &[])
    };
    // 10¹² elements in a file of under a kilobyte, and products that overflow.
    for dims in [
        vec![1_000_000, 1_000_000],
        vec![i64::MAX, i64::MAX],
        vec![1 << 32, 1 << 32],
        vec![-1, 2],
    ] {
        let lying = with_weight(declared(&dims));
        assert!(lying.encode_to_vec().len() < 1024);
        Place::of(&lying).refused(&["`w`"]);
    }
}

#[test]
fn external_data_elsewhere() {
    for location in ["../../etc/passwd", "/etc/passwd", "link.bin"] {
        let place = Place::of(&with_weight(external(
            "w",
            &[2, 1],
            &[("location", location)],
        )));
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", place.folder.path().join("link.bin")).unwrap();
        place.refused(&["`w`"]);
    }
}

#[test]
fn weights_that_are_not_numbers_are_a_finding() {
    let mut weight = vec![0.5; 4];
    weight[2] = f32::NAN;
    let nodes = [node("MatMul", &["x", "w"], &["y"])];
    let model = model(&graph(
        &nodes,
        &[tensor("w", &[2, 2], &weight)],
        vec![value("x", &[4, 2])],
        &["y"],
    ));
    let place = Place::of(&model);
    let output = place.run(&["check", "model.onnx"]);
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("error[F"), "{report}");
    assert!(report.contains("verdict: faulty"), "{report}");
}

/// A `.npy` array of f32 zeros.
fn npy(shape: &str, elements: usize) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + 4 * elements, 0);
    bytes
}

#[test]
fn data_that_do_not_fit() {
    let place = Place::of(&two_layers());
    for (name, bytes, words) in [
        ("wide.npy", npy("(5, 99)", 495), ["x", "99"]),
        ("short.npy", npy("(5, 4)", 1), ["short.npy", "80 bytes"]),
        (
            "huge.npy",
            npy("(1000000000000, 3)", 1),
            ["huge.npy", "1000000000000"],
        ),
        ("text.npy", b"hello".to_vec(), ["text.npy", "npy"]),
    ] {
        place.write(name, &bytes);
        let before = place.files();
        let arguments = ["init", "model.onnx", "--data", name];
        says(&place.run(&arguments), 2, &words, &arguments);
        assert_eq!(place.files(), before);
    }
    place.write("right.npy", &npy("(5, 4)", 20));
    let output = place.run(&["check", "model.onnx", "--data", "right.npy"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
}

#[test]
fn weights_and_plans_that_do_not_fit() {
    let place = Place::of(&two_layers());
    place.write("empty.safetensors", b"");
    place.write("lying.safetensors", &[0xff; 64]);
    place.write("plan.toml", b"format = 99\n");
    place.write(
        "rules.toml",
        b"[[rule]]\nmatch = \"*\"\ninitializer = \"kaimng_normal\"\n",
    );
    for (arguments, words) in [
        (
            ["check", "model.onnx", "--weights", "empty.safetensors"],
            ["empty.safetensors"],
        ),
        (
            ["check", "model.onnx", "--weights", "lying.safetensors"],
            ["lying.safetensors"],
        ),
        (
            ["check", "model.onnx", "--weights", "none.safetensors"],
            ["none.safetensors"],
        ),
        (
            ["check", "model.onnx", "--plan", "plan.toml"],
            ["plan.toml"],
        ),
        (
            ["plan", "model.onnx", "--rules", "rules.toml"],
            ["kaimng_normal"],
        ),
        (["plan", "model.onnx", "--recipe", "hope"], ["hope"]),
        (["plan", "model.onnx", "--dtype", "f4"], ["f4"]),
        (
            ["fill", "plan.toml", "-o", "out.safetensors"],
            ["plan.toml"],
        ),
    ] {
        says(&place.run(&arguments), 2, &words, &arguments);
    }
}

#[test]
fn architectures_point_at_the_character() {
    let place = Place::of(&two_layers());
    let output = place.run(&["plan", "mlp(784, 256y20, 10, tanh)"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<&str> = error.lines().collect();
    let text = lines.iter().position(|l| l.contains("256y20")).unwrap();
    let column = |line: &str, what: char| line.chars().position(|c| c == what);
    assert_eq!(
        column(lines[text + 1], '^'),
        lines[text]
            .find("y20")
            .map(|at| lines[text][..at].chars().count()),
        "{error}"
    );
}

#[test]
fn a_folder_that_cannot_be_made() {
    let place = Place::of(&two_layers());
    place.write("file", b"in the way");
    let arguments = ["init", "model.onnx", "-o", "file/below"];
    says(&place.run(&arguments), 2, &["file/below"], &arguments);
}
