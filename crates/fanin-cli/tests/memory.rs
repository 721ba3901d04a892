//! What does not fit into memory is refused before it starts.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what a test cannot set up must end it")]

use std::time::{Duration, Instant};

use assert_cmd::Command;

/// Runs a command in a limited address space, KiB.
fn limited(kibibytes: u32, arguments: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("ulimit -v {kibibytes}; exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", &script])
        .arg(assert_cmd::cargo::cargo_bin("fanin"))
        .args(arguments)
        .output()
        .unwrap();
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "{arguments:?} wrote something");
    output
}

#[test]
fn a_network_that_does_not_fit_is_refused_in_a_sentence_at_once() {
    // 1.9 GB of weights in a million KiB.
    let network = "mlp(784, 8192x8, 10, relu)";
    for command in ["check", "init", "compare"] {
        let start = Instant::now();
        let output = limited(1_000_000, &[command, network]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {error}");
        for words in ["GB of memory", "are free; "] {
            assert!(error.contains(words), "{command}: {error}");
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{command}");
    }
}

#[test]
fn a_network_that_fits_is_checked() {
    let output = limited(1_000_000, &["check", "mlp(784, 64x4, 10, relu)", "-q"]);
    assert_eq!(output.status.code(), Some(0));
}
