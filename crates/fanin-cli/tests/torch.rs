//! What the README says of PyTorch: its line exports a module that starts healthy, and what `init` writes
//! loads back under the same names.
//!
//! `FANIN_PYTHON` names a Python that has torch, onnx and onnxscript; without it, `python3` is asked.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use fanin_network::onnx::TORCH_EXPORT;

/// Convolutions with batch norm: the network that torch's own optimizer would take apart.
const MODEL: &str = "
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        )
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))

model = Small()
example = torch.randn(8, 3, 16, 16)
";

/// Loads the weights; names, shapes and number must be those of the module's parameters.
const LOAD: &str = "
from safetensors.torch import load_file

weights = load_file('model.fanin/weights.safetensors')
parameters = dict(model.named_parameters())
assert weights.keys() == parameters.keys(), weights.keys() ^ parameters.keys()
result = model.load_state_dict(weights, strict=False)
buffers = {name for name, _ in model.named_buffers()}
assert not result.unexpected_keys, result
assert set(result.missing_keys) <= buffers, result
assert all(torch.equal(parameters[name], weights[name]) for name in weights)
";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// The line of the README that exports, word for word.
fn line() -> String {
    let readme = text("README.md");
    let mut lines = readme.lines().map(str::trim);
    let line = lines.find(|line| line.starts_with("torch.onnx.export("));
    line.unwrap().to_owned()
}

fn python(code: &str, folder: &Path) -> std::io::Result<Output> {
    let python = std::env::var_os("FANIN_PYTHON").unwrap_or_else(|| "python3".into());
    std::process::Command::new(python)
        .args(["-c", code])
        .current_dir(folder)
        .output()
}

#[track_caller]
fn succeeds(output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
}

#[test]
fn one_line_exports_wherever_exporting_is_spoken_of() {
    assert_eq!(line(), TORCH_EXPORT);
    let help = Command::cargo_bin("fanin").unwrap().arg("--help").output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let places = [
        ("the help", help),
        ("book/src/custom.md", text("book/src/custom.md")),
        ("book/src/why-not-zero.md", text("book/src/why-not-zero.md")),
    ];
    for (place, text) in places {
        assert!(text.contains(TORCH_EXPORT), "{place} exports otherwise");
    }
}

#[test]
fn what_the_line_exports_starts_healthy_and_loads_back_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let tools = "import torch, onnx, onnxscript, safetensors";
    if !python(tools, folder.path()).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no Python with torch, onnx, onnxscript and safetensors (FANIN_PYTHON)");
        return;
    }
    succeeds(&python(&format!("{MODEL}\n{}", line()), folder.path()).unwrap());
    let output = Command::cargo_bin("fanin")
        .unwrap()
        .current_dir(folder.path())
        .args(["init", "model.onnx", "--format", "json", "-q"])
        .output()
        .unwrap();
    succeeds(&output);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "healthy", "{}", report["findings"]);
    assert_eq!(report["parameters"].as_array().unwrap().len(), 8);
    succeeds(&python(&format!("{MODEL}\n{LOAD}"), folder.path()).unwrap());
}
