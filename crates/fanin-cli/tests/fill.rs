//! `fanin fill` as its user meets it: what is written, what is said, and the exit status.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

const PLAN: &str = r#"
format = 1
stream = "philox4x32-10/v1"
seed = 3
recipe = "auto"

[model]
name = "two"
digest = "sha256:00ff"

[[parameter]]
name = "fc.weight"
shape = [64, 32]
dtype = "bf16"
role = "weight"
layout = "output input"
initializer = "kaiming_normal"
reason = ""

[[parameter]]
name = "fc.bias"
shape = [64]
dtype = "bf16"
role = "bias"
layout = "output"
initializer = "zeros"
reason = ""
"#;

fn fanin(folder: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("fanin")
        .unwrap()
        .current_dir(folder)
        .args(arguments)
        .assert()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plan.toml"), PLAN).unwrap();
    folder
}

#[test]
fn a_file_is_written_once_and_checked() {
    let home = folder();
    let home = home.path();
    fanin(home, &["fill", "plan.toml", "-o", "w.safetensors"])
        .success()
        .stdout("")
        .stderr(contains("w.safetensors: 2 tensors, "));
    fanin(home, &["fill", "plan.toml", "-o", "w.safetensors"])
        .success()
        .stderr(contains("which were there already"));
    fanin(home, &["fill", "plan.toml", "--verify", "w.safetensors"])
        .success()
        .stdout("w.safetensors: 2 tensors, every bit as the plan says\n");

    // One bit of the first weight.
    let path = home.join("w.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let begin = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[begin] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    fanin(home, &["fill", "plan.toml", "--verify", "w.safetensors"])
        .code(1)
        .stdout(contains(
            "`fc.weight` in w.safetensors differs at element [0, 0]: it is ",
        ));
    fanin(
        home,
        &["--format", "json", "fill", "plan.toml", "--verify", "."],
    )
    .code(1)
    .stdout(contains("\"difference\": \"`fc.weight` in "));

    std::fs::write(&path, "mine").unwrap();
    fanin(home, &["fill", "plan.toml", "-o", "w.safetensors"])
        .code(2)
        .stderr(contains("it exists and holds something else"));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    fanin(
        home,
        &["fill", "plan.toml", "-o", "w.safetensors", "--force"],
    )
    .success();
    fanin(home, &["fill", "plan.toml", "--verify", "w.safetensors"]).success();
}

#[test]
fn shards_and_slices() {
    let home = folder();
    let home = home.path();
    let shards = [
        "fill",
        "plan.toml",
        "-o",
        "m.safetensors",
        "--max-shard-size",
        "4096",
    ];
    fanin(home, &shards)
        .success()
        .stderr(contains("2 shards of m.safetensors: 2 tensors"));
    for name in [
        "m-00001-of-00002.safetensors",
        "m-00002-of-00002.safetensors",
        "m.safetensors.index.json",
    ] {
        assert!(home.join(name).exists(), "{name}");
    }
    fanin(home, &["fill", "plan.toml", "--verify", "."]).success();
    fanin(
        home,
        &[
            "fill",
            "plan.toml",
            "-o",
            "r.safetensors",
            "--slice",
            "*.weight=:, 2/4",
        ],
    )
    .success();
    fanin(home, &["fill", "plan.toml", "--verify", "r.safetensors"]).success();
    fanin(
        home,
        &[
            "fill",
            "plan.toml",
            "-o",
            "x.safetensors",
            "--slice",
            "*.weight=0:65",
        ],
    )
    .code(2)
    .stderr(
        contains("0..65 is no range of axis 0 of shape [64, 32]").and(contains("panicked").not()),
    );
}

#[test]
fn wrong_arguments_and_places_get_a_sentence() {
    let home = folder();
    let home = home.path();
    for (arguments, said) in [
        (&["fill", "plan.toml"][..], "--output"),
        (
            &["fill", "none.toml", "-o", "w"],
            "cannot read the plan none.toml",
        ),
        (
            &["fill", "plan.toml", "-o", "w", "--max-shard-size", "5XB"],
            "write 5GB, 800MiB",
        ),
        (
            &["fill", "plan.toml", "-o", "w", "--shard", "3/2"],
            "shards count from 1 to 2",
        ),
        (
            &["fill", "plan.toml", "-o", "w", "--shard", "1/9"],
            "ask for fewer",
        ),
        (
            &["fill", "plan.toml", "-o", "w", "--slice", "weight"],
            "write NAME=RANGES",
        ),
        (
            &["fill", "plan.toml", "-o", "none/w"],
            "there is no folder none",
        ),
        (&["fill", "plan.toml", "-o", "."], "that is a folder"),
        (
            &["fill", "plan.toml", "--verify", "none"],
            "cannot read none",
        ),
        (
            &["fill", "plan.toml", "--verify", "plan.toml"],
            "it is no safetensors file",
        ),
        (
            &["fill", "plan.toml", "-o", "w", "--verify", "w"],
            "cannot be used with",
        ),
    ] {
        fanin(home, arguments)
            .code(2)
            .stderr(contains(said).and(contains("panicked").not()));
    }
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 1);
}
