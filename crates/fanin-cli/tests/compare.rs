//! `fanin compare` from outside.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use assert_cmd::Command;

fn fanin(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::cargo_bin("fanin").unwrap();
    command.args(arguments).output().unwrap()
}

const SMALL: [&str; 8] = [
    "compare",
    "mlp(2, 16, 16, 3, tanh)",
    "--recipes",
    "zeros,lecun",
    "--seeds",
    "1",
    "--steps",
    "80",
];

#[test]
fn json_has_each_start_with_its_curve_and_both_verdicts() {
    let output = fanin(&[&SMALL[..], &["--format", "json"]].concat());
    assert!(output.status.success());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["task"], "spirals");
    assert_eq!(json["check"][0], "faulty");
    assert_eq!(json["starts"][0]["name"], "zeros");
    assert_eq!(json["starts"][0]["verdict"]["outcome"], "fails");
    assert_eq!(json["starts"][1]["verdict"]["outcome"], "trains");
    assert_eq!(json["complete"], true);
}

#[test]
fn text_has_a_line_per_start() {
    let output = fanin(&[&SMALL[..], &["--rate", "0.1"]].concat());
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap();
    assert!(line("zeros").contains("fails"), "{text}");
    assert!(line("lecun").contains("1.0e-1"), "{text}");
}

#[test]
fn mistakes_get_a_sentence_and_status_2() {
    for (arguments, message) in [
        (["--recipes", "zeros,zeros"], "names `zeros` twice"),
        (["--recipes", "hee"], "did you mean `he`?"),
        (["--task", "adding"], "does not suit a network"),
        (["--task", "digit"], "known are digits"),
        (["--budget", "soon"], "such as 60s or 5m"),
        (["--rate", "0"], "must be positive"),
        (["--data", "no.npz"], "cannot be opened"),
    ] {
        let output = fanin(&[&["compare", "mlp(2, 4, 3)"][..], &arguments[..]].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(message), "{arguments:?}: {text}");
    }
}
