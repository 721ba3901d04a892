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
    assert_eq!(json["starts"][0]["check"], "faulty");
    assert_eq!(json["starts"][0]["name"], "zeros");
    assert_eq!(json["starts"][0]["verdict"]["outcome"], "fails");
    assert_eq!(json["starts"][1]["verdict"]["outcome"], "trains");
    assert_eq!(json["complete"], true);
    // Behind weights of zero no gradient reaches the first layer.
    let gradients = &json["starts"][0]["gradients"];
    assert_eq!(gradients["steps"], serde_json::json!([0, 1, 3, 10, 30, 79]));
    assert_eq!(gradients["rows"][0]["rms"][0], 0.0);
    assert_eq!(json["starts"][1]["units"][0]["op"], "Tanh");
    let half = json["starts"][1]["steps_to_target"].as_u64().unwrap();
    assert!(half < 80 && json["starts"][0]["steps_to_target"].is_null());
}

#[test]
fn text_has_a_line_per_start() {
    let output = fanin(&[&SMALL[..], &["--rate", "0.1"]].concat());
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap();
    assert!(line("zeros").contains("fails"), "{text}");
    assert!(line("lecun").contains("1.0e-1"), "{text}");
    let head = "rms of the weights' gradient, first layer to last";
    assert!(text.contains(head), "{text}");
    // Spirals have classes; the rate was given, so that none was tried.
    assert!(text.contains("; accuracy: "), "{text}");
    assert!(!text.contains("rate: "), "{text}");
    assert!(text.contains("lecun trains; zeros fails"), "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
}

#[test]
fn the_page_needs_nothing_else_and_the_result_is_still_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    let output = fanin(&[&SMALL[..], &["--html", path.to_str().unwrap()]].concat());
    assert!(output.status.success());
    assert!(!output.stdout.is_empty());
    let page = std::fs::read_to_string(&path).unwrap();
    let page = page.replace("&#39;", "'");
    for needed in [
        "<svg",
        "zeros",
        "lecun",
        "gradient rms",
        "The gradient of each layer's weights at the first step",
        "prefers-color-scheme",
        "faulty",
    ] {
        assert!(page.contains(needed), "{needed}");
    }
    for foreign in ["http://", "https://", "src=", "@import", "NaN"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn a_lesson_tells_what_it_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lesson.html");
    let lesson = [
        "compare",
        "--lesson",
        "bias",
        "--html",
        path.to_str().unwrap(),
    ];
    let output = fanin(&lesson);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for needed in ["Why", "What to do", "Source", "measured", "log_prior"] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.contains("<h2>Why</h2>") && page.contains("<svg"));
    // The picture comes before the numbers, under a title that says what is seen in it.
    let picture = page.find("<h3 class=\"sub\">Loss: ").unwrap();
    let title = &page[picture..picture + 200];
    assert!(title.contains("prior train"), "{title}");
    assert!(picture < page.find("<p class=\"seen\">").unwrap());
    assert!(page.contains("class=\"n bar s1\""), "no bars behind counts");
    let output = fanin(&["compare", "--lesson", "bias", "--format", "json", "-q"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["lesson"], "bias");
    let seen = json["trials"][0]["seen"][0].as_str().unwrap();
    // The same seed, the same numbers, in every form.
    let words = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&words), "{words}");
}

#[test]
fn lessons_are_explained_without_a_run() {
    let output = fanin(&["explain", "plateau"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("fanin compare --lesson plateau"), "{text}");
    let list = String::from_utf8(fanin(&["explain"]).stdout).unwrap();
    assert!(
        list.contains("Lessons") && list.contains("saturation"),
        "{list}"
    );
}

#[test]
fn a_csv_of_ones_own_is_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.csv");
    let rows = (0..64).map(|k| format!("{},{},{}\n", k % 8, k / 8, u8::from(k % 8 > 3)));
    std::fs::write(&path, rows.collect::<String>()).unwrap();
    let own = [
        "compare",
        "mlp(2, 8, 2, tanh)",
        "--data",
        path.to_str().unwrap(),
    ];
    let rest = [
        "--recipes",
        "lecun",
        "--steps",
        "60",
        "--seeds",
        "1",
        "--format",
        "json",
    ];
    let output = fanin(&[&own[..], &rest].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["task"], "own.csv");
    assert!(json["starts"][0]["final_loss"].as_f64().unwrap() < 0.3);
}

#[test]
fn mistakes_get_a_sentence_and_status_2() {
    let output = fanin(&["compare", "--lesson", "explode"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("there is no lesson `explode`; known are symmetry, vanishing"),
        "{text}"
    );
    let output = fanin(&["compare", "mlp(2, 4, 3)", "--lesson", "dead"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fanin(&["compare"]).status.code(), Some(2));
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
